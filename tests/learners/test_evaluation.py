"""All learners are evaluated alike, at the size of the target, and objects apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from learner_parts import DEPTH, GLANDS, POLYP, batch
from torch import nn
from torch.utils.data import DataLoader

from al_lightning.core.task import Task
from al_lightning.learners import LEARNERS, Committee
from al_lightning.learners.evaluation import Evaluation
from al_lightning.metrics.objects import glas_scores


def built(kind: str, task: Task) -> pl.LightningModule:
    torch.manual_seed(0)
    if kind == "pix2pix":
        return LEARNERS["pix2pix"](task, (32, 32), multiplier=1 / 32)
    members = [LEARNERS["unet"](task, (32, 32), widths=[4, 8]) for _ in range(2)]
    return Committee(members) if kind == "committee" else members[0]


def by_hand(task: Task, outputs: torch.Tensor, targets: list[torch.Tensor]) -> dict[str, float]:
    """Some of the metrics, of outputs resized to each target."""
    size = {"mode": "bilinear", "align_corners": False}
    maps = [
        nn.functional.interpolate(o[None], t.shape[-2:], **size)[0, 0] for o, t in zip(outputs, targets, strict=True)
    ]
    if task.kind == "depth":
        errors = [(20 * m - t).numpy() for m, t in zip(maps, targets, strict=True)]
        return {"rmse_cm": np.mean([np.sqrt((e**2).mean()) for e in errors])}
    pairs = [((m >= 0).numpy()[t != 255], t.numpy()[t != 255]) for m, t in zip(maps, targets, strict=True)]
    guess, truth = (np.concatenate(side) for side in zip(*pairs, strict=True))
    both = [((guess == c) & (truth == c)).sum() / ((guess == c) | (truth == c)).sum() for c in (0, 1)]
    return {
        "miou": np.mean(both),
        "iou": both[1],
        "iou_image": np.mean([(g & t).sum() / (g | t).sum() for g, t in pairs]),
    }


@pytest.mark.parametrize("task", [POLYP, DEPTH])
@pytest.mark.parametrize("kind", ["unet", "pix2pix", "committee"])
def test_every_learner_is_evaluated_alike(kind, task):
    learner, data = built(kind, task), batch(2, 32)

    def targets(*sizes: tuple[int, int]) -> list[torch.Tensor]:
        if task is DEPTH:
            return [torch.rand(1, *size) * 20 for size in sizes]
        return [torch.randint(0, 2, size).masked_fill(torch.rand(size) > 0.9, 255).to(torch.uint8) for size in sizes]

    own, native = torch.stack(targets((32, 32), (32, 32))), targets((40, 24), (9, 50))
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    val = DataLoader([data | {"target": own}], batch_size=None)
    test = DataLoader([data | {"target": own, "native": native}], batch_size=None)
    found = [trainer.validate(learner, val, verbose=False)[0], trainer.test(learner, test, verbose=False)[0]]
    with torch.no_grad():
        outputs = learner.eval()(data["image"])
    for name, value in by_hand(task, outputs, list(own)).items():
        assert found[0][f"val/{name}"] == pytest.approx(value, rel=1e-5)
    for name, value in by_hand(task, outputs, native).items():
        assert found[1][f"test/{name}"] == pytest.approx(value, rel=1e-5)


def test_results_forget_what_they_report_and_parts_are_apart():
    torch.manual_seed(0)
    evaluation = Evaluation(POLYP)
    logits, masks = torch.randn(3, 2, 1, 8, 8), torch.randint(0, 2, (3, 2, 8, 8), dtype=torch.uint8)
    evaluation.update("val", logits[0], {"target": masks[0]})
    evaluation.update("test", logits[1], {"target": masks[1]})
    first = evaluation.results("val")
    evaluation.update("val", logits[2], {"target": masks[2]})
    second = evaluation.results("val")
    for values, i in ((first, 0), (evaluation.results("test"), 1), (second, 2)):
        part = "test" if i == 1 else "val"
        for name, value in by_hand(POLYP, logits[i], list(masks[i])).items():
            assert values[f"{part}/{name}"].item() == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("kind", ["unet", "pix2pix"])
def test_checkpoints_hold_weights_alone(kind):
    learner = built(kind, GLANDS)
    assert {name.split(".")[0] for name in learner.state_dict()} <= {"network", "dense", "discriminator"}
    assert not any("evaluation" in name for name in learner.state_dict())


def test_metrics_follow_to_the_device():
    evaluation = built("committee", GLANDS).to("meta").evaluation
    metrics = (*evaluation.metrics.values(), evaluation.objects)
    assert {state.device.type for metric in metrics for state in metric.metric_state.values()} == {"meta"}


def test_objects_are_scored_at_their_own_size_where_the_task_has_them():
    evaluation = Evaluation(GLANDS)
    truth = torch.zeros(20, 24, dtype=torch.int32)
    truth[2:8, 2:8], truth[10:18, 12:22] = 1, 2
    logits = torch.nn.functional.interpolate((truth > 0).float()[None, None] * 20 - 10, (40, 48))
    batch = {"native": [(truth > 0).to(torch.uint8)], "objects": [truth]}
    evaluation.update("val", -logits, batch)
    evaluation.update("test", logits, batch)
    found = evaluation.results("test")
    assert {"test/miou", "test/object_f1", "test/object_dice", "test/object_hausdorff"} <= set(found)
    assert found["test/object_f1"] == 1
    assert found["test/object_hausdorff"] == 0
    assert set(evaluation.results("val")) == {
        f"val/{name}" for name in ("miou", "iou", "dice", "iou_image", "dice_image")
    }


def test_objects_of_each_part_of_the_test_set_are_scored_apart():
    evaluation = Evaluation(replace(GLANDS, parts=("A", "B")))
    truth = torch.zeros(3, 20, 24, dtype=torch.int32)
    truth[:, 2:8, 2:8], truth[1:, 10:18, 12:22] = 1, 2
    truth[2] = truth[2].flip(0)
    logits = (truth > 0).float()[:, None] * 20 - 10
    logits[1, 0, :9] = -10  # an object missed in one of the images of A
    logits[2, 0, 9:] = -10  # and one in the only image of B
    parts = ["A", "A", "B"]
    batch = {"native": list((truth > 0).to(torch.uint8)), "objects": list(truth), "parts": parts}
    evaluation.update("test", logits, batch)
    found = evaluation.results("test")
    for name in ("A", "B", ""):
        images = [i for i in range(3) if parts[i] == name or not name]
        alone = glas_scores([(logits[i, 0] > 0).numpy() for i in images], [truth[i].numpy() for i in images])
        end = f"_{name}" if name else ""
        for key, value in alone.items():
            assert found[f"test/{key}{end}"].item() == pytest.approx(value, rel=1e-5), key
    assert found["test/object_f1_A"] == pytest.approx(2 * 2 / (2 * 2 + 1))
    assert found["test/object_f1_B"] == pytest.approx(2 * 1 / (2 * 1 + 1))


@pytest.mark.parametrize(("kind", "task"), [("unet", POLYP), ("unet", DEPTH), ("pix2pix", POLYP)])
def test_validation_loss_is_the_mean_over_images_whatever_the_batches(kind, task):
    """With ignored and unmeasured pixels, which weigh images differently in the loss of a batch; fillers count not."""
    learner = built(kind, task).eval()
    data = batch(5, 32)
    if task.kind == "depth":
        data["target"] = 20 * torch.rand(5, 1, 32, 32)
        data["target"][1, :, 3:] = torch.nan
    else:
        data["target"] = torch.randint(0, 2, (5, 32, 32)).to(torch.uint8)
        data["target"][1, 3:] = 255
    evaluation = learner.dense.evaluation if kind == "pix2pix" else learner.evaluation

    def loss(*places: list[int], filler: int | None = None) -> float:
        with torch.no_grad():
            for part in places:
                learner.validation_step({key: value[part] for key, value in data.items()}, 0)
            if filler is not None:
                learner.validation_step({key: value[[filler]] for key, value in data.items()} | {"filler": True}, 0)
        return evaluation.results("val")["val/loss"].item()

    alone = [loss([image]) for image in range(5)]
    assert loss([0, 1, 2, 3, 4]) == pytest.approx(np.mean(alone), rel=1e-5)
    assert loss([0, 1, 2], [3, 4], filler=1) == pytest.approx(np.mean(alone), rel=1e-5)
    assert np.std(alone) > 1e-4
