"""The groups of a cut network over one image: sessions, numbers, and one tile at a time."""

import itertools
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.runtime.subgraph import Subgraph
from napari_microenhance.engine.runtime.threads import thread_count
from napari_microenhance.engine.statistics.cutting import Cut, Group
from napari_microenhance.engine.statistics.gathering import Gathering
from napari_microenhance.engine.statistics.group_tiles import Box, GroupTile
from napari_microenhance.engine.statistics.network_graph import CutError, Layer
from napari_microenhance.engine.statistics.rewriting import COEFFICIENTS, coefficients
from napari_microenhance.engine.statistics.tensor_axes import AxesOfTensors, TensorAxes

__all__ = ["GroupedNetwork"]

Array = npt.NDArray[Any]


class Clock:
    """The time during which at least one thread is inside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._since = 0.0
        self.seconds = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._since = time.perf_counter()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self.seconds += time.perf_counter() - self._since


class GroupedNetwork:
    """A cut network over one image size: sessions, activations and numbers.

    Parameters
    ----------
    cut : Cut
    image : tuple of int
        Rows, columns that the network is given, px.
    aligned : AxesOfTensors
    name : str
        For error texts.
    others : mapping of str to ndarray
        The network's further inputs.
    threads : int or "auto"
    """

    def __init__(
        self,
        cut: Cut,
        image: tuple[int, int],
        aligned: AxesOfTensors,
        *,
        name: str,
        others: Mapping[str, Array] | None = None,
        threads: int | str = "auto",
    ) -> None:
        self._cut = cut
        self._image = image
        self._aligned = aligned
        self._name = name
        self._others = dict(others or {})
        self.threads = thread_count(threads)
        self._sessions: dict[int, Subgraph] = {}
        self._clock = Clock()
        self.numbers: dict[str, Array] = self._computed(cut.before, {})

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups, in order."""
        return self._cut.groups

    @property
    def seconds(self) -> float:
        """Wall time with a call in flight, s."""
        return self._clock.seconds

    def stop(self) -> None:
        """End the calls in flight, and refuse any further one."""
        for session in self._sessions.values():
            session.stop()

    def begin(self, index: int, calls: int) -> None:
        """Make the session of a group; so many calls at a time share the threads."""
        group = self._cut.groups[index]
        outputs = self._outputs(group)
        if outputs:
            inputs = [*self._fed(group), *group.numbers]
            kinds = {name: self._element_type(name) for name in inputs}
            model = self._cut.graph.model(group.layers, kinds, outputs)
            threads = max(1, self.threads // calls)
            self._sessions[index] = Subgraph(model, outputs, name=self._name, threads=threads)

    def done(self, index: int) -> None:
        """Give back what a group's session takes."""
        self._sessions.pop(index, None)

    def _outputs(self, group: Group) -> list[str]:
        """Return what a group's session gives: what it leaves and gathers numbers of."""
        made = {name for layer in group.layers for name in layer.outputs}
        wanted = (*group.leaves, *(s.input for s in group.statistics))
        return [name for name in dict.fromkeys(wanted) if name in made]

    def _fed(self, group: Group) -> list[str]:
        """Return what a group's session is given of pixels, and the network's further inputs."""
        used = {name for layer in group.layers for name in layer.inputs}
        return [name for name in (*group.reads, *self._others) if name in used]

    def _element_type(self, name: str) -> int:
        """Return the ONNX type of a tensor."""
        from onnx import helper

        if name in self._cut.graph.types:
            return self._cut.graph.types[name]
        dtype = self.numbers[name].dtype if name in self.numbers else self._cut.axes[name].dtype
        return int(helper.np_dtype_to_tensor_dtype(dtype))

    def given(
        self, index: int, tile: GroupTile, read: Callable[[str, Box], Array]
    ) -> dict[str, Array]:
        """Return what a group reads for a tile.

        Parameters
        ----------
        index : int
            Of the group.
        tile : GroupTile
        read : callable
            Returns a box of elements (rows, columns) of a tensor that earlier groups left.
        """
        return {
            name: np.ascontiguousarray(
                read(name, (tile.rows.elements[name], tile.columns.elements[name]))
            )
            for name in self._cut.groups[index].reads
        }

    def run_tile(self, index: int, tile: GroupTile, given: Mapping[str, Array]) -> dict[str, Array]:
        """Run a group over one tile; return the kept part of all that it leaves or gathers.

        Several threads may call it at a time, after `begin`.

        Parameters
        ----------
        index : int
            Of the group.
        tile : GroupTile
        given : mapping of str to ndarray
            What it reads.
        """
        group = self._cut.groups[index]
        outputs = self._outputs(group)
        found = dict(given)
        if outputs:
            used = {name for layer in group.layers for name in layer.inputs}
            fed = {name: value for name, value in {**self._others, **given}.items() if name in used}
            fed.update({name: self.numbers[name] for name in group.numbers})
            with self._clock:
                made = self._sessions[index].run(fed)
            found.update(zip(outputs, made, strict=True))
        wanted = dict.fromkeys((*group.leaves, *(s.input for s in group.statistics)))
        return {name: self._kept(name, found[name], tile) for name in wanted}

    def _kept(self, name: str, values: Array, tile: GroupTile) -> Array:
        """Return the kept part of a tile's tensor."""
        box = [slice(None)] * values.ndim
        for axis, part in enumerate((tile.rows, tile.columns)):
            span = self._cut.axes[name].along(axis)
            (first, last), (low, high) = part.elements[name], part.kept[name]
            if values.shape[span.axis] != last - first:
                raise CutError(
                    f"the tensor {name} has {values.shape[span.axis]} elements where "
                    f"{last - first} were expected"
                )
            box[span.axis] = slice(low - first, high - first)
        return values[tuple(box)]

    def box_of(self, name: str, tile: GroupTile) -> tuple[slice, ...]:
        """Return where the kept part of a tile lies in a whole tensor."""
        tensor = self._cut.axes[name]
        box = [slice(None)] * len(tensor.shape)
        for axis, part in enumerate((tile.rows, tile.columns)):
            box[tensor.along(axis).axis] = slice(*part.kept[name])
        return tuple(box)

    def elements_box(self, name: str, elements: Box) -> tuple[slice, ...]:
        """Return a box of elements (rows, columns) as slices of a whole tensor."""
        tensor = self._cut.axes[name]
        box = [slice(None)] * len(tensor.shape)
        for axis, (low, high) in enumerate(elements):
            box[tensor.along(axis).axis] = slice(low, high)
        return tuple(box)

    def full_shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor over the whole image."""
        return self._cut.axes[name].full(self._image)

    def tensor(self, name: str) -> TensorAxes:
        """Return what is known of a tensor."""
        return self._cut.axes[name]

    def take_numbers(self, group: Group, gatherings: Sequence[Gathering]) -> None:
        """Keep the numbers of a group, and what is made of them."""
        found: dict[str, Array] = {}
        for gathering in gatherings:
            dtype = self._cut.axes[gathering.statistic.input].dtype
            moments = gathering.statistic.kind == "moments"
            for name, value in zip(gathering.statistic.outputs, gathering.values(), strict=True):
                # Mean and variance of a norm stay float64 until its straight line is made.
                plain = name.endswith(("@mean", "@variance")) and moments
                found[name] = value if plain else value.astype(dtype)
        self.numbers.update(self._computed(group.after, found))

    def _computed(self, layers: Sequence[Layer], found: Mapping[str, Array]) -> dict[str, Array]:
        """Return numbers and what layers make of them."""
        known = {**getattr(self, "numbers", {}), **found}
        made = dict(found)
        for is_ours, run in itertools.groupby(layers, key=lambda la: la.op == COEFFICIENTS):
            if is_ours:
                for layer in run:
                    made.update(self._coefficients(layer, known))
                    known.update(made)
            else:
                made.update(self._small(tuple(run), known))
                known.update(made)
        return made

    def _coefficients(self, layer: Layer, known: Mapping[str, Array]) -> dict[str, Array]:
        """Return scale and shift of a norm."""
        constants = self._cut.graph.constants
        mean, variance, *weights = (
            known[name] if name in known else constants[name] for name in layer.inputs
        )
        line = coefficients(mean, variance, weights, layer.attributes)
        return dict(zip(layer.outputs, line, strict=True))

    def _small(self, layers: tuple[Layer, ...], known: Mapping[str, Array]) -> dict[str, Array]:
        """Run layers over numbers; shapes are those of the whole image."""
        graph = self._cut.graph
        makers = graph.makers()
        chosen: dict[int, None] = {}
        feeds: dict[str, Array] = {}
        own = {name for layer in layers for name in layer.outputs}
        pending = [name for layer in layers for name in layer.inputs]
        seen = set[str]()
        while pending:
            name = pending.pop()
            if name in seen or not name or name in own or name in graph.constants:
                continue
            seen.add(name)
            if name in known:
                feeds[name] = known[name]
            elif name in makers and makers[name].op in {"Shape", "Size"}:
                feeds[name] = self._shape(makers[name])
            elif name in makers:
                chosen[id(makers[name])] = None
                pending += makers[name].inputs
            else:
                feeds[name] = self._others[name]
        wanted = {id(layer) for layer in layers} | set(chosen)
        ordered = [layer for layer in graph.layers if id(layer) in wanted]
        outputs = [name for layer in layers for name in layer.outputs if name]
        from onnx import helper

        kinds = {n: int(helper.np_dtype_to_tensor_dtype(v.dtype)) for n, v in feeds.items()}
        session = Subgraph(
            graph.model(ordered, kinds, outputs), outputs, name=self._name, threads=1
        )
        return dict(zip(outputs, session.run(feeds), strict=True))

    def _shape(self, layer: Layer) -> Array:
        """Return the shape of a tensor over the whole image."""
        shape = np.asarray(self.full_shape(layer.inputs[0]), np.int64)
        if layer.op == "Size":
            return np.asarray(math.prod(shape.tolist()), np.int64)
        start = int(layer.attributes.get("start", 0))
        end = layer.attributes.get("end")
        return shape[start : None if end is None else int(end)]
