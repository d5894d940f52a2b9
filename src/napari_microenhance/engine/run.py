"""run(): plan -> read -> infer -> stitch -> compose, one way."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from napari_microenhance.engine.cautions import Caution, gather
from napari_microenhance.engine.feed import Feed, Lane
from napari_microenhance.engine.intensity import fit, palettes
from napari_microenhance.engine.options import Options
from napari_microenhance.engine.region import Box, Region, intersect, scaled
from napari_microenhance.engine.report import Report, fingerprint, versions
from napari_microenhance.engine.result import Canvas, Page, Result
from napari_microenhance.engine.runtime.session import Inference, Session, runtime_version
from napari_microenhance.engine.sizing import memory_budget, size_axes, tiles_per_call
from napari_microenhance.engine.source import Source
from napari_microenhance.engine.spec import GLOBAL, ModelSpec
from napari_microenhance.engine.steps.fitting import needs_values
from napari_microenhance.engine.steps.prescription import fit_lane, remarks
from napari_microenhance.engine.steps.survey import survey
from napari_microenhance.engine.stitching import Seams, Stitcher
from napari_microenhance.engine.tiling import Plan, context_box, plan
from napari_microenhance.errors import Cancelled, ImageError, OptionsError

__all__ = ["Job", "Progress", "run"]


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
    pixels: npt.NDArray[Any] | None = None
    seconds_left: float | None = None
    cautions: tuple[Caution | str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """Everything a run needs.

    Parameters
    ----------
    source : Source
    region : Region
        Before dilation.
    spec : ModelSpec
    session : Session
    parity : dict or None
        How far the session's provider is from the CPU, for the report.
    options : Options
    model : dict
        name, sha256, source, precision for the report.
    window : Box or None
        (Y, X) ranges: compute only what they need; pixels equal those of the full run.
    cautions : tuple of Caution or str
        From the file, the ROI and the network, for the report.
    probe_seconds : float
    """

    source: Source
    region: Region
    spec: ModelSpec
    session: Session
    options: Options
    model: dict[str, Any]
    window: Box | None = None
    cautions: tuple[Caution | str, ...] = ()
    probe_seconds: float = 0.0
    parity: dict[str, Any] | None = None


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
        # What is free changes all the time; one number for the whole run, and for the record.
        self._memory_bytes = memory_budget(job.options)
        pinned = dataclasses.replace(job.options, memory=self._memory_bytes)
        self._asked, self._job = job.options, dataclasses.replace(job, options=pinned)
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._memory = _MemoryWatch()
        self._cautions: list[Caution | str] = list(job.cautions)
        self._inference = Inference(job.session, job.spec)
        self._seams = Seams()
        self._first_tile: float | None = None

    def result(self) -> Result:
        """Run all tiles and return what they make."""
        job = self._job
        region = job.region.dilated(job.options.dilate)
        planes = _chosen_planes(job.source, job.options)
        lanes = self._lanes(planes)
        layout = self._layout(region, lanes)
        self._check_finite(layout, lanes)
        canvas = self._canvas(region, planes, lanes)
        total = len(layout.tiles) * len(lanes)
        self._on_progress(Progress(0, total, cautions=self._told()))
        mismatch = self._run_tiles(layout, lanes, canvas, region)
        report = self._report(layout, lanes, canvas, region, mismatch)
        return Result(
            patch=canvas.patch,
            start=canvas.start,
            axes=canvas.page.axes,
            scale=job.spec.scale,
            report=report,
            page=canvas.page,
            cropped=job.options.background == "crop",
            seams=self._seams.parts,
        )

    def _caution(self, name: str, text: str) -> None:
        """Note what the user should know."""
        self._cautions.append(Caution(name, text))

    def _told(self) -> tuple[Caution | str, ...]:
        """Return the cautions so far, but for those that the user silenced."""
        return gather(self._cautions, silenced=self._asked.no_caution)

    def _check_stop(self) -> None:
        """Raise if the caller wants the run to end."""
        self._memory.look()
        if self._should_stop():
            self._inference.stop()
            raise Cancelled

    def _lanes(self, planes: tuple[tuple[int, ...], ...]) -> list[Lane]:
        """Fit the intensity maps and pair them with the planes."""
        job = self._job
        fitted = []
        self._cautions += remarks(job.source, job.spec, job.options)
        for palette in palettes(job.source, job.spec, job.options.colour):
            self._check_stop()
            maps = fit(job.source, palette, job.spec, job.options)
            steps = fit_lane(job.source, palette, job.spec)
            lane = Lane((), palette.fitted(maps), maps, steps)
            fitted.append(self._with_output_statistics(lane))
        return [dataclasses.replace(lane, plane=p) for p in planes for lane in fitted]

    def _with_output_statistics(self, lane: Lane) -> Lane:
        """Run the whole image first where a package's last steps need its output."""
        job = self._job
        if not needs_values(job.spec.postprocessing):
            return lane
        outputs = survey(
            lane,
            source=job.source,
            spec=job.spec,
            inference=self._inference,
            options=job.options,
            check_stop=self._check_stop,
        )
        steps = fit_lane(job.source, lane.palette, job.spec, outputs)
        return dataclasses.replace(lane, steps=steps)

    def _layout(self, region: Region, lanes: list[Lane]) -> Plan:
        """Lay the tiles, those that the window needs."""
        job, options, spec = self._job, self._job.options, self._job.spec
        blend = options.blend
        if blend == "auto":
            blend = "linear" if spec.radius == GLOBAL else "crop"
        channels = 1 if lanes[0].palette.makes_grey else job.source.channels
        box_px = math.prod(stop - start for start, stop in region.box)
        per_px = channels * job.source.dtype.itemsize * len({lane.plane for lane in lanes})
        if blend != "crop":
            per_px += 4 * spec.channels_out
        per_px = math.ceil(per_px * spec.ratio**2)
        axes = size_axes(spec, region, options, blend=blend, patch_bytes=box_px * per_px)
        if spec.radius == GLOBAL and blend == "crop":
            self._caution("seams", "blend=crop shows seams: this network looks at the whole tile.")
        elif spec.radius != GLOBAL and axes[0].halo < int(spec.radius):
            self._caution(
                "seams",
                f"halo={axes[0].halo} px is smaller than the network's reach of "
                f"{spec.radius} px; seams are possible.",
            )
        domain = region.box if options.context == "white" else context_box(region, axes)
        full = plan(region, axes, blend=blend, domain=domain, ratio=spec.ratio)
        return full if job.window is None else full.touching(job.window)

    def _canvas(
        self, region: Region, planes: tuple[tuple[int, ...], ...], lanes: list[Lane]
    ) -> Canvas:
        """Allocate the patch, filled with the background."""
        job, options = self._job, self._job.options
        palette, maps = lanes[0].palette, lanes[0].maps
        labels = job.spec.task == "labels"
        dtype = np.dtype(np.uint8) if labels else job.source.dtype
        if options.dtype == "float32":
            dtype = np.dtype(np.float32)
        values = {
            "white": maps[0].white(job.source.dtype),
            "black": maps[0].black(job.source.dtype),
        }
        page = Page(
            job.source,
            dtype,
            palette.makes_grey or (labels and job.source.is_colour),
            0.0 if labels else values.get(options.background),
            job.spec.ratio,
        )
        box = region.box if job.window is None else intersect(region.box, job.window)
        return Canvas(
            page,
            region,
            box=box or tuple((start, start) for start, _ in region.box),
            planes=planes,
            feather=options.feather,
            classes=job.spec if labels else None,
        )

    def _check_finite(self, layout: Plan, lanes: list[Lane]) -> None:
        """Refuse an image with NaN or infinite pixels where the network would see them."""
        source = self._job.source
        if source.dtype.kind != "f" or not layout.tiles:
            return
        shape = source.spatial_shape
        seen = tuple(
            (
                max(0, min(t.read[a][0] for t in layout.tiles)),
                min(n, max(t.read[a][1] for t in layout.tiles)),
            )
            for a, n in enumerate(shape)
        )
        nan = infinite = 0
        for lane in lanes:
            self._check_stop()
            pixels = source.read(lane.plane, lane.palette.channels, seen)
            nan += int(np.count_nonzero(np.isnan(pixels)))
            infinite += int(np.count_nonzero(np.isinf(pixels)))
        if nan or infinite:
            raise ImageError(
                f"The image has {nan} NaN and {infinite} infinite pixels where the network "
                "would see them; replace them first."
            )

    def _run_tiles(
        self, layout: Plan, lanes: list[Lane], canvas: Canvas, region: Region
    ) -> float | None:
        """Infer, stitch and paint every tile of every lane; return the mismatch."""
        job = self._job
        total = len(layout.tiles) * len(lanes)
        pixels_total = layout.pixels_computed * len(lanes)
        pixels_done = 0
        neighbours = layout.neighbours()
        stitchers: dict[Lane, Stitcher] = {}
        mismatches: list[float] = []
        feed = Feed(
            source=job.source,
            region=region,
            spec=job.spec,
            inference=self._inference,
            layout=layout,
            context=job.options.context,
            batch=tiles_per_call(job.spec, job.options),
        )
        with feed:
            outputs = feed.outputs(lanes, self._check_stop)
            for done, (lane, index, output) in enumerate(outputs, start=1):
                stitcher = stitchers.setdefault(lane, Stitcher(layout, neighbours, self._seams))
                tile = layout.tiles[index]
                finished = stitcher.add(index, output)
                painted = canvas.paint(
                    finished,
                    scaled(tile.keep, layout.ratio),
                    plane=lane.plane,
                    palette=lane.palette,
                    maps=lane.maps,
                    after=lane.steps.after if lane.steps else None,
                )
                pixels_done += math.prod(tile.shape)
                elapsed = time.perf_counter() - self._started
                self._first_tile = self._first_tile or elapsed
                left = elapsed * (pixels_total / pixels_done - 1)
                box, pixels = painted or (None, None)
                self._on_progress(Progress(done, total, box, pixels, left))
                if index == len(layout.tiles) - 1:
                    del stitchers[lane]
                    if stitcher.mismatch is not None:
                        mismatches.append(stitcher.mismatch)
        return max(mismatches, default=None)

    def _report(
        self,
        layout: Plan,
        lanes: list[Lane],
        canvas: Canvas,
        region: Region,
        mismatch: float | None,
    ) -> Report:
        """Write down what was done."""
        job, source = self._job, self._job.source
        if canvas.clipped:
            self._caution(
                "clipped",
                f"{canvas.clipped:,} values were clipped to the range of {canvas.page.dtype}.",
            )
        self._cautions += self._inference.remarks
        planes = len({lane.plane for lane in lanes})
        maps = {lane.palette.channels: lane.maps for lane in lanes}
        flat = [m for group in maps.values() for m in group]
        steps = {lane.palette.channels: lane.steps.to_dict() for lane in lanes if lane.steps}
        image = {
            "shape": list(source.shape),
            "axes": source.axes,
            "dtype": str(source.dtype),
            "sha256": fingerprint(source.data) if job.window is None else None,
        }
        shapes = [tile.shape for tile in layout.tiles]
        self._memory.look()
        return Report(
            model={**job.model, "spec": job.spec.to_dict()},
            provider={
                "asked": job.options.provider,
                "got": self._inference.got,
                **({"parity": job.parity} if job.parity else {}),
            },
            versions=versions(onnxruntime=runtime_version()),
            image=image,
            roi={**job.region.to_dict(), "pixels": region.pixels},
            options=self._asked.to_dict(),
            plan={
                "tiles": len(layout.tiles) * len(lanes),
                "tile_shape": [max(axis) for axis in zip(*shapes, strict=True)],
                "halo": layout.halo,
                "blend": layout.blend,
                "pixels_computed": layout.pixels_computed * len(lanes),
                "pixels_roi": region.pixels * planes,
                "planes": planes,
                "memory_bytes": self._memory_bytes,
                "window": job.window and [list(span) for span in job.window],
            },
            intensity={
                "low": _one_or_all([m.low for m in flat]),
                "high": _one_or_all([m.high for m in flat]),
                "network_range": [flat[0].net_low, flat[0].net_high],
                "source": flat[0].source,
                **({"steps": list(steps.values())} if steps else {}),
            },
            clipped=canvas.clipped,
            tile_mismatch=mismatch,
            seconds={
                "total": time.perf_counter() - self._started,
                "session": self._inference.seconds,
                "first_tile": self._first_tile,
                "probe": job.probe_seconds,
            },
            peak_bytes=self._memory.grown,
            warnings=[str(caution) for caution in self._told()],
            result={
                "shape": list(canvas.patch.shape),
                "axes": canvas.page.axes,
                "dtype": str(canvas.patch.dtype),
                "start": list(canvas.start),
                "scale": job.spec.scale,
                "sha256": fingerprint(canvas.patch),
            },
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


def _one_or_all(values: list[float]) -> float | list[float]:
    """Return the only value, or all of them."""
    return values[0] if len(values) == 1 else values
