"""A run whose labels are drawn in Label Studio, from the command line, with a stand-in and with a real server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_studio_servers import PROGRAM, TOKEN, StandIn, real_server, stand_in
from PIL import Image

from al_lightning.cli import main
from al_lightning.data.labels import read_label
from al_lightning.oracles.label_studio.client import Client
from al_lightning.oracles.label_studio.results import label_of, prediction

CLASSES = ("background", "foreground")
FIRST, LAST = 11, 3
"""Images of the first request (4 for training, 3 and 4 for validation and test), and of a later one."""
Tasks = Callable[[], list[dict[str, Any]]]
Draw = Callable[[dict[str, Any], np.ndarray], None]


@pytest.fixture(
    params=[
        "stand-in",
        pytest.param(
            "real",
            marks=[
                pytest.mark.label_studio,
                pytest.mark.skipif(
                    PROGRAM is None, reason="no program label-studio; AL_LIGHTNING_LABEL_STUDIO names it"
                ),
            ],
        ),
    ]
)
def server(request: pytest.FixtureRequest, here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """(address, its tasks, what draws a mask)."""
    if request.param == "stand-in":
        monkeypatch.setenv("LABEL_STUDIO_TOKEN", TOKEN)
        with stand_in() as state:
            yield state.url, lambda: list(state.tasks.values()), drawing(state)
        return
    (here / "server").mkdir()
    with real_server(here / "server") as (url, token):
        monkeypatch.setenv("LABEL_STUDIO_TOKEN", token)
        client = Client(url, token)

        def tasks() -> list[dict[str, Any]]:
            (project,) = client.pages("/api/projects/")
            return list(client.pages("/api/tasks/", project=project["id"], fields="all"))

        def draw(task: dict[str, Any], mask: np.ndarray) -> None:
            client.post(f"/api/tasks/{task['id']}/annotations/", json={"result": prediction(mask, CLASSES)})

        yield url, tasks, draw


def drawing(state: StandIn) -> Draw:
    return lambda task, mask: state.annotate(task["data"]["al_lightning"], prediction(mask, CLASSES))


def truth(name: str) -> np.ndarray:
    with Image.open(f"truth/{name}.png") as image:
        return (np.asarray(image) > 127).astype(np.uint8)


def rows(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "stages.jsonl").read_text().splitlines()]
    return [{key: row[key] for key in ("test", "val", "labelled", "selected")} for row in lines]


def test_the_same_masks_give_the_run_that_files_give(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    url, tasks, draw = server
    other, run = Path("runs/files/ta-coreset/seed-0"), Path("runs/people/ta-coreset/seed-0")
    small = "budget.stages=2"
    assert main(["run", "base.yaml", "name=files", small]) == 3
    shutil.copytree("truth", other / "annotations", dirs_exist_ok=True)
    assert main(["resume", str(other)]) == 0

    assert main(["run", "base.yaml", "oracle.name=label-studio", f"oracle.options.url={url}", small]) == 3
    assert f"0 of {FIRST} labels are there" in " ".join(capsys.readouterr().out.split())
    assert len(tasks()) == FIRST
    for task in tasks()[:5]:
        draw(task, truth(task["data"]["al_lightning"]))
    assert main(["resume", str(run)]) == 3
    assert f"5 of {FIRST} labels are there" in " ".join(capsys.readouterr().out.split())
    for task in tasks():
        if not task["annotations"]:
            draw(task, truth(task["data"]["al_lightning"]))
    assert main(["resume", str(run)]) == 3
    later = [task for task in tasks() if not task["annotations"]]
    assert len(tasks()) == FIRST + LAST
    starts = sorted(label_of(task["predictions"][0]["result"], (32, 32), CLASSES).tolist() for task in later)
    guesses = sorted(read_label(file).tolist() for file in (run / "guesses/stage-001").iterdir())
    assert starts == guesses, "the learner's masks are the start"
    assert np.any(starts), "and some show something"
    for task in later:
        draw(task, truth(task["data"]["al_lightning"]))
    assert main(["resume", str(run)]) == 0
    assert rows(run) == rows(other)
    held = sorted((run / "labels").rglob("*.png"))
    assert len(held) == FIRST + LAST
    text = "".join(file.read_text(errors="replace") for file in run.rglob("*") if file.suffix in (".yaml", ".json"))
    assert "eyJ" not in text, "the token is in no file of the run"
    assert TOKEN not in text
