from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from al_lightning.core.learner import set_mc_passes
from al_lightning.core.prediction import SampleStatistics
from al_lightning.core.task import Task
from al_lightning.learners import LEARNERS, Committee
from al_lightning.learners.dense import DenseLearner, dropout_layers
from al_lightning.learners.evaluation import Evaluation
from al_lightning.learners.losses import depth_loss, segmentation_loss
from al_lightning.learners.outputs import classes, probabilities
from al_lightning.learners.unet import unet
from al_lightning.metrics.objects import glas_scores
from al_lightning.networks.unet import PlainUNet

POLYP, DEPTH, GLANDS = Task(), Task("depth", (), 20.0), Task("segmentation", ("background", "gland"), objects=True)


def textbook_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p, y = torch.sigmoid(logits[:, 0]), target.float()
    bce = -(y * p.log() + (1 - y) * (1 - p).log()).mean()
    dice = [1 - (2 * (a * b).sum() + 1) / (a.sum() + b.sum() + 1) for a, b in zip(p, y, strict=True)]
    return bce + torch.stack(dice).mean()


def test_binary_loss_is_bce_plus_dice_per_image():
    torch.manual_seed(0)
    logits, target = torch.randn(3, 1, 8, 8), (torch.rand(3, 8, 8) > 0.7).to(torch.uint8)
    assert segmentation_loss(logits, target).item() == pytest.approx(textbook_loss(logits, target).item(), rel=1e-5)


def test_two_softmax_channels_equal_one_sigmoid_channel():
    torch.manual_seed(0)
    logit, target = torch.randn(2, 1, 6, 6), (torch.rand(2, 6, 6) > 0.5).to(torch.uint8)
    two = torch.cat([torch.zeros_like(logit), logit], 1)
    assert segmentation_loss(two, target).item() == pytest.approx(segmentation_loss(logit, target).item(), rel=1e-5)
    assert torch.allclose(probabilities(two), probabilities(logit), atol=1e-6)
    assert torch.equal(classes(two), classes(logit))


@pytest.mark.parametrize("channels", [1, 3])
def test_ignored_pixels_change_nothing_and_void_batches_give_zero(channels):
    torch.manual_seed(0)
    logits = torch.randn(2, channels, 6, 6, requires_grad=True)
    target = torch.randint(0, max(channels, 2), (2, 6, 6)).to(torch.uint8)
    target[:, :3] = 255
    changed = logits.detach().clone()
    changed[:, :, :3] += 5
    assert segmentation_loss(changed, target).item() == pytest.approx(segmentation_loss(logits, target).item())
    void = segmentation_loss(logits, torch.full_like(target, 255))
    void.backward()
    assert void.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_soft_targets_of_zero_and_one_equal_hard_ones():
    logits, target = torch.randn(2, 1, 6, 6), (torch.rand(2, 6, 6) > 0.5).to(torch.uint8)
    assert segmentation_loss(logits, target.float()).item() == pytest.approx(segmentation_loss(logits, target).item())


def test_depth_loss_is_a_share_of_the_maximum():
    output, target = torch.tensor([[[[0.5, 1.0]]]]), torch.tensor([[[[8.0, 20.0]]]])
    assert depth_loss(output, target, 20.0).item() == pytest.approx((2 / 20 + 0) / 2)


def test_moments_are_those_of_the_stack():
    torch.manual_seed(0)
    maps, moments = torch.rand(5, 2, 1, 3, 3), SampleStatistics()
    moments.add(maps[0])
    assert torch.equal(moments.mean, maps[0])
    assert moments.deviation() is None
    for one in maps[1:]:
        moments.add(one)
    assert torch.allclose(moments.mean, maps.mean(0), atol=1e-6)
    assert torch.allclose(moments.deviation(), maps.std(0, correction=0), atol=1e-5)


def batch(n: int = 2, size: int = 16) -> dict:
    return {"rows": torch.arange(n), "image": torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8)}


@pytest.mark.parametrize("options", [{"widths": [4, 8]}, {"encoder": "resnet18"}])
def test_predict_fills_what_it_provides(options):
    size = (32, 32)
    learner = LEARNERS["unet"](POLYP, size, **options).eval()
    with torch.no_grad():
        found = learner.predict_step(batch(size=32), 0)
    for name in learner.provides:
        assert getattr(found, name) is not None
    assert found.probabilities.shape == (2, 2, 32, 32)
    assert torch.allclose(found.probabilities.sum(1), torch.ones(2, 32, 32))
    assert found.latent.shape == (2, learner.network.width)
    assert torch.allclose(found.latent, found.features.mean((2, 3)))


def test_default_latent_has_512_dimensions():
    assert unet(POLYP, (16, 16)).network.width == 512


def test_a_score_does_not_depend_on_the_neighbours_in_the_batch():
    learner = unet(POLYP, (16, 16), widths=[4, 8]).eval()
    whole = batch(4)
    with torch.no_grad():
        together = learner.predict_step(whole, 0).probabilities
        alone = [
            learner.predict_step({"rows": whole["rows"][i : i + 1], "image": whole["image"][i : i + 1]}, 0)
            for i in range(4)
        ]
    assert torch.allclose(together, torch.cat([a.probabilities for a in alone]), atol=1e-6)


@pytest.mark.parametrize("attention", [False, True])
def test_mc_passes_switch_only_dropout_and_run_the_encoder_once(monkeypatch, attention):
    options = {"widths": [4, 8], "dropout": 0.5, "attention": attention}
    learner = unet(POLYP, (16, 16), **options).eval()
    learner.mc_passes = 7
    network = learner.network
    encodes = []
    original = PlainUNet.encode
    monkeypatch.setattr(PlainUNet, "encode", lambda self, x: (encodes.append(1), original(self, x))[1])
    modes = []
    network.merge[0][1].register_forward_hook(
        lambda *_: modes.append(any(m.training for m in network.modules() if isinstance(m, nn.BatchNorm2d)))
    )
    before = {k: v.clone() for k, v in learner.state_dict().items()}
    images = batch()
    with torch.no_grad():
        torch.manual_seed(3)
        found = learner.predict_step(images, 0)
        assert (len(encodes), modes) == (1, [False] * 7)
        assert found.passes.count == 7
        # The same passes through the whole network, one after another.
        torch.manual_seed(3)
        network.dropout.train()
        each = torch.stack([probabilities(learner(images["image"])) for _ in range(7)])
        network.dropout.eval()
        assert torch.allclose(found.probabilities, each.mean(0), atol=1e-5)
        assert torch.allclose(found.passes.square, (each**2).mean(0), atol=1e-5)
        assert each.std(0).max() > 1e-3, "the passes differ"
        assert torch.allclose(found.deterministic(), probabilities(learner(images["image"])), atol=1e-6)
    assert not any(m.training for m in dropout_layers(network))
    assert all(torch.equal(before[k], v) for k, v in learner.state_dict().items())


def test_mc_passes_without_dropout_are_refused():
    with pytest.raises(ValueError, match=r"mc_passes=5.*no dropout layer.*learner\.options\.dropout"):
        set_mc_passes(unet(POLYP, (16, 16), widths=[4, 8]), 5)


def test_sizes_and_weights_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match=r"multiples of 16.*dataset\.options\.size=96"):
        unet(POLYP, (100, 100))
    with pytest.raises(ValueError, match="encoder_weights='imagenet'"):
        unet(POLYP, (16, 16), encoder_weights="imagenet")
    with pytest.raises(ValueError, match="resnet18"):
        unet(POLYP, (32, 32), encoder="resnet81")


def test_depth_output_is_a_share_of_the_maximum():
    learner = DenseLearner(PlainUNet(1, (4, 8)), DEPTH).eval()
    assert learner.monitor == ("val/rmse_cm", "min")
    with torch.no_grad():
        images = batch()
        assert torch.allclose(learner.predict_step(images, 0).depth, learner(images["image"]) * 20)


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


@pytest.mark.parametrize("name", LEARNERS.builtin())
@pytest.mark.parametrize("task", [POLYP, Task("segmentation", ("a", "b", "c"))], ids=["binary", "classes"])
def test_levels_and_the_map_before_the_classifier(name, task):
    """The gradient of the last layer's weights, which BADGE takes, follows from the probabilities and this map."""
    if (name, len(task.classes)) == ("pix2pix", 3):
        pytest.skip("pix2pix makes one map")
    options = {"unet": {"widths": [4, 8]}, "smp": {"architecture": "FPN", "encoder": "mobilenet_v2"}}
    options |= {"deeplabv3plus": {"encoder": "mobilenet_v2"}}
    learner = LEARNERS[name](task, (64, 64), **options.get(name, {"multiplier": 1 / 32})).eval()
    with torch.no_grad():
        found = learner.predict_step(batch(size=64), 0)
    assert list(found.levels) == sorted(found.levels, key=lambda key: int(key.split(".")[1]))
    assert found.level(list(found.levels)[-1]) is found.features is found.level("deepest")
    with pytest.raises(ValueError, match=r"level='encoder\.99': the learner gives deepest, encoder\."):
        found.level("encoder.99")
    if name == "fcn8s":
        assert "before_classifier" not in learner.provides, "it adds the scores of three levels"
        return
    x = found.before_classifier()
    network = learner.generator if name == "pix2pix" else learner.network
    layer = network.classifier
    assert x.shape[0] == 2
    assert layer.weight.shape[1] == x.shape[1]
    # Against autograd: dL/dW of the sum of one logit over all its pixels is the sum of the patches of x.
    layer.weight.grad = None
    layer(x)[:, 0].sum().backward()
    patches = torch.nn.functional.unfold(x, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    assert torch.allclose(layer.weight.grad[0].flatten(), patches.sum((0, 2)), rtol=1e-3, atol=1e-2)
