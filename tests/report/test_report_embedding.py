"""The map of the pool."""

from xml.etree import ElementTree

import numpy as np
import pytest

from al_lightning.report.embedding import embed, scatter


def test_neighbours_stay_neighbours_and_a_state_repeats():
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 8, (3, 60))
    group = np.repeat(np.arange(3), 20)
    features = centres[group] + rng.normal(size=(60, 60))
    points = embed(features, random_state=1)
    assert points.shape == (60, 2)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2) + 1e9 * np.eye(60)
    assert (group[distance.argmin(axis=1)] == group).all()
    np.testing.assert_array_equal(points, embed(features, random_state=1))


@pytest.mark.parametrize("shape", [(5, 3), (8, 1)])
def test_few_images_and_one_dimension(shape):
    assert np.isfinite(embed(np.random.default_rng(0).normal(size=shape), 0)).all()


def test_what_cannot_be_embedded_is_refused():
    with pytest.raises(ValueError, match="N ≥ 5"):
        embed(np.zeros((4, 3)), 0)
    with pytest.raises(ValueError, match="diverged"):
        embed(np.full((9, 3), np.nan), 0)
    with pytest.raises(ValueError, match=r"points \(N, 2\)"):
        scatter(np.zeros((3, 2)), np.zeros(4, dtype=int))


def test_scatter_draws_every_labelled_image_once():
    rng = np.random.default_rng(0)
    stage = np.array([-1] * 10 + [0] * 4 + [1] * 3)
    svg = scatter(rng.normal(size=(17, 2)), stage)
    uses = [use.get("style", "") for use in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}use")]
    # One marker an image, and one in the legend for each of the two stages.
    assert sum("stroke: #ffffff" in style for style in uses) == 4 + 3 + 2
    assert "<text" not in svg
