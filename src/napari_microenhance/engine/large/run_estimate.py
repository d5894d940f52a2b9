"""Estimates: what a run will take of memory, disk and time, before its first tile."""

import dataclasses
import math
import time
import zlib
from typing import Final

import numpy as np

from napari_microenhance.engine.planning import RunPlan
from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.source import Source
from napari_microenhance.engine.spec import ModelSpec

__all__ = ["RunEstimate", "estimate_run", "seconds_per_pixel"]

STEADY_BYTES: Final = 30_000_000
"""What a run takes whatever its size: libraries that are loaded late, threads, what was decoded."""

NETWORK_SHARE: Final = 1.1
"""Memory of a model's calls, in working memory of its largest tile, measured."""

BUFFERS: Final = 3
"""Tiles as float32 that are read ahead, in the model or being stitched."""

PAINTED_BYTES: Final = 24
"""What is at work per pixel of a tile's result while it is scaled, rounded and clipped."""

COLOUR_BYTES: Final = 80
"""The same per pixel of a colour tile whose luma the model sees, read and put back at once."""

LEVELS: Final = 4 / 3
"""An image with its lower resolutions, in sizes of the image."""

PARTS: Final = 8
"""Blocks of the image that are compressed for a try."""

TRIED_PX: Final = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunEstimate:
    """What a run will take.

    Parameters
    ----------
    memory_bytes : int
        What this process adds.
    disk_bytes : int
        Of the result as a compressed file with lower resolutions.
    seconds : float or None
        None where the model's speed is not known.
    tiles : int
    """

    memory_bytes: int
    disk_bytes: int
    seconds: float | None
    tiles: int

    def __str__(self) -> str:
        words = [f"{_bytes(self.memory_bytes)} of memory", f"{_bytes(self.disk_bytes)} on the disk"]
        words += [_duration(self.seconds)] if self.seconds is not None else []
        return f"about {', '.join(words)} for {self.tiles:,} tile{'s' * (self.tiles != 1)}"


def estimate_run(
    plan: RunPlan,
    source: Source,
    spec: ModelSpec,
    *,
    cropped: bool,
    in_store: bool = False,
    speed: float | None = None,
) -> RunEstimate:
    """Return what a run will take.

    Parameters
    ----------
    plan : RunPlan
    source : Source
        Some of its blocks are read.
    spec : ModelSpec
    cropped : bool
        Whether the result is the region's box alone.
    in_store : bool
        Whether the result is written while it is made, and never whole in memory.
    speed : float, optional
        Seconds per pixel that the model reads, as `seconds_per_pixel` measures it.
    """
    tile = math.prod(plan.tile_shape or (0,))
    network = tile * plan.batch * max(spec.bytes_per_pixel, 1.0) * NETWORK_SHARE
    grown = float(spec.ratio) ** len(source.spatial_shape)
    per_tile_px = BUFFERS * 4 * (spec.channels_in + spec.channels_out * grown)
    per_tile_px += PAINTED_BYTES * grown
    if plan.palettes[0].kind in ("luminance", "grey"):
        per_tile_px += COLOUR_BYTES
    working = network + tile * plan.batch * per_tile_px
    channels = 1 if plan.makes_grey else source.channels
    per_px = channels * plan.dtype.itemsize * grown
    box = math.prod(b - a for a, b in plan.box)
    patch = box * len(plan.planes) * per_px
    # What the sample takes is free again before the first tile.
    working = max(working, 2 * source.sample_grid.pixels * source.dtype.itemsize)
    whole = math.prod(source.spatial_shape) * math.prod(source.plane_shape) * per_px
    written = patch if cropped else whole
    return RunEstimate(
        memory_bytes=int(STEADY_BYTES + working + (0 if in_store else patch)),
        disk_bytes=int(written * LEVELS * compressed_share(source)),
        seconds=None if speed is None else speed * plan.pixels_computed,
        tiles=plan.tiles,
    )


def compressed_share(source: Source) -> float:
    """Return how much of an image is left when it is compressed without loss, 0 to 1.

    Parameters
    ----------
    source : Source
        Some of its blocks are read, and kept to the answer.
    """
    if "compressed" not in source.known:
        before = after = 0
        for block in source.tries(PARTS, TRIED_PX):
            part = np.diff(block, axis=1) if block.dtype.kind in "iu" else block
            before += part.nbytes
            after += len(zlib.compress(part.tobytes()))
        source.known["compressed"] = after / max(1, before)
    share: float = source.known["compressed"]
    return share


def seconds_per_pixel(session: Session, spec: ModelSpec, edge: int) -> float:
    """Measure how long a model takes per pixel that it reads: the faster of two calls.

    Parameters
    ----------
    session : Session
    spec : ModelSpec
    edge : int
        Of the tile along each axis, px; a length that the model takes.
    """
    shape = (spec.batch or 1, spec.channels_in, *(edge,) * len(spec.size))
    image = np.full(shape, sum(spec.value_range) / 2, np.float32)
    taken = []
    for _ in range(2):
        started = time.perf_counter()
        session.run(image, spec)
        taken.append(time.perf_counter() - started)
    return min(taken) / (math.prod(shape) / spec.channels_in)


def _bytes(count: int) -> str:
    """Return a number of bytes in words."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _duration(seconds: float) -> str:
    """Return a time in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
