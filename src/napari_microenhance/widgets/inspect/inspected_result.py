"""What is inspected: an image, its result and the record of the run, as values.

Layers are read here, on the main thread; workers see only what comes out.
"""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_microenhance.api import Record
from napari_microenhance.contributions.layer_look import look_of
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import ImageError, MicroEnhanceError
from napari_microenhance.measure.alignment import Alignment, cut_to, patch_spans
from napari_microenhance.measure.full_range import FullRange, full_range
from napari_microenhance.records.recorded_roi import RecordedRoi
from napari_microenhance.rois.region_of_interest import Roi
from napari_microenhance.widgets.viewer.layer_values import (
    ImageSource,
    LayerPlacement,
    axes_of,
    level_zero,
    part_of,
    place,
    read_image,
    read_placement,
)

if TYPE_CHECKING:
    from napari.layers import Image, Layer

__all__ = ["InspectedPair", "InspectedResult"]

Shift = Mapping[str, tuple[int, int]]


@dataclasses.dataclass(frozen=True, eq=False)
class InspectedPair:
    """An image and its result over the same field of view.

    Parameters
    ----------
    before, after : Source
    roi : list of ndarray, ndarray of bool, or None
        Regions of `before`, as `api.compare` takes them.
    planes : tuple of int or None
        Planes of `after` that the run enhanced; None: all.
    dilate : int
        By how much the run grew the region, px.
    data_range : FullRange
        The intensity range of the run, else that of the whole image.
    start : mapping of str to int
        First pixel of `before` in the whole image, per axis.
    notes : tuple of str
        What to know when reading numbers of the two.
    """

    before: Source
    after: Source
    roi: RecordedRoi
    planes: tuple[int, ...] | None
    dilate: int
    data_range: FullRange
    start: Mapping[str, int]
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class InspectedResult:
    """An image layer, the layer of its result, and the record of the run.

    Parameters
    ----------
    image : ImageSource
    path : str or None
        Of the image's file, where it came from one.
    name : str
        Of the result layer.
    pixels : array-like
        Of the result, at full resolution.
    axes : str
        Of the result.
    record : Record
    placement : LayerPlacement
        Of the result layer.
    apart : bool
        Whether the two layers do not lie over each other in the viewer.
    look : mapping
        How the result is shown, plain JSON.
    """

    image: ImageSource
    path: str | None
    name: str
    pixels: Any
    axes: str
    record: Record
    placement: LayerPlacement
    apart: bool = False
    look: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def pair(self) -> InspectedPair:
        """Return what is compared; of a result that is a part, the image under it.

        Raises
        ------
        MicroEnhanceError
            If the two do not belong together.
        """
        if self.record.holds_labels:
            raise ImageError("The result holds labels, not an image; there is nothing to compare.")
        before = Source(self.image.data, self.image.axes)
        data_range = self.record.full_range or full_range(before)
        patch = self.record.patch_under(self.pixels.shape)
        spans: Shift = {a: (0, n) for a, n in zip(before.axes, before.shape, strict=True)}
        if patch is not None:
            spans = patch_spans(before, patch.axes, patch.start, patch.shape, scale=patch.scale)
            before = cut_to(before, spans)
        after = Source(self.pixels, self.axes)
        Alignment(before, after)
        return InspectedPair(
            before=before,
            after=after,
            roi=_shifted(self.record.roi(), spans, whole=patch is None),
            planes=self._planes(spans, after),
            dilate=0 if self.record.report.roi.whole_image else self.record.options().dilate,
            data_range=data_range,
            start={axis: first for axis, (first, _) in spans.items()},
            notes=self._notes(),
        )

    def _planes(self, spans: Shift, after: Source) -> tuple[int, ...] | None:
        """Return the enhanced planes as `api.compare` counts those of the result."""
        chosen = self.record.options().planes
        if chosen == "all":
            return None
        volumes = "Z" in self.record.spatial
        letters = [self.image.axes[i] for i in Source(self.image.data, self.image.axes).plane_axes]
        counted = [letter for letter in letters if letter == "T" or not volumes]
        lengths = [self.image.data.shape[self.image.axes.index(letter)] for letter in counted]
        wanted = {
            tuple(int(i) - spans[a][0] for a, i in zip(counted, index, strict=True))
            for index in zip(*np.unravel_index(list(chosen), lengths), strict=True)
        }
        kept = [letters.index(letter) for letter in counted]
        planes = enumerate(after.planes)
        return tuple(n for n, plane in planes if tuple(plane[i] for i in kept) in wanted)

    def _notes(self) -> tuple[str, ...]:
        """Return what to know when reading the numbers."""
        notes = []
        if self.apart:
            notes.append(
                "The two layers do not overlap in the viewer; pixels were compared by their "
                "array indices."
            )
        grown = self.record.options().dilate
        if grown and not self.record.report.roi.whole_image:
            notes.append(
                f"The figures are for the ROI dilated by {grown} px, as processed by the run."
            )
        return tuple(notes)


def read_inspected(original: "Image", result: "Layer") -> InspectedResult:
    """Read two layers; main thread only, no pixel is touched.

    Raises
    ------
    MicroEnhanceError
        If the result's record is damaged, or the layers cannot belong together.
    """
    record = Record.of(result.metadata)
    image, pixels = read_image(original), level_zero(result)
    try:
        axes = record.axes
    except MicroEnhanceError:
        axes = ""
    if len(axes) == len(image.axes) and axes.endswith("YXC") == image.rgb:
        image = dataclasses.replace(image, axes=axes)
    own = record.report.result.axes if record.report.result else ""
    if len(own) != len(pixels.shape):
        own = _axes_like(image.axes, result, len(pixels.shape))
    path = original.source.path
    inspected = InspectedResult(
        image=image,
        path=None if path is None else str(path),
        name=str(result.name),
        pixels=pixels,
        axes=own,
        record=record,
        placement=read_placement(result),
        look=look_of(result.as_layer_data_tuple()[1]),
    )
    return dataclasses.replace(inspected, apart=_lies_apart(inspected))


def kept_axes(source: ImageSource, axes: str) -> list[int]:
    """Return the layer dimensions of an image that something with these axes still has."""
    return [i for i, letter in enumerate(source.axes[: source.ndim]) if letter in axes]


def _axes_like(axes: str, result: "Layer", ndim: int) -> str:
    """Return the axes of a result whose record does not say: the image's, else the layer's."""
    for known in (axes, axes.replace("C", "")):
        if len(known) == ndim:
            return known
    return axes_of(result) if hasattr(result, "rgb") else axes[-ndim:]


def _shifted(roi: RecordedRoi, spans: Shift, *, whole: bool) -> RecordedRoi:
    """Return a region in the pixels of a part of the image."""
    if whole or roi is None:
        return roi
    if isinstance(roi, list):
        rois = [one if isinstance(one, Roi) else Roi(one) for one in roi]
        return [moved for moved in (one.within(spans) for one in rois) if moved is not None]
    return roi[tuple(slice(*spans[letter]) for letter in "ZYX"[-roi.ndim :])]


def _lies_apart(inspected: InspectedResult) -> bool:
    """Return whether a result is shown elsewhere than its run would have put it."""
    source, seen = inspected.image, inspected.placement
    kept = kept_axes(source, inspected.axes)
    if len(kept) != len(seen.scale):
        return True
    record = inspected.record
    patch = record.patch_under(inspected.pixels.shape)
    start = [0] * len(kept) if patch is None else list(patch.start)[: len(kept)]
    factor = [record.scale if source.axes[i] in record.spatial else 1.0 for i in kept]
    wanted = place(part_of(source.placement, kept), start, factor)
    close = (
        np.allclose(getattr(wanted, name), getattr(seen, name), rtol=1e-5, atol=1e-9)
        for name in ("scale", "rotate", "affine")
    )
    near = np.abs(wanted.translate - seen.translate) <= 0.5 * np.abs(wanted.scale)
    return not (all(close) and bool(near.all()))
