"""Orientation: an image flipped, turned and cut, seen through without a copy."""

import dataclasses
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.region import Region
from napari_microenhance.engine.selection import Selection
from napari_microenhance.types import Box, LazyArray

__all__ = ["EIGHT", "FOUR", "Orientation", "OrientedArray"]


@dataclasses.dataclass(frozen=True)
class Orientation:
    """One of the ways to lay a plane, without its first rows and columns.

    Parameters
    ----------
    turned : bool
        Whether Y and X are exchanged, before anything else.
    flip_y, flip_x : bool
        Whether the axis runs backwards, of the plane as it lies then.
    skip : tuple of int
        Rows and columns that are left out at the beginning, px.
    """

    turned: bool = False
    flip_y: bool = False
    flip_x: bool = False
    skip: tuple[int, int] = (0, 0)

    def shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return the (Y, X) of the view of a plane."""
        height, width = shape[::-1] if self.turned else shape
        return height - self.skip[0], width - self.skip[1]

    def box(self, box: Box, shape: tuple[int, int]) -> Box:
        """Return where a (Y, X) box of a plane lies in the view; perhaps beyond its beginning."""
        lengths = shape[::-1] if self.turned else shape
        found = []
        flips = (self.flip_y, self.flip_x)
        for (a, b), n, flip, skip in zip(
            box[::-1] if self.turned else box, lengths, flips, self.skip, strict=True
        ):
            start, stop = (n - b, n - a) if flip else (a, b)
            found.append((start - skip, stop - skip))
        return tuple(found)

    def box_back(self, box: Box, shape: tuple[int, int]) -> Box:
        """Return where a (Y, X) box of the view lies in the plane."""
        lengths = shape[::-1] if self.turned else shape
        flips = (self.flip_y, self.flip_x)
        found = []
        for (a, b), n, flip, skip in zip(box, lengths, flips, self.skip, strict=True):
            start, stop = a + skip, b + skip
            found.append((n - stop, n - start) if flip else (start, stop))
        return tuple(found[::-1] if self.turned else found)

    def _flipped(self, axes: tuple[int, int]) -> tuple[int, ...]:
        """Return those of Y and X that run backwards."""
        return tuple(a for a, flip in zip(axes, (self.flip_y, self.flip_x), strict=True) if flip)

    def lay(self, pixels: npt.NDArray[Any], axes: tuple[int, int]) -> npt.NDArray[Any]:
        """Return pixels turned and flipped; `skip` is not applied.

        Parameters
        ----------
        pixels : ndarray
        axes : tuple of int
            Its Y and X.
        """
        if self.turned:
            pixels = np.swapaxes(pixels, *axes)
        flipped = self._flipped(axes)
        return np.flip(pixels, flipped) if flipped else pixels

    def lay_back(self, pixels: npt.NDArray[Any], axes: tuple[int, int]) -> npt.NDArray[Any]:
        """Return pixels of the view as they lie in the plane."""
        flipped = self._flipped(axes)
        pixels = np.flip(pixels, flipped) if flipped else pixels
        return np.swapaxes(pixels, *axes) if self.turned else pixels

    def region(self, region: Region) -> Region | None:
        """Return a region as it lies in the view; None where nothing of it is left."""
        height, width = region.shape[-2:]
        shape = self.shape((height, width))
        around = self.box(region.box[-2:], (height, width))
        mask = region.crop(region.box)
        inside = self.lay(mask, (mask.ndim - 2, mask.ndim - 1))
        cut = tuple((max(0, a), b) for a, b in around)
        if any(a >= b for a, b in cut):
            return None
        inside = inside[..., cut[0][0] - around[0][0] :, cut[1][0] - around[1][0] :]
        if not inside.any():
            return None
        box = (*region.box[:-2], *cut)
        return Region((*region.shape[:-2], *shape), box, None if inside.all() else inside)

    def selection(self, selection: Selection) -> Selection | None:
        """Return a selection as it lies in the view; None where nothing of it is left."""
        return selection.mapped(self.region)


def _all(count: int) -> tuple[Orientation, ...]:
    """Return the first orientations, the one that changes nothing first."""
    return tuple(Orientation(i >= 4, bool(i & 2), bool(i & 1)) for i in range(count))


EIGHT: Final = _all(8)
"""All flips and quarter turns."""

FOUR: Final = _all(4)
"""Those that keep the lengths of Y and X."""


class OrientedArray:
    """An array-like, read through an orientation.

    Parameters
    ----------
    data : array-like
    axes : tuple of int
        Its Y and X.
    orientation : Orientation
    """

    def __init__(self, data: LazyArray, axes: tuple[int, int], orientation: Orientation) -> None:
        self._data, self._axes, self._lay = data, axes, orientation
        y, x = axes
        self._plane = (int(data.shape[y]), int(data.shape[x]))
        shape = [int(n) for n in data.shape]
        shape[y], shape[x] = orientation.shape(self._plane)
        self.shape = tuple(shape)
        self.dtype = np.dtype(data.dtype)

    def __getitem__(self, key: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        """Return the pixels that one int or slice per axis name; slices along Y and X."""
        wanted = [key[axis] for axis in self._axes]
        spans: list[tuple[int, int]] = []
        steps: list[int] = []
        for part, axis in zip(wanted, self._axes, strict=True):
            if not isinstance(part, slice):
                raise TypeError("A view is read by slices along Y and X.")
            start, stop, step = part.indices(self.shape[axis])
            # Up to the last pixel that is read: from there the way back begins.
            read = range(start, stop, step)
            spans.append((start, read[-1] + 1 if read else start))
            steps.append(step)
        (y0, y1), (x0, x1) = self._lay.box_back(tuple(spans), self._plane)
        if self._lay.turned:
            steps.reverse()
        full = list(key)
        full[self._axes[0]] = slice(y0, y1, steps[0])
        full[self._axes[1]] = slice(x0, x1, steps[1])
        pixels = np.asanyarray(self._data[tuple(full)])
        dropped = [i for i, part in enumerate(key) if not isinstance(part, slice)]
        y, x = (axis - sum(d < axis for d in dropped) for axis in self._axes)
        return self._lay.lay(pixels, (y, x))
