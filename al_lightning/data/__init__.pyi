from .cache import Cache as Cache
from .dataset import DenseDataset as DenseDataset
from .errors import DataError as DataError
from .module import PoolDataModule as PoolDataModule
from .table import DATASETS as DATASETS
