"""Runs whose stages a test watches."""

from __future__ import annotations

import pytest


@pytest.fixture
def stages_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No first pass over one batch, so that what a test records is of the stages alone."""
    monkeypatch.setattr("al_lightning.experiment.runner.probe", lambda setup: None)
