"""The command line: one command per job, one line per mistake."""

import dataclasses
import json
import logging
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import napari_microenhance
from napari_microenhance.cli.options import Typed, options_from, with_options
from napari_microenhance.cli.terminal import Bar, interruptible, stopping
from napari_microenhance.errors import (
    Cancelled,
    MicroEnhanceError,
    OutputError,
)

if TYPE_CHECKING:
    from napari_microenhance.api import Options, Result
    from napari_microenhance.images.image_formats import ImageFile

__all__ = ["app", "check_distinct", "main", "named_file", "run", "write_result"]

EXIT_MENDABLE = 2
EXIT_CANCELLED = 130

VERIFY_SHARE = 1e-2
"""Difference from a test output, in parts of its largest value, that no runtime explains."""

# Typer used to build on click and now carries its own copy: what both call a
# ClickException is not public in one of them, but a base of this class in both.
_USAGE_ERRORS: Any = typer.BadParameter.__mro__[2]

app = typer.Typer(
    help="Enhance a drawn region of a microscope image with any ONNX network.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line and leave with its exit status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str
        Without the program's own name.

    Returns
    -------
    int
        0 done; 2 the user can mend it, one line on stderr says how; 130 cancelled.
    """
    # Libraries' own remarks would stand beside the one line that explains a mistake.
    logger = logging.getLogger("tifffile")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    command = typer.main.get_command(app)
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            status = command.main(
                args=list(arguments), prog_name="microenhance", standalone_mode=False
            )
    except (Cancelled, KeyboardInterrupt, typer.Abort):
        return _fail("Cancelled; nothing was written.", EXIT_CANCELLED)
    except MicroEnhanceError as error:
        return _fail(f"Error: {error}")
    except MemoryError:
        return _fail(
            "Error: there is not enough memory; use a smaller ROI, or --memory and --tile."
        )
    except _USAGE_ERRORS as error:
        help_command = " ".join(["microenhance", *_command_name(arguments), "--help"])
        return _fail(f"Error: {error.format_message().rstrip('.')}; see {help_command}.")
    return status if isinstance(status, int) else 0


def _fail(message: str, status: int = EXIT_MENDABLE) -> int:
    """Say what went wrong on one line."""
    typer.echo(" ".join(message.split()), err=True)
    return status


def _command_name(arguments: Sequence[str]) -> list[str]:
    """Return the command that was meant, if it exists."""
    known = {command.name for command in app.registered_commands}
    return [argument for argument in arguments[:1] if argument in known]


def _print_version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        typer.echo(napari_microenhance.__version__)
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Enhance a drawn region of a microscope image with any ONNX network."""


def enhance_file(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="Image: PNG, JPEG, TIFF, OME-TIFF or OME-Zarr.")
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="Result: .png, .tif, .ome.tif or .ome.zarr.")
    ],
    model: Annotated[
        str | None,
        typer.Option(help="Name of a built-in network, an .onnx file or a BioImage.IO package."),
    ] = None,
    roi: Annotated[
        Path | None,
        typer.Option(
            help="labelme JSON, GeoJSON, ImageJ .roi or .zip, napari shapes CSV or label image; "
            "all without it."
        ),
    ] = None,
    axes: Annotated[
        str | None, typer.Option(help="Axes of IN, letters of TCZYX, where the file is silent.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Name of a preset, or a JSON file of options.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Also write what was done, as JSON.")] = None,
    **texts: Typed,
) -> None:
    """Enhance an image, or only a region of it, and write the result."""
    with interruptible():
        options = options_from(preset, texts)
        check_distinct(
            target,
            {
                "IN": source,
                "--roi": roi,
                "--model": named_file(model),
                "--preset": named_file(preset),
            },
        )
        if report is not None:
            check_distinct(report, {"IN": source, "OUT": target, "--roi": roi}, name="--report")
        _enhance_file(
            source, target, model=model, roi=roi, axes=axes, options=options, report=report
        )


def _enhance_file(
    source: Path,
    target: Path,
    *,
    model: str | None,
    roi: Path | None,
    axes: str | None,
    options: "Options",
    report: Path | None,
) -> None:
    """Read, check everything that can be checked, run, write."""
    from napari_microenhance.api import load_model
    from napari_microenhance.files import check_target, replacing
    from napari_microenhance.images.image_formats import check_output, read_image
    from napari_microenhance.records import Record

    image = read_image(source, axes=axes)
    dtype = "float32" if options.dtype == "float32" else image.pixels.dtype
    check_output(target, dtype, image.axes)
    if report is not None:
        check_target(report)
    network = load_model(model or _default_model())
    result = _run_with_bar(image.pixels, network, roi=roi, axes=image.axes, options=options)
    kept = Record.of(result.report).with_image_name(source.name)
    record = kept.to_dict()
    if report is None:
        write_result(target, result, image, record)
    else:
        with replacing(report) as handle:  # both appear, or neither
            handle.write(json.dumps(record, indent=2).encode() + b"\n")
            write_result(target, result, image, record)
    for line in (*image.notes, *kept.report.warnings):
        typer.echo(" ".join(["Warning:", *line.split()]), err=True)
    typer.echo(f"{result.report.summary()} -> {target}")


def _run_with_bar(pixels: Any, network: Any, **how: Any) -> "Result":  # noqa: ANN401
    """Run with a progress bar; Ctrl-C ends the tile in flight."""
    from napari_microenhance.api import enhance

    with stopping() as stop, Bar() as bar:
        result = enhance(pixels, network, on_progress=bar.show, should_stop=stop.is_set, **how)
        if stop.is_set():  # pressed after the last tile
            raise Cancelled
    return result


def write_result(
    target: Path, result: "Result", image: "ImageFile", record: dict[str, Any]
) -> None:
    """Write the result with what the image's file said about it."""
    from napari_microenhance.images.changed import changed_pixels
    from napari_microenhance.images.composed import ResultPixels
    from napari_microenhance.images.image_formats import write_image

    # A Zarr result is written part by part, so it need not be composed as a whole.
    by_parts = target.name.lower().endswith(".zarr")
    size = {
        axis: (step / result.scale if axis in "YX" else step, unit)
        for axis, (step, unit) in image.pixel_size.items()
    }
    write_image(
        target,
        ResultPixels(result) if by_parts else result.pixels,
        result.axes,
        pixel_size=size,
        channel_names=image.channel_names,
        record=record,
        changed=changed_pixels(result),
    )


def check_distinct(target: Path, others: Mapping[str, Path | None], name: str = "OUT") -> None:
    """Raise if an output would replace one of the files that the run reads or writes."""
    for other_name, other in others.items():
        if other is not None and _same_file(target, other):
            raise OutputError(
                f"{name} is the same file as {other_name} ({target}); name another file."
            )


def _same_file(a: Path, b: Path) -> bool:
    """Tell whether two paths lead to one file, through links of either kind."""
    try:
        return a.samefile(b)
    except OSError:
        return os.path.realpath(a) == os.path.realpath(b)


def named_file(text: str | None) -> Path | None:
    """Return the path that a text names, if a file is there."""
    return Path(text) if text and Path(text).is_file() else None


def _default_model() -> str:
    """Return the name of the network that is used when none is named."""
    from napari_microenhance.models import list_models

    return next(info.name for info in list_models() if info.default)


app.command("enhance")(with_options(enhance_file))


@app.command("models")
def show_models(
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """List the networks that can be named, with their cards."""
    from napari_microenhance.models import list_models

    with interruptible():
        found = list_models()
        if as_json:
            rows = [{**dataclasses.asdict(info), "path": str(info.path)} for info in found]
            typer.echo(json.dumps(rows, indent=2))
            return
        for info in found:
            words = [word for word in ("default", "int8") if getattr(info, word)]
            remark = f" ({', '.join(words)})" if words else ""
            typer.echo(f"{info.name}{remark}: {info.summary}")


@app.command("export-package")
def export_package_file(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Name of a built-in network, or its file.")
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT.zip", help="The package.")],
) -> None:
    """Write a network as a BioImage.IO package that tests itself."""
    from napari_microenhance.api import load_model
    from napari_microenhance.models.bioimageio.packing import export_package

    with interruptible():
        check_distinct(target, {"MODEL": Path(model)})
        network = load_model(model)
        export_package(network, target)
        for line in network.findings:
            typer.echo(" ".join(["Warning:", *line.split()]), err=True)
        typer.echo(f"{network.name} -> {target}")


@app.command("verify")
def verify_package(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A BioImage.IO package.")],
) -> None:
    """Run the test tensors of a package and say how far the result is from what they promise."""
    from napari_microenhance.api import load_model
    from napari_microenhance.errors import ModelError

    with interruptible():
        network = load_model(model)
        report = network.verify()
        share = f"{report.max_abs_difference:.3g} (largest value {report.largest:.3g})"
        if report.max_abs_difference > VERIFY_SHARE * report.largest:
            raise ModelError(
                f"{network.name} differs by {share} from the test output of its package; its "
                "weights or its description are not the ones that were tested."
            )
        typer.echo(f"{network.name} gives the test output of its package within {share}.")


@app.command("demo")
def show_demo(
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("demo"),
    window: Annotated[
        bool, typer.Option("--window/--no-window", help="Keep napari open, or only make pictures.")
    ] = True,
) -> None:
    """Do the main job on a sample image and show it in napari."""
    with interruptible():
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"The folder {out} cannot be made: {error.strerror}.") from error
        typer.echo(_demo_picture(out / "before_after.png"))
        typer.echo(_demo_window(out, window=window))


def _demo_picture(path: Path) -> str:
    """Enhance a sample and write the picture; return the line that says so."""
    import numpy as np

    from napari_microenhance.api import load_model
    from napari_microenhance.cli.panel import before_after
    from napari_microenhance.contributions.samples import histology
    from napari_microenhance.images.image_formats import check_output, write_image
    from napari_microenhance.rois.roi_formats import napari_polygons

    check_output(path, "uint8", "YXC")
    (image, _, _), (vertices, shown, _) = histology()
    kinds = shown.get("shape_type", "polygon")
    kinds = [kinds] * len(vertices) if isinstance(kinds, str) else kinds
    polygons, _ = napari_polygons(
        (kind, np.asarray(points, dtype=np.float64))
        for kind, points in zip(kinds, vertices, strict=True)
    )
    axes = "YXC" if image.ndim == 3 else "YX"
    result = _run_with_bar(image, load_model(_default_model()), roi=list(polygons), axes=axes)
    write_image(path, before_after(image, result.pixels, polygons), "YXC")
    return f"{result.report.summary()} -> {path}"


def _demo_window(out: Path, *, window: bool) -> str:
    """Show the same in napari; return the line that says what was written."""
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
        # Qt would end the process here, not raise.
        return "There is no display for napari.png; run it again under xvfb-run -a."
    try:
        from napari_microenhance.widgets.demo import run_demo

        run_demo(out, window=window)
    except ImportError as error:
        missing = error.name or "a Qt binding"
        if missing.startswith("napari_microenhance"):
            raise
        return f'{missing} is not installed, so there is no napari.png; pip install "napari[all]".'
    return f"napari, with the image, its ROI and the result -> {out / 'napari.png'}"
