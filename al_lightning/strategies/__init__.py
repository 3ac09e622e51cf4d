"""Acquisition functions by name: one file a strategy, one line a name."""

from collections.abc import Callable
from functools import partial

from al_lightning.strategies.asa import ASA
from al_lightning.strategies.base import asks_for_regions, choose
from al_lightning.strategies.ceal import CEAL
from al_lightning.strategies.ceal_melanoma import CEALMelanoma
from al_lightning.strategies.cereals import Cereals, region_entropy
from al_lightning.strategies.clustering import UncertaintyClustering
from al_lightning.strategies.coreset import TACoreset
from al_lightning.strategies.density import InformationDensity
from al_lightning.strategies.full import Full
from al_lightning.strategies.hashing import UncPCAHash
from al_lightning.strategies.mixture import Mixture, RegionMixture, mixture
from al_lightning.strategies.pixels import PCACoreset
from al_lightning.strategies.random import Random
from al_lightning.strategies.region_random import RegionRandom
from al_lightning.strategies.robust import RobustCoreset
from al_lightning.strategies.suggestive import Suggestive
from al_lightning.strategies.uncertain import Uncertain
from al_lightning.strategies.vaal import VAAL
from al_lightning.types import Strategy


def unc_ta_coreset(gamma: float = 0.5, top: float = 1.0, measure: str = "bvsb") -> Mixture:
    """A measure and TA-Coreset in the proportion gamma : 1 − gamma (in the papers BvSB; for depth deviation)."""
    return Mixture(Uncertain(measure, top), TACoreset(), gamma)


def unc_pca_coreset(gamma: float = 0.5, top: float = 1.0, components: int = 512) -> Mixture:
    """BvSB and PCA-Coreset: what the code of Thapa et al. runs as "Uncertainty + PCA"."""
    return Mixture(Uncertain("bvsb", top), PCACoreset(components), gamma)


def information_density(measure: str = "entropy", top: float = 1.0, beta: float = 1.0) -> InformationDensity:
    """`measure` over the `top` share of pixels, times the density to the power of beta."""
    return InformationDensity(Uncertain(measure, top), beta)


STRATEGIES: dict[str, Callable[..., Strategy]] = {
    "random": Random,
    "full": Full,
    "least-confidence": partial(Uncertain, "least-confidence"),
    "margin": partial(Uncertain, "margin"),
    "bvsb": partial(Uncertain, "bvsb"),
    "entropy": partial(Uncertain, "entropy"),
    "vote-entropy": partial(Uncertain, "vote-entropy"),
    "soft-vote-entropy": partial(Uncertain, "soft-vote-entropy"),
    "bald": partial(Uncertain, "bald"),
    "mc-variance": partial(Uncertain, "mc-variance"),
    "mc-deviation": partial(Uncertain, "deviation"),
    "information-density": information_density,
    # Sener & Savarese measure the distance of last-layer activations; in dense prediction that is the latent
    "coreset": TACoreset,
    "ta-coreset": TACoreset,
    "robust-coreset": RobustCoreset,
    "pca-coreset": PCACoreset,
    "mixture": mixture,
    "unc-ta-coreset": unc_ta_coreset,
    "unc-pca-coreset": unc_pca_coreset,
    "unc-pca-hash": UncPCAHash,
    "vaal": VAAL,
    "uncertainty-clustering": UncertaintyClustering,
    "suggestive": Suggestive,
    "asa": ASA,
    "ceal": CEAL,
    "ceal-melanoma": CEALMelanoma,
    "cereals": Cereals,
    "region-entropy": region_entropy,
    "region-random": RegionRandom,
}
"""name -> what builds it; the parameters are the options of the YAML."""

__all__ = [
    "ASA",
    "CEAL",
    "STRATEGIES",
    "VAAL",
    "CEALMelanoma",
    "Cereals",
    "Full",
    "InformationDensity",
    "Mixture",
    "PCACoreset",
    "Random",
    "RegionMixture",
    "RegionRandom",
    "RobustCoreset",
    "Suggestive",
    "TACoreset",
    "UncPCAHash",
    "Uncertain",
    "UncertaintyClustering",
    "asks_for_regions",
    "choose",
]
