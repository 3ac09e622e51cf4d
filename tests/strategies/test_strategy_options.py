"""Impossible options of strategies of images are named; those of VAAL and of regions are beside their tests."""

from __future__ import annotations

from typing import Any

import pytest

from al_lightning.strategies import STRATEGIES


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("bvsb", {"top": 0.0}, r"top=0\.0: expected"),
        ("information-density", {"beta": -1.0}, r"beta=-1\.0: expected"),
        ("information-density", {"measure": "bvs"}, "'bvs': expected one of"),
        ("robust-coreset", {"time_limit": 0.0}, r"time_limit=0\.0: expected"),
        ("robust-coreset", {"outliers": -1}, "outliers=-1: expected"),
        ("pca-coreset", {"components": 0}, "components=0: expected"),
        ("unc-pca-hash", {"ratio": 1.5}, r"ratio=1\.5: expected"),
        ("unc-pca-hash", {"descriptor": "pc"}, "descriptor='pc': expected"),
        ("unc-pca-hash", {"planes": 0}, "planes=0: expected"),
        ("unc-pca-hash", {"bins": 0}, "bins=0: expected"),
        ("uncertainty-clustering", {"uncertainty": False, "clustering": False}, "expected at least one True"),
        ("uncertainty-clustering", {"restarts": 0}, "restarts=0: expected"),
        ("suggestive", {"pool_factor": 0.5}, r"pool_factor=0\.5: expected"),
        ("asa", {"pool_factor": 0.5}, r"pool_factor=0\.5: expected"),
        ("asa", {"mode": "all"}, "mode='all': expected"),
        ("ceal", {"uncertainty": "bald"}, "uncertainty='bald': expected"),
        ("ceal", {"delta": 2.0, "threshold": "quantile"}, r"delta=2\.0: expected"),
        ("ceal", {"decay": -1.0}, r"decay=-1\.0: expected"),
        ("ceal-melanoma", {"random": -1}, "random=-1: expected"),
        ("ceal-melanoma", {"mode": "mean"}, "mode='mean': expected"),
        ("ceal-melanoma", {"pseudo_kind": "firm"}, "pseudo_kind='firm': expected"),
    ],
)
def test_impossible_options_are_named(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        STRATEGIES[name](**options)
