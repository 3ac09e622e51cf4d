"""What every built-in learner must keep, whatever its network: one contract, no learner left out."""

from __future__ import annotations

import inspect

import pytest
import pytorch_lightning as pl
import torch
from learner_parts import DEPTH, OPTIONS, POLYP, batch
from torch import nn
from torch.utils.data import DataLoader

from al_lightning.config.options import options_of
from al_lightning.core.learner import Learner, learner_of, set_mc_passes
from al_lightning.core.prediction import Prediction
from al_lightning.core.task import Task
from al_lightning.learners import LEARNERS, Committee

SIZE = 64
CLASSES = Task("segmentation", ("a", "b", "c"))
TASKS = {"binary": POLYP, "classes": CLASSES, "depth": DEPTH}
ONE_MAP = {"pix2pix"}
"""Learners that refuse a task of more than two classes."""
PAIRS = [(name, kind) for name in LEARNERS.builtin() for kind in TASKS if name not in ONE_MAP or kind != "classes"]


def small(name: str, task: Task) -> pl.LightningModule:
    return LEARNERS[name](task, (SIZE, SIZE), **OPTIONS.get(name, {}))


@pytest.fixture(params=PAIRS, ids="-".join, scope="module")
def learner(request: pytest.FixtureRequest) -> pl.LightningModule:
    """For tests that do not change it."""
    name, kind = request.param
    torch.manual_seed(0)
    return small(name, TASKS[kind])


def filled(prediction: Prediction) -> set[str]:
    return {name for name, value in vars(prediction).items() if value is not None} - {"rows", "deterministic"}


def predicted(learner: pl.LightningModule) -> Prediction:
    with torch.no_grad():
        return learner.eval().predict_step(batch(size=SIZE), 0)


def targets(task: Task, n: int) -> torch.Tensor:
    if task.kind == "depth":
        return torch.rand(n, 1, SIZE, SIZE) * task.maximum
    return torch.randint(0, len(task.classes), (n, SIZE, SIZE)).to(torch.uint8)


@pytest.mark.parametrize("name", LEARNERS.builtin())
def test_options_are_those_of_the_yaml(name):
    """The config layer finds every option with a type it knows; all have defaults."""
    known = set(inspect.signature(LEARNERS[name]).parameters) - {"task", "size"}
    assert set(options_of("learner", LEARNERS, name, {}, ("task", "size"))) == known


def test_is_a_learner_that_maps_an_image_to_a_map_of_its_size(learner):
    assert learner_of(learner) is learner
    assert isinstance(learner, Learner)
    assert learner.monitor[1] in ("min", "max")
    assert not learner.wants_unlabelled, "no option asked for unlabelled images"
    with torch.no_grad():
        output = learner.eval()(batch(size=SIZE)["image"])
    assert output.shape == (2, learner.task.channels, SIZE, SIZE)
    assert output.isfinite().all()


def test_predicts_what_it_provides_and_no_more(learner):
    found = predicted(learner)
    assert filled(found) == learner.provides
    answer = found.depth if learner.task.kind == "depth" else found.probabilities
    assert answer.shape == (2, 1 if learner.task.kind == "depth" else len(learner.task.classes), SIZE, SIZE)
    assert answer.isfinite().all()
    assert learner.task.kind == "depth" or torch.allclose(answer.sum(1), torch.ones(2, SIZE, SIZE), atol=1e-5)


@pytest.mark.parametrize(("name", "kind"), [pair for pair in PAIRS if pair[1] != "classes"])
def test_samples_passes_where_it_has_dropout(name, kind):
    learner = small(name, TASKS[kind])
    if not any(isinstance(layer, nn.Dropout | nn.Dropout2d) and layer.p > 0 for layer in learner.modules()):
        with pytest.raises(ValueError, match=r"mc_passes=2.*no dropout layer"):
            set_mc_passes(learner, 2)
        return
    set_mc_passes(learner, 2)
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    found = predicted(learner)
    assert filled(found) == learner.provides
    if learner.task.kind == "depth":
        spread = found.deviation
    else:
        assert found.passes.count == 2
        spread = found.passes.deviation()
    assert spread.isfinite().all()
    assert spread.max() > 0, "the passes are equal"
    assert not any(module.training for module in learner.modules())
    assert all(torch.equal(value, learner.state_dict()[name]) for name, value in before.items())


@pytest.mark.parametrize(("name", "kind"), [pair for pair in PAIRS if pair[1] != "classes"])
def test_two_make_a_committee(name, kind):
    committee = Committee([small(name, TASKS[kind]) for _ in range(2)])
    found = predicted(committee)
    assert filled(found) == committee.provides
    assert found.members.shape[:2] == (2, 2)
    spread = found.deviation if committee.task.kind == "depth" else found.passes.deviation()
    assert spread.max() > 0, "the members are equal"


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_a_step_of_training_leaves_finite_numbers(name, kind):
    learner = small(name, TASKS[kind])
    data = DataLoader([batch(size=SIZE) | {"target": targets(learner.task, 2)}], batch_size=None)
    before = {name: value.clone() for name, value in learner.named_parameters() if value.requires_grad}
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(learner, data, data)
    after = dict(learner.named_parameters())
    assert all(value.isfinite().all() for value in after.values())
    changed = [name for name, value in before.items() if not torch.equal(value, after[name])]
    assert len(changed) > len(before) / 2
    assert all(torch.isfinite(value) for value in trainer.callback_metrics.values())
    assert {"train/loss", "val/loss", learner.monitor[0]} <= trainer.callback_metrics.keys()


@pytest.mark.parametrize("name", LEARNERS.builtin())
def test_a_size_that_it_cannot_halve_is_refused_with_one_that_it_can(name):
    with pytest.raises(ValueError, match=r"dataset\.options\.size="):
        LEARNERS[name](POLYP, (SIZE + 1, SIZE + 1), **OPTIONS.get(name, {}))


@pytest.mark.parametrize("name", LEARNERS.builtin())
@pytest.mark.parametrize("task", [POLYP, CLASSES], ids=["binary", "classes"])
def test_levels_and_the_map_before_the_classifier(name, task):
    """The gradient of the last layer's weights, which BADGE takes, follows from the probabilities and this map."""
    if name in ONE_MAP and task is CLASSES:
        pytest.skip(f"{name} makes one map")
    learner = small(name, task)
    found = predicted(learner)
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
