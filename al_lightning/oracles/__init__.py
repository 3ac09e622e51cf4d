"""Who reveals labels."""

from collections.abc import Callable

from al_lightning.oracles.simulated import Oracle, Simulated

ORACLES: dict[str, Callable[..., Oracle]] = {"simulated": Simulated}
"""name -> what builds it."""

__all__ = ["ORACLES", "Oracle", "Simulated"]
