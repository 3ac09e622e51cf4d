"""Images that people cannot label, or not further: they are never picked again, and the labels that are there stay."""

from __future__ import annotations

import numpy as np
import pytest

from al_lightning.core.pool import LabelPool
from al_lightning.core.query import Query
from al_lightning.core.region import Box

SIZE = (4, 4)


def pool() -> LabelPool:
    """Of 4 images: row 1 is labelled, of row 2 a quarter."""
    found = LabelPool(np.arange(4), "abcd", SIZE)
    found.commit(Query.of(np.array([1]), "random"), 0)
    found.commit(Query.of(np.array([2]), "cereals", regions=[Box(0, 0, 2, 2)]), 1, {2: "label.png"})
    return found


def test_the_rest_of_a_partly_labelled_image_leaves_the_pool() -> None:
    held = pool()
    assert held.unlabelled.tolist() == [0, 2, 3]
    held.withdraw({2: "moved", 3: "blurred"})
    assert held.rows.tolist() == [0, 1, 2]
    assert held.unlabelled.tolist() == [0]
    assert held.is_labelled.tolist() == [False, True, True]
    assert held.trainable.tolist() == [1, 2]
    assert held.partial.tolist() == [2], "it is trained on where it is labelled"
    assert held.regions(2) == (Box(0, 0, 2, 2),)
    assert held.labelled.tolist() == [1]
    assert held.labelled_equivalent == 1
    assert held.fraction == pytest.approx(1.25 / 2.25)
    with pytest.raises(ValueError, match="outside the unlabelled pool"):
        held.commit(Query.of(np.array([2]), "cereals", regions=[Box(2, 2, 2, 2)]), 2)
    held.commit(Query.of(np.array([0]), "random"), 2)
    assert held.fraction == 1, "all that can be labelled is"


def test_a_state_holds_it_and_the_labels() -> None:
    held = pool()
    held.withdraw({2: "moved", 3: "blurred"})
    other = LabelPool(np.arange(4), "abcd", SIZE)
    other.restore(held.state())
    assert other.state() == held.state()
    assert other.withdrawn == {2: "moved", 3: "blurred"}
    assert (other.rows.tolist(), other.unlabelled.tolist(), other.fraction) == ([0, 1, 2], [0], held.fraction)
    assert other.target(2) == "label.png"


@pytest.mark.parametrize("row", [1, 2, 3, 7])
def test_what_is_labelled_as_a_whole_or_withdrawn_cannot_be_withdrawn(row: int) -> None:
    held = pool()
    held.withdraw({2: "moved", 3: "blurred"})
    assert held.pickable({row: "again"}) == {}
    with pytest.raises(ValueError, match="withdraw: ") if row < 4 else pytest.raises((ValueError, IndexError)):
        held.withdraw({row: "again", 0: "x"})
    assert held.unlabelled.tolist() == [0]
