"""Parts: what a region of interest is made of, so that each can be looked at on its own."""

import dataclasses
from collections.abc import Sequence
from typing import Self

from napari_microenhance.engine.region import Region
from napari_microenhance.engine.selection import Selection
from napari_microenhance.errors import RoiError
from napari_microenhance.types import Box

__all__ = ["Part", "Parts"]


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
