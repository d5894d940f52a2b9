"""Result: enhanced pixels over a background, and the canvas they are painted on."""

import dataclasses
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.intensity import REC601, IntensityMap, Palette, to_dtype
from napari_microenhance.engine.region import Box, Region, intersect, slices
from napari_microenhance.engine.report import Report
from napari_microenhance.engine.source import Source

__all__ = ["Canvas", "Result"]


@dataclasses.dataclass(frozen=True)
class Page:
    """What a result shows where nothing was enhanced: the image itself or one value."""

    source: Source
    dtype: np.dtype[Any]
    grey: bool
    value: float | None = None

    @property
    def axes(self) -> str:
        """Axes of the result: those of the image, without C where it is made grey."""
        return self.source.axes.replace("C", "") if self.grey else self.source.axes

    def cut(self, box: Box) -> npt.NDArray[Any]:
        """Return a fresh copy of a box (one range per image axis) of the page."""
        raw = np.asarray(self.source.data[tuple(slice(a, b) for a, b in box)])
        if self.grey:
            luma = np.tensordot(raw[..., :3].astype(np.float32), REC601, axes=1)
            page, _ = to_dtype(luma, self.dtype)
        else:
            page = raw.astype(self.dtype, copy=True)
        if self.value is not None:
            # Alpha is copied whatever the page shows.
            colour = page[..., :3] if self.source.is_colour and not self.grey else page
            colour[...] = np.asarray(self.value).astype(self.dtype)
        return page


class Canvas:
    """The patch of a result while it is painted, plane by plane and tile by tile.

    Parameters
    ----------
    page : Page
    region : Region
        Pixels outside it are never touched.
    box : Box
        (Y, X) ranges of the patch, px.
    planes : tuple of tuple of int
        Planes that will be painted; the patch spans them.
    feather : int
    """

    def __init__(
        self,
        page: Page,
        region: Region,
        *,
        box: Box,
        planes: tuple[tuple[int, ...], ...],
        feather: int,
    ) -> None:
        source = page.source
        self.page = page
        self._region = region
        self._weights = region.weights(feather)
        full: list[tuple[int, int]] = [(0, n) for n in source.shape]
        for axis, index in zip(source.plane_axes, zip(*planes, strict=True), strict=False):
            full[axis] = (min(index), max(index) + 1)
        for axis, span in zip(source.spatial_axes, box, strict=True):
            full[axis] = span
        self.box: Box = tuple(full)
        self.patch = page.cut(self.box)
        self.clipped = 0

    @property
    def start(self) -> tuple[int, ...]:
        """First pixel of the patch, one index per axis of the result."""
        axes = zip(self.page.source.axes, self.box, strict=True)
        return tuple(a for letter, (a, _) in axes if letter in self.page.axes)

    def paint(
        self,
        values: npt.NDArray[np.float32],
        keep: Box,
        *,
        plane: tuple[int, ...],
        palette: Palette,
        maps: tuple[IntensityMap, ...],
    ) -> tuple[Box, npt.NDArray[Any]] | None:
        """Paint finished network output over the region's pixels.

        Parameters
        ----------
        values : ndarray, shape (B, *keep shape), float32
            Base channels in the network's range.
        keep : Box
            Where they belong, image px.
        plane : tuple of int
        palette : Palette
        maps : tuple of IntensityMap

        Returns
        -------
        tuple of Box and ndarray, or None
            The painted box, one range per axis of the result, and a copy of its pixels;
            None where the keep box lies outside the patch.
        """
        source = self.page.source
        spatial = tuple(self.box[a] for a in source.spatial_axes)
        common = intersect(keep, spatial)
        if common is None:
            return None
        inner = values[(slice(None), *slices(common, [a for a, _ in keep]))]
        base = np.stack([m.backward(v) for m, v in zip(maps, inner, strict=True)])
        new = base
        if palette.kind == "luminance":
            new = palette.merge(source.read(plane, palette.channels, common), base)
        target, box = self._target(plane, palette, common)
        inside = self._region.crop(common)
        if self._weights is not None:
            weights = self._weights[slices(common, self._region.origin)]
            new = target + weights * (new - target.astype(np.float32))
        final, clipped = to_dtype(new, self.page.dtype)
        self.clipped += int(np.count_nonzero(clipped & inside))
        np.copyto(target, final, where=inside)
        return box, self.patch[slices(box, self.start)].copy()

    def _target(
        self, plane: tuple[int, ...], palette: Palette, common: Box
    ) -> tuple[npt.NDArray[Any], Box]:
        """Return the (C, Y, X) view of the patch to paint, and its box in the result's axes."""
        source, page = self.page.source, self.page
        box: dict[str, tuple[int, int]] = {}
        for axis, index in zip(source.plane_axes, plane, strict=True):
            box[source.axes[axis]] = (index, index + 1)
        box["Y"], box["X"] = common
        if "C" in page.axes:
            box["C"] = (min(palette.channels), max(palette.channels) + 1)
        ordered = tuple(box[letter] for letter in page.axes)
        view = self.patch[slices(ordered, self.start)]
        picture = [i for i, letter in enumerate(page.axes) if letter in "CYX"]
        view = view[tuple(slice(None) if i in picture else 0 for i in range(view.ndim))]
        if "C" not in page.axes:
            return view[None], ordered
        return np.moveaxis(view, [page.axes[i] for i in picture].index("C"), 0), ordered


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """What a run gave.

    Attributes
    ----------
    patch : ndarray, axes `axes`
        The ROI's bounding box (and the planes that were run).
    start : tuple of int
        First pixel of the patch in the image, one per axis of `axes`.
    axes : str
        Those of the image, without C where a colour image was made grey.
    scale : float
        Output pixels per input pixel, y and x alike.
    report : Report
    """

    patch: npt.NDArray[Any]
    start: tuple[int, ...]
    axes: str
    scale: float
    report: Report
    page: Page
    cropped: bool

    @property
    def offset(self) -> tuple[int, ...]:
        """First pixel of the patch along Y and X, input px."""
        return tuple(s for s, a in zip(self.start, self.axes, strict=True) if a in "YX")

    @cached_property
    def pixels(self) -> npt.NDArray[Any]:
        """The whole image, the patch composed over its background (for "crop": the patch)."""
        if self.cropped:
            return self.patch
        whole = self.page.cut(tuple((0, n) for n in self.page.source.shape))
        here = tuple(slice(s, s + n) for s, n in zip(self.start, self.patch.shape, strict=True))
        whole[here] = self.patch
        return whole
