"""The table that napari saves a Shapes layer as: reading and writing."""

import array
import csv
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import OutputError, RoiError
from napari_microenhance.files import replacing
from napari_microenhance.rois.region_of_interest import FLAT, Planes, runs
from napari_microenhance.rois.roi_document import RoiDocument
from napari_microenhance.rois.roi_file import RoiFile
from napari_microenhance.rois.shapes import Shape

__all__ = ["napari_table", "planes_of", "read_napari_csv", "write_napari_csv"]

_HEAD: Final = ["index", "shape-type", "vertex-index"]
_SEPARATORS: Final = ("sep=,", "sep=;", "sep=\t")


def is_napari_csv(document: RoiDocument) -> bool:
    """Tell whether a text is a table of napari's shapes, or of its points."""
    try:
        head = next(_rows(document), [])
    except RoiError:
        return False
    return _is_head(head) or head[:2] == ["index", "axis-0"]


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
    rows = _rows(document)
    head = next(rows)
    if not _is_head(head):
        raise RoiError(f"{path} holds napari points, which enclose no area; save shapes instead.")
    axes = [i for i, name in enumerate(head) if name.startswith("axis-")]
    numbers = array.array("d")
    kinds: dict[str, tuple[str, list[int]]] = {}
    for line, row in enumerate(rows, start=2):
        try:
            numbers.extend([float(row[axis]) for axis in axes])
        except (IndexError, ValueError) as error:
            raise RoiError(f"{path}, line {line}: its last two axes are not numbers.") from error
        if row[0] not in kinds:
            kinds[row[0]] = (row[1].strip().lower(), [])
        kinds[row[0]][1].append(line - 2)
    places = np.array(numbers).reshape(-1, len(axes))
    if not (finite := np.isfinite(places).all(axis=1)).all():
        first = int(np.argmin(finite))
        said = ", ".join(map(str, places[first].tolist()))
        raise RoiError(f"{path}, line {first + 2}: {said} is not a place in an image.")
    shapes = [
        Shape(kind, places[which, -2:], planes=planes_of(places[which, :-2]))
        for kind, which in kinds.values()
    ]
    spanning = sum(any(len(i) > 1 for i in shape.planes.values()) for shape in shapes)
    notes: tuple[Caution, ...] = ()
    if spanning:
        notes = (
            Caution(
                "roi-planes",
                f"{spanning} shape{'s' * (spanning > 1)} of {len(shapes)} "
                f"span{'s' * (spanning == 1)} several planes and "
                f"{'apply' if spanning > 1 else 'applies'} to each of them.",
            ),
        )
    return RoiFile.of_shapes(path, shapes, stack_notes=notes)


def _is_head(head: Sequence[str]) -> bool:
    """Tell whether a line names the columns of a table of shapes."""
    return list(head[:3]) == _HEAD and len(head) > 4


def _rows(document: RoiDocument) -> Iterator[list[str]]:
    """Yield the rows of a table that are not empty; raises where the text is no table."""
    lines = io.StringIO(document.text, newline="")
    first = next((line for line in lines if line.strip()), "")
    if first.strip().lower() in _SEPARATORS:  # as Excel writes it
        first = next((line for line in lines if line.strip()), "")
    separator = max(",;\t", key=first.count)
    reader = csv.reader(itertools.chain([first], lines), delimiter=separator)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise RoiError(f"{document.path}, line {reader.line_num}: {error}.") from error
        if row is None:
            return
        if row and separator != ",":  # a comma is the decimal sign
            row = [cell.replace(",", ".") for cell in row]
        if row:
            yield row


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
                f"{path}: shape {number} applies to every plane of axis {missing[0]} and "
                "others to some, which napari's table cannot store; save .geojson, .zip or "
                ".json."
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
            *(runs(shape.planes.get(axis, range(length))) for axis, length in planes.items())
        )
    ]
    for index, (shape, spans) in enumerate(placed):
        # The first vertex lies on the first plane, the others on the last.
        places = [[first for first, _ in spans], [last for _, last in spans]]
        for number, (y, x) in enumerate(shape.points.tolist()):
            row = [*places[number > 0], y, x]
            table.writerow([index, shape.kind, number, *map(repr, row)])
    return text.getvalue()


def _place(axis: str) -> tuple[int, str]:
    """Return where an axis stands in a table."""
    known = {"T": -5, "C": -4, "Z": -3, FLAT: -3}
    return (known[axis] if axis in known else int(axis), axis)
