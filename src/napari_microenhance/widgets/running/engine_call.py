"""A run as a call beside the window: opens the network, runs the engine, lays out the result."""

import math
import threading
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.api import Model, enhance, load_model
from napari_microenhance.engine.region import resample, scaled
from napari_microenhance.rois.region_of_interest import Roi
from napari_microenhance.rois.roi_file import RoiFile
from napari_microenhance.types import BoolArray, Float64Array
from napari_microenhance.widgets.running.task import Outcome, Task
from napari_microenhance.widgets.viewer.live import LiveTiles
from napari_microenhance.widgets.viewer.results import plan_layer

if TYPE_CHECKING:
    from napari_microenhance.api import Progress, Report
    from napari_microenhance.widgets.background.hooks import JobHooks

__all__ = ["EngineCall"]

_SHOW_SECONDS = 0.4

_PROVIDERS: Final = {
    "cpu": "CPU",
    "cuda": "CUDA",
    "tensorrt": "TensorRT",
    "openvino": "OpenVINO",
    "directml": "DirectML",
    "coreml": "Core ML",
    "webgpu": "WebGPU",
}
"""How they are written."""

Box = tuple[tuple[int, int], ...]


class EngineCall:
    """Runs one task; the main thread looks at `tiles` when it likes.

    Polling instead of a signal per tile keeps the window's thread free however fast the
    tiles come, and loses none: their pixels are written here.

    Parameters
    ----------
    task : Task

    Attributes
    ----------
    tiles : LiveTiles or None
        What is finished; None before the run is planned, and for previews.
    shown : threading.Event
        To be set when `tiles` has its layer: the run waits for it, though not for long.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self.tiles: LiveTiles | None = None
        self.shown = threading.Event()

    def __call__(self, hooks: "JobHooks") -> Outcome:
        """Open the network, run the engine, lay out the result; worker thread."""
        task = self._task
        model = load_model(task.model)
        roi, box = _resolve(task)
        result = enhance(
            task.source.to_input(),
            model,
            roi=roi,
            options=task.options,
            on_progress=self._recorder(box, model, hooks),
            should_stop=hooks.should_stop,
            window=task.window,
        )
        return Outcome(
            plan=plan_layer(task.source, result, model, preview=task.preview, part=task.part),
            model=model,
            summary=_summary(result.report, preview=task.preview),
            remarks=tuple(result.report.warnings),
            provider=result.report.provider,
        )

    def _recorder(self, box: Box, model: Model, hooks: "JobHooks") -> Callable[["Progress"], None]:
        """Return the callback that takes over each finished tile."""
        task, source, spec = self._task, self._task.source, model.spec
        labels = spec.task == "labels"
        # Probabilities would not show in the contrast of the image.
        shows = not task.preview and not (labels and task.options.dtype == "float32")
        spatial = tuple(i for i, a in enumerate(source.axes) if a != "C" and a in spec.axes_in)

        def record(progress: "Progress") -> None:
            if shows and self.tiles is None:
                self.tiles = _empty_tiles(task, box, labels=labels)
                # A layer is added in half the time before the network takes every core.
                self.shown.wait(_SHOW_SECONDS)
            if self.tiles is not None and progress.box is not None and progress.pixels is not None:
                tile = _on_image_grid(progress.box, progress.pixels, spatial, spec.ratio)
                is_grey = self.tiles.rgb and len(tile[0]) == source.ndim
                self.tiles.write(*(_in_colour(*tile) if is_grey else tile))
            hooks.show(progress)

        return record


def _summary(report: "Report", *, preview: bool) -> str:
    """Return one short line on what ran."""
    tiles, got = report.plan.tiles, report.provider.got
    what = [report.model.name, _PROVIDERS.get(got, got), f"{tiles} tile{'s' * (tiles != 1)}"]
    head = "Preview" if preview else "Done"
    return f"{head} in {report.seconds.total:.1f} s: {', '.join(what)}"


def _empty_tiles(task: Task, box: Box, *, labels: bool) -> LiveTiles:
    """Return what takes the tiles of a run."""
    source, options = task.source, task.options
    if labels:
        return LiveTiles(box, np.dtype(np.uint8), labels=True)
    dtype = np.dtype(source.data.dtype if options.dtype == "same" else np.float32)
    return LiveTiles(box, dtype, rgb=source.rgb and options.colour != "grey")


def _on_image_grid(
    box: Box, pixels: npt.NDArray[Any], spatial: tuple[int, ...], ratio: Fraction
) -> tuple[Box, npt.NDArray[Any]]:
    """Return a tile in image px: a finer one is thinned, a coarser one repeated."""
    if ratio == 1:
        return box, pixels
    under = list(box)
    for axis in spatial:
        (under[axis],) = scaled((box[axis],), 1 / ratio)
        moved = resample(np.moveaxis(pixels, axis, -1), (under[axis],), 1 / ratio)
        pixels = np.moveaxis(moved, -1, axis)
    return tuple(under), pixels


def _in_colour(box: Box, pixels: npt.NDArray[Any]) -> tuple[Box, npt.NDArray[Any]]:
    """Return a grey tile of a colour image with an axis of colours."""
    return (*box, (0, 3)), np.repeat(pixels[..., None], 3, axis=-1)


def _resolve(task: Task) -> tuple[RoiFile, Box]:
    """Return the ROI for the engine and the box it lies in; reads a Labels ROI."""
    source, roi = task.source, task.roi
    lead: Box = tuple((0, int(n)) for n in source.data.shape[: source.ndim - 2])
    height, width = source.spatial_shape
    whole: Box = (*lead, (0, height), (0, width))
    read = roi.read()
    low_high = [_bounds(one) for one in read.rois]
    if not low_high:
        return read, whole
    low = np.min([low for low, _ in low_high], axis=0)
    high = np.max([high for _, high in low_high], axis=0)
    grow = task.options.dilate
    spatial = tuple(
        (max(0, math.floor(a) - grow), min(n, math.ceil(b) + 1 + grow))
        for a, b, n in zip(low.tolist(), high.tolist(), (height, width), strict=True)
    )
    return read, (*lead, *spatial)


def _bounds(roi: Roi) -> tuple[Float64Array, Float64Array]:
    """Return the least and the largest (y, x) of an ROI, px."""
    if roi.vertices is not None:
        return roi.vertices.min(axis=0), roi.vertices.max(axis=0)
    planes: BoolArray = np.asarray(roi.shape, bool)
    flat = np.any(planes, axis=tuple(range(planes.ndim - 2)))
    rows, columns = np.flatnonzero(flat.any(axis=1)), np.flatnonzero(flat.any(axis=0))
    return np.array([rows[0], columns[0]], float), np.array([rows[-1], columns[-1]], float)
