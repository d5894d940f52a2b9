"""plan(): integers in, tiles out, as few pixels as possible.

`Axis` knows how far the read of a kept range must reach; a plan is made of the kept
boxes that together cost the fewest network pixels. In a `crop` plan every pixel is made
of one tile; in a blended plan tiles overlap and the `ramps` say how much each counts.
"""

import dataclasses
import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.region import Region, intersect, scaled
from napari_microenhance.engine.tiles.axis import Axis
from napari_microenhance.engine.tiles.covering import cover
from napari_microenhance.types import Box

__all__ = ["Plan", "Tile", "plan"]

ONE = Fraction(1)


@dataclasses.dataclass(frozen=True)
class Tile:
    """One network call: what it reads and what is kept of it.

    Parameters
    ----------
    read : Box
        Input pixels, halos included; beyond the image they are padding.
    keep : Box
        Pixels of the image that are written from this tile.
    check : Box
        Pixels whose value is compared with that of the tiles that share them: `keep`
        and the trusted pixels around it, or all of a blended tile.
    output : tuple of int
        Output pixel that the network's output begins at.
    grid : tuple of int
        Row, column of a blended plan, for the ramps.
    """

    read: Box
    keep: Box
    check: Box
    output: tuple[int, ...]
    grid: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the read, px."""
        return tuple(stop - start for start, stop in self.read)


@dataclasses.dataclass(frozen=True)
class Plan:
    """All tiles of a run over one plane.

    Parameters
    ----------
    tiles : tuple of Tile
    blend : {"crop", "linear", "gaussian"}
    halo : int
        Real pixels around each kept range, px.
    domain : Box
        What the tiles cover.
    ratio : Fraction
        Output pixels per input pixel.
    ramps : tuple of tuple of ndarray
        Per axis and position of the grid, the weight of each output pixel, float32;
        empty for `crop`.
    """

    tiles: tuple[Tile, ...]
    blend: str
    halo: int
    domain: Box
    ratio: Fraction
    ramps: tuple[tuple[npt.NDArray[np.float32], ...], ...] = ()

    @cached_property
    def pixels_computed(self) -> int:
        """Network input pixels, halos included."""
        return sum(math.prod(tile.shape) for tile in self.tiles)

    def touching(self, box: Box) -> "Plan":
        """Return the same plan with only the tiles that pixels of a box are made of."""
        tiles = tuple(t for t in self.tiles if intersect(t.check if self.ramps else t.keep, box))
        return dataclasses.replace(self, tiles=tiles)

    def neighbours(self) -> tuple[tuple[tuple[int, Box], ...], ...]:
        """Return, for each tile, the later tiles it shares trusted pixels with, and where."""
        found: list[list[tuple[int, Box]]] = [[] for _ in self.tiles]
        if self.tiles:
            low = np.array([[a for a, _ in t.check] for t in self.tiles])
            high = np.array([[b for _, b in t.check] for t in self.tiles])
            for i, tile in enumerate(self.tiles):
                meets = (low[i + 1 :] < high[i]).all(axis=1) & (high[i + 1 :] > low[i]).all(axis=1)
                for j in (np.flatnonzero(meets) + i + 1).tolist():
                    common = intersect(tile.check, self.tiles[j].check)
                    if common is not None:
                        found[i].append((j, common))
        return tuple(tuple(f) for f in found)


def plan(
    region: Region,
    axes: Sequence[Axis],
    *,
    blend: str,
    domain: Box | None = None,
    ratio: Fraction = ONE,
    cells: Sequence[Box] = (),
) -> Plan:
    """Lay tiles over a region.

    Parameters
    ----------
    region : Region
        Only pixels of it are computed.
    axes : sequence of Axis
        One per spatial axis.
    blend : {"crop", "linear", "gaussian"}
        `crop` keeps every pixel once, as few network pixels as possible; the others
        lay an even grid over `domain` whose neighbours overlap by two halos.
    domain : Box, optional
        What a blended grid covers; default: the region's box.
    ratio : Fraction
        Output pixels per input pixel: a whole number or one over one.
    cells : sequence of Box, optional
        Parts of the region's box that no tile of a `crop` plan reaches across; its tiles come
        part by part.

    Raises
    ------
    TilePlanError
        If no layout satisfies the rules.
    """
    if blend == "crop":
        parts = [part for cell in cells or [region.box] if (part := region.cut(cell))]
        tiles = tuple(_crop_tile(keep, axes, ratio) for part in parts for keep in cover(part, axes))
        return Plan(tiles, blend, axes[0].halo, region.box, ratio)
    return _blended(region, axes, blend, domain or region.box, ratio)


def _begin(read: Box, axes: Sequence[Axis], ratio: Fraction) -> tuple[int, ...]:
    """Return the output pixel at which the output of a read begins."""
    return tuple(
        int((start + axis.lost[0]) * ratio) for (start, _), axis in zip(read, axes, strict=True)
    )


def _crop_tile(keep: Box, axes: Sequence[Axis], ratio: Fraction) -> Tile:
    """Return the tile that reads what a kept box needs."""
    read, check = [], []
    for (start, stop), axis in zip(keep, axes, strict=True):
        begin, end = axis.read(start, stop)
        seam = axis.margin - axis.halo
        read.append((int(begin), int(end)))
        check.append((max(0, start - seam), min(axis.length, stop + seam)))
    return Tile(tuple(read), keep, tuple(check), _begin(tuple(read), axes, ratio))


def _blended(
    region: Region, axes: Sequence[Axis], blend: str, domain: Box, ratio: Fraction
) -> Plan:
    """Lay a grid of overlapping tiles over the domain and leave out those without ROI.

    A tile keeps what no later tile reaches: there the blend is complete as soon as the
    tile is added, in reading order.
    """
    reads = [_starts(axis, box) for axis, box in zip(axes, domain, strict=True)]
    gives = [
        tuple((a + axis.lost[0], b - axis.lost[1]) for a, b in spans)
        for axis, spans in zip(axes, reads, strict=True)
    ]
    ramps = tuple(
        _ramps(scaled(spans, ratio), scaled((box,), ratio)[0], blend)
        for spans, box in zip(gives, domain, strict=True)
    )
    tiles = []
    for grid in np.ndindex(*[len(spans) for spans in reads]):
        read = tuple(spans[i] for spans, i in zip(reads, grid, strict=True))
        given = tuple(spans[i] for spans, i in zip(gives, grid, strict=True))
        inside = intersect(given, domain)
        if inside is None or not region.crop(inside).any():
            continue
        keep = tuple(
            (start, spans[i + 1][0] if i + 1 < len(spans) else stop)
            for (start, stop), spans, i in zip(inside, gives, grid, strict=True)
        )
        tiles.append(Tile(read, keep, inside, _begin(read, axes, ratio), grid))
    return Plan(tuple(tiles), blend, axes[0].halo, domain, ratio, ramps)


def context_box(region: Region, axes: Sequence[Axis]) -> Box:
    """Return the region's box grown by real pixels: a halo, or as much as one tile needs."""
    box = []
    for (start, stop), axis in zip(region.box, axes, strict=True):
        grow = max(axis.halo, -(-(axis.size.round_up(1) - (stop - start)) // 2))
        begin, end = max(0, start - grow), min(axis.length, stop + grow)
        short = max(0, axis.size.round_up(1) - (end - begin))
        end = min(axis.length, end + short)
        begin = max(0, begin - max(0, axis.size.round_up(1) - (end - begin)))
        box.append((begin, end))
    return tuple(box)


def _starts(axis: Axis, domain: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Return the reads of one axis: a stride of tile less overlap, the last one anchored."""
    start, stop = domain[0] - axis.lost[0], domain[1] + axis.lost[1]
    tile = axis.tile
    if axis.size.fixed is None:
        tile = min(axis.size.round_down(tile), axis.size.round_up(stop - start))
    stride = max(1, (tile - sum(axis.lost) - 2 * axis.halo) // axis.shift * axis.shift)
    first = domain[0] // axis.shift * axis.shift - axis.lost[0]
    begins = [*range(first, stop - tile, stride), max(first, stop - tile)]
    # An anchored last tile keeps to the shift step too and may so reach past the edge.
    begins[-1] = first + -(-(begins[-1] - first) // axis.shift) * axis.shift
    return tuple((b, b + tile) for b in dict.fromkeys(begins))


def _ramps(
    spans: Sequence[tuple[int, int]], domain: tuple[int, int], blend: str
) -> tuple[npt.NDArray[np.float32], ...]:
    """Return the weight of each read pixel of each tile along one axis.

    Linear: tiles are laid one after the other, each fading in over its whole overlap
    with what lies there already (weight 0..1 inclusive). Gaussian: a bell per tile,
    divided by the sum. Either way the weights of a pixel add up to one.
    """
    start, stop = domain
    if blend == "gaussian":
        bells = []
        for a, b in spans:
            centre, sigma = (a + b - 1) / 2, (b - a) / 4
            bells.append(np.exp(-0.5 * ((np.arange(start, stop) - centre) / sigma) ** 2))
            bells[-1][: max(0, a - start)] = 0
            bells[-1][max(0, b - start) :] = 0
        weights = np.array(bells) / np.sum(bells, axis=0)
    else:
        weights = np.zeros((len(spans), stop - start))
        done = start
        for i, (a, b) in enumerate(spans):
            here = slice(max(a, start) - start, min(b, stop) - start)
            fade = np.ones(here.stop - here.start)
            if overlap := max(0, done - max(a, start)):
                fade[:overlap] = np.linspace(0, 1, overlap) if overlap > 1 else 0.5
            weights[:i, here] *= 1 - fade
            weights[i, here] = fade
            done = max(done, b)
    out = []
    for i, (a, b) in enumerate(spans):
        ramp = np.zeros(b - a, np.float32)
        lo, hi = max(a, start), min(b, stop)
        ramp[lo - a : hi - a] = weights[i, lo - start : hi - start]
        out.append(ramp)
    return tuple(out)
