"""Paths of ImageJ's composite ROIs: a list of numbers that draws lines and curves."""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["flattened", "path_numbers"]

_MOVE, _LINE, _QUADRATIC, _CUBIC, _CLOSE = range(5)  # java.awt.geom.PathIterator
_POINTS: Final = {_MOVE: 1, _LINE: 1, _QUADRATIC: 2, _CUBIC: 3, _CLOSE: 0}
_TOLERANCE_PX: Final = 0.005  # half of what an ROI edge may be off
_MOST: Final = 10_000  # lines of one curve: more than any image needs


def flattened(numbers: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """Return the rings that a path draws, curves as lines that stay within 0.005 px.

    Parameters
    ----------
    numbers : ndarray, shape (N,)
        An operation's number, then its points (x, y), and so on.

    Returns
    -------
    list of ndarray, each shape (M, 2)
        (x, y), not closed, each of three vertices or more.

    Raises
    ------
    ValueError
        If an operation is unknown or lacks numbers, or a number is not finite.
    """
    if not np.isfinite(numbers).all():
        raise ValueError("its numbers are not finite")
    rings: list[list[Any]] = []
    at = 0
    while at < len(numbers):
        operation = int(numbers[at])
        if operation not in _POINTS:
            raise ValueError(f"path operation {numbers[at]:g} is unknown")
        stop = at + 1 + 2 * _POINTS[operation]
        if stop > len(numbers) or (operation != _MOVE and not rings):
            raise ValueError("its path is incomplete")
        points = numbers[at + 1 : stop].reshape(-1, 2)
        if operation == _MOVE:
            rings.append([points[0]])
        elif operation != _CLOSE:
            rings[-1] += _drawn(np.concatenate([rings[-1][-1][None], points]))
        at = stop
    arrays = [np.asarray(ring) for ring in rings]
    arrays = [ring[:-1] if (ring[0] == ring[-1]).all() else ring for ring in arrays]
    return [ring for ring in arrays if len(ring) > 2]


def path_numbers(rings: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Return the path that draws closed rings.

    Parameters
    ----------
    rings : sequence of ndarray, each shape (N, 2)
        (x, y), not closed.

    Returns
    -------
    ndarray, shape (M,), float64
    """
    parts: list[npt.NDArray[np.float64]] = []
    for ring in rings:
        operations = np.full((len(ring), 1), float(_LINE))
        operations[0] = _MOVE
        parts += [np.hstack([operations, ring]).ravel(), np.array([float(_CLOSE)])]
    return np.concatenate(parts)


def _drawn(control: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """Return the vertices of a Bezier curve after its first point; a line is one of degree 1."""
    degree = len(control) - 1
    # A chord over 1/n of the curve leaves it by at most bend / n ** 2.
    bend = degree * (degree - 1) / 8 * float(np.abs(np.diff(control, 2, axis=0)).sum())
    count = min(max(1, math.ceil(math.sqrt(bend / _TOLERANCE_PX))), _MOST)
    t = np.arange(1, count + 1)[:, None] / count
    weights = [math.comb(degree, k) * t**k * (1 - t) ** (degree - k) for k in range(degree + 1)]
    return list(sum(w * point for w, point in zip(weights, control, strict=True)))
