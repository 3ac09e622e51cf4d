"""Oracles by name, one line each."""

from typing import Any

from al_lightning.config.table import Table

ORACLES: Table[Any] = Table(
    "oracle",
    {
        "folder": "al_lightning.oracles.folder:Folder",
        "label-studio": "al_lightning.oracles.label_studio.oracle:LabelStudio",
        "simulated": "al_lightning.oracles.simulated:Simulated",
    },
)
"""name -> what builds it, an `Oracle`; the parameters beside target_file and dataset are the options of the YAML."""
