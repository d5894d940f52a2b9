"""The noise of a camera, found in one image: how strong at which level, and how correlated.

The image is cut into small blocks. A block that a quadratic surface describes holds noise alone,
and what is left beside the surface has the noise's variance and autocovariance; both are freed of
what the surface took with it. Blocks with more left over than the quiet ones of their level hold
structure and do not count. The variances of the others follow a line over the level, as those of
a camera with shot and read noise do [1]_.

References
----------
.. [1] A. Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image
   raw-data", IEEE Trans. Image Process. 17(10), 2008. https://doi.org/10.1109/TIP.2008.2001399
"""

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np

from napari_microenhance.errors import ImageError
from napari_microenhance.measure.autocovariance import (
    BLOCK_PX,
    LAGS,
    cut_blocks,
    freed,
    left_products,
)
from napari_microenhance.types import AnyArray, Float64Array

__all__ = ["NoiseEstimate", "estimate_noise", "noise_in_words"]

SMALLEST_PX: Final = 64

_NOTHING: Final = "The image holds too few finite pixels for an estimate of its noise."
_FEWEST: Final = 24
"""Blocks that a level needs before its variance counts."""
_LEVELS: Final = 12
_ROUNDS: Final = 20
_START: Final = 0.1
"""Share of a level's blocks that are surely quiet enough to begin with."""
_SPREAD: Final = 2.5
"""Standard deviations above the mean variance up to which a block counts as quiet."""
_CLIPPED: Final = 0.01
"""Share of a block's pixels at an end of the range from which on it does not count."""
_SPIKE: Final = 3.0
"""An end of the range where values pile up holds so many times more than the value beside it."""
_ABOVE: Final = 0.1
"""Share above the line from which on a level counts for half."""
_ALIKE: Final = 0.15
"""Correlation below which pixels no longer count as alike."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoiseEstimate:
    """What the noise of an image is like, in the image's units.

    Parameters
    ----------
    sigma : float
        Standard deviation, at the levels that the image has: the root of its mean variance.
    gain : float
        Rise of the variance with the level, units; of an ideal camera, units per photon.
    offset : float
        Level of the dark parts.
    read : float
        Standard deviation there.
    lag : tuple of float
        Correlation with the next pixel along y and along x, -1 to 1.
    reach_px : int
        How far pixels are alike along either axis; 1 of white noise.
    rows, columns : float
        Standard deviation of the offsets of whole rows and columns.
    clipped : tuple of float
        Share of pixels piled up at the lowest and at the highest value, 0 to 1.
    step : float
        Between neighbouring values; 0 where there is no fixed one.
    quiet : float
        Share of the image, but for what is clipped, that held noise alone, 0 to 1; near 0, fine
        structure counts as noise.
    levels : tuple of tuple of float
        Level and standard deviation, as found, the darkest first.
    """

    sigma: float
    gain: float
    offset: float
    read: float
    lag: tuple[float, float]
    reach_px: int
    rows: float
    columns: float
    clipped: tuple[float, float]
    step: float
    quiet: float
    levels: tuple[tuple[float, float], ...]

    def at(self, level: float) -> float:
        """Return the standard deviation at a level.

        Parameters
        ----------
        level : float
            In the image's units.

        Returns
        -------
        float
            In the image's units; by the line through the variances.
        """
        return float(np.sqrt(max(self.read**2 + self.gain * (level - self.offset), 0.0)))

    def in_words(self, span: float) -> str:
        """Return the strength and the correlation as a short sentence.

        Parameters
        ----------
        span : float
            What counts as the range, in the image's units.

        Returns
        -------
        str
            Such as "Noise: 5.2 % of the range, correlated over about 3 px".
        """
        return noise_in_words(self.sigma, span, reach_px=self.reach_px)


def noise_in_words(sigma: float, span: float | None, *, reach_px: int, sure: bool = True) -> str:
    """Return the strength and the correlation of noise as a short sentence.

    Parameters
    ----------
    sigma : float
        Standard deviation, in the image's units.
    span : float or None
        What counts as the range, in the image's units.
    reach_px : int
        How far pixels are alike; 1 of white noise.
    sure : bool
        False where fine structure may have been counted.

    Returns
    -------
    str
        Such as "Noise: 5.2 % of the range, correlated over about 3 px".
    """
    if not sigma:
        return "Noise: none found"
    strength = f"{100 * sigma / span:.2g} % of the range" if span else f"{sigma:.3g}"
    if not sure:
        return f"Noise: at most {strength}, hard to tell from fine structure"
    alike = f"correlated over about {reach_px} px" if reach_px > 1 else "white"
    return f"Noise: {strength}, {alike}"


def estimate_noise(image: AnyArray) -> NoiseEstimate:
    """Find the noise in one image.

    Parameters
    ----------
    image : ndarray, shape (Y, X)
        At least 64 x 64 px, of any number type; pixels that are not finite are left out.

    Returns
    -------
    NoiseEstimate
        Of 210 simulated fields, 3 in 4 were within 10 % of the truth, 19 in 20 within 40 %.
        Where fine structure is everywhere, as in nets of thin walls, it counts as noise in part,
        in the worst field twice as much again.

    Raises
    ------
    ImageError
        If the image is smaller, not 2-D, or holds hardly a finite block.
    """
    if image.ndim != 2 or min(image.shape) < SMALLEST_PX:
        raise ImageError(
            f"The noise can be estimated in images of at least {SMALLEST_PX} x {SMALLEST_PX} "
            f"px, not of shape {image.shape}."
        )
    if not np.isfinite(image).any():
        raise ImageError(_NOTHING)
    step = _step(image)
    clipped, ends = _clipping(image)
    values = image.astype(np.float64)
    blocks = cut_blocks(values)
    blocks = blocks[np.isfinite(blocks).all(axis=1)]
    if len(blocks) < _FEWEST:
        raise ImageError(_NOTHING)
    inside = _unclipped(blocks, ends)
    used = blocks[inside] if inside.sum() >= _FEWEST else blocks
    means = used.mean(axis=1)
    products = left_products(used)
    variances = freed(products)[:, 0]
    levels, correlation = _quiet(means, variances, products)
    curve = [(float(means[v.chosen].mean()), float(variances[v.chosen].mean())) for v in levels]
    trusts = [v.trust * len(v.chosen) for v in levels]
    gain, intercept = _line([(*point, trust) for point, trust in zip(curve, trusts, strict=True)])
    offset = float(np.percentile(means, 5))
    everywhere = np.maximum(intercept + gain * blocks.mean(axis=1), 0)
    return NoiseEstimate(
        sigma=float(np.sqrt(everywhere.mean())),
        gain=gain,
        offset=offset,
        read=float(np.sqrt(max(intercept + gain * offset, 0.0))),
        lag=(float(correlation[1, 0]), float(correlation[0, 1])),
        reach_px=_reach(correlation),
        rows=_pattern(values),
        columns=_pattern(values.T),
        clipped=clipped,
        step=step,
        quiet=sum(trusts) / len(used),
        levels=tuple((mean, float(np.sqrt(max(variance, 0.0)))) for mean, variance in curve),
    )


def _unclipped(blocks: Float64Array, ends: tuple[float, float]) -> AnyArray:
    """Tell which blocks hold hardly a pixel at an end where values pile up."""
    at_end = (blocks <= ends[0]) | (blocks >= ends[1])
    return np.asarray(at_end.mean(axis=1) <= _CLIPPED)


@dataclasses.dataclass(frozen=True, eq=False)
class _Level:
    """Blocks of about one mean, and those of them that hold noise alone.

    Parameters
    ----------
    chosen : ndarray of int
        Numbers of the quiet blocks.
    trust : float
        How far their variances scatter as those of noise do, 0 to 1.
    """

    chosen: AnyArray
    trust: float


def _quiet(
    means: Float64Array, variances: Float64Array, products: Float64Array
) -> tuple[list[_Level], Float64Array]:
    """Return which blocks hold noise alone, and the noise's correlation, (LAGS, LAGS)."""
    correlation = np.zeros((LAGS, LAGS))
    correlation[0, 0] = 1
    levels: list[_Level] = []
    for _ in range(3):
        # What a block's variance varies by: the sum of squared correlations over its pixels.
        sides = np.array([1, *[2] * (LAGS - 1)])
        alike = float((np.outer(sides, sides) * correlation**2).sum())
        scatter = float(np.sqrt(2 * alike / (BLOCK_PX**2 - 6)))
        levels = [_level(part, variances[part], scatter) for part in _parts(means)]
        total = np.zeros(products.shape[1])
        for level in levels:
            weight = level.trust / max(float(variances[level.chosen].mean()), 1e-300)
            total += weight * products[level.chosen].sum(axis=0)
        found = freed(total[None])[0].reshape(LAGS, LAGS)
        if found[0, 0] <= 0:
            break
        correlation = np.clip(found / found[0, 0], -1, 1)
    return levels, correlation


def _parts(means: Float64Array) -> list[AnyArray]:
    """Return the blocks of each level, by equal numbers of blocks."""
    count = int(np.clip(len(means) // (2 * _FEWEST), 1, _LEVELS))
    return np.array_split(np.argsort(means, kind="stable"), count)


def _level(part: AnyArray, variances: Float64Array, scatter: float) -> _Level:
    """Return the blocks that are as quiet as the quietest of a level."""
    limit = float(np.quantile(variances, _START))
    for _ in range(_ROUNDS):
        higher = float(variances[variances <= limit].mean()) * (1 + _SPREAD * scatter)
        if higher <= limit:
            break
        limit = higher
    # Of normal noise, these quantiles lie 0.80 standard deviations from each other.
    low, high = (float(v) for v in np.quantile(variances, (0.05, 0.2)))
    found = np.log(max(high, 1e-300) / max(low, 1e-300))
    wanted = np.log((1 - 0.84 * min(scatter, 0.5)) / (1 - 1.64 * min(scatter, 0.5)))
    trust = min(1.0, float(wanted / max(found, 1e-12))) ** 4
    return _Level(part[variances <= limit], trust)


def _line(points: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """Return slope and intercept of the variance over the level; it never falls.

    Each point is a level, a variance and a weight. Structure only adds to a variance, so points
    above the line count less and less.
    """
    x, y, weights = (np.array(column, np.float64) for column in zip(*points, strict=True))
    # The variance of a variance goes with its square.
    if y.max() <= 0:
        return 0.0, 0.0
    weights = weights / np.maximum(y, y.max() * 1e-6) ** 2
    slope, intercept, fewer = 0.0, 0.0, np.ones_like(x)
    for _ in range(_ROUNDS):
        each = weights * fewer
        middle, height = (float(np.average(v, weights=each)) for v in (x, y))
        width = float(np.average((x - middle) ** 2, weights=each))
        if width > 0:
            slope = float(np.average((x - middle) * (y - height), weights=each)) / width
        slope = max(slope, 0.0)
        intercept = height - slope * middle
        above = np.maximum(y / np.maximum(intercept + slope * x, y.min() / 2) - 1, 0)
        fewer = 1 / (1 + (above / _ABOVE) ** 2)
    return slope, intercept


def _reach(correlation: Float64Array) -> int:
    """Return how far pixels are alike along the axis along which they are so farther."""
    along = max(
        next((k for k in range(LAGS) if line[k] < _ALIKE), LAGS)
        for line in (correlation[0], correlation[:, 0])
    )
    return int(along)


def _pattern(image: Float64Array) -> float:
    """Return the standard deviation of the offsets of whole rows.

    Rows are compared with their neighbours in strips side by side: what strips have in common
    is neither noise of single pixels nor structure.
    """
    beside = image[1:-1] - (image[:-2] + image[2:]) / 2
    beside = np.where(np.isfinite(beside), beside, 0.0)
    strips = [np.median(part, axis=1) for part in np.array_split(beside, 4, axis=1)]
    strips = [np.clip(strip, *np.percentile(strip, (2, 98))) for strip in strips]
    shared = np.cov(np.stack(strips))
    common = float(shared[~np.eye(len(strips), dtype=bool)].mean())
    # An offset counts once in its own row and a half in the two beside it: 1 + 1/4 + 1/4.
    return float(np.sqrt(max(common, 0.0) / 1.5))


def _step(image: AnyArray) -> float:
    """Return the distance of neighbouring values, where they lie on a grid."""
    found = np.unique(image[np.isfinite(image)])
    if len(found) < 2:
        return 0.0
    gaps = np.diff(found.astype(np.float64))
    step = float(gaps.min())
    steps = gaps / step
    on_grid = np.abs(steps - np.rint(steps)) < 0.05
    return step if on_grid.mean() > 0.99 and len(found) <= 2**16 else 0.0


def _clipping(image: AnyArray) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the shares of pixels piled up at either end, and the values from which on."""
    values, counts = np.unique(image[np.isfinite(image)], return_counts=True)
    total = max(int(counts.sum()), 1)
    shares, ends = [], []
    for place, beside, none in ((0, 1, -np.inf), (-1, -2, np.inf)):
        piled = len(values) > 2 and counts[place] > _SPIKE * max(int(counts[beside]), 1)
        share = counts[place] / total
        piled = piled and share > _CLIPPED / 10
        shares.append(float(share) if piled else 0.0)
        ends.append(float(values[place]) if piled else none)
    return (shares[0], shares[1]), (ends[0], ends[1])
