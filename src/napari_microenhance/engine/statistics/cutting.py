"""Where a graph is cut: groups of layers, each of which needs only numbers that are known by then.

A tensor's level is how many looks at the whole image stand before it. The layers of one level
are one group; it reads tensors that earlier groups left and leaves what later ones need.
"""

import dataclasses
from typing import Final

from napari_microenhance.engine.statistics.network_graph import CutError, Layer, NetworkGraph
from napari_microenhance.engine.statistics.operator_reach import Where, needed_ranges
from napari_microenhance.engine.statistics.rewriting import COEFFICIENTS, Statistic, rewrite
from napari_microenhance.engine.statistics.tensor_axes import AxesOfTensors

__all__ = ["Cut", "Group", "cut"]

SHAPE_OPS: Final = frozenset({"Shape", "Size"})
NUMBERS_OF_SHAPES: Final = frozenset(
    """
    Add Cast Concat ConstantOfShape Div Equal Floor Gather Identity Max Min Mod Mul Range
    ReduceProd Reshape Slice Split Squeeze Sub Unsqueeze Where Ceil Expand Neg Tile
    """.split()  # noqa: SIM905 - one name a line would fill pages
)
PLACES: Final = frozenset({"CumSum", "EyeLike", "NonZero", "RandomNormal", "RandomUniform"})
"""Operators whose answer depends on where a pixel lies in the whole image, or on nothing."""


@dataclasses.dataclass(frozen=True)
class Group:
    """Layers that run tile by tile.

    Parameters
    ----------
    layers : tuple of Layer
        Over pixels, in order.
    reads : tuple of str
        Tensors over pixels that earlier groups left; the image may be among them.
    numbers : tuple of str
        Tensors of numbers that it needs.
    leaves : tuple of str
        Tensors over pixels that later groups need, or the network's output.
    statistics : tuple of Statistic
        Numbers that are gathered from its tensors.
    after : tuple of Layer
        Over numbers; computed when its numbers are complete.
    """

    layers: tuple[Layer, ...]
    reads: tuple[str, ...]
    numbers: tuple[str, ...]
    leaves: tuple[str, ...]
    statistics: tuple[Statistic, ...]
    after: tuple[Layer, ...]


@dataclasses.dataclass(frozen=True)
class Cut:
    """A network as groups of layers.

    Parameters
    ----------
    graph : NetworkGraph
        Its norms written out.
    axes : AxesOfTensors
    before : tuple of Layer
        Over numbers that depend on nothing but the image's size.
    groups : tuple of Group
    """

    graph: NetworkGraph
    axes: AxesOfTensors
    before: tuple[Layer, ...]
    groups: tuple[Group, ...]


def cut(graph: NetworkGraph, axes: AxesOfTensors, *, keep: bool = True) -> Cut:
    """Cut a graph wherever numbers over the whole image enter.

    Parameters
    ----------
    graph : NetworkGraph
    axes : AxesOfTensors
    keep : bool
        Whether a group reads what earlier ones left; else each begins with the image again.

    Raises
    ------
    CutError
        If what couples its pixels is no function of a few numbers; it names the operator.
    """
    rewritten = rewrite(graph, axes)
    sorted_out = _Sorting(rewritten.graph, axes, rewritten.statistics, keep=keep)
    return sorted_out.result()


class _Sorting:
    """What each tensor is, and which group makes it."""

    def __init__(
        self,
        graph: NetworkGraph,
        axes: AxesOfTensors,
        statistics: tuple[Statistic, ...],
        *,
        keep: bool,
    ) -> None:
        self._keep = keep
        self._graph = graph
        self._axes = axes
        self._statistics = statistics
        self._kinds: dict[str, str] = dict.fromkeys(graph.constants, "constant")
        self._kinds[graph.image] = "pixels"
        self._levels: dict[str, int] = {}

    def result(self) -> Cut:
        """Return the groups."""
        self._sort()
        where = Where(self._graph, self._axes)
        pixels = [layer for layer in self._graph.layers if self._kind(layer) == "pixels"]
        for layer in pixels:
            self._check_reach(layer, where)
        groups = self._groups()
        before = tuple(la for la in self._graph.layers if self._is_number(la, 0))
        return Cut(self._graph, self._axes, before, groups)

    def _sort(self) -> None:
        """Find the kind and the level of every tensor, in order."""
        pending = list(self._statistics)
        for layer in self._graph.layers:
            self._take(pending)
            if layer.op in PLACES:
                raise CutError(f"{layer.op} depends on a pixel's position in the whole image")
            kinds = {self._kinds.get(name, "unknown") for name in layer.inputs if name}
            kind = self._kind_of(layer, kinds)
            level = max((self._levels.get(name, 0) for name in layer.inputs), default=0)
            for name in layer.outputs:
                self._kinds[name], self._levels[name] = kind, level
        self._take(pending)
        if pending or self._kinds.get(self._graph.output) != "pixels":
            raise CutError("its output is not an image made from the input pixel by pixel")

    def _take(self, pending: list[Statistic]) -> None:
        """Note the numbers whose tensors are known."""
        for statistic in list(pending):
            if statistic.input in self._kinds:
                pending.remove(statistic)
                if self._kinds[statistic.input] != "pixels":
                    raise CutError("statistics are taken of something that is not an image")
                level = self._levels.get(statistic.input, 0) + 1
                for name in statistic.outputs:
                    self._kinds[name], self._levels[name] = "number", level

    def _kind_of(self, layer: Layer, kinds: set[str]) -> str:
        """Return what a layer makes: a constant, a shape, numbers or pixels."""
        if "unknown" in kinds:
            raise CutError(f"{layer.op} reads a tensor of unknown origin")
        if layer.op in SHAPE_OPS:
            (source,) = [n for n in layer.inputs if n]
            return "shape" if self._kinds[source] == "pixels" else "constant"
        if layer.op == COEFFICIENTS:
            return "number"
        first = next(name for name in layer.outputs if name)
        follows = first in self._axes and self._axes[first].is_spatial
        if "pixels" in kinds:
            if not follows:
                raise CutError(f"{layer.op} makes a tensor of fixed size from the whole image")
            return "pixels"
        if kinds <= {"constant"}:
            return "constant"
        if "shape" in kinds and "number" not in kinds:
            if self._is_whole(first) and layer.op in NUMBERS_OF_SHAPES:
                return "shape"
            return "pixels" if follows else "number"
        return "pixels" if follows else "number"

    def _is_whole(self, name: str) -> bool:
        """Whether a tensor holds whole numbers, and not one for every pixel."""
        if name not in self._axes:
            return False
        tensor = self._axes[name]
        return tensor.dtype.kind in "iub" and not tensor.is_spatial

    def _kind(self, layer: Layer) -> str:
        return self._kinds[next(name for name in layer.outputs if name)]

    def _level(self, layer: Layer) -> int:
        return self._levels[next(name for name in layer.outputs if name)]

    def _check_reach(self, layer: Layer, where: Where) -> None:
        """Find out now whether a layer's reach is known."""
        for name in layer.outputs:
            if name not in self._axes:
                continue
            tensor = self._axes[name]
            if tensor.merged:
                raise CutError(f"{layer.op} merges rows and columns into one axis")
            for image_axis, span in enumerate(tensor.spans):
                if span is None:
                    raise CutError(f"{layer.op} removes rows or columns")
                list(needed_ranges(layer, span, (0, 8), image_axis=image_axis, where=where))

    def _is_number(self, layer: Layer, level: int) -> bool:
        """Whether a layer makes numbers of this level, or the shapes that those need."""
        return self._kind(layer) == "number" and self._level(layer) == level

    def _groups(self) -> tuple[Group, ...]:
        """Return the groups, found from the last one on."""
        last = self._levels.get(self._graph.output, 0)
        groups: list[Group] = []
        read_later: dict[str, None] = {self._graph.output: None}
        for level in range(last, -1, -1):
            leaves = tuple(n for n in read_later if self._levels.get(n, 0) == level)
            statistics = tuple(s for s in self._statistics if self._levels.get(s.input, 0) == level)
            wanted = {*leaves, *(s.input for s in statistics)} - {self._graph.image}
            layers, reads, numbers = self._traced(wanted, level)
            if any(s.input == self._graph.image for s in statistics):
                reads = tuple(dict.fromkeys((self._graph.image, *reads)))
            read_later.update(dict.fromkeys(reads))
            after = tuple(la for la in self._graph.layers if self._is_number(la, level + 1))
            kept = tuple(n for n in leaves if n != self._graph.image)
            groups.insert(0, Group(layers, reads, numbers, kept, statistics, after))
        return tuple(groups)

    def _traced(
        self, wanted: set[str], level: int
    ) -> tuple[tuple[Layer, ...], tuple[str, ...], tuple[str, ...]]:
        """Return the layers that tensors are made of, and what they begin with."""
        makers = self._graph.makers()
        reads: dict[str, None] = {}
        numbers: dict[str, None] = {}
        chosen: set[int] = set()
        pending, seen = sorted(wanted), set[str]()
        while pending:
            name = pending.pop()
            if name in seen or not name:
                continue
            seen.add(name)
            kind = self._kinds[name]
            if kind == "number":
                numbers[name] = None
            elif kind == "pixels" and (
                name == self._graph.image or (self._keep and self._levels.get(name, 0) < level)
            ):
                reads[name] = None
            elif name in makers:
                chosen.add(id(makers[name]))
                pending += makers[name].inputs
        layers = tuple(layer for layer in self._graph.layers if id(layer) in chosen)
        order = [self._graph.image, *[n for la in self._graph.layers for n in la.outputs]]
        return (
            layers,
            tuple(sorted(reads, key=order.index)),
            tuple(sorted(numbers)),
        )
