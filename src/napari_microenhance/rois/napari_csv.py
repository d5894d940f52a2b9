"""The table that napari saves a Shapes layer as: reading and writing."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from napari_microenhance.errors import OutputError, RoiError
from napari_microenhance.files import LARGEST_ROI, replacing
from napari_microenhance.rois.shapes import Shape

__all__ = ["read_napari_csv", "write_napari_csv"]

_HEAD: Final = ["index", "shape-type", "vertex-index"]


def read_napari_csv(path: Path) -> tuple[Shape, ...] | None:
    """Read a table of shapes.

    Parameters
    ----------
    path : Path

    Returns
    -------
    tuple of Shape, or None
        None where it is another kind of text.

    Raises
    ------
    RoiError
        If it holds points, or numbers that are none.
    """
    if path.stat().st_size > LARGEST_ROI:
        raise RoiError(f"{path} is too large for a table of shapes.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            head, *rows = [row for row in csv.reader(handle) if row]
    except (ValueError, csv.Error):
        return None
    if head[:3] != _HEAD or len(head) < 5:
        if head[:2] == ["index", "axis-0"]:
            raise RoiError(f"{path} holds napari points, which enclose no pixels; save shapes.")
        return None
    axes = [i for i, name in enumerate(head) if name.startswith("axis-")]
    shapes: dict[str, tuple[str, list[tuple[float, float]]]] = {}
    for number, row in enumerate(rows, start=2):
        try:
            y, x = float(row[axes[-2]]), float(row[axes[-1]])
        except (IndexError, ValueError) as error:
            raise RoiError(f"{path}, line {number}: its last two axes are not numbers.") from error
        if not np.isfinite((y, x)).all():
            raise RoiError(f"{path}, line {number}: {y}, {x} is not a place in an image.")
        shapes.setdefault(row[0], (row[1].strip().lower(), []))[1].append((y, x))
    return tuple(Shape(kind, np.asarray(points)) for kind, points in shapes.values())


def write_napari_csv(path: str | Path, shapes: Sequence[Shape]) -> None:
    """Write a table of shapes that napari opens, whole or not at all.

    Names and colours are left out: napari's table has no place for them.

    Parameters
    ----------
    path : str or Path
    shapes : sequence of Shape

    Raises
    ------
    OutputError
        If a shape is a point, or the file cannot be written.
    """
    if any(shape.kind == "point" for shape in shapes):
        raise OutputError(f"{path}: napari keeps points in a table of their own.")
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow([*_HEAD, "axis-0", "axis-1"])
    for index, shape in enumerate(shapes):
        for number, (y, x) in enumerate(shape.points.tolist()):
            table.writerow([index, shape.kind, number, repr(y), repr(x)])
    with replacing(Path(path)) as handle:
        handle.write(text.getvalue().encode())
