"""Maps and descriptors of which a cosine makes nothing: refused with a remedy, never ranked by rounding noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from candidate_pools import binary, statistics_of

from al_lightning.core.prediction import Prediction
from al_lightning.core.task import Task
from al_lightning.experiment.select import select_rows
from al_lightning.learners import LEARNERS, Committee
from al_lightning.learners.losses import Discrepancy
from al_lightning.loop import check_measure
from al_lightning.strategies import InformationDensity, Mixture, Suggestive, UncertaintyClustering, UncertaintySampling
from al_lightning.strategies.clustering import feature_discrepancy


def prediction(*sides: int, image: int = 64, channels: int = 8) -> Prediction:
    """Maps of these sides, fine to coarse."""
    generator = torch.Generator().manual_seed(0)
    levels = {f"encoder.{i}": torch.rand(3, channels, side, side, generator=generator) for i, side in enumerate(sides)}
    p = torch.rand(3, image, image, generator=generator)
    return Prediction(torch.arange(3), probabilities=binary(p), features=[*levels.values()][-1], levels=levels)


def test_the_cosine_of_a_map_of_one_pixel_is_one_for_every_image() -> None:
    generator = torch.Generator().manual_seed(1)
    p, features = binary(torch.rand(50, 16, 16, generator=generator)), torch.rand(50, 32, 1, 1, generator=generator)
    similarity = feature_discrepancy(p, features)[0]
    assert (similarity - 1).abs().max() < 1e-6
    assert len(similarity.unique()) > 1, "rounding noise, by which images would be ranked"


@pytest.mark.parametrize(
    ("sides", "channels", "remedy"),
    [
        (
            (8, 4, 2, 1),
            8,
            r"1 x 1 \(8 channels\).*level=encoder.2 \(2 x 2\), or a finer one, up to encoder.0 \(8",
        ),
        ((2, 1), 8, r"level=encoder.0 \(2 x 2\)$"),
        ((1,), 8, r"set dataset.options.size=128$"),
        ((4, 2), 1, r"give the learner more channels$"),
    ],
)
def test_uncertainty_clustering_refuses_a_map_below_two_by_two(sides, channels, remedy) -> None:
    for strategy in (UncertaintyClustering(), UncertaintyClustering(clustering=False)):
        with pytest.raises(ValueError, match=remedy):
            strategy.measure(prediction(*sides, channels=channels))
    alone = UncertaintyClustering(uncertainty=False).measure(prediction(*sides, channels=channels))
    assert alone["feature-mean"].shape == (3, channels), "clusters of equal weight need no cosine"


def test_the_level_is_an_option() -> None:
    given = prediction(8, 4, 2, 1)
    assert UncertaintyClustering().needs == {"probabilities", "features"}
    assert UncertaintyClustering(level="encoder.1").needs == {"probabilities", "levels"}
    assert given.probabilities is not None
    assert given.levels is not None
    for name in ("encoder.1", "encoder.2"):
        found = UncertaintyClustering(level=name).measure(given)
        similarity, mean = feature_discrepancy(given.probabilities, given.levels[name])
        torch.testing.assert_close(found[f"feature-similarity-{name}"], similarity)
        torch.testing.assert_close(found[f"feature-mean-{name}"], mean)
    both = Mixture(UncertaintyClustering(level="encoder.1"), UncertaintyClustering()).measure(prediction(8, 4, 2))
    assert len(both) == 4, "one level does not replace the other in a mixture"
    with pytest.raises(ValueError, match=r"level='encoder\.9': the learner gives deepest, encoder\.0"):
        UncertaintyClustering(level="encoder.9").measure(given)


def test_pix2pix_is_refused_before_a_training_and_taken_at_a_finer_level() -> None:
    learner = LEARNERS["pix2pix"](Task(), (32, 32), multiplier=1 / 32)
    nested = Mixture(UncertaintySampling("bvsb"), UncertaintyClustering())
    for strategy in (UncertaintyClustering(), nested):
        with pytest.raises(ValueError, match=r"encoder\.3 \(2 x 2\), or a finer one, up to encoder\.0 \(16 x 16\)"):
            check_measure(strategy, learner, (32, 32))
    check_measure(UncertaintyClustering(level="encoder.3"), learner, (32, 32))
    wide = LEARNERS["pix2pix"](Task(), (32, 64), multiplier=1 / 32)
    with pytest.raises(ValueError, match=r"map of 1 x 2 \(16 channels\) compares too few positions"):
        check_measure(UncertaintyClustering(), wide, (32, 64))


def test_the_loss_of_feature_discrepancy_has_no_gradient_there() -> None:
    features = torch.rand(2, 6, 1, 1, requires_grad=True)
    cosine = feature_discrepancy(binary(torch.rand(2, 8, 8)), features)[0]
    assert torch.autograd.grad(cosine.sum(), features)[0].abs().max() < 1e-5
    with pytest.raises(ValueError, match=r"discrepancy: .* 1 x 1 \(6 channels\) is 1 for every image"):
        Discrepancy()(binary(torch.rand(2, 8, 8)), features)
    with pytest.raises(ValueError, match=r"1 x 1 \(4 channels\).*dataset\.options\.size=32, or fewer .*widths"):
        LEARNERS["unet"](Task(), (16, 16), widths=[4, 4, 4, 4, 4], discrepancy=0.1)
    with pytest.raises(ValueError, match=r"8 x 8 \(1 channels\).*the last above 1"):
        LEARNERS["unet"](Task(), (16, 16), widths=[4, 1], discrepancy=0.1)
    LEARNERS["unet"](Task(), (32, 32), widths=[4, 4, 4, 4, 4], discrepancy=0.1)
    LEARNERS["unet"](Task(), (16, 16), widths=[4, 4, 4, 4, 4])


def test_one_dimension_has_no_direction() -> None:
    p = torch.rand(2, 4, 4)
    density = InformationDensity(UncertaintySampling("entropy"))
    with pytest.raises(ValueError, match=r"latent: has 1 dimension, .* 1 or -1; give the learner more channels"):
        density.measure(Prediction(torch.arange(2), probabilities=binary(p), latent=torch.rand(2, 1)))
    members = Prediction(torch.arange(2), passes=statistics_of([p, p]), members=torch.rand(2, 2, 1))
    with pytest.raises(ValueError, match="members: has 1 dimension"):
        Suggestive().measure(members)
    with pytest.raises(ValueError, match="features: have 1 dimension"):
        select_rows(np.arange(6.0)[:, None], [], 2, "density", scores=np.ones(6))
    thin = [LEARNERS["unet"](Task(), (16, 16), widths=[4, 1]) for _ in range(2)]
    with pytest.raises(ValueError, match="members: has 1 dimension"):
        check_measure(Suggestive(), Committee(thin), (16, 16))
