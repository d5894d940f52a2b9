"""Where the image's rows and columns lie in every tensor of a graph, measured by running it.

A tensor's length along an axis of the image is ``scale * length + rest``. Three runs on small
images, of which one is taller and one wider, tell scale and rest of every tensor, whatever
layout or exporter the network has.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.statistics.network_graph import CutError, NetworkGraph

__all__ = ["AxesOfTensors", "TensorAxes", "measure_axes"]

SMALL_VALUES = 64
"""Whole numbers that a survey keeps of a tensor: lengths, pads, starts."""

Array = npt.NDArray[Any]
Run = Callable[[tuple[int, int]], Mapping[str, Array]]


@dataclasses.dataclass(frozen=True)
class Along:
    """One axis of the image in a tensor.

    Parameters
    ----------
    axis : int
        Of the tensor.
    scale : Fraction
        Elements per image pixel.
    rest : Fraction
        Elements more, for image lengths of the measured remainder.
    """

    axis: int
    scale: Fraction
    rest: Fraction

    def length(self, pixels: int) -> int:
        """Return how many elements an image of so many pixels gives.

        Raises
        ------
        CutError
            If that is no whole number.
        """
        found = self.scale * pixels + self.rest
        if found.denominator != 1:
            raise CutError("the size of a tensor does not follow the image size in whole steps")
        return int(found)

    def at(self, pixel: int) -> int:
        """Return the element at which the part beginning with a pixel begins."""
        return int(self.scale * pixel)


@dataclasses.dataclass(frozen=True)
class TensorAxes:
    """One tensor.

    Parameters
    ----------
    shape : tuple of int
        On the smallest image.
    dtype : numpy dtype
    spans : tuple of Along or None
        Rows, columns; None where the tensor's shape does not follow the image's.
    merged : bool
        Whether one axis holds rows and columns at once.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    spans: tuple[Along | None, Along | None]
    merged: bool = False

    @property
    def is_spatial(self) -> bool:
        """Whether the shape follows the image's."""
        return self.merged or any(span is not None for span in self.spans)

    def along(self, image_axis: int) -> Along:
        """Return where rows (0) or columns (1) of the image lie.

        Raises
        ------
        CutError
            If they are not to be found in the tensor.
        """
        span = self.spans[image_axis]
        if span is None:
            raise CutError("a tensor between groups of layers is not an image")
        return span

    def full(self, image: tuple[int, int]) -> tuple[int, ...]:
        """Return the shape for an image of (rows, columns) px."""
        shape = list(self.shape)
        for span, pixels in zip(self.spans, image, strict=True):
            if span is not None:
                shape[span.axis] = span.length(pixels)
        return tuple(shape)


@dataclasses.dataclass(frozen=True)
class AxesOfTensors:
    """All tensors of a graph.

    Parameters
    ----------
    tensors : mapping of str to TensorAxes
    values : mapping of str to (ndarray, ndarray, ndarray)
        Small tensors of whole numbers, in each of the three runs.
    """

    tensors: Mapping[str, TensorAxes]
    values: Mapping[str, tuple[Array, ...]]

    def __getitem__(self, name: str) -> TensorAxes:
        return self.tensors[name]

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def steady(self, name: str) -> list[int] | None:
        """Return whole numbers that are the same in all runs."""
        found = self.values.get(name)
        if found is None or any(not np.array_equal(found[0], other) for other in found[1:]):
            return None
        return [int(v) for v in found[0].ravel()]


def measure_axes(run: Run, smallest: tuple[int, int], step: tuple[int, int]) -> AxesOfTensors:
    """Run a graph on three small images and compare the shapes of all tensors.

    Parameters
    ----------
    run : callable
        Returns all tensors for an image of (rows, columns).
    smallest : tuple of int
        Rows, columns of an image that the network takes; they differ.
    step : tuple of int
        By how much longer images keep every stride whole.
    """
    rows, columns = smallest
    runs = [run(smallest), run((rows + step[0], columns)), run((rows, columns + step[1]))]
    tensors, values = {}, {}
    for name, first in runs[0].items():
        others = [r[name] for r in runs[1:]]
        if any(other.ndim != first.ndim for other in others):
            raise CutError(f"the tensor {name} has a different number of axes for other images")
        tensors[name] = _compared(first, others, smallest, step)
        if first.dtype.kind in "iu" and first.size <= SMALL_VALUES:
            values[name] = (first, *others)
    return AxesOfTensors(tensors, values)


def _compared(
    first: Array, others: Sequence[Array], smallest: tuple[int, int], step: tuple[int, int]
) -> TensorAxes:
    """Return where rows and columns lie in a tensor."""
    changed = [[i for i in range(first.ndim) if o.shape[i] != first.shape[i]] for o in others]
    merged = any(len(axes) > 1 for axes in changed) or bool(set(changed[0]) & set(changed[1]))
    spans: list[Along | None] = []
    for axes, other, pixels, more in zip(changed, others, smallest, step, strict=True):
        if merged or not axes:
            spans.append(None)
            continue
        (axis,) = axes
        scale = Fraction(other.shape[axis] - first.shape[axis], more)
        spans.append(Along(axis, scale, first.shape[axis] - scale * pixels))
    return TensorAxes(first.shape, first.dtype, (spans[0], spans[1]), merged)


def total_stride(graph: NetworkGraph) -> int:
    """Return by how much the coarsest tensor of a graph is coarser than its image, at most."""
    coarse: dict[str, int] = {}
    for layer in graph.layers:
        own = math.lcm(*[int(s) for s in layer.attributes.get("strides", (1,))])
        if layer.op == "ConvTranspose":
            own = 1
        if layer.op == "SpaceToDepth":
            own = int(layer.attributes["blocksize"])
        below = max((coarse.get(name, 1) for name in layer.inputs), default=1)
        coarse.update(dict.fromkeys(layer.outputs, below * own))
    return max(coarse.values(), default=1)
