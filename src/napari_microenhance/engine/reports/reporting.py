"""make_report(): what a run did, as the typed sections of its report."""

import dataclasses
from typing import Final

from napari_microenhance.engine.blocks.block_canvas import BlockCanvas
from napari_microenhance.engine.cautions import Caution, gather
from napari_microenhance.engine.feed import Lane
from napari_microenhance.engine.options import Options
from napari_microenhance.engine.planning import RunPlan
from napari_microenhance.engine.reports.report import Report, fingerprint, versions
from napari_microenhance.engine.reports.report_sections import (
    ImageSection,
    IntensitySection,
    ModelSection,
    PlanSection,
    ProviderSection,
    ResultSection,
    SecondsSection,
)
from napari_microenhance.engine.result import Canvas
from napari_microenhance.engine.runtime.session import runtime_version
from napari_microenhance.engine.selection import Selection
from napari_microenhance.engine.source import Source

__all__ = ["Course", "make_report"]

FITTED: Final = ("percentile", "minmax", "package")
"""Sources of numbers that the image's own pixels give."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Course:
    """How a run went.

    Parameters
    ----------
    provider : ProviderSection
    seconds : SecondsSection
    tile_mismatch : float or None
        In units of the network's range.
    peak_bytes : int
    cautions : tuple of Caution or str
        All that was found, silenced or not.
    """

    provider: ProviderSection
    seconds: SecondsSection
    tile_mismatch: float | None
    peak_bytes: int
    cautions: tuple[Caution | str, ...]


def make_report(
    *,
    model: ModelSection,
    source: Source,
    selection: Selection,
    options: Options,
    plan: RunPlan,
    lanes: list[Lane],
    canvas: Canvas | BlockCanvas,
    course: Course,
) -> Report:
    """Write down what was done.

    Parameters
    ----------
    model : ModelSection
    source : Source
    selection : Selection
        As it was given, before dilation.
    options : Options
        As they were asked for.
    plan : RunPlan
    lanes : list of Lane
        Every group of channels that ran together, with its fitted maps.
    canvas : Canvas or BlockCanvas
        With the finished patch.
    course : Course

    Returns
    -------
    Report
    """
    return Report(
        model=model,
        provider=course.provider,
        versions=versions(onnxruntime=runtime_version()),
        image=ImageSection(
            shape=source.shape,
            axes=source.axes,
            dtype=str(source.dtype),
            sha256=source.sha256 if plan.window is None else None,
            sampled_sha256=None
            if plan.window is not None or source.sha256
            else source.sampled_sha256,
        ),
        roi={**selection.to_dict(), "pixels": plan.selection.pixels},
        options=options.to_dict(),
        plan=PlanSection(
            tiles=plan.tiles,
            tile_shape=plan.tile_shape,
            halo=plan.halo,
            blend=plan.blend,
            pixels_computed=plan.pixels_computed,
            pixels_roi=plan.pixels_roi,
            planes=len(plan.planes),
            memory_bytes=plan.memory_bytes,
            window=plan.window,
            statistics=plan.statistics(model.spec, options),
            kept=plan.kept,
        ),
        intensity=_intensity(lanes, source),
        clipped=canvas.clipped,
        tile_mismatch=course.tile_mismatch,
        seconds=course.seconds,
        peak_bytes=course.peak_bytes,
        warnings=[str(c) for c in gather(course.cautions, silenced=options.no_caution)],
        result=ResultSection(
            shape=canvas.patch.shape,
            axes=canvas.place.axes,
            dtype=str(canvas.patch.dtype),
            start=canvas.place.start,
            scale=model.spec.scale,
            sha256=fingerprint(canvas.patch),
        ),
    )


def _intensity(lanes: list[Lane], source: Source) -> IntensitySection:
    """Return the fitted maps, those of each group of channels once."""
    maps = [
        m for group in {lane.palette.channels: lane.maps for lane in lanes}.values() for m in group
    ]
    steps = {lane.palette.channels: lane.steps.to_dict() for lane in lanes if lane.steps}
    looked_at = maps[0].source in FITTED and not source.sample_grid.is_whole
    return IntensitySection(
        low=_one_or_all(tuple(m.low for m in maps)),
        high=_one_or_all(tuple(m.high for m in maps)),
        network_range=(maps[0].net_low, maps[0].net_high),
        source=maps[0].source,
        steps=tuple(steps.values()) or None,
        sampled=source.sample_grid.to_dict() if looked_at else None,
    )


def _one_or_all(values: tuple[float, ...]) -> float | tuple[float, ...]:
    """Return the only value, or all of them."""
    return values[0] if len(values) == 1 else values
