from .simulated import Simulated as Simulated
from .table import ORACLES as ORACLES
