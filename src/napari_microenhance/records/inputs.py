"""Inputs: what a caller may give - arrays, files, regions of several kinds - as values."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.engine.region import Region
from napari_microenhance.engine.result import Result
from napari_microenhance.engine.selection import Selection
from napari_microenhance.engine.source import Source, as_array, shape_of
from napari_microenhance.errors import RoiError
from napari_microenhance.measure.alignment import cut_to, patch_spans
from napari_microenhance.measure.full_range import FullRange, full_range
from napari_microenhance.measure.parts import Part, Parts
from napari_microenhance.records.image_input import ImageInput
from napari_microenhance.records.record import Record
from napari_microenhance.records.recorded import RecordedPatch
from napari_microenhance.rois.pixel_classes import chosen_classes
from napari_microenhance.rois.placing import PlacedRois, checked_mask, pieces, place
from napari_microenhance.rois.region_of_interest import Roi
from napari_microenhance.rois.roi_file import RoiFile
from napari_microenhance.types import ImageLike, RoiLike

__all__ = ["ComparedPair", "open_image", "open_pair", "parts_of", "selection_of"]


@dataclasses.dataclass(frozen=True, eq=False)
class ComparedPair:
    """An image and its result, of the same field of view, and which pixels count.

    Parameters
    ----------
    before, after : Source
    parts : Parts
        Regions of `before`.
    data_range : FullRange
        The intensity range of the run where the result carries its record, else that of the
        image before it was cut.
    notes : tuple of Caution
        Remarks on the region.
    """

    before: Source
    after: Source
    parts: Parts
    data_range: FullRange
    notes: tuple[Caution, ...] = ()


def open_pair(
    image: ImageLike | Source | Result,
    result: ImageLike | Source | Result,
    roi: RoiLike = None,
    axes: str | None = None,
) -> ComparedPair:
    """Return an image and its result; where that was cropped, so is the image.

    Parameters
    ----------
    image, result, roi, axes
        As for `api.compare`.
    """
    before = open_image(image, axes)
    after = _open_result(result, axes, before)
    parts, notes = parts_of(roi, before)
    record = _record_of(result)
    data_range = (record and record.full_range) or full_range(before)
    cropped = _cropped(record) if record else None
    if cropped is not None:
        spans = patch_spans(before, cropped.axes, cropped.start, cropped.shape, scale=cropped.scale)
        planes = tuple(spans[before.axes[axis]] for axis in before.plane_axes)
        parts = parts.within(tuple(spans[letter] for letter in before.spatial), planes)
        before = cut_to(before, spans)
    return ComparedPair(before, after, parts, data_range, notes)


def open_image(image: ImageLike | Source | Result, axes: str | None = None) -> Source:
    """Return an image as a source.

    Parameters
    ----------
    image : array-like, str, path, Result or Source
    axes : str, optional
        Where the image does not say.
    """
    return ImageInput.of(image, axes).source


def _open_result(result: ImageLike | Source | Result, axes: str | None, like: Source) -> Source:
    """Return the result of an image as a source; an array has the image's axes."""
    if axes is None and not isinstance(result, str | os.PathLike | Result | Source):
        result = as_array(result)
        dimensions = len(shape_of(result))
        grey = like.axes.replace("C", "") if like.is_colour else ""
        axes = next((a for a in (like.axes, grey) if len(a) == dimensions), None)
    return open_image(result, axes)


def _record_of(result: object) -> Record | None:
    """Return what a result carries about its run."""
    if isinstance(result, Result):
        return Record.of(result.report)
    if not isinstance(result, str | os.PathLike):
        return None
    from napari_microenhance.images.image_formats import read_record

    kept = read_record(Path(result))
    return Record.of(kept) if kept else None


def _cropped(record: Record) -> RecordedPatch | None:
    """Return where a result lies that was cropped to its region; None for all others."""
    return record.report.result if record.options().background == "crop" else None


def selection_of(
    roi: RoiLike, source: Source, labels: Sequence[int] | None = None
) -> tuple[Selection, tuple[Caution, ...]]:
    """Return what any of the accepted kinds of ROI selects of an image, and remarks on it.

    Parameters
    ----------
    roi : None, array_like, Roi, sequence of array_like or Roi, str or path
        As for `api.enhance`; also a Region or Selection of the image, or a RoiFile, whose
        notes are remarks too.
    source : Source
    labels : sequence of int, optional
        Values of a label image that count; default: all but its background.

    Raises
    ------
    RoiError
        If it selects nothing, or does not fit the image.
    """
    if isinstance(roi, Selection):
        return roi, ()
    if isinstance(roi, Region):
        return Selection.everywhere(roi), ()
    whole = Selection.everywhere(Region.whole(source.spatial_shape))
    if roi is None:
        return whole, ()
    if isinstance(roi, Sequence) and not isinstance(roi, str) and not len(roi):
        return whole, (Caution("roi-empty", "The ROI is empty; the whole image is enhanced."),)
    if isinstance(roi, RoiFile) and not roi.rois:
        return whole, roi.notes
    placement = _placement(roi, source, labels)
    return placement.selection, placement.cautions


def _placement(roi: RoiLike, source: Source, labels: Sequence[int] | None = None) -> PlacedRois:
    """Return what an ROI that is there selects."""
    if isinstance(roi, str | os.PathLike):
        from napari_microenhance.rois.roi_formats import read_roi

        height, width = source.spatial_shape[-2:]
        stack = len(source.axes.replace("C", "")) > 2
        roi = read_roi(Path(roi), (height, width), labels, stack=stack)
    if isinstance(roi, RoiFile):
        placement = place(roi.rois, source, stack_notes=roi.stack_notes)
        return dataclasses.replace(placement, cautions=(*roi.notes, *placement.cautions))
    if not isinstance(roi, Roi | Sequence):
        roi = Roi(checked_mask(np.asarray(roi)))
    given = [roi] if isinstance(roi, Roi) else roi
    chosen = [_chosen(one if isinstance(one, Roi) else Roi(one), labels) for one in given]
    placement = place([one for one, _ in chosen], source)
    cautions = [caution for _, some in chosen for caution in some]
    return dataclasses.replace(placement, cautions=(*cautions, *placement.cautions))


def _chosen(roi: Roi, labels: Sequence[int] | None) -> tuple[Roi, tuple[Caution, ...]]:
    """Return an ROI with the labels that count, and what looks wrong about its mask."""
    if roi.is_mask:
        shape, cautions = chosen_classes(roi.shape, labels, "The ROI mask")
        return dataclasses.replace(roi, shape=shape), cautions
    if labels is not None:
        raise RoiError("The ROI holds outlines and no labels to choose from; leave roi_label out.")
    return roi, ()


def parts_of(roi: RoiLike, source: Source) -> tuple[Parts, tuple[Caution, ...]]:
    """Return the region that any kind of ROI selects, with its parts, and remarks on it.

    Parameters
    ----------
    roi : None, array_like, sequence of array_like, str or path
        As for `api.enhance`; also a mask of a stack with axis Z.
    source : Source

    Raises
    ------
    RoiError
        If it selects nothing, or does not fit the image.
    """
    height, width = (source.shape[source.axes.index(letter)] for letter in "YX")
    if roi is None or (isinstance(roi, Sequence) and not len(roi)):
        return Parts.of_image((height, width)), ()
    placement = _placement(roi, source)
    each = tuple(Part(name, selection) for name, selection in pieces(placement, source))
    return Parts(placement.selection, each), placement.cautions
