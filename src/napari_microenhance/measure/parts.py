"""Parts: what a region of interest is made of, so that each can be looked at on its own."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.filling import fill_polygon
from napari_microenhance.engine.region import Region, slices
from napari_microenhance.engine.selection import Selection
from napari_microenhance.errors import RoiError
from napari_microenhance.types import Box

__all__ = ["Part", "Parts"]

NEIGHBOURS = 3
"""Edge of the square in which pixels of a mask belong together."""


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """A named region.

    Parameters
    ----------
    name : str
    region : Selection
    """

    name: str
    region: Selection


@dataclasses.dataclass(frozen=True, eq=False)
class Parts:
    """A region of interest and its parts.

    Parameters
    ----------
    whole : Selection
        The union of the parts.
    each : tuple of Part
        Polygons, labels, or the pieces of a mask; empty where there is only the whole.
    """

    whole: Selection
    each: tuple[Part, ...] = ()

    @classmethod
    def of_image(cls, shape: Sequence[int]) -> Self:
        """Return the whole image as a region without parts."""
        return cls(Selection.everywhere(Region.whole(shape)))

    @classmethod
    def of_polygons(cls, polygons: Iterable[npt.ArrayLike], shape: tuple[int, int]) -> Self:
        """Return one part per polygon; those beside the image are left out.

        Parameters
        ----------
        polygons : iterable of array_like, shape (N, 2)
            (y, x), px, pixel centres at whole numbers.
        shape : tuple of int
            (Y, X) of the image, px.

        Raises
        ------
        RoiError
            If a polygon is none, or no pixel is inside.
        """
        outlines = [np.asarray(polygon) for polygon in polygons]
        whole = Region.from_polygons(outlines, shape)
        each = []
        for number, outline in enumerate(whole.vertices, start=1):
            if _meets(outline, shape):
                one = Region.from_polygons([outline], shape)
                each.append(Part(str(number), Selection.everywhere(one)))
        return cls(Selection.everywhere(whole), tuple(each))

    @classmethod
    def of_mask(cls, mask: npt.NDArray[Any]) -> Self:
        """Return one part per label, or per connected piece of a boolean mask.

        Parameters
        ----------
        mask : ndarray of bool or int, spatial shape of the image
            Pieces that touch at a corner belong together.

        Raises
        ------
        RoiError
            If nothing is selected.
        """
        from scipy import ndimage

        whole = Region.from_mask(mask)
        labels = mask
        if mask.dtype == bool:
            labels, _ = ndimage.label(mask, np.ones((NEIGHBOURS,) * mask.ndim))
        inner = labels[slices(whole.box)]
        values, numbers = np.unique(inner, return_inverse=True)
        found = ndimage.find_objects(numbers.reshape(inner.shape) + 1)
        each = []
        for value, place in zip(values, found, strict=True):
            if value:
                inside = inner[place] == value
                origins = zip(place, whole.origin, strict=True)
                box = tuple((part.start + o, part.stop + o) for part, o in origins)
                region = Region(mask.shape, box, None if inside.all() else inside)
                each.append(Part(str(value), Selection.everywhere(region)))
        return cls(Selection.everywhere(whole), tuple(each))

    def dilated(self, px: int) -> Self:
        """Return the region and its parts grown as `Options.dilate` does."""
        each = tuple(Part(part.name, part.region.dilated(px)) for part in self.each)
        return type(self)(self.whole.dilated(px), each)

    def within(self, box: Box, planes: Box = ()) -> Self:
        """Return what lies inside a part of the image, as regions of that part.

        Parameters
        ----------
        box : Box
            Spatial ranges, px.
        planes : Box
            Of the plane axes.

        Raises
        ------
        RoiError
            If nothing of it lies there.
        """
        inside = [(part.name, part.region.within(box, planes)) for part in self.each]
        whole = self.whole.within(box, planes)
        if whole is None:
            raise RoiError("The ROI selects no pixel of the image; draw it over the image.")
        return type(self)(whole, tuple(Part(name, left) for name, left in inside if left))


def _meets(outline: npt.NDArray[np.float64], shape: tuple[int, int]) -> bool:
    """Tell whether a polygon selects a pixel of the image."""
    found = fill_polygon(outline, shape)
    return found is not None and bool(found[1].any())
