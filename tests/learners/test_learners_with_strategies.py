"""Any learner with any strategy whose needs it provides: each measures what the strategy asks of each."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from learner_parts import OPTIONS
from strategy_parts import IMAGES, strategy_of

from al_lightning.core.learner import set_mc_passes
from al_lightning.core.prediction import Batch
from al_lightning.core.task import Task
from al_lightning.learners import LEARNERS, Committee
from al_lightning.loop import check_needs
from al_lightning.strategies import STRATEGIES

TASKS = {"binary": Task(), "classes": Task("segmentation", ("a", "b", "c")), "depth": Task("depth", ())}
SIZE = 64


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", LEARNERS.builtin())
def test_every_strategy_that_a_learner_provides_for_can_measure_it(name, task):
    if (name, task) == ("pix2pix", "classes"):
        pytest.skip("pix2pix has one output channel")
    torch.manual_seed(0)

    def one(passes: int) -> Any:
        learner = LEARNERS[name](TASKS[task], (SIZE, SIZE), **OPTIONS.get(name, {}))
        set_mc_passes(learner, passes)
        return learner

    batch: Batch = {"rows": torch.arange(2), "image": torch.randint(0, 256, (2, 3, SIZE, SIZE), dtype=torch.uint8)}
    built = {label: strategy_of(label) for label in IMAGES}  # those of regions measure after `prepare`
    if name == "pix2pix":  # its deepest map is 1 x 1, which the strategy refuses
        built["uncertainty-clustering"] = STRATEGIES["uncertainty-clustering"](level="encoder.4")
    able: dict[str, set[str]] = {}
    for kind, learner in {"one": one(1), "passes": one(3), "members": Committee([one(1), one(1)])}.items():
        with torch.no_grad():
            prediction = learner.eval().predict_step(batch, 0)
        able[kind] = set()
        for label, strategy in built.items():
            try:
                check_needs(strategy, learner)
            except ValueError:
                continue
            able[kind].add(label)
            for key, value in strategy.measure(prediction).items():
                assert len(value) == 2, (kind, label, key)
                assert torch.isfinite(value.float()).all(), (kind, label, key)
    if task == "depth":
        assert able["one"] >= {"random", "ta-coreset", "pca-coreset", "vaal"}
        assert able["passes"] - able["one"] >= {"mc-deviation"}
        assert "bvsb" not in able["one"] | able["passes"] | able["members"]
    else:
        assert able["one"] >= {"bvsb", "entropy", "ta-coreset", "unc-ta-coreset", "uncertainty-clustering", "ceal"}
        assert able["passes"] - able["one"] >= {"bald", "mc-variance", "ceal-melanoma"}
        assert able["members"] - able["one"] >= {"suggestive", "asa", "vote-entropy"}
