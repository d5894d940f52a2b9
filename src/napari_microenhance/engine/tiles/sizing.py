"""Choose tile size and halo from the network, the options and the memory at hand."""

import dataclasses
import math

import psutil

from napari_microenhance.engine.options import Options
from napari_microenhance.engine.region import Region
from napari_microenhance.engine.spec import GLOBAL, ModelSpec
from napari_microenhance.engine.tiles.axis import Axis
from napari_microenhance.errors import MemoryBudgetError

__all__ = ["Tiling", "size_axes"]

LARGE_PX = {2: (2048, 2048), 3: (64, 2048, 2048)}
"""A large image, and a large stack, which is shallow."""

CORE_PX = 384
"""Least kept edge of an automatic tile; more where the halo is wide."""

WIDE_HALOS = 12
"""Kept edge of an automatic tile, in halos, beyond `CORE_PX`: halos then cost a quarter."""

GLOBAL_TILE_PX = 512
"""Automatic tile of a network that couples the whole tile: what most are trained on."""

GLOBAL_HALO_PX = 32
"""Half the overlap of such tiles."""

ONE_TILE_PX = 1024
"""Up to this edge such a network runs in one tile, without any seam."""

TILE_BYTES = 160_000_000
"""Working memory that an automatic tile aims at."""

BESIDE_BYTES = 24_000_000
"""What a run takes besides its result and the network, measured."""

SPREAD = 2.0
"""How much more memory a network takes than its working memory for one tile, at most."""

CORE_HALOS = 3
"""Kept edge, in halos, for which an automatic tile takes more memory than it aims at."""

LEAST_CORE_PX = 64
"""Kept edge that an automatic tile is not shrunk below to save memory."""


def memory_budget(options: Options) -> int:
    """Return the bytes that a run may add: the option, or half of what is free."""
    if options.memory != "auto":
        return int(options.memory)
    return int(psutil.virtual_memory().available // 2)


def blend_of(spec: ModelSpec, options: Options) -> str:
    """Return how tiles meet: as asked, or exactly where the network's reach is finite."""
    if options.blend != "auto":
        return options.blend
    return "linear" if spec.radius == GLOBAL else "crop"


def tile_bytes(budget: int) -> float:
    """Return what the network may take of what a run may add besides its result, bytes.

    A runtime takes memory in steps, up to twice what a tile needs, and keeps it; around it stand
    the tiles that are read ahead, the samples that are looked at, and its threads.
    """
    return max(0.0, budget - min(BESIDE_BYTES, budget / 2)) / SPREAD


def size_axes(
    spec: ModelSpec, region: Region, options: Options, *, memory: int, patch_bytes: int
) -> tuple[Axis, ...]:
    """Return how tiles may lie along each axis.

    Parameters
    ----------
    spec : ModelSpec
    region : Region
        Already dilated.
    options : Options
        `tile`, `halo` and `batch` are used.
    memory : int
        Bytes that the run may add.
    patch_bytes : int
        Memory that the result itself takes.

    Raises
    ------
    MemoryBudgetError
        If one tile does not fit in the memory.
    TilePlanError
        If the tile is not larger than two halos.
    """
    halo = _halo(spec, options)
    tiles: list[int]
    budget = memory - patch_bytes
    per_pixel = max(spec.bytes_per_pixel, 1.0) * tiles_per_call(spec, options)
    if options.tile != "auto":
        tiles = [int(options.tile)] * len(region.shape)
    else:
        root = 1 / len(region.shape)
        usable = tile_bytes(budget)
        edge = int(max(1.0, min(usable, TILE_BYTES) / per_pixel) ** root)
        # Where halos would fill the tile, more memory is worth it.
        roomy = int(max(1.0, usable / per_pixel) ** root)
        edge = max(edge, min(roomy, (2 + CORE_HALOS) * halo))
        tiles = [_automatic(spec, region, axis, halo, edge) for axis in range(len(region.shape))]
    tiles = [rule.fixed or rule.round_down(t) for rule, t in zip(spec.size, tiles, strict=True)]
    axes = tuple(
        Axis(
            length,
            rule,
            # An explicit tile that a fixed network cannot take is for Axis to refuse.
            tile if rule.fixed is None or options.tile == "auto" else int(options.tile),
            halo,
            spec.shift_step,
            spec.border_loss,
        )
        for length, rule, tile in zip(region.shape, spec.size, tiles, strict=True)
    )
    need = math.prod(min(a.tile, a.padded) for a in axes) * per_pixel
    if need > budget:
        raise MemoryBudgetError(
            f"One tile of {' x '.join(str(a.tile) for a in axes)} px needs about "
            f"{need / 1e6:.0f} MB and the result {patch_bytes / 1e6:.0f} MB, but the run may "
            f"use only {memory / 1e6:.0f} MB; use a smaller tile or ROI, or raise memory."
        )
    return axes


@dataclasses.dataclass(frozen=True)
class Tiling:
    """How a network tiles a large image when all is left on auto.

    Parameters
    ----------
    halo : int
        px.
    tile, kept : tuple of int
        What a tile reads, and what of it is used where others lie around it; one per
        spatial axis, px.
    """

    halo: int
    tile: tuple[int, ...]
    kept: tuple[int, ...]

    @property
    def useful(self) -> float:
        """Share of a tile that is used, 0 to 1."""
        return math.prod(self.kept) / math.prod(self.tile)


def tiling_of(spec: ModelSpec) -> Tiling:
    """Return how a network tiles a large image when all is left on auto.

    Raises
    ------
    MemoryBudgetError
        If one tile is more than this machine holds.
    TilePlanError
        If the network's own size leaves nothing between two halos.
    """
    whole, options = Region.whole(LARGE_PX[len(spec.size)]), Options()
    axes = size_axes(spec, whole, options, memory=memory_budget(options), patch_bytes=0)
    tile = tuple(min(axis.tile, axis.padded) for axis in axes)
    kept = tuple(
        n if n == axis.padded else max(1, n - 2 * axis.margin)
        for n, axis in zip(tile, axes, strict=True)
    )
    return Tiling(axes[0].halo, tile, kept)


def tiles_per_call(spec: ModelSpec, options: Options) -> int:
    """Return how many tiles one network call takes: what the file prescribes, or the option.

    One by default: on a CPU more tiles a call are no faster and take more memory.
    """
    return spec.batch or (1 if options.batch == "auto" else int(options.batch))


def _halo(spec: ModelSpec, options: Options) -> int:
    """Return the real pixels that a kept pixel needs around it."""
    if options.halo != "auto":
        return int(options.halo)
    if spec.radius == GLOBAL:
        smallest = min((r.fixed or GLOBAL_TILE_PX) for r in spec.size)
        tile = smallest if options.tile == "auto" else min(smallest, int(options.tile))
        return min(GLOBAL_HALO_PX, tile // 8)
    reach = max(int(spec.radius), *spec.border_loss)
    return -(-reach // spec.shift_step) * spec.shift_step


def _automatic(spec: ModelSpec, region: Region, axis: int, halo: int, edge: int) -> int:
    """Return the tile length along one axis for tile="auto"."""
    if spec.radius == GLOBAL:
        whole = max(
            spec.size[a].round_up(min(n, stop - start + 2 * halo))
            for a, (n, (start, stop)) in enumerate(zip(region.shape, region.box, strict=True))
        )
        return whole if whole <= min(ONE_TILE_PX, edge) else min(GLOBAL_TILE_PX, max(edge, 64))
    core = CORE_PX + WIDE_HALOS * halo
    least = 2 * halo + max(LEAST_CORE_PX, 2 * spec.shift_step)
    return max(least, min(core + 2 * halo, edge), spec.size[axis].minimum)
