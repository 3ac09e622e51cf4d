"""Who reveals labels, by name: one file an oracle, one line a name. The contract is `al_lightning.types.Oracle`."""

from al_lightning.config.table import Table
from al_lightning.core.oracle import Oracle
from al_lightning.oracles.simulated import Simulated

ORACLES: Table[Oracle] = Table("oracle", {"simulated": Simulated})
"""name -> what builds it; the parameters beside target_file are the options of the YAML."""

__all__ = ["ORACLES", "Oracle", "Simulated"]
