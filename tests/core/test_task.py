"""What a target holds."""

from __future__ import annotations

from al_lightning.core.task import Task


def test_task_of_the_default_is_polyps():
    assert Task().classes == ("background", "polyp")
