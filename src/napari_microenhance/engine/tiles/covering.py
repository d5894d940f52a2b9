"""Cover a region with the kept boxes that cost the fewest network pixels.

A read costs its area, halos included, so a good cover trades halos against empty
pixels. The region is cut into groups that are far apart; a group that fills its box
gets an even grid; any other is laid on a coarse grid of cells over which the cheapest
guillotine partition (recursive straight cuts, every part shrunk to the region inside
it) is found exactly by dynamic programming.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.region import Region, intersect, slices
from napari_microenhance.engine.tiles.axis import Axis, plan_axis
from napari_microenhance.types import Box

__all__ = ["cover"]

CELLS = 12
"""Cells per axis of the grid on which the cheapest cover is sought."""

CALL_PX = 1024
"""What one more network call costs besides its pixels, in pixels."""

BLOCK_TILES = 3
"""A larger group is first cut into blocks of this many tiles per axis."""

GROUPS_MOST = 300
"""More separate groups than this are covered as one."""

MIN_CELL = 8
"""Narrowest cell, px."""

BEYOND = 1 << 40
"""An index past any image."""

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def cover(region: Region, axes: Sequence[Axis]) -> tuple[Box, ...]:
    """Return disjoint boxes that hold every pixel of the region.

    Parameters
    ----------
    region : Region
    axes : sequence of Axis
        One per spatial axis; axes before the last two are cut evenly.

    Returns
    -------
    tuple of Box
        In reading order; the read of each fits a tile.

    Raises
    ------
    TilePlanError
        If no layout satisfies the rules.
    """
    *outer, ay, ax = axes
    slabs = [plan_axis(a, *r) for a, r in zip(outer, region.box, strict=False)]
    keeps: list[Box] = []
    for slab in itertools.product(*slabs):
        if region.mask is None:
            keeps += [(*slab, *box) for box in _even((ay, ax), region.box[-2:])]
            continue
        mask = region.crop((*slab, *region.box[-2:]))
        if slab:
            mask = np.asarray(mask.any(axis=tuple(range(len(slab)))))
        flat = _Mask(mask, (region.box[-2][0], region.box[-1][0]))
        keeps += [(*slab, *box) for box in _cover_mask(flat, (ay, ax))]
    return tuple(sorted(keeps))


def _even(axes: tuple[Axis, Axis], box: Box) -> Iterator[Box]:
    """Yield the fewest even tiles of a full box."""
    yield from itertools.product(*[plan_axis(a, *r) for a, r in zip(axes, box, strict=True)])


def _cover_mask(mask: "_Mask", axes: tuple[Axis, Axis]) -> Iterator[Box]:
    """Yield the boxes that cover a 2-D mask."""
    for group in _groups(mask, axes[0].halo):
        part = mask.cut(group)
        if part is None:
            continue
        if part.values.all():
            yield from _even(axes, part.box)
            continue
        for block in _blocks(part.box, axes):
            if inner := part.cut(block):
                yield from _partition(inner, axes)


@dataclasses.dataclass(frozen=True)
class _Mask:
    """A 2-D mask and where its first pixel lies in the image."""

    values: BoolArray
    origin: tuple[int, int]

    @property
    def box(self) -> Box:
        """The box of the mask, image px."""
        return tuple((o, o + n) for o, n in zip(self.origin, self.values.shape, strict=True))

    def cut(self, box: Box) -> "_Mask | None":
        """Return the mask inside a box, as tight as its set pixels; None if none is set."""
        common = intersect(box, self.box)
        if common is None:
            return None
        inner = self.values[slices(common, self.origin)]
        rows, columns = np.flatnonzero(inner.any(axis=1)), np.flatnonzero(inner.any(axis=0))
        if not len(rows):
            return None
        tight = inner[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return _Mask(tight, (common[0][0] + int(rows[0]), common[1][0] + int(columns[0])))


def _groups(mask: _Mask, halo: int) -> list[Box]:
    """Return disjoint boxes around parts of the mask that are too far apart to share a tile."""
    from scipy.ndimage import find_objects, label

    cell = max(8, halo)
    rows, columns = (np.arange(0, n, cell) for n in mask.values.shape)
    coarse = np.logical_or.reduceat(
        np.logical_or.reduceat(mask.values, rows, axis=0), columns, axis=1
    )
    labels, count = label(coarse, np.ones((3, 3)))
    if not 1 < count <= GROUPS_MOST:
        return [mask.box]
    found = [
        tuple((o + s.start * cell, o + s.stop * cell) for o, s in zip(mask.origin, f, strict=True))
        for f in find_objects(labels)
    ]
    return _merged(found)


def _merged(boxes: list[Box]) -> list[Box]:
    """Join boxes that overlap until none does."""
    done: list[Box] = []
    while boxes:
        box = boxes.pop()
        hit = next((other for other in done if intersect(box, other)), None)
        if hit is None:
            done.append(box)
        else:
            done.remove(hit)
            pairs = zip(box, hit, strict=True)
            boxes.append(tuple((min(a, c), max(b, d)) for (a, b), (c, d) in pairs))
    return done


def _blocks(box: Box, axes: tuple[Axis, Axis]) -> Iterator[Box]:
    """Yield even blocks of a box, each at most a few tiles wide."""
    spans = []
    for axis, (start, stop) in zip(axes, box, strict=True):
        core = max(1, axis.tile - 2 * axis.margin)
        count = -(-(stop - start) // (BLOCK_TILES * core))
        edges = [start + (stop - start) * i // count for i in range(count + 1)]
        spans.append(list(itertools.pairwise(edges)))
    yield from itertools.product(*spans)


def _partition(mask: _Mask, axes: tuple[Axis, Axis]) -> list[Box]:
    """Return the cheapest guillotine partition of a mask on a grid of cells."""
    cells = _Cells(mask, axes)
    cost: dict[tuple[int, int], FloatArray] = {}
    rows, columns = cells.count
    for h, w in itertools.product(range(1, rows + 1), range(1, columns + 1)):
        best = cells.cost(h, w)
        for a in range(1, h):
            upper, lower = cost[a, w], cost[h - a, w]
            best = np.minimum(best, upper[: len(best)] + lower[a:])
        for b in range(1, w):
            left, right = cost[h, b], cost[h, w - b]
            best = np.minimum(best, left[:, : best.shape[1]] + right[:, b:])
        cost[h, w] = best
    keeps: list[Box] = []
    todo = [(0, 0, rows, columns)]
    while todo:
        y, x, h, w = todo.pop()
        best = cost[h, w][y, x]
        if best == 0:
            continue
        if cells.cost(h, w)[y, x] <= best:
            # Only a lone cell, wider than a small tile, can cost too much.
            split = (
                _even(axes, cells.box(y, x, h, w)) if np.isinf(best) else [cells.box(y, x, h, w)]
            )
            keeps += [part.box for box in split if (part := mask.cut(box))]
            continue
        for a in range(1, h):
            if cost[a, w][y, x] + cost[h - a, w][y + a, x] <= best:
                todo += [(y, x, a, w), (y + a, x, h - a, w)]
                break
        else:
            b = next(b for b in range(1, w) if cost[h, b][y, x] + cost[h, w - b][y, x + b] <= best)
            todo += [(y, x, h, b), (y, x + b, h, w - b)]
    return keeps


class _Cells:
    """A mask on a coarse grid: for any rectangle of cells, its tight box and its cost."""

    def __init__(self, mask: _Mask, axes: tuple[Axis, Axis]) -> None:
        self._axes = axes
        self._edges = [np.arange(0, n, max(MIN_CELL, -(-n // CELLS))) for n in mask.values.shape]
        self.count = tuple(len(e) for e in self._edges)
        self._origin = mask.origin
        # First and one past the last set row and column of each cell; empty cells have
        # first > last, so that minimum and maximum over cells just work.
        by_row = np.logical_or.reduceat(mask.values, self._edges[1], axis=1)
        by_column = np.logical_or.reduceat(mask.values, self._edges[0], axis=0)
        low_y, high_y = _extent(by_row, self._edges[0], axis=0)
        low_x, high_x = _extent(by_column, self._edges[1], axis=1)
        self._tight: dict[tuple[int, int], tuple[IntArray, ...]] = {
            (1, 1): (low_y, high_y, low_x, high_x)
        }

    def _box(self, h: int, w: int) -> tuple[IntArray, ...]:
        """Return the tight boxes of all h x w rectangles of cells, mask px."""
        if (h, w) not in self._tight:
            if h > 1:
                part = self._box(h - 1, w)
                near, far = [p[:-1] for p in part], [p[h - 1 :] for p in self._box(1, w)]
            else:
                part = self._box(1, w - 1)
                near, far = [p[:, :-1] for p in part], [p[:, w - 1 :] for p in self._box(1, 1)]
            lows = [np.minimum(n, f) for n, f in zip(near[::2], far[::2], strict=True)]
            highs = [np.maximum(n, f) for n, f in zip(near[1::2], far[1::2], strict=True)]
            self._tight[h, w] = (lows[0], highs[0], lows[1], highs[1])
        return self._tight[h, w]

    def box(self, y: int, x: int, h: int, w: int) -> Box:
        """Return the tight box of one rectangle of cells, image px."""
        top, bottom, left, right = (int(t[y, x]) for t in self._box(h, w))
        oy, ox = self._origin
        return ((oy + top, oy + bottom), (ox + left, ox + right))

    @functools.cache  # noqa: B019 - the grid lives for one call
    def cost(self, h: int, w: int) -> FloatArray:
        """Return what one tile costs for each h x w rectangle; 0 if empty, inf if too large."""
        boxes = self._box(h, w)
        area, fits = np.ones(boxes[0].shape), np.ones(boxes[0].shape, bool)
        empty = boxes[0] >= boxes[1]
        for axis, origin, low, high in zip(
            self._axes, self._origin, boxes[::2], boxes[1::2], strict=True
        ):
            start, stop = np.where(empty, 0, low + origin), np.where(empty, 1, high + origin)
            begin, end = axis.read(start, stop)
            area *= end - begin
            fits &= end - begin <= axis.tile
        return np.where(empty, 0, np.where(fits, area + CALL_PX, np.inf))


def _extent(any_set: BoolArray, edges: IntArray, *, axis: int) -> tuple[IntArray, IntArray]:
    """Return first and one past the last set index along an axis within each cell."""
    index = np.arange(any_set.shape[axis])
    index = index[:, None] if axis == 0 else index[None, :]
    low = np.minimum.reduceat(np.where(any_set, index, BEYOND), edges, axis=axis)
    high = np.maximum.reduceat(np.where(any_set, index + 1, -1), edges, axis=axis)
    return low, high
