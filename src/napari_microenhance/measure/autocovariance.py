"""The autocovariance of noise in small blocks, beside quadratic surfaces.

A surface follows smooth structure, and takes some of the noise along. Of noise with covariance C it
leaves P C P, where P projects on what the surface is not; so the autocovariance is found from what
is left by solving small linear equations, which depend on nothing but the size of a block.
"""

import functools
from typing import Final

import numpy as np

from napari_microenhance.types import AnyArray, Float64Array

__all__ = ["BLOCK_PX", "LAGS", "cut_blocks", "freed", "left_products"]

BLOCK_PX: Final = 12
LAGS: Final = 5
"""Autocovariances are found for distances below so many px along either axis."""
_MOST_BLOCKS: Final = 8192


def cut_blocks(image: Float64Array) -> Float64Array:
    """Return blocks from all over an image, half a block apart.

    Parameters
    ----------
    image : ndarray, shape (Y, X), float64

    Returns
    -------
    ndarray, shape (N, BLOCK_PX**2), float64
        N is 8192 at most.
    """
    every = np.lib.stride_tricks.sliding_window_view(image, (BLOCK_PX, BLOCK_PX))
    # Overlapping, so that fewer quiet places are missed.
    parts = every[:: BLOCK_PX // 2, :: BLOCK_PX // 2]
    count = parts.shape[0] * parts.shape[1]
    keep = np.linspace(0, count - 1, min(count, _MOST_BLOCKS)).astype(int)
    return np.asarray(parts[np.divmod(keep, parts.shape[1])].reshape(len(keep), -1))


@functools.cache
def _basis() -> Float64Array:
    """Return quadratic surfaces over a block, orthonormal, (BLOCK_PX^2, 6)."""
    y, x = (part.ravel() for part in np.mgrid[-1 : 1 : BLOCK_PX * 1j, -1 : 1 : BLOCK_PX * 1j])
    basis, _ = np.linalg.qr(np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1))
    return np.asarray(basis)


@functools.cache
def _places() -> tuple[tuple[int, int], ...]:
    """Return the distances (down, along) of pixels; either diagonal counts as one."""
    return tuple((down, along) for down in range(LAGS) for along in range(LAGS))


def _shifted(blocks: AnyArray, down: int, along: int) -> tuple[AnyArray, AnyArray]:
    """Return the pixels of blocks, (N, y, x), that have a partner so far away, and those."""
    end = BLOCK_PX - down, BLOCK_PX - along
    return blocks[:, : end[0], : end[1]], blocks[:, down:, along:]


def _sums(blocks: AnyArray) -> Float64Array:
    """Return the sums of products at all distances, (N, distances)."""
    square = blocks.reshape(-1, BLOCK_PX, BLOCK_PX)
    mirrored = square[:, :, ::-1]
    found = []
    for down, along in _places():
        sides = (square, mirrored) if down and along else (square,)
        parts = [np.einsum("nyx,nyx->n", *_shifted(side, down, along)) for side in sides]
        found.append(np.mean(parts, axis=0))
    return np.stack(found, axis=1)


@functools.cache
def _mixing() -> Float64Array:
    """Return the matrix from the noise's autocovariance to the sums of what the surface leaves.

    The surface takes some of the noise along: what is left of it has autocovariance P C P.
    """
    basis = _basis()
    index = np.arange(BLOCK_PX**2)
    y, x = np.divmod(index, BLOCK_PX)
    down = np.abs(y[:, None] - y[None])
    along = np.abs(x[:, None] - x[None])
    columns = []
    for place in _places():
        autocovariance = ((down == place[0]) & (along == place[1])).astype(np.float64)
        taken = autocovariance @ basis
        both = basis @ taken.T
        left = autocovariance - both - both.T + basis @ (basis.T @ taken) @ basis.T
        columns.append([float(left[mask].sum()) for mask in _masks()])
    return np.array(columns).T


@functools.cache
def _masks() -> tuple[AnyArray, ...]:
    """Return, for every distance, which pairs of a block's pixels `_sums` adds up."""
    index = np.arange(BLOCK_PX**2)
    y, x = np.divmod(index, BLOCK_PX)
    down = y[None] - y[:, None]
    along = x[None] - x[:, None]
    return tuple(np.asarray((down == a) & (along == b)) for a, b in _places())


def left_products(blocks: Float64Array) -> Float64Array:
    """Return the sums of products of pixels at all distances, beside the best quadratic surface.

    Parameters
    ----------
    blocks : ndarray, shape (N, BLOCK_PX**2), float64

    Returns
    -------
    ndarray, shape (N, LAGS**2), float64
        Distances (down, along), along counting fastest; sums add up.
    """
    flat = blocks - blocks.mean(axis=1, keepdims=True)
    return _sums(flat - (flat @ _basis()) @ _basis().T)


def freed(products: Float64Array) -> Float64Array:
    """Return the autocovariance of noise, freed of what the surface took with it.

    Parameters
    ----------
    products : ndarray, shape (N, LAGS**2), float64
        As `left_products` returns them, or their mean over some blocks.

    Returns
    -------
    ndarray, shape (N, LAGS**2), float64
        Without bias where the noise is not correlated farther than `LAGS` px.
    """
    return np.asarray(np.linalg.solve(_mixing(), products.T).T, np.float64)
