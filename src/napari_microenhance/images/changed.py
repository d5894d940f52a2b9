"""Changed pixels: where a result differs from the image it was made of."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.result import Result
from napari_microenhance.types import Box

__all__ = ["changed_pixels"]


def changed_pixels(result: Result) -> npt.NDArray[np.bool_] | None:
    """Return which pixels of a result differ from its original, to be saved along.

    With a scale factor the original's pixels are repeated, or thinned; where a colour image was
    made grey, its grey counts.

    Parameters
    ----------
    result : Result

    Returns
    -------
    ndarray of bool, or None
        One per pixel of ``result.pixels``, the axes without "C"; None for classes of pixels,
        which are no image of the original.
    """
    if result.report.model.spec.task == "labels":
        return None
    page = result.page
    if result.cropped:
        return _differences(result, result.patch, result.place.within(page.source.axes, page.shape))
    if page.value is not None:  # a page of one value changes the outside too
        return _differences(result, result.pixels, tuple((0, n) for n in page.shape))
    box = result.place.within(page.source.axes, page.shape)
    plane = [i for i, axis in enumerate(page.source.axes) if axis != "C"]
    mask = np.zeros([page.shape[i] for i in plane], bool)
    mask[tuple(slice(*box[i]) for i in plane)] = _differences(result, result.patch, box)
    return mask


def _differences(result: Result, pixels: npt.NDArray[Any], box: Box) -> npt.NDArray[np.bool_]:
    """Return which pixels of a box of the result differ from the original in any channel."""
    original = dataclasses.replace(result.page, value=None).cut(box)
    differ = pixels != original
    if pixels.dtype.kind == "f":
        differ &= ~(np.isnan(pixels) & np.isnan(original))
    return np.asarray(differ.any(axis=result.axes.index("C")) if "C" in result.axes else differ)
