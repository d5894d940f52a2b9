"""`compare`: what a run changed, in numbers and as a picture."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_microenhance.cli.options import OVERWRITE
from napari_microenhance.cli.terminal import show, stopping, warn
from napari_microenhance.engine.option_text import parse
from napari_microenhance.errors import OptionsError, OutputError
from napari_microenhance.outputs import guard_output

if TYPE_CHECKING:
    from napari_microenhance.api import Comparison
    from napari_microenhance.measure.comparison import Figures
    from napari_microenhance.measure.profiles import Profile
    from napari_microenhance.records.inputs import ComparedPair


COLUMNS = {
    "pixels": ("px", "{:,}"),
    "mean": ("mean", "{:.6g} -> {:.6g}"),
    "contrast": ("contrast", "{:.4g} -> {:.4g}"),
    "sharpness": ("sharpness", "{:.3f} -> {:.3f}"),
    "psnr": ("PSNR dB", "{:.2f}"),
    "ssim": ("SSIM", "{:.4f}"),
    "nrmse": ("NRMSE", "{:.4f}"),
    "changed": ("changed", "{:.2%}"),
    "clipped": ("clipped", "{:,}"),
}
"""Columns of the table: figure, its head, and how it is written; before -> after."""


def compare_files(
    a: Annotated[Path, typer.Argument(metavar="A", help="The original image.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The result.")],
    roi: Annotated[
        Path | None,
        typer.Option(
            help="Restrict to the pixels of this ROI file; its parts are listed one by one, too."
        ),
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(
            help="Axes of both images, letters from TCZYX, where the files do not state them."
        ),
    ] = None,
    planes: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Only these planes, counted from 0.")
    ] = None,
    line: Annotated[
        str | None,
        typer.Option(metavar="Y,X,Y,X", help="Also list the values along this line, in px."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Also plot both images, the difference and histograms; needs matplotlib."
        ),
    ] = None,
    overwrite: OVERWRITE = False,
) -> None:
    """Report what changed from an image to its result."""
    from napari_microenhance.measure.changes import compare_images
    from napari_microenhance.records.inputs import open_pair

    if plot is not None:
        _check_plot(plot, {"A": a, "B": b, "--roi": roi}, overwrite=overwrite)
    numbers = None if planes is None else _numbers(planes)
    pair = open_pair(a, b, roi, axes)
    with stopping() as stop:
        found = compare_images(
            pair.before,
            pair.after,
            pair.parts,
            planes=numbers,
            data_range=pair.data_range,
            should_stop=stop.is_set,
        )
    profile = None if line is None else _profile(pair, line, numbers)
    if plot is not None:
        _draw(plot, pair, found, profile, numbers)
    warn(pair.notes)
    if as_json:
        facts = {**found.to_dict(), "profile": profile and profile.to_dict()}
        facts["notes"] = [str(note) for note in pair.notes]
        show(json.dumps(facts, indent=2))
        return
    for text in _lines(found):
        show(text)


def _check_plot(plot: Path, inputs: Mapping[str, Path | None], *, overwrite: bool) -> None:
    """Raise before the work what drawing would raise after it."""
    from napari_microenhance.files import check_target
    from napari_microenhance.measure.figures import new_figure

    guard_output(plot, overwrite=overwrite, inputs=inputs, name="--plot", option="--overwrite")
    if plot.suffix.lower() != ".png":
        raise OutputError(f"{plot} is not a .png; plots are saved as PNG.")
    check_target(plot)
    new_figure()


def _numbers(planes: str) -> tuple[int, ...] | None:
    """Return the planes that were typed; None: all."""
    chosen = parse("planes", planes)
    return None if chosen == "all" else chosen


def _profile(pair: "ComparedPair", line: str, planes: Sequence[int] | None) -> "Profile":
    """Return the values under a line in the first plane."""
    from napari_microenhance.measure.alignment import Alignment
    from napari_microenhance.measure.profiles import line_profile

    try:
        points = [float(number) for number in line.split(",")]
        vertices = list(zip(points[::2], points[1::2], strict=True))
    except ValueError as error:
        raise OptionsError(f"line={line!r} is not understood; use Y,X,Y,X in px.") from error
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
    pair: "ComparedPair",
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
        f"changed: by more than {found.beyond:g} times the noise of the original "
        f"({noise}{more}); PSNR and SSIM for a data range of {found.full_range}"
    )
    if found.different_outside is not None and found.total.pixels != _pixels(found):
        yield f"outside the ROI: {found.different_outside:,} px differ"


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
