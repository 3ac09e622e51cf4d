"""INFO_OF: what the documentation says of each dataset, as its own file has it."""

from __future__ import annotations

import sys

from al_lightning.data import DATASETS
from al_lightning.data.dataset import DatasetInfo

INFO_OF: dict[str, DatasetInfo] = {name: sys.modules[DATASETS[name].__module__].INFO for name in DATASETS.builtin()}
"""name -> the `INFO` of the file that defines what `DATASETS[name]` is."""
