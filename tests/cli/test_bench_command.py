"""`al-lightning bench`."""

from __future__ import annotations

import torch

from al_lightning.bench import BENCHES, regions
from al_lightning.cli import main
from al_lightning.strategies.regions.windows import box_sums, suppress


def test_the_rival_of_the_regions_takes_the_same_number_of_windows(capsys):
    torch.manual_seed(0)
    values = torch.rand(40, 60)
    mine = suppress(box_sums(values[None], (8, 8)), (8, 8), (40, 60))[0]
    assert regions.runner_up(values, 8) == len(mine)
    regions.bench_regions((64, 64), 8, 3, repeats=1)
    assert "suppression" in capsys.readouterr().out


def test_unknown_measurement_is_named(capsys):
    assert main(["bench", "k-centre"]) == 2
    assert "did you mean 'k-center'" in capsys.readouterr().err


def test_a_measurement_is_run_by_its_name(monkeypatch, capsys):
    monkeypatch.setitem(BENCHES, "regions", lambda: print("measured"))
    assert main(["bench", "regions"]) == 0
    assert capsys.readouterr().out == "measured\n"
