"""TIFF pyramids, written tile by tile: neither image nor levels are ever whole in memory."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import tifffile

from napari_microenhance.images.halving import even
from napari_microenhance.types import LazyArray

__all__ = ["level_sizes", "write_pyramid"]

TILE_PX: Final = 512
BLOCK_PX: Final = 2048
"""Columns that are read at a time, and rows of a tile."""

LAST_PX: Final = 1024
"""A level this large is the last."""

BUFFER_BYTES: Final = 1 << 24
"""Tiles that wait to be compressed."""

Pixels = npt.NDArray[Any]
Read = Callable[[tuple[int, ...], slice, slice], Pixels]
"""A part of a plane: index of the plane, rows and columns; shape (Y, X) or (Y, X, S)."""


def level_sizes(height: int, width: int) -> tuple[tuple[int, int], ...]:
    """Return rows and columns of an image and its lower resolutions, px.

    Parameters
    ----------
    height, width : int
        px.
    """
    sizes = [(height, width)]
    while max(sizes[-1]) > LAST_PX:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return tuple(sizes)


def write_pyramid(
    tif: tifffile.TiffWriter,
    pixels: LazyArray,
    letters: str,
    *,
    folder: Path,
    reduce: Callable[[Pixels], Pixels],
    layout: Mapping[str, Any],
    metadata: Mapping[str, Any],
) -> None:
    """Write an image and its lower resolutions, which become SubIFDs of its pages.

    Parameters
    ----------
    tif : tifffile.TiffWriter
    pixels : array-like
        Read block by block; once.
    letters : str
        tifffile's, rows and columns last but for samples.
    folder : Path
        For files without a name that hold a lower resolution while the one above is written.
    reduce : callable
        Makes one pixel of each 2 x 2; as those of `halving`.
    layout : mapping
        How pages are stored, as `tifffile.TiffWriter.write` takes it.
    metadata : mapping
        Of the image.
    """
    behind = 3 if letters.endswith("S") else 2
    lead, samples = tuple(pixels.shape[:-behind]), tuple(pixels.shape[len(pixels.shape) - behind :])
    sizes = level_sizes(*samples[:2])
    dtype = np.dtype(pixels.dtype)

    def read(plane: tuple[int, ...], rows: slice, columns: slice) -> Pixels:
        one = tuple(slice(index, index + 1) for index in plane)
        part = np.asarray(pixels[(*one, rows, columns, *[slice(None)] * (behind - 2))])
        return part.reshape(part.shape[len(lead) :])

    how = {**layout, "tile": (TILE_PX, TILE_PX), "buffersize": BUFFER_BYTES}
    resolution = how.pop("resolution", None)
    with contextlib.ExitStack() as stack:
        for number, size in enumerate(sizes):
            next_size = sizes[number + 1] if number + 1 < len(sizes) else None
            spool = None
            if next_size is not None:
                file = stack.enter_context(tempfile.TemporaryFile(dir=folder))
                spool = _Spool(file, lead, (*next_size, *samples[2:]), dtype)
            own: dict[str, Any] = {"subfiletype": 1, "metadata": None}
            if number == 0:
                own = {"subifds": len(sizes) - 1, "metadata": dict(metadata)}
            if resolution is not None:
                own["resolution"] = tuple(value / 2**number for value in resolution)
            tif.write(
                _tiles(read, lead, (*size, *samples[2:]), dtype, spool, reduce),
                shape=(*lead, *size, *samples[2:]),
                dtype=dtype,
                **own,
                **how,
            )
            if spool is not None:
                read = spool.read


class _Spool:
    """Planes on the disk, written from the first row to the last and read in boxes."""

    def __init__(
        self, file: BinaryIO, lead: Sequence[int], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self._file = file
        self._lead = tuple(lead)
        self._shape = shape
        self._dtype = dtype
        self._row = int(np.prod(shape[1:])) * dtype.itemsize

    def append(self, rows: Pixels) -> None:
        """Write the next rows of the planes."""
        self._file.seek(0, os.SEEK_END)
        self._file.write(np.ascontiguousarray(rows).data)

    def read(self, plane: tuple[int, ...], rows: slice, columns: slice) -> Pixels:
        """Return a part of a plane."""
        number = int(np.ravel_multi_index(plane, self._lead)) if plane else 0
        first, last, _ = rows.indices(self._shape[0])
        self._file.seek((number * self._shape[0] + first) * self._row)
        data = self._file.read((last - first) * self._row)
        return np.frombuffer(data, self._dtype).reshape(-1, *self._shape[1:])[:, columns]


def _tiles(
    read: Read,
    lead: Sequence[int],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    spool: _Spool | None,
    reduce: Callable[[Pixels], Pixels],
) -> Iterator[Pixels]:
    """Yield the tiles of all planes row by row, and leave the next lower resolution behind."""
    height, width = shape[:2]
    for plane in np.ndindex(*lead):
        for top in range(0, height, TILE_PX):
            rows = slice(top, min(height, top + TILE_PX))
            halves = []
            for left in range(0, width, BLOCK_PX):
                columns = slice(left, min(width, left + BLOCK_PX))
                block = read(plane, rows, columns)
                if spool is not None:
                    halves.append(_halved(block, reduce))
                    if columns.stop == width:
                        # Before the last tile: nobody asks for more than there are.
                        spool.append(np.concatenate(halves, axis=1))
                for x in range(0, block.shape[1], TILE_PX):
                    yield _padded(block[:, x : x + TILE_PX], dtype)


def _halved(block: Pixels, reduce: Callable[[Pixels], Pixels]) -> Pixels:
    """Return a block at half the resolution, samples last."""
    if block.ndim == 2:
        return reduce(even(block))
    return np.moveaxis(reduce(even(np.moveaxis(block, -1, 0))), 0, -1)


def _padded(tile: Pixels, dtype: np.dtype[Any]) -> Pixels:
    """Return a tile of full size in memory of its own."""
    full = np.zeros((TILE_PX, TILE_PX, *tile.shape[2:]), dtype)
    full[: tile.shape[0], : tile.shape[1]] = tile
    return full
