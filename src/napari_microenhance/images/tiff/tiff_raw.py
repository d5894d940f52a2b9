"""Pixels of a TIFF file that lie there as they are, one after the other."""

import itertools
import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import tifffile

from napari_microenhance.errors import ImageError
from napari_microenhance.images.lazy import LazyPixels
from napari_microenhance.images.tiff.tiff_damage import damage_told

__all__ = ["RawPixels", "lies_as_it_is"]


def lies_as_it_is(series: tifffile.TiffPageSeries) -> bool:
    """Tell whether the pixels of a series lie uncompressed in one piece of one file.

    Parameters
    ----------
    series : tifffile.TiffPageSeries
        Complete, of an open file.
    """
    return series.dataoffset is not None and not series.is_multifile and series.transform is None


class RawPixels(LazyPixels):
    """The pixels of a series for which `lies_as_it_is`; read, not mapped into memory.

    Mapped pages count as memory of the process for as long as there is any.

    Parameters
    ----------
    path : Path
    series : tifffile.TiffPageSeries
        Of an open file.
    """

    def __init__(self, path: Path, series: tifffile.TiffPageSeries) -> None:
        dtype = np.dtype(series.dtype)
        super().__init__(path, tuple(series.shape), dtype.newbyteorder("="))
        page = series.keyframe
        self._file = Path(page.parent.filehandle.path)
        self._stored = dtype.newbyteorder(page.parent.byteorder)
        self._offset = int(series.dataoffset or 0)

    def read(self, box: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Return the pixels of a box.

        Raises
        ------
        ImageError
            If they cannot be read.
        """
        block = np.empty([part.stop - part.start for part in box], self._stored)
        if block.size:
            with damage_told(self._file):
                handle = self._file.open("rb")
            with handle:
                self._fill(block, box, handle)
        return block.astype(self.dtype, copy=False)

    def _fill(self, block: npt.NDArray[Any], box: tuple[slice, ...], handle: BinaryIO) -> None:
        """Read a box, in pieces as long as they lie together."""
        # Axes behind the last one that is cut lie together; that one is read as a range.
        cut = max((i for i, (s, n) in enumerate(zip(box, self.shape, strict=True))
                   if (s.start, s.stop) != (0, n)), default=0)  # fmt: skip
        behind = math.prod(self.shape[cut + 1 :])
        for place in itertools.product(*(range(s.start, s.stop) for s in box[:cut])):
            first = 0
            for index, length in zip((*place, box[cut].start), self.shape, strict=False):
                first = first * length + index
            at = tuple(i - s.start for i, s in zip(place, box, strict=False))
            part = block[at] if at else block
            self._read_into(part, first * behind, handle)

    def _read_into(self, part: npt.NDArray[Any], first: int, handle: BinaryIO) -> None:
        """Read values that lie together."""
        with damage_told(self._file):
            handle.seek(self._offset + first * self._stored.itemsize)
            got = handle.readinto(part.reshape(-1).view(np.uint8))  # type: ignore[attr-defined]
        if got != part.nbytes:
            raise ImageError(f"{self._file} is damaged or cut short: pixels are missing.")
