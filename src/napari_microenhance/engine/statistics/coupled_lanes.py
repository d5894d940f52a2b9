"""All planes of a run through a cut network, as a feed of tiles."""

from collections.abc import Callable, Hashable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.feed import Feed, Lane
from napari_microenhance.engine.statistics.coupled import Numbers
from napari_microenhance.engine.statistics.coupled_feed import CoupledFeed
from napari_microenhance.engine.statistics.coupled_layout import CoupledLayout
from napari_microenhance.types import Box, Float32Array

__all__ = ["CoupledLanes"]

Array = npt.NDArray[Any]
Pair = tuple[int, int]


class NumbersStore(Protocol):
    """Where the numbers of lanes are kept, by plane and channels."""

    def numbers(self, lane: Lane) -> Numbers | None:
        """Return those of a lane that are known."""

    def keep_numbers(self, lane: Lane, numbers: Numbers) -> None:
        """Keep those of a lane."""


class CoupledLanes:
    """Yields a run's tiles like `Feed`, and between them the tiles of earlier groups.

    Use it as a context manager: on leaving, no call is in flight and nothing is kept but numbers.

    Parameters
    ----------
    feed : Feed
        Reads and normalises; its network is not used.
    layout : CoupledLayout
    image_key : hashable
        Tells the image, and the region where the network sees white beyond it.
    store : NumbersStore, optional
        Where numbers outlast the process.
    """

    def __init__(
        self,
        feed: Feed,
        layout: CoupledLayout,
        image_key: Hashable,
        store: NumbersStore | None = None,
    ) -> None:
        self._feed = feed
        self._store = store
        self._layout = layout
        self._known = layout.model.known
        self.seconds = 0.0
        """Wall time with a call in flight, s."""
        self._image_key = image_key
        self._current: CoupledFeed | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._current is not None:
            self._current.__exit__(kind, error, trace)

    @property
    def clipped(self) -> int:
        """Pixels of the region of which a channel was clipped before it became grey."""
        return self._feed.clipped

    def tiles(self, lanes: list[Lane]) -> int:
        """Return how many tiles of all groups the planes take."""
        total = 0
        for lane in lanes:
            with self._fed(lane) as fed:
                total += sum(len(plan.tiles) for plan in fed.plans(self._layout.last))
        return total

    def outputs(
        self, lanes: list[Lane], check_stop: Callable[[], None]
    ) -> Iterator[tuple[Lane, int | None, Float32Array | None]]:
        """Yield each tile; those that make pixels with their index and output.

        Parameters
        ----------
        lanes : list of Lane
        check_stop : callable
            Called every 20 ms; raises to end the run.

        Yields
        ------
        tuple of Lane, int or None, ndarray or None
            The lane; of the last group's tiles the index in the layout, and the base channels in
            the network's range, shape (B, Y, X), float32.
        """
        for lane in lanes:
            # Not in a `with` of its own: a generator that is left alone ends when it likes.
            self._current = fed = self._fed(lane)
            made = 0
            for _, _, output in fed.outputs(fed.plans(self._layout.last), check_stop):
                if output is None:
                    yield lane, None, None
                    continue
                if not made:
                    self._keep(lane, fed)
                yield lane, made, self._feed.as_channels(output[None], lane, [made])[0]
                made += 1
            self.seconds += fed.seconds
            fed.__exit__(None, None, None)

    def _fed(self, lane: Lane) -> CoupledFeed:
        """Return one plane through the network."""
        layout = self._layout

        def read(box: tuple[Pair, Pair]) -> Array:
            there: Box = tuple(
                (a + by, b + by) for (a, b), by in zip(box, layout.offset, strict=True)
            )
            return np.asarray(self._feed.network_input(there, lane), np.float32)

        return CoupledFeed(
            layout.model,
            layout.image,
            read,
            layout.keeping,
            folder=layout.folder,
            numbers=(self._store and self._store.numbers(lane)) or self._known.get(self._key(lane)),
        )

    def _keep(self, lane: Lane, fed: CoupledFeed) -> None:
        """Keep the numbers of a plane: before the last group all of them are known."""
        self._known.keep(self._key(lane), dict(fed.numbers))
        if self._store is not None:
            self._store.keep_numbers(lane, dict(fed.numbers))

    def _key(self, lane: Lane) -> Hashable:
        """Return what the numbers of a lane depend on."""
        layout = self._layout
        return (self._image_key, lane, layout.domain, layout.image, layout.keeping)
