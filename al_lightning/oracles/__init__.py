"""Oracles, which reveal labels, each in a file of its own, and the table of their names."""

from al_lightning.config.table import Table
from al_lightning.core.oracle import Oracle
from al_lightning.oracles.simulated import Simulated

ORACLES: Table[Oracle] = Table("oracle", {"simulated": Simulated})
"""name -> what builds it; the parameters except target_file are the options of the YAML."""

__all__ = ["ORACLES", "Oracle", "Simulated"]
