"""enhance_files(): many images through one network, each to a file of its own."""

import dataclasses
import functools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from napari_microenhance.api.file_runs import FileRun, FileSettings, file_worker, run_file
from napari_microenhance.engine.arguments import as_options, check_called
from napari_microenhance.engine.options import Options
from napari_microenhance.engine.tiles.sizing import memory_budget
from napari_microenhance.errors import Cancelled, OptionsError, OutputError, RoiError
from napari_microenhance.files import kind_of, reason
from napari_microenhance.jobs.image_list import find_images
from napari_microenhance.jobs.outcomes import FileOutcome, Summary, listed_results, read_rows
from napari_microenhance.jobs.processes import spread
from napari_microenhance.jobs.result_names import check_results, name_results, without_results
from napari_microenhance.jobs.roi_matching import RoiMatches, match_rois, roi_files
from napari_microenhance.models import Model, load_model
from napari_microenhance.outputs import guard_output
from napari_microenhance.types import PathLike, ShouldStop

__all__ = ["SUMMARY", "FilesProgress", "enhance_files"]

SUMMARY: Final = "summary.csv"
"""Name of the file with a row per image, in the folder of results."""

_NAMED: Final = 5


@dataclasses.dataclass(frozen=True)
class FilesProgress:
    """How far a run over many images is.

    Attributes
    ----------
    done, total : int
        Images.
    name : str
        Of the image that was last worked on.
    share : float
        Of all images together, from 0 to 1, parts of images counted.
    seconds_left : float or None
        From what was enhanced so far.
    outcome : FileOutcome or None
        Of the image, once it is done with.
    cautions : tuple of str
        With the first report: what should be known of the images and their ROI files.
    """

    done: int
    total: int
    name: str = ""
    share: float = 0.0
    seconds_left: float | None = None
    outcome: FileOutcome | None = None
    cautions: tuple[str, ...] = ()


def enhance_files(  # noqa: PLR0913 - one call for all that a folder run can be told
    images: Sequence[PathLike] | PathLike,
    out_folder: PathLike,
    model: Model | PathLike,
    *,
    roi: PathLike | None = None,
    roi_folder: PathLike | None = None,
    roi_label: Sequence[int] | None = None,
    axes: str | None = None,
    series: int | None = None,
    suffix: str = ".tif",
    options: Options | None = None,
    jobs: int = 1,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[FilesProgress], None] | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[FileOutcome, ...]:
    """Enhance many images with one network; one that fails does not keep the others.

    Parameters
    ----------
    images : path or sequence of path
        Files; folders, of which the images directly in them count; or patterns such as
        "plate/*.tif".
    out_folder : path
        Made where it is missing. A result is called as its image, with `suffix`; "summary.csv"
        has a row for each image, and is up to date at every moment.
    model : Model, str or path
        As for `enhance`.
    roi : path, optional
        ROI file for all images. Default: the whole of each.
    roi_folder : path, optional
        Of ROI files that are called as their images, such as "cells.json" for "cells.tif". An
        image without one is skipped.
    roi_label, axes, series, options
        As for `enhance` and `read_image`.
    suffix : str
        Of the results; it says their format.
    jobs : int
        Processes that the images are spread over, each with one thread. 1: this one, with the
        threads of the options.
    resume : bool
        Skip images whose result is there, whole, and from the same image, region, network,
        options and version; do the others, also where a result of ours stands.
    overwrite : bool
        Replace what stands at a result.
    on_progress : callable, optional
        Called with a `FilesProgress` before the first image, now and then, and with the outcome
        of each, in this thread.
    should_stop : callable, optional
        Polled at least every 50 ms; finished results stay.

    Returns
    -------
    tuple of FileOutcome
        In the order of the images.

    Raises
    ------
    Cancelled
        If `should_stop` returned true.
    MicroEnhanceError
        Before the first image, if the run as a whole cannot be: no image, two results of one
        name, a result that is an input or would replace something, an unusable network.
    """
    check_called(on_progress=on_progress, should_stop=should_stop)
    asked, out = as_options(options), Path(out_folder)
    if jobs < 1:
        raise OptionsError(f"jobs={jobs} is not a number of processes; use 1 or more.")
    given = [images] if isinstance(images, str | os.PathLike) else list(images)
    single = None if roi is None else Path(roi)
    if single is not None:
        if roi_folder is not None:
            raise RoiError(
                "Both an ROI file and a folder of ROI files were given; use one of them."
            )
        kind_of(single, error=RoiError)
    network = load_model(model)
    source, edits = network.reference
    named = Path(source) if network.source != "built-in" else None
    found = find_images(given, out, [path for path in (named, single) if path is not None])
    found = without_results(found, out, suffix)
    found, matches = _with_rois(found, roi_folder)
    results = name_results(found, out, suffix)
    inputs = {"the model": named, "the ROI file": single}
    rows = read_rows(out / SUMMARY) if resume else ()
    check_results(
        results,
        out,
        inputs={**inputs, **{str(file): file for file in matches.of.values()}},
        resume=resume,
        overwrite=overwrite,
        listed=listed_results(rows or ()),
    )
    guard_output(
        out / SUMMARY,
        overwrite=overwrite or (resume and rows is not None),
        inputs={**inputs, **{str(image): image for image in found}},
        name=SUMMARY,
        option="--overwrite",
    )
    runs = [FileRun(p, results[p], single or matches.of.get(p)) for p in found]
    settings = FileSettings(
        source=source,
        edits=edits,
        sha256=network.sha256,
        asked=asked,
        options=_shared(asked, min(jobs, len(runs))),
        axes=axes,
        series=series,
        roi_label=None if roi_label is None else tuple(roi_label),
        resume=resume,
    )
    _make(out)
    names = [path.name for path in found]
    kept = [row for row in rows or () if row["name"] not in set(names)]
    course = _Course(names, Summary(out / SUMMARY, names, kept), on_progress)
    course.begin(_told(matches))
    missing = frozenset(matches.without)
    for run in runs:
        if run.image in missing:
            text = f"No ROI file in {Path(str(roi_folder)).name} matches its name."
            course.end(FileOutcome(run.image.name, "skipped", text))
    todo = [run for run in runs if run.image not in missing]
    stop = should_stop or (lambda: False)
    for name, value in _work(todo, settings, network, jobs, stop, course.tell):
        if isinstance(value, FileOutcome):
            course.end(value)
        else:
            course.tell(name, float(value))
    return course.finish()


def _work(
    runs: Sequence[FileRun],
    settings: FileSettings,
    network: Model,
    jobs: int,
    should_stop: ShouldStop,
    tell: Callable[[str, float], None],
) -> Iterator[tuple[str, FileOutcome | float]]:
    """Yield outcomes, and shares of what is in work, here or from other processes."""
    if jobs == 1 or len(runs) < 2:
        for run in runs:
            if should_stop():
                raise Cancelled
            said = functools.partial(tell, run.image.name)
            outcome = run_file(run, settings, lambda: network, tell=said, should_stop=should_stop)
            yield run.image.name, outcome
        return
    answers = spread(
        file_worker, settings, runs, workers=min(jobs, len(runs)), should_stop=should_stop
    )
    for answer in answers:
        name, value = runs[answer.number].image.name, answer.value
        if isinstance(value, BaseException):
            yield name, FileOutcome(name, "failed", str(value))
        elif isinstance(value, FileOutcome | float):
            yield name, value


class _Course:
    """What is known of a run so far: told to the caller, and kept in the summary."""

    def __init__(
        self,
        names: Sequence[str],
        summary: Summary,
        on_progress: Callable[[FilesProgress], None] | None,
    ) -> None:
        self._names = names
        self._summary = summary
        self._on_progress = on_progress or (lambda _: None)
        self._outcomes: dict[str, FileOutcome] = {}
        self._shares: dict[str, float] = {}
        self._begun = time.monotonic()

    def begin(self, cautions: tuple[str, ...]) -> None:
        """Write the summary, and say what should be known."""
        self._summary.begin()
        self._on_progress(FilesProgress(0, len(self._names), cautions=cautions))

    def tell(self, name: str, share: float) -> None:
        """Say how far an image is."""
        self._shares[name] = share
        self._on_progress(self._progress(name))

    def end(self, outcome: FileOutcome) -> None:
        """Keep what became of an image, and say it."""
        self._shares.pop(outcome.name, None)
        self._outcomes[outcome.name] = outcome
        self._summary.add(outcome)
        self._on_progress(dataclasses.replace(self._progress(outcome.name), outcome=outcome))

    def finish(self) -> tuple[FileOutcome, ...]:
        """Return the outcomes in the order of the images."""
        self._summary.finish()
        return tuple(self._outcomes[name] for name in self._names)

    def _progress(self, name: str) -> FilesProgress:
        """Return how far the run is."""
        done, total = len(self._outcomes), len(self._names)
        parts = sum(self._shares.values())
        skipped = sum(outcome.status == "skipped" for outcome in self._outcomes.values())
        worked = done - skipped + parts
        spent = time.monotonic() - self._begun
        left = spent / worked * (total - done - parts) if worked > 0 else None
        return FilesProgress(done, total, name, (done + parts) / total, left)


def _with_rois(
    images: tuple[Path, ...], folder: PathLike | None
) -> tuple[tuple[Path, ...], RoiMatches]:
    """Return the images that are no ROI files, and their ROI files."""
    if folder is None:
        return images, RoiMatches({})
    place = os.path.realpath(folder)
    beside = {path.name for path in images if os.path.realpath(path.parent) == place}
    files = roi_files(Path(folder), beside)
    regions = {os.path.realpath(file) for file in files}
    images = tuple(path for path in images if os.path.realpath(path) not in regions)
    matches = match_rois(images, files)
    if not matches.of:
        raise RoiError(
            f"No ROI file in {folder} matches the name of an image; name it after its image, such "
            "as cells.json for cells.tif."
        )
    return images, matches


def _told(matches: RoiMatches) -> tuple[str, ...]:
    """Return in sentences what has no counterpart."""
    told = []
    if (count := len(matches.without)) and matches.of:
        what = (
            "1 image has no ROI file and is"
            if count == 1
            else f"{count} images have no ROI file and are"
        )
        told.append(f"{what} skipped: {_named(matches.without)}.")
    if count := len(matches.unused):
        what = "1 ROI file belongs" if count == 1 else f"{count} ROI files belong"
        told.append(f"{what} to no image: {_named(matches.unused)}.")
    return tuple(told)


def _named(paths: Sequence[Path]) -> str:
    """Return the names of the first few files."""
    more = " and more" if len(paths) > _NAMED else ""
    return ", ".join(path.name for path in paths[:_NAMED]) + more


def _shared(options: Options, workers: int) -> Options:
    """Return the options of each of several processes, which share memory and CPUs."""
    if workers < 2:
        return options
    threads = 1 if options.threads == "auto" else options.threads
    return dataclasses.replace(options, threads=threads, memory=memory_budget(options) // workers)


def _make(folder: Path) -> None:
    """Make the folder of results."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputError(f"{folder} cannot be created: {reason(problem)}.") from problem
