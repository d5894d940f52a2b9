"""Sample grid: the blocks of a large image that stand for all of it.

They lie on an even grid that follows from the image's lengths alone, at full resolution, so that
an array and a file of the same pixels, a preview and a run have the same statistics.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import Final, Self

__all__ = ["SAMPLE_PX", "SampleGrid"]

SAMPLE_PX: Final = 16_000_000
"""Pixels of all planes that are looked at, at most."""

BLOCKS: Final = 64
"""Blocks of a single plane, and planes of a stack, at most."""

BLOCKS_PER_PLANE: Final = 16
"""Blocks of each plane of a long stack."""

ALIGNED_PX: Final = 512
"""Blocks begin at multiples of this, as the tiles of files do, so that few are decoded."""

BAND_PX: Final = 1 << 20
"""Pixels of one part of an image that is looked at as a whole, about."""

Span = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class SampleGrid:
    """Which pixels of an image are looked at.

    Parameters
    ----------
    lengths : tuple of int
        Of the axes that are neither channels, rows nor columns.
    planes : tuple of int
        Numbers of planes along `lengths`, in C order.
    rows, columns : tuple of (start, stop)
        Of the blocks of each plane, px; none overlap.
    is_whole : bool
        Whether these are all pixels.
    """

    lengths: tuple[int, ...]
    planes: tuple[int, ...]
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]
    is_whole: bool

    @classmethod
    def of(cls, lengths: tuple[int, ...], height: int, width: int, most: int = SAMPLE_PX) -> Self:
        """Lay the grid: everything up to `most` pixels, evenly spread blocks beyond.

        Parameters
        ----------
        lengths : tuple of int
            Of the axes that are neither channels, rows nor columns.
        height, width : int
            px.
        most : int
            Pixels of all planes together.
        """
        count = math.prod(lengths)
        if count * height * width <= most:
            band = max(1, BAND_PX // (ALIGNED_PX * width)) * ALIGNED_PX
            bands = tuple((y, min(height, y + band)) for y in range(0, height, band))
            return cls(lengths, tuple(range(count)), bands, ((0, width),), is_whole=True)
        taken = min(count, BLOCKS)
        room = most // taken
        edge = max(1, math.isqrt(room // max(BLOCKS_PER_PLANE, BLOCKS // taken)))
        tall, wide = min(edge, height), min(edge, width)
        blocks = max(1, room // (tall * wide))
        rows = min(height // tall, max(1, math.isqrt(blocks * height // width)))
        columns = min(width // wide, max(1, blocks // rows))
        rows = min(height // tall, max(1, blocks // columns))
        down, across = _spread(height, tall, rows), _spread(width, wide, columns)
        return cls(lengths, _stratified(count, taken), down, across, is_whole=False)

    @property
    def pixels(self) -> int:
        """Pixels that are looked at."""
        spans = (sum(b - a for a, b in part) for part in (self.rows, self.columns))
        return len(self.planes) * math.prod(spans)

    def blocks(self) -> Iterator[tuple[tuple[int, ...], Span, Span]]:
        """Yield each block: index of its plane along `lengths`, rows and columns."""
        for plane, rows, columns in itertools.product(self.planes, self.rows, self.columns):
            yield _unravelled(plane, self.lengths), rows, columns

    def to_dict(self) -> dict[str, int]:
        """Return what a record keeps of it: the grid itself follows from the image's shape."""
        return {
            "planes": len(self.planes),
            "rows": len(self.rows),
            "columns": len(self.columns),
            "pixels": self.pixels,
        }


def _stratified(count: int, taken: int) -> tuple[int, ...]:
    """Return one number of each of so many equal parts of a range.

    Its place in its part moves by the golden ratio, so that planes along several axes are not
    always those of one index along the last.
    """
    whole, golden = 1_000_000, 618_034
    shifts = ((i * golden + whole // 2) % whole for i in range(taken))
    part = count // taken
    return tuple(i * count // taken + shift * part // whole for i, shift in enumerate(shifts))


def _spread(length: int, edge: int, count: int) -> tuple[Span, ...]:
    """Return ranges spread evenly over an axis, on tile borders where they lie far apart."""
    step = length / count
    aligned = ALIGNED_PX if step >= 4 * ALIGNED_PX and edge <= ALIGNED_PX else 1
    middles = ((2 * i + 1) * length // (2 * count) for i in range(count))
    starts = (max(0, middle - edge // 2) // aligned * aligned for middle in middles)
    return tuple((start, start + edge) for start in starts)


def _unravelled(number: int, lengths: tuple[int, ...]) -> tuple[int, ...]:
    """Return the index of a plane along its axes, in C order."""
    index = []
    for length in reversed(lengths):
        number, at = divmod(number, length)
        index.append(at)
    return tuple(reversed(index))
