"""BlockGrid: how a large result is cut into blocks, in integers only.

A block is what is in memory while its tiles are painted, and what is written in one go. Two by two
they are a cell: in a plan without blending no tile of a region larger than a cell reaches across
the borders of cells. Where blocks would be too many, a cell is one block.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

from napari_microenhance.engine.region import Region, around, scaled
from napari_microenhance.types import Box

__all__ = ["Block", "BlockGrid", "cell_edge", "cells_of"]

LARGEST_PX: Final = 4096
"""Edge of a cell of a result with more pixels than its image, result px."""

MANY_BLOCKS: Final = 10_000

EDGE_PX: Final = 2048
"""Edge of any other, result px; of an enlarged one at most so much of the image."""

SMALLEST_PX: Final = 512

BLOCK_BYTES: Final = 64_000_000

VOLUME_PX: Final = (8, 512, 512)
"""Of a network that sees volumes; a tile of it is deep and not wide."""

_PARTS: Final = 4
"""An edge is a multiple of so many whole image pixels, so that it can be cut into chunks."""


def cell_edge(ratio: Fraction, bytes_per_px: int) -> int:
    """Return the edge of a cell of a result of planes, image px.

    It depends on nothing but the result's kind, so that runs in memory and runs into a store
    have the same tiles.

    Parameters
    ----------
    ratio : Fraction
        Result pixels per image pixel.
    bytes_per_px : int
        Of the result, all channels that are painted together.
    """
    edge = EDGE_PX if ratio <= 1 else min(int(EDGE_PX * ratio), LARGEST_PX)
    while edge > SMALLEST_PX and edge * edge * bytes_per_px > BLOCK_BYTES:
        edge //= 2
    step = _PARTS * ratio.denominator
    return max(step, int(edge / ratio) // step * step)


def cells_of(region: Region, origin: Sequence[int], edge: int) -> tuple[Box, ...]:
    """Return the parts of a region's box that cells cut it into.

    Parameters
    ----------
    region : Region
        Of planes.
    origin : sequence of int
        Where the grid begins, image px.
    edge : int
        Of a cell, image px.
    """
    spans = []
    for (start, stop), first in zip(region.box, origin, strict=True):
        lines = range(first + (start - first) // edge * edge + edge, stop, edge)
        ends = [start, *lines, stop] if stop - start > edge else [start, stop]
        spans.append(list(itertools.pairwise(ends)))
    return tuple(itertools.product(*spans))


@dataclasses.dataclass(frozen=True)
class Block:
    """A part of a result.

    Parameters
    ----------
    index : tuple of int
        In the grid, one per axis of the result.
    box : Box
        One range per axis of the result, result px of the whole page.
    """

    index: tuple[int, ...]
    box: Box


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlockGrid:
    """The blocks of a result.

    Parameters
    ----------
    axes : str
        Of the result.
    box : Box
        What it spans of the whole page, one range per axis, result px.
    lengths : tuple of int
        Of a block along each axis, result px; the last block of an axis may be shorter.
    """

    axes: str
    box: Box
    lengths: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the result, result px."""
        return tuple(stop - start for start, stop in self.box)

    @property
    def counts(self) -> tuple[int, ...]:
        """Blocks along each axis."""
        pairs = zip(self.shape, self.lengths, strict=True)
        return tuple(math.ceil(length / step) for length, step in pairs)

    @property
    def total(self) -> int:
        """Number of blocks."""
        return math.prod(self.counts)

    def block(self, index: Sequence[int]) -> Block:
        """Return a block by its place in the grid."""
        spans = []
        for at, (start, stop), step in zip(index, self.box, self.lengths, strict=True):
            first = start + at * step
            spans.append((first, min(first + step, stop)))
        return Block(tuple(index), tuple(spans))

    def blocks(self) -> Iterator[Block]:
        """Yield all blocks in reading order."""
        for index in itertools.product(*map(range, self.counts)):
            yield self.block(index)

    def touched(self, box: Box) -> list[tuple[int, ...]]:
        """Return the places of the blocks that a box of the page reaches, result px."""
        spans = []
        for (a, b), (start, stop), step in zip(box, self.box, self.lengths, strict=True):
            low, high = max(a, start) - start, min(b, stop) - start
            spans.append(range(low // step, -(-high // step)) if low < high else range(0))
        return list(itertools.product(*spans))

    def local(self, block: Block) -> Box:
        """Return where a block lies in the result itself."""
        return tuple(
            (a - start, b - start) for (a, b), (start, _) in zip(block.box, self.box, strict=True)
        )


def grid_origin(regions: Sequence[Region], *, cropped: bool) -> tuple[int, ...]:
    """Return where the grid of blocks begins, image px: at the image's first pixel, or the ROI's.

    Parameters
    ----------
    regions : sequence of Region
        At least one.
    cropped : bool
        Whether the result is the regions' box alone.
    """
    if not cropped:
        return (0,) * len(regions[0].shape)
    return tuple(start for start, _ in around([region.box for region in regions]))


def block_lengths(
    axes: str, spatial: str, ratio: Fraction, edge: int, channels: int
) -> tuple[int, ...]:
    """Return the length of a block along each axis of a result, result px.

    Parameters
    ----------
    axes : str
        Of the result.
    spatial : {"YX", "ZYX"}
        What the network sees at once.
    ratio : Fraction
    edge : int
        Of a block, image px.
    channels : int
        That are painted together.
    """
    wide = [(0, edge)] * 2 if spatial == "YX" else [(0, _volume_px(n, ratio)) for n in VOLUME_PX]
    spans = dict(zip(spatial, scaled(tuple(wide), ratio), strict=True))
    own = {"C": channels, **{letter: stop for letter, (_, stop) in spans.items()}}
    return tuple(own.get(letter, 1) for letter in axes)


def _volume_px(length: int, ratio: Fraction) -> int:
    """Return an edge of a block of a volume that is whole in image px."""
    step = _PARTS * ratio.denominator
    return max(step, int(length / ratio) // step * step)
