"""Stitcher: network outputs in, image pixels out, exact or blended, mismatch measured."""

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.region import Box, slices
from napari_microenhance.engine.tiling import Plan

__all__ = ["Stitcher"]

FloatArray = npt.NDArray[np.float32]


class Stitcher:
    """Puts the tiles of one plane together.

    Tiles must be added in the plan's order: a blended pixel is the sum of its tiles'
    weighted values, in that order, so that the same tiles give the same last bit.

    Parameters
    ----------
    plan : Plan
    neighbours : tuple
        ``plan.neighbours()``, computed once for all planes.
    """

    def __init__(self, plan: Plan, neighbours: tuple[tuple[tuple[int, Box], ...], ...]) -> None:
        self._plan = plan
        self._neighbours = neighbours
        self._shared: dict[tuple[int, int], FloatArray] = {}
        self._sum: FloatArray | None = None
        self._origin = [start for start, _ in plan.domain]
        self.mismatch: float | None = None
        """Largest difference between two tiles over the pixels they share; None: no seam yet."""

    def add(self, index: int, output: FloatArray) -> FloatArray:
        """Add the output of one tile and return the finished pixels of its `keep` box.

        Parameters
        ----------
        index : int
            Of the tile in the plan.
        output : ndarray, shape (C, *tile shape), float32
            In the network's range.

        Returns
        -------
        ndarray, shape (C, *keep shape), float32
        """
        tile = self._plan.tiles[index]
        begin = [start for start, _ in tile.read]
        self._compare(index, output, begin)
        if not self._plan.ramps:
            return output[(slice(None), *slices(tile.keep, begin))]
        if self._sum is None:
            shape = [stop - start for start, stop in self._plan.domain]
            self._sum = np.zeros((len(output), *shape), np.float32)
        inside = (slice(None), *slices(tile.check, begin))
        weighted = output[inside]
        for axis, (ramps, position) in enumerate(zip(self._plan.ramps, tile.grid, strict=True)):
            ramp = ramps[position][inside[axis + 1]]
            weighted = weighted * ramp.reshape([-1 if a == axis else 1 for a in range(len(begin))])
        self._sum[(slice(None), *slices(tile.check, self._origin))] += weighted
        return self._sum[(slice(None), *slices(tile.keep, self._origin))]

    def _compare(self, index: int, output: FloatArray, begin: list[int]) -> None:
        """Compare with the stored strips of earlier tiles and store those for later ones."""
        for earlier, box in self._waiting(index):
            here = output[(slice(None), *slices(box, begin))]
            difference = float(np.abs(self._shared.pop((earlier, index)) - here).max())
            self.mismatch = max(self.mismatch or 0.0, difference)
        for later, box in self._neighbours[index]:
            # A copy, so that the rest of the output is freed.
            self._shared[index, later] = output[(slice(None), *slices(box, begin))].copy()

    def _waiting(self, index: int) -> list[tuple[int, Box]]:
        """Return the earlier tiles that share pixels with this one, and where."""
        return [
            (earlier, next(box for later, box in self._neighbours[earlier] if later == index))
            for earlier, later in self._shared
            if later == index
        ]
