"""Acquisition functions, each in a file of its own, and the table of their names. Those of regions are in `regions`."""

from functools import partial
from typing import Any

from al_lightning.config.table import Table
from al_lightning.core.strategy import asks_for_regions
from al_lightning.strategies.asa import ASA
from al_lightning.strategies.base import choose
from al_lightning.strategies.ceal import CEAL
from al_lightning.strategies.ceal_melanoma import CEALMelanoma
from al_lightning.strategies.clustering import UncertaintyClustering
from al_lightning.strategies.coreset import TACoreset
from al_lightning.strategies.density import InformationDensity, information_density
from al_lightning.strategies.full import Full
from al_lightning.strategies.hashing import UncPCAHash
from al_lightning.strategies.mixture import Mixture, RegionMixture, mixture, unc_pca_coreset, unc_ta_coreset
from al_lightning.strategies.pixels import PCACoreset
from al_lightning.strategies.random import Random
from al_lightning.strategies.regions.cereals import Cereals, region_entropy
from al_lightning.strategies.regions.random_windows import RegionRandom
from al_lightning.strategies.robust import RobustCoreset
from al_lightning.strategies.suggestive import Suggestive
from al_lightning.strategies.uncertain import UncertaintySampling
from al_lightning.strategies.vaal import VAAL

STRATEGIES: Table[Any] = Table(
    "strategy",
    {
        "random": Random,
        "full": Full,
        "least-confidence": partial(UncertaintySampling, "least-confidence"),
        "margin": partial(UncertaintySampling, "margin"),
        "bvsb": partial(UncertaintySampling, "bvsb"),
        "entropy": partial(UncertaintySampling, "entropy"),
        "vote-entropy": partial(UncertaintySampling, "vote-entropy"),
        "soft-vote-entropy": partial(UncertaintySampling, "soft-vote-entropy"),
        "bald": partial(UncertaintySampling, "bald"),
        "mc-variance": partial(UncertaintySampling, "mc-variance"),
        "mc-deviation": partial(UncertaintySampling, "deviation"),
        "information-density": information_density,
        # Sener & Savarese use the activations of the last layer, to which the latent corresponds in dense prediction
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
    },
)
"""name -> what builds it, a `Strategy` or a `RegionStrategy`; the parameters are the options of the YAML."""

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
    "UncertaintyClustering",
    "UncertaintySampling",
    "asks_for_regions",
    "choose",
]
