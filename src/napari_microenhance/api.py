"""The headless front: enhance a region, repeat a run, and see what it changed."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from napari_microenhance.engine.arguments import (
    as_number,
    as_options,
    as_planes,
    as_window,
    check_called,
    whole_depth,
)
from napari_microenhance.engine.cautions import Caution, gather
from napari_microenhance.engine.options import Options
from napari_microenhance.engine.reports.report import Report
from napari_microenhance.engine.reports.report_sections import ModelSection
from napari_microenhance.engine.result import Result
from napari_microenhance.engine.run import Job, Progress, run
from napari_microenhance.engine.run import foresee as foresee_run
from napari_microenhance.engine.runtime.threads import thread_cautions
from napari_microenhance.engine.selection import Selection
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import ModelError
from napari_microenhance.measure.comparison import Comparison
from napari_microenhance.measure.full_range import FullRange
from napari_microenhance.measure.likeness import likeness_cautions
from napari_microenhance.measure.trust_maps.trust import TrustMap, mismatch_map, noted
from napari_microenhance.models import Model, ModelInfo, list_models, load_model
from napari_microenhance.models.sidecar import load_edits, save_edits
from napari_microenhance.presets import list_presets, load_preset, save_preset
from napari_microenhance.records import (
    Record,
    RecordError,
    RecordMismatchError,
    command_line,
    methods_text,
    python_code,
)
from napari_microenhance.records.image_input import ImageInput
from napari_microenhance.records.inputs import open_pair, selection_of
from napari_microenhance.types import Box, ImageLike, PathLike, RoiLike, ShouldStop

if TYPE_CHECKING:
    from napari_microenhance.measure.trust_maps.oriented_array import OrientedArray
    from napari_microenhance.records.repeating import Repetition

__all__ = [
    "Comparison",
    "Model",
    "ModelInfo",
    "Options",
    "Progress",
    "Record",
    "RecordError",
    "RecordMismatchError",
    "Report",
    "Result",
    "TrustMap",
    "check_domain",
    "command_line",
    "compare",
    "enhance",
    "foresee",
    "list_models",
    "list_presets",
    "load_edits",
    "load_model",
    "load_preset",
    "methods_text",
    "mismatch_map",
    "noted",
    "python_code",
    "raw_consistency",
    "repeat",
    "rerun",
    "save_edits",
    "save_preset",
    "variability",
]


def enhance(  # noqa: PLR0913 - the one call of most users
    image: ImageLike | Source | ImageInput,
    model: Model | PathLike,
    roi: RoiLike = None,
    axes: str | None = None,
    *,
    options: Options | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: ShouldStop | None = None,
    window: tuple[tuple[int, int], tuple[int, int]] | None = None,
    roi_label: Sequence[int] | None = None,
) -> Result:
    """Enhance a region of an image; every pixel outside stays as it is.

    Parameters
    ----------
    image : array-like of whole or real numbers, str, path or Source
        NumPy, dask, zarr, read tile by tile and never modified; or the path of an image file,
        whose name the report keeps and whose notes are among its warnings.
    model : Model, str or path
        A loaded network, or what `load_model` takes.
    roi : optional
        None: the whole image. A bool mask or label image (non-zero is inside) of the spatial
        shape, or with the image's axes of planes; a list of (N, 2) arrays of (y, x) vertices
        in px with pixel centres at whole numbers, or of `Roi` values, which can have planes of
        their own; or the path of an ROI file.
    axes : str, optional
        One letter of "TCZYX" per dimension. Default: what the file says; two dimensions are
        YX, a third of length 3 or 4 at the end is colour.
    options : Options, optional
    on_progress : callable, optional
        Called with a `Progress` after planning, with all cautions, and after each tile, in
        this thread.
    should_stop : callable, optional
        Polled every 20 ms, also during a network call.
    window : tuple of (start, stop), optional
        (Y, X) ranges in px: compute only what they need. The patch is the ROI's box cut to
        them, its pixels equal those of the full run.
    roi_label : sequence of int, optional
        Values of a label image that count; default: all but its background, which is 0, or -1
        where that occurs.

    Returns
    -------
    Result
        `patch` and `pixels` have the image's axes, number type and units, unless the options
        say otherwise.

    Raises
    ------
    Cancelled
        If `should_stop` returned true; nothing is kept.
    MicroEnhanceError
        If an input cannot be used; the text is one sentence that says what to do.
    """
    check_called(on_progress=on_progress, should_stop=should_stop)
    job, name = _job(image, model, roi, axes, options, window, roi_label)
    result = run(job, on_progress=on_progress, should_stop=should_stop)
    told = likeness_cautions(result, job.selection, job.spec) if job.window is None else ()
    report = result.report.warned(gather(told, silenced=job.options.no_caution))
    if name is not None:
        report = report.named(name)
    return dataclasses.replace(result, report=report)


def foresee(
    image: ImageLike | Source | ImageInput,
    model: Model | PathLike,
    roi: RoiLike = None,
    axes: str | None = None,
    *,
    options: Options | None = None,
) -> tuple[Caution | str, ...]:
    """Tell what `enhance` would say before its first tile; none is run.

    Parameters
    ----------
    image, model, roi, axes, options
        As for `enhance`.

    Returns
    -------
    tuple of Caution or str
        About the file, the region, the network, the image and the plan, but for those that
        `Options.no_caution` names.

    Raises
    ------
    MicroEnhanceError
        If an input cannot be used.
    """
    job, _ = _job(image, model, roi, axes, options, None)
    return foresee_run(job)


def rerun(
    record: Record | Report | Mapping[str, object] | PathLike,
    image: ImageLike | Source | None = None,
    model: Model | PathLike | None = None,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: ShouldStop | None = None,
    allow_other: bool = False,
) -> Result:
    """Repeat a recorded run, and say whether the pixels are the same.

    Parameters
    ----------
    record : Record, Report, mapping, str or path
        A result file, a report in JSON, the report of a result, or the metadata of a layer.
    image : array-like, str or path, optional
        Default: the file that the record names, beside the file with the record.
    model : Model, str or path, optional
        Default: the network that the record names; a file of its name beside the record, or
        in the user's own folder of networks.
    on_progress, should_stop : callable, optional
        As for `enhance`.
    allow_other : bool
        Run even if image or network is not the recorded one.

    Returns
    -------
    Result
        Its report's ``rerun`` says whether the pixels are identical to the recorded ones; its
        warnings, what may be the reason where they are not.

    Raises
    ------
    RecordMismatchError
        If image or network is not the recorded one and `allow_other` is false.
    RecordError
        If there is no record, or a damaged one.
    Cancelled
        If `should_stop` returned true.
    MicroEnhanceError
        If the run is not possible any more.
    """
    from napari_microenhance.records.repeating import prepare

    again = prepare(Record.of(record), image, model, allow_other=allow_other)
    return repeat(again, on_progress=on_progress, should_stop=should_stop)


def repeat(
    again: "Repetition",
    *,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: ShouldStop | None = None,
) -> Result:
    """Run a repetition that is prepared, and say whether the pixels are the same.

    Parameters
    ----------
    again : Repetition
        What `rerun` prepares from a record, image and network.
    on_progress, should_stop : callable, optional
        As for `enhance`.

    Returns
    -------
    Result
        As `rerun` gives it.

    Raises
    ------
    Cancelled
        If `should_stop` returned true.
    MicroEnhanceError
        If the run is not possible any more.
    """
    result = enhance(
        again.source,
        again.model,
        again.roi,
        options=again.options,
        on_progress=on_progress,
        should_stop=should_stop,
        window=again.record.window,
    )
    return again.compared(result)


def compare(
    a: ImageLike | Source,
    b: ImageLike | Source | Result,
    roi: RoiLike = None,
    axes: str | None = None,
    *,
    planes: Sequence[int] | None = None,
    beyond: float = 3.0,
    data_range: FullRange | float | None = None,
    should_stop: ShouldStop | None = None,
) -> Comparison:
    """Tell what changed from an image to its result.

    Parameters
    ----------
    a : array-like, str or path
        The image.
    b : array-like, str, path or Result
        The result: as large as the image or a whole number of times finer or coarser, colour
        or made grey. One that was cropped is compared with what it was cut from, if it
        carries its record.
    roi : optional
        Pixels of the image that count, of any kind that `enhance` takes; None: all. Each
        polygon, label or connected piece of a mask also gets figures of its own.
    axes : str, optional
        Of both images, where they do not say.
    planes : sequence of int, optional
        Of the result, counted as `Options.planes` does; None: all.
    beyond : float
        Changes of more than so many times the image's noise are counted.
    data_range : float or FullRange, optional
        What counts as full range for PSNR and SSIM, image units. Default: the intensity range
        of the run, where the result carries its record; else 255 for uint8, and the largest
        less the smallest value of the image for other number types. The comparison says which.
    should_stop : callable, optional
        Polled after every 2 Mpx.

    Returns
    -------
    Comparison

    Raises
    ------
    Cancelled
        If `should_stop` returned true.
    MicroEnhanceError
        If the two do not belong together; the text is one sentence.
    """
    from napari_microenhance.measure.changes import compare_images

    check_called(should_stop=should_stop)
    if not isinstance(data_range, FullRange):
        data_range = None if data_range is None else as_number("data_range", data_range, above=0)
    chosen = as_planes(planes)
    pair = open_pair(a, b, roi, axes)
    found = compare_images(
        pair.before,
        pair.after,
        pair.parts,
        planes=chosen,
        beyond=as_number("beyond", beyond, above=0),
        data_range=pair.data_range if data_range is None else data_range,
        should_stop=should_stop,
    )
    return dataclasses.replace(found, notes=tuple(map(str, pair.notes)))


def variability(
    image: ImageLike | Source,
    model: Model | PathLike,
    roi: RoiLike = None,
    axes: str | None = None,
    *,
    options: Options | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: ShouldStop | None = None,
    window: tuple[tuple[int, int], tuple[int, int]] | None = None,
) -> TrustMap:
    """Tell how much a result depends on how the image lay and where its tiles began.

    The run is repeated with the image flipped and turned in eight ways, each begun at another
    pixel, so it costs eight runs.

    Parameters
    ----------
    image, model, roi, axes, options, on_progress, should_stop, window
        As for `enhance`; progress is that of all runs. The map of a preview covers its window.

    Returns
    -------
    TrustMap
        The standard deviation of each pixel.

    Raises
    ------
    Cancelled
        If `should_stop` returned true.
    MicroEnhanceError
        If the run is not possible.
    """
    from napari_microenhance.measure.trust_maps.variability import measure_variability

    chosen, seen = as_options(options), as_window(window)
    check_called(on_progress=on_progress, should_stop=should_stop)
    network = load_model(model)
    spec = network.at(chosen.precision).spec
    source = ImageInput.of(image, axes, spec.spatial).source
    selection, _ = selection_of(roi, source)

    def run_view(
        view: "OrientedArray",
        inside: Selection,
        how: Options,
        part: Box | None,
        report: Callable[[Progress], None],
    ) -> Result:
        shown = (part[0], part[1]) if part else None
        return enhance(
            view,
            network,
            inside,
            source.axes,
            options=how,
            on_progress=report,
            should_stop=should_stop,
            window=shown,
        )

    return measure_variability(
        source, selection, spec, chosen, run_view, window=seen, on_progress=on_progress
    )


def raw_consistency(
    a: ImageLike | Source,
    b: ImageLike | Source | Result,
    roi: RoiLike = None,
    axes: str | None = None,
    *,
    planes: Sequence[int] | None = None,
    should_stop: ShouldStop | None = None,
) -> TrustMap:
    """Tell how far a result, blurred back, is from the image that it was made of.

    Parameters
    ----------
    a, b, roi, axes, planes, should_stop
        As for `compare`.

    Returns
    -------
    TrustMap
        The absolute difference at each pixel of the image.

    Raises
    ------
    Cancelled
        If `should_stop` returned true.
    MicroEnhanceError
        If the two do not belong together.
    """
    from napari_microenhance.measure.trust_maps.consistency import measure_consistency

    check_called(should_stop=should_stop)
    chosen = as_planes(planes)
    pair = open_pair(a, b, roi, axes)
    return measure_consistency(
        pair.before, pair.after, pair.parts.whole, planes=chosen, should_stop=should_stop
    )


def check_domain(
    image: ImageLike | Source,
    model: Model | PathLike,
    axes: str | None = None,
    *,
    options: Options | None = None,
    pixel_size_um: float | None = None,
) -> tuple[str, ...]:
    """Tell in what an image is unlike those that a network was trained on.

    Parameters
    ----------
    image, model, axes, options
        As for `enhance`.
    pixel_size_um : float, optional
        Micrometres. Default: what the image's file says.

    Returns
    -------
    tuple of str
        One sentence each; empty where nothing stands out, or the network's file does not say
        what it was trained on.

    Raises
    ------
    MicroEnhanceError
        If image and network do not fit together.
    """
    chosen = as_options(options)
    network = load_model(model).at(chosen.precision)
    given = ImageInput.of(image, axes, network.spec.spatial)
    if pixel_size_um is not None:
        size = as_number("pixel_size_um", pixel_size_um, above=0)
        given = dataclasses.replace(given, pixel_size_um=size)
    return tuple(map(str, _domain(given, network, chosen)))


def _job(
    image: ImageLike | Source | ImageInput,
    model: Model | PathLike,
    roi: RoiLike,
    axes: str | None,
    options: Options | None,
    window: tuple[tuple[int, int], tuple[int, int]] | None,
    roi_label: Sequence[int] | None = None,
) -> tuple[Job, str | None]:
    """Return what a run needs, checked, and the name of the image's file."""
    chosen, part = as_options(options), as_window(window)
    network = load_model(model).at(chosen.precision)
    given = ImageInput.of(image, axes, network.spec.spatial)
    selection, remarks = selection_of(roi, given.source, roi_label)
    choice = network.choice(chosen.provider, chosen.threads)
    notes = given.notes_in(selection.footprint.box)
    cautions: list[Caution | str] = [*notes, *network.cautions(chosen)]
    cautions += thread_cautions(chosen.threads)
    if part is None:  # a preview is one of many looks at an image
        try:
            cautions += _domain(given, network, chosen)
        except ModelError as error:  # what it was trained on may be damaged; it runs all the same
            cautions.append(str(error))
    job = Job(
        source=given.source,
        selection=selection,
        session=choice.session,
        parity=choice.parity(),
        options=chosen,
        model=ModelSection(
            name=network.name,
            sha256=network.sha256,
            source=network.source,
            precision=network.spec.precision,
            spec=network.spec,
        ),
        window=whole_depth(part, given.source.spatial_shape),
        cautions=(*cautions, *choice.remarks, *remarks),
        probe_seconds=network.probe_seconds,
        coupled=network.coupled_for(chosen),
    )
    return job, given.name


def _domain(given: ImageInput, network: Model, options: Options) -> tuple[Caution, ...]:
    """Return in what an image is unlike those of a network's training, where that is known."""
    from napari_microenhance.measure import domain

    text = network.graph.metadata.get(domain.KEY)
    if text is None or domain.CAUTION in options.no_caution:
        return ()
    return domain.check(
        given.source,
        network.spec,
        options,
        domain.TrainedOn.from_text(text),
        name=network.name,
        pixel_size_um=given.pixel_size_um,
    )
