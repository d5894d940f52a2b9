"""`compare` and `rerun`: what a run changed, and the same run again."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_microenhance.cli.commands import check_distinct, named_file, write_result
from napari_microenhance.cli.terminal import Bar, interruptible, stopping
from napari_microenhance.engine.option_text import parse
from napari_microenhance.errors import Cancelled, OptionsError, OutputError

if TYPE_CHECKING:
    from napari_microenhance.api import Comparison
    from napari_microenhance.measure.comparison import Figures
    from napari_microenhance.measure.profiles import Profile
    from napari_microenhance.records.inputs import ImagePair

__all__ = ["compare_files", "rerun_file"]

COLUMNS = {
    "pixels": ("px", "{:,}"),
    "mean": ("mean", "{:.6g} > {:.6g}"),
    "contrast": ("contrast", "{:.4g} > {:.4g}"),
    "sharpness": ("sharpness", "{:.3f} > {:.3f}"),
    "psnr": ("PSNR dB", "{:.2f}"),
    "ssim": ("SSIM", "{:.4f}"),
    "nrmse": ("NRMSE", "{:.4f}"),
    "changed": ("changed", "{:.2%}"),
    "clipped": ("clipped", "{:,}"),
}
"""Columns of the table: figure, its head, and how it is written; before > after."""


def compare_files(
    a: Annotated[Path, typer.Argument(metavar="A", help="The original image.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The result.")],
    roi: Annotated[
        Path | None, typer.Option(help="Only pixels in this ROI file; each part by itself too.")
    ] = None,
    axes: Annotated[
        str | None, typer.Option(help="Axes of both, letters of TCZYX, where they are silent.")
    ] = None,
    planes: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Only these planes, counted from 0.")
    ] = None,
    line: Annotated[
        str | None,
        typer.Option(metavar="Y,X,Y,X", help="Also the values under this line, in px."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="Also draw both, the difference and histograms; needs matplotlib."),
    ] = None,
) -> None:
    """Tell what changed from an image to its result, in numbers and as a picture."""
    from napari_microenhance.measure.changes import compare_images
    from napari_microenhance.records.inputs import open_pair

    with interruptible():
        if plot is not None:
            _check_plot(plot, {"A": a, "B": b, "--roi": roi})
        numbers = None if planes is None else _numbers(planes)
        pair = open_pair(a, b, roi, axes)
        with stopping() as stop:
            found = compare_images(
                pair.before,
                pair.after,
                pair.parts,
                planes=numbers,
                should_stop=stop.is_set,
            )
        profile = None if line is None else _profile(pair, line, numbers)
        if plot is not None:
            _draw(plot, pair, found, profile, numbers)
        for note in pair.notes:
            typer.echo(f"Warning: {note}", err=True)
        if as_json:
            facts = {**found.to_dict(), "profile": profile and profile.to_dict()}
            facts["notes"] = list(pair.notes)
            typer.echo(json.dumps(facts, indent=2))
            return
        for text in _lines(found):
            typer.echo(text)


def rerun_file(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="A result with its record, or a report in JSON.")
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The same result again.")],
    image: Annotated[
        Path | None, typer.Option(help="The image; otherwise that of the record, beside FILE.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The network; otherwise that of the record.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Run even if image or network is another one.")
    ] = False,
) -> None:
    """Repeat the run that is recorded in a result file, and check that the pixels are the same."""
    from napari_microenhance.api import rerun
    from napari_microenhance.images.image_formats import check_output, read_image
    from napari_microenhance.records import Record
    from napari_microenhance.records.repeating import find_image

    with interruptible():
        record = Record.of(source)
        given = image or find_image(record)
        check_distinct(target, {"FILE": source, "IN": given, "--model": named_file(model)})
        pixels = read_image(given, axes=record.axes)
        options = record.options()
        dtype = "float32" if options.dtype == "float32" else pixels.pixels.dtype
        check_output(target, dtype, pixels.axes)
        with stopping() as stop, Bar() as bar:
            result = rerun(
                record,
                pixels.pixels,
                model,
                bar.show,
                stop.is_set,
                allow_other=anyway,
            )
            if stop.is_set():  # pressed after the last tile
                raise Cancelled
        kept = Record.of(result.report).with_image_name(given.name)
        write_result(target, result, pixels, kept.to_dict())
        for text in (*pixels.notes, *kept.report.warnings):
            typer.echo(" ".join(["Warning:", *text.split()]), err=True)
        same = "identical to the recorded pixels"
        outcome = {True: same, False: f"not {same}", None: "not compared with the recorded pixels"}
        identical = kept.report.rerun.identical if kept.report.rerun else None
        typer.echo(f"{result.report.summary()}, {outcome[identical]} -> {target}")


def _check_plot(plot: Path, inputs: Mapping[str, Path | None]) -> None:
    """Raise before the work what drawing would raise after it."""
    from napari_microenhance.files import check_target
    from napari_microenhance.measure.figures import new_figure

    check_distinct(plot, inputs, name="--plot")
    if plot.suffix.lower() != ".png":
        raise OutputError(f"{plot} is no .png; plots are written as that.")
    check_target(plot)
    new_figure()


def _numbers(planes: str) -> tuple[int, ...] | None:
    """Return the planes that were typed; None: all."""
    chosen = parse("planes", planes)
    return None if chosen == "all" else chosen


def _profile(pair: "ImagePair", line: str, planes: Sequence[int] | None) -> "Profile":
    """Return the values under a line in the first plane."""
    from napari_microenhance.measure.alignment import Alignment
    from napari_microenhance.measure.profiles import line_profile

    try:
        points = [float(number) for number in line.split(",")]
        vertices = list(zip(points[::2], points[1::2], strict=True))
    except ValueError as error:
        raise OptionsError(f"line={line!r} is not understood; give Y,X,Y,X in px.") from error
    aligned = Alignment(pair.before, pair.after)
    picture = aligned.chosen(planes)[0]
    before, after = (
        tuple((0, n) for n in source.spatial_shape) for source in (pair.before, pair.after)
    )
    return line_profile(
        aligned.own_before(picture, before),
        aligned.own_after(picture, after),
        vertices,
        scale=float(aligned.ratio),
    )


def _draw(
    path: Path,
    pair: "ImagePair",
    found: "Comparison",
    profile: "Profile | None",
    planes: Sequence[int] | None,
) -> None:
    """Draw the first plane that was compared."""
    from napari_microenhance.files import replacing
    from napari_microenhance.measure.alignment import Alignment
    from napari_microenhance.measure.figures import draw, new_figure, shown

    aligned = Alignment(pair.before, pair.after)
    figure = new_figure()
    pixels = shown(aligned, aligned.chosen(planes)[0])
    draw(figure, pixels, found.histogram, [profile] if profile else [])
    with replacing(path) as handle:
        figure.savefig(handle, format="png", dpi=150)


def _lines(found: "Comparison") -> Iterator[str]:
    """Yield the lines of the table and what stands under it."""
    rows = [["", *(head for head, _ in COLUMNS.values())]]
    for kind, name, figures in found.rows():
        rows.append([f"{kind} {name}".strip(), *(_cell(figures, key) for key in COLUMNS)])
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for first, *cells in rows:
        padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *padded]).rstrip()
    noise = ", ".join(f"{value:.4g}" for value in found.noise[:3])
    more = ", ..." if len(found.noise) > 3 else ""
    yield (
        f"changed: by more than {found.beyond:g} times the noise of the original ({noise}{more}); "
        f"PSNR and SSIM of a full range of {found.data_range:g}"
    )
    if found.different_outside is not None and found.total.pixels != _pixels(found):
        yield f"outside the region: {found.different_outside:,} px differ"


def _pixels(found: "Comparison") -> int:
    """Return how many pixels were looked at, region or not."""
    letters = zip(found.axes, found.shape_after, strict=True)
    colour = found.axes.endswith("YXC")
    return math.prod(n for letter, n in letters if not (colour and letter == "C"))


def _cell(figures: "Figures", key: str) -> str:
    """Return a figure, or the one before and after, as it is shown."""
    _, form = COLUMNS[key]
    names = [key] if hasattr(figures, key) else [f"{key}_before", f"{key}_after"]
    values = [getattr(figures, name) for name in names]
    return "-" if None in values else form.format(*values)
