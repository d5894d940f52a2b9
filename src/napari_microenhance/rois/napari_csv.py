"""The table that napari saves a Shapes layer as: reading and writing."""

import csv
import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import OutputError, RoiError
from napari_microenhance.files import replacing
from napari_microenhance.rois.region_of_interest import FLAT, Planes
from napari_microenhance.rois.roi_document import RoiDocument
from napari_microenhance.rois.roi_file import RoiFile
from napari_microenhance.rois.shapes import Shape

__all__ = ["is_napari_csv", "napari_table", "planes_of", "read_napari_csv", "write_napari_csv"]

_HEAD: Final = ["index", "shape-type", "vertex-index"]
_SEPARATORS: Final = ("sep=,", "sep=;", "sep=\t")


def is_napari_csv(document: RoiDocument) -> bool:
    """Tell whether a text is a table of napari's shapes, or of its points."""
    head = _rows(document, 1)
    return bool(head) and (_is_head(head[0]) or head[0][:2] == ["index", "axis-0"])


def read_napari_csv(document: RoiDocument) -> RoiFile:
    """Read a table of shapes, separated by commas, semicolons or tabs.

    Parameters
    ----------
    document : RoiDocument
        As `is_napari_csv` accepts.

    Raises
    ------
    RoiError
        If it holds points, or numbers that are none.
    """
    path = document.path
    head, *rows = _rows(document)
    if not _is_head(head):
        raise RoiError(f"{path} holds napari points, which enclose no pixels; save shapes.")
    axes = [i for i, name in enumerate(head) if name.startswith("axis-")]
    places = _numbers(path, rows, axes)
    kinds: dict[str, tuple[str, list[int]]] = {}
    for number, row in enumerate(rows):
        kinds.setdefault(row[0], (row[1].strip().lower(), []))[1].append(number)
    shapes = [
        Shape(kind, places[numbers, -2:], planes=planes_of(places[numbers, :-2]))
        for kind, numbers in kinds.values()
    ]
    spanning = sum(any(len(i) > 1 for i in shape.planes.values()) for shape in shapes)
    notes: tuple[Caution, ...] = ()
    if spanning:
        notes = (
            Caution(
                "roi-planes",
                f"{spanning} shape{'s' * (spanning > 1)} of {len(shapes)} "
                f"span{'s' * (spanning == 1)} several planes and count"
                f"{'s' * (spanning == 1)} for each of them.",
            ),
        )
    return RoiFile.of_shapes(path, shapes, stack_notes=notes)


def _is_head(head: Sequence[str]) -> bool:
    """Tell whether a line names the columns of a table of shapes."""
    return list(head[:3]) == _HEAD and len(head) > 4


def _rows(document: RoiDocument, most: int | None = None) -> list[list[str]]:
    """Return the rows of a table that are not empty; none where the text is no table."""
    lines = document.text.splitlines(keepends=True)
    if lines and lines[0].strip().lower() in _SEPARATORS:  # as Excel writes it
        lines = lines[1:]
    first = next((line for line in lines if line.strip()), "")
    separator = max(",;\t", key=first.count)
    lines = lines if most is None else lines[: lines.index(first) + 1] if first else []
    try:
        rows = [row for row in csv.reader(lines, delimiter=separator) if row]
    except csv.Error:
        return []
    if separator != ",":  # where a comma is the decimal sign
        rows = rows[:1] + [[cell.replace(",", ".") for cell in row] for row in rows[1:]]
    return rows


def _numbers(
    path: Path, rows: Sequence[Sequence[str]], axes: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Return the places of all vertices, shape (N, D)."""
    try:
        places = np.array([[row[axis] for axis in axes] for row in rows], dtype=np.float64)
    except (IndexError, ValueError):
        places = np.empty(0)
    if places.ndim == 2 and np.isfinite(places).all():
        return places
    for number, row in enumerate(rows, start=2):
        try:
            place = [float(row[axis]) for axis in axes]
        except (IndexError, ValueError) as error:
            raise RoiError(f"{path}, line {number}: its last two axes are not numbers.") from error
        if not np.isfinite(place).all():
            raise RoiError(
                f"{path}, line {number}: {', '.join(map(str, place))} is not a place in an image."
            )
    return np.empty((0, len(axes)))


def planes_of(places: npt.NDArray[np.float64]) -> Planes:
    """Return the planes that a shape lies on, from where its vertices have theirs.

    A shape that spans planes counts for all of them, as napari draws it.

    Parameters
    ----------
    places : ndarray, shape (N, D), float64
        Along the axes before Y and X; a plane reaches half a step to either side.
    """
    # napari rounds half to even, as numpy does.
    low, high = (np.rint(end(places, axis=0)).astype(int) for end in (np.min, np.max))
    spans = zip(low.tolist(), high.tolist(), strict=True)
    return {
        f"-{axis}": tuple(range(first, last + 1))
        for axis, (first, last) in zip(range(len(low) + 2, 2, -1), spans, strict=True)
    }


def write_napari_csv(path: str | Path, shapes: Sequence[Shape]) -> None:
    """Write a table of shapes that napari opens, whole or not at all.

    Names and colours are left out: napari's table has no place for them.

    Parameters
    ----------
    path : str or Path
    shapes : sequence of Shape
        All of them on planes of the same axes, or none.

    Raises
    ------
    OutputError
        If a shape is a point, or counts for more planes than a table can say, or the file
        cannot be written.
    """
    if any(shape.kind == "point" for shape in shapes):
        raise OutputError(f"{path}: napari keeps points in a table of their own.")
    axes = sorted({axis for shape in shapes for axis in shape.planes}, key=_place)
    for number, shape in enumerate(shapes, start=1):
        if missing := [axis for axis in axes if axis not in shape.planes]:
            raise OutputError(
                f"{path}: shape {number} counts for every plane of axis {missing[0]} and others "
                "for some, which napari's table cannot say; write .geojson, .zip or .json."
            )
    with replacing(Path(path)) as handle:
        handle.write(napari_table(shapes, dict.fromkeys(axes, 1)).encode())


def napari_table(shapes: Sequence[Shape], planes: Mapping[str, int]) -> str:
    """Return the text of a table of shapes.

    Parameters
    ----------
    shapes : sequence of Shape
        A shape that does not name an axis spans all of it.
    planes : mapping of str to int
        Axis -> its length, in the order of the table.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow([*_HEAD, *(f"axis-{i}" for i in range(len(planes) + 2))])
    placed = [
        (shape, spans)
        for shape in shapes
        for spans in itertools.product(
            *(_spans(shape.planes.get(axis, range(length))) for axis, length in planes.items())
        )
    ]
    for index, (shape, spans) in enumerate(placed):
        # The first vertex lies on the first plane, the others on the last.
        places = [[first for first, _ in spans], [last for _, last in spans]]
        for number, (y, x) in enumerate(shape.points.tolist()):
            row = [*places[number > 0], y, x]
            table.writerow([index, shape.kind, number, *map(repr, row)])
    return text.getvalue()


def _spans(indices: Sequence[int]) -> list[tuple[int, int]]:
    """Return the runs of indices that follow each other, (first, last) each."""
    spans: list[tuple[int, int]] = []
    for index in indices:
        if spans and spans[-1][1] == index - 1:
            spans[-1] = (spans[-1][0], index)
        else:
            spans.append((index, index))
    return spans


def _place(axis: str) -> tuple[int, str]:
    """Return where an axis stands in a table."""
    known = {"T": -5, "C": -4, "Z": -3, FLAT: -3}
    return (known[axis] if axis in known else int(axis), axis)
