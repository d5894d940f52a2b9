"""Stitcher: network outputs in, image pixels out, exact or blended, mismatch measured."""

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.region import scaled, slices
from napari_microenhance.engine.tiles.tiling import Plan
from napari_microenhance.types import Box

__all__ = ["Seams", "Stitcher"]

FloatArray = npt.NDArray[np.float32]


class Seams:
    """How much neighbouring tiles differ, wherever two of them are trusted for a pixel.

    One plane's worth of memory at most: of several planes or channels the largest
    difference is kept.
    """

    def __init__(self) -> None:
        self._parts: dict[Box, FloatArray] = {}

    def add(self, box: Box, difference: FloatArray) -> None:
        """Note a comparison.

        Parameters
        ----------
        box : Box
            Spatial ranges, result px.
        difference : ndarray, shape (C, *box shape), float32
            Absolute, in units of the network's range.
        """
        largest = difference.max(axis=0)
        known = self._parts.get(box)
        self._parts[box] = largest if known is None else np.maximum(known, largest)

    @property
    def parts(self) -> tuple[tuple[Box, FloatArray], ...]:
        """Each box of shared pixels with its differences, shape of the box."""
        return tuple(self._parts.items())


class Stitcher:
    """Puts the tiles of one plane together.

    Tiles must be added in the plan's order: a blended pixel is the sum of its tiles'
    weighted values, in that order, so that the same tiles give the same last bit. Of these sums
    only the rows that a tile reaches are kept.

    Parameters
    ----------
    plan : Plan
    neighbours : tuple
        ``plan.neighbours()``, computed once for all planes.
    seams : Seams, optional
        Told about every comparison; may be shared by several planes.
    """

    def __init__(
        self,
        plan: Plan,
        neighbours: tuple[tuple[tuple[int, Box], ...], ...],
        seams: Seams | None = None,
    ) -> None:
        self._plan = plan
        self._neighbours = neighbours
        self._seams = seams
        self._shared: dict[tuple[int, int], FloatArray] = {}
        self._sum: FloatArray | None = None
        self._origin = [0] * len(plan.domain)
        self.mismatch: float | None = None
        """Largest difference between two tiles over the pixels they share; None: no seam yet."""

    def add(self, index: int, output: FloatArray) -> FloatArray:
        """Add the output of one tile and return the finished pixels of its `keep` box.

        Parameters
        ----------
        index : int
            Of the tile in the plan.
        output : ndarray, shape (C, ...), float32
            In the network's range, output pixels.

        Returns
        -------
        ndarray, shape (C, ...), float32
            The output pixels of its `keep` box.
        """
        tile = self._plan.tiles[index]
        keep = scaled(tile.keep, self._plan.ratio)
        check = scaled(tile.check, self._plan.ratio)
        self._compare(index, output)
        if not self._plan.ramps:
            return output[(slice(None), *slices(keep, tile.output))]
        inside = (slice(None), *slices(check, tile.output))
        weighted = output[inside]
        for axis, (ramps, position) in enumerate(zip(self._plan.ramps, tile.grid, strict=True)):
            ramp = ramps[position][inside[axis + 1]]
            weighted = weighted * ramp.reshape([-1 if a == axis else 1 for a in range(len(keep))])
        sums = self._rows(check[0], len(output))
        sums[(slice(None), *slices(check, self._origin))] += weighted
        return sums[(slice(None), *slices(keep, self._origin))]

    def _rows(self, wanted: tuple[int, int], channels: int) -> FloatArray:
        """Return the sums of some rows; those before them are complete, and forgotten."""
        start, stop = wanted
        if self._sum is None or self._origin[0] != start or self._sum.shape[1] < stop - start:
            spans = scaled(self._plan.domain, self._plan.ratio)[1:]
            rows = np.zeros((channels, stop - start, *(b - a for a, b in spans)), np.float32)
            if self._sum is not None:
                under = self._sum[:, max(0, start - self._origin[0]) :][:, : stop - start]
                rows[:, : under.shape[1]] = under
            self._sum, self._origin = rows, [start, *(a for a, _ in spans)]
        return self._sum

    def _compare(self, index: int, output: FloatArray) -> None:
        """Compare with the stored strips of earlier tiles and store those for later ones."""
        begin, ratio = self._plan.tiles[index].output, self._plan.ratio
        for earlier, box in self._waiting(index):
            common = scaled(box, ratio)
            here = output[(slice(None), *slices(common, begin))]
            there = self._shared.pop((earlier, index))
            if here.size:
                difference = np.abs(there - here)
                self.mismatch = max(self.mismatch or 0.0, float(difference.max()))
                if self._seams is not None:
                    self._seams.add(common, difference)
        for later, box in self._neighbours[index]:
            # A copy, so that the rest of the output is freed.
            part = output[(slice(None), *slices(scaled(box, ratio), begin))]
            self._shared[index, later] = part.copy()

    def _waiting(self, index: int) -> list[tuple[int, Box]]:
        """Return the earlier tiles that share pixels with this one, and where."""
        return [
            (earlier, next(box for later, box in self._neighbours[earlier] if later == index))
            for earlier, later in self._shared
            if later == index
        ]
