"""What every built-in oracle must keep: it answers for what was asked, the same twice, and says what it waits for."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from label_studio_servers import TOKEN, stand_in
from PIL import Image
from region_parts import IDS, ROWS, SIZE, new_pool, regions_of

from al_lightning.config.options import build, options_of
from al_lightning.core.oracle import Delivery, Oracle, Request, asks_people
from al_lightning.core.query import Query
from al_lightning.core.task import Task
from al_lightning.data import DenseDataset
from al_lightning.data.reading import binary_mask
from al_lightning.experiment.setup import PROVIDED
from al_lightning.oracles import ORACLES

REQUIRED: dict[str, dict[str, object]] = {}
"""Options without a default, by oracle; an oracle that lacks one here fails."""
UNLABELLED = 9
"""A row of the pool whose label nobody has."""


@pytest.fixture
def dataset(tmp_path: Path) -> DenseDataset:
    """Ten images of 32 x 48 pixels, each with a mask, but for one of the pool."""
    images, targets = [], []
    for row, name in enumerate(IDS):
        image, target = tmp_path / "images" / f"{name}.png", tmp_path / "masks" / f"{name}.png"
        for file, value in ((image, 90), (target, 255)):
            file.parent.mkdir(exist_ok=True)
            pixels = np.zeros((*SIZE, 3) if file == image else SIZE, np.uint8)
            pixels[row : row + 9, 5:20] = value
            Image.fromarray(pixels).save(file)
        images.append(image)
        targets.append(None if row == UNLABELLED else target)
    return DenseDataset(
        "ten",
        Task("segmentation", ("background", "polyp")),
        tuple(IDS),
        tuple(images),
        tuple(targets),
        ROWS,
        np.array([0]),
        np.array([1]),
        SIZE,
        binary_mask,
    )


@pytest.fixture(params=ORACLES.builtin())
def oracle(request: pytest.FixtureRequest, dataset: DenseDataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Oracle]:
    """Built as a run builds it."""
    given = {"target_file": dataset.target_file, "dataset": dataset}
    options = dict(REQUIRED.get(request.param, {}))
    with ExitStack() as stack:
        if request.param == "label-studio":
            monkeypatch.setenv("LABEL_STUDIO_TOKEN", TOKEN)
            options["url"] = stack.enter_context(stand_in()).url
        yield build("oracle", ORACLES, request.param, options, given)


@pytest.mark.parametrize("name", ORACLES.builtin())
def test_options_are_those_of_the_yaml(name: str) -> None:
    known = set(inspect.signature(ORACLES[name]).parameters) - set(PROVIDED)
    assert set(options_of("oracle", ORACLES, name, REQUIRED.get(name, {}), PROVIDED)) == known


QUERIES = {
    "images": Query.of(ROWS[:3], "initial"),
    "regions": Query.of(ROWS[[0, 1, 1]], "cereals", regions=regions_of((0, 0, 0, 0), (0, 0, 4, 4), (8, 8, 4, 4))),
    "nothing": Query.of(ROWS[:0], "random"),
}


@pytest.mark.parametrize("kind", QUERIES)
def test_reveals_files_of_what_was_asked_for(oracle: Oracle, dataset: DenseDataset, kind: str, tmp_path: Path) -> None:
    """A row without a file of its own has the label of the dataset."""
    assert isinstance(oracle, Oracle)
    query, pool = QUERIES[kind], new_pool()
    before = query.rows.copy()
    delivery = oracle.reveal(Request(query, 0, tmp_path / "run"))
    assert isinstance(delivery, Delivery)
    assert set(delivery.files) <= set(query.rows.tolist())
    assert all(Path(file).is_file() for file in delivery.files.values())
    assert np.array_equal(query.rows, before)
    assert delivery.waiting.tolist() == []
    pool.commit(delivery.labelled(query), 0, delivery.files)
    assert pool.annotated.tolist() == sorted(set(query.rows.tolist()))
    for row in pool.annotated.tolist():
        file = pool.target(row)
        assert np.array_equal(dataset.read_target(row, Path(file) if file else None), dataset.read_target(row))
    again = oracle.reveal(Request(query, 0, tmp_path / "run"))
    assert again.files == delivery.files, "the same request has the same answer: a stopped run asks again"


def test_an_image_without_a_label_is_waited_for_or_refused_by_name(oracle: Oracle, tmp_path: Path) -> None:
    request = Request(Query.of(np.array([ROWS[0], UNLABELLED]), "random"), 0, tmp_path / "run")
    if not asks_people(oracle):
        with pytest.raises(ValueError, match=IDS[UNLABELLED]):
            oracle.reveal(request)
        return
    delivery = oracle.reveal(request)
    assert delivery.waiting.tolist() == [UNLABELLED]
    assert delivery.todo
    assert delivery.labelled(request.query).rows.tolist() == [ROWS[0]]
    assert "1 of 2 labels" in str(delivery.wait(request.query, 0))
