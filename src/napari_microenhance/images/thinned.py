"""Lower resolutions of an image that keeps none: every so many pixels, as they are looked at."""

import functools
import itertools
import math
import time
import weakref
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.images.lazy import LazyPixels
from napari_microenhance.images.segment_cache import SegmentCache

__all__ = ["ThinnedPixels", "thinned_levels"]

CELL_PX: Final = 1024
"""Edge of the parts that are read one after the other, px of the image."""

LAST_PX: Final = 1024
"""A level this large is the last."""

SCREEN_PX: Final = 4096
"""Smaller planes are shown as they are."""

PATIENCE_SECONDS: Final = 0.3
"""How long one look may take; what is not read by then is filled at the next."""

KEPT: Final = SegmentCache(64_000_000)
"""Parts that were read, of all images together."""


def thinned_levels(pixels: LazyPixels, rows: int) -> tuple["ThinnedPixels", ...]:
    """Return lower resolutions for the screen, finest first.

    Parameters
    ----------
    pixels : LazyPixels
    rows : int
        Axis of the rows; that of the columns follows.
    """
    longest = max(pixels.shape[rows : rows + 2])
    count = math.ceil(math.log2(longest / LAST_PX)) if longest > SCREEN_PX else 0
    return tuple(ThinnedPixels(pixels, rows, 2**level) for level in range(1, count + 1))


class ThinnedPixels(LazyPixels):
    """Every so many rows and columns of an image, for the screen alone.

    Parts that cannot be read in time show the mean of those that were; they are read when they are
    asked for again.

    Parameters
    ----------
    pixels : LazyPixels
    rows : int
        Axis of the rows; that of the columns follows.
    step : int
        px; divides `CELL_PX`, or is a multiple of it.
    """

    def __init__(self, pixels: LazyPixels, rows: int, step: int) -> None:
        self._owner = object()
        weakref.finalize(self, KEPT.drop, self._owner)
        shape = list(pixels.shape)
        for axis in (rows, rows + 1):
            shape[axis] = -(-shape[axis] // step)
        super().__init__(pixels.path, tuple(shape), pixels.dtype)
        self._pixels = pixels
        self._rows = rows
        self._step = step

    def read(self, box: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Return the pixels of a box, as far as they can be read in time."""
        block = np.zeros([part.stop - part.start for part in box], self.dtype)
        if not block.size:
            return block
        until = time.monotonic() + PATIENCE_SECONDS
        missing, known, count = [], 0.0, 0
        for place in self._places(box):
            key = (self._owner, self._step, *((s.start, s.stop) for s in place))
            part = KEPT.peek(key)
            if part is None and time.monotonic() < until:
                part = KEPT.get(key, functools.partial(self._cell, place))
            target, inner = self._shared(box, place)
            if part is None:
                missing.append(target)
                continue
            block[target] = part[inner]
            known += float(np.mean(part))
            count += 1
        for target in missing if count else ():
            block[target] = np.asarray(known / count).astype(self.dtype)
        return block

    def _places(self, box: tuple[slice, ...]) -> list[tuple[slice, ...]]:
        """Return the parts that a box touches, spread evenly from the first on."""
        edge = max(1, CELL_PX // self._step)
        spans = []
        for axis in (self._rows, self._rows + 1):
            first, last = box[axis].start // edge, -(-box[axis].stop // edge)
            ends = ((i * edge, min(self.shape[axis], (i + 1) * edge)) for i in range(first, last))
            spans.append([slice(*pair) for pair in ends])
        places = []
        for pair in itertools.product(*spans):
            place = list(box)
            place[self._rows : self._rows + 2] = pair
            places.append(tuple(place))
        order = np.random.default_rng(0).permutation(len(places))
        return [places[i] for i in order]

    def _cell(self, place: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Read one part."""
        box, thin = list(place), [slice(None)] * self.ndim
        for axis in (self._rows, self._rows + 1):
            stop = min(self._pixels.shape[axis], place[axis].stop * self._step)
            box[axis] = slice(place[axis].start * self._step, stop)
            thin[axis] = slice(None, None, self._step)
        return self._pixels.read(tuple(box))[tuple(thin)].copy()

    def _shared(
        self, box: tuple[slice, ...], place: tuple[slice, ...]
    ) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Return where a part lies in a box, and what of it does."""
        pairs = list(zip(box, place, strict=True))
        common = [(max(a.start, b.start), min(a.stop, b.stop)) for a, b in pairs]
        target, inner = (
            tuple(
                slice(x - p[i].start, y - p[i].start)
                for p, (x, y) in zip(pairs, common, strict=True)
            )
            for i in (0, 1)
        )
        return target, inner
