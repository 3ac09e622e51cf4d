from .committee import Committee as Committee
from .dense import DenseLearner as DenseLearner
from .pix2pix import Pix2Pix as Pix2Pix
from .table import LEARNERS as LEARNERS
