"""Regions that people label: what they withdraw is never asked for again, and what they have drawn of it stays."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from al_lightning.config import load
from al_lightning.core.waiting import Waiting
from al_lightning.experiment import complete, resume, run
from al_lightning.loop import ActiveLearningLoop

SIDE, COUNT, STAGES = 32, 12, 5
BASE = """\
name: regions
dataset: {name: folder, options: {root: frames, targets: none, size: 32}}
oracle: {name: folder}
learner: {name: unet, options: {widths: [4, 8]}}
strategy: {name: region-random, options: {size: 16}}
budget: {initial: 2, per_stage: 1, stages: 5, validation: 1, test: 1}
trainer: {max_epochs: 1, accelerator: cpu}
"""
RUN = Path("runs/regions/region-random/seed-0")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with frames/, and truth/ with the masks that the annotator will draw."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        for part, values in (("frames", rng.integers(0, 255, (SIDE, SIDE, 3))), ("truth", np.eye(SIDE) * 255)):
            Path(part).mkdir(exist_ok=True)
            Image.fromarray(values.astype(np.uint8)).save(f"{part}/{number:02d}.png")
    Path("base.yaml").write_text(BASE)
    return tmp_path


def asked(stage: int) -> list[str]:
    with (RUN / f"queries/stage-{stage:03d}/queries.csv").open() as file:
        return list(dict.fromkeys(line["id"] for line in csv.DictReader(file)))


def answer(stage: int, leave_out: str = "") -> None:
    for name in asked(stage):
        if name != leave_out:
            shutil.copy(f"truth/{name}.png", RUN / "annotations")


def goes_on() -> bool:
    """Resume; whether the run waits again."""
    try:
        resume(RUN) if RUN.exists() else run(complete(load(["base.yaml"])))
    except Waiting:
        return True
    return False


def pool_of(stage: int) -> list[dict[str, Any]]:
    return list(json.loads((RUN / f"state/stage-{stage:03d}.json").read_text())["pool"])


def partly_labelled(stage: int) -> list[str]:
    """Images of a request of which regions were labelled before."""
    known = {entry["id"] for entry in pool_of(stage - 2) if "box" in entry}
    return [name for name in asked(stage) if name in known]


def until_a_partly_labelled_image_is_asked_for() -> tuple[int, str]:
    """(stage, image): the run waits for it."""
    assert goes_on()
    for stage in range(STAGES):
        if stage > 1 and (found := partly_labelled(stage)):
            return stage, found[0]
        answer(stage)
        assert goes_on()
    raise AssertionError("no image was asked for twice")


def to_the_end(gone: set[str], after: int) -> None:
    """Answer whatever is asked until the run is complete; nothing of these images may be asked for after a stage."""
    while goes_on():  # not at every stage: the mask of an image serves for its further regions
        answer(max(int(folder.name[-3:]) for folder in (RUN / "queries").iterdir()))
    for stage in range(after + 1, STAGES):
        assert not gone & set(asked(stage))


@pytest.mark.parametrize("crash", [False, True])
def test_what_is_withdrawn_is_never_asked_for_again_and_its_labels_stay(
    here: Path, crash: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, gone = until_a_partly_labelled_image_is_asked_for()
    before = [entry for entry in pool_of(stage - 2) if entry["id"] == gone]
    (RUN / "annotations/withdrawn.txt").write_text(f"{gone}\tmoved\n")
    answer(stage, leave_out=gone)
    if crash:  # after the answers are recorded, before the pool is
        with monkeypatch.context() as patch:
            patch.setattr(ActiveLearningLoop, "take", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                resume(RUN)
        assert "given" in json.loads((RUN / f"state/stage-{stage - 1:03d}.json").read_text())
        (RUN / "annotations/withdrawn.txt").unlink()  # what was taken stays taken
    to_the_end({gone}, stage)
    held = [*before, {"id": gone, "source": "withdrawn", "reason": "moved"}]
    for later in range(stage - 1, STAGES):
        assert [entry for entry in pool_of(later) if entry["id"] == gone] == held
    assert len((RUN / "stages.jsonl").read_text().splitlines()) == STAGES


def test_an_image_is_withdrawn_although_other_images_are_asked_for(here: Path) -> None:
    """A partly labelled one and one without any label, at a stage that asks for neither."""
    assert goes_on()
    answer(0)
    assert goes_on()
    answer(1)
    assert goes_on()
    partly = next(entry["id"] for entry in pool_of(0) if "box" in entry and entry["id"] not in asked(2))
    splits = json.loads((RUN / "splits.json").read_text())
    taken = {entry["id"] for entry in pool_of(0)} | set(asked(2))
    never = next(name for name, split in splits.items() if split == "pool" and name not in taken)
    (RUN / "annotations/withdrawn.txt").write_text(f"{partly}\n{never}\n")
    to_the_end({partly, never}, 2)
    for stage in range(1, STAGES):
        assert {entry["id"] for entry in pool_of(stage) if entry["source"] == "withdrawn"} == {partly, never}
    rows = [json.loads(line) for line in (RUN / "stages.jsonl").read_text().splitlines()]
    assert rows[1]["fraction"] < rows[2]["fraction"]


def test_a_run_ends_where_everything_left_is_withdrawn(here: Path) -> None:
    assert goes_on()
    answer(0)
    assert goes_on()
    splits = json.loads((RUN / "splits.json").read_text())
    left = {name for name, split in splits.items() if split == "pool"} - set(asked(0)) - set(asked(1))
    (RUN / "annotations/withdrawn.txt").write_text("\n".join(sorted(left | set(asked(1)))))
    assert not goes_on(), "nothing is left to ask for"
    rows = [json.loads(line) for line in (RUN / "stages.jsonl").read_text().splitlines()]
    assert len(rows) == 2
    assert rows[-1]["fraction"] == 1
    assert rows[-1]["selected"] == []
