"""Region: which pixels of an image are to be enhanced.

A region lives in image pixels, pixel centres at whole numbers. It holds a mask of
its own bounding box only, so that a small ROI in a slide costs little.
"""

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.filling import checked_vertices, fill_polygon
from napari_microenhance.errors import RoiError
from napari_microenhance.types import Box

__all__ = ["Region", "resample"]

BoolArray = npt.NDArray[np.bool_]


def intersect(a: Box, b: Box) -> Box | None:
    """Return the common part of two boxes, or None."""
    box = tuple((max(p, r), min(q, s)) for (p, q), (r, s) in zip(a, b, strict=True))
    return box if all(start < stop for start, stop in box) else None


def scaled(box: Box, ratio: Fraction) -> Box:
    """Return a box of input pixels in output pixels.

    An output pixel belongs to the input pixel that its first part lies in, so that boxes
    which partition an axis still do.
    """
    if ratio == 1:
        return box
    return tuple((math.ceil(a * ratio), math.ceil(b * ratio)) for a, b in box)


def resample(pixels: npt.NDArray[Any], box: Box, ratio: Fraction) -> npt.NDArray[Any]:
    """Repeat or thin pixels to the output grid.

    Parameters
    ----------
    pixels : ndarray, shape (..., *unscaled(box, ratio) shape)
    box : Box
        Output pixels that are wanted; they give the last axes.
    ratio : Fraction
        Output pixels per input pixel.

    Returns
    -------
    ndarray, shape (..., *box shape)
    """
    if ratio == 1:
        return pixels
    for axis, (start, stop) in enumerate(box, start=pixels.ndim - len(box)):
        if ratio > 1:
            index = np.arange(start, stop) // ratio.numerator - start // ratio.numerator
        else:
            index = np.arange(stop - start) * ratio.denominator
        pixels = pixels.take(index, axis=axis)
    return pixels


def unscaled(box: Box, ratio: Fraction) -> Box:
    """Return the box of input pixels that a box of output pixels is made of."""
    if ratio == 1:
        return box
    return tuple(
        (math.floor(a / ratio), max(math.floor(a / ratio), math.floor((b - 1) / ratio) + 1))
        for a, b in box
    )


def slices(box: Box, origin: Sequence[int] | None = None) -> tuple[slice, ...]:
    """Return the slices of a box in an array that begins at `origin`."""
    shift = origin if origin is not None else [0] * len(box)
    return tuple(slice(a - o, b - o) for (a, b), o in zip(box, shift, strict=True))


@dataclasses.dataclass(frozen=True, eq=False)
class Region:
    """A set of pixels of an image.

    Parameters
    ----------
    shape : tuple of int
        Spatial shape of the image, px.
    box : Box
        Bounding box of the region, inside the image.
    mask : ndarray of bool, shape of the box, or None
        Which pixels of the box belong; None: all of them.
    vertices : tuple of ndarray, shape (N, 2)
        The (y, x) polygons it came from, for the record only.
    """

    shape: tuple[int, ...]
    box: Box
    mask: BoolArray | None = None
    vertices: tuple[npt.NDArray[np.float64], ...] = ()

    @classmethod
    def whole(cls, shape: Sequence[int]) -> Self:
        """Return the region of all pixels."""
        return cls(tuple(shape), tuple((0, n) for n in shape))

    @classmethod
    def from_mask(cls, mask: npt.ArrayLike) -> Self:
        """Return the region of the non-zero pixels of a mask or label image.

        Parameters
        ----------
        mask : array_like of bool or int, spatial shape of the image

        Raises
        ------
        RoiError
            If nothing is selected.
        """
        inside = np.asarray(mask) != 0
        return cls.in_box(inside.shape, tuple((0, n) for n in inside.shape), inside)

    @classmethod
    def from_polygons(cls, polygons: Iterable[npt.ArrayLike], shape: Sequence[int]) -> Self:
        """Return the union of filled polygons, each by the even-odd rule.

        Parameters
        ----------
        polygons : iterable of array_like, shape (N, 2), float
            (y, x) vertices; a pixel is inside when its centre is, edges included.
        shape : sequence of int
            (Y, X) of the image, px.

        Raises
        ------
        RoiError
            If a polygon has fewer than three vertices or a vertex that is not finite,
            or if no pixel of the image is inside.
        """
        height, width = shape
        parts: list[tuple[Box, BoolArray]] = []
        kept: list[npt.NDArray[np.float64]] = []
        for number, polygon in enumerate(polygons, start=1):
            vertices = checked_vertices(polygon, number)
            kept.append(vertices)
            if part := fill_polygon(vertices, (height, width)):
                parts.append(part)
        if not parts:
            raise RoiError(
                f"The ROI selects no pixel of the image of {height} x {width} px; "
                "draw it over the image."
            )
        box = around([part_box for part_box, _ in parts])
        origin = [start for start, _ in box]
        mask = np.zeros([stop - start for start, stop in box], bool)
        for part_box, inside in parts:
            mask[slices(part_box, origin)] |= inside
        region = cls.in_box((height, width), box, mask)
        return dataclasses.replace(region, vertices=tuple(kept))

    @classmethod
    def in_box(cls, shape: Sequence[int], box: Box, mask: BoolArray) -> Self:
        """Return the region of the pixels of a box, its own box as tight as they allow.

        Parameters
        ----------
        shape : sequence of int
            Spatial shape of the image, px.
        box : Box
            Inside the image.
        mask : ndarray of bool, shape of the box

        Raises
        ------
        RoiError
            If nothing is selected.
        """
        if not mask.any():
            raise RoiError("The ROI selects no pixel of the image; draw it over the image.")
        tight = []
        for axis, (start, _) in enumerate(box):
            others = tuple(a for a in range(mask.ndim) if a != axis)
            hit = np.flatnonzero(mask.any(axis=others))
            tight.append((start + int(hit[0]), start + int(hit[-1]) + 1))
        inner = mask[slices(tuple(tight), [start for start, _ in box])]
        return cls(tuple(shape), tuple(tight), None if inner.all() else inner)

    @property
    def origin(self) -> tuple[int, ...]:
        """First pixel of the bounding box."""
        return tuple(start for start, _ in self.box)

    @cached_property
    def pixels(self) -> int:
        """Number of pixels in the region."""
        if self.mask is not None:
            return int(np.count_nonzero(self.mask))
        return int(np.prod([stop - start for start, stop in self.box]))

    def crop(self, box: Box) -> BoolArray:
        """Return which pixels of a box belong; those beyond the image do not.

        Returns
        -------
        ndarray of bool, shape of the box
        """
        inside = np.zeros([stop - start for start, stop in box], bool)
        if common := intersect(box, self.box):
            here = slices(common, [start for start, _ in box])
            inside[here] = True if self.mask is None else self.mask[slices(common, self.origin)]
        return inside

    def cut(self, box: Box) -> "Region | None":
        """Return the part of it in a box; None where there is none."""
        common = intersect(box, self.box)
        if common is None or common == self.box:
            return self if common else None
        if self.mask is None:
            return dataclasses.replace(self, box=common)
        inner = self.mask[slices(common, self.origin)]
        return self.in_box(self.shape, common, inner) if inner.any() else None

    def swept(self, depth: int) -> "Region":
        """Return this region of a plane in every plane of a stack."""
        mask = self.mask
        if mask is not None:
            mask = np.broadcast_to(mask, (depth, *mask.shape))
        shape, box = (depth, *self.shape), ((0, depth), *self.box)
        return dataclasses.replace(self, shape=shape, box=box, mask=mask)

    def dilated(self, px: int) -> "Region":
        """Return the region grown by a square of ``2 * px + 1``, cut at the image border.

        In a volume it grows within the planes.
        """
        if px == 0:
            return self
        from scipy.ndimage import maximum_filter1d

        box = tuple(
            (max(0, a - by), min(n, b + by))
            for (a, b), n, by in zip(
                self.box, self.shape, (0, px, px)[-len(self.shape) :], strict=True
            )
        )
        if self.mask is None:
            return dataclasses.replace(self, box=box)
        grown = self.crop(box).view(np.uint8)
        for axis in (-2, -1):
            grown = maximum_filter1d(grown, 2 * px + 1, axis=axis, mode="constant")
        mask = grown.view(bool)
        return dataclasses.replace(self, box=box, mask=None if mask.all() else mask)

    def weights(self, feather: int) -> npt.NDArray[np.float32] | None:
        """Return the share of the enhanced value for each pixel of the bounding box.

        The weight rises linearly from the ROI's edge over `feather` pixels inwards. The
        image border is no edge. None when `feather` is 0.

        Returns
        -------
        ndarray, shape of the box, float32, range [0, 1]
        """
        if feather == 0:
            return None
        from scipy.ndimage import distance_transform_edt

        around = tuple((a - 1, b + 1) for a, b in self.box)
        inside = self.crop(around)
        for axis, ((a, b), n) in enumerate(zip(self.box, self.shape, strict=True)):
            first, last = np.moveaxis(inside, axis, 0)[[0, -1]]
            if a == 0:
                first[...] = True
            if b == n:
                last[...] = True
            np.moveaxis(inside, axis, 0)[[0, -1]] = first, last
        if inside.all():
            return np.ones([b - a for a, b in self.box], np.float32)
        distance = distance_transform_edt(inside)[tuple(slice(1, -1) for _ in self.box)]
        return np.asarray(np.minimum(1, distance / (feather + 1)), np.float32)

    @cached_property
    def digest(self) -> str:
        """What tells it from regions of other pixels: a SHA-256 of its box and what lies in it."""
        inside = np.packbits(self.crop(self.box)).tobytes()
        return hashlib.sha256(repr((self.shape, self.box)).encode() + inside).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return the region as plain JSON: polygons where it has them, else runs.

        Runs are (start, length) pairs over the box in C order.
        """
        section: dict[str, Any] = {
            "pixels": self.pixels,
            "box": [list(r) for r in self.box],
            "whole_image": self.mask is None
            and all(r == (0, n) for r, n in zip(self.box, self.shape, strict=True)),
        }
        if self.vertices:
            section["vertices"] = [v.tolist() for v in self.vertices]
        elif self.mask is not None:
            flat = np.concatenate([[0], self.mask.ravel().view(np.int8), [0]])
            edges = np.flatnonzero(np.diff(flat))
            section["runs"] = np.stack([edges[::2], edges[1::2] - edges[::2]], axis=1).tolist()
            section["runs_sha256"] = hashlib.sha256(np.packbits(self.mask).tobytes()).hexdigest()
        return section


def around(boxes: Sequence[Box]) -> Box:
    """Return the smallest box that holds all of some boxes, at least one."""
    return tuple(
        (min(start for start, _ in spans), max(stop for _, stop in spans))
        for spans in zip(*boxes, strict=True)
    )


def union(regions: Sequence[Region]) -> Region:
    """Return the union of regions of one image, at least one and one pixel.

    Raises
    ------
    RoiError
        If nothing is selected.
    """
    if len(regions) == 1:
        return regions[0]
    box = around([region.box for region in regions])
    origin = [start for start, _ in box]
    mask = np.zeros([stop - start for start, stop in box], bool)
    for region in regions:
        mask[slices(region.box, origin)] |= True if region.mask is None else region.mask
    return Region.in_box(regions[0].shape, box, mask)
