"""The pages of a TIFF series, read tile by tile where they are sliced."""

import dataclasses
import itertools
import math
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import tifffile

from napari_microenhance.errors import ImageError
from napari_microenhance.images.lazy import LazyPixels
from napari_microenhance.images.segment_cache import DECODED
from napari_microenhance.images.tiff.tiff_damage import damage_told

__all__ = ["TiffPixels", "can_be_sliced", "segment_bytes"]

_LAYOUTS: Final = ("YX", "YXS", "SYX")
_JPEG: Final = (6, 7, 33007, 34892)  # codecs whose tiles share tables


@dataclasses.dataclass(frozen=True)
class _Page:
    """Where the strips or tiles of a page lie, in which file, and how they are laid out there."""

    number: int
    path: Path
    key: tifffile.TiffPage
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]
    tables: dict[str, Any]


def can_be_sliced(series: tifffile.TiffPageSeries) -> bool:
    """Tell whether the pages of a series are planes that can be read one by one.

    Parameters
    ----------
    series : tifffile.TiffPageSeries
        Complete, of an open file.
    """
    page = series.keyframe
    split = len(series.shape) - len(page.shape)
    return (
        page.axes in _LAYOUTS
        and split >= 0
        and tuple(series.shape[split:]) == tuple(page.shape)
        and series.axes.endswith(page.axes)
        and math.prod(series.shape[:split]) == len(series) == len(list(series))
        and series.transform is None
    )


def segment_bytes(series: tifffile.TiffPageSeries) -> int:
    """Return what one decoded strip or tile takes, bytes.

    Parameters
    ----------
    series : tifffile.TiffPageSeries
        Of an open file.
    """
    page = series.keyframe
    height, width = _segment_size(page)
    samples = 1 if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE else page.samplesperpixel
    return int(height * width * samples * np.dtype(series.dtype).itemsize)


class TiffPixels(LazyPixels):
    """The pixels of a series of pages; files are open only while they are read.

    Each page is read from its own file: of a set, `tifffile.TiffPageSeries.asarray` can read
    the opened file at the place of another one.

    Parameters
    ----------
    path : Path
        For error messages.
    series : tifffile.TiffPageSeries
        For which `can_be_sliced` is true, of an open file.
    """

    def __init__(self, path: Path, series: tifffile.TiffPageSeries) -> None:
        # Big-endian files give swapped arrays, which onnxruntime and napari do not take.
        super().__init__(path, tuple(series.shape), np.dtype(series.dtype).newbyteorder("="))
        self._key = series.keyframe
        self._depth = len(series.shape) - len(self._key.shape)
        pages = [page for page in series if page is not None]
        self._pages = tuple(self._located(number, page) for number, page in enumerate(pages))
        self._owner = object()
        weakref.finalize(self, DECODED.drop, self._owner)

    def read(self, box: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Return the pixels of a box.

        Raises
        ------
        ImageError
            If they cannot be read.
        """
        outer, inner = box[: self._depth], box[self._depth :]
        block = np.empty([part.stop - part.start for part in box], self.dtype)
        if not block.size:
            return block
        for place in itertools.product(*(range(s.start, s.stop) for s in outer)):
            number = int(np.ravel_multi_index(place, self.shape[: self._depth])) if place else 0
            at = tuple(i - s.start for i, s in zip(place, outer, strict=True))
            self._fill(block[at], self._pages[number], inner)
        return block

    def _located(self, number: int, page: Any) -> _Page:  # noqa: ANN401 - a page or a frame of tifffile
        """Return where a page lies; the files of a set need not be laid out alike.

        Raises
        ------
        ImageError
            If it is no plane of the series.
        """
        key, own = page.keyframe, self._key
        path = Path(page.parent.filehandle.path)
        if key.shape != own.shape or key.dtype != own.dtype or key.axes != own.axes:
            mine, others = (" x ".join(map(str, part.shape)) for part in (key, own))
            raise ImageError(
                f"{path} holds a plane of {mine} {key.dtype}, but others of its set have "
                f"{others} {own.dtype}."
            )
        key.decode  # noqa: B018 - made and kept while the file is open
        tables = {}
        if key.compression in _JPEG:
            tables = {"jpegtables": page.jpegtables, "jpegheader": key.jpegheader}
        return _Page(number, path, key, tuple(page.dataoffsets), tuple(page.databytecounts), tables)

    def _fill(self, plane: npt.NDArray[Any], page: _Page, box: tuple[slice, ...]) -> None:
        """Read a part of a page into a view of the result."""
        spans = dict(zip(page.key.axes, box, strict=True))
        apart = page.key.axes.startswith("S")
        samples = spans.get("S", slice(0, 1))
        full = plane if "S" in spans else plane[np.newaxis if apart else ..., np.newaxis]
        full = np.moveaxis(full, 0, -1) if apart else full.reshape(*plane.shape[:2], -1)
        with self._file(page) as handle:
            for index in _overlapping(page.key, spans["Y"], spans["X"], samples if apart else None):
                s, y, x, segment = self._segment(handle, page, index)
                tile = slice(y, y + segment.shape[1]), slice(x, x + segment.shape[2])
                ys, xs = map(shared_range, tile, (spans["Y"], spans["X"]))
                part = segment[0, ys.start - y : ys.stop - y, xs.start - x : xs.stop - x]
                target = full[
                    ys.start - spans["Y"].start : ys.stop - spans["Y"].start,
                    xs.start - spans["X"].start : xs.stop - spans["X"].start,
                ]
                if apart:
                    target[..., s - samples.start] = part[..., 0]
                else:
                    target[...] = part[..., samples]

    def _file(self, page: _Page) -> BinaryIO:
        """Open the file of a page."""
        with damage_told(page.path):
            return page.path.open("rb")

    def _segment(
        self, handle: BinaryIO, page: _Page, index: int
    ) -> tuple[int, int, int, npt.NDArray[Any]]:
        """Return the sample, row and column that a strip or tile begins at, and its pixels."""
        length = page.lengths[index] if index < len(page.lengths) else 0

        def decode() -> npt.NDArray[Any]:
            with damage_told(page.path):
                handle.seek(page.offsets[index] if length else 0)
                data = handle.read(length) or None
                segment, _, shape = page.key.decode(data, index, **page.tables)
            if segment is None:  # stored nowhere, as GDAL does with empty tiles
                return np.full(shape, page.key.nodata, self.dtype)
            return np.asarray(segment)

        segment = DECODED.get((self._owner, page.number, index), decode)
        return (*_place(page.key, index), segment)


def _segment_size(key: tifffile.TiffPage) -> tuple[int, int]:
    """Return rows and columns of a strip or tile, px."""
    if key.is_tiled:
        return int(key.tilelength), int(key.tilewidth)
    return int(min(key.rowsperstrip, key.imagelength)), int(key.imagewidth)


def _place(key: tifffile.TiffPage, index: int) -> tuple[int, int, int]:
    """Return the sample, row and column that a strip or tile begins at."""
    height, width = _segment_size(key)
    down, across = math.ceil(key.imagelength / height), math.ceil(key.imagewidth / width)
    sample, rest = divmod(index, down * across)
    return sample, rest // across * height, rest % across * width


def _overlapping(
    key: tifffile.TiffPage, ys: slice, xs: slice, samples: slice | None
) -> Iterator[int]:
    """Yield the numbers of the strips or tiles that touch a box."""
    height, width = _segment_size(key)
    down, across = math.ceil(key.imagelength / height), math.ceil(key.imagewidth / width)
    for sample in range(samples.start, samples.stop) if samples else (0,):
        for row in range(ys.start // height, -(-ys.stop // height)):
            for column in range(xs.start // width, -(-xs.stop // width)):
                yield (sample * down + row) * across + column


def shared_range(a: slice, b: slice) -> slice:
    """Return the part of an axis that two ranges share."""
    return slice(max(a.start, b.start), min(a.stop, b.stop))
