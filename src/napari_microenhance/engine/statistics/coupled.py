"""A network that couples the whole image, opened once: surveyed, cut, and checked."""

import math
import time
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.runtime.subgraph import Subgraph
from napari_microenhance.engine.runtime.tensors import feeds, to_images
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.engine.statistics.cutting import Cut, cut
from napari_microenhance.engine.statistics.grouped import GroupedNetwork
from napari_microenhance.engine.statistics.network_graph import (
    CutError,
    NetworkGraph,
    read_graph,
)
from napari_microenhance.engine.statistics.tensor_axes import (
    AxesOfTensors,
    measure_axes,
    total_stride,
)

__all__ = ["CoupledNetwork", "KnownNumbers", "Numbers"]

KNOWN_MOST = 64
"""Images whose numbers are kept; each takes some kilobytes."""

LEAST_PX = 48
"""Edge of the smallest image that is surveyed."""

STRIDES = 2
"""Elements of the coarsest tensor along that edge, at least."""

Array = npt.NDArray[Any]
Numbers = dict[str, Array]


class KnownNumbers:
    """Numbers over whole images of one network, the ones used last; they are small."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Numbers] = OrderedDict()

    def get(self, key: Hashable) -> Numbers | None:
        """Return the numbers of an image."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def clear(self) -> None:
        """Forget all of them."""
        self._kept.clear()

    def keep(self, key: Hashable, numbers: Numbers) -> None:
        """Keep the numbers of an image."""
        self._kept[key] = numbers
        self._kept.move_to_end(key)
        while len(self._kept) > KNOWN_MOST:
            self._kept.popitem(last=False)


class CoupledNetwork:
    """A network as groups of layers, for images of any size that it takes.

    Parameters
    ----------
    source : Path or bytes
        An ONNX file that was found harmless.
    spec : ModelSpec
    threads : int or "auto"

    Raises
    ------
    CutError
        If its coupling is no function of a few numbers; the text names the operator.
    """

    def __init__(
        self, source: Path | bytes, spec: ModelSpec, *, threads: int | str = "auto"
    ) -> None:
        if any(rule.fixed is not None for rule in spec.size):
            raise CutError("it accepts images of one size only")
        if len(spec.size) != 2:
            raise CutError("it works on volumes")
        self.spec = spec
        self.threads = threads
        self.graph: NetworkGraph = read_graph(source, spec.input, spec.output)
        steps = [rule.step for rule in spec.size]
        if any(rule.minimum % rule.step for rule in spec.size if rule.step > 1):
            raise CutError("the sizes that it accepts are not multiples of their step")
        stride = total_stride(self.graph)
        self.step: tuple[int, ...] = tuple(math.lcm(stride, step) for step in steps)
        """Rows, columns, px: starts that every stride divides."""
        self._names = [name for layer in self.graph.layers for name in layer.outputs if name]
        started = time.perf_counter()
        self._aligned = self._surveyed((0, 0))
        seen = 3 * math.prod(self._smallest((0, 0)))
        self.seconds_per_pixel = (time.perf_counter() - started) / seen
        """Of one call, about."""
        self.known = KnownNumbers()
        self._cuts: dict[tuple[tuple[int, int], bool], Cut] = {}
        if len(self.cut_for((0, 0)).groups) < 2:
            raise CutError("none of its operators takes statistics of the whole image")

    def feeds(self, images: Array) -> dict[str, Array]:
        """Return the network's inputs for images of shape (N, C, Y, X)."""
        return feeds(images, self.spec, [self.graph.image])

    def cut_for(self, image: tuple[int, int], *, keep: bool = True) -> Cut:
        """Return the groups for images of (rows, columns) px."""
        rest = self._rest(image)
        if (rest, keep) not in self._cuts:
            axes = self._aligned if rest == (0, 0) else self._surveyed(rest)
            self._cuts[rest, keep] = cut(self.graph, axes, keep=keep)
        return self._cuts[rest, keep]

    @property
    def aligned(self) -> AxesOfTensors:
        """All tensors, for images that every stride divides."""
        return self._aligned

    def over(self, image: tuple[int, int], *, keep: bool = True) -> GroupedNetwork:
        """Return the network over an image of (rows, columns) px that it takes."""
        others = self.feeds(np.zeros((1, self.spec.channels_in, 1, 1), np.float32))
        others.pop(self.graph.image)
        return GroupedNetwork(
            self.cut_for(image, keep=keep),
            image,
            self._aligned,
            name=self.spec.name,
            others=others,
            threads=self.threads,
        )

    def trial_image(self) -> tuple[Array, Array]:
        """Return a small image and the network's answer to it in one call.

        Returns
        -------
        tuple of ndarray
            Shape (1, C, Y, X), float32, in the network's range, and the output as images.
        """
        rows, columns = self._smallest((0, 0))
        pixels = self._pixels((rows + self.step[0], columns))
        (answer,) = self._whole([self.graph.output]).run(self.feeds(pixels))
        return pixels, to_images(answer, self.spec)

    def _whole(self, outputs: list[str]) -> Subgraph:
        """Return the network in one piece; it keeps no memory."""
        model = self.graph.model(self.graph.layers, self.graph.types, outputs)
        return Subgraph(model, outputs, name=self.spec.name, threads=self.threads, arena=False)

    def _rest(self, image: tuple[int, int]) -> tuple[int, int]:
        """Return what an image's size leaves of the step."""
        return image[0] % self.step[0], image[1] % self.step[1]

    def _smallest(self, rest: tuple[int, int]) -> tuple[int, int]:
        """Return the size of the smallest image that is surveyed; rows and columns differ."""
        found = []
        for axis, (rule, step) in enumerate(zip(self.spec.size, self.step, strict=True)):
            least = max(rule.minimum, STRIDES * step, LEAST_PX)
            found.append((-(-least // step) + axis) * step + rest[axis])
        return found[0], found[1]

    def _pixels(self, image: tuple[int, int]) -> Array:
        """Return random pixels in the network's range, shape (1, C, Y, X), float32."""
        low, high = self.spec.value_range
        shape = (1, self.spec.channels_in, *image)
        return np.random.default_rng(0).uniform(low, high, shape).astype(np.float32)

    def _surveyed(self, rest: tuple[int, int]) -> AxesOfTensors:
        """Return the axes of all tensors for images of a remainder."""
        whole = self._whole(self._names)

        def run(image: tuple[int, int]) -> Mapping[str, Array]:
            given = self.feeds(self._pixels(image))
            return {**given, **dict(zip(self._names, whole.run(given), strict=True))}

        return measure_axes(run, self._smallest(rest), (self.step[0], self.step[1]))
