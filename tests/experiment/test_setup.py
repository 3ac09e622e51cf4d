"""Mistakes in a configuration stop a run before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from experiment_runs import run

from al_lightning.config import ConfigError


@pytest.mark.parametrize(
    ("override", "match"),
    [
        ("budget.initial=99", r"budget\.initial=99.*only 18"),
        ("budget={initial: 19, per_stage: 9, stages: 1}", r"budget\.initial=19.*only 18"),
        ("budget.stages=9", r"budget\.stages=9.*at most 6 stages"),
        ("strategy.name=ta-corset", "did you mean 'ta-coreset'"),
        ("strategy.options.gamma=1", r"strategy\.options\.gamma: ta-coreset has no such option"),
        ("dataset.options.rot=1", "did you mean 'root'"),
        ("learner.options.lr=fast", r"learner\.options\.lr='fast'"),
        ("learner.mc_passes=3", "mc_passes=3.*no dropout"),
        ("learner.name=unt", "did you mean 'unet'"),
        ("oracle.name=me", "simulated"),
        ("trainer.max_epoch=3", r"trainer\.max_epoch.*max_epochs"),
        ("trainer.max_epochs=null", r"trainer\.max_epochs: no value"),
        ("dataset.options.size=17", "multiples of 2"),
        ("strategy.name=bald", "passes"),
    ],
)
def test_mistakes_stop_before_anything_is_written(tiny, write_config, override, match):
    with pytest.raises(ConfigError, match=match):
        run(write_config(tiny), override)
    assert not Path(tiny["runs_dir"]).exists()


def test_bad_trainer_argument_is_a_config_error(tiny, write_config):
    with pytest.raises(ConfigError, match=r"trainer\.accelerator='abacus'"):
        run(write_config(tiny), "trainer.accelerator=abacus")


def test_a_map_of_one_pixel_is_refused_before_anything_is_written(tiny, write_config):
    tiny["learner"]["options"]["widths"] = [4, 4, 4, 4, 4]
    tiny["strategy"] = {"name": "uncertainty-clustering"}
    match = r"strategy\.name=uncertainty-clustering: level=deepest: .* 1 x 1 .*level=encoder\.3 \(2 x 2\)"
    with pytest.raises(ConfigError, match=match):
        run(write_config(tiny))
    assert not Path(tiny["runs_dir"]).exists()
