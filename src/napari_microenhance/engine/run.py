"""run(): plan -> read -> infer -> stitch -> compose, one way."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import psutil

from napari_microenhance.engine.cautions import Caution, gather
from napari_microenhance.engine.feed import Feed, Lane
from napari_microenhance.engine.intensity import fit
from napari_microenhance.engine.options import Options
from napari_microenhance.engine.planning import PlanPart, RunPlan, plan_run, plan_survey
from napari_microenhance.engine.region import scaled
from napari_microenhance.engine.reports.report import Report
from napari_microenhance.engine.reports.report_sections import (
    ModelSection,
    ProviderSection,
    SecondsSection,
)
from napari_microenhance.engine.reports.reporting import Course, make_report
from napari_microenhance.engine.result import Canvas, Page, Result
from napari_microenhance.engine.runtime.inference import Inference
from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.selection import Selection
from napari_microenhance.engine.source import Source
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.engine.statistics.coupled import CoupledNetwork
from napari_microenhance.engine.statistics.coupled_lanes import CoupledLanes
from napari_microenhance.engine.steps.fitting import needs_values
from napari_microenhance.engine.steps.prescription import fit_lane, remarks
from napari_microenhance.engine.steps.survey import survey
from napari_microenhance.engine.tiles.sizing import memory_budget, tiles_per_call
from napari_microenhance.engine.tiles.stitching import Seams, Stitcher
from napari_microenhance.engine.tiles.tiling import Tile
from napari_microenhance.errors import Cancelled, ImageError
from napari_microenhance.files import cache_folder
from napari_microenhance.types import AnyArray, Box, JsonObject

__all__ = ["Job", "Progress", "foresee", "run"]


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    done, total : int
        Tiles.
    box : Box or None
        (start, stop) per axis of the result of the tile just finished, image px; None for
        the first report, which comes when the tiles are planned.
    pixels : ndarray or None
        The result's pixels in the box; a copy.
    seconds_left : float or None
        From the pixels computed so far.
    cautions : tuple of Caution or str
        With the first report: what should be known before the result is used, but for what
        `Options.no_caution` names.
    """

    done: int
    total: int
    box: Box | None = None
    pixels: AnyArray | None = None
    seconds_left: float | None = None
    cautions: tuple[Caution | str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """Everything a run needs.

    Parameters
    ----------
    source : Source
    selection : Selection
        Before dilation.
    session : Session
    parity : dict or None
        How far the session's provider is from the CPU, for the report.
    options : Options
    model : ModelSection
        The network, and how it is understood.
    window : Box or None
        (Y, X) ranges: compute only what they need; pixels equal those of the full run.
    cautions : tuple of Caution or str
        From the file, the ROI and the network, for the report.
    probe_seconds : float
    coupled : CoupledNetwork or None
        The network in groups of layers, where it takes statistics of more than a tile.
    """

    source: Source
    selection: Selection
    session: Session
    options: Options
    model: ModelSection
    window: Box | None = None
    cautions: tuple[Caution | str, ...] = ()
    probe_seconds: float = 0.0
    parity: JsonObject | None = None
    coupled: CoupledNetwork | None = None

    @property
    def spec(self) -> ModelSpec:
        """What the network wants and gives."""
        return self.model.spec


def run(
    job: Job,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Result:
    """Enhance a region.

    Parameters
    ----------
    job : Job
    on_progress : callable, optional
        Called in this thread after planning and after each tile.
    should_stop : callable, optional
        Polled every 20 ms, also during a network call.

    Returns
    -------
    Result

    Raises
    ------
    Cancelled
        If `should_stop` returned true; the call in flight is ended.
    MicroEnhanceError
        If the image, the options or the network do not fit together.
    """
    return _Run(job, on_progress or _ignore, should_stop or _never).result()


def foresee(job: Job) -> tuple[Caution | str, ...]:
    """Return what a run would say before its first tile; none is run.

    Parameters
    ----------
    job : Job

    Raises
    ------
    MicroEnhanceError
        If the image, the options or the network do not fit together.
    """
    plan = _planned(job)
    said = [*job.cautions, *remarks(job.source, job.spec, job.options), *plan.cautions]
    return gather(said, silenced=job.options.no_caution)


def _planned(job: Job) -> RunPlan:
    """Plan a run; what is free changes all the time, so one number is for all of it."""
    return plan_run(
        job.spec,
        job.source,
        job.selection,
        job.options,
        memory_budget(job.options),
        window=job.window,
        coupled=job.coupled,
        folder=cache_folder("activations"),
    )


def _ignore(_: Progress) -> None:
    """Report to nobody."""


def _never() -> bool:
    """Let the run go on."""
    return False


class _Run:
    """The steps of one run, each a method that hands its result to the next."""

    def __init__(
        self, job: Job, on_progress: Callable[[Progress], None], should_stop: Callable[[], bool]
    ) -> None:
        self._started = time.perf_counter()
        self._job = job
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._memory = _MemoryWatch()
        self._cautions: list[Caution | str] = list(job.cautions)
        self._inference = Inference(job.session, job.spec.ordered(job.options.colour_order))
        self._seams = Seams()
        self._first_tile: float | None = None
        self._total = 0

    def result(self) -> Result:
        """Run all tiles and return what they make."""
        job = self._job
        plan = _planned(job)
        lanes = self._lanes(plan)
        self._cautions += plan.cautions
        for part in plan.parts:
            self._check_finite(part, lanes)
        canvas = self._canvas(plan, lanes)
        told = gather(self._cautions, silenced=job.options.no_caution)
        feeds = [self._feed(plan, part) for part in plan.parts]
        self._total = sum(
            feed.tiles(self._placed(part, lanes))
            for part, feed in zip(plan.parts, feeds, strict=True)
        )
        self._on_progress(Progress(0, self._total, cautions=told))
        mismatch = self._run_tiles(plan, feeds, lanes, canvas)
        return Result(
            patch=canvas.patch,
            place=canvas.place,
            scale=job.spec.scale,
            report=self._report(plan, lanes, canvas, mismatch),
            page=canvas.page,
            cropped=job.options.background == "crop",
            seams=self._seams.parts,
        )

    def _check_stop(self) -> None:
        """Raise if the caller wants the run to end."""
        self._memory.look()
        if self._should_stop():
            self._inference.stop()
            raise Cancelled

    def _lanes(self, plan: RunPlan) -> list[Lane]:
        """Fit the intensity maps of each palette; the lanes have no plane yet."""
        job = self._job
        fitted = []
        self._cautions += remarks(job.source, job.spec, job.options)
        for palette in plan.palettes:
            self._check_stop()
            maps = fit(job.source, palette, job.spec, job.options)
            steps = fit_lane(job.source, palette, job.spec)
            lane = Lane((), palette.fitted(maps), maps, steps)
            fitted.append(self._with_output_statistics(lane, plan.memory_bytes))
        return fitted

    def _with_output_statistics(self, lane: Lane, memory: int) -> Lane:
        """Run the whole image first where a package's last steps need its output."""
        job = self._job
        if not needs_values(job.spec.postprocessing):
            return lane
        outputs = survey(
            lane,
            source=job.source,
            spec=job.spec,
            inference=self._inference,
            layout=plan_survey(job.spec, job.source, job.options, memory),
            batch=tiles_per_call(job.spec, job.options),
            check_stop=self._check_stop,
        )
        steps = fit_lane(job.source, lane.palette, job.spec, outputs)
        return dataclasses.replace(lane, steps=steps)

    def _canvas(self, plan: RunPlan, lanes: list[Lane]) -> Canvas:
        """Allocate the patch, filled with the background."""
        job, first = self._job, lanes[0].maps[0]
        labels = job.spec.task == "labels"
        values = {"white": first.white(job.source.dtype), "black": first.black(job.source.dtype)}
        page = Page(
            job.source,
            plan.dtype,
            plan.makes_grey,
            0.0 if labels else values.get(job.options.background),
            job.spec.ratio,
        )
        return Canvas(
            page,
            box=plan.box,
            planes=plan.planes,
            feather=job.options.feather,
            classes=job.spec if labels else None,
        )

    def _check_finite(self, part: PlanPart, lanes: list[Lane]) -> None:
        """Refuse an image with NaN or infinite pixels where the network would see them."""
        source, tiles = self._job.source, part.layout.tiles
        if source.dtype.kind != "f" or not tiles:
            return
        seen = tuple(
            (max(0, min(t.read[a][0] for t in tiles)), min(n, max(t.read[a][1] for t in tiles)))
            for a, n in enumerate(source.spatial_shape)
        )
        if part.coupled is not None:
            seen = part.coupled.domain
        nan = infinite = 0
        for plane, number in part.passes:
            self._check_stop()
            pixels = source.read(plane, lanes[number].palette.channels, seen)
            nan += int(np.count_nonzero(np.isnan(pixels)))
            infinite += int(np.count_nonzero(np.isinf(pixels)))
        if nan or infinite:
            raise ImageError(
                f"The image has {nan} NaN and {infinite} infinite pixels that the model would "
                "see; replace them first."
            )

    def _placed(self, part: PlanPart, lanes: list[Lane]) -> list[Lane]:
        """Return the lanes of each plane of a part."""
        return [dataclasses.replace(lanes[number], plane=plane) for plane, number in part.passes]

    def _feed(self, plan: RunPlan, part: PlanPart) -> Feed | CoupledLanes:
        """Return what yields the tiles of planes with one region."""
        job = self._job
        feed = Feed(
            source=job.source,
            region=part.region,
            spec=job.spec,
            inference=self._inference,
            layout=part.layout,
            context=job.options.context,
            batch=plan.batch,
            dtype=plan.dtype,
        )
        if part.coupled is None:
            return feed
        white = job.options.context == "white"
        # The numbers depend on the pixels, and on the region where it is all that is seen.
        # An image that has no fingerprint is a new one at every run.
        seen = (job.source.sha256 or object(), part.region.digest if white else "")
        return CoupledLanes(feed, part.coupled, seen)

    def _run_tiles(
        self,
        plan: RunPlan,
        feeds: list[Feed | CoupledLanes],
        lanes: list[Lane],
        canvas: Canvas,
    ) -> float | None:
        """Infer, stitch and paint every tile of every lane; return the mismatch."""
        done = 0
        work = work_done = 0.0
        mismatches: list[float] = []
        for part, feed in zip(plan.parts, feeds, strict=True):
            placed = self._placed(part, lanes)
            work = plan.pixels_computed if part.coupled is None else self._total
            for tile, painted in self._painted(part, feed, placed, canvas, mismatches):
                done += 1
                work_done += math.prod(tile.shape) if tile and part.coupled is None else 1
                elapsed = time.perf_counter() - self._started
                if painted is not None:
                    self._first_tile = self._first_tile or elapsed
                left = elapsed * (work / work_done - 1)
                box, pixels = painted or (None, None)
                self._on_progress(Progress(done, self._total, box, pixels, left))
            if isinstance(feed, CoupledLanes):
                self._inference.seconds += feed.seconds
        return max(mismatches, default=None)

    def _painted(
        self,
        part: PlanPart,
        feed: Feed | CoupledLanes,
        lanes: list[Lane],
        canvas: Canvas,
        mismatches: list[float],
    ) -> Iterator[tuple[Tile | None, tuple[Box, AnyArray] | None]]:
        """Run the tiles of planes with one region, and yield what each of them painted."""
        layout = part.layout
        neighbours = layout.neighbours()
        stitchers: dict[Lane, Stitcher] = {}
        with feed:
            for lane, index, output in feed.outputs(lanes, self._check_stop):
                if index is None or output is None:
                    yield None, None
                    continue
                stitcher = stitchers.setdefault(lane, Stitcher(layout, neighbours, self._seams))
                tile = layout.tiles[index]
                painted = canvas.paint(
                    stitcher.add(index, output),
                    scaled(tile.keep, layout.ratio),
                    region=part.region,
                    plane=lane.plane,
                    palette=lane.palette,
                    maps=lane.maps,
                    after=lane.steps.after if lane.steps else None,
                )
                if index == len(layout.tiles) - 1:
                    del stitchers[lane]
                    if stitcher.mismatch is not None:
                        mismatches.append(stitcher.mismatch)
                yield tile, painted
        canvas.clipped += feed.clipped

    def _report(
        self, plan: RunPlan, lanes: list[Lane], canvas: Canvas, mismatch: float | None
    ) -> Report:
        """Write down what was done."""
        job = self._job
        if canvas.clipped:
            said = f"{canvas.clipped:,} values were clipped to the range of {canvas.page.dtype}."
            self._cautions.append(Caution("clipped", said))
        self._cautions += self._inference.remarks
        self._memory.look()
        if job.options.memory != "auto" and self._memory.grown > job.options.memory:
            self._cautions.append(_over_budget(self._memory.grown, job.options.memory))
        course = Course(
            provider=ProviderSection(
                asked=job.options.provider,
                # Groups of layers run on the CPU.
                got="cpu" if job.coupled else self._inference.got,
                parity=job.parity or None,
            ),
            seconds=SecondsSection(
                total=time.perf_counter() - self._started,
                session=self._inference.seconds,
                first_tile=self._first_tile,
                probe=job.probe_seconds,
            ),
            tile_mismatch=mismatch,
            peak_bytes=self._memory.grown,
            cautions=tuple(self._cautions),
        )
        return make_report(
            model=job.model,
            source=job.source,
            selection=job.selection,
            options=job.options,
            plan=plan,
            lanes=lanes,
            canvas=canvas,
            course=course,
        )


class _MemoryWatch:
    """The growth of this process's memory, looked at now and then."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._before = self._process.memory_info().rss
        self.grown = 0

    def look(self) -> None:
        """Note the growth so far, bytes."""
        self.grown = max(self.grown, self._process.memory_info().rss - self._before)


def _over_budget(taken: int, allowed: int) -> Caution:
    """Say that a run took more than it may."""
    return Caution(
        "memory",
        f"The run used {taken / 1e6:.0f} MB, more than the {allowed / 1e6:.0f} MB that memory "
        "allows; use a smaller tile, or a model with a smaller receptive field.",
    )
