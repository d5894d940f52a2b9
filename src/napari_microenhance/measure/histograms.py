"""Histograms of two images over common bins."""

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Histogram", "common_edges", "histogram"]

BINS = 256

FloatArray = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Histogram:
    """How often each value occurs before and after.

    Parameters
    ----------
    edges : ndarray, shape (N + 1,), float64
        In image units; a value on an inner edge counts to the right.
    before, after : ndarray, shape (N,), int64
    """

    edges: FloatArray
    before: npt.NDArray[np.int64]
    after: npt.NDArray[np.int64]

    def __add__(self, other: "Histogram") -> "Histogram":
        """Return the histogram of the values of both, which have the same edges."""
        return Histogram(self.edges, self.before + other.before, self.after + other.after)

    def to_dict(self) -> dict[str, list[Any]]:
        """Return it as plain JSON values."""
        return {
            "edges": self.edges.tolist(),
            "before": self.before.tolist(),
            "after": self.after.tolist(),
        }


def common_edges(low: float, high: float, *, whole: bool, bins: int = BINS) -> FloatArray:
    """Return the edges of bins that hold all values from low to high.

    Parameters
    ----------
    low, high : float
        Smallest and largest value of both images.
    whole : bool
        Whether all values are whole numbers: then every bin holds equally many of them, so
        that no comb appears that is not in the image.
    bins : int
        At most so many.

    Returns
    -------
    ndarray, shape (N + 1,), float64
    """
    if whole:
        step = max(1, math.ceil((high - low + 1) / bins))
        count = math.ceil((high - low + 1) / step)
        return low - 0.5 + step * np.arange(count + 1, dtype=np.float64)
    if high <= low:
        return np.array([low - 0.5, low + 0.5])
    return np.linspace(low, high, bins + 1)


def histogram(
    before: npt.NDArray[Any], after: npt.NDArray[Any], edges: npt.NDArray[np.float64]
) -> Histogram:
    """Count the values of two images in the same bins.

    Parameters
    ----------
    before, after : ndarray, any shape
        Values outside the edges are not counted.
    edges : ndarray, shape (N + 1,), float64
        Evenly spaced, as `common_edges` gives them.
    """
    # Of bins that are given by their edges, numpy would sort all values.
    count, ends = len(edges) - 1, (float(edges[0]), float(edges[-1]))
    pairs = (np.histogram(values, count, ends)[0] for values in (before, after))
    return Histogram(edges, *(counts.astype(np.int64) for counts in pairs))
