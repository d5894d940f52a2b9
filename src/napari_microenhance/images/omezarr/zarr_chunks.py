"""The chunks of a Zarr array: zarr gives the fill value, without a word, for those not there.

A store whose chunks are named in another way than its metadata say is read as it is named. Of a
copy that is not complete the absent chunks are counted; a sparse array, where absent chunks
border on the fill value, is what its writer meant.
"""

import dataclasses
import itertools
import math
import struct
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.types import ImageLike

if TYPE_CHECKING:
    import zarr

__all__ = [
    "ZARR_ERRORS",
    "absent_cautions",
    "absent_count",
    "known_chunks",
    "named_as_stored",
    "unreadable_chunk",
]

ZARR_ERRORS: Final = (
    ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, OSError,
    RuntimeError, TypeError, ValueError, struct.error, zlib.error,
)  # fmt: skip
"""zarr and its codecs raise nearly everything on damaged files."""

_COUNTED: Final = 200_000  # chunks; more are not looked for one by one
_LOOKED_AT: Final = 32  # stored chunks beside absent ones
_SPARSE: Final = 0.9  # share of the border that is the fill value beside a chunk left out

_SEPARATORS: Final[tuple[Literal["/", "."], ...]] = ("/", ".")

Grid = tuple[int, ...]


def named_as_stored(
    array: "zarr.Array[Any]", name: str
) -> "tuple[zarr.Array[Any], tuple[Caution, ...]]":
    """Return an array that finds its chunks, and what is said where its metadata do not.

    Parameters
    ----------
    array : zarr.Array[Any]
        Opened to be read, in a folder of this machine.
    name : str
        Of the image.
    """
    folder = _folder(array)
    first = _some_chunks(_grid(array))
    if folder is None or any(_is_there(folder, array.metadata, at) for at in first):
        return array, ()
    for metadata in _other_names(array.metadata):
        if any(_is_there(folder, metadata, at) for at in first):
            import zarr

            said, meant = (m.encode_chunk_key(first[-1]) for m in (array.metadata, metadata))
            text = (
                f'{name}: its chunks are named as in "{meant}", although its metadata say '
                f'"{said}"; they were read by their actual names.'
            )
            found = zarr.Array[Any](zarr.AsyncArray(metadata, array.store_path))
            return found, (Caution("chunk-names", text),)
    return array, ()


def absent_cautions(array: "zarr.Array[Any]", name: str) -> tuple[Caution, ...]:
    """Return the sentence about chunks that are not there; nothing for a sparse array.

    Parameters
    ----------
    array : zarr.Array
    name : str
        Of the image.
    """
    grid = _grid(array)
    if math.prod(grid) > _COUNTED:
        return ()
    absent, total = _absent(array, [range(n) for n in grid])
    if not absent or (len(absent) < total and _is_sparse(array, absent)):
        return ()
    fill = array.fill_value
    text = (
        f"{name}: {len(absent)} of {total} chunks are missing; their pixels are read as the "
        f"fill value {0 if fill is None else fill}, copy the store again if it should be "
        "complete."
    )
    return (Caution("absent-chunks", text),)


def absent_count(array: "zarr.Array[Any]", box: Sequence[slice]) -> tuple[int, int]:
    """Return how many of the chunks that a box touches are absent, and how many it touches.

    Parameters
    ----------
    array : zarr.Array
    box : sequence of slice
        One per axis, with start and stop.
    """
    absent, total = _absent(
        array,
        [
            range(part.start // step, -(-part.stop // step))
            for part, step in zip(box, _outer_chunks(array), strict=True)
        ],
    )
    return len(absent), total


def unreadable_chunk(array: "zarr.Array[Any]", box: Sequence[slice]) -> Grid | None:
    """Return the place of the first chunk in a box that cannot be read, or None.

    Parameters
    ----------
    array : zarr.Array
    box : sequence of slice
        One per axis, with start and stop.
    """
    spans = [
        range(part.start // step, -(-part.stop // step))
        for part, step in zip(box, array.chunks, strict=True)
    ]
    for at in itertools.product(*spans):
        place = tuple(slice(i * n, i * n + 1) for i, n in zip(at, array.chunks, strict=True))
        try:
            np.asarray(array[place])
        except ZARR_ERRORS:
            return at
    return None


def known_chunks(image: ImageLike) -> tuple[ImageLike, tuple[Caution, ...]]:
    """Return an array of the caller's, and what is said of its chunks if it is one of zarr.

    Parameters
    ----------
    image : array-like
        Of zarr: an array in a folder of this machine; all others come back as they are.

    Returns
    -------
    array-like
        Finds its chunks, as `named_as_stored` says.
    tuple of Caution
    """
    if "zarr" not in sys.modules:
        return image, ()
    import zarr

    if not isinstance(image, zarr.Array) or _folder(image) is None:
        return image, ()
    name = Path(image.path).name or "The Zarr array"
    array, said = named_as_stored(image, name)
    return array, said or absent_cautions(array, name)


def _folder(array: "zarr.Array[Any]") -> Path | None:
    """Return the folder of an array on this machine, or None."""
    root = getattr(getattr(array, "store", None), "root", None)
    return None if root is None else Path(root) / array.path


def _outer_chunks(array: "zarr.Array[Any]") -> Grid:
    """Return the shape of what is one file: a shard, or a chunk."""
    return tuple(getattr(array, "shards", None) or array.chunks)


def _grid(array: "zarr.Array[Any]") -> Grid:
    """Return how many files an array has along each axis."""
    return tuple(
        math.ceil(n / step) for n, step in zip(array.shape, _outer_chunks(array), strict=True)
    )


def _is_there(folder: Path, metadata: Any, at: Grid) -> bool:  # noqa: ANN401 - no types without the extra
    """Tell whether a chunk is stored."""
    return (folder / str(metadata.encode_chunk_key(at))).is_file()


def _absent(array: "zarr.Array[Any]", spans: Sequence[range]) -> tuple[set[Grid], int]:
    """Return which chunks in a part of the grid are not stored, and how many there are in all."""
    folder, total = _folder(array), math.prod(map(len, spans))
    if folder is None:
        return set(), total
    places = itertools.product(*spans)
    return {at for at in places if not _is_there(folder, array.metadata, at)}, total


def _some_chunks(grid: Grid) -> list[Grid]:
    """Return places of chunks that show how chunks are named: corners, middles and a diagonal."""
    parts = [sorted({0, n // 2, n - 1}) for n in grid]
    places = list(itertools.islice(itertools.product(*parts), 243))
    diagonal = [tuple(min(i, n - 1) for n in grid) for i in range(max(grid, default=0))]
    return [*places, *diagonal[:256]]


def _other_names(metadata: Any) -> Iterator[Any]:  # noqa: ANN401 - no types without the extra
    """Yield the metadata with other ways to name chunks."""
    if metadata.zarr_format == 2:
        other = "." if metadata.dimension_separator == "/" else "/"
        yield dataclasses.replace(metadata, dimension_separator=other)
        return
    from zarr.core.chunk_key_encodings import DefaultChunkKeyEncoding, V2ChunkKeyEncoding

    for kind in (DefaultChunkKeyEncoding, V2ChunkKeyEncoding):
        for separator in _SEPARATORS:
            encoding = kind(separator=separator)
            if encoding != metadata.chunk_key_encoding:
                yield dataclasses.replace(metadata, chunk_key_encoding=encoding)


def _is_sparse(array: "zarr.Array[Any]", absent: set[Grid]) -> bool:
    """Tell whether stored chunks beside absent ones end in the fill value."""
    if array.fill_value is None:
        return False
    outer, grid = _outer_chunks(array), _grid(array)
    borders = list(_borders(absent, grid))
    step = max(1, len(borders) // _LOOKED_AT)
    equal = seen = 0
    for at, axis, low in borders[::step]:
        key = [
            slice(i * n, min((i + 1) * n, length))
            for i, n, length in zip(at, outer, array.shape, strict=True)
        ]
        edge = key[axis].start if low else key[axis].stop - 1
        key[axis] = slice(edge, edge + 1)
        try:
            values = np.asarray(array[tuple(key)])
        except ZARR_ERRORS:  # damage is told where it is read
            continue
        same = values == array.fill_value
        if values.dtype.kind == "f":
            same |= np.isnan(values) & np.isnan(array.fill_value)
        equal += int(np.count_nonzero(same))
        seen += values.size
    return seen > 0 and equal >= _SPARSE * seen


def _borders(absent: set[Grid], grid: Grid) -> Iterator[tuple[Grid, int, bool]]:
    """Yield stored chunks beside absent ones: place, axis, and whether its low side touches."""
    for at in sorted(absent):
        for axis in range(max(0, len(grid) - 3), len(grid)):
            for move in (-1, 1):
                beside = (*at[:axis], at[axis] + move, *at[axis + 1 :])
                if 0 <= beside[axis] < grid[axis] and beside not in absent:
                    yield beside, axis, move == 1
