"""What is read from the source of each entry is what its signature says."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from al_lightning.config import ConfigError
from al_lightning.config.static import parameters_of, precheck
from al_lightning.data.table import DATASETS
from al_lightning.learners.table import LEARNERS
from al_lightning.oracles.table import ORACLES
from al_lightning.strategies.table import STRATEGIES

ENTRIES = [(table, name) for table in (STRATEGIES, LEARNERS, DATASETS, ORACLES) for name in table.builtin()]


@pytest.mark.parametrize(("table", "name"), ENTRIES, ids=[name for _, name in ENTRIES])
def test_the_source_of_every_entry_tells_its_parameters(table, name):
    place = table.place(name)
    found = parameters_of(place) if place is not None else list(inspect.signature(table[name]).parameters)
    assert found == list(inspect.signature(table[name]).parameters)


def test_unknown_names_and_options_are_named():
    with pytest.raises(ConfigError, match=r"strategy\.name='randm': no such strategy \(did you mean 'random'\?\)"):
        precheck("strategy", STRATEGIES, "randm", {})
    with pytest.raises(ConfigError, match=r"learner\.options\.dropuot: unet has no such option"):
        precheck("learner", LEARNERS, "unet", {"dropuot": 0.1}, ("task", "size"))
    with pytest.raises(ConfigError, match=r"learner\.options\.size"):
        precheck("learner", LEARNERS, "unet", {"size": 3}, ("task", "size"))
    precheck("strategy", STRATEGIES, "some.module:Name", {"anything": 1})


MISTAKES = ["strategy.name=randm", "learner.options.dropuot=1", "dataset.options.rot=x", "budget.inital=3"]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_without_loading_torch(mistake):
    script = (
        "import sys; from al_lightning.cli import main; code = main(sys.argv[1:]); "
        "assert code == 2; assert 'torch' not in sys.modules and 'wandb' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script, "run", "demo", mistake], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "did you mean" in done.stderr.lower()
