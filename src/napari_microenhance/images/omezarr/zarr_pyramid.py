"""ZarrPyramid: one image of an OME-Zarr store and its lower resolutions, block by block.

A block is one write: one shard, or a square of whole chunks. A block of a lower resolution is
made of the stored pixels of the blocks above it, so that it is the same whenever it is made.
"""

import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.images.halving import even

if TYPE_CHECKING:
    import zarr

__all__ = ["ZarrPyramid"]

SMALLEST: Final = 512  # px; a level this large is the last
CHUNK: Final = 1024  # px of y and x, about
MANY_CHUNKS: Final = 10_000
"""Files of the full resolution, above which several chunks share one."""

Pixels = npt.NDArray[Any]
Index = tuple[int, ...]


class ZarrPyramid:
    """An image and its lower resolutions.

    Parameters
    ----------
    group : zarr.Group
        Holds, or will hold, the arrays "0", "1" ...
    axes : str
        Letters in the order of "TCZYX".
    shape : tuple of int
        Of the full resolution.
    dtype : dtype
    lengths : tuple of int
        Of a block along each axis, the same at every level; those of y and x are even.
    reduce : callable
        Makes half as many rows and columns of an even number of them.
    """

    def __init__(
        self,
        group: "zarr.Group",
        *,
        axes: str,
        shape: Sequence[int],
        dtype: np.dtype[Any],
        lengths: Sequence[int],
        reduce: Callable[[Pixels], Pixels],
    ) -> None:
        self._group = group
        self._axes = axes
        self._dtype = dtype
        self.lengths = tuple(lengths)
        self._reduce = reduce
        self.shapes = [tuple(shape)]
        for _ in range(1, level_count(shape)):
            *outer, height, width = self.shapes[-1]
            self.shapes.append((*outer, math.ceil(height / 2), math.ceil(width / 2)))
        self.arrays: list[zarr.Array[Any]] = []

    @property
    def levels(self) -> list[float]:
        """Pixels of the full resolution that a pixel of each level spans."""
        return [float(2**level) for level in range(len(self.shapes))]

    def create(self) -> None:
        """Create the arrays, empty."""
        from zarr.codecs import ZstdCodec

        chunks = self._chunks()
        files = math.prod(math.ceil(n / c) for n, c in zip(self.shapes[0], chunks, strict=True))
        for level, shape in enumerate(self.shapes):
            own = tuple(min(n, c) for n, c in zip(shape, chunks, strict=True))
            pairs = zip(shape, own, self.lengths, strict=True)
            shards = tuple(c * math.ceil(min(n, most) / c) for n, c, most in pairs)
            array = self._group.create_array(
                str(level),
                shape=shape,
                dtype=self._dtype,
                chunks=own,
                shards=shards if files > MANY_CHUNKS and shards != own else None,
                dimension_names=[axis.lower() for axis in self._axes],
                # Not Blosc: its threads may lay blocks in another order, and a run repeated is to
                # be a file repeated. A level of its own, whatever zarr's default becomes.
                compressors=ZstdCodec(level=3),
            )
            self.arrays.append(array)

    def open(self) -> None:
        """Open the arrays that are there."""
        import zarr

        for level in range(len(self.shapes)):
            array = self._group[str(level)]
            if not isinstance(array, zarr.Array):
                raise KeyError(level)
            self.arrays.append(array)

    def counts(self, level: int) -> Index:
        """Return how many blocks a level has along each axis."""
        pairs = zip(self.shapes[level], self.lengths, strict=True)
        return tuple(math.ceil(n / step) for n, step in pairs)

    def blocks(self, level: int) -> Iterator[Index]:
        """Yield the places of all blocks of a level."""
        return itertools.product(*map(range, self.counts(level)))

    def box(self, level: int, at: Index) -> tuple[slice, ...]:
        """Return where a block lies."""
        pairs = zip(at, self.lengths, self.shapes[level], strict=True)
        return tuple(slice(i * step, min((i + 1) * step, n)) for i, step, n in pairs)

    def below(self, level: int, at: Index) -> tuple[int, Index] | None:
        """Return the block of the next level that a block is a part of."""
        if level + 1 == len(self.shapes):
            return None
        return level + 1, (*at[:-2], at[-2] // 2, at[-1] // 2)

    def above(self, level: int, at: Index) -> Iterator[Index]:
        """Yield the blocks of the level before that a block is made of."""
        rows, columns = self.counts(level - 1)[-2:]
        for y, x in itertools.product((0, 1), repeat=2):
            row, column = 2 * at[-2] + y, 2 * at[-1] + x
            if row < rows and column < columns:
                yield (*at[:-2], row, column)

    def write(self, at: Index, pixels: Pixels) -> None:
        """Write a block of the full resolution."""
        self.arrays[0][self.box(0, at)] = pixels

    def make(self, level: int, at: Index) -> None:
        """Make a block of a lower resolution of those above it."""
        box, finer = self.box(level, at), self.arrays[level - 1]
        pixels = np.empty([part.stop - part.start for part in box], self._dtype)
        for above in self.above(level, at):
            part = self.box(level - 1, above)
            made = self._reduce(even(np.asarray(finer[part])))
            begin = [
                (p.start // 2 if i >= len(box) - 2 else p.start) - b.start
                for i, (p, b) in enumerate(zip(part, box, strict=True))
            ]
            ends = zip(begin, made.shape, strict=True)
            pixels[tuple(slice(a, a + n) for a, n in ends)] = made
        self.arrays[level][box] = pixels

    def files(self, level: int, at: Index, folder: Path) -> Iterator[Path]:
        """Yield the files of a block that are there; chunks of zeros are not."""
        array = self.arrays[level]
        outer = array.shards or array.chunks
        spans = [
            range(part.start // step, math.ceil(part.stop / step))
            for part, step in zip(self.box(level, at), outer, strict=True)
        ]
        for place in itertools.product(*spans):
            path = folder / array.path / array.metadata.encode_chunk_key(place)
            if path.is_file():
                yield path

    def ends(self) -> tuple[float, float]:
        """Return the smallest and largest value of the lowest resolution."""
        last = len(self.shapes) - 1
        found = [
            _ends(np.asarray(self.arrays[last][self.box(last, at)])) for at in self.blocks(last)
        ]
        known = [pair for pair in found if pair is not None]
        if not known:
            return 0.0, 1.0
        return min(low for low, _ in known), max(high for _, high in known)

    def _chunks(self) -> Index:
        """Return the length of a chunk along each axis: whole parts of a block."""
        *outer, height, width = self.lengths
        return (*[1] * len(outer), *(_part(n) for n in (height, width)))


def sync(paths: Iterator[Path]) -> None:
    """Have the system put files on its disk."""
    for path in paths:
        handle = os.open(path, os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def level_count(shape: Sequence[int]) -> int:
    """Return how many resolutions an image has."""
    return 1 + max(0, math.ceil(math.log2(max(shape[-2:]) / SMALLEST)))


def _part(length: int) -> int:
    """Return a half or a quarter of a length that is longer than a chunk."""
    if length < 1.5 * CHUNK:
        return length
    return length // 2 if length < 3 * CHUNK else length // 4


def _ends(pixels: Pixels) -> tuple[float, float] | None:
    """Return the smallest and largest value that is finite."""
    values = np.abs(pixels) if pixels.dtype.kind == "c" else pixels
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else None
