"""Feeds an image through a cut network: all tiles of all groups, cancellable, memory bounded."""

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.feed import waited
from napari_microenhance.engine.runtime.tensors import to_images
from napari_microenhance.engine.statistics.coupled import CoupledNetwork, Numbers
from napari_microenhance.engine.statistics.cutting import Cut, Group
from napari_microenhance.engine.statistics.gathering import Gathering, Part, gathering_of
from napari_microenhance.engine.statistics.group_tiles import (
    GroupPlan,
    GroupTile,
    bytes_per_pixel,
    plan_group,
)
from napari_microenhance.engine.statistics.keeping import Keeping
from napari_microenhance.engine.statistics.leaving import Activations
from napari_microenhance.engine.statistics.network_graph import CutError

__all__ = ["TOLERANCE", "CoupledFeed"]

TOLERANCE = 5e-5
"""Of the range of the answer: what groups may differ from one call on a small image."""

Array = npt.NDArray[Any]
Box = tuple[tuple[int, int], tuple[int, int]]
Done = tuple[list[Part], Array | None]

WORKERS = 4
"""Tiles that run at a time, at most: a thread that reads and sums costs the others nothing."""


class CoupledFeed:
    """One plane through a cut network.

    Use it as a context manager: on leaving, no call is in flight and nothing is kept.

    Parameters
    ----------
    model : CoupledNetwork
    image : tuple of int
        Rows, columns that the network is given, px.
    read : callable
        Returns the network's input for a box, shape (C, rows, columns), float32.
    keeping : Keeping
    folder : Path or None
    numbers : mapping, optional
        Those of an earlier run over the same image.
    """

    def __init__(
        self,
        model: CoupledNetwork,
        image: tuple[int, int],
        read: Callable[[Box], Array],
        keeping: Keeping,
        *,
        folder: Path | None = None,
        numbers: Numbers | None = None,
    ) -> None:
        self._model = model
        self._image = image
        self._read_image = read
        self._cut = model.cut_for(image, keep=keeping.place != "nowhere")
        self._network = model.over(image, keep=keeping.place != "nowhere")
        self._network.numbers.update(numbers or {})
        self._activations = Activations(self._network, keeping.on_disk, folder)
        self._cores = [core_of(self._cut, g, image, keeping) for g in self._cut.groups]
        self._workers = min(WORKERS, self._network.threads)
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="microenhance")
        self._reading = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._network.stop()
        self._pool.shutdown(cancel_futures=True)
        self._activations.close()

    @property
    def seconds(self) -> float:
        """Wall time with a call in flight, s."""
        return self._network.seconds

    @property
    def numbers(self) -> Numbers:
        """The numbers over the whole image that are known by now."""
        return self._network.numbers

    def plans(self, last: GroupPlan) -> list[GroupPlan]:
        """Return the tiles of all groups that the last one's tiles need.

        Where numbers are not known yet, a group runs over the whole image.
        """
        plans = [last]
        for index in range(len(self._cut.groups) - 2, -1, -1):
            group = self._cut.groups[index]
            within = self._needed(index, plans) if self._knows(group) else None
            plans.insert(0, self._planned(index, within))
        return plans

    def last_plan(self, boxes: tuple[Box, ...] | None = None) -> GroupPlan:
        """Return the tiles of the last group, all or those that keep pixels of some boxes."""
        return self._planned(len(self._cut.groups) - 1, boxes)

    def _planned(self, index: int, within: tuple[Box, ...] | None) -> GroupPlan:
        """Return the tiles of a group."""
        return plan_group(
            self._cut,
            self._cut.groups[index],
            self._image,
            self._cores[index],
            self._model.aligned,
            within,
        )

    def _knows(self, group: Group) -> bool:
        """Whether all numbers of a group are known."""
        return all(n in self._network.numbers for s in group.statistics for n in s.outputs)

    def _needed(self, index: int, later: list[GroupPlan]) -> tuple[Box, ...]:
        """Return the boxes of the image that later tiles read of what a group leaves."""
        leaves = set(self._cut.groups[index].leaves)
        return tuple(
            tile.read for plan in later for tile in plan.tiles if leaves & set(plan.group.reads)
        )

    def outputs(
        self, plans: list[GroupPlan], check_stop: Callable[[], None]
    ) -> Iterator[tuple[int, GroupTile, Array | None]]:
        """Run all groups; yield each tile, those of the last group with the network's output.

        Parameters
        ----------
        plans : list of GroupPlan
        check_stop : callable
            Called every 20 ms; raises to end the run.

        Yields
        ------
        tuple of int, GroupTile and ndarray or None
            Index of the group, the tile, and of the last group the kept part of the network's
            output as images, shape (C, rows, columns), float32.
        """
        for index, plan in enumerate(plans):
            is_last = index == len(plans) - 1
            gatherings = [] if self._knows(plan.group) else self._gatherings(plan.group)
            self._network.begin(index, self._at_once(index))
            self._activations.begin(() if is_last else plan.group.leaves)
            for tile, (parts, output) in self._tiles(index, plan, gatherings, check_stop):
                for gathering, part in zip(gatherings, parts, strict=True):
                    gathering.add(part)
                yield index, tile, output
            if gatherings:
                self._network.take_numbers(plan.group, gatherings)
            self._activations.done(index)
            self._network.done(index)

    def _gatherings(self, group: Group) -> list[Gathering]:
        """Return what takes a group's numbers."""
        return [gathering_of(statistic) for statistic in group.statistics]

    def _at_once(self, index: int) -> int:
        """Return how many tiles of a group run at a time, however few of them are asked for.

        The threads of a call follow from it, and with them the last bit of what it gives.
        """
        (rows, columns), core = self._image, self._cores[index]
        return min(self._workers, -(-rows // core[0]) * -(-columns // core[1]))

    def _tiles(
        self,
        index: int,
        plan: GroupPlan,
        gatherings: Sequence[Gathering],
        check_stop: Callable[[], None],
    ) -> Iterator[tuple[GroupTile, Done]]:
        """Yield tiles in order with what became of them; the next ones run meanwhile."""
        running: deque[tuple[GroupTile, Future[Done]]] = deque()
        for tile in plan.tiles:
            running.append((tile, self._pool.submit(self._run_tile, index, tile, gatherings)))
            if len(running) > self._at_once(index):
                first, future = running.popleft()
                yield first, waited(future, check_stop)
        for last, future in running:
            yield last, waited(future, check_stop)

    def _run_tile(self, index: int, tile: GroupTile, gatherings: Sequence[Gathering]) -> Done:
        """Read, run and write a tile; return its parts of the numbers, and its output."""
        given = self._network.given(index, tile, self._read)
        kept = self._network.run_tile(index, tile, given)
        parts = [gathering.part(kept[gathering.statistic.input]) for gathering in gatherings]
        if index == len(self._cut.groups) - 1:
            return parts, self._as_image(kept)
        for name in self._cut.groups[index].leaves:
            self._activations.write(name, tile, kept[name])
        return parts, None

    def box_of(self, tile: GroupTile) -> tuple[slice, slice]:
        """Return where a tile's output lies in that of the whole image: rows, columns."""
        output = self._cut.graph.output
        return slice(*tile.rows.kept[output]), slice(*tile.columns.kept[output])

    def _read(self, name: str, elements: Box) -> Array:
        """Return a box of elements of a tensor that is there before a group."""
        if name != self._cut.graph.image:
            return self._activations.read(name, elements)
        with self._reading:
            image = np.asarray(self._read_image(elements), np.float32)
        tensor: Array = self._model.feeds(image[None])[name]
        return tensor

    def _as_image(self, kept: Mapping[str, Array]) -> Array:
        """Return the network's output as images."""
        images: Array = to_images(kept[self._cut.graph.output], self._model.spec)
        first: Array = images[0]
        return first


def core_of(cut: Cut, group: Group, image: tuple[int, int], keeping: Keeping) -> tuple[int, int]:
    """Return rows, columns that a tile of a group keeps, px."""
    if keeping.core is not None:
        return keeping.core
    area = max(1.0, keeping.tile_bytes / max(bytes_per_pixel(group, cut.axes), 1e-9))
    if keeping.on_disk.intersection((*group.reads, *group.leaves)):
        # Stripes: what lies in whole rows on disk is read and written in one go.
        return max(1, int(area / image[1])), image[1]
    edge = max(1, int(math.sqrt(area)))
    return edge, edge


def check_groups(model: CoupledNetwork) -> float:
    """Compare the groups, in the smallest tiles, with one call on a small image.

    Returns
    -------
    float
        Largest difference, of the range of the answer.

    Raises
    ------
    CutError
        If it is more than `TOLERANCE`.
    """
    pixels, reference = model.trial_image()
    image = (pixels.shape[-2], pixels.shape[-1])
    found = np.full(reference.shape[1:], np.nan, np.float32)
    smallest = Keeping("memory", frozenset(), 0, 0, 1)

    def read(box: Box) -> Array:
        part: Array = pixels[0][:, slice(*box[0]), slice(*box[1])]
        return part

    with CoupledFeed(model, image, read, smallest) as feed:
        for _, tile, output in feed.outputs(feed.plans(feed.last_plan()), _never):
            if output is not None:
                found[:, *feed.box_of(tile)] = output
    difference = float(np.abs(found - reference[0]).max()) / (float(np.ptp(reference)) or 1.0)
    if not difference <= TOLERANCE:
        raise CutError(f"run in groups of layers it differs from one call by {difference:.1e}")
    return difference


def _never() -> None:
    """Let it go on."""
