"""Axis: how far reads must reach along one axis, in integers only."""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.spec import SizeRule
from napari_microenhance.errors import TilePlanError

__all__ = ["Axis", "plan_axis"]

IntArray = npt.NDArray[np.int64]

SEAM_PX = 1
"""Trusted pixels beyond a kept edge, on either side of a seam: two tiles share two."""


@dataclasses.dataclass(frozen=True)
class Axis:
    """How tiles may lie along one axis of an image.

    Parameters
    ----------
    length : int
        Of the image, px.
    size : SizeRule
        Lengths the network accepts.
    tile : int
        Longest read allowed, px.
    halo : int
        Real pixels that a kept pixel needs on either side, px.
    shift : int
        Reads start at multiples of it, px.
    lost : tuple of int
        Pixels before and after that valid convolutions take away; at the image border
        that many are mirrored, so reads begin as early as ``-lost[0]``.
    """

    length: int
    size: SizeRule
    tile: int
    halo: int
    shift: int = 1
    lost: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if self.size.fixed is not None and self.tile != self.size.fixed:
            raise TilePlanError(
                f"tile={self.tile} px does not fit the model, which takes only "
                f"{self.size.fixed} px; leave tile on auto."
            )
        if self.padded > self.tile and self.tile <= 2 * self.halo:
            raise TilePlanError(
                f"tile={self.tile} px leaves no room between two halos of {self.halo} px; use "
                f"a tile of at least {2 * self.halo + self.shift} px or a smaller halo."
            )

    @property
    def padded(self) -> int:
        """Length of the image with what the network loses and the size rule forces, px."""
        length = self.length + sum(self.lost)
        if self.size.fixed is None:
            return self.size.round_up(length)
        over = max(0, length - self.size.fixed)
        return self.size.fixed + -(-over // self.shift) * self.shift

    @property
    def margin(self) -> int:
        """Pixels read beyond a kept edge: the halo and, where it fits, the seam pixel."""
        margin = self.halo + SEAM_PX
        return margin if self.tile > 2 * margin + self.shift else self.halo

    def read(self, start: npt.ArrayLike, stop: npt.ArrayLike) -> tuple[IntArray, IntArray]:
        """Return the reads that give kept ranges, as short as the rules allow.

        Parameters
        ----------
        start, stop : array_like of int
            Kept ranges, inside the image, px.

        Returns
        -------
        tuple of ndarray of int
            (start, stop) of the reads, inside ``-lost[0] .. padded - lost[0]``. They may be
            longer than the tile; the caller must split such ranges.
        """
        before, _ = self.lost
        begin, end = self._read(
            np.maximum(np.asarray(start, np.int64) + before - self.margin, 0),
            np.minimum(np.asarray(stop, np.int64) + before + self.margin, self.padded),
        )
        return begin - before, end - before

    def _read(self, first: IntArray, last: IntArray) -> tuple[IntArray, IntArray]:
        """Return reads that hold first .. last, counted from the padded start."""
        begin = first // self.shift * self.shift
        if self.size.fixed is not None:
            begin = np.minimum(begin, self.padded - self.size.fixed)
            end = begin + self.size.fixed
            # A range that does not fit is shown by a read longer than the tile.
            needed = np.minimum(last, self.length + sum(self.lost))
            return begin, np.where(end < needed, end + self.tile, end)
        need = np.maximum(last - begin - self.size.minimum, 0)
        end = begin + self.size.minimum + -(-need // self.size.step) * self.size.step
        beyond = (end > self.padded) | (last >= self.padded)
        both = math.lcm(self.shift, self.size.step)
        anchored = first // both * both
        anchored = np.where(self.padded - anchored < self.size.minimum, 0, anchored)
        return np.where(beyond, anchored, begin), np.where(beyond, self.padded, end)


def plan_axis(axis: Axis, start: int, stop: int) -> tuple[tuple[int, int], ...]:
    """Cut a kept range into the fewest even parts whose reads fit the tile.

    Parameters
    ----------
    axis : Axis
    start, stop : int
        The range to keep, inside the image, px.

    Returns
    -------
    tuple of tuple of int
        (start, stop) of the parts; they partition the range.

    Raises
    ------
    TilePlanError
        If no part of at least one pixel fits.
    """
    length = stop - start
    for parts in range(max(1, length // axis.tile), length + 1):
        edges = start + np.arange(parts + 1) * length // parts
        begin, end = axis.read(edges[:-1], edges[1:])
        if int((end - begin).max()) <= axis.tile:
            return tuple(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    raise TilePlanError(
        f"tile={axis.tile} px cannot hold a halo of {axis.halo} px with starts at multiples "
        f"of {axis.shift} px; use a larger tile."
    )
