"""Subtraction: what a result has more or less than its image."""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.luma import luma
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import Cancelled
from napari_microenhance.measure.alignment import Alignment
from napari_microenhance.types import AnyArray, LazyArray

__all__ = ["Change", "Plane", "change_between", "subtract"]

_SAMPLE_PX = 1024
_WHOLE_PX = 1 << 26
_BAND_PX = 256
_PERCENTILE = 99.0

FloatArray = npt.NDArray[np.float32]
Box = tuple[tuple[int, int], tuple[int, int]]


class Plane:
    """A box of one plane of an image, not read yet.

    Parameters
    ----------
    data : array-like
    index : tuple of int
        Along each axis before y and x.
    box : Box
        Px.
    """

    def __init__(self, data: LazyArray, index: tuple[int, ...], box: Box) -> None:
        self._data, self._index, self._box = data, index, box
        colours = tuple(data.shape[len(index) + 2 :])
        self.shape = (*(stop - start for start, stop in box), *colours)
        self.dtype = data.dtype
        self.is_in_memory = isinstance(data, np.ndarray)

    def __getitem__(self, key: tuple[slice, ...]) -> AnyArray:
        spans = [
            slice(start + part.start, start + part.stop)
            for (start, _), part in zip(self._box, key, strict=False)
        ]
        return np.asarray(self._data[(*self._index, *spans, *key[2:])])


def align(before: Plane, after: Plane) -> Alignment:
    """Return an image and its result on one grid.

    Raises
    ------
    ImageError
        If no whole scale takes one to the other, or one has colours that the other has not.
    """
    return Alignment(*(Source(x, "YXC"[: len(x.shape)]) for x in (before, after)))


@dataclasses.dataclass(frozen=True, eq=False)
class Change:
    """What a result has more or less than its image, where the canvas shows it.

    Parameters
    ----------
    pixels : ndarray, shape (Y, X), float32
        As `subtract` gives it.
    extent : float or None
        As `extent_of` gives it, if it is wanted.
    """

    pixels: FloatArray
    extent: float | None = None


def change_between(
    before: Plane,
    after: Plane,
    box: Box,
    step: int,
    should_stop: Callable[[], bool],
    *,
    wants_extent: bool,
) -> Change:
    """Subtract an image from its result; worker threads.

    Parameters
    ----------
    before, after : Plane
        The image is cut to what the result lies over.
    box, step, should_stop
        As for `subtract`.
    wants_extent : bool

    Raises
    ------
    Cancelled
        If `should_stop` returned true.
    ImageError
        If the two do not lie on one grid.
    """
    aligned = align(before, after)
    pixels = subtract(aligned, box, step, should_stop)
    if not wants_extent:
        return Change(pixels)
    height, width = aligned.after.spatial_shape
    if height * width > _WHOLE_PX:  # of a slide, only what is seen
        return Change(pixels, extent_of(pixels))
    coarse = max(1, -(-max(height, width) // _SAMPLE_PX))
    sample = subtract(aligned, ((0, height), (0, width)), coarse, should_stop)
    return Change(pixels, extent_of(sample))


def subtract(
    aligned: Alignment, box: Box, step: int, should_stop: Callable[[], bool]
) -> FloatArray:
    """Return result less image, of colours their luminance.

    Parameters
    ----------
    aligned : Alignment
        Of one plane.
    box : Box
        Of the result, px.
    step : int
        Every so many pixels are read, the middle ones.
    should_stop : callable
        Polled once per band of rows.

    Returns
    -------
    ndarray, shape (Y, X), float32
        Image units; exactly 0 where nothing changed.

    Raises
    ------
    Cancelled
        If `should_stop` returned true.

    """
    (picture,) = aligned.pictures
    (top, bottom), (left, right) = box
    near = all(
        getattr(source.data, "is_in_memory", True) for source in (aligned.before, aligned.after)
    )
    # Reading single rows of what is stored in blocks would read each block many times.
    band = 1 if near and step > 1 else _BAND_PX // step * step or step
    rows = []
    for y in range(top + step // 2 if band == 1 else top, bottom, step if band == 1 else band):
        if should_stop():
            raise Cancelled
        before, after = aligned.pair(picture, ((y, min(y + band, bottom)), (left, right)))
        change = (after - before)[:, 0 if band == 1 else step // 2 :: step, step // 2 :: step]
        rows.append(luma(change) if len(change) == 3 else change[0])
    return np.concatenate(rows).astype(np.float32)


def extent_of(difference: FloatArray) -> float | None:
    """Return up to where colours should tell differences apart; None where there are none.

    A high percentile of the changed pixels: an ROI may be small, and a few pixels may differ
    by far more than all others.
    """
    sizes = np.abs(difference[np.isfinite(difference) & (difference != 0)])
    return float(np.percentile(sizes, _PERCENTILE)) if sizes.size else None
