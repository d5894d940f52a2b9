"""Norms and pools over the whole image, as numbers and what is made of them.

An instance norm becomes ``x * a + b`` per channel, where a and b are made of the channel's mean and
variance. What remains of a graph has two kinds of layers: those over pixels, which have a short
reach, and those over a few numbers, which are computed once.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.statistics.network_graph import (
    CutError,
    Layer,
    NetworkGraph,
)
from napari_microenhance.engine.statistics.tensor_axes import AxesOfTensors

__all__ = ["COEFFICIENTS", "Statistic"]

COEFFICIENTS: Final = "@coefficients"
"""Our own operator over numbers: mean, variance, scale and shift to a and b."""

POOLS: Final = {"GlobalAveragePool": "mean", "GlobalMaxPool": "max", "GlobalLpPool": "lp"}
REDUCTIONS: Final = {
    "ReduceL1": "l1",
    "ReduceL2": "l2",
    "ReduceLogSum": "logsum",
    "ReduceLogSumExp": "logsumexp",
    "ReduceMax": "max",
    "ReduceMean": "mean",
    "ReduceMin": "min",
    "ReduceSum": "sum",
    "ReduceSumSquare": "sumsq",
}


@dataclasses.dataclass(frozen=True)
class Statistic:
    """Numbers over all pixels of a tensor.

    Parameters
    ----------
    kind : str
        One of the values of `REDUCTIONS`, "lp" or "moments".
    input : str
    axes : tuple of int
        Of the input that are gone through.
    outputs : tuple of str
        One; mean and variance of "moments".
    shape : tuple of int
        Of each output.
    power : float
        Of "lp".
    """

    kind: str
    input: str
    axes: tuple[int, ...]
    outputs: tuple[str, ...]
    shape: tuple[int, ...]
    power: float = 2.0


@dataclasses.dataclass(frozen=True)
class Rewritten:
    """A graph whose norms are written out.

    Parameters
    ----------
    graph : NetworkGraph
        Layers over pixels and over numbers, in order; `COEFFICIENTS` among them.
    statistics : tuple of Statistic
    """

    graph: NetworkGraph
    statistics: tuple[Statistic, ...]


def rewrite(graph: NetworkGraph, axes: AxesOfTensors) -> Rewritten:
    """Write out every layer that looks at all pixels.

    Raises
    ------
    CutError
        If one does so in a way that is no function of a few numbers.
    """
    return _Rewriter(graph, axes).result()


class _Rewriter:
    """Goes through the layers once."""

    def __init__(self, graph: NetworkGraph, axes: AxesOfTensors) -> None:
        self._graph = graph
        self._axes = axes
        self._makers = graph.makers()
        self._users = graph.users()
        self._constants = dict(graph.constants)
        self._statistics: list[Statistic] = []
        self._dropped: set[int] = set()

    def result(self) -> Rewritten:
        """Return what the layers become."""
        layers: list[Layer] = []
        variances = dict(self._spelt_out_variances())
        for layer in self._graph.layers:
            if id(layer) in self._dropped:
                continue
            if id(layer) in variances:
                self._statistics.append(variances[id(layer)])
                continue
            layers += self._written_out(layer)
        graph = dataclasses.replace(self._graph, layers=tuple(layers), constants=self._constants)
        return Rewritten(_needed(graph, self._statistics), tuple(self._statistics))

    def _written_out(self, layer: Layer) -> list[Layer]:
        """Return what one layer becomes."""
        op, attributes = layer.op, layer.attributes
        if op in POOLS:
            ndim = self._ndim(layer.inputs[0])
            self._add(POOLS[op], layer, tuple(range(2, ndim)), power=float(attributes.get("p", 2)))
            return []
        if op in REDUCTIONS:
            gone = self._reduced(layer)
            if not self._holds_image(layer.inputs[0], gone):
                return [layer]
            self._add(REDUCTIONS[op], layer, gone)
            return []
        if op == "InstanceNormalization":
            return self._instance_norm(layer)
        if op == "GroupNormalization":
            groups = int(attributes["num_groups"])
            return self._norm(layer, layer.inputs[0], layer.inputs[1:3], groups, layer.outputs[0])
        if op == "MeanVarianceNormalization":
            return self._mean_variance_norm(layer)
        if op == "BatchNormalization" and self._is_training(layer):
            return self._norm(layer, layer.inputs[0], layer.inputs[1:3], 0, layer.outputs[0])
        if op == "LayerNormalization":
            return self._layer_norm(layer)
        return [layer]

    # -- statistics -------------------------------------------------------------------------

    def _add(self, kind: str, layer: Layer, axes: tuple[int, ...], *, power: float = 2.0) -> None:
        """Note the numbers that a layer makes; of a flattened image those of the image."""
        source, gone = layer.inputs[0], axes
        if self._axes[source].merged:
            source, gone = self._unmerged(layer, axes)
        if not self._covers_image(source, gone):
            raise CutError(f"{layer.op} works along rows or columns only")
        shape = self._axes[layer.outputs[0]].shape
        self._statistics.append(Statistic(kind, source, gone, (layer.outputs[0],), shape, power))

    def _unmerged(self, layer: Layer, axes: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
        """Return the image that a layer flattened, and the axes of it that it goes along."""
        name = layer.inputs[0]
        maker = self._makers.get(name)
        source = maker.inputs[0] if maker and maker.op in {"Flatten", "Reshape"} else ""
        if source not in self._axes or self._axes[source].merged:
            raise CutError(f"{layer.op} treats rows and columns as one axis")
        parts = merged_axes(self._axes[source].shape, self._axes[name].shape)
        return source, tuple(i for axis in axes for i in parts[axis])

    def _holds_image(self, name: str, axes: Sequence[int]) -> bool:
        """Whether axes of a tensor follow the image."""
        tensor = self._axes.tensors.get(name)
        if tensor is None or not tensor.is_spatial:
            return False
        if tensor.merged:
            return True
        return any(span is not None and span.axis in axes for span in tensor.spans)

    def _covers_image(self, name: str, axes: Sequence[int]) -> bool:
        """Whether axes of a tensor are all that follow the image."""
        return all(span is None or span.axis in axes for span in self._axes[name].spans)

    def _reduced(self, layer: Layer) -> tuple[int, ...]:
        """Return the axes that a reduction goes along."""
        ndim = self._ndim(layer.inputs[0])
        axes = layer.attributes.get("axes")
        if axes is None and layer.input(1):
            name = layer.input(1)
            axes = (
                self._constants[name].ravel().tolist()
                if name in self._constants
                else self._axes.steady(name)
            )
            if axes is None:
                raise CutError(f"{layer.op} works along axes that depend on the image")
        if not axes:
            if layer.attributes.get("noop_with_empty_axes"):
                return ()
            axes = range(ndim)
        return tuple(sorted(int(a) % ndim for a in axes))

    def _ndim(self, name: str) -> int:
        """Return the number of axes of a tensor."""
        return len(self._axes[name].shape)

    # -- norms ------------------------------------------------------------------------------

    def _norm(
        self, layer: Layer, source: str, weights: Sequence[str], groups: int, output: str
    ) -> list[Layer]:
        """Return a norm per channel, or per group of channels, as numbers and a straight line."""
        tensor = self._axes[source]
        spans = [span.axis for span in tensor.spans if span is not None]
        if tensor.merged or 1 in spans or 0 in spans:
            raise CutError(
                f"{layer.op} works on a tensor whose second axis is not the channel axis"
            )
        gone = tuple(i for i in range(len(tensor.shape)) if i != 1)
        mean, variance = f"{output}@mean", f"{output}@variance"
        self._statistics.append(
            Statistic("moments", source, gone, (mean, variance), (tensor.shape[1],))
        )
        channels = tensor.shape[1]
        attributes: dict[str, Any] = {
            "epsilon": float(layer.attributes.get("epsilon", 1e-5)),
            "groups": groups,
            "dtype": tensor.dtype,
        }
        line = (f"{output}@scale", f"{output}@shift")
        coefficients = Layer(COEFFICIENTS, (mean, variance, *weights), line, attributes)
        zeros, ones = (f"@{word}{channels}{tensor.dtype}" for word in ("zeros", "ones"))
        self._constants[zeros] = np.zeros(channels, tensor.dtype)
        self._constants[ones] = np.ones(channels, tensor.dtype)
        apply = Layer(
            "BatchNormalization", (source, *line, zeros, ones), (output,), {"epsilon": 0.0}
        )
        return [coefficients, apply]

    def _instance_norm(self, layer: Layer) -> list[Layer]:
        """Return an instance norm written out; one of a folded tensor is a group norm."""
        source, scale, shift = layer.inputs[:3]
        if not self._axes[source].merged and self._axes[source].is_spatial:
            shape = self._axes[source].shape
            if len(shape) <= 4 or not self._is_folded(layer):
                return self._norm(layer, source, (scale, shift), 0, layer.outputs[0])
        return self._folded_norm(layer, scale, shift)

    def _is_folded(self, layer: Layer) -> bool:
        """Whether a layer's input was made by putting channels into groups."""
        maker = self._makers.get(layer.inputs[0])
        return maker is not None and maker.op == "Reshape"

    def _folded_norm(self, layer: Layer, scale: str, shift: str) -> list[Layer]:
        """Return a group norm that was written as Reshape, instance norm, Reshape."""
        fold = self._makers.get(layer.inputs[0])
        users = self._users.get(layer.outputs[0], [])
        if fold is None or fold.op != "Reshape" or len(users) != 1 or users[0].op != "Reshape":
            raise CutError(f"{layer.op} treats rows and columns as one axis")
        source, unfold = fold.inputs[0], users[0]
        before, folded = self._axes[source], self._axes[layer.inputs[0]]
        after = self._axes[unfold.outputs[0]]
        if before.merged or after.shape != before.shape or before.shape[0] != folded.shape[0]:
            raise CutError(f"{layer.op} works on a tensor that was reshaped differently")
        groups = folded.shape[1]
        if before.shape[1] % groups:
            raise CutError(f"{layer.op} works on groups of channels of unequal size")
        self._dropped.add(id(unfold))
        weights = self._per_channel(scale, shift, groups, before.shape[1])
        return self._norm(layer, source, weights, groups, unfold.outputs[0])

    def _per_channel(self, scale: str, shift: str, groups: int, channels: int) -> tuple[str, str]:
        """Return constants of groups as constants of channels."""
        names = []
        for name in (scale, shift):
            if name not in self._constants:
                raise CutError("the weights of a group norm are computed, not stored")
            wide = f"{name}@{channels}"
            self._constants[wide] = np.repeat(self._constants[name], channels // groups)
            names.append(wide)
        return names[0], names[1]

    def _mean_variance_norm(self, layer: Layer) -> list[Layer]:
        """Return a norm without weights written out."""
        source = layer.inputs[0]
        ndim = self._ndim(source)
        axes = sorted(int(a) % ndim for a in layer.attributes.get("axes", (0, 2, 3)))
        spans = {span.axis for span in self._axes[source].spans if span is not None}
        if not spans & set(axes):
            return [layer]
        if not spans <= set(axes) or (set(range(ndim)) - set(axes)) - {0, 1}:
            raise CutError("MeanVarianceNormalization works along rows or columns only")
        channels = self._axes[source].shape[1]
        ones, zeros = f"@ones{channels}", f"@zeros{channels}"
        self._constants[ones] = np.ones(channels, np.float32)
        self._constants[zeros] = np.zeros(channels, np.float32)
        # onnxruntime divides by the deviation and a billionth.
        made = Layer(layer.op, layer.inputs, layer.outputs, {"epsilon": 1e-18})
        return self._norm(made, source, (ones, zeros), 1 if 1 in axes else 0, layer.outputs[0])

    def _layer_norm(self, layer: Layer) -> list[Layer]:
        """Return a layer norm over channels, rows and columns written out."""
        source = layer.inputs[0]
        ndim = self._ndim(source)
        first = int(layer.attributes.get("axis", -1)) % ndim
        spans = {span.axis for span in self._axes[source].spans if span is not None}
        if not spans or first > max(spans):
            return [layer]
        if first != 1 or self._axes[source].merged:
            raise CutError("LayerNormalization works along rows or columns only")
        weights = []
        channels = self._axes[source].shape[1]
        for index, plain in ((1, 1.0), (2, 0.0)):
            name = layer.input(index)
            value = self._constants.get(name) if name else np.full(1, plain, np.float32)
            if value is None or value.size not in {1, channels}:
                raise CutError("LayerNormalization has a weight for every pixel")
            wide = f"{layer.outputs[0]}@weight{index}"
            self._constants[wide] = np.resize(value.ravel(), channels)
            weights.append(wide)
        return self._norm(layer, source, weights, 1, layer.outputs[0])

    def _is_training(self, layer: Layer) -> bool:
        """Whether a batch norm uses the numbers of its own input."""
        old = self._graph.opsets.get("", 15) < 14
        return bool(layer.attributes.get("training_mode")) or (
            old and len([o for o in layer.outputs if o]) > 1
        )

    def _spelt_out_variances(self) -> Iterator[tuple[int, Statistic]]:
        """Yield means of squared distances from a mean: one look at the image gives both."""
        for layer in self._graph.layers:
            if layer.op != "ReduceMean" or layer.inputs[0] not in self._axes:
                continue
            distance = self._squared(layer.inputs[0])
            minus = self._makers.get(distance) if distance else None
            if minus is None or minus.op != "Sub":
                continue
            mean = self._makers.get(minus.inputs[1])
            if mean is None or mean.op != "ReduceMean" or mean.inputs[0] != minus.inputs[0]:
                continue
            source, gone = mean.inputs[0], self._reduced(layer)
            if source not in self._axes or self._axes[source].merged:
                continue
            spatial = {s.axis for s in self._axes[source].spans if s is not None}
            if self._reduced(mean) != gone or not spatial or not spatial <= set(gone):
                continue
            outputs = (f"{layer.outputs[0]}@mean", layer.outputs[0])
            shape = self._axes[layer.outputs[0]].shape
            yield id(layer), Statistic("moments", source, gone, outputs, shape)

    def _squared(self, name: str) -> str:
        """Return what a tensor is the square of, or an empty name."""
        maker = self._makers.get(name)
        if maker is None:
            return ""
        if maker.op == "Mul" and maker.inputs[0] == maker.inputs[1]:
            return maker.inputs[0]
        if maker.op == "Pow" and maker.inputs[1] in self._constants:
            power = self._constants[maker.inputs[1]]
            return maker.inputs[0] if power.size == 1 and float(power.ravel()[0]) == 2 else ""
        return ""


def merged_axes(before: Sequence[int], after: Sequence[int]) -> list[tuple[int, ...]]:
    """Return, for each axis of a reshaped tensor, the axes of the tensor that it is made of.

    Raises
    ------
    CutError
        If an axis is split.
    """
    parts, i = [], 0
    for length in after:
        product, taken = 1, []
        while i < len(before) and (product < length or (before[i] == 1 and product == length)):
            product *= before[i]
            taken.append(i)
            i += 1
        if product != length:
            raise CutError("Reshape splits an axis")
        parts.append(tuple(taken))
    return parts


def coefficients(
    mean: npt.NDArray[np.float64],
    variance: npt.NDArray[np.float64],
    weights: Sequence[npt.NDArray[Any]],
    attributes: Mapping[str, Any],
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return scale and shift per channel of a norm.

    Parameters
    ----------
    mean, variance : ndarray, shape (C,), float64
        Of every channel.
    weights : sequence of ndarray, shape (C,) or (G,)
        Scale, shift of the norm.
    attributes : mapping
        epsilon; groups, of which 0 is as many as channels; dtype of the result.
    """
    channels, groups = len(mean), int(attributes["groups"]) or len(mean)
    by_group = mean.reshape(groups, -1)
    centre = by_group.mean(axis=1, keepdims=True)
    # Variance within the channels and of their means: the law of total variance.
    spread = variance.reshape(groups, -1).mean(axis=1, keepdims=True)
    spread = spread + ((by_group - centre) ** 2).mean(axis=1, keepdims=True)
    centre = np.broadcast_to(centre, by_group.shape).ravel()
    spread = np.broadcast_to(spread, by_group.shape).ravel()
    scale, shift = (
        np.repeat(np.asarray(w, np.float64).ravel(), channels // np.size(w)) for w in weights
    )
    slope = scale / np.sqrt(spread + float(attributes["epsilon"]))
    dtype = np.dtype(attributes["dtype"])
    return slope.astype(dtype), (shift - centre * slope).astype(dtype)


def _needed(graph: NetworkGraph, statistics: Sequence[Statistic]) -> NetworkGraph:
    """Return a graph without the layers that nothing uses any more."""
    by_output = {name: s for s in statistics for name in s.outputs}
    pending = [graph.output]
    makers = graph.makers()
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if name in seen or not name:
            continue
        seen.add(name)
        if name in makers:
            pending += makers[name].inputs
        elif name in by_output:
            pending.append(by_output[name].input)
    kept = [layer for layer in graph.layers if any(name in seen for name in layer.outputs)]
    return dataclasses.replace(graph, layers=tuple(kept))
