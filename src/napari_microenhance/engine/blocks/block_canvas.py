"""BlockCanvas: a result painted block by block, each handed on when its last tile is there."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.blocks.block_grid import Block, BlockGrid
from napari_microenhance.engine.feed import Lane
from napari_microenhance.engine.intensity import IntensityMap, Palette
from napari_microenhance.engine.place import Place
from napari_microenhance.engine.planning import PlanPart, RunPlan
from napari_microenhance.engine.region import Region, around, scaled, unscaled
from napari_microenhance.engine.result import Canvas, Page, SoftEdges
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.engine.steps.fitting import FittedSteps
from napari_microenhance.engine.tiles.tiling import Plan
from napari_microenhance.types import Box, LazyArray

if TYPE_CHECKING:
    from napari_microenhance.engine.statistics.coupled import Numbers

__all__ = ["BlockCanvas", "BlockTarget", "Prepared", "Work"]

BAND_BYTES: Final = 64_000_000
"""Of the blocks beside each other that are painted at a time where tiles are blended."""

Index = tuple[int, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """What is known of a run before its first tile, and decides its pixels.

    Parameters
    ----------
    plan : RunPlan
    lanes : tuple of Lane
        Fitted, without a plane.
    page : Page
    grid : BlockGrid
    provider : str
        That runs the network.
    labels : bool
        Whether the result says what is where.
    """

    plan: RunPlan
    lanes: tuple[Lane, ...]
    page: Page
    grid: BlockGrid
    provider: str
    labels: bool = False

    @property
    def place(self) -> Place:
        """Where the box of the regions lies, with the planes that are run."""
        source = self.page.source
        spans = dict(zip(source.axes, [(0, n) for n in source.shape], strict=True))
        for axis, index in zip(
            source.plane_axes, zip(*self.plan.planes, strict=True), strict=False
        ):
            spans[source.axes[axis]] = (min(index), max(index) + 1)
        spans.update(zip(source.spatial, scaled(self.plan.box, self.page.ratio), strict=True))
        box = tuple(spans[letter] for letter in self.page.axes)
        return Place.of_box(box, self.page.axes, spatial=source.spatial, ratio=self.page.ratio)


@dataclasses.dataclass(frozen=True, eq=False)
class Work:
    """Tiles that are run one after the other.

    Parameters
    ----------
    part : PlanPart
        With no other tiles.
    lanes : tuple of Lane
        Each with its plane.
    blocks : frozenset of tuple of int
        Places of the blocks that these tiles finish; empty for a result in memory.
    """

    part: PlanPart
    lanes: tuple[Lane, ...]
    blocks: frozenset[Index] = frozenset()


class BlockTarget(Protocol):
    """Where finished blocks go, and what an earlier run left there."""

    @property
    def memory(self) -> int | None:
        """Bytes that the earlier run planned with."""

    def begin(self, prepared: Prepared) -> None:
        """Take what decides the pixels; raise where an earlier run had something else."""

    @property
    def done(self) -> frozenset[Index]:
        """Places of the blocks that are there."""

    @property
    def clipped(self) -> int:
        """Values that were clipped in these."""

    @property
    def mismatch(self) -> float | None:
        """Largest difference between tiles until then."""

    def write(
        self, block: Block, pixels: npt.NDArray[Any], *, clipped: int, mismatch: float | None
    ) -> None:
        """Keep the pixels of a block; when this returns it is done."""

    def numbers(self, lane: Lane) -> "Numbers | None":
        """Return the numbers over the whole image that are known of a lane."""

    def keep_numbers(self, lane: Lane, numbers: "Numbers") -> None:
        """Keep them."""

    def view(self, box: Box) -> LazyArray:
        """Return a box of the result, px of the result itself, read where it is sliced."""


class BlockCanvas:
    """Paints blocks, and hands each on when its tiles are painted.

    Parameters
    ----------
    prepared : Prepared
    target : BlockTarget
    feather : int
    classes : ModelSpec, optional
        Of a segmentation network.
    """

    def __init__(
        self,
        prepared: Prepared,
        target: BlockTarget,
        *,
        feather: int,
        classes: ModelSpec | None = None,
    ) -> None:
        self.page = prepared.page
        self.grid = prepared.grid
        self.place = prepared.place
        self.clipped = self._told = target.clipped
        self.mismatch = target.mismatch
        self._target = target
        self._edges = SoftEdges(0 if classes else feather)
        self._feather = feather
        self._classes = classes
        self._open: dict[Index, Canvas] = {}
        self._waiting: Counter[Index] = Counter()

    @property
    def patch(self) -> LazyArray:
        """The box of the regions, in the target."""
        pairs = zip(self.place.box, self.grid.box, strict=True)
        return self._target.view(tuple((a - start, b - start) for (a, b), (start, _) in pairs))

    @property
    def whole(self) -> LazyArray:
        """The result, in the target."""
        return self._target.view(tuple((0, n) for n in self.grid.shape))

    def works(self, parts: Sequence[tuple[PlanPart, list[Lane]]]) -> Iterator[Work]:
        """Yield the tiles that missing blocks need, in order, those of one lane at a time.

        Parameters
        ----------
        parts : sequence of PlanPart and list of Lane
            The whole plan; each lane with its plane.
        """
        done = self._target.done
        for part, lanes in parts:
            over = _tiles_of_blocks(self.grid, part, self.page)
            for lane in lanes:
                there = [at for at in self._under(lane) if at not in done]
                spatial = {self._spatial(at): at for at in there}
                missing = {at: tiles for at, tiles in over.items() if at in spatial}
                for tiles, places in self._bands(part.layout, missing):
                    blocks = frozenset(spatial[at] for at in places)
                    yield Work(_restricted(part, tiles), (lane,), blocks)

    def copies(self, parts: Sequence[tuple[PlanPart, list[Lane]]]) -> list[Block]:
        """Return the missing blocks that no tile touches: they are copied from the page."""
        painted: set[Index] = set()
        for part, lanes in parts:
            over = _tiles_of_blocks(self.grid, part, self.page)
            for lane in lanes:
                painted.update(at for at in self._under(lane) if self._spatial(at) in over)
        done = self._target.done
        every = np.ndindex(*self.grid.counts)
        return [self.grid.block(at) for at in every if at not in painted and at not in done]

    def copy(self, block: Block) -> None:
        """Write a block of the page as it is."""
        pixels = self.page.cut(self._in_page(block))
        self._target.write(block, pixels, clipped=0, mismatch=self.mismatch)

    def start(self, work: Work) -> None:
        """Begin with some tiles, as `works` gave them."""
        keeps = _tiles_of_blocks(self.grid, work.part, self.page, kept=True)
        self._waiting = Counter({at: len(keeps[self._spatial(at)]) for at in work.blocks})

    def paint(
        self,
        values: npt.NDArray[np.float32],
        keep: Box,
        *,
        region: Region,
        plane: Index,
        palette: Palette,
        maps: tuple[IntensityMap, ...],
        after: FittedSteps | None = None,
    ) -> list[tuple[Box, npt.NDArray[Any]]]:
        """Paint finished network output, as `Canvas.paint` does.

        Returns
        -------
        list of tuple of Box and ndarray
            What was painted in each block that is not done.
        """
        found = []
        for at in self.grid.touched(self._box_of(keep, plane, palette)):
            if at not in self._waiting:
                continue
            canvas = self._canvas(at, plane)
            painted = canvas.paint(
                values, keep, region=region, plane=plane, palette=palette, maps=maps, after=after
            )
            found += painted
            self._waiting[at] -= 1
            if not self._waiting[at]:
                self._finish(at)
        return found

    def _finish(self, at: Index) -> None:
        """Hand a block on."""
        canvas = self._open.pop(at)
        del self._waiting[at]
        self.clipped += canvas.clipped
        clipped, self._told = self.clipped - self._told, self.clipped
        block = self.grid.block(at)
        self._target.write(block, canvas.patch, clipped=clipped, mismatch=self.mismatch)

    def _canvas(self, at: Index, plane: Index) -> Canvas:
        """Return the pixels of a block, the page's where nothing is painted yet."""
        if at not in self._open:
            box = self._in_page(self.grid.block(at))
            source = self.page.source
            spatial = tuple(box[a] for a in source.spatial_axes)
            self._open[at] = Canvas(
                self.page,
                box=unscaled(spatial, self.page.ratio),
                planes=(plane,),
                feather=self._feather,
                classes=self._classes,
                channels=box[source.channel_axis] if source.channel_axis >= 0 else None,
                edges=self._edges,
            )
        return self._open[at]

    def _in_page(self, block: Block) -> Box:
        """Return the box of a block over all axes of the image, result px."""
        own = dict(zip(self.page.axes, block.box, strict=True))
        pairs = zip(self.page.source.axes, self.page.source.shape, strict=True)
        return tuple(own.get(letter, (0, length)) for letter, length in pairs)

    def _box_of(self, keep: Box, plane: Index, palette: Palette) -> Box:
        """Return a spatial box of some channels of a plane over all axes of the result."""
        source = self.page.source
        spans = {source.axes[a]: (i, i + 1) for a, i in zip(source.plane_axes, plane, strict=True)}
        spans.update(zip(source.spatial, keep, strict=True))
        spans["C"] = (min(palette.channels), max(palette.channels) + 1)
        return tuple(spans[letter] for letter in self.page.axes)

    def _under(self, lane: Lane) -> list[Index]:
        """Return the places of the blocks of a lane."""
        spans = dict(zip(self.page.axes, self.grid.box, strict=True))
        whole = tuple(spans[letter] for letter in self.page.source.spatial)
        return self.grid.touched(self._box_of(whole, lane.plane, lane.palette))

    def _spatial(self, at: Index) -> Index:
        """Return the place of a block along the spatial axes."""
        return tuple(at[self.page.axes.index(letter)] for letter in self.page.source.spatial)

    def _bands(
        self, layout: Plan, missing: Mapping[Index, list[int]]
    ) -> Iterator[tuple[list[int], list[Index]]]:
        """Yield the tiles that missing blocks need, in the order that they are run in.

        Tiles that are not blended come cell by cell, so that few blocks are open. Blended ones
        come in the plan's order, by which their sums are complete row by row; for an image of
        many blocks in bands, whose common tiles are run once for each.
        """
        if not missing:
            return
        if not layout.ramps:
            ordered = sorted(missing, key=_by_cells)
            yield list(dict.fromkeys(i for at in ordered for i in missing[at])), ordered
            return
        count = self._band_blocks()
        bands: dict[int, list[Index]] = {}
        for at in missing:
            bands.setdefault(at[-1] // count, []).append(at)
        for _, places in sorted(bands.items()):
            yield sorted({i for at in places for i in missing[at]}), places

    def _band_blocks(self) -> int:
        """Return how many blocks of a band lie beside each other."""
        size = self.page.dtype.itemsize
        for length in self.grid.lengths:
            size *= length
        return max(2, BAND_BYTES // size)


def _by_cells(at: Index) -> tuple[Index, Index]:
    """Return what sorts blocks by the cells of two by two that they lie in."""
    return tuple(i // 2 for i in at), at


def _tiles_of_blocks(
    grid: BlockGrid, part: PlanPart, page: Page, *, kept: bool = False
) -> dict[Index, list[int]]:
    """Return the tiles that each block is made of, by its place along the spatial axes.

    With `kept` only those that finish pixels of it.
    """
    spatial = page.source.spatial
    at = [page.axes.index(letter) for letter in spatial]
    flat = BlockGrid(
        axes=spatial,
        box=tuple(grid.box[i] for i in at),
        lengths=tuple(grid.lengths[i] for i in at),
    )
    found: dict[Index, list[int]] = {}
    for number, tile in enumerate(part.layout.tiles):
        box = tile.check if part.layout.ramps and not kept else tile.keep
        for place in flat.touched(scaled(box, page.ratio)):
            found.setdefault(place, []).append(number)
    if part.layout.ramps and not kept:
        # A block that only the margins of tiles touch is no part of the region's box.
        inside = _tiles_of_blocks(grid, part, page, kept=True)
        return {place: tiles for place, tiles in found.items() if place in inside}
    return found


def _restricted(part: PlanPart, tiles: list[int]) -> PlanPart:
    """Return a part with some of its tiles."""
    if part.coupled is not None:
        coupled = part.coupled.with_tiles(sorted(tiles))
        return dataclasses.replace(part, coupled=coupled, layout=coupled.plan)
    chosen = tuple(part.layout.tiles[i] for i in tiles)
    layout = dataclasses.replace(part.layout, tiles=chosen)
    if layout.ramps:
        layout = dataclasses.replace(layout, domain=around([tile.check for tile in chosen]))
    return dataclasses.replace(part, layout=layout)
