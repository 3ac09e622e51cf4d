"""Runs as earlier versions left them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from al_lightning.config import Config, written
from al_lightning.core.run_folder import RunFolder


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
    """Runs are begun as by a version that had no learner.epoch: config.yaml lacks the key and its companions, and rows
    do not say how many steps were taken."""
    finish = RunFolder.finish

    def uncounted(self: RunFolder, stage: int, **steps: Any) -> dict[str, Any]:
        for key, value in steps.items():
            if key == "row" or key.startswith("fit"):
                del value["steps"]
        return finish(self, stage, **steps)

    def without(config: Config) -> str:
        tree = written(config)
        for key in ("epoch", "unlabelled_from"):
            del tree["learner"][key]
        return OmegaConf.to_yaml(OmegaConf.create(tree))

    with monkeypatch.context() as patch:
        patch.setattr("al_lightning.experiment.runner.to_yaml", without)
        patch.setattr(RunFolder, "finish", uncounted)
        yield
