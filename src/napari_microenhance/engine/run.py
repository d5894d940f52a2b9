"""run(): plan -> read -> infer -> stitch -> compose, one way."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from typing import cast

from napari_microenhance.engine.blocks.block_canvas import BlockCanvas, BlockTarget, Prepared, Work
from napari_microenhance.engine.blocks.block_grid import Block
from napari_microenhance.engine.cautions import Caution, gather
from napari_microenhance.engine.feed import Feed, Lane
from napari_microenhance.engine.intensity import fit
from napari_microenhance.engine.options import Options
from napari_microenhance.engine.planning import (
    PlanPart,
    RunPlan,
    grid_of,
    plan_run,
    plan_survey,
)
from napari_microenhance.engine.region import scaled
from napari_microenhance.engine.reports.memory_watch import MemoryWatch
from napari_microenhance.engine.reports.progress import Progress
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
from napari_microenhance.errors import Cancelled
from napari_microenhance.files import cache_folder
from napari_microenhance.types import AnyArray, Box, JsonObject

__all__ = ["Job", "Progress", "foresee", "run"]


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
    target : BlockTarget or None
        Where finished blocks go; None: the result stays in memory.
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
    target: BlockTarget | None = None

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
    target = job.target
    return plan_run(
        job.spec,
        job.source,
        job.selection,
        job.options,
        (target and target.memory) or memory_budget(job.options),
        in_memory=target is None,
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
        self._memory = MemoryWatch()
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
        canvas = self._canvas(plan, lanes)
        told = gather(self._cautions, silenced=job.options.no_caution)
        parts = [(part, self._placed(part, lanes)) for part in plan.parts]
        copies: list[Block] = []
        if isinstance(canvas, BlockCanvas):
            copies = canvas.copies(parts)
            works = list(canvas.works(parts))
        else:
            works = [Work(part, tuple(placed)) for part, placed in parts]
        fed = [(self._feed(plan, work.part), work) for work in works]
        self._total = sum(feed.tiles(list(work.lanes)) for feed, work in fed) + len(copies)
        self._on_progress(Progress(0, self._total, cautions=told))
        self._run_tiles(fed, canvas)
        if isinstance(canvas, BlockCanvas):
            self._copy(canvas, copies)
        return Result(
            patch=cast("AnyArray", canvas.patch),  # in a store one that is read where it is sliced
            place=canvas.place,
            scale=job.spec.scale,
            report=self._report(plan, lanes, canvas),
            page=canvas.page,
            cropped=job.options.background == "crop",
            seams=self._seams.parts,
            stored=canvas.whole if isinstance(canvas, BlockCanvas) else None,
        )

    @property
    def _provider(self) -> str:
        """Name of what runs the network; groups of layers run on the CPU."""
        return "cpu" if self._job.coupled else self._inference.got

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

    def _canvas(self, plan: RunPlan, lanes: list[Lane]) -> Canvas | BlockCanvas:
        """Allocate the patch, filled with the background, or what is painted block by block."""
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
        classes, feather = job.spec if labels else None, job.options.feather
        if job.target is None:
            return Canvas(page, box=plan.box, planes=plan.planes, feather=feather, classes=classes)
        prepared = Prepared(
            plan=plan,
            lanes=tuple(lanes),
            page=page,
            grid=grid_of(plan, job.spec, job.source, job.options),
            provider=self._provider,
            labels=labels,
        )
        job.target.begin(prepared)
        return BlockCanvas(prepared, job.target, feather=feather, classes=classes)

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
        return CoupledLanes(feed, part.coupled, seen, job.target)

    def _run_tiles(
        self, fed: list[tuple[Feed | CoupledLanes, Work]], canvas: Canvas | BlockCanvas
    ) -> None:
        """Infer, stitch and paint every tile of every lane."""
        done, spent, begun = 0, 0, time.perf_counter()
        by_tiles = any(work.part.coupled is not None for _, work in fed)
        all_pixels = sum(w.part.layout.pixels_computed * len(w.lanes) for _, w in fed)
        for feed, work in fed:
            for tile, painted in self._painted(work, feed, canvas):
                done += 1
                spent += 1 if by_tiles or tile is None else math.prod(tile.shape)
                now = time.perf_counter()
                if painted:
                    self._first_tile = self._first_tile or now - self._started
                left = (now - begun) * ((self._total if by_tiles else all_pixels) / spent - 1)
                for box, copy in painted:
                    self._on_progress(Progress(done, self._total, box, copy, left))
                if not painted:
                    self._on_progress(Progress(done, self._total, None, None, left))
            if isinstance(feed, CoupledLanes):
                self._inference.seconds += feed.seconds

    def _copy(self, canvas: BlockCanvas, blocks: list[Block]) -> None:
        """Write the blocks that no tile touches."""
        begun = time.perf_counter()
        for number, block in enumerate(blocks, start=1):
            self._check_stop()
            canvas.copy(block)
            left = (time.perf_counter() - begun) * (len(blocks) / number - 1)
            done = self._total - len(blocks) + number
            self._on_progress(Progress(done, self._total, None, None, left))

    def _painted(
        self, work: Work, feed: Feed | CoupledLanes, canvas: Canvas | BlockCanvas
    ) -> Iterator[tuple[Tile | None, list[tuple[Box, AnyArray]]]]:
        """Run the tiles of planes with one region, and yield what each of them painted."""
        part, layout = work.part, work.part.layout
        neighbours = layout.neighbours()
        stitchers: dict[Lane, Stitcher] = {}
        # Where they differ is a whole plane's worth of memory.
        seams = self._seams if isinstance(canvas, Canvas) else None
        counted = 0
        if isinstance(canvas, BlockCanvas):
            canvas.start(work)
        with feed:
            for lane, index, output in feed.outputs(list(work.lanes), self._check_stop):
                if index is None or output is None:
                    yield None, []
                    continue
                stitcher = stitchers.setdefault(lane, Stitcher(layout, neighbours, seams))
                tile = layout.tiles[index]
                finished = stitcher.add(index, output)
                if stitcher.mismatch is not None:
                    canvas.mismatch = max(canvas.mismatch or 0.0, stitcher.mismatch)
                canvas.clipped, counted = canvas.clipped + feed.clipped - counted, feed.clipped
                painted = canvas.paint(
                    finished,
                    scaled(tile.keep, layout.ratio),
                    region=part.region,
                    plane=lane.plane,
                    palette=lane.palette,
                    maps=lane.maps,
                    after=lane.steps.after if lane.steps else None,
                )
                if index == len(layout.tiles) - 1:
                    del stitchers[lane]
                yield tile, painted

    def _report(self, plan: RunPlan, lanes: list[Lane], canvas: Canvas | BlockCanvas) -> Report:
        """Write down what was done."""
        job = self._job
        if canvas.clipped:
            said = f"{canvas.clipped:,} values were clipped to the range of {canvas.page.dtype}."
            self._cautions.append(Caution("clipped", said))
        self._cautions += self._inference.remarks
        self._memory.look()
        self._cautions += self._memory.over(job.options.memory)
        course = Course(
            provider=ProviderSection(
                asked=job.options.provider,
                got=self._provider,
                parity=job.parity or None,
            ),
            seconds=SecondsSection(
                total=time.perf_counter() - self._started,
                session=self._inference.seconds,
                first_tile=self._first_tile,
                probe=job.probe_seconds,
            ),
            tile_mismatch=canvas.mismatch,
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
