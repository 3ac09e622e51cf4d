"""Strategies by name, one line each. A strategy is imported when it is used."""

from typing import Any

from al_lightning.config.table import Table

STRATEGIES: Table[Any] = Table(
    "strategy",
    {
        "random": "al_lightning.strategies.random:Random",
        "full": "al_lightning.strategies.full:Full",
        "least-confidence": "al_lightning.strategies.uncertain:least_confidence",
        "margin": "al_lightning.strategies.uncertain:margin",
        "bvsb": "al_lightning.strategies.uncertain:bvsb",
        "entropy": "al_lightning.strategies.uncertain:entropy",
        "vote-entropy": "al_lightning.strategies.uncertain:vote_entropy",
        "soft-vote-entropy": "al_lightning.strategies.uncertain:soft_vote_entropy",
        "bald": "al_lightning.strategies.uncertain:bald",
        "mc-variance": "al_lightning.strategies.uncertain:mc_variance",
        "mc-deviation": "al_lightning.strategies.uncertain:mc_deviation",
        "information-density": "al_lightning.strategies.density:information_density",
        # Sener & Savarese use the activations of the last layer, to which the latent corresponds in dense prediction
        "coreset": "al_lightning.strategies.coreset:TACoreset",
        "ta-coreset": "al_lightning.strategies.coreset:TACoreset",
        "robust-coreset": "al_lightning.strategies.robust:RobustCoreset",
        "pca-coreset": "al_lightning.strategies.pixels:PCACoreset",
        "mixture": "al_lightning.strategies.mixture:mixture",
        "unc-ta-coreset": "al_lightning.strategies.mixture:unc_ta_coreset",
        "unc-pca-coreset": "al_lightning.strategies.mixture:unc_pca_coreset",
        "unc-pca-hash": "al_lightning.strategies.hashing:UncPCAHash",
        "vaal": "al_lightning.strategies.vaal:VAAL",
        "uncertainty-clustering": "al_lightning.strategies.clustering:UncertaintyClustering",
        "typiclust": "al_lightning.strategies.typiclust:TypiClust",
        "suggestive": "al_lightning.strategies.suggestive:Suggestive",
        "asa": "al_lightning.strategies.asa:ASA",
        "ceal": "al_lightning.strategies.ceal:CEAL",
        "ceal-melanoma": "al_lightning.strategies.ceal_melanoma:CEALMelanoma",
        "cereals": "al_lightning.strategies.regions.cereals:Cereals",
        "region-entropy": "al_lightning.strategies.regions.cereals:region_entropy",
        "region-random": "al_lightning.strategies.regions.random_windows:RegionRandom",
    },
)
"""name -> what builds it, a `Strategy` or a `RegionStrategy`; the parameters are the options of the YAML."""
