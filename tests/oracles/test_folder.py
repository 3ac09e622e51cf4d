"""The folder oracle: what it writes for annotators, and what it takes back."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from al_lightning.core.oracle import Delivery, Request
from al_lightning.core.query import Query
from al_lightning.core.region import Box
from al_lightning.core.task import Task
from al_lightning.data import DenseDataset
from al_lightning.data.labels import read_label, write_label
from al_lightning.oracles.folder import Folder

HEIGHT, WIDTH = 12, 20
IDS = ("p1/a", "p1/b", "p2/a", "frame 4", "e", "f")


@pytest.fixture
def dataset(tmp_path: Path) -> DenseDataset:
    """Six images without any target."""
    rng = np.random.default_rng(0)
    paths = []
    for name in IDS:
        path = tmp_path / "set" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)).save(path)
        paths.append(path)

    def refuse(path: Path) -> np.ndarray:
        raise AssertionError(f"{path}: the dataset's own decoder is not for answers")

    return DenseDataset(
        "tiny",
        Task("segmentation", ("background", "polyp")),
        IDS,
        tuple(paths),
        (None,) * len(IDS),
        np.arange(4),
        np.array([4]),
        np.array([5]),
        (6, 10),
        refuse,
    )


def request(tmp_path: Path, rows: list[int], **more: object) -> Request:
    return Request(Query.of(np.array(rows), "k-center", np.arange(len(rows)) / 3), 1, tmp_path / "run", **more)


def draw(path: Path, fill: int = 255, size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """A mask with a rectangle; returns its class numbers."""
    mask = np.zeros(size, np.uint8)
    mask[2:7, 3:9] = fill
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)
    return (mask > 0).astype(np.uint8)


def waiting(delivery: Delivery) -> list[int]:
    return delivery.waiting.tolist()


def test_asks_in_a_folder_that_a_person_understands(dataset: DenseDataset, tmp_path: Path) -> None:
    guess = tmp_path / "guess.png"
    Image.fromarray(np.eye(HEIGHT, WIDTH, dtype=np.uint8)).save(guess)
    delivery = Folder(dataset).reveal(request(tmp_path, [2, 3], guesses={2: guess}))
    folder = tmp_path / "run/queries/stage-001"
    assert waiting(delivery) == [2, 3]
    assert str(folder / "images") in delivery.todo
    with (folder / "queries.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(x["id"], x["rank"], x["source"], x["score"], x["box"]) for x in lines] == [
        ("p2/a", "1", "k-center", "0", ""),
        ("frame 4", "2", "k-center", "0.333333", ""),
    ]
    for line, row in zip(lines, (2, 3), strict=True):
        assert np.array_equal(
            np.asarray(Image.open(folder / "images" / f"{line['name']}.png")), dataset.read_image(row)
        )
    shown = np.asarray(Image.open(folder / "guesses" / f"{lines[0]['name']}.png"))
    assert np.array_equal(shown, 255 * np.eye(HEIGHT, WIDTH, dtype=np.uint8))
    assert Image.open(folder / "sheet.jpg").size[0] > 0
    assert str((tmp_path / "run/annotations").resolve()) in (folder / "README.txt").read_text()


@pytest.mark.parametrize("name", ["p2__a", "p2/a", "p2/A_mask", "mask_p2__a", "p2/a_1"])
def test_an_answer_is_found_by_the_id_or_the_name_of_the_copy(dataset: DenseDataset, tmp_path: Path, name: str) -> None:
    oracle, ask = Folder(dataset), request(tmp_path, [2, 3])
    oracle.reveal(ask)
    wanted = draw(tmp_path / "run/annotations" / f"{name}.png")
    delivery = oracle.reveal(ask)
    assert waiting(delivery) == [3]
    assert np.array_equal(dataset.read_target(2, Path(delivery.files[2])), wanted)
    assert delivery.rejected == {}


def test_what_is_kept_is_not_changed_with_the_drawing(dataset: DenseDataset, tmp_path: Path) -> None:
    """A drawing that changes while its stage is still waiting is a new version; the first one stays as it was."""
    oracle, ask = Folder(dataset), request(tmp_path, [2, 3])
    file = tmp_path / "run/annotations/p2/a.png"
    first = draw(file)
    before = oracle.reveal(ask).files[2]
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[0] = 255
    Image.fromarray(mask).save(file)
    after = oracle.reveal(ask).files[2]
    assert before != after
    assert np.array_equal(read_label(Path(before)), first)
    assert read_label(Path(after)).sum() == WIDTH
    assert oracle.reveal(ask).files[2] == after


def test_a_correction_of_an_earlier_label_is_delivered_once(dataset: DenseDataset, tmp_path: Path) -> None:
    oracle = Folder(dataset)
    file = tmp_path / "run/annotations/p2/a.png"
    draw(file)
    first = oracle.reveal(request(tmp_path, [2])).files[2]
    later = Request(Query.of(np.array([3]), "bvsb"), 2, tmp_path / "run", answered={2: first})
    assert oracle.reveal(later).corrected == {}
    draw(file, size=(HEIGHT, WIDTH))
    Image.fromarray(np.full((HEIGHT, WIDTH), 255, np.uint8)).save(file)
    corrected = oracle.reveal(later).corrected
    assert set(corrected) == {2}
    assert read_label(Path(corrected[2])).all()
    again = Request(Query.of(np.array([3]), "bvsb"), 2, tmp_path / "run", answered={2: corrected[2]})
    assert oracle.reveal(again).corrected == {}


def _too_small(place: Path) -> None:
    draw(place / "p2/a.png", size=(HEIGHT, WIDTH + 1))


def _grey(place: Path) -> None:
    draw(place / "frame 4.png")
    ramp = np.linspace(0, 255, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint8)
    Image.fromarray(ramp).save(place / "unused.png")
    (place / "p2").mkdir()
    (place / "unused.png").rename(place / "p2/a.png")


def _twice(place: Path) -> None:
    draw(place / "p2/a.png")
    draw(place / "p2/a_mask.png")


def _unknown(place: Path) -> None:
    draw(place / "nobody.png")


def _broken(place: Path) -> None:
    draw(place / "frame 4.png")
    (place / "p2").mkdir()
    (place / "p2/a.png").write_bytes((place / "frame 4.png").read_bytes()[:60])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_too_small, "is 21 x 12 pixels but its image is 20 x 12"),
        (_grey, "threshold"),
        (_twice, "2 answers for one image"),
        (_unknown, "for no image that was asked for"),
        (_broken, "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_listed_with_the_reason(dataset: DenseDataset, tmp_path: Path, spoil, reason) -> None:
    oracle, ask = Folder(dataset), request(tmp_path, [2])
    place = tmp_path / "run/annotations"
    place.mkdir(parents=True)
    spoil(place)
    before = {path: path.read_bytes() for path in place.rglob("*.png")}
    delivery = oracle.reveal(ask)
    assert waiting(delivery) == [2]
    assert any(reason in why for why in delivery.rejected.values())
    status = (tmp_path / "run/queries/stage-001/status.csv").read_text()
    assert "p2/a,missing," in status
    assert ",rejected," in status
    assert {path: path.read_bytes() for path in place.rglob("*.png")} == before, "nothing that a person drew is touched"


def test_an_image_that_cannot_be_annotated_is_withdrawn(dataset: DenseDataset, tmp_path: Path) -> None:
    place = tmp_path / "run/annotations"
    place.mkdir(parents=True)
    (place / "withdrawn.txt").write_text("p2/a\tblurred\nnobody\n")
    delivery = Folder(dataset).reveal(request(tmp_path, [2, 3]))
    assert delivery.withdrawn == {2: "blurred"}
    assert waiting(delivery) == [3]
    assert list(delivery.rejected) == ["nobody"]


def test_a_label_stays_when_its_image_is_withdrawn_later_and_that_is_said(
    dataset: DenseDataset, tmp_path: Path
) -> None:
    place = tmp_path / "run/annotations"
    place.mkdir(parents=True)
    (place / "withdrawn.txt").write_text("p2/a\tblurred\n")
    query = Query.of(np.array([3]), "random")
    delivery = Folder(dataset).reveal(Request(query, 2, tmp_path / "run", answered={2: None}))
    assert delivery.withdrawn == {}
    assert delivery.rejected == {"p2/a": "withdrawn after it was labelled: its label stays"}


def test_an_image_of_which_regions_are_labelled_is_withdrawn_whether_it_is_asked_for_or_not(
    dataset: DenseDataset, tmp_path: Path
) -> None:
    place = tmp_path / "run/annotations"
    place.mkdir(parents=True)
    (place / "withdrawn.txt").write_text("p2/a\tblurred\n")

    def reveal(row: int, *regions: Box, answered: dict[int, str | None]) -> Delivery:
        query = Query.of(np.array([row]), "cereals", regions=[Box(0, 5, 6, 5)])
        return Folder(dataset).reveal(
            Request(query, 2, tmp_path / "run", answered=answered, revealed=lambda row: regions if row == 2 else ())
        )

    half, whole = Box(0, 0, 6, 5), Box(0, 0, *dataset.size)
    for row in (2, 3):
        delivery = reveal(row, half, answered={2: None})
        assert delivery.withdrawn == {2: "blurred"}
        assert delivery.rejected == {}
    assert reveal(3, whole, answered={2: None}).withdrawn == {}
    assert list(reveal(3, whole, answered={2: None}).rejected) == ["p2/a"]
    assert reveal(3, answered={2: None}).withdrawn == {}, "a validation or test image"


def test_an_image_can_be_withdrawn_before_it_is_asked_for_and_by_the_name_of_its_copy(
    dataset: DenseDataset, tmp_path: Path
) -> None:
    place = tmp_path / "run/annotations"
    oracle = Folder(dataset)
    oracle.reveal(request(tmp_path, [2]))
    with (tmp_path / "run/queries/stage-001/queries.csv").open() as file:
        (copy,) = (line["name"] for line in csv.DictReader(file))
    (place / "withdrawn.txt").write_text(f"{copy}\tblurred\n{dataset.ids[0]}\tno consent\n")
    ask = Request(Query.of(np.array([3]), "random"), 2, tmp_path / "run")
    assert oracle.reveal(ask).withdrawn == {2: "blurred", 0: "no consent"}
    (place / "withdrawn.txt").write_text(f"{dataset.ids[0]}_mask\n")
    assert list(oracle.reveal(ask).rejected) == [f"{dataset.ids[0]}_mask"], (
        "only exact names, but for what is asked for"
    )


def test_earlier_regions_of_an_image_keep_their_labels(dataset: DenseDataset, tmp_path: Path) -> None:
    """The learner's grid is half of the image: its left half was revealed before as class 1."""
    old = str(write_label(tmp_path / "old", np.ones((HEIGHT, WIDTH), np.uint8)))
    query = Query.of(np.array([2]), "cereals", regions=[Box(0, 5, 6, 5)])
    ask = Request(query, 1, tmp_path / "run", answered={2: old}, revealed=lambda row: (Box(0, 0, 6, 5),))
    oracle = Folder(dataset)
    oracle.reveal(ask)
    with (tmp_path / "run/queries/stage-001/queries.csv").open() as file:
        assert [line["box"] for line in csv.DictReader(file)] == ["10 0 20 12"]
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:4, 15:] = 255
    (tmp_path / "run/annotations/p2").mkdir()
    Image.fromarray(mask).save(tmp_path / "run/annotations/p2/a.png")
    found = read_label(Path(oracle.reveal(ask).files[2]))
    wanted = (mask > 0).astype(np.uint8)
    wanted[:, :10] = 1
    assert np.array_equal(found, wanted)


def test_every_mask_in_another_code_than_the_options_say_is_refused_at_once(
    dataset: DenseDataset, tmp_path: Path
) -> None:
    """0 and 2 mean nothing by themselves; the option that settles it is named, and then works."""
    draw(tmp_path / "run/annotations/p2/a.png", fill=2)
    ask = request(tmp_path, [2])
    refused = Folder(dataset).reveal(ask)
    assert waiting(refused) == [2]
    assert "foreground" in next(iter(refused.rejected.values()))
    assert waiting(Folder(dataset, foreground=[2]).reveal(ask)) == []


@pytest.mark.parametrize(("export", "file"), [("coco", "coco.json"), ("cvat", "cvat.xml")])
def test_guesses_go_to_an_annotation_tool_and_its_export_comes_back(
    dataset: DenseDataset, tmp_path: Path, export: str, file: str
) -> None:
    """The tool gives back what it imported: one guess, and an image without any object."""
    numbers = np.zeros((HEIGHT, WIDTH), np.uint8)
    numbers[3:7, 2:9] = 1
    Image.fromarray(numbers).save(tmp_path / "guess.png")
    ask = request(tmp_path, [2, 3], guesses={2: tmp_path / "guess.png"})
    oracle = Folder(dataset, exports=[export])
    oracle.reveal(ask)
    written = tmp_path / "run/queries/stage-001" / file
    (tmp_path / "run/annotations" / file).write_bytes(written.read_bytes())
    delivery = oracle.reveal(ask)
    assert np.array_equal(read_label(Path(delivery.files[2])), numbers)
    assert waiting(delivery) == [3]
    assert "empty=background" in next(iter(delivery.rejected.values()))
    filled = Folder(dataset, exports=[export], empty="background").reveal(ask)
    assert waiting(filled) == []
    assert not read_label(Path(filled.files[3])).any()


def test_an_unknown_export_is_refused(dataset: DenseDataset) -> None:
    with pytest.raises(ValueError, match=r"exports=\['yolo'\]: expected some of coco, cvat"):
        Folder(dataset, exports=["yolo"])
