"""Tiles of a group of layers: what each keeps, and what it reads of every tensor for that."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy.typing as npt

from napari_microenhance.engine.statistics.cutting import Cut, Group
from napari_microenhance.engine.statistics.operator_reach import Range, Where, needed_ranges
from napari_microenhance.engine.statistics.tensor_axes import Along, AxesOfTensors

__all__ = ["AxisPart", "Box", "GroupPlan", "GroupTile", "plan_group", "plan_region"]

Array = npt.NDArray[Any]
Box = tuple[Range, Range]

LEAST_ELEMENTS = 8
"""Of the coarsest tensor along a tile: a mirrored border needs some elements to mirror."""


@dataclasses.dataclass(frozen=True)
class AxisPart:
    """One stretch of tiles along one axis.

    Parameters
    ----------
    keep, read : tuple of int
        Image px.
    elements : mapping of str to tuple of int
        For every tensor over pixels that the group reads, leaves or gathers: its elements in the
        read stretch.
    kept : mapping of str to tuple of int
        Those in the kept one.
    """

    keep: Range
    read: Range
    elements: Mapping[str, Range]
    kept: Mapping[str, Range]


@dataclasses.dataclass(frozen=True)
class GroupTile:
    """A tile of a group: rows, columns."""

    rows: AxisPart
    columns: AxisPart

    @property
    def keep(self) -> Box:
        """What is kept, image px."""
        return self.rows.keep, self.columns.keep

    @property
    def read(self) -> Box:
        """What is read, image px."""
        return self.rows.read, self.columns.read


@dataclasses.dataclass(frozen=True)
class GroupPlan:
    """The tiles of a group over an image."""

    group: Group
    tiles: tuple[GroupTile, ...]


def bytes_per_pixel(group: Group, axes: AxesOfTensors) -> float:
    """Return the bytes of all tensors of a group, per image px."""
    names = {*group.reads, *(name for layer in group.layers for name in layer.outputs)}
    total = 0.0
    for name in names:
        if name in axes and axes[name].is_spatial:
            tensor = axes[name]
            channels = math.prod(
                n
                for i, n in enumerate(tensor.shape)
                if i not in {span.axis for span in tensor.spans if span}
            )
            area = math.prod(float(span.scale) for span in tensor.spans if span)
            total += channels * area * tensor.dtype.itemsize
    return total


def plan_group(
    cut: Cut,
    group: Group,
    image: tuple[int, int],
    core: tuple[int, int],
    aligned: AxesOfTensors,
    within: Iterable[Box] | None = None,
) -> GroupPlan:
    """Lay the tiles of a group over the whole image.

    Parameters
    ----------
    cut : Cut
        Its axes are those of images of this size's remainders.
    group : Group
    image : tuple of int
        Rows, columns, px.
    core : tuple of int
        Rows, columns that a tile keeps, px, at most; rounded up to whole elements.
    aligned : AxesOfTensors
        Of images whose sizes every stride divides: what a tile inside the image is like.
    within : iterable of Box, optional
        Only tiles that keep pixels of one of these.
    """
    rows, columns = _stretches(cut, group, image, aligned)
    keeps = list(itertools.product(rows.grid(core[0]), columns.grid(core[1])))
    if within is not None:
        boxes = tuple(within)
        keeps = [keep for keep in keeps if any(_meet(keep, box) for box in boxes)]
    return GroupPlan(group, tuple(GroupTile(rows.part(a), columns.part(b)) for a, b in keeps))


def plan_region(
    cut: Cut,
    image: tuple[int, int],
    core: tuple[int, int],
    aligned: AxesOfTensors,
    shrunk: Callable[[Box], Box | None],
) -> GroupPlan:
    """Lay the tiles of the last group over a region.

    Parameters
    ----------
    cut, image, core, aligned
        As for `plan_group`.
    shrunk : callable
        Returns the part of a box that holds the region's pixels, or None.

    Returns
    -------
    GroupPlan
        Tiles leave one output pixel more than they keep towards their neighbours, so that
        these can be compared.
    """
    group = cut.groups[-1]
    rows, columns = _stretches(cut, group, image, aligned)
    scales = [cut.axes[cut.graph.output].along(axis).scale for axis in (0, 1)]
    more = [scale.denominator for scale in scales]
    tiles = []
    for cell in itertools.product(rows.grid(core[0]), columns.grid(core[1])):
        found = shrunk(cell)
        if found is None:
            continue
        keep = tuple(
            (a // n * n, min(-(-b // n) * n, length))
            for (a, b), n, length in zip(found, more, image, strict=True)
        )
        tiles.append(GroupTile(rows.part(keep[0], more[0]), columns.part(keep[1], more[1])))
    return GroupPlan(group, tuple(tiles))


def _stretches(
    cut: Cut, group: Group, image: tuple[int, int], aligned: AxesOfTensors
) -> tuple["_Stretch", "_Stretch"]:
    """Return rows and columns of the image in all tensors of a group."""
    return (
        _Stretch(cut, group, 0, image[0], aligned),
        _Stretch(cut, group, 1, image[1], aligned),
    )


def _meet(a: Box, b: Box) -> bool:
    """Whether two boxes share a pixel."""
    return all(p[0] < q[1] and q[0] < p[1] for p, q in zip(a, b, strict=True))


class _Stretch:
    """One axis of the image in all tensors of a group."""

    def __init__(
        self, cut: Cut, group: Group, image_axis: int, pixels: int, aligned: AxesOfTensors
    ) -> None:
        self._group = group
        self._axis = image_axis
        self._pixels = pixels
        self._actual, self._aligned = cut.axes, aligned
        self._where = Where(cut.graph, cut.axes)
        names = [*group.reads, *(n for layer in group.layers for n in layer.outputs)]
        self._names = [
            n for n in dict.fromkeys(names) if n in cut.axes and cut.axes[n].spans[image_axis]
        ]
        scales = [self._span(name).scale for name in self._names]
        self._unit = math.lcm(*[scale.denominator for scale in scales])
        self._coarsest = min(scales)
        self._ends = (*group.leaves, *(s.input for s in group.statistics))
        self._parts: dict[tuple[Range, int], AxisPart] = {}

    def _span(self, name: str) -> Along:
        """Return where the axis lies in a tensor."""
        return self._actual[name].along(self._axis)

    def grid(self, core: int) -> list[Range]:
        """Return kept stretches that partition this axis, of even length."""
        least = math.ceil(LEAST_ELEMENTS / self._coarsest)
        core = max(core, least, self._unit)
        count = -(-self._pixels // core)
        length = -(-self._pixels // count)
        length = -(-length // self._unit) * self._unit
        starts = list(range(0, self._pixels, length))
        # A rest that is too short for a tile of its own goes to the one before.
        if len(starts) > 1 and self._pixels - starts[-1] < min(least, length):
            starts.pop()
        return list(zip(starts, [*starts[1:], self._pixels], strict=True))

    def _elements(self, name: str, stretch: Range) -> Range:
        """Return the elements of a tensor that a run over a stretch of the image makes."""
        span = self._span(name)
        first = span.at(stretch[0])
        if stretch[1] >= self._pixels:
            return first, span.length(self._pixels)
        inside = self._aligned[name].along(self._axis)
        return first, first + inside.length(stretch[1] - stretch[0])

    def _kept(self, name: str, keep: Range) -> Range:
        """Return the elements of a tensor that belong to a kept stretch."""
        span = self._span(name)
        high = span.length(self._pixels) if keep[1] >= self._pixels else span.at(keep[1])
        return span.at(keep[0]), high

    def part(self, keep: Range, more: int = 0) -> AxisPart:
        """Return a kept stretch with what it reads; tensors are kept so many px further.

        All tiles of a row, or of a column, share it.
        """
        if (keep, more) not in self._parts:
            self._parts[keep, more] = self._measured(keep, more)
        return self._parts[keep, more]

    def _measured(self, keep: Range, more: int) -> AxisPart:
        """Return a part that was not asked for before."""
        wide = (max(0, keep[0] - more), min(self._pixels, keep[1] + more))
        kept = {name: self._kept(name, wide) for name in self._ends}
        needed = self._needed(kept)
        least = math.ceil(LEAST_ELEMENTS / self._coarsest)
        low, high = wide
        for name, (first, last) in needed.items():
            span, inside = self._span(name), self._aligned[name].along(self._axis)
            low = min(low, math.floor(first / span.scale / self._unit) * self._unit)
            reach = math.ceil((last - inside.rest) / span.scale / self._unit) * self._unit
            high = max(high, reach if last < span.length(self._pixels) else self._pixels)
        # What mirrors its border needs some elements to mirror.
        high = max(high, min(low + least, self._pixels))
        low = max(0, min(low, (high - least) // self._unit * self._unit))
        high = high if high >= self._pixels else -(-high // self._unit) * self._unit
        read = (low // self._unit * self._unit, min(self._pixels, high))
        names = {*self._group.reads, *self._ends}
        return AxisPart(keep, read, {name: self._elements(name, read) for name in names}, kept)

    def _needed(self, kept: Mapping[str, Range]) -> dict[str, Range]:
        """Return the elements of every tensor that kept elements are made of."""
        needed = dict(kept)
        for layer in reversed(self._group.layers):
            for output in layer.outputs:
                if output not in needed:
                    continue
                span = self._span(output)
                found = needed_ranges(
                    layer, span, needed[output], image_axis=self._axis, where=self._where
                )
                for name, (low, high) in found:
                    if name not in self._names:
                        continue
                    length = self._span(name).length(self._pixels)
                    low, high = max(0, min(low, length)), max(0, min(high, length))
                    before = needed.get(name, (low, high))
                    needed[name] = min(low, before[0]), max(high, before[1])
        return needed
