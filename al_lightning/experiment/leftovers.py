"""What is removed from the folder of a run: files that only an unfinished training, or a killed process, needed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from al_lightning.core.files import is_temporary
from al_lightning.core.run_folder import RunFolder, fit_step
from al_lightning.experiment.checkpoints import BEST, LAST, previous


def discard(place: Path) -> None:
    """Remove what only an unfinished training needs: after it is recorded, the best weights are all that is left."""
    for file in (place / LAST, previous(place / LAST), previous(place / BEST)):
        file.unlink(missing_ok=True)


def clear_leftovers(folder: RunFolder) -> None:
    """Remove what killed processes left in a run's folder: files under temporary names, and checkpoints of trainings
    that are recorded as finished; and checkpoints that Lightning wrote when a cluster stopped the process, which it
    would take up in every later training and test."""
    places = [folder.path, *(folder.path / name for name in ("state", "checkpoints", "pseudo"))]
    trees = [folder.path.glob("*"), *(place.rglob("*") for place in places[1:])]
    for file in [file for tree in trees for file in tree]:
        with suppress(FileNotFoundError):
            if is_temporary(file) or (file.parent == folder.path and file.match("hpc_ckpt_*.ckpt")):
                file.unlink()
    for place in (folder.path / "checkpoints").glob("stage-*"):
        number = place.name.removeprefix("stage-")
        done = folder.progress(int(number)) if number.isdecimal() else {}
        for member_place, step in [(place, fit_step(0)), *_members(place)]:
            if step in done:
                discard(member_place)


def _members(place: Path) -> list[tuple[Path, str]]:
    numbered = [(path, path.name.removeprefix("member-")) for path in place.glob("member-*")]
    return [(path, fit_step(int(number))) for path, number in numbered if number.isdecimal()]
