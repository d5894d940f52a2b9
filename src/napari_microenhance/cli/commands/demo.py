"""`demo`: the main job on a sample image, as a picture and in napari."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from napari_microenhance.cli.commands.enhance import run_with_bar
from napari_microenhance.cli.results import default_model
from napari_microenhance.cli.terminal import say
from napari_microenhance.errors import OutputError


def show_demo(
    out: Annotated[
        Path, typer.Option(help="Folder for the two pictures; existing ones are replaced.")
    ] = Path("demo"),
    window: Annotated[
        bool,
        typer.Option("--window/--no-window", help="Keep napari open, or only write the pictures."),
    ] = True,
) -> None:
    """Enhance a sample image and show it in napari."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {out} cannot be created: {error.strerror}.") from error
    say(_picture(out / "before_after.png"))
    say(_window(out, window=window))


def _picture(path: Path) -> str:
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
    result, _said = run_with_bar(image, load_model(default_model()), roi=list(polygons), axes=axes)
    write_image(path, before_after(image, result.pixels, polygons), "YXC")
    return f"{result.report.summary()} -> {path}"


def _window(out: Path, *, window: bool) -> str:
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
