"""`batch`: many images through one model, each to its own file."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_microenhance.cli.failures import EXIT_CANCELLED, fail, log_failure
from napari_microenhance.cli.options import Typed, labels_from, options_from, with_options
from napari_microenhance.cli.results import default_model
from napari_microenhance.cli.terminal import Bar, say, stopping, warn
from napari_microenhance.errors import Cancelled

if TYPE_CHECKING:
    from napari_microenhance.api import FilesProgress

EXIT_SOME_FAILED = 1


@with_options
def enhance_batch(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="IN",
            help="Images, folders of images, or quoted patterns such as 'plate/*.tif'.",
        ),
    ],
    out: Annotated[
        Path, typer.Argument(metavar="OUT_FOLDER", help="Folder for the results and summary.csv.")
    ],
    model: Annotated[
        str | None,
        typer.Option(help="Built-in model, .onnx or .czann file, or BioImage.IO package."),
    ] = None,
    roi: Annotated[
        Path | None, typer.Option(help="ROI file for all images; whole images without one.")
    ] = None,
    roi_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder of ROI files named after the images, such as cells.json for cells.tif."
        ),
    ] = None,
    roi_label: Annotated[
        str | None,
        typer.Option(
            metavar="N,N", help="Label values of label images that form the ROI, such as 1,3."
        ),
    ] = None,
    axes: Annotated[
        str | None, typer.Option(help="Axes of the images, where their files do not state them.")
    ] = None,
    series: Annotated[
        int | None,
        typer.Option(help="Which image to use where a file holds several, counted from 0.", min=0),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Preset: its name, or a JSON file of options.")
    ] = None,
    suffix: Annotated[
        str, typer.Option(help="Ending of the result names; it also sets the format.")
    ] = ".tif",
    jobs: Annotated[
        int,
        typer.Option(help="Number of processes to spread the images over, one thread each.", min=1),
    ] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Skip images that have a matching result.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing results.")
    ] = False,
    **texts: Typed,
) -> None:
    """Enhance many images, or an ROI of each."""
    options = options_from(preset, texts)
    from napari_microenhance.api import enhance_files

    counts = Counter[str]()
    with stopping() as stop, Bar("images") as bar:

        def show(progress: "FilesProgress") -> None:
            outcome = progress.outcome
            if outcome is not None:
                counts[outcome.status] += 1
            if outcome is not None or progress.cautions:
                bar.clear()
            warn(progress.cautions)
            if outcome is not None and outcome.status == "failed":
                named = outcome.name in outcome.sentence
                where = "" if named else f"{outcome.name}: "
                log = f" See {path}." if (path := log_failure(outcome.traceback)) else ""
                fail(f"Error: {where}{outcome.sentence}{log}")
            elif outcome is not None:
                say(f"{outcome.name}: {outcome.status}. {outcome.sentence}")
            counts["total"] = progress.total
            bar.show(progress, progress.name)

        try:
            outcomes = enhance_files(
                sources,
                out,
                model or default_model(),
                roi=roi,
                roi_folder=roi_dir,
                roi_label=None if roi_label is None else labels_from(roi_label),
                axes=axes,
                series=series,
                suffix=suffix,
                options=options,
                jobs=jobs,
                resume=resume,
                overwrite=overwrite,
                on_progress=show,
                should_stop=stop.is_set,
            )
        except (Cancelled, KeyboardInterrupt) as error:
            finished = counts["done"] + counts["skipped"]
            kept = f"{finished} of {counts['total']} images are finished and kept"
            fail(f"Cancelled; {kept}, --resume continues with the rest.", EXIT_CANCELLED)
            raise typer.Exit(EXIT_CANCELLED) from error
    warned = sum(bool(outcome.figures.get("warnings")) for outcome in outcomes)
    parts = [f"{counts[word]} {word}" for word in ("done", "skipped", "failed") if counts[word]]
    more = f" ({warned} with warnings)" if warned else ""
    say(f"{', '.join(parts)}{more}; see {out / 'summary.csv'}")
    if counts["failed"]:
        raise typer.Exit(EXIT_SOME_FAILED)
