"""Exact nearest neighbours, k-center-greedy and weighted k-means on FAISS.

FAISS fuses distances with their minimum, so that no matrix of queries × references is stored. Features are centred and
scaled first, because ‖a‖² + ‖b‖² − 2ab in float32 loses digits to an offset that all vectors have in common. A distance
that is small against ‖a‖² is imprecise even then and is computed again from a − b, so that copies of a vector are at
distance exactly 0.
Features may be an array of any type, also a memory-mapped file: they are converted in blocks, and a float32 copy is
kept only where it is small.
Results are deterministic for one machine and number of threads.
"""

from al_lightning.neighbors.k_center import k_center_greedy
from al_lightning.neighbors.kmeans import KMeans, weighted_kmeans
from al_lightning.neighbors.search import MEMORY, blocks, nearest, nearest_k, nearest_others

__all__ = [
    "MEMORY",
    "KMeans",
    "blocks",
    "k_center_greedy",
    "nearest",
    "nearest_k",
    "nearest_others",
    "weighted_kmeans",
]
