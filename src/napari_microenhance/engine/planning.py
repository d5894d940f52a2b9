"""plan_run(): what a run will do - planes, channels, tiles, memory - before a pixel is read."""

import dataclasses
import math

import numpy as np

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.engine.intensity import Palette, palettes
from napari_microenhance.engine.options import Options
from napari_microenhance.engine.region import Region, intersect
from napari_microenhance.engine.source import Source
from napari_microenhance.engine.spec import GLOBAL, ModelSpec
from napari_microenhance.engine.tiles.sizing import blend_of, size_axes, tiles_per_call
from napari_microenhance.engine.tiles.tiling import Plan, context_box, plan
from napari_microenhance.errors import OptionsError
from napari_microenhance.types import Box

__all__ = ["RunPlan", "plan_run", "plan_survey"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RunPlan:
    """What a run will do.

    Parameters
    ----------
    region : Region
        Already dilated.
    planes : tuple of tuple of int
        Indices of the planes to run, along the plane axes.
    palettes : tuple of Palette
        The channels of each run on their own, before intensities are fitted.
    layout : Plan
        Tiles of one plane and palette; with a window those that it needs.
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

    region: Region
    planes: tuple[tuple[int, ...], ...]
    palettes: tuple[Palette, ...]
    layout: Plan
    window: Box | None
    batch: int
    memory_bytes: int
    dtype: np.dtype[np.generic]
    makes_grey: bool
    cautions: tuple[Caution, ...] = ()

    @property
    def passes(self) -> int:
        """How often the tiles of the layout are run: once per plane and palette."""
        return len(self.planes) * len(self.palettes)

    @property
    def tiles(self) -> int:
        """Tiles of all planes and palettes."""
        return len(self.layout.tiles) * self.passes

    @property
    def pixels_computed(self) -> int:
        """Network input pixels of all tiles, halos included."""
        return self.layout.pixels_computed * self.passes

    @property
    def pixels_roi(self) -> int:
        """Pixels of the dilated region in all planes."""
        return self.region.pixels * len(self.planes)

    @property
    def tile_shape(self) -> tuple[int, ...]:
        """Longest read along each spatial axis, px; empty without tiles."""
        return tuple(max(axis) for axis in zip(*(t.shape for t in self.layout.tiles), strict=True))

    @property
    def box(self) -> Box:
        """Spatial ranges of the patch, image px; empty ones where the window meets no ROI."""
        box = self.region.box if self.window is None else intersect(self.region.box, self.window)
        return box or tuple((start, start) for start, _ in self.region.box)


def plan_run(
    spec: ModelSpec,
    source: Source,
    region: Region,
    options: Options,
    memory: int,
    *,
    window: Box | None = None,
) -> RunPlan:
    """Plan a run; nothing is read and no network is needed.

    Parameters
    ----------
    spec : ModelSpec
    source : Source
        Its shape, axes and number type are used.
    region : Region
        Before dilation.
    options : Options
    memory : int
        Bytes that the run may add.
    window : Box, optional
        Spatial ranges, px: only the tiles of the full plan that these need.

    Returns
    -------
    RunPlan

    Raises
    ------
    OptionsError
        If a plane does not exist.
    ModelError
        If the channels of image and network do not fit.
    MemoryBudgetError, TilePlanError
        If no tile does.
    """
    planes = _chosen_planes(source, options)
    lanes = palettes(source, spec, options.colour)
    region = region.dilated(options.dilate)
    blend = blend_of(spec, options)
    per_px = (1 if lanes[0].makes_grey else source.channels) * source.dtype.itemsize * len(planes)
    if blend != "crop":
        per_px += 4 * spec.channels_out
    box_px = math.prod(stop - start for start, stop in region.box)
    axes = size_axes(
        spec,
        region,
        options,
        memory=memory,
        patch_bytes=box_px * math.ceil(per_px * spec.ratio**2),
    )
    domain = region.box if options.context == "white" else context_box(region, axes)
    layout = plan(region, axes, blend=blend, domain=domain, ratio=spec.ratio)
    labels = spec.task == "labels"
    return RunPlan(
        region=region,
        planes=planes,
        palettes=lanes,
        layout=layout if window is None else layout.touching(window),
        window=window,
        batch=tiles_per_call(spec, options),
        memory_bytes=memory,
        dtype=_result_dtype(spec, source, options),
        makes_grey=lanes[0].makes_grey or (labels and source.is_colour),
        cautions=_seam_cautions(spec, blend, axes[0].halo),
    )


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
            f"planes={max(options.planes)} does not exist; the image has planes 0 to "
            f"{len(planes) - 1}."
        )
    return tuple(planes[int(p)] for p in options.planes)


def _result_dtype(spec: ModelSpec, source: Source, options: Options) -> np.dtype[np.generic]:
    """Return the number type of the result."""
    if options.dtype == "float32":
        return np.dtype(np.float32)
    return np.dtype(np.uint8) if spec.task == "labels" else source.dtype


def _seam_cautions(spec: ModelSpec, blend: str, halo: int) -> tuple[Caution, ...]:
    """Say where the options ask for what shows seams."""
    if spec.radius == GLOBAL and blend == "crop":
        said = "blend=crop shows seams: this network looks at the whole tile."
    elif spec.radius != GLOBAL and halo < int(spec.radius):
        said = (
            f"halo={halo} px is smaller than the network's reach of {spec.radius} px; "
            "seams are possible."
        )
    else:
        return ()
    return (Caution("seams", said),)
