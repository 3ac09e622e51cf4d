"""Descriptors of images: unit vectors, PCA of pixels, and the first principal component of one image."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from al_lightning.core.arrays import Floats
from al_lightning.core.strategy import Candidates, ImageSource

logger = logging.getLogger(__name__)

CHUNK_BYTES = 64 * 2**20
"""Bytes of float32 pixels in memory at a time; the Gram matrix needs two blocks of four times as many."""
EXACT = 4096
"""Number of vectors up to which the Gram matrix, which is exact, is also cheaper than the subspace iteration."""

Read = Callable[[int, int], Tensor]
"""(start, stop) -> (stop − start, F) float32."""


def unit(vectors: Floats) -> Floats:
    """(..., D) -> the same divided by its norm; a norm below 1e-8 counts as 1e-8, so a zero vector stays zero.

    Example:
        >>> unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6, 0.8], [0.0, 0.0]]
    """
    norm = np.sqrt(np.einsum("...d,...d->...", vectors, vectors))
    scaled: Floats = vectors / np.maximum(norm, 1e-8, dtype=norm.dtype)[..., None]
    return scaled


def check_directions(dimensions: int, name: str = "latent") -> None:
    """Check that vectors of so many dimensions have directions that a cosine can compare: with one it is 1 or −1.

    Raises:
        ValueError: there is one dimension.
    """
    if dimensions < 2:
        raise ValueError(
            f"{name}: has 1 dimension, where the cosine of any two images is 1 or -1; give the learner more channels"
        )


def image_source(candidates: Candidates) -> ImageSource:
    """The images of the pool.

    Raises:
        ValueError: the candidates were built without images.
    """
    if candidates.images is None:
        raise ValueError("candidates.images is None: this strategy reads pixels; pass images=... to Candidates.of")
    return candidates.images


def pca_pixels(candidates: Candidates, components: int = 512) -> Floats:
    """(P, D) PCA of the pixels of the whole pool, D = min(components, P − 1, 3·H·W), computed once per pool."""

    def compute() -> Floats:
        images, rows = image_source(candidates), candidates.rows

        def read(start: int, stop: int) -> Tensor:
            return torch.from_numpy(images(rows[start:stop]).astype(np.float32)).flatten(1) / 127.5 - 1

        coordinates = pca(read, len(rows), components)
        logger.info("PCA of pixels: %d components of %d images", coordinates.shape[1], len(rows))
        return coordinates

    return candidates.derive(f"pca-pixels-{components}", compute)


def pca(read: Read, n: int, components: int, passes: int = 4, oversample: int = 10, seed: int = 0) -> Floats:
    """Coordinates (n, D) float32 of n vectors on their first D principal axes, mean-centred, not whitened.

    Up to 4,096 vectors: exactly, from the Gram matrix AAᵀ = UΛUᵀ, coordinates U√Λ. Above: randomised subspace
    iteration (Halko, Martinsson & Tropp 2011), basis ← QR(AᵀA·basis), then the principal axes inside the basis;
    each block is read once for both products. Memory: up to three arrays (F, D + oversample), 1.2 GB for
    3 × 256 × 256 pixels and 512 components.

    Args:
        read: (start, stop) -> those of the (n, F) vectors, float32.
        n: number of vectors.
        components: number of axes; D = min(components, n − 1, F), and 1 where n = 1.
        passes: iterations, each of which reads all vectors; two more reads give the mean and the coordinates.
        oversample: additional axes in the iteration, with which the last of the D axes converge faster.
        seed: of the first random basis.

    Example:
        >>> vectors = torch.tensor([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])  # 5 apart on one line
        >>> abs(pca(lambda start, stop: vectors[start:stop], 3, 1).round()).tolist()
        [[5.0], [0.0], [5.0]]
    """
    dimensions = read(0, 1).shape[1]
    blocks = _blocks(n, dimensions, CHUNK_BYTES)
    total = torch.zeros(dimensions, dtype=torch.float64)
    for block in blocks:
        total += read(*block).sum(0, dtype=torch.float64)
    mean = (total / n).float()
    kept = max(1, min(components, n - 1, dimensions))
    if n <= EXACT:
        values, vectors = torch.linalg.eigh(_gram(read, mean, n))
        axes = slice(n - kept, n)
        return _host((vectors[:, axes] * values[axes].clamp_min(0).sqrt()).flip(1))
    basis = _basis(read, mean, blocks, min(components + oversample, n, dimensions), passes, seed)
    inside = torch.cat([(read(*block) - mean) @ basis for block in blocks])
    axes = torch.linalg.eigh(_products(inside)).eigenvectors[:, -kept:].flip(1)
    return _host(inside @ axes.float())


def pca_blocks(read: Read, n: int, components: int, passes: int = 4, oversample: int = 10) -> Iterator[Floats]:
    """As `pca`, but the coordinates (b, D) of one block after the other, which are not held together.

    Example:
        >>> vectors = torch.tensor([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
        >>> [len(block) for block in pca_blocks(lambda start, stop: vectors[start:stop], 3, 1)]
        [3]
    """
    if n <= EXACT:
        yield pca(read, n, components)
        return
    dimensions = read(0, 1).shape[1]
    blocks = _blocks(n, dimensions, CHUNK_BYTES)
    total = torch.zeros(dimensions, dtype=torch.float64)
    for block in blocks:
        total += read(*block).sum(0, dtype=torch.float64)
    mean = (total / n).float()
    width, kept = min(components + oversample, n, dimensions), min(components, n - 1, dimensions)
    basis = _basis(read, mean, blocks, width, passes, 0)
    products = torch.zeros(width, width, dtype=torch.float64)
    for block in blocks:
        products += _products((read(*block) - mean) @ basis)
    axes = basis @ torch.linalg.eigh(products).eigenvectors[:, -kept:].flip(1).float()
    for block in blocks:
        yield _host((read(*block) - mean) @ axes)


def _basis(read: Read, mean: Tensor, blocks: list[tuple[int, int]], width: int, passes: int, seed: int) -> Tensor:
    """(F, width) orthonormal basis that holds the first principal axes, by subspace iteration."""
    basis = torch.randn(len(mean), width, generator=torch.Generator().manual_seed(seed))
    for _ in range(passes):
        product = torch.zeros_like(basis)
        for block in blocks:
            centred = read(*block) - mean
            product.addmm_(centred.T, centred @ basis)
        del basis  # before QR, which needs two more of its size
        basis = torch.linalg.qr(product).Q
        del product
    return basis


def _gram(read: Read, mean: Tensor, n: int) -> Tensor:
    """(n, n) float64 products of centred vectors, of which two blocks are in memory at a time."""
    blocks = _blocks(n, len(mean), 4 * CHUNK_BYTES)
    gram = torch.empty(n, n, dtype=torch.float64)
    for i, (a, b) in enumerate(blocks):
        left = read(a, b) - mean
        gram[a:b, a:b] = left @ left.T
        for c, d in blocks[:i]:
            gram[a:b, c:d] = left @ (read(c, d) - mean).T
            gram[c:d, a:b] = gram[a:b, c:d].T
    return gram


def _products(inside: Tensor) -> Tensor:
    """(n, k) -> (k, k) float64 sum of outer products, without a float64 copy of the input."""
    total = torch.zeros(inside.shape[1], inside.shape[1], dtype=torch.float64)
    for start in range(0, len(inside), 4096):
        block = inside[start : start + 4096].double()
        total += block.T @ block
    return total


def _blocks(n: int, dimensions: int, size: int) -> list[tuple[int, int]]:
    step = max(1, size // (4 * dimensions))
    return [(start, min(start + step, n)) for start in range(0, n, step)]


def _host(coordinates: Tensor) -> Floats:
    array: Floats = coordinates.float().numpy()
    return array


def per_image_pc1(candidates: Candidates, size: int = 224) -> Floats:
    """(P, size) first principal component within each image (Shi et al. 2019), computed once per pool.

    An image is converted to grey (ITU-R 601) and resized to size × size; its lines are observations of `size`
    variables, and the descriptor is the unit eigenvector of their largest variance, with the sign that makes its
    entry of largest magnitude positive. The descriptor of an image whose lines are all equal is zero.
    """

    def compute() -> NDArray[np.float32]:
        images, rows = image_source(candidates), candidates.rows
        blocks = _blocks(len(rows), max(images(rows[:1]).size, size**2), CHUNK_BYTES)
        read = (torch.from_numpy(images(rows[start:stop]).astype(np.float32)) for start, stop in blocks)
        return np.concatenate([_pc1(block, size).numpy() for block in read])

    return candidates.derive(f"per-image-pc1-{size}", compute)


def _pc1(images: Tensor, size: int) -> Tensor:
    """(n, 3, H, W) in 0..255 -> (n, size)."""
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    grey = (images * weights).sum(1, keepdim=True)
    grey = torch.nn.functional.interpolate(grey, size=(size, size), mode="bilinear", antialias=True)[:, 0]
    centred = grey - grey.mean(1, keepdim=True)
    scatter = centred.transpose(1, 2) @ centred
    vector = _leading(scatter)
    largest = vector.gather(1, vector.abs().argmax(1, keepdim=True))
    # float32 rounding gives a constant image about 1e-5; one grey level in one pixel gives 1e-2
    constant = scatter.diagonal(dim1=1, dim2=2).sum(1, keepdim=True) < 1e-3
    return torch.where(constant, 0.0, vector * largest.sign())


def _leading(scatter: Tensor, width: int = 8, steps: int = 30, tolerance: float = 1e-5) -> Tensor:
    """Unit eigenvector (n, s) of the largest eigenvalue of symmetric (n, s, s), to ‖Sv − λv‖ ≤ tolerance·λ.

    Subspace iteration on `width` vectors: three steps suffice for natural images, whose eighth eigenvalue is a
    hundredth of the first, and take a tenth of the time of a full decomposition, which is left for the images that
    have not converged.
    """
    start = torch.randn(scatter.shape[1], width, generator=torch.Generator().manual_seed(0))
    basis = start.expand(len(scatter), -1, -1)
    vector, todo = torch.zeros(scatter.shape[:2]), torch.ones(len(scatter), dtype=torch.bool)
    for _ in range(steps):
        basis = torch.linalg.qr(scatter @ basis).Q
        values, inside = torch.linalg.eigh(basis.transpose(1, 2) @ scatter @ basis)
        found, largest = (basis @ inside[:, :, -1:])[:, :, 0], values[:, -1]
        residual = ((scatter @ found[:, :, None])[:, :, 0] - largest[:, None] * found).norm(dim=1)
        fresh = todo & (residual <= tolerance * largest)
        vector[fresh] = found[fresh]  # not updated further, so that no image depends on others in the batch
        todo &= ~fresh
        if not todo.any():
            return vector
    vector[todo] = torch.linalg.eigh(scatter[todo]).eigenvectors[:, :, -1]
    return vector
