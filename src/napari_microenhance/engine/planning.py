"""plan_run(): what a run will do - planes, channels, tiles, memory - before a pixel is read."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_microenhance.engine.blocks.block_grid import (
    MANY_BLOCKS,
    BlockGrid,
    block_lengths,
    cell_edge,
    cells_of,
    grid_origin,
)
from napari_microenhance.engine.cautions import Caution
from napari_microenhance.engine.intensity import Palette, palettes
from napari_microenhance.engine.options import Options
from napari_microenhance.engine.region import Region, around, intersect, scaled
from napari_microenhance.engine.selection import Selection
from napari_microenhance.engine.source import Source
from napari_microenhance.engine.spec import GLOBAL, ModelSpec
from napari_microenhance.engine.tiles.sizing import blend_of, size_axes, tiles_per_call
from napari_microenhance.engine.tiles.tiling import Plan, context_box, plan
from napari_microenhance.errors import OptionsError, RoiError
from napari_microenhance.types import Box

if TYPE_CHECKING:
    from napari_microenhance.engine.statistics.coupled import CoupledNetwork
    from napari_microenhance.engine.statistics.coupled_layout import CoupledLayout

__all__ = ["PlanPart", "RunPlan", "plan_run", "plan_survey"]

MUCH_LARGER: Final = 20
"""Times the ROI's box from which on the cost of the whole image is told."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PlanPart:
    """Planes that have one region, and the tiles of each.

    Parameters
    ----------
    region : Region
        Already dilated.
    passes : tuple of (tuple of int, int)
        How often the tiles are run: indices of a plane along the plane axes, and which
        palette of the run.
    layout : Plan
        Tiles of one plane and palette; with a window those that it needs.
    coupled : CoupledLayout or None
        The same tiles where the network runs in groups of layers.
    """

    region: Region
    passes: tuple[tuple[tuple[int, ...], int], ...]
    layout: Plan
    coupled: "CoupledLayout | None" = None

    @property
    def planes(self) -> int:
        """Number of planes."""
        return len({plane for plane, _ in self.passes})


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RunPlan:
    """What a run will do.

    Parameters
    ----------
    selection : Selection
        Already dilated.
    parts : tuple of PlanPart
        At least one; each plane and palette is run once.
    palettes : tuple of Palette
        The channels of each run on their own, before intensities are fitted.
    window : Box or None
        Spatial ranges that are wanted, image px; None: all.
    batch : int
        Tiles per network call, at most.
    memory_bytes : int
        What the run may add.
    dtype : dtype
        Of the result.
    makes_grey : bool
        Whether the result of a colour image has no channels.
    cautions : tuple of Caution
    """

    selection: Selection
    parts: tuple[PlanPart, ...]
    palettes: tuple[Palette, ...]
    window: Box | None
    batch: int
    memory_bytes: int
    dtype: np.dtype[np.generic]
    makes_grey: bool
    cautions: tuple[Caution, ...] = ()

    @property
    def planes(self) -> tuple[tuple[int, ...], ...]:
        """Indices of the planes to run, along the plane axes."""
        return tuple(dict.fromkeys(plane for part in self.parts for plane, _ in part.passes))

    @property
    def tiles(self) -> int:
        """Tiles of all planes and palettes."""
        return sum(len(part.layout.tiles) * len(part.passes) for part in self.parts)

    @property
    def pixels_computed(self) -> int:
        """Network input pixels of all tiles, halos included."""
        return sum(part.layout.pixels_computed * len(part.passes) for part in self.parts)

    @property
    def pixels_roi(self) -> int:
        """Pixels of the dilated regions in all planes."""
        return sum(part.region.pixels * part.planes for part in self.parts)

    @property
    def tile_shape(self) -> tuple[int, ...]:
        """Longest read along each spatial axis, px; empty without tiles."""
        shapes = [tile.shape for part in self.parts for tile in part.layout.tiles]
        return tuple(max(axis) for axis in zip(*shapes, strict=True))

    @property
    def halo(self) -> int:
        """Real pixels around each kept range, px."""
        return self.parts[0].layout.halo

    @property
    def blend(self) -> str:
        """How neighbouring tiles are brought together."""
        return self.parts[0].layout.blend

    def statistics(self, spec: ModelSpec, options: Options) -> str | None:
        """Return over which pixels a network of radius "global" takes its statistics."""
        if self.parts[0].coupled is not None:
            return "roi" if options.statistics == "roi" else "image"
        return "tile" if spec.radius == GLOBAL else None

    @property
    def kept(self) -> str | None:
        """Where groups of layers leave their tensors; None: the network runs as a whole."""
        coupled = self.parts[0].coupled
        return None if coupled is None else coupled.keeping.place

    @property
    def box(self) -> Box:
        """Spatial ranges of the patch, image px; empty ones where the window meets no ROI."""
        whole = around([part.region.box for part in self.parts])
        box = whole if self.window is None else intersect(whole, self.window)
        return box or tuple((start, start) for start, _ in whole)


def plan_run(  # noqa: PLR0913 - all that a run depends on
    spec: ModelSpec,
    source: Source,
    selection: Selection,
    options: Options,
    memory: int,
    *,
    in_memory: bool = True,
    window: Box | None = None,
    coupled: "CoupledNetwork | None" = None,
    folder: Path | None = None,
) -> RunPlan:
    """Plan a run; nothing is read and no network is needed.

    Parameters
    ----------
    spec : ModelSpec
    source : Source
        Its shape, axes and number type are used.
    selection : Selection
        Before dilation.
    options : Options
    memory : int
        Bytes that the run may add.
    in_memory : bool
        Whether the result counts among them; else its blocks go where they belong.
    window : Box, optional
        Spatial ranges, px: only the tiles of the full plan that these need.
    coupled : CoupledNetwork, optional
        The network in groups of layers, where `takes_statistics`.
    folder : Path, optional
        For what such a network keeps beyond the memory.

    Returns
    -------
    RunPlan

    Raises
    ------
    OptionsError
        If a plane does not exist.
    RoiError
        If no chosen plane has a region.
    ModelError
        If the channels of image and network do not fit.
    MemoryBudgetError, TilePlanError
        If no tile does.
    """
    lanes = palettes(source, spec, options)
    selection = selection.dilated(options.dilate)
    groups: dict[int, tuple[Region, list[tuple[tuple[int, ...], int]]]] = {}
    for plane in _chosen_planes(source, options):
        for number, palette in enumerate(lanes):
            region = selection.at(plane, palette.channels)
            if region is not None:
                groups.setdefault(id(region), (region, []))[1].append((plane, number))
    if not groups:
        raise RoiError(
            "The ROI is on none of the planes chosen with planes=; choose planes that it is on."
        )
    planes = {plane for _, passes in groups.values() for plane, _ in passes}
    per_px = (1 if lanes[0].makes_grey else source.channels) * source.dtype.itemsize * len(planes)
    per_px = per_px if in_memory else 0
    regions = [region for region, _ in groups.values()]
    edge = _cell_edge(spec, source, options, lanes)
    origin = grid_origin(regions, cropped=options.background == "crop")
    parts = []
    for region, passes in groups.values():
        grouped = None
        if coupled is not None:
            from napari_microenhance.engine.statistics.coupled_layout import lay_out

            spare = memory - (_patch_bytes(spec, region, per_px) if in_memory else 0)
            grouped = lay_out(coupled, region, options, budget=spare, folder=folder)
            grouped = grouped if window is None else grouped.touching(window)
            layout = grouped.plan
        else:
            cells = cells_of(region, origin, edge) if len(region.shape) == 2 else ()
            layout = _layout(spec, region, options, memory, per_px, cells)
            layout = layout if window is None else layout.touching(window)
        parts.append(PlanPart(region=region, passes=tuple(passes), layout=layout, coupled=grouped))
    labels = spec.task == "labels"
    return RunPlan(
        selection=selection,
        parts=tuple(parts),
        palettes=lanes,
        window=window,
        batch=tiles_per_call(spec, options),
        memory_bytes=memory,
        dtype=_result_dtype(spec, source, options),
        makes_grey=lanes[0].makes_grey or (labels and source.is_colour),
        cautions=(
            *(_size_cautions(parts, options) if coupled else _seam_cautions(spec, parts[0].layout)),
            *_channel_cautions(selection, lanes),
        ),
    )


def _cell_edge(spec: ModelSpec, source: Source, options: Options, lanes: Sequence[Palette]) -> int:
    """Return the edge of a cell of the result, image px."""
    channels = 1 if lanes[0].makes_grey else channels_together(source, lanes)
    return cell_edge(spec.ratio, channels * _result_dtype(spec, source, options).itemsize)


def channels_together(source: Source, lanes: Sequence[Palette]) -> int:
    """Return how many channels of a result are painted together."""
    return 1 if all(len(palette.channels) == 1 for palette in lanes) else source.channels


def grid_of(plan: "RunPlan", spec: ModelSpec, source: Source, options: Options) -> BlockGrid:
    """Return the blocks of the result of a run, image or crop.

    Parameters
    ----------
    plan : RunPlan
        Without a window.
    spec : ModelSpec
    source : Source
    options : Options
    """
    axes = source.axes.replace("C", "") if plan.makes_grey else source.axes
    spans = {letter: (0, n) for letter, n in zip(source.axes, source.shape, strict=True)}
    if options.background == "crop":
        spans.update(zip(source.spatial, plan.box, strict=True))
        for axis, index in zip(source.plane_axes, zip(*plan.planes, strict=True), strict=False):
            spans[source.axes[axis]] = (min(index), max(index) + 1)
    for letter in source.spatial:
        spans[letter] = scaled((spans[letter],), spec.ratio)[0]
    edge = _cell_edge(spec, source, options, plan.palettes)
    together = channels_together(source, plan.palettes)

    def grid(block: int) -> BlockGrid:
        lengths = block_lengths(axes, source.spatial, spec.ratio, block, together)
        return BlockGrid(axes=axes, box=tuple(spans[letter] for letter in axes), lengths=lengths)

    fine = grid(edge // 2)
    return fine if fine.total <= MANY_BLOCKS else grid(edge)


def _layout(
    spec: ModelSpec,
    region: Region,
    options: Options,
    memory: int,
    per_px: int,
    cells: tuple[Box, ...],
) -> Plan:
    """Lay the tiles of one plane; the result takes so many bytes per image pixel."""
    blend = blend_of(spec, options)
    if blend != "crop":
        per_px += 4 * spec.channels_out
    patch = _patch_bytes(spec, region, per_px)
    axes = size_axes(spec, region, options, memory=memory, patch_bytes=patch)
    domain = region.box if options.context == "white" else context_box(region, axes)
    return plan(region, axes, blend=blend, domain=domain, ratio=spec.ratio, cells=cells)


def _patch_bytes(spec: ModelSpec, region: Region, per_px: int) -> int:
    """Return what the result takes, at so many bytes per image pixel."""
    box_px = math.prod(stop - start for start, stop in region.box)
    return box_px * math.ceil(per_px * spec.ratio**2)


def takes_statistics(spec: ModelSpec, options: Options) -> bool:
    """Tell whether a run takes its statistics over more than a tile, in groups of layers."""
    if spec.coupling != "numbers" or options.statistics == "tile":
        return False
    # Who asks for blended tiles gets them.
    return options.statistics != "auto" or options.blend in ("auto", "crop")


def plan_survey(spec: ModelSpec, source: Source, options: Options, memory: int) -> Plan:
    """Lay tiles over a whole plane, each pixel kept once, to see what a network makes of it.

    Parameters
    ----------
    spec : ModelSpec
    source : Source
        Its shape is used.
    options : Options
        `tile`, `halo` and `batch` are used.
    memory : int
        Bytes that may be added.

    Raises
    ------
    MemoryBudgetError, TilePlanError
        If no tile fits.
    """
    whole = Region.whole(source.spatial_shape)
    options = dataclasses.replace(options, blend="crop")
    axes = size_axes(spec, whole, options, memory=memory, patch_bytes=0)
    return plan(whole, axes, blend="crop", domain=context_box(whole, axes), ratio=spec.ratio)


def _chosen_planes(source: Source, options: Options) -> tuple[tuple[int, ...], ...]:
    """Return the indices of the planes to run."""
    planes = source.planes
    if options.planes == "all":
        return planes
    if max(options.planes) >= len(planes):
        raise OptionsError(
            f"planes={max(options.planes)} does not exist; the image has "
            + (f"planes 0 to {len(planes) - 1}." if len(planes) > 1 else "a single plane, 0.")
        )
    return tuple(planes[int(p)] for p in options.planes)


def _result_dtype(spec: ModelSpec, source: Source, options: Options) -> np.dtype[np.generic]:
    """Return the number type of the result."""
    if options.dtype == "float32":
        return np.dtype(np.float32)
    return np.dtype(np.uint8) if spec.task == "labels" else source.dtype


def _channel_cautions(selection: Selection, lanes: Sequence[Palette]) -> tuple[Caution, ...]:
    """Say it where regions of one channel count for those that the network sees with it."""
    if not selection.by_channel or all(len(palette.channels) == 1 for palette in lanes):
        return ()
    said = (
        "The model processes several channels together, so an ROI drawn on one channel "
        "applies to all of them."
    )
    return (Caution("roi-planes", said),)


def _size_cautions(parts: Sequence[PlanPart], options: Options) -> tuple[Caution, ...]:
    """Say it where the whole image costs far more than the ROI."""
    worst, seconds = 0.0, 0.0
    for part in parts:
        if part.coupled is not None:
            box = math.prod(stop - start for start, stop in part.region.box)
            worst = max(worst, math.prod(part.coupled.image) / max(1, box))
            seconds += part.coupled.seconds * len(part.passes)
    if worst <= MUCH_LARGER or options.statistics != "auto":
        return ()
    said = (
        f"The model normalises over the whole image, {worst:.0f} times the ROI's box (about "
        f"{seconds:.0f} s); statistics=roi uses the box alone."
    )
    return (Caution("whole-image", said),)


def _seam_cautions(spec: ModelSpec, layout: Plan) -> tuple[Caution, ...]:
    """Say where the options ask for what shows seams."""
    if spec.radius == GLOBAL and layout.blend == "crop":
        said = (
            "blend=crop will show seams: each output pixel of this model depends on the whole tile."
        )
    elif spec.radius != GLOBAL and layout.halo < int(spec.radius):
        said = (
            f"halo={layout.halo} px is smaller than the model's receptive field of "
            f"{spec.radius} px; seams are possible."
        )
    else:
        return ()
    return (Caution("seams", said),)
