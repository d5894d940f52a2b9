"""What a large run will take, told before it; one that cannot fit is refused."""

import math
import shutil
from pathlib import Path
from typing import Final

import psutil

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.engine.large.run_estimate import (
    LEVELS,
    RunEstimate,
    compressed_share,
    estimate_run,
    seconds_per_pixel,
)
from napari_microenhance.engine.options import Options
from napari_microenhance.engine.planning import RunPlan, plan_run
from napari_microenhance.engine.run import Job
from napari_microenhance.engine.source import Source
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.engine.tiles.sizing import memory_budget
from napari_microenhance.errors import MemoryBudgetError, OutputError

__all__ = ["check_disk", "estimate", "large_run_cautions"]

LARGE_BYTES: Final = 1_000_000_000
"""Memory, or disk, from which on it is told."""

LARGE_PX: Final = 64_000_000
"""Pixels that the model reads, from which on its speed is measured and the time told."""

TRIED_PX: Final = 512
"""Edge of the tile that the speed is measured with, at most."""


def estimate(job: Job) -> RunEstimate:
    """Return what a run will take.

    Parameters
    ----------
    job : Job
        Its model runs one small tile twice where the run is large.
    """
    return _estimate(job, _planned(job))


def check_disk(target: Path, source: Source, spec: ModelSpec, options: Options) -> None:
    """Raise before a run if its result will not fit on the disk.

    Parameters
    ----------
    target : Path
    source : Source
        Of the image.
    spec : ModelSpec
    options : Options
        `background` and `dtype` are used.

    Raises
    ------
    OutputError
        If compressed pixels take more than is free.
    """
    if options.background == "crop":
        return
    itemsize = 4 if options.dtype == "float32" else source.dtype.itemsize
    grown = float(spec.ratio) ** len(source.spatial_shape)
    need = math.prod(source.shape) * itemsize * grown * LEVELS
    free = shutil.disk_usage(target.absolute().parent).free
    if need > free and (need := need * compressed_share(source)) > free:
        raise OutputError(
            f"{target} will take about {need / 1e6:,.1f} MB and {free / 1e6:,.1f} MB of the disk "
            "are free; choose another folder, or background=crop."
        )


def large_run_cautions(job: Job, *, in_store: bool = False) -> tuple[Caution, ...]:
    """Return one sentence on what a large run will take; nothing for others.

    Parameters
    ----------
    job : Job
    in_store : bool
        Whether the result is written while it is made, and never whole in memory.

    Raises
    ------
    MemoryBudgetError
        If it takes more memory than is free.
    """
    if job.coupled is not None:  # which says itself what the whole image costs
        return ()
    box = math.prod(stop - start for start, stop in job.selection.footprint.box)
    if box * max(1, len(job.source.planes)) * job.source.channels < LARGE_PX // 4:
        return ()
    plan = _planned(job)
    found = _estimate(job, plan, in_store=in_store)
    free = psutil.virtual_memory().available
    if found.memory_bytes > free:
        raise MemoryBudgetError(
            f"The run takes about {found.memory_bytes / 1e9:.1f} GB of memory and "
            f"{free / 1e9:.1f} GB are free; use a smaller region, or write to an .ome.zarr."
        )
    is_large = max(found.memory_bytes, found.disk_bytes) >= LARGE_BYTES
    if not is_large and plan.pixels_computed < LARGE_PX:
        return ()
    return (Caution("large-run", f"This is a large run: {found}."),)


def _planned(job: Job) -> RunPlan:
    """Plan a run as it will be."""
    return plan_run(
        job.spec,
        job.source,
        job.selection,
        job.options,
        memory_budget(job.options),
        window=job.window,
        coupled=job.coupled,
    )


def _estimate(job: Job, plan: RunPlan, *, in_store: bool = False) -> RunEstimate:
    """Return what a planned run will take; the time of a large one."""
    speed = None
    if plan.pixels_computed >= LARGE_PX:
        edge = min(TRIED_PX, *plan.tile_shape)
        edge = max(rule.fixed or rule.round_down(edge) for rule in job.spec.size)
        speed = seconds_per_pixel(job.session, job.spec, edge)
    return estimate_run(
        plan,
        job.source,
        job.spec,
        cropped=job.options.background == "crop",
        in_store=in_store,
        speed=speed,
    )
