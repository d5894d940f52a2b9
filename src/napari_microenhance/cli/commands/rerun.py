"""`rerun`: the same run again."""

from pathlib import Path
from typing import Annotated

import typer

from napari_microenhance.cli.options import OVERWRITE
from napari_microenhance.cli.results import named_file
from napari_microenhance.cli.terminal import Bar, say, stopping, warn
from napari_microenhance.engine.cautions import gather
from napari_microenhance.errors import Cancelled
from napari_microenhance.outputs import guard_output


def rerun_file(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="A result with its record, or a report in JSON.")
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The result to write.")],
    image: Annotated[
        Path | None,
        typer.Option(help="The image; without it the one that the record names, beside FILE."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The model; without it the one that the record names.")
    ] = None,
    series: Annotated[
        int | None,
        typer.Option(
            help="Which image to use where the file holds several, counted from 0.", min=0
        ),
    ] = None,
    anyway: Annotated[
        bool,
        typer.Option("--anyway", help="Run even if image or model are not those of the record."),
    ] = False,
    overwrite: OVERWRITE = False,
) -> None:
    """Repeat a recorded run, and compare the pixels."""
    from napari_microenhance.api import rerun
    from napari_microenhance.images.image_formats import check_output, read_image
    from napari_microenhance.images.result_writing import write_result
    from napari_microenhance.records import Record
    from napari_microenhance.records.repeating import find_image

    record = Record.of(source)
    given = image or find_image(record)
    inputs = {"FILE": source, "IN": given, "--model": named_file(model)}
    guard_output(target, overwrite=overwrite, inputs=inputs, option="--overwrite")
    pixels = read_image(given, axes=record.axes, series=series)
    options = record.options()
    dtype = "float32" if options.dtype == "float32" else pixels.pixels.dtype
    check_output(target, dtype, pixels.axes)
    warn(gather(pixels.notes, silenced=options.no_caution))
    with stopping() as stop, Bar() as bar:
        result = rerun(
            record,
            pixels.pixels,
            model,
            on_progress=bar.show,
            should_stop=stop.is_set,
            allow_other=anyway,
        )
        if stop.is_set():  # pressed after the last tile
            raise Cancelled
    kept = Record.of(result.report).with_image_name(given.name)
    write_result(target, result, pixels, kept.to_dict())
    warn(kept.report.warnings)
    same = "identical to the recorded pixels"
    outcome = {True: same, False: f"not {same}", None: "not compared with the recorded pixels"}
    identical = kept.report.rerun.identical if kept.report.rerun else None
    say(f"{result.report.summary()}, {outcome[identical]} -> {target}")
