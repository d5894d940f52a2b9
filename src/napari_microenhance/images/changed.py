"""Changed pixels: where a result differs from the image it was made of."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.result import Result
from napari_microenhance.images.composed import ResultPixels

__all__ = ["ChangedPixels", "changed_pixels"]


class ChangedPixels:
    """Which pixels of a result differ from its original, found where it is sliced.

    With a scale factor the original's pixels are repeated, or thinned; where a colour image was
    made grey, its grey counts.

    Parameters
    ----------
    result : Result
    """

    def __init__(self, result: Result) -> None:
        self._pixels = ResultPixels(result)
        self._axes = result.axes
        self._page = dataclasses.replace(result.page, value=None)
        place = result.place.within(result.page.source.axes, result.page.shape)
        self._patch = dict(zip(result.page.source.axes, place, strict=True))
        self._cropped = result.cropped
        self._all_may_differ = result.cropped or result.page.value is not None
        kept = (n for axis, n in zip(self._axes, self._pixels.shape, strict=True) if axis != "C")
        self.shape = tuple(kept)
        self.dtype = np.dtype(bool)

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[np.bool_]:
        """Return the mask in a box, one slice without step per axis."""
        spans = iter(s.indices(n)[:2] for s, n in zip(key, self.shape, strict=True))
        letters = self._axes.replace("C", "")
        box = dict(zip(letters, spans, strict=True))
        inside = box
        if self._cropped:
            starts = {axis: self._patch[axis][0] for axis in box}
            inside = {axis: (a + starts[axis], b + starts[axis]) for axis, (a, b) in box.items()}
        if not (self._all_may_differ or self._meets_patch(inside)):
            return np.zeros([b - a for a, b in box.values()], bool)
        key = tuple(slice(*box[axis]) if axis in box else slice(None) for axis in self._axes)
        pixels = self._pixels[key]
        axes = self._page.source.axes
        lengths = zip(axes, self._page.shape, strict=True)
        original = self._page.cut(tuple(inside.get(axis, (0, n)) for axis, n in lengths))
        return self._differences(pixels, original)

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """Return the whole mask."""
        return np.asarray(self[(slice(None),) * len(self.shape)], dtype=dtype)

    def _meets_patch(self, box: dict[str, tuple[int, int]]) -> bool:
        """Tell whether a box shares pixels with the patch."""
        pairs = ((span, self._patch[axis]) for axis, span in box.items())
        return all(a < end and start < b for (a, b), (start, end) in pairs)

    def _differences(
        self, pixels: npt.NDArray[Any], original: npt.NDArray[Any]
    ) -> npt.NDArray[np.bool_]:
        """Return which pixels differ from the original in any channel."""
        differ = pixels != original
        if pixels.dtype.kind == "f":
            differ &= ~(np.isnan(pixels) & np.isnan(original))
        return np.asarray(differ.any(axis=self._axes.index("C")) if "C" in self._axes else differ)


def changed_pixels(result: Result) -> ChangedPixels | None:
    """Return which pixels of a result differ from its original, to be saved along.

    Parameters
    ----------
    result : Result

    Returns
    -------
    ChangedPixels or None
        One per pixel of ``result.pixels``, the axes without "C"; None for classes of pixels,
        which are no image of the original.
    """
    return None if result.report.model.spec.task == "labels" else ChangedPixels(result)
