"""Runs as earlier versions left them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from al_lightning.config import Config, written


def without_digests(folder: Path) -> None:
    """As a version before there were digests would have left the run."""
    (folder / "manifest.json").unlink()
    for path in (folder / "state").glob("stage-*.json"):
        content = json.loads(path.read_text())
        for key in ("format", "chain", "dataset", "pseudo"):
            content.pop(key, None)
        for key in [key for key in content if key.startswith("fit")]:
            content[key].pop("digest")
        path.write_text(json.dumps(content, indent=1))


@contextmanager
def before_epochs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs are begun as by a version that had no learner.epoch: their config.yaml lacks the key and its companions."""

    def without(config: Config) -> str:
        tree = written(config)
        for key in ("epoch", "unlabelled_from"):
            del tree["learner"][key]
        return OmegaConf.to_yaml(OmegaConf.create(tree))

    with monkeypatch.context() as patch:
        patch.setattr("al_lightning.experiment.runner.to_yaml", without)
        yield
