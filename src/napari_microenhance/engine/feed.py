"""Feed: the network's outputs for all tiles of a run, in order, while the next are read."""

import dataclasses
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.intensity import IntensityMap, Palette
from napari_microenhance.engine.region import Region, resample, scaled, slices
from napari_microenhance.engine.runtime.inference import Inference
from napari_microenhance.engine.source import Source
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.engine.steps.prescription import LaneSteps
from napari_microenhance.engine.tiles.tiling import Plan, Tile
from napari_microenhance.errors import ImageError, ModelError
from napari_microenhance.types import Box

__all__ = ["Feed", "Lane"]

ResultT = TypeVar("ResultT")

POLL_SECONDS = 0.02
"""How often the caller is asked whether to stop while a network call is in flight."""

AHEAD = 2
"""Threads: one waits for the network, the other reads and normalises the next tiles."""

FloatArray = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Lane:
    """One plane and the channels that the network sees of it together."""

    plane: tuple[int, ...]
    palette: Palette
    maps: tuple[IntensityMap, ...]
    steps: LaneSteps | None = None


@dataclasses.dataclass(kw_only=True, eq=False)
class Feed:
    """Reads, normalises and infers.

    Use it as a context manager: on leaving, no network call is in flight any more.

    Parameters
    ----------
    source : Source
    region : Region
        Outside it the network sees white where `context` is "white".
    spec : ModelSpec
    inference : Inference
    layout : Plan
    context : {"image", "white"}
    batch : int
        Tiles per network call, at most; they must have one shape.
    dtype : dtype, optional
        Of the result. Channels that become one grey are clipped to it before; default: they
        are not.

    Attributes
    ----------
    clipped : int
        Pixels of the region of which a channel was clipped so.
    """

    source: Source
    region: Region
    spec: ModelSpec
    inference: Inference
    layout: Plan
    context: str
    batch: int = 1
    dtype: np.dtype[Any] | None = None
    clipped: int = dataclasses.field(default=0, init=False)
    _pool: ThreadPoolExecutor | None = dataclasses.field(default=None, init=False, repr=False)

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(AHEAD, thread_name_prefix="microenhance")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.inference.stop()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def tiles(self, lanes: list[Lane]) -> int:
        """Return how many tiles the lanes take."""
        return len(self.layout.tiles) * len(lanes)

    def outputs(
        self, lanes: list[Lane], check_stop: Callable[[], None]
    ) -> Iterator[tuple[Lane, int, FloatArray]]:
        """Yield the network's output for each tile of each lane, in order.

        Parameters
        ----------
        lanes : list of Lane
        check_stop : callable
            Called every 20 ms; raises to end the run.

        Yields
        ------
        tuple of Lane, int and ndarray
            The lane, the tile's index in the layout, and its base channels in the
            network's range, shape (B, Y, X), float32.

        Raises
        ------
        ModelError
            If the network fails or gives values that are not finite.
        """
        pool = self._pool
        assert pool is not None, "Feed is used inside `with`"
        todo = itertools.product(lanes, _groups(self.layout.tiles, self.batch))
        waiting: deque[tuple[Lane, list[int], Future[FloatArray]]] = deque()

        def submit(count: int) -> None:
            for lane, group in itertools.islice(todo, count):
                waiting.append((lane, group, pool.submit(self._infer, lane, group)))

        submit(AHEAD)
        while waiting:
            lane, group, future = waiting.popleft()
            outputs = waited(future, check_stop)
            submit(1)
            for index, output in zip(group, outputs, strict=True):
                yield lane, index, output

    def _infer(self, lane: Lane, group: list[int]) -> FloatArray:
        """Read, normalise and run some tiles; return base channels, shape (N, B, Y, X)."""
        tensors = [self.network_input(self.layout.tiles[i].read, lane) for i in group]
        # A file that prescribes its batch gets copies of the last tile.
        tensors += [tensors[-1]] * ((self.spec.batch or len(tensors)) - len(tensors))
        return self.as_channels(self.inference.run(np.stack(tensors))[: len(group)], lane, group)

    def as_channels(self, output: FloatArray, lane: Lane, group: Sequence[int]) -> FloatArray:
        """Return base channels, shape (N, B, Y, X), of what the network gave.

        Parameters
        ----------
        output : ndarray, shape (N, C, Y, X), float32
            In the network's range.
        lane : Lane
        group : sequence of int
            Index in the layout of each of the N tiles.

        Raises
        ------
        ModelError
            If it has values that are not finite.
        """
        if not np.isfinite(output).all():
            raise ModelError(
                f"The model {self.spec.name} returned NaN or infinite values; check that "
                "intensity and value_range match what it was trained on."
            )
        if self.spec.task == "labels" or lane.steps is not None:
            return output
        pairs = zip(group, output, strict=True)
        return np.stack([self._collapsed(self.layout.tiles[i], lane, o) for i, o in pairs])

    def _collapsed(self, tile: Tile, lane: Lane, output: FloatArray) -> FloatArray:
        """Return base channels; what a network makes of a grey is an image before it is grey."""
        shown_as_colours = lane.palette.repeat > 1 and lane.palette.kind in ("grey", "direct")
        limits = lane.maps[0].limits(self.dtype) if self.dtype is not None else None
        if shown_as_colours and limits is not None and len(output) > 1:
            low, high = map(np.float32, limits)
            keep = scaled(tile.keep, self.layout.ratio)
            kept = output[(slice(3), *slices(keep, tile.output))]
            beyond = ((kept < low) | (kept > high)).any(axis=0)
            if beyond.any():
                inside = resample(self.region.crop(tile.keep), keep, self.layout.ratio)
                self.clipped += int(np.count_nonzero(beyond & inside))
            output = np.clip(output, low, high)
        return lane.palette.collapse(output)

    def network_input(self, box: Box, lane: Lane) -> FloatArray:
        """Return what the network reads of a box, shape (C, Y, X), in its own range."""
        base = lane.palette.base(self.source.read(lane.plane, lane.palette.channels, box))
        if self.context == "white":
            white = np.asarray(lane.maps[0].white(self.source.dtype)).astype(base.dtype)
            base = np.where(self.region.crop(box), base, white)
        if base.dtype.kind == "f":
            self._check_finite(base, box)
        forward = [m.forward(channel) for m, channel in zip(lane.maps, base, strict=True)]
        seen = lane.palette.expand(np.stack(forward))
        return seen if lane.steps is None else lane.steps.before.apply(seen)

    def _check_finite(self, base: npt.NDArray[Any], box: Box) -> None:
        """Refuse NaN and infinite pixels where the network would see them."""
        if np.isfinite(base).all():
            return
        lengths = zip(box, self.source.spatial_shape, strict=True)
        inner = tuple((max(0, a), min(b, n)) for (a, b), n in lengths)
        own = base[(slice(None), *slices(inner, [a for a, _ in box]))]
        nan, infinite = (int(np.count_nonzero(find(own))) for find in (np.isnan, np.isinf))
        spans = zip(self.source.spatial, inner, strict=True)
        where = ", ".join(f"{letter} {a} to {b}" for letter, (a, b) in spans)
        raise ImageError(
            f"The image has {nan} NaN and {infinite} infinite pixels that the model would see "
            f"({where}); replace them first."
        )


def waited(future: Future[ResultT], check_stop: Callable[[], None]) -> ResultT:
    """Return a future's result, asking all the while whether to stop."""
    while True:
        check_stop()
        with suppress(TimeoutError):
            return future.result(timeout=POLL_SECONDS)


def _groups(tiles: tuple[Tile, ...], batch: int) -> list[list[int]]:
    """Return consecutive tiles of one shape, at most `batch` together."""
    groups: list[list[int]] = []
    for index, tile in enumerate(tiles):
        last = groups[-1] if groups else []
        if last and len(last) < batch and tiles[last[0]].shape == tile.shape:
            last.append(index)
        else:
            groups.append([index])
    return groups
