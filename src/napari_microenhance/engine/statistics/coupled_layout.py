"""How a cut network lies over an image: its domain, its tiles, and what it keeps where."""

import dataclasses
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from napari_microenhance.engine.options import Options
from napari_microenhance.engine.region import Region
from napari_microenhance.engine.statistics.coupled import CoupledNetwork
from napari_microenhance.engine.statistics.coupled_feed import core_of
from napari_microenhance.engine.statistics.cutting import Cut
from napari_microenhance.engine.statistics.group_tiles import GroupPlan, GroupTile, plan_region
from napari_microenhance.engine.statistics.keeping import Keeping, keeping_for
from napari_microenhance.engine.tiles.tiling import Plan, Tile
from napari_microenhance.types import Box

__all__ = ["CoupledLayout", "lay_out"]

ROI_HALO_PX: Final = 32
"""Real pixels around the ROI's box whose numbers count with ``statistics="roi"``."""

Pair = tuple[int, int]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CoupledLayout:
    """A cut network over one plane.

    Parameters
    ----------
    model : CoupledNetwork
    domain : Box
        Rows and columns whose pixels count for the numbers, image px.
    offset : tuple of int
        Image px (row, column) of the network's first pixel.
    image : tuple of int
        Rows, columns that the network is given, px: the domain, what valid convolutions lose, and
        what its sizes force.
    keeping : Keeping
    folder : Path or None
        For tensors on disk.
    last : GroupPlan
        Tiles of the last group, which make the pixels.
    plan : Plan
        The same tiles as the engine knows them.
    """

    model: CoupledNetwork
    domain: Box
    offset: Pair
    image: Pair
    keeping: Keeping
    folder: Path | None
    last: GroupPlan
    plan: Plan

    @property
    def seconds(self) -> float:
        """About how long one plane takes until all numbers are known, s."""
        return self.model.seconds_per_pixel * math.prod(self.image)

    def touching(self, box: Box) -> "CoupledLayout":
        """Return the same layout with only the tiles that pixels of a box are made of."""
        plan = self.plan.touching(box)
        kept = {id(tile) for tile in plan.tiles}
        return self.with_tiles([i for i, t in enumerate(self.plan.tiles) if id(t) in kept])

    def with_tiles(self, numbers: Sequence[int]) -> "CoupledLayout":
        """Return the same layout with only some tiles, by their numbers in the plan."""
        plan = dataclasses.replace(self.plan, tiles=tuple(self.plan.tiles[i] for i in numbers))
        last = dataclasses.replace(self.last, tiles=tuple(self.last.tiles[i] for i in numbers))
        return dataclasses.replace(self, plan=plan, last=last)


def lay_out(
    model: CoupledNetwork,
    region: Region,
    options: Options,
    *,
    budget: int,
    folder: Path | None,
) -> CoupledLayout:
    """Lay a cut network over an image.

    Parameters
    ----------
    model : CoupledNetwork
    region : Region
        Already dilated; only its pixels are made.
    options : Options
        `statistics` and `tile` are used.
    budget : int
        Bytes that tensors and tiles may take.
    folder : Path or None
        For tensors that do not fit in memory.

    Raises
    ------
    MemoryBudgetError
        If not even a tile fits.
    """
    spec = model.spec
    domain = _domain(model, region, options.statistics)
    lost = spec.border_loss
    lengths = [
        rule.round_up(stop - start + sum(lost))
        for (start, stop), rule in zip(domain, spec.size, strict=True)
    ]
    image = (lengths[0], lengths[1])
    offset = (domain[0][0] - lost[0], domain[1][0] - lost[0])
    keeping = keeping_for(model.cut_for(image), image, budget=budget, folder=folder)
    cut = model.cut_for(image, keep=keeping.place != "nowhere")
    core = core_of(cut, cut.groups[-1], image, keeping)
    if options.tile != "auto":
        core = _kept_of(cut, image, int(options.tile), model)
        keeping = dataclasses.replace(keeping, core=core)

    def shrunk(cell: tuple[Pair, Pair]) -> tuple[Pair, Pair] | None:
        """Return the part of a cell, both counted from the domain's start, that has an ROI."""
        there = tuple(
            (a + start, min(b + start, stop))
            for (a, b), (start, stop) in zip(cell, domain, strict=True)
        )
        if any(a >= b for a, b in there):
            return None
        inside = region.crop(there)
        if not inside.any():
            return None
        found = []
        for axis, (a, _) in enumerate(cell):
            hit = np.flatnonzero(inside.any(axis=1 - axis))
            found.append((a + int(hit[0]), a + int(hit[-1]) + 1))
        return found[0], found[1]

    last = plan_region(cut, image, core, model.aligned, shrunk)
    tiles = tuple(_tile(model, tile, domain, offset) for tile in last.tiles)
    halo = max(
        (tile.keep[axis][0] - tile.read[axis][0] for tile in tiles for axis in (0, 1)), default=0
    )
    return CoupledLayout(
        model=model,
        domain=domain,
        offset=offset,
        image=image,
        keeping=keeping,
        folder=folder,
        last=last,
        plan=Plan(tiles, "crop", halo, region.box, spec.ratio),
    )


def _kept_of(cut: Cut, image: Pair, tile: int, model: CoupledNetwork) -> Pair:
    """Return what tiles of the last group keep, so that they read so many px, halos included."""
    tried = plan_region(cut, image, (tile, tile), model.aligned, lambda cell: cell).tiles
    halos = [
        max(part.read[1] - part.read[0] - (part.keep[1] - part.keep[0]) for part in parts)
        for parts in ([t.rows for t in tried], [t.columns for t in tried])
    ]
    return max(1, tile - halos[0]), max(1, tile - halos[1])


def _domain(model: CoupledNetwork, region: Region, statistics: str) -> Box:
    """Return the rows and columns whose pixels count."""
    if statistics != "roi":
        return tuple((0, length) for length in region.shape)
    found = []
    for (start, stop), length, step in zip(region.box, region.shape, model.step, strict=True):
        # Strides lie as they lie in the whole image.
        low = max(0, start - ROI_HALO_PX) // step * step
        high = min(length, low + -(-(stop + ROI_HALO_PX - low) // step) * step)
        found.append((low, high))
    return tuple(found)


def _tile(model: CoupledNetwork, tile: GroupTile, domain: Box, offset: Pair) -> Tile:
    """Return a tile of the last group in the image's pixels."""
    ratio = model.spec.ratio
    output = model.graph.output
    read, keep, check, begin = [], [], [], []
    for axis, part in enumerate((tile.rows, tile.columns)):
        start, stop = domain[axis]
        first, last = part.kept[output]
        read.append((part.read[0] + offset[axis], part.read[1] + offset[axis]))
        keep.append((part.keep[0] + start, min(part.keep[1] + start, stop)))
        low = start + math.ceil(Fraction(first) / ratio)
        high = start + math.floor(Fraction(last) / ratio)
        check.append((low, min(high, stop)))
        begin.append(first + int(start * ratio))
    return Tile(tuple(read), tuple(keep), tuple(check), tuple(begin))
