"""enhance(): an image, or a region of it, through a network; and what to know before."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from napari_microenhance.api.estimating import large_run_cautions
from napari_microenhance.engine.arguments import (
    as_number,
    as_options,
    as_window,
    check_called,
    whole_depth,
)
from napari_microenhance.engine.cautions import Caution, gather
from napari_microenhance.engine.intensity import fit, palettes, rounding_cautions
from napari_microenhance.engine.options import Options
from napari_microenhance.engine.reports.report import Report
from napari_microenhance.engine.reports.report_sections import ModelSection
from napari_microenhance.engine.result import Result
from napari_microenhance.engine.run import Job, Progress, run
from napari_microenhance.engine.run import foresee as foresee_run
from napari_microenhance.engine.runtime.threads import thread_cautions
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import ModelError, OptionsError
from napari_microenhance.measure.likeness import likeness_cautions
from napari_microenhance.measure.seen_noise import SeenNoise, seen_noise
from napari_microenhance.models import Model, load_model
from napari_microenhance.records.image_input import ImageInput
from napari_microenhance.records.inputs import selection_of
from napari_microenhance.types import ImageLike, PathLike, RoiLike, ShouldStop

__all__ = ["check_domain", "enhance", "foresee", "noise_in"]


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
    out: PathLike | None = None,
    overwrite: bool = False,
    resume: bool = False,
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
    out : str or path, optional
        Folder ``NAME.ome.zarr`` that is filled block by block, so that the memory is bounded by
        tiles and not by the image. It outlasts a run that is ended, and can be gone on with.
    overwrite : bool
        With `out`: replace a result of ours that is there, finished or not.
    resume : bool
        With `out`: go on with what an earlier run of the same left; a finished one is left as
        it is.

    Returns
    -------
    Result
        `patch` and `pixels` have the image's axes, number type and units, unless the options
        say otherwise. With `out` both are read from there where they are sliced.

    Raises
    ------
    Cancelled
        If `should_stop` returned true; nothing is kept but what is done of `out`.
    OutputError
        If `out` cannot be written, or something else stands there.
    MicroEnhanceError
        If an input cannot be used; the text is one sentence that says what to do.
    """
    check_called(on_progress=on_progress, should_stop=should_stop)

    def ran(job: Job) -> Result:
        return run(job, on_progress=on_progress, should_stop=should_stop)

    if out is None:
        if overwrite or resume:
            raise OptionsError("overwrite and resume need out=.")
        prepared = _prepared(image, model, roi, axes, options, window, roi_label)
        return prepared.told(ran(prepared.estimated().job))
    if window is not None:
        raise OptionsError("window and out= cannot be combined; use one of them.")
    from napari_microenhance.jobs.block_store import BlockStore
    from napari_microenhance.jobs.store_place import guarded, inputs_of

    place = guarded(out, overwrite=overwrite, resume=resume, inputs=inputs_of(image, model, roi))
    with BlockStore(place, resume=resume, overwrite=overwrite) as store:
        prepared = _prepared(
            image, model, roi, axes, options, None, roi_label, provider=store.provider
        )
        prepared = prepared.estimated(in_store=True)
        store.about(prepared.job, prepared.image)
        result = prepared.told(ran(dataclasses.replace(prepared.job, target=store)))
        store.finish(result.report.to_dict())
        return result


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
    return foresee_run(_prepared(image, model, roi, axes, options, None).estimated().job)


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


def noise_in(
    image: ImageLike | Source | ImageInput,
    model: Model | PathLike,
    axes: str | None = None,
    *,
    options: Options | None = None,
) -> tuple[SeenNoise, ...]:
    """Find the noise of an image, as a run would show it to a network.

    Parameters
    ----------
    image, model, axes, options
        As for `enhance`.

    Returns
    -------
    tuple of SeenNoise
        One of each group of channels that runs apart; its text is a short sentence, such as
        "Noise: 5.2 % of the range, correlated over about 3 px". Empty below 64 x 64 px.

    Raises
    ------
    MicroEnhanceError
        If image and network do not fit together.
    """
    chosen = as_options(options)
    spec = load_model(model).at(chosen.precision).spec
    source = ImageInput.of(image, axes, spec.spatial).source
    groups = palettes(source, spec, chosen)
    lines = [fit(source, palette, spec, chosen)[0] for palette in groups]
    spans = [None if f.source == "none" else f.high - f.low for f in lines]
    return seen_noise(source, [palette.channels for palette in groups], spans)


@dataclasses.dataclass(frozen=True, eq=False)
class _Prepared:
    """A job, and the image as it was given."""

    job: Job
    image: ImageInput

    def estimated(self, *, in_store: bool = False) -> "_Prepared":
        """Return the same with what a large run will take; raise if that cannot be."""
        if self.job.window is not None:
            return self
        said = large_run_cautions(self.job, in_store=in_store)
        job = dataclasses.replace(self.job, cautions=(*self.job.cautions, *said))
        return dataclasses.replace(self, job=job)

    def told(self, result: Result) -> Result:
        """Return a result with what its pixels say, and the name of the image's file."""
        job = self.job
        told = likeness_cautions(result, job.selection, job.spec) if job.window is None else ()
        report = result.report.warned(gather(told, silenced=job.options.no_caution))
        if job.window is None:
            report = report.noted(noise.section() for noise in _noise(job, report))
        if self.image.name is not None:
            report = report.named(self.image.name)
        return dataclasses.replace(result, report=report)


def _prepared(
    image: ImageLike | Source | ImageInput,
    model: Model | PathLike,
    roi: RoiLike,
    axes: str | None,
    options: Options | None,
    window: tuple[tuple[int, int], tuple[int, int]] | None,
    roi_label: Sequence[int] | None = None,
    *,
    provider: str | None = None,
) -> _Prepared:
    """Return what a run needs, checked; what an earlier part of it ran on is kept to."""
    chosen, part = as_options(options), as_window(window)
    network = load_model(model).at(chosen.precision)
    given = ImageInput.of(image, axes, network.spec.spatial)
    selection, remarks = selection_of(roi, given.source, roi_label)
    asked = (chosen.provider == "auto" and provider) or chosen.provider
    choice = network.choice(asked, chosen.threads)
    notes = given.notes_in(selection.footprint.box)
    cautions: list[Caution | str] = [*notes, *network.cautions(chosen)]
    cautions += thread_cautions(chosen.threads)
    cautions += rounding_cautions(given.source, network.spec, chosen)
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
    return _Prepared(job, given)


def _noise(job: Job, report: Report) -> tuple[SeenNoise, ...]:
    """Return the noise of the image that a run was given, group of channels by group."""
    groups = [palette.channels for palette in palettes(job.source, job.spec, job.options)]
    kept = report.intensity
    low, high = (np.atleast_1d(ends) for ends in (kept.low, kept.high))
    if kept.source == "none":
        spans: list[float | None] = [None] * len(groups)
    elif len(low) == len(groups):
        spans = [float(span) for span in high - low]
    else:  # channels that are seen at once have a line each
        spans = [float((high - low).mean())] * len(groups)
    return seen_noise(job.source, groups, spans)


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
