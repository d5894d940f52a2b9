"""ROI files: which pixels a file selects, as polygons and masks."""

import csv
import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import ImageError, RoiError
from napari_microenhance.io.files import kind_of, unusable
from napari_microenhance.io.images import read_image
from napari_microenhance.io.labelme import LabelmeFile, area, read_labelme
from napari_microenhance.io.outlines import Points, ellipse_in_box

__all__ = ["Roi", "napari_polygons", "read_roi"]

_READ = "labelme JSON, napari shapes CSV, or a label image (PNG, TIFF)"
_CSV_HEAD = ["index", "shape-type", "vertex-index"]


@dataclasses.dataclass(frozen=True, eq=False)
class Roi:
    """What an ROI file selects: the union of its polygons, or a mask; never both.

    Parameters
    ----------
    polygons : tuple of ndarray, each shape (N, 2), float64
        (y, x), px, pixel centres at integers. Not clipped to the image.
    mask : ndarray, shape (Y, X), bool, or None
        From a label image.
    labels : tuple of str
        One name per polygon.
    notes : tuple of str
        One sentence for everything that was left out or looks wrong.
    """

    polygons: tuple[Points, ...] = ()
    mask: npt.NDArray[np.bool_] | None = None
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_roi(path: str | Path, image_shape: tuple[int, int] | None = None) -> Roi:
    """Read an ROI file; what it is shows in its contents, not in its name.

    Parameters
    ----------
    path : str or Path
        labelme JSON, napari shapes CSV, or a label image whose nonzero pixels count.
    image_shape : tuple of int or None
        (Y, X) of the image it is for, px.

    Returns
    -------
    Roi
        At least one polygon or one selected pixel.

    Raises
    ------
    FileMissingError
        If nothing is there.
    RoiError
        If it is none of these kinds, damaged, selects nothing, or is a label image of
        another shape than `image_shape`.
    """
    path = Path(path)
    kind = kind_of(path, error=RoiError)
    if kind in ("tiff", "png"):
        return _from_label_image(path, image_shape)
    if kind == "json" or (kind == "text" and path.suffix.lower() == ".json"):
        return _from_labelme(path, read_labelme(path), image_shape)
    if kind == "text":
        return _from_csv(path)
    if kind == "jpeg":
        raise RoiError(f"{path} is a JPEG, which blurs labels; save it as PNG or TIFF.")
    raise RoiError(unusable(path, kind, f"is not an ROI file that is read here ({_READ})"))


def _from_labelme(path: Path, file: LabelmeFile, image_shape: tuple[int, int] | None) -> Roi:
    """Keep the shapes that enclose pixels."""
    notes = []
    stated = file.image_shape
    if image_shape and stated and tuple(image_shape) != stated:
        notes.append(
            f"{path.name} was drawn on an image of {stated[1]} x {stated[0]} px, but this one "
            f"has {image_shape[1]} x {image_shape[0]} px; its coordinates were used as they are."
        )
    areas = [(area(shape), shape) for shape in file.shapes]
    outlined = [(polygon, shape.label) for polygon, shape in areas if polygon is not None]
    left_out = [shape.kind for polygon, shape in areas if polygon is None]
    if not outlined:
        found = f"only {_counted(left_out)}" if left_out else "no shapes"
        raise RoiError(f"{path} holds {found}; draw a polygon, rectangle, circle or mask.")
    if left_out:
        notes.append(_left_out(path, left_out))
    return Roi(
        polygons=tuple(polygon for polygon, _ in outlined),
        labels=tuple(label for _, label in outlined),
        notes=tuple(notes),
    )


def _from_label_image(path: Path, image_shape: tuple[int, int] | None) -> Roi:
    """Select the nonzero pixels of an image."""
    try:
        image = read_image(path, palette_indices=True)
    except ImageError as error:
        raise RoiError(str(error)) from error
    pixels = image.pixels
    if image.axes == "YXC":  # a mask saved by a drawing program
        pixels = np.asarray(pixels[..., :3].any(axis=-1))
    if pixels.ndim != 2:
        raise RoiError(f"{path} is a stack (axes {image.axes}); give one label plane.")
    if pixels.dtype.kind in "fc" and np.isnan(pixels).any():
        raise RoiError(f"{path} has NaN pixels; use 0 for outside and 1 for inside.")
    if image_shape is not None and pixels.shape != tuple(image_shape):
        raise RoiError(
            f"{path} has {pixels.shape[1]} x {pixels.shape[0]} px, but the image has "
            f"{image_shape[1]} x {image_shape[0]} px; a label image must fit."
        )
    mask = np.asarray(pixels != 0)
    if not mask.any():
        raise RoiError(f"{path} selects nothing: all its pixels are 0.")
    return Roi(mask=mask, notes=image.notes)


def _from_csv(path: Path) -> Roi:
    """Read the table that napari saves a Shapes layer as."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            head, *rows = [row for row in csv.reader(handle) if row]
    except (ValueError, csv.Error) as error:
        raise RoiError(f"{path} is not an ROI file that is read here ({_READ}).") from error
    if head[:3] != _CSV_HEAD or len(head) < 5:
        if head[:2] == ["index", "axis-0"]:
            raise RoiError(f"{path} holds napari points, which enclose no pixels; save shapes.")
        raise RoiError(f"{path} is not an ROI file that is read here ({_READ}).")
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
    try:
        polygons, left_out = napari_polygons((k, np.asarray(v)) for k, v in shapes.values())
    except RoiError as error:
        raise RoiError(f"{path}: {error}") from error
    if not polygons:
        found = f"only {_counted(left_out)}" if left_out else "no shapes"
        raise RoiError(f"{path} holds {found}; draw a polygon, rectangle or ellipse.")
    notes = (_left_out(path, left_out),) if left_out else ()
    return Roi(polygons, None, ("",) * len(polygons), notes)


def napari_polygons(shapes: Iterable[tuple[str, Points]]) -> tuple[tuple[Points, ...], list[str]]:
    """Return the polygons that napari shapes enclose.

    Parameters
    ----------
    shapes : iterable of (str, ndarray)
        napari's shape type, and the vertices as a Shapes layer keeps them, shape (N, 2),
        (y, x), px; of an ellipse the four corners of its box.

    Returns
    -------
    tuple of tuple and list
        Polygons, and the types of the shapes that enclose nothing.

    Raises
    ------
    RoiError
        If a shape is of another type, or has too few vertices for its own.
    """
    polygons, left_out = [], []
    for kind, points in shapes:
        if kind in ("path", "line"):
            left_out.append(kind)
        elif kind == "ellipse" and len(points) == 4:
            polygons.append(ellipse_in_box(points))
        elif kind in ("polygon", "rectangle") and len(points) >= 3:
            polygons.append(points)
        else:
            raise RoiError(f'a shape of type "{kind}" with {len(points)} points is unknown.')
    return tuple(polygons), left_out


def _left_out(path: Path, kinds: list[str]) -> str:
    """Return the sentence about shapes that were not used."""
    return f"{path.name}: {_counted(kinds)} enclosing no pixels left out."


def _counted(kinds: list[str]) -> str:
    """Return "2 line, 1 point"."""
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
