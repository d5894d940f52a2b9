"""ROI files: which pixels a file selects, and the shapes that layers show."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import ImageError, OutputError, RoiError
from napari_microenhance.files import check_room, kind_of, read_json, unusable
from napari_microenhance.images.image_formats import read_image
from napari_microenhance.rois.geojson import geojson_shapes, is_geojson, write_geojson
from napari_microenhance.rois.imagej import read_imagej, write_imagej
from napari_microenhance.rois.labelme import (
    LabelmeFile,
    area,
    is_labelme,
    labelme_file,
    labelme_shape,
    napari_shapes,
    write_labelme,
)
from napari_microenhance.rois.napari_csv import read_napari_csv, write_napari_csv
from napari_microenhance.rois.outlines import Points
from napari_microenhance.rois.shapes import Shape, shape_outline

__all__ = ["Roi", "Shape", "napari_polygons", "read_roi", "read_shapes", "write_shapes"]

_READ = (
    "labelme JSON, GeoJSON, ImageJ .roi or .zip, napari shapes CSV, or a label image (PNG, TIFF)"
)
_WRITTEN = ".json (labelme), .geojson, .roi, .zip (ImageJ) or .csv (napari)"


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
        labelme JSON, GeoJSON, ImageJ .roi or .zip, napari shapes CSV, or a label image whose
        nonzero pixels count.
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
    if kind in ("tiff", "png", "zarr"):
        return _from_label_image(path, image_shape)
    found = _read(path)
    notes: list[str] = []
    if isinstance(found, LabelmeFile):
        notes += _size_notes(path, found, image_shape)
        areas = [(area(s), s.label, s.kind) for s in found.shapes]
    else:
        areas = [(_outline(path, s), s.label or s.classification, s.kind) for s in found]
    outlined = [(polygon, label) for polygon, label, _ in areas if polygon is not None]
    left_out = [kind for polygon, _, kind in areas if polygon is None]
    if not outlined:
        only = f"only {_counted(left_out)}" if left_out else "no shapes"
        raise RoiError(f"{path} holds {only}; draw a polygon, rectangle, ellipse or mask.")
    if left_out:
        notes.append(f"{path.name}: {_counted(left_out)} enclosing no pixels left out.")
    return Roi(
        polygons=tuple(polygon for polygon, _ in outlined),
        labels=tuple(label for _, label in outlined),
        notes=tuple(notes),
    )


def read_shapes(path: str | Path) -> tuple[Shape, ...]:
    """Read the shapes of an ROI file of any kind but a label image.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    tuple of Shape
        In the file's order; those that enclose nothing too.

    Raises
    ------
    FileMissingError
        If nothing is there.
    RoiError
        If it is of another kind, or damaged.
    """
    found = _read(Path(path))
    return napari_shapes(found) if isinstance(found, LabelmeFile) else found


def write_shapes(path: str | Path, shapes: Sequence[Shape]) -> None:
    """Write an ROI file, whole or not at all.

    Parameters
    ----------
    path : str or Path
        The suffix says the format: .json is labelme; .geojson; .roi and .zip are ImageJ; .csv
        is napari.
    shapes : sequence of Shape

    Raises
    ------
    OutputError
        If the suffix is unknown, the format cannot hold a shape, or the file cannot be
        written.
    """
    path = Path(path)
    for number, shape in enumerate(shapes, start=1):
        if not len(shape.points) or not np.isfinite(shape.points).all():
            raise OutputError(f"{path}: shape {number} has no points, or one that is not finite.")
    suffix = path.suffix.lower()
    if suffix == ".json":
        write_labelme(path, [labelme_shape(shape) for shape in shapes], None)
    elif suffix == ".geojson":
        write_geojson(path, shapes)
    elif suffix in (".roi", ".zip"):
        write_imagej(path, shapes)
    elif suffix == ".csv":
        write_napari_csv(path, shapes)
    else:
        raise OutputError(f"{path}: shapes are written as {_WRITTEN}.")


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
    outlines = [(kind, shape_outline(kind, points)) for kind, points in shapes]
    polygons = tuple(outline for _, outline in outlines if outline is not None)
    return polygons, [kind for kind, outline in outlines if outline is None]


def _read(path: Path) -> tuple[Shape, ...] | LabelmeFile:
    """Read a file that holds shapes."""
    kind = kind_of(path, error=RoiError)
    if kind in ("imagej", "zip"):
        return read_imagej(path)
    if kind == "json" or (kind == "text" and path.suffix.lower() in (".json", ".geojson")):
        content = read_json(path, error=RoiError)
        if is_labelme(content):
            return labelme_file(path, content)
        if is_geojson(content):
            return geojson_shapes(path, content)
        raise RoiError(
            f'{path} is JSON, but not of labelme (a "shapes" list with points) and no GeoJSON.'
        )
    if kind == "text" and (shapes := read_napari_csv(path)) is not None:
        return shapes
    if kind == "jpeg":
        raise RoiError(f"{path} is a JPEG, which blurs labels; save it as PNG or TIFF.")
    raise RoiError(unusable(path, kind, f"is not an ROI file that is read here ({_READ})"))


def _outline(path: Path, shape: Shape) -> Points | None:
    """Return the polygon that a shape of a file encloses, or None."""
    try:
        return shape_outline(shape.kind, shape.points)
    except RoiError as error:
        raise RoiError(f"{path}: {error}") from error


def _size_notes(path: Path, file: LabelmeFile, image_shape: tuple[int, int] | None) -> list[str]:
    """Say it where a labelme file was drawn on an image of another size."""
    stated = file.image_shape
    if not image_shape or not stated or tuple(image_shape) == stated:
        return []
    return [
        f"{path.name} was drawn on an image of {stated[1]} x {stated[0]} px, but this one "
        f"has {image_shape[1]} x {image_shape[0]} px; its coordinates were used as they are."
    ]


def _from_label_image(path: Path, image_shape: tuple[int, int] | None) -> Roi:
    """Select the nonzero pixels of an image."""
    try:
        image = read_image(path, palette_indices=True)
        check_room(path, math.prod(image.pixels.shape) * image.pixels.dtype.itemsize)
        pixels = np.asarray(image.pixels)
    except ImageError as error:
        raise RoiError(str(error)) from error
    if image.axes == "YXC":  # a mask saved by a drawing program
        pixels = np.asarray(pixels[..., :3].any(axis=-1))
    while pixels.ndim > 2 and len(pixels) == 1:  # as OME-Zarr keeps a plane
        pixels = pixels[0]
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


def _counted(kinds: list[str]) -> str:
    """Return "2 line, 1 point"."""
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
