"""`enhance`: an image, or a region of it, through a network."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_microenhance.cli.options import (
    OVERWRITE,
    Typed,
    labels_from,
    options_from,
    with_options,
)
from napari_microenhance.cli.results import (
    default_model,
    named_file,
    writing_report,
)
from napari_microenhance.cli.terminal import Bar, say, stopping, warn
from napari_microenhance.errors import Cancelled, ImageError, OptionsError
from napari_microenhance.files import kind_of
from napari_microenhance.outputs import guard_output, unfinished_words

if TYPE_CHECKING:
    from napari_microenhance.api import Options, Result
    from napari_microenhance.engine.run import Progress
    from napari_microenhance.images.image_formats import ImageFile
    from napari_microenhance.models import Model
    from napari_microenhance.records.image_input import ImageInput
    from napari_microenhance.types import ImageLike

__all__ = ["run_with_bar"]


@with_options
def enhance_file(
    source: Annotated[
        Path,
        typer.Argument(metavar="IN", help="Input image: PNG, JPEG, TIFF, OME-TIFF or OME-Zarr."),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="Result: .png, .tif, .ome.tif or .ome.zarr.")
    ],
    model: Annotated[
        str | None,
        typer.Option(help="Built-in model, .onnx or .czann file, or BioImage.IO package."),
    ] = None,
    roi: Annotated[
        Path | None,
        typer.Option(
            help="ROI: labelme JSON, GeoJSON, ImageJ .roi or .zip, napari shapes CSV or label "
            "image; the whole image without one."
        ),
    ] = None,
    roi_label: Annotated[
        str | None,
        typer.Option(
            metavar="N,N", help="Label values of a label image that form the ROI, such as 1,3."
        ),
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(help="Axes of IN, letters from TCZYX, where the file does not state them."),
    ] = None,
    series: Annotated[
        int | None,
        typer.Option(help="Which image to use where IN holds several, counted from 0.", min=0),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Preset: its name, or a JSON file of options.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Also write the record of the run, as JSON.")
    ] = None,
    overwrite: OVERWRITE = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue an unfinished .ome.zarr."),
    ] = False,
    **texts: Typed,
) -> None:
    """Enhance an image, or an ROI of it."""
    options = options_from(preset, texts)
    kind_of(source, error=ImageError)  # a mistake in IN comes before one in OUT
    inputs = {
        "IN": source,
        "--roi": roi,
        "--model": named_file(model),
        "--preset": named_file(preset),
    }
    blocks = target.name.lower().endswith(".zarr")
    if resume and (overwrite or not blocks):
        raise OptionsError(
            "--resume and --overwrite are mutually exclusive; use one of them."
            if overwrite
            else f"--resume continues an .ome.zarr; {target} is written completely or not at all."
        )
    guard_output(
        target,
        overwrite=overwrite,
        resume=resume,
        inputs=inputs,
        option="--overwrite",
        resume_option="--resume",
    )
    if report is not None:
        others = {**inputs, "OUT": target}
        guard_output(
            report, overwrite=overwrite, inputs=others, name="--report", option="--overwrite"
        )
    from napari_microenhance.images.image_formats import read_image

    image = read_image(source, axes=axes, series=series)
    how: dict[str, Any] = {
        "roi": roi,
        "roi_label": None if roi_label is None else labels_from(roi_label),
    }
    if blocks:
        how |= {"out": target, "overwrite": overwrite, "resume": resume}
    _enhance_file(source, image, target, model=model, how=how, options=options, report=report)


def _enhance_file(
    source: Path,
    image: "ImageFile",
    target: Path,
    *,
    model: str | None,
    how: dict[str, Any],
    options: "Options",
    report: Path | None,
) -> None:
    """Check everything that can be checked, run, write."""
    from napari_microenhance.api import load_model
    from napari_microenhance.api.estimating import check_disk
    from napari_microenhance.files import check_target
    from napari_microenhance.images.image_formats import check_output
    from napari_microenhance.images.result_writing import write_result
    from napari_microenhance.records import Record
    from napari_microenhance.records.image_input import ImageInput

    dtype = "float32" if options.dtype == "float32" else image.pixels.dtype
    check_output(target, dtype, image.axes)
    if report is not None:
        check_target(report)
    network = load_model(model or default_model())
    given = dataclasses.replace(ImageInput.of(image), name=source.name)
    was_there = bool(how.get("resume")) and target.exists() and not unfinished_words(target)
    check_disk(target, given.source, network.spec, options)
    result, said = run_with_bar(given, network, options=options, **how)
    kept = Record.of(result.report).with_image_name(source.name)
    record = kept.to_dict()
    with writing_report(report, record):
        if "out" not in how:
            write_result(target, result, image, record)
    if was_there:
        say(f"{target} is already complete; nothing was changed.")
        return
    warn(text for text in kept.report.warnings if text not in said)
    say(f"{result.report.summary()} -> {target}")


def run_with_bar(
    image: "ImageLike | ImageInput",
    network: "Model | str",
    **how: Any,  # noqa: ANN401 - what `enhance` takes
) -> tuple["Result", frozenset[str]]:
    """Run with a progress bar, after what should be known before; Ctrl-C ends the tile in flight.

    Parameters
    ----------
    image : array-like or ImageInput
    network : Model
    **how
        For `napari_microenhance.enhance`.

    Returns
    -------
    Result
    frozenset of str
        What was said before the run.

    Raises
    ------
    Cancelled
        If Ctrl-C was pressed.
    """
    from napari_microenhance.api import enhance

    said = set[str]()
    with stopping() as stop, Bar() as bar:

        def show(progress: "Progress") -> None:
            warn(progress.cautions)
            said.update(map(str, progress.cautions))
            bar.show(progress)

        result = enhance(image, network, on_progress=show, should_stop=stop.is_set, **how)
        if stop.is_set() and "out" not in how:  # pressed after the last tile
            raise Cancelled
    return result, frozenset(said)
