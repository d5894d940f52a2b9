"""Result: enhanced pixels over a background, and the canvas they are painted on."""

import dataclasses
from fractions import Fraction
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.intensity import IntensityMap, Palette, to_dtype
from napari_microenhance.engine.luma import luma
from napari_microenhance.engine.place import Place
from napari_microenhance.engine.region import Region, intersect, resample, scaled, slices, unscaled
from napari_microenhance.engine.reports.report import Report
from napari_microenhance.engine.runtime.classes import classify
from napari_microenhance.engine.source import Source
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.engine.steps.fitting import FittedSteps
from napari_microenhance.types import Box, LazyArray

__all__ = ["Canvas", "Result"]


@dataclasses.dataclass(frozen=True)
class Page:
    """What a result shows where nothing was enhanced: the image itself or one value."""

    source: Source
    dtype: np.dtype[Any]
    grey: bool
    value: float | None = None
    ratio: Fraction = Fraction(1)

    @property
    def axes(self) -> str:
        """Axes of the result: those of the image, without C where it is made grey."""
        return self.source.axes.replace("C", "") if self.grey else self.source.axes

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape over all axes of the image, result px."""
        full = [(0, n) for n in self.source.shape]
        for axis in self.source.spatial_axes:
            full[axis] = scaled((full[axis],), self.ratio)[0]
        return tuple(stop for _, stop in full)

    def in_source(self, box: Box) -> Box:
        """Return the image pixels that a box of the result is made of."""
        inner = list(box)
        for axis in self.source.spatial_axes:
            inner[axis] = unscaled((box[axis],), self.ratio)[0]
        return tuple(inner)

    def cut(self, box: Box) -> npt.NDArray[Any]:
        """Return a fresh copy of a box (one range per image axis, result px) of the page.

        With a scale the image's pixels are repeated, or thinned, never interpolated.
        """
        raw = self.source.take(slices(self.in_source(box)))
        if self.ratio != 1:
            axes = self.source.spatial_axes
            last = tuple(range(-len(axes), 0))
            moved = resample(np.moveaxis(raw, axes, last), tuple(box[a] for a in axes), self.ratio)
            raw = np.moveaxis(moved, last, axes)
        if self.grey:
            page, _ = to_dtype(luma(raw, axis=-1), self.dtype)
        else:
            page = raw.astype(self.dtype, copy=True)
        if self.value is not None:
            # Alpha is copied whatever the page shows.
            colour = page
            if self.source.is_colour and not self.grey:
                colour = page[..., : max(0, 3 - box[self.source.channel_axis][0])]
            colour[...] = np.asarray(self.value).astype(self.dtype)
        return page


class SoftEdges:
    """The share of the enhanced value for each pixel of a region, kept while it is needed.

    Parameters
    ----------
    feather : int
        Width of the edge, px.
    """

    def __init__(self, feather: int) -> None:
        self._feather = feather
        self._kept: dict[Region, npt.NDArray[np.float32] | None] = {}

    def of(self, region: Region) -> npt.NDArray[np.float32] | None:
        """Return the weights over a region's box, as `Region.weights` does."""
        if region not in self._kept:  # planes with one region follow each other
            self._kept = {region: region.weights(self._feather)}
        return self._kept[region]


class Canvas:
    """The patch of a result while it is painted, plane by plane and tile by tile.

    Parameters
    ----------
    page : Page
    box : Box
        Spatial ranges of the patch, image px.
    planes : tuple of tuple of int
        Planes that will be painted; the patch spans them.
    feather : int
    classes : ModelSpec, optional
        Of a segmentation network; its labels have no soft edge.
    channels : tuple of int, optional
        (start, stop) of those that the patch spans; default: all.
    edges : SoftEdges, optional
        Of several canvases, in place of `feather`.
    """

    def __init__(
        self,
        page: Page,
        *,
        box: Box,
        planes: tuple[tuple[int, ...], ...],
        feather: int,
        classes: ModelSpec | None = None,
        channels: tuple[int, int] | None = None,
        edges: SoftEdges | None = None,
    ) -> None:
        source = page.source
        self.page = page
        self._classes = classes
        self._edges = edges or SoftEdges(0 if classes else feather)
        full: list[tuple[int, int]] = [(0, n) for n in source.shape]
        for axis, index in zip(source.plane_axes, zip(*planes, strict=True), strict=False):
            full[axis] = (min(index), max(index) + 1)
        for axis, span in zip(source.spatial_axes, scaled(box, page.ratio), strict=True):
            full[axis] = span
        if channels is not None:
            full[source.channel_axis] = channels
        self.box: Box = tuple(full)
        self.patch = page.cut(self.box)
        self.clipped = 0
        self.mismatch: float | None = None
        """Largest difference between two tiles until now."""

    @property
    def place(self) -> Place:
        """Where the patch lies."""
        page = self.page
        return Place.of_box(self._box, page.axes, spatial=page.source.spatial, ratio=page.ratio)

    @property
    def _box(self) -> Box:
        """Ranges of the patch, one per axis of the result, result px."""
        axes = zip(self.page.source.axes, self.box, strict=True)
        return tuple(span for letter, span in axes if letter in self.page.axes)

    @property
    def _origin(self) -> tuple[int, ...]:
        """First pixel of the patch, one index per axis of the result, result px."""
        return tuple(a for a, _ in self._box)

    def paint(
        self,
        values: npt.NDArray[np.float32],
        keep: Box,
        *,
        region: Region,
        plane: tuple[int, ...],
        palette: Palette,
        maps: tuple[IntensityMap, ...],
        after: FittedSteps | None = None,
    ) -> list[tuple[Box, npt.NDArray[Any]]]:
        """Paint finished network output over the region's pixels.

        Parameters
        ----------
        values : ndarray, shape (B, *keep shape), float32
            Base channels in the network's range.
        keep : Box
            Where they belong, result px.
        region : Region
            Of this plane; pixels outside it are never touched.
        plane : tuple of int
        palette : Palette
        maps : tuple of IntensityMap
        after : FittedSteps, optional
            A package's steps; then the values are all channels that the network gave.

        Returns
        -------
        list of tuple of Box and ndarray
            The painted box, one range per axis of the result, and a copy of its pixels;
            nothing where the keep box lies outside the patch.
        """
        source = self.page.source
        spatial = tuple(self.box[a] for a in source.spatial_axes)
        common = intersect(keep, scaled(region.box, self.page.ratio))
        common = common and intersect(common, spatial)
        if common is None:
            return []
        inner = values[(slice(None), *slices(common, [a for a, _ in keep]))]
        if after is not None:
            inner = after.apply(inner)
            if self._classes is None:
                inner = palette.collapse(inner)
        new = self._in_image_units(inner, common, plane=plane, palette=palette, maps=maps)
        target, box = self._target(plane, palette, common)
        under = unscaled(common, self.page.ratio)
        inside = resample(region.crop(under), common, self.page.ratio)
        soft = self._edges.of(region)
        if soft is not None:
            weights = resample(soft[slices(under, region.origin)], common, self.page.ratio)
            new = target + weights * (new - target.astype(np.float32))
        final, clipped = to_dtype(new, self.page.dtype)
        self.clipped += int(np.count_nonzero(clipped & inside))
        np.copyto(target, final, where=inside)
        return [(box, self.patch[slices(box, self._origin)].copy())]

    def _in_image_units(
        self,
        values: npt.NDArray[np.float32],
        box: Box,
        *,
        plane: tuple[int, ...],
        palette: Palette,
        maps: tuple[IntensityMap, ...],
    ) -> npt.NDArray[Any]:
        """Return what network output means: enhanced channels, or classes."""
        if self._classes is not None:
            return classify(values, self._classes, probabilities=self.page.dtype.kind == "f")
        pairs = zip(maps, values, strict=not palette.makes_grey)
        base = np.stack([m.backward(v) for m, v in pairs])
        if palette.kind == "luminance":
            return palette.merge(self._raw(plane, palette, box), base)
        return base

    def _raw(self, plane: tuple[int, ...], palette: Palette, box: Box) -> npt.NDArray[Any]:
        """Return the image's channels at the result's pixels, between pixels interpolated."""
        source, ratio = self.page.source, self.page.ratio
        under = unscaled(box, ratio)
        if ratio <= 1:
            return resample(source.read(plane, palette.channels, under), box, ratio)
        around = tuple((a - 1, b + 1) for a, b in under)
        return enlarge(source.read(plane, palette.channels, around), box, ratio.numerator)

    def _target(
        self, plane: tuple[int, ...], palette: Palette, common: Box
    ) -> tuple[npt.NDArray[Any], Box]:
        """Return the (C, ...) view of the patch to paint, and its box in the result's axes."""
        source, page = self.page.source, self.page
        box: dict[str, tuple[int, int]] = {}
        for axis, index in zip(source.plane_axes, plane, strict=True):
            box[source.axes[axis]] = (index, index + 1)
        box.update(zip(source.spatial, common, strict=True))
        if "C" in page.axes:
            box["C"] = (min(palette.channels), max(palette.channels) + 1)
        ordered = tuple(box[letter] for letter in page.axes)
        view = self.patch[slices(ordered, self._origin)]
        picture = [i for i, letter in enumerate(page.axes) if letter in "C" + source.spatial]
        view = view[tuple(slice(None) if i in picture else 0 for i in range(view.ndim))]
        if "C" not in page.axes:
            return view[None], ordered
        return np.moveaxis(view, [page.axes[i] for i in picture].index("C"), 0), ordered


def enlarge(pixels: npt.NDArray[Any], box: Box, factor: int) -> npt.NDArray[np.float32]:
    """Interpolate linearly between pixel centres.

    The weights depend on a pixel's place in the result alone, so that tiles agree to the
    last bit.

    Parameters
    ----------
    pixels : ndarray, shape (C, Y, X)
        The pixels under the box and one more on every side.
    box : Box
        Result px.
    factor : int
        Result pixels per pixel.

    Returns
    -------
    ndarray, shape (C, *box shape), float32
    """
    out = pixels.astype(np.float32)
    for axis, (start, stop) in enumerate(box, start=1):
        index = np.arange(start, stop)
        phase = (2 * (index % factor) + 1 - factor) / (2 * factor)
        under = index // factor - start // factor + 1
        share = np.abs(phase).astype(np.float32)
        share = share.reshape([-1 if a == axis else 1 for a in range(out.ndim)])
        beside = out.take(under + np.sign(phase).astype(int), axis=axis)
        out = out.take(under, axis=axis) * (1 - share) + beside * share
    return out


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """What a run gave.

    Attributes
    ----------
    patch : ndarray, axes `axes`
        The ROI's bounding box (and the planes that were run). Of a result in a store it is read
        where it is sliced.
    place : Place
        Where the patch lies in the image and in the result.
    scale : float
        Output pixels per input pixel, y and x alike.
    report : Report
    seams : tuple of (Box, ndarray)
        Where tiles overlap, (spatial ranges, result px), how much they differ: the largest
        over planes and channels, float32, in units of the network's range.
    stored : array-like or None
        The whole result where it lies in a store; the patch is a part of it then.
    """

    patch: npt.NDArray[Any]
    place: Place
    scale: float
    report: Report
    page: Page
    cropped: bool
    seams: tuple[tuple[Box, npt.NDArray[np.float32]], ...] = ()
    stored: LazyArray | None = None

    @property
    def axes(self) -> str:
        """Letters of the axes: those of the image, without C where colour was made grey."""
        return self.place.axes

    @property
    def start(self) -> tuple[int, ...]:
        """First pixel of the patch in the image, one per axis of `axes`, input px."""
        return self.place.start

    @property
    def offset(self) -> tuple[int, ...]:
        """First pixel of the patch along each spatial axis, input px."""
        return self.place.offset

    @cached_property
    def pixels(self) -> npt.NDArray[Any]:
        """The whole image, the patch composed over its background (for "crop": the patch)."""
        if self.stored is not None:
            return cast("npt.NDArray[Any]", self.stored)
        if self.cropped:
            return self.patch
        whole = self.page.cut(tuple((0, n) for n in self.page.shape))
        whole[slices(self.place.box)] = self.patch
        return whole
