"""One image of a folder run: read, enhanced, written, and told in a row."""

import contextlib
import dataclasses
import functools
import os
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from napari_microenhance.api.enhancing import enhance
from napari_microenhance.engine.options import Options
from napari_microenhance.engine.result import Result
from napari_microenhance.engine.run import Progress
from napari_microenhance.errors import Cancelled, MicroEnhanceError, ModelError, OtherRunError
from napari_microenhance.images.image_formats import check_output, read_image
from napari_microenhance.images.imagefile import ImageFile
from napari_microenhance.images.result_writing import write_result
from napari_microenhance.jobs.outcomes import FileOutcome, Status, figures_of
from napari_microenhance.jobs.processes import Tell, Work
from napari_microenhance.models import Model, load_model
from napari_microenhance.outputs import unfinished_words
from napari_microenhance.records import Record
from napari_microenhance.records.agreement import disagreements, holds_recorded_pixels
from napari_microenhance.records.image_input import ImageInput
from napari_microenhance.records.inputs import selection_of
from napari_microenhance.types import ShouldStop

__all__ = ["FileRun", "FileSettings", "file_worker", "run_file"]

_TELL_SECONDS: Final = 0.1


@dataclasses.dataclass(frozen=True)
class FileRun:
    """An image, and where its result goes.

    Parameters
    ----------
    image, result : Path
    roi : Path or None
        ROI file; None: the whole image.
    """

    image: Path
    result: Path
    roi: Path | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileSettings:
    """What all images of a folder run share.

    Parameters
    ----------
    source : str
        Of the network, as `load_model` takes it.
    edits : mapping
        What the caller knows better about it.
    sha256 : str
        Of its file.
    asked : Options
        As they are recorded.
    options : Options
        As they run: those of several processes share memory and CPUs.
    axes, series, roi_label
        As for `read_image` and `enhance`.
    resume : bool
        Whether a result that is there and agrees stays.
    """

    source: str
    edits: Mapping[str, Any]
    sha256: str
    asked: Options
    options: Options
    axes: str | None = None
    series: int | None = None
    roi_label: tuple[int, ...] | None = None
    resume: bool = False


def file_worker(settings: FileSettings) -> Work:
    """Return what a process does with each `FileRun`; the network is opened with the first.

    Parameters
    ----------
    settings : FileSettings
    """

    @functools.cache
    def network() -> Model:
        model = load_model(settings.source, **settings.edits)
        if model.sha256 != settings.sha256:
            raise ModelError(f"The model file {model.name} was replaced during the run.")
        return model

    def work(item: FileRun, tell: Tell, should_stop: ShouldStop) -> FileOutcome:
        return run_file(item, settings, network, tell=tell, should_stop=should_stop)

    return work


def run_file(
    run: FileRun,
    settings: FileSettings,
    network: Callable[[], Model],
    *,
    tell: Callable[[float], None],
    should_stop: ShouldStop,
) -> FileOutcome:
    """Enhance one image of a folder run; what goes wrong is its outcome.

    Parameters
    ----------
    run : FileRun
    settings : FileSettings
    network : callable
        Gives the network, opened once.
    tell : callable
        Called with the share of the image that is done, at most ten times a second.
    should_stop : callable
        As for `enhance`.

    Returns
    -------
    FileOutcome

    Raises
    ------
    Cancelled
        If `should_stop` returned true.
    """
    try:
        return _outcome(run, settings, network(), _paced(tell), should_stop)
    except Cancelled:
        raise
    except MicroEnhanceError as error:
        return _failed(run, str(error))
    except MemoryError:
        return _failed(
            run, "There is not enough memory; use a smaller ROI, or the options memory and tile."
        )
    except Exception as error:  # noqa: BLE001 - a fault of ours in one image is no reason to stop
        what = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":")
        sentence = f"Something unexpected went wrong ({what[:200]})."
        return dataclasses.replace(
            _failed(run, sentence), traceback="".join(traceback.format_exception(error))
        )


def _outcome(
    run: FileRun,
    settings: FileSettings,
    network: Model,
    tell: Callable[[Progress], None],
    should_stop: ShouldStop,
) -> FileOutcome:
    """Return what became of an image; errors are raised."""
    file = read_image(run.image, axes=settings.axes, series=settings.series)
    dtype = "float32" if settings.options.dtype == "float32" else file.pixels.dtype
    check_output(run.result, dtype, file.axes)
    if settings.resume and os.path.lexists(run.result):
        finished = _finished(run, settings, network, file)
        if finished is not None:
            return finished
    run_image = functools.partial(
        enhance,
        dataclasses.replace(ImageInput.of(file), name=run.image.name),
        network,
        run.roi,
        options=settings.options,
        on_progress=tell,
        should_stop=should_stop,
        roi_label=settings.roi_label,
    )
    if run.result.name.lower().endswith(".zarr"):
        report = _fill(run.result, run_image, resume=settings.resume).report
        return _told(run, "done", report.summary(), Record.of(report))
    result = run_image()
    if should_stop():  # asked for after the last tile
        raise Cancelled
    report = dataclasses.replace(result.report, options=settings.asked.to_dict())
    record = Record.of(report)
    write_result(run.result, result, file, record.to_dict())
    return _told(run, "done", report.summary(), record)


def _fill(store: Path, run_image: Callable[..., Result], *, resume: bool) -> Result:
    """Run into a store block by block; what is there and cannot be resumed is replaced."""
    if resume and unfinished_words(store):
        with contextlib.suppress(OtherRunError):
            return run_image(out=store, resume=True)
    return run_image(out=store, overwrite=os.path.lexists(store))


def _finished(
    run: FileRun, settings: FileSettings, network: Model, file: ImageFile
) -> FileOutcome | None:
    """Return the outcome of a result that is there and is what a run would give, or None."""
    try:
        record = Record.of(run.result)
    except MicroEnhanceError:
        return None
    source = ImageInput.of(file, spatial=network.spec.spatial).source
    selection, _ = selection_of(run.roi, source, settings.roi_label)
    if disagreements(record, source, selection, network, settings.asked):
        return None
    if not holds_recorded_pixels(run.result, record):
        return None
    return _told(run, "skipped", f"{run.result.name} already exists and matches.", record)


def _told(run: FileRun, status: Status, sentence: str, record: Record) -> FileOutcome:
    """Return an outcome with the figures of its record."""
    figures = figures_of(record, run.result.name)
    return FileOutcome(run.image.name, status, sentence, {**figures, **_roi_of(run)})


def _failed(run: FileRun, sentence: str) -> FileOutcome:
    """Return the outcome of an image that could not be enhanced; no folder is named."""
    for path in (run.image, run.roi, run.result):
        if path is not None:
            sentence = sentence.replace(str(path), path.name)
    return FileOutcome(run.image.name, "failed", sentence, _roi_of(run))


def _roi_of(run: FileRun) -> dict[str, str]:
    """Return the name of the ROI file, as a figure."""
    return {} if run.roi is None else {"roi": run.roi.name}


def _paced(tell: Callable[[float], None]) -> Callable[[Progress], None]:
    """Return what tells the share that is done, not too often."""
    last = 0.0

    def show(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _TELL_SECONDS and progress.total:
            last = now
            tell(progress.done / progress.total)

    return show
