"""Pictures of a run: its curves, and samples of what the network makes."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from napari_microenhance.files import replacing
from napari_microenhance.training.learning.validation import Sample

__all__ = ["draw_curves", "draw_samples"]

Table = Sequence[dict[str, float]]

_POINTS: Final = 400  # of a curve; steps between two are averaged
_GAP: Final = 8  # px
_CAPTION: Final = 28  # px
_CELL: Final = 192  # px, the least that a sample is shown with


def draw_curves(path: Path, losses: Table, validations: Table) -> None:
    """Draw the terms of the loss and the figures of the validations over the steps.

    Parameters
    ----------
    path : Path
        A PNG file.
    losses, validations : sequence of dict
        As `journal.read_table` returns them.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    figures = [name for name in (validations[0] if validations else ()) if name != "step"]
    columns = 1 + len(figures)
    # Not through pyplot, which keeps figures and may want a display.
    figure = Figure(figsize=(4.5 * columns, 3.5))
    figure.subplots_adjust(left=0.24 / columns, right=0.98, bottom=0.15, wspace=0.25)
    panels = figure.subplots(1, columns, squeeze=False)[0]
    terms = [name for name in (losses[0] if losses else ()) if name != "step"]
    curves = {name: curve for name in terms if len((curve := _curve(losses, name))[0])}
    for name, curve in curves.items():
        panels[0].plot(*curve, label=name)
    if curves:
        panels[0].legend()
        # A logarithm shows both halves of a run.
        if all((values > 0).all() for _, values in curves.values()):
            panels[0].set_yscale("log")
    panels[0].set(title="training", xlabel="step")
    for panel, name in zip(panels[1:], figures, strict=True):
        panel.plot(*_curve(validations, name), marker=".")
        panel.set(title=f"validation: {name}", xlabel="step")
    with replacing(path) as handle:
        figure.savefig(handle, format="png", dpi=80)


def _curve(rows: Table, name: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the steps and the values of a column, long ones as means of neighbours."""
    both = np.array([(row["step"], row[name]) for row in rows if not math.isnan(row[name])])
    both = both.reshape(-1, 2)
    if len(both) > _POINTS:
        both = np.stack([part.mean(axis=0) for part in np.array_split(both, _POINTS)])
    return both[:, 0], both[:, 1]


def draw_samples(path: Path, samples: Sequence[Sample]) -> None:
    """Draw input, output and target of examples side by side, one example in a row.

    All three are shown with the contrast of the target.

    Parameters
    ----------
    path : Path
        A PNG file.
    samples : sequence of Sample

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    rows = [_row(sample) for sample in samples]
    width = max((sum(image.width + _GAP for image in row) for row in rows), default=_CELL) + _GAP
    height = _CAPTION + sum(row[0].height + _GAP for row in rows)
    page = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(16)
    top = _CAPTION
    for number, row in enumerate(rows):
        left = _GAP
        for image, name in zip(row, ("input", "output", "target"), strict=True):
            if number == 0:
                draw.text((left, 4), name, fill="black", font=font)
            page.paste(image, (left, top))
            left += image.width + _GAP
        top += row[0].height + _GAP
    with replacing(path) as handle:
        page.save(handle, format="PNG")


def _row(sample: Sample) -> list[Image.Image]:
    """Return the three pictures of an example, of one size."""
    wanted = _pixels(sample.wanted)
    low, high = float(wanted.min()), float(wanted.max())
    high = high if high > low else low + 1
    edge = wanted.shape[0] * max(1, math.ceil(_CELL / wanted.shape[0]))
    pictures = []
    for tensor in (sample.given, sample.made, sample.wanted):
        grey = np.clip((_pixels(tensor) - low) / (high - low), 0, 1)
        picture = Image.fromarray(np.rint(grey * 255).astype(np.uint8)).convert("RGB")
        # Pixels stay visible as squares: nothing here may look smoother than it is.
        pictures.append(picture.resize((edge, edge), Image.Resampling.NEAREST))
    return pictures


def _pixels(tensor: Tensor) -> npt.NDArray[np.float32]:
    """Return an image as (Y, X), or (Y, X, 3) for three channels."""
    array = np.nan_to_num(tensor.numpy())
    return np.asarray(np.moveaxis(array, 0, -1) if len(array) == 3 else array[0], np.float32)
