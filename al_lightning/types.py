"""The public types in one place; each is defined, with its contract, in a module of `al_lightning.core`."""

from al_lightning.core.arrays import Floats, Rows, Size
from al_lightning.core.learner import Learner
from al_lightning.core.oracle import Delivery, Oracle, Request
from al_lightning.core.pool_data import PoolData
from al_lightning.core.prediction import Batch, Prediction, SampleStatistics
from al_lightning.core.query import Pseudo, Query
from al_lightning.core.region import Box, Region
from al_lightning.core.run_folder import StageRow
from al_lightning.core.strategy import Candidates, ImageSource, RegionStrategy, StageContext, Strategy
from al_lightning.core.task import IGNORE, Task
from al_lightning.core.waiting import Waiting

__all__ = [
    "IGNORE",
    "Batch",
    "Box",
    "Candidates",
    "Delivery",
    "Floats",
    "ImageSource",
    "Learner",
    "Oracle",
    "PoolData",
    "Prediction",
    "Pseudo",
    "Query",
    "Region",
    "RegionStrategy",
    "Request",
    "Rows",
    "SampleStatistics",
    "Size",
    "StageContext",
    "StageRow",
    "Strategy",
    "Task",
    "Waiting",
]
