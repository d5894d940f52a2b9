"""Rings: polygons with holes, and the one closed path that napari keeps them as."""

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["group_rings", "join_rings", "split_rings"]

Points = npt.NDArray[np.float64]
Vertex = tuple[float, float]

_AISLE: Final = (0.41421, 0.57721)  # px from a centre, where vertices rarely lie


def join_rings(rings: Sequence[Points]) -> Points:
    """Return one closed path that encloses, by the even-odd rule, what its rings enclose.

    The rings are joined by paths that go there and back, which encloses nothing. They run
    between the pixels' centres, since a centre on an edge counts as inside, and not along
    pixel edges, where napari fails to draw them.

    Parameters
    ----------
    rings : sequence of ndarray, each shape (N, 2)
        (y, x), px, pixel centres at integers, not closed; at least one.

    Returns
    -------
    ndarray, shape (M, 2)
        Its last vertex is its first.
    """
    start = rings[0][:1]
    parts = [rings[0], start]
    for ring in rings[1:]:
        # From a vertex into its cell of four centres, and on through others at the same place.
        near, far = (np.floor(vertex) + _AISLE for vertex in (start[0], ring[0]))
        bridge = np.array([near, (near[0], far[1]), far])
        parts += [bridge, ring, ring[:1], bridge[::-1], start]
    path = np.concatenate(parts)
    # napari cannot draw a vertex twice in a row.
    moves = np.append(True, (np.diff(path, axis=0) != 0).any(axis=1))
    return np.asarray(path[moves])


def split_rings(path: Points) -> list[Points]:
    """Return the rings of a closed path: what `join_rings` joined, or the loops it draws.

    Edges that are walked there and back are left out, and what meets one of its vertices again
    is cut there, since a ring of GeoJSON may not.

    Parameters
    ----------
    path : ndarray, shape (N, 2)
        (y, x), closed or not.

    Returns
    -------
    list of ndarray, each shape (M, 2)
        Not closed, each of three vertices or more.
    """
    ring = path[:-1] if len(path) > 1 and (path[0] == path[-1]).all() else path
    if len(np.unique(ring[:, 0] + 1j * ring[:, 1])) == len(ring):  # it meets no vertex again
        return [ring] if len(ring) > 2 else []
    vertices = [(y, x) for y, x in path.tolist()]
    rings = _joined(vertices) or [vertices]
    loops = [loop for ring in rings for loop in _loops(_kept_edges(ring))]
    return [np.asarray(loop, dtype=np.float64) for loop in loops if len(loop) > 2]


def group_rings(rings: Sequence[Points]) -> list[list[Points]]:
    """Sort rings that do not cross into polygons: an outer ring, then the holes in it.

    Parameters
    ----------
    rings : sequence of ndarray, each shape (N, 2)
        (y, x), in any order.

    Returns
    -------
    list of list of ndarray
        In the order of the outer rings.
    """
    if len(rings) < 2:
        return [[ring] for ring in rings]
    sizes = np.array([_area(ring) for ring in rings])
    lows, highs = (np.array([end(ring, axis=0) for ring in rings]) for end in (np.min, np.max))
    heights = np.unique(np.concatenate([ring[:, 0] for ring in rings]))
    around = []
    for ring, size in zip(rings, sizes, strict=True):
        point = _inner_point(ring, heights)
        near = (sizes > size) & (lows <= point).all(axis=1) & (point <= highs).all(axis=1)
        around.append([j for j in np.flatnonzero(near).tolist() if _holds(rings[j], point)])
    # By the even-odd rule a ring in one other is a hole, a ring in a hole is an island.
    polygons = {i: [rings[i]] for i, others in enumerate(around) if len(others) % 2 == 0}
    for i, others in enumerate(around):
        if i not in polygons:
            polygons[min(others, key=lambda j: sizes[j])].append(rings[i])
    return list(polygons.values())


def _joined(path: list[Vertex]) -> list[list[Vertex]]:
    """Return the rings of a path that has the form `join_rings` gives it, else nothing."""
    rings: list[list[Vertex]] = []
    at = 0
    while at < len(path) - 1:
        try:
            stop = path.index(path[0], at + 1)
        except ValueError:
            return []
        loop = path[at : stop + 1]
        # What is walked there and back is the bridge, and the ring between begins at its end.
        bridge = 0
        while rings and bridge < len(loop) // 2 and loop[bridge + 1] == loop[-bridge - 2]:
            bridge += 1
        if rings and not bridge:
            return []
        rings.append(loop[bridge : len(loop) - bridge - 1])
        at = stop
    return rings


def _kept_edges(path: list[Vertex]) -> list[tuple[Vertex, Vertex]]:
    """Return the edges of a closed path, in order, without those walked there and back."""
    edges = list(zip(path, [*path[1:], path[0]], strict=True))
    kept = [start != stop for start, stop in edges]
    seen = defaultdict[tuple[Vertex, Vertex], list[int]](list)
    for i, (start, stop) in enumerate(edges):
        if not kept[i]:
            continue
        if back := seen[stop, start]:
            kept[i] = kept[back.pop()] = False
        else:
            seen[start, stop].append(i)
    return [edge for edge, keep in zip(edges, kept, strict=True) if keep]


def _loops(edges: list[tuple[Vertex, Vertex]]) -> list[list[Vertex]]:
    """Return the loops that edges make; as many edges come to a vertex as leave it."""
    following = defaultdict[Vertex, deque[Vertex]](deque)
    for start, stop in edges:
        following[start].append(stop)
    loops = []
    for first, _ in edges:
        trail, place = [first], {first: 0}
        while following[trail[-1]]:
            stop = following[trail[-1]].popleft()
            if stop not in place:
                place[stop] = len(trail)
                trail.append(stop)
                continue
            loop = trail[place[stop] :]
            loops.append(loop)
            for vertex in loop[1:]:
                del place[vertex]
            del trail[place[stop] + 1 :]
    return loops


def _area(ring: Points) -> float:
    """Return what a ring encloses, square px."""
    y, x = (ring - ring[0]).T
    return abs(float(y @ np.roll(x, 1) - x @ np.roll(y, 1))) / 2


def _inner_point(ring: Points, heights: npt.NDArray[np.float64]) -> Vertex:
    """Return a place inside a ring, between the sorted heights where vertices lie."""
    inside = heights[(heights >= ring[:, 0].min()) & (heights <= ring[:, 0].max())]
    gaps = np.diff(inside)
    if not gaps.size:
        return float(ring[0, 0]), float(ring[0, 1])
    widest = int(np.argmax(gaps))
    y = float(inside[widest] + inside[widest + 1]) / 2
    first, second = np.sort(_crossings(ring, y))[:2]
    return y, float(first + second) / 2


def _holds(ring: Points, point: Vertex) -> bool:
    """Tell whether a place lies in a ring, by the even-odd rule."""
    return bool(np.count_nonzero(_crossings(ring, point[0]) > point[1]) % 2)


def _crossings(ring: Points, y: float) -> npt.NDArray[Any]:
    """Return where the edges of a ring cross a height, x in px."""
    ay, ax = ring.T
    by, bx = np.roll(ring, -1, axis=0).T
    cross = (ay > y) != (by > y)
    ay, ax, by, bx = ay[cross], ax[cross], by[cross], bx[cross]
    return np.asarray(ax + (y - ay) * (bx - ax) / (by - ay))
