"""Numbers over all pixels of a tensor, gathered tile by tile, each pixel once."""

import math
from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.statistics.rewriting import Statistic

__all__ = ["Gathering", "Part", "gathering_of"]

Array = npt.NDArray[Any]
Float64Array = npt.NDArray[np.float64]
Part = tuple[Any, ...]
"""What one tile adds to a number."""


class Gathering(Protocol):
    """Takes the numbers of every tile's kept part, in order.

    Sums are float64 over tiles and rows, float32 within a row: a row of some thousand values
    loses less than 1e-6 of their size.
    """

    statistic: Statistic

    def part(self, block: Array) -> Part:
        """Return the numbers of a tile's kept part, in the tensor's own layout; in any thread."""

    def add(self, part: Part) -> None:
        """Join them with those of the tiles before."""

    def values(self) -> tuple[Array, ...]:
        """Return the numbers, float64, in the statistic's shape."""


class _Moments:
    """Mean and variance, joined so that a large mean takes nothing of the variance's precision.

    References
    ----------
    .. [1] Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample
       variances", 1979. https://doi.org/10.1007/978-3-642-51461-6_3
    """

    def __init__(self, statistic: Statistic) -> None:
        self.statistic = statistic
        self._count = 0
        self._mean: Float64Array = np.zeros(())
        self._squares: Float64Array = np.zeros(())

    def part(self, block: Array) -> Part:
        """Return how many values, their mean and the sum of squared distances from it."""
        axes = self.statistic.axes
        count = _count(block, axes)
        # The mean of every eighth row lies within three deviations of that of all.
        every = [slice(None)] * block.ndim
        every[axes[-2] if len(axes) > 1 else axes[0]] = slice(None, None, 8)
        some = block[tuple(every)]
        near = (_sum(some, axes) / _count(some, axes)).astype(_exact(block))
        distance = block - np.expand_dims(near, axes)
        left = _sum(distance, axes) / count
        return count, near + left, _sum_of_squares(distance, axes) - left**2 * count

    def add(self, part: Part) -> None:
        """Join mean and sum of squared distances with those of the tiles before."""
        count, mean, squares = part
        total = self._count + count
        apart = mean - self._mean
        self._mean = self._mean + apart * (count / total)
        self._squares = self._squares + squares + apart**2 * (self._count * count / total)
        self._count = total

    def values(self) -> tuple[Array, ...]:
        """Return mean and variance."""
        shape = self.statistic.shape
        variance = np.maximum(self._squares, 0) / self._count
        return self._mean.reshape(shape), variance.reshape(shape)


class _Sums:
    """A sum, or a largest or smallest value, and what is made of it at the end."""

    def __init__(self, statistic: Statistic) -> None:
        self.statistic = statistic
        self._count = 0
        self._total: Float64Array | None = None

    def part(self, block: Array) -> Part:
        """Return how many values, and their number."""
        found = PARTS[self.statistic.kind](block, self.statistic)
        return _count(block, self.statistic.axes), found

    def add(self, part: Part) -> None:
        """Join the number with that of the tiles before."""
        count, found = part
        join = JOINS.get(self.statistic.kind, np.add)
        self._total = found if self._total is None else join(self._total, found)
        self._count += count

    def values(self) -> tuple[Array, ...]:
        """Return the number."""
        found = np.asarray(self._total, np.float64)
        kind = self.statistic.kind
        if kind == "mean":
            found = found / self._count
        elif kind == "l2":
            found = np.sqrt(found)
        elif kind == "lp":
            found = found ** (1 / self.statistic.power)
        elif kind == "logsum":
            found = np.log(found)
        return (found.reshape(self.statistic.shape),)


class _Exponents:
    """The logarithm of a sum of exponentials, each relative to the highest value so far."""

    def __init__(self, statistic: Statistic) -> None:
        self.statistic = statistic
        self._top: Float64Array = np.full((), -np.inf)
        self._total: Float64Array = np.zeros(())

    def part(self, block: Array) -> Part:
        """Return the highest value, and the sum of exponentials relative to it."""
        axes = self.statistic.axes
        top = block.max(axis=axes)
        here = np.exp(block - np.expand_dims(top, axes)).sum(axis=axes, dtype=np.float64)
        return top.astype(np.float64), here

    def add(self, part: Part) -> None:
        """Join the sum with that of the tiles before."""
        top = np.maximum(self._top, part[0])
        self._total = self._total * np.exp(self._top - top) + part[1] * np.exp(part[0] - top)
        self._top = top

    def values(self) -> tuple[Array, ...]:
        """Return the number."""
        return ((self._top + np.log(self._total)).reshape(self.statistic.shape),)


def gathering_of(statistic: Statistic) -> Gathering:
    """Return what gathers a kind of numbers.

    Parameters
    ----------
    statistic : Statistic
        Its `kind` decides.

    Returns
    -------
    Gathering
        Nothing is gathered yet.
    """
    if statistic.kind == "moments":
        return _Moments(statistic)
    return _Exponents(statistic) if statistic.kind == "logsumexp" else _Sums(statistic)


def _count(block: Array, axes: tuple[int, ...]) -> int:
    """Return how many values lie along some axes."""
    return math.prod(block.shape[a] for a in axes)


def _exact(block: Array) -> np.dtype[Any]:
    """Return the type that sums along a row are made in."""
    return np.result_type(block.dtype, np.float32)


def _sum(block: Array, axes: tuple[int, ...]) -> Float64Array:
    """Return the sum along some axes: float32 along the last of them, float64 beyond."""
    return _contracted(block, axes, "{0}->{1}")


def _sum_of_squares(block: Array, axes: tuple[int, ...]) -> Float64Array:
    """Return the sum of squares along some axes."""
    return _contracted(block, axes, "{0},{0}->{1}")


def _contracted(block: Array, axes: tuple[int, ...], how: str) -> Float64Array:
    """Return a sum along the last axis by einsum, the fastest by far, and along the others."""
    letters = "abcdefgh"[: block.ndim]
    kept = letters.replace(letters[axes[-1]], "")
    wide = np.asarray(block, _exact(block))
    rows = np.einsum(how.format(letters, kept), *[wide] * (how.count("{0}")))
    rest = tuple(a - (a > axes[-1]) for a in axes[:-1])
    return np.asarray(rows.sum(axis=rest, dtype=np.float64), np.float64)


PARTS: Final[dict[str, Callable[[Array, Statistic], Float64Array]]] = {
    "mean": lambda b, s: _sum(b, s.axes),
    "sum": lambda b, s: _sum(b, s.axes),
    "logsum": lambda b, s: _sum(b, s.axes),
    "l1": lambda b, s: _sum(np.abs(b), s.axes),
    "l2": lambda b, s: _sum_of_squares(b, s.axes),
    "sumsq": lambda b, s: _sum_of_squares(b, s.axes),
    "lp": lambda b, s: _sum(np.abs(b) ** s.power, s.axes),
    "max": lambda b, s: b.max(axis=s.axes).astype(np.float64),
    "min": lambda b, s: b.min(axis=s.axes).astype(np.float64),
}
JOINS: Final[dict[str, Callable[[Float64Array, Float64Array], Float64Array]]] = {
    "max": np.maximum,
    "min": np.minimum,
}
