"""Outlines: curved and painted regions as polygons, and the way back."""

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.rois.rings import join_rings

__all__ = [
    "SQUARE",
    "Points",
    "circle",
    "closed_spline",
    "edge_loops",
    "ellipse_box",
    "ellipse_in_box",
    "mask_outline",
    "rounded_rectangle",
    "wide_line",
]

Points = npt.NDArray[np.float64]
"""Shape (N, 2), (y, x), px; pixel centres are at integers."""

SQUARE: Final = np.array([(-1.0, -1.0), (-1.0, 1.0), (1.0, 1.0), (1.0, -1.0)])
"""Corners around the unit circle, (y, x), in order."""

_TOLERANCE_PX: Final = 0.005  # half of what an ROI edge may be off
_MOST: Final = 10_000  # lines of one piece of a curve: more than any image needs
_SAME_PX: Final = 1e-6  # what a file may change about a vertex


def circle(centre: Points, radius: float) -> Points:
    """Return a polygon that stays within 0.005 px of a circle.

    Parameters
    ----------
    centre : ndarray, shape (2,)
        (y, x), px.
    radius : float
        px, above zero.
    """
    return ellipse_in_box(centre + radius * SQUARE)


def ellipse_in_box(corners: Points) -> Points:
    """Return a polygon that stays within 0.005 px of the ellipse that fills a box.

    Parameters
    ----------
    corners : ndarray, shape (4, 2)
        In order around the box, which may be rotated, px.
    """
    centre = corners.mean(axis=0)
    first, second = (corners[1] - corners[0]) / 2, (corners[2] - corners[1]) / 2
    longest = max(float(np.hypot(*first)), float(np.hypot(*second)))
    # A chord of n leaves the arc by longest * (1 - cos(pi / n)).
    sides = 16
    if longest > _TOLERANCE_PX:
        # A multiple of four reaches the box on all sides, so the box shows in the polygon.
        quarter = math.pi / math.acos(1 - _TOLERANCE_PX / longest) / 4
        sides = max(sides, 4 * math.ceil(quarter))
    angle = np.arange(sides) * (2 * math.pi / sides)
    return np.asarray(centre + np.outer(np.cos(angle), first) + np.outer(np.sin(angle), second))


def rounded_rectangle(corners: Points, diameter: float) -> Points:
    """Return a polygon that stays within 0.005 px of a rectangle with round corners.

    Parameters
    ----------
    corners : ndarray, shape (4, 2)
        In order around an upright rectangle, px.
    diameter : float
        Of the ellipses in its corners, px; no more than a side.

    Returns
    -------
    ndarray, shape (N, 2)
    """
    low, high = corners.min(axis=0), corners.max(axis=0)
    radii = np.minimum(diameter, high - low) / 2
    round_one = ellipse_in_box((low + high) / 2 + radii * SQUARE)
    # Each quarter of an ellipse moves into its corner; ends that meet are one vertex.
    away = round_one - (low + high) / 2
    shift = np.where(np.abs(away) < 1e-9 * (1 + radii), 0.0, np.sign(away))
    quarters = len(round_one) // 4
    moved = []
    for number, point in enumerate(round_one):
        sides = [shift[number]]
        if number % quarters == 0:  # on an axis: it belongs to two corners
            before, after = shift[number - 1], shift[(number + 1) % len(round_one)]
            sides = [before, after]
        moved += [point + side * ((high - low) / 2 - radii) for side in sides]
    return np.asarray(moved)


def wide_line(ends: Points, width: float) -> Points:
    """Return the corners of what a straight line of some width covers.

    Parameters
    ----------
    ends : ndarray, shape (2, 2), float64
        (y, x), px.
    width : float
        px.

    Returns
    -------
    ndarray, shape (4, 2), float64
        (y, x), px.
    """
    along = ends[1] - ends[0]
    across = np.array([along[1], -along[0]]) * (width / 2 / float(np.hypot(*along)))
    return np.stack([ends[0] - across, ends[1] - across, ends[1] + across, ends[0] + across])


def closed_spline(vertices: Points) -> Points:
    """Return a polygon that stays within 0.005 px of the closed cubic spline through vertices.

    The parameter is the number of the vertex, as in ImageJ's curves.

    Parameters
    ----------
    vertices : ndarray, shape (N, 2)
        At least three, px.

    Returns
    -------
    ndarray, shape (M, 2)
    """
    from scipy.interpolate import CubicSpline

    closed = np.concatenate([vertices, vertices[:1]])
    curve = CubicSpline(np.arange(len(closed)), closed, bc_type="periodic")
    # A chord over 1/n of a piece leaves it by at most its bend / (8 n ** 2).
    bends = np.hypot(*curve(np.arange(len(closed)), 2).T)
    bend = np.maximum(bends[:-1], bends[1:])
    counts = np.clip(np.ceil(np.sqrt(bend / 8 / _TOLERANCE_PX)), 1, _MOST).astype(int)
    at = np.concatenate([n + np.arange(count) / count for n, count in enumerate(counts)])
    return np.asarray(curve(at))


def ellipse_box(polygon: Points) -> Points | None:
    """Return the box of an ellipse that `ellipse_in_box` made a polygon of, else None.

    Formats without ellipses keep such a polygon, and this finds the ellipse in it again.

    Parameters
    ----------
    polygon : ndarray, shape (N, 2)

    Returns
    -------
    ndarray, shape (4, 2), or None
        Corners in order around the box, px.
    """
    if len(polygon) < 16 or len(polygon) % 4:
        return None
    centre = polygon.mean(axis=0)
    first, second = polygon[0] - centre, polygon[len(polygon) // 4] - centre
    box = centre + np.stack([-first - second, first - second, first + second, second - first])
    again = ellipse_in_box(box)
    same = again.shape == polygon.shape and np.allclose(again, polygon, rtol=0, atol=_SAME_PX)
    return box if same else None


def is_rectangle(polygon: Points) -> bool:
    """Tell whether a polygon is a rectangle, upright or turned, within 1e-6 px."""
    if len(polygon) != 4:
        return False
    a, b, c, d = polygon
    diagonals = np.hypot(*(c - a)) - np.hypot(*(d - b))
    sides = np.hypot(*(b - a)), np.hypot(*(c - b))
    parallel = np.allclose(a + c, b + d, rtol=0, atol=_SAME_PX)
    return bool(parallel and abs(diagonals) <= _SAME_PX < min(sides))


def around_centre(corners: Points) -> Points:
    """Return corners of a convex shape in order around it, whatever order they came in."""
    y, x = (corners - corners.mean(axis=0)).T
    return corners[np.argsort(np.arctan2(y, x), kind="stable")]


def mask_outline(mask: npt.NDArray[Any], origin: tuple[int, int] = (0, 0)) -> Points:
    """Return one closed polygon that encloses, by the even-odd rule, exactly a mask.

    It runs along pixel edges; parts and holes are joined by paths that go there
    and back along pixel edges, which encloses nothing.

    Parameters
    ----------
    mask : ndarray, shape (Y, X), bool
    origin : tuple of int
        (y, x) of the mask's first pixel, px.

    Returns
    -------
    ndarray, shape (N, 2)
        Empty for an empty mask.
    """
    loops = edge_loops(np.asarray(mask, dtype=bool))
    if not loops:
        return np.zeros((0, 2))
    rings = [np.asarray(loop[:-1], dtype=np.float64) - 0.5 + origin for loop in loops]
    return join_rings(rings)


def edge_loops(mask: npt.NDArray[np.bool_]) -> list[list[tuple[int, int]]]:
    """Return the edges between the pixels of a mask and all others.

    Parameters
    ----------
    mask : ndarray, shape (Y, X), bool

    Returns
    -------
    list of list of tuple
        Closed loops of pixel corners (y, x), the first equal to the last; straight runs are
        merged. Corner (y, x) is the upper left one of pixel (y, x).
    """
    padded = np.pad(mask, 1).astype(np.int8)
    following: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def add(start: npt.NDArray[Any], stop: npt.NDArray[Any]) -> None:
        for a, b in zip(map(tuple, start.tolist()), map(tuple, stop.tolist()), strict=True):
            following.setdefault(a, []).append(b)

    # Edges have the mask on their right, so that at every corner one can go on.
    down, right = np.diff(padded, axis=0)[:, 1:-1], np.diff(padded, axis=1)[1:-1]
    for sign in (1, -1):
        y, x = np.nonzero(down == sign)
        ends = np.stack([y, x], 1), np.stack([y, x + 1], 1)
        add(*ends[::sign])
        y, x = np.nonzero(right == sign)
        ends = np.stack([y + 1, x], 1), np.stack([y, x], 1)
        add(*ends[::sign])
    loops = []
    while following:
        start = here = next(iter(following))
        loop = [start]
        while True:
            exits = following[here]
            there = exits.pop()
            if not exits:
                del following[here]
            if len(loop) > 1 and _straight(loop[-2], here, there):
                loop.pop()
            loop.append(there)
            here = there
            if here == start:
                break
        loops.append(loop)
    return loops


def _straight(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> bool:
    """Tell whether three corners lie on one pixel edge line."""
    return a[0] == b[0] == c[0] or a[1] == b[1] == c[1]
