"""Selection: which pixels of which planes of an image are to be enhanced.

Most regions count for every plane of a stack. Where regions of interest lie on planes of
their own, planes with the same regions share one `Region`, and planes without any are left
as they are.
"""

import dataclasses
import hashlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.region import BoolArray, Region, union
from napari_microenhance.errors import RoiError
from napari_microenhance.types import Box

__all__ = ["PlacedPixels", "Selection"]

Cell = tuple[tuple[int, ...], int | None]
"""Index of a plane along the plane axes, and of a channel; None: every channel."""

Indices = Mapping[str, tuple[int, ...]]


@dataclasses.dataclass(frozen=True, eq=False)
class PlacedPixels:
    """Pixels that one region of interest marks, and where it counts.

    Parameters
    ----------
    box : Box
        Spatial ranges inside the image, px.
    mask : ndarray of bool, shape of the box, or None
        None: all of them.
    indices : mapping of str to tuple of int
        Axis letter -> indices that it counts for; an absent letter stands for all.
    """

    box: Box
    mask: BoolArray | None = None
    indices: Indices = dataclasses.field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether no pixel is marked."""
        return self.mask is not None and not self.mask.any()

    @cached_property
    def digest(self) -> bytes:
        """What is the same for the same pixels."""
        pixels = b"" if self.mask is None else np.packbits(self.mask).tobytes()
        return hashlib.sha256(repr(self.box).encode() + pixels).digest()


@dataclasses.dataclass(frozen=True, eq=False)
class Selection:
    """The region of each plane of an image.

    Parameters
    ----------
    regions : tuple of Region
        Of one spatial shape.
    cells : mapping of Cell to int, or None
        Which region counts for a plane (and a channel); a plane that is absent is left as it
        is. None: the only region counts for every plane.
    axes : str
        Letters of the plane axes, in the order of a cell's indices.
    vertices : tuple of ndarray, shape (N, 2)
        The (y, x) polygons that regions of their own planes came from, for the record.
    indices : tuple of mapping
        For each polygon, the indices that it counts for.
    """

    regions: tuple[Region, ...]
    cells: Mapping[Cell, int] | None = None
    axes: str = ""
    vertices: tuple[npt.NDArray[np.float64], ...] = ()
    indices: tuple[Indices, ...] = ()

    @classmethod
    def everywhere(cls, region: Region) -> Self:
        """Return the selection of one region in every plane."""
        return cls((region,))

    @classmethod
    def of(cls, given: "Region | Selection") -> "Selection":
        """Return a selection; a region counts for every plane."""
        return given if isinstance(given, Selection) else cls.everywhere(given)

    @classmethod
    def placed(
        cls,
        parts: Sequence[PlacedPixels],
        shape: Sequence[int],
        planes: Mapping[str, int],
        *,
        channels: int = 1,
    ) -> Self:
        """Return the union of regions, each on its own planes.

        Parameters
        ----------
        parts : sequence of PlacedPixels
            Indices are of the letters of `planes`, of "C", and of "Z" where the spatial axes
            have it.
        shape : sequence of int
            Spatial shape of the image, (Y, X) or (Z, Y, X), px.
        planes : mapping of str to int
            Letter and length of each plane axis, in the image's order.
        channels : int
            Of the image.

        Raises
        ------
        RoiError
            If nothing is selected.
        """
        parts = [part for part in parts if not part.is_empty]
        if not parts:
            raise RoiError("The ROI selects no pixel of the image; draw it over the image.")
        if len(shape) > 2:
            parts = [p if len(p.box) > 2 else _in_volume(p, shape[0]) for p in parts]
        by_channel = any("C" in part.indices for part in parts)
        lengths = {**planes, **({"C": channels} if by_channel else {})}
        common = [part for part in parts if not part.indices.keys() & lengths.keys()]
        own = defaultdict[tuple[int, ...], list[PlacedPixels]](list)
        for part in parts:
            if part.indices.keys() & lengths.keys():
                ranges = [part.indices.get(a, tuple(range(n))) for a, n in lengths.items()]
                for place in itertools.product(*ranges):
                    own[place].append(part)
        if not own:
            return cls.everywhere(_joined(parts, shape))
        everywhere = itertools.product(*map(range, lengths.values())) if common else iter(own)
        numbers: dict[frozenset[bytes], int] = {}
        regions: list[Region] = []
        cells: dict[Cell, int] = {}
        for place in sorted(everywhere):
            members = [*common, *own.get(place, [])]
            alike = frozenset(part.digest for part in members)
            if alike not in numbers:
                numbers[alike] = len(regions)
                regions.append(_joined(members, shape))
            cell = (place[:-1], place[-1]) if by_channel else (place, None)
            cells[cell] = numbers[alike]
        return cls(tuple(regions), cells, "".join(planes))

    @property
    def footprint(self) -> Region:
        """What any plane holds, as one region."""
        return self.regions[0] if len(self.regions) == 1 else self._union

    @cached_property
    def _union(self) -> Region:
        """The union of all regions."""
        return union(self.regions)

    @property
    def by_channel(self) -> bool:
        """Whether some regions count for one channel and not for another."""
        return self.cells is not None and any(channel is not None for _, channel in self.cells)

    def at(self, plane: Sequence[int], channels: Sequence[int] = ()) -> Region | None:
        """Return the region of a plane, of channels that the network sees together.

        Parameters
        ----------
        plane : sequence of int
            One index per plane axis.
        channels : sequence of int
            A region counts for them when it counts for one.

        Returns
        -------
        Region or None
            None where the plane is left as it is.
        """
        if self.cells is None:
            return self.regions[0]
        cells = self.cells
        keys = [(tuple(plane), channel) for channel in (None, *channels)]
        numbers = tuple(dict.fromkeys(cells[key] for key in keys if key in cells))
        if len(numbers) < 2:
            return self.regions[numbers[0]] if numbers else None
        if numbers not in self._mixed:
            self._mixed[numbers] = union([self.regions[n] for n in numbers])
        return self._mixed[numbers]

    @cached_property
    def _mixed(self) -> dict[tuple[int, ...], Region]:
        """Regions of channels that are seen together, made where they are asked for."""
        return {}

    def mapped(self, change: Callable[[Region], Region | None]) -> "Selection | None":
        """Return the selection with every region changed; None where nothing is left.

        Parameters
        ----------
        change : callable
            From a region to the region in its place, or None where nothing of it is left.
        """
        changed = [change(region) for region in self.regions]
        left = tuple(region for region in changed if region is not None)
        if not left:
            return None
        kept = [number for number, region in enumerate(changed) if region is not None]
        cells = self.cells and {
            cell: kept.index(number) for cell, number in self.cells.items() if number in kept
        }
        return Selection(left, cells, self.axes)

    def within(self, box: Box, planes: Box) -> "Selection | None":
        """Return what lies inside a part of the image, as a selection of that part.

        Parameters
        ----------
        box : Box
            Spatial ranges, px.
        planes : Box
            Of the plane axes.

        Returns
        -------
        Selection or None
            None where nothing of it lies there.
        """
        shape = tuple(stop - start for start, stop in box)

        def cut(region: Region) -> Region | None:
            if region.mask is None and region.box == box:
                return Region.whole(shape)
            inside = region.crop(box)
            return Region.from_mask(inside) if inside.any() else None

        kept = self
        if self.cells is not None:
            cells = {
                (tuple(i - a for i, (a, _) in zip(plane, planes, strict=True)), channel): number
                for (plane, channel), number in self.cells.items()
                if all(a <= i < b for i, (a, b) in zip(plane, planes, strict=True))
            }
            kept = dataclasses.replace(self, cells=cells)
        return kept.mapped(cut) if kept.cells is None or kept.cells else None

    def dilated(self, px: int) -> "Selection":
        """Return the selection with every region grown, as `Region.dilated` does."""
        if px == 0:
            return self
        grown = tuple(region.dilated(px) for region in self.regions)
        return dataclasses.replace(self, regions=grown)

    def to_dict(self) -> dict[str, Any]:
        """Return the selection as plain JSON.

        One region in every plane is recorded as that region. Else polygons have a list of as
        many ``planes`` beside them ({} counts for every plane), and masks become ``groups``,
        each with its box, its runs and the ``planes`` it counts for.
        """
        if self.cells is None:
            return self.regions[0].to_dict()
        section: dict[str, Any] = {
            "pixels": self.pixels,
            "box": [list(span) for span in self.footprint.box],
            "whole_image": False,
            "axes": self.axes,
        }
        if self.vertices:
            section["vertices"] = [v.tolist() for v in self.vertices]
            section["planes"] = [{k: list(v) for k, v in i.items()} for i in self.indices]
            return section
        places = defaultdict[int, list[dict[str, int]]](list)
        for (plane, channel), number in self.cells.items():
            place = dict(zip(self.axes, plane, strict=True))
            places[number].append(place if channel is None else {**place, "C": channel})
        groups = [{**r.to_dict(), "planes": places[n]} for n, r in enumerate(self.regions)]
        return {**section, "groups": groups}

    @property
    def pixels(self) -> int:
        """Number of pixels: of one plane where all are alike, else of all planes together."""
        if self.cells is None:
            return self.regions[0].pixels
        return sum(self.regions[number].pixels for number in self.cells.values())


def _in_volume(part: PlacedPixels, depth: int) -> PlacedPixels:
    """Return pixels of a plane in the planes of a volume that they count for."""
    indices = dict(part.indices)
    planes = indices.pop("Z", tuple(range(depth)))
    first, last = min(planes), max(planes) + 1
    box = ((first, last), *part.box)
    if part.mask is None and len(planes) == last - first:
        return PlacedPixels(box, None, indices)
    mask = np.zeros([b - a for a, b in box], bool)
    mask[[p - first for p in planes]] = True if part.mask is None else part.mask
    return PlacedPixels(box, mask, indices)


def _joined(parts: Sequence[PlacedPixels], shape: Sequence[int]) -> Region:
    """Return the union of pixels of one plane."""
    return union([Region(tuple(shape), part.box, part.mask) for part in parts])
