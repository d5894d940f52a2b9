"""Filling: which pixel centres lie in a polygon, by the even-odd rule."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import RoiError
from napari_microenhance.types import Box

__all__ = ["checked_vertices", "fill_polygon"]

AT_ONCE = 1 << 22
"""Crossings of rows and edges that are worked on together."""

BoolArray = npt.NDArray[np.bool_]


def checked_vertices(polygon: npt.ArrayLike, number: int) -> npt.NDArray[np.float64]:
    """Return the vertices of a polygon, or raise.

    Parameters
    ----------
    polygon : array_like, shape (N, 2)
        (y, x), px.
    number : int
        How the error names it.

    Returns
    -------
    ndarray, shape (N, 2), float64

    Raises
    ------
    RoiError
        If it has fewer than three vertices or one that is not finite.
    """
    try:
        vertices = np.array(polygon, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise RoiError(f"ROI polygon {number} is not a list of (y, x) numbers.") from error
    if vertices.ndim != 2 or vertices.shape[1] != 2 or len(vertices) < 3:
        raise RoiError(
            f"ROI polygon {number} has shape {vertices.shape}; "
            "it needs at least three (y, x) vertices."
        )
    if not np.isfinite(vertices).all():
        raise RoiError(f"ROI polygon {number} has a vertex that is not a finite number.")
    return vertices


def fill_polygon(
    vertices: npt.NDArray[np.float64], shape: tuple[int, int]
) -> tuple[Box, BoolArray] | None:
    """Fill one closed polygon by the even-odd rule, centres on an edge included.

    Each edge counts once for every pixel centre to the right of it in the rows it crosses; the
    parity along the row then gives inside and outside. The cost is the length of the outline
    plus the area of the box, not their product: a million vertices take a fraction of a second.

    Parameters
    ----------
    vertices : ndarray, shape (N, 2), float64
        (y, x), px.
    shape : tuple of int
        (Y, X) of the image, px.

    Returns
    -------
    tuple of Box and ndarray of bool, or None
        The polygon's box inside the image and its mask; None when they do not meet.
    """
    low = np.ceil(vertices.min(axis=0) - 1e-9)
    high = np.floor(vertices.max(axis=0) + 1e-9) + 1
    start = np.clip(low, 0, shape).astype(int)
    stop = np.clip(high, 0, shape).astype(int)
    if (start >= stop).any():
        return None
    (top, left), (bottom, right) = start.tolist(), stop.tolist()
    box = ((top, bottom), (left, right))
    crossings = np.zeros((bottom - top, right - left + 1), np.uint8)
    edge = np.zeros((bottom - top, right - left), bool)
    # From the upper to the lower end of each edge.
    ends = np.stack([vertices, np.roll(vertices, -1, axis=0)], axis=1)
    ends[ends[:, 0, 0] > ends[:, 1, 0]] = ends[ends[:, 0, 0] > ends[:, 1, 0], ::-1]
    flat = ends[:, 0, 0] == ends[:, 1, 0]
    _draw_level(edge, ends[flat], box)
    _draw_steep(crossings, edge, ends[~flat], box)
    inside = np.bitwise_xor.accumulate(crossings[:, :-1] & 1, axis=1).view(bool)
    return box, inside | edge


def _draw_level(edge: BoolArray, ends: npt.NDArray[np.float64], box: Box) -> None:
    """Mark the pixel centres on edges along rows; `ends` has shape (N, 2, 2)."""
    (top, bottom), (left, right) = box
    y = ends[:, 0, 0]
    ends = ends[(y == np.floor(y)) & (y >= top) & (y < bottom)]
    first, last = ends[..., 1].min(axis=1), ends[..., 1].max(axis=1)
    start = np.clip(np.ceil(first), left, right).astype(np.int64)
    stop = np.clip(np.floor(last) + 1, left, right).astype(np.int64)
    for which, columns in _ranges(start, stop):
        edge[ends[which, 0, 0].astype(np.int64) - top, columns - left] = True


def _draw_steep(
    crossings: npt.NDArray[np.uint8], edge: BoolArray, ends: npt.NDArray[np.float64], box: Box
) -> None:
    """Count where edges across rows are met, and mark the pixel centres on them."""
    (top, bottom), (left, right) = box
    start = np.clip(np.ceil(ends[:, 0, 0]), top, bottom).astype(np.int64)
    stop = np.clip(np.floor(ends[:, 1, 0]) + 1, top, bottom).astype(np.int64)
    for which, rows in _ranges(start, stop):
        (ay, ax), (by, bx) = np.moveaxis(ends[which], 0, -1)
        cross = ax + (rows - ay) * ((bx - ax) / (by - ay))
        whole = np.rint(cross)
        on = (np.abs(cross - whole) < 1e-9) & (whole >= left) & (whole < right)
        edge[rows[on] - top, whole[on].astype(np.int64) - left] = True
        # Half open in y, so that a vertex shared by two edges counts once.
        half = rows < by
        columns = np.clip(np.ceil(cross[half]), left, right).astype(np.int64) - left
        places = (rows[half] - top) * crossings.shape[1] + columns
        np.add.at(crossings.reshape(-1), places, np.uint8(1))  # 256 is even, so parity stays


def _ranges(
    start: npt.NDArray[np.int64], stop: npt.NDArray[np.int64]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield the numbers in some ranges, and which range each is of, so many at a time as fit."""
    lengths = np.maximum(stop - start, 0)
    ends = np.cumsum(lengths)
    at = 0
    while at < len(lengths):
        done = ends[at - 1] if at else 0
        till = max(at + 1, int(np.searchsorted(ends, done + AT_ONCE, side="right")))
        some = lengths[at:till]
        which = np.repeat(np.arange(at, till), some)
        first = np.repeat(np.cumsum(some) - some, some)
        yield which, start[which] + np.arange(len(which)) - first
        at = till
