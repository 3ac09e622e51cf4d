"""The oracle label-studio, against a stand-in and against a real server."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from label_studio_servers import TOKEN, StandIn, free_port, stand_in
from PIL import Image

from al_lightning.core.oracle import Request
from al_lightning.core.query import Query
from al_lightning.core.region import Box
from al_lightning.core.task import Task
from al_lightning.data import DenseDataset
from al_lightning.data.labels import read_label
from al_lightning.oracles.label_studio import LabelStudio, rle
from al_lightning.oracles.label_studio.results import label_of, majority, prediction

CLASSES = ("background", "polyp")
SIZE = (12, 20)
IDS = ("p1/a", "p1/b", "c")


@pytest.fixture
def dataset(tmp_path: Path) -> DenseDataset:
    paths = []
    for k, name in enumerate(IDS):
        path = tmp_path / "set" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((*SIZE, 3), 40 * k, np.uint8)).save(path)
        paths.append(path)
    rows = np.arange(3)
    task = Task("segmentation", CLASSES)
    return DenseDataset("three", task, IDS, tuple(paths), (None,) * 3, rows, rows[:0], rows[:0], SIZE, read_label)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setenv("LABEL_STUDIO_TOKEN", TOKEN)
    monkeypatch.setattr("al_lightning.oracles.label_studio.client.time.sleep", lambda seconds: None)
    with stand_in() as state:
        yield state


def mask(top: int = 2) -> np.ndarray:
    label = np.zeros(SIZE, np.uint8)
    label[top : top + 5, 3:11] = 1
    return label


def request(tmp_path: Path, rows: tuple[int, ...] = (0, 2), stage: int = 1, **more: object) -> Request:
    folder = tmp_path / "runs/x/bvsb/seed-0"
    folder.mkdir(parents=True, exist_ok=True)
    return Request(Query.of(np.array(rows), "bvsb"), stage, folder, **more)


def test_asks_once_and_takes_what_is_finished(dataset: DenseDataset, server: StandIn, tmp_path: Path) -> None:
    Image.fromarray(mask()).save(tmp_path / "guess.png")
    oracle, ask = LabelStudio(dataset, server.url), request(tmp_path, guesses={0: tmp_path / "guess.png"})
    first = oracle.reveal(ask)
    assert first.waiting.tolist() == [0, 2]
    assert f"{server.url}/projects/1/data" in first.todo
    assert [task["data"]["al_lightning"] for task in server.tasks.values()] == ["p1/a", "c"]
    assert server.tasks[1]["predictions"][0]["result"] == prediction(mask(), CLASSES)
    assert server.projects[1]["title"] == "x/bvsb/seed-0"
    oracle.reveal(ask)
    assert len(server.tasks) == len(server.uploads) == 2, "an image is never a task twice"
    server.annotate("p1/a", prediction(mask(3), CLASSES))
    server.annotate("c", [], was_cancelled=True)
    last = oracle.reveal(ask)
    assert last.waiting.tolist() == []
    assert np.array_equal(read_label(Path(last.files[0])), mask(3))
    assert last.withdrawn == {2: "skipped in Label Studio"}


def test_a_task_that_is_skipped_later_takes_the_rest_of_its_image_out_of_the_pool(
    dataset: DenseDataset, server: StandIn, tmp_path: Path
) -> None:
    """Of an image of which a region is labelled, and of one that the run went on without."""
    oracle = LabelStudio(dataset, server.url)
    oracle.reveal(request(tmp_path, (0, 1)))
    server.annotate("p1/a", prediction(mask(3), CLASSES))
    file = oracle.reveal(request(tmp_path, (0, 1))).files[0]
    server.skip("p1/a")
    server.skip("p1/b")
    for regions, gone in (((Box(0, 0, 6, 5),), {0, 1}), ((Box(0, 0, *SIZE),), {1})):
        ask = request(
            tmp_path, (2,), 2, answered={0: file}, revealed=lambda row, held=regions: held if row == 0 else ()
        )
        delivery = oracle.reveal(ask)
        assert set(delivery.withdrawn) == gone
        assert set(delivery.rejected) == {"p1/a"} - {dataset.ids[row] for row in gone}
        assert delivery.corrected == {}


def test_a_correction_is_taken_at_the_next_stage(dataset: DenseDataset, server: StandIn, tmp_path: Path) -> None:
    oracle = LabelStudio(dataset, server.url)
    oracle.reveal(request(tmp_path, (0,)))
    server.annotate("p1/a", prediction(mask(3), CLASSES))
    file = oracle.reveal(request(tmp_path, (0,))).files[0]
    server.annotate("p1/a", prediction(mask(4), CLASSES))
    corrected = oracle.reveal(request(tmp_path, (2,), 2, answered={0: file})).corrected
    assert np.array_equal(read_label(Path(corrected[0])), mask(4))
    assert np.array_equal(read_label(Path(file)), mask(3))


def test_of_several_annotators_the_majority_or_the_named_one_or_the_ground_truth_counts(
    dataset: DenseDataset, server: StandIn, tmp_path: Path
) -> None:
    oracle, ask = LabelStudio(dataset, server.url), request(tmp_path, (0,))
    oracle.reveal(ask)
    server.annotate("p1/a", prediction(mask(0), CLASSES), completed_by=1)
    for top, person in ((2, 1), (3, 2), (3, 3)):
        server.annotate("p1/a", prediction(mask(top), CLASSES), completed_by={"id": person})
    wanted = majority([mask(2), mask(3), mask(3)])
    assert np.array_equal(read_label(Path(oracle.reveal(ask).files[0])), wanted)
    named = LabelStudio(dataset, server.url, annotator="Second@b.cd").reveal(ask)
    assert np.array_equal(read_label(Path(named.files[0])), mask(3))
    with pytest.raises(ValueError, match=r"annotator='me@x.y': no such user"):
        LabelStudio(dataset, server.url, annotator="me@x.y").reveal(ask)
    server.annotate("p1/a", prediction(mask(5), CLASSES), completed_by=1, ground_truth=True)
    assert np.array_equal(read_label(Path(oracle.reveal(ask).files[0])), mask(5))


def test_an_access_token_that_expires_is_renewed(dataset: DenseDataset, server: StandIn, tmp_path: Path) -> None:
    oracle = LabelStudio(dataset, server.url)
    server.expired = 1
    assert oracle.reveal(request(tmp_path)).waiting.tolist() == [0, 2]
    assert server.access == 2


def test_a_server_that_starts_is_waited_for_and_one_that_is_down_is_said(
    dataset: DenseDataset, server: StandIn, tmp_path: Path
) -> None:
    oracle, ask = LabelStudio(dataset, server.url), request(tmp_path)
    server.failing = 3
    oracle.reveal(ask)
    server.annotate("p1/a", prediction(mask(), CLASSES))
    assert oracle.reveal(ask).waiting.tolist() == [2]
    server.failing = 10**6
    down = oracle.reveal(ask)
    assert down.waiting.tolist() == [2], "what was accepted is kept"
    assert "does not answer (HTTP 503)" in down.todo
    nobody = LabelStudio(dataset, f"http://127.0.0.1:{free_port()}").reveal(ask)
    assert "does not answer (ConnectError" in nobody.todo


def test_a_project_that_was_deleted_is_created_again_with_what_is_missing(
    dataset: DenseDataset, server: StandIn, tmp_path: Path
) -> None:
    oracle, ask = LabelStudio(dataset, server.url), request(tmp_path)
    oracle.reveal(ask)
    server.annotate("p1/a", prediction(mask(), CLASSES))
    oracle.reveal(ask)
    server.projects.clear()
    server.tasks.clear()
    after = oracle.reveal(ask)
    assert "project 1 was gone, and was created again" in after.todo
    assert after.waiting.tolist() == [2]
    assert np.array_equal(read_label(Path(after.files[0])), mask())


def test_the_token_is_in_no_file_and_a_refused_one_is_one_line(
    dataset: DenseDataset, server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LabelStudio(dataset, server.url).reveal(request(tmp_path))
    for file in (tmp_path / "runs").rglob("*"):
        assert not file.is_file() or TOKEN.encode() not in file.read_bytes()
    monkeypatch.setenv("LABEL_STUDIO_TOKEN", "wrong")
    with pytest.raises(ValueError, match="refuses the token; create a new personal access token"):
        LabelStudio(dataset, server.url).reveal(request(tmp_path))
    monkeypatch.delenv("LABEL_STUDIO_TOKEN")
    with pytest.raises(ValueError, match="no token in the environment variable LABEL_STUDIO_TOKEN"):
        LabelStudio(dataset, server.url).reveal(request(tmp_path))
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    LabelStudio(dataset, server.url, token_file=str(tmp_path / "token")).reveal(request(tmp_path))


def test_local_files_are_not_uploaded(dataset: DenseDataset, server: StandIn, tmp_path: Path) -> None:
    LabelStudio(dataset, server.url, local_files=str(tmp_path / "set")).reveal(request(tmp_path))
    assert [task["data"]["image"] for task in server.tasks.values()] == [
        "/data/local-files/?d=p1/a.png",
        "/data/local-files/?d=c.png",
    ]
    assert server.uploads == []


def bitmask(label: np.ndarray) -> str:
    held = io.BytesIO()
    Image.fromarray(label * 255).save(held, "PNG")
    return f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("rectanglelabels", {"x": 15, "y": 100 / 6, "width": 40, "height": 500 / 12, "rotation": 0}),
        ("polygonlabels", {"points": [[15, 100 / 6], [55, 100 / 6], [55, 700 / 12], [15, 700 / 12]]}),
        ("bitmasklabels", {"imageDataURL": bitmask(mask())}),
        ("brushlabels", {"format": "rle", "rle": rle.encode(mask() == 1)}),
    ],
)
def test_every_tool_gives_the_same_rectangle(kind: str, value: dict[str, object]) -> None:
    one = {"type": kind, "original_width": SIZE[1], "original_height": SIZE[0], "value": value | {kind: ["Polyp"]}}
    assert np.array_equal(label_of([one], SIZE, CLASSES), mask())


def test_a_rectangle_turns_around_its_corner_and_an_ellipse_around_its_centre() -> None:
    head = {"original_width": 20, "original_height": 20}
    square = {"x": 50, "y": 50, "width": 25, "height": 25, "rotation": 90, "rectanglelabels": ["polyp"]}
    found = label_of([head | {"type": "rectanglelabels", "value": square}], (20, 20), CLASSES)
    wanted = np.zeros((20, 20), np.uint8)
    wanted[10:15, 5:10] = 1
    assert np.array_equal(found, wanted)
    oval = {"x": 50, "y": 50, "radiusX": 40, "radiusY": 10, "rotation": 90, "ellipselabels": ["polyp"]}
    turned = label_of([head | {"type": "ellipselabels", "value": oval}], (20, 20), CLASSES)
    assert np.flatnonzero(turned.any(1)).tolist() == list(range(2, 18))
    assert np.flatnonzero(turned.any(0)).tolist() == list(range(8, 12))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"original_width": 21}, "drawn on an image of 21 x 12"),
        ({"image_rotation": 90}, "turned by 90"),
        ({"value": {"rle": [1, 2], "brushlabels": ["polyp"]}}, "end too early"),
        ({"value": {"rle": rle.encode(np.zeros((3, 3), bool)), "brushlabels": ["polyp"]}}, "a brush of 9 pixels"),
        ({"value": {"rle": [999], "brushlabels": ["polyp"]}}, "cannot be read"),
        ({"value": {"rle": rle.encode(mask() == 1), "brushlabels": ["dog"]}}, "'dog' is no class"),
        ({"value": {"brushlabels": ["polyp"]}}, "cannot be read"),
        ({"value": 3}, "without value"),
    ],
)
def test_a_region_that_cannot_be_read_is_rejected_with_the_reason(
    dataset: DenseDataset, server: StandIn, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    oracle, ask = LabelStudio(dataset, server.url), request(tmp_path, (0,))
    oracle.reveal(ask)
    server.annotate("p1/a", [prediction(mask(), CLASSES)[0] | change])
    delivery = oracle.reveal(ask)
    assert delivery.waiting.tolist() == [0]
    (reason,) = delivery.rejected.values()
    assert said in reason


def test_brushes_are_equal_in_every_pixel() -> None:
    rng = np.random.default_rng(0)
    for density in (0.0, 0.02, 0.5, 1.0):
        one = rng.random(tuple(rng.integers(1, 60, 2))) < density
        assert np.array_equal(rle.decode(rle.encode(one), one.shape), one)


def test_single_values_as_the_editor_writes_them_are_read() -> None:
    """Four pixels as values of their own, each with four channels: the reference writes lengths of 1 so."""
    bits = f"{16:032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    bits += "001" + f"{15:04b}" + "".join(f"{value:08b}" for value in [0] * 4 + [255] * 4 + [0] * 4 + [200] * 4)
    packed = np.packbits(np.frombuffer(bits.encode(), np.uint8) - ord("0")).tolist()
    assert rle.decode(packed, (2, 2)).tolist() == [[False, True], [False, True]]
