"""The region that a record keeps, as `enhance` takes it."""

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.region import Region, slices
from napari_microenhance.records.recorded import RecordedGroup, RecordedRegion, RecordError
from napari_microenhance.rois.region_of_interest import Roi

__all__ = ["RecordedRoi", "read_roi"]

RecordedRoi = list[npt.NDArray[np.float64]] | list[Roi] | npt.NDArray[np.bool_] | None
"""Polygons, regions with planes of their own, a mask, or None for the whole image."""


def read_roi(kept: RecordedRegion, axes: str, shape: tuple[int, ...]) -> RecordedRoi:
    """Return a region from its vertices, or from its runs over a box.

    Parameters
    ----------
    kept : RecordedRegion
    axes : str
        Of the image.
    shape : tuple of int
        Of the image, one length per axis.

    Raises
    ------
    RecordError
        If it is damaged.
    """
    try:
        if kept.groups is not None:
            masks = [(_mask(group, axes, shape), group.planes) for group in kept.groups]
            return [Roi(mask, place) for mask, planes in masks for place in planes]
        if kept.vertices is not None:
            outlines = [np.asarray(v, np.float64).reshape(-1, 2) for v in kept.vertices]
            if kept.planes is None:
                return outlines
            return [Roi(v, p) for v, p in zip(outlines, kept.planes, strict=True)]
        if kept.whole_image:
            return None
        mask = _mask(kept, axes, shape)
        again = Region.from_mask(mask).to_dict()
    except (TypeError, ValueError, IndexError) as error:
        raise RecordError("The record is damaged: its ROI cannot be read.") from error
    if again.get("runs_sha256") != kept.runs_sha256:
        raise RecordError("The record is damaged: the mask of its ROI is not the one it had.")
    return mask


def _mask(
    kept: RecordedRegion | RecordedGroup, axes: str, shape: tuple[int, ...]
) -> npt.NDArray[np.bool_]:
    """Return the mask that was kept as runs over its box."""
    letters = "ZYX"[-len(kept.box) :]
    mask = np.zeros([shape[axes.index(letter)] for letter in letters], bool)
    inner = np.zeros([b - a for a, b in kept.box], bool)
    flat = inner.reshape(-1)
    for start, length in [(0, flat.size)] if kept.runs is None else kept.runs:
        flat[start : start + length] = True
    mask[slices(kept.box)] = inner
    return mask
