"""ROI files: one table of formats, one way in and one way out."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import OutputError, RoiError
from napari_microenhance.files import unusable
from napari_microenhance.rois.frame import size_caution
from napari_microenhance.rois.geojson import is_geojson, read_geojson, write_geojson
from napari_microenhance.rois.imagej.imagej_files import read_imagej, write_imagej
from napari_microenhance.rois.label_image import read_label_image
from napari_microenhance.rois.labelme import is_labelme, labelme_rois, labelme_shape, write_labelme
from napari_microenhance.rois.napari_csv import is_napari_csv, read_napari_csv, write_napari_csv
from napari_microenhance.rois.outlines import Points
from napari_microenhance.rois.roi_document import RoiDocument
from napari_microenhance.rois.roi_file import RoiFile
from napari_microenhance.rois.shapes import Shape, shape_outline

__all__ = ["FORMATS", "RoiFormat", "napari_polygons", "read_roi", "read_shapes", "write_shapes"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RoiFormat:
    """What is known of a kind of ROI file.

    Parameters
    ----------
    name : str
        As users call it.
    suffixes : tuple of str
        Under which it is written; what a file is shows in its contents.
    holds : callable
        Tells whether a file is of this kind.
    read : callable
        Gives what a file of this kind holds; raises `RoiError`.
    write : callable or None
        Writes shapes, whole or not at all; None where it holds none.
    keeps : frozenset of str
        Fields of `Shape`, besides its kind and points, that come back from a file.
    """

    name: str
    suffixes: tuple[str, ...]
    holds: Callable[[RoiDocument], bool]
    read: Callable[[RoiDocument], RoiFile]
    write: Callable[[Path, Sequence[Shape]], None] | None = None
    keeps: frozenset[str] = frozenset()


def _write_labelme(path: Path, shapes: Sequence[Shape]) -> None:
    """Write shapes as labelme, which knows no ellipses and no turned rectangles."""
    write_labelme(path, [labelme_shape(shape) for shape in shapes], None)


FORMATS: Final = (
    RoiFormat(
        name="labelme JSON",
        suffixes=(".json",),
        holds=lambda document: document.is_json and is_labelme(document.json),
        read=labelme_rois,
        write=_write_labelme,
        keeps=frozenset({"label", "group", "planes"}),
    ),
    RoiFormat(
        name="GeoJSON",
        suffixes=(".geojson",),
        holds=lambda document: document.is_json and is_geojson(document.json),
        read=read_geojson,
        write=write_geojson,
        keeps=frozenset({"label", "classification", "colour", "planes"}),
    ),
    RoiFormat(
        name="ImageJ .roi or .zip",
        suffixes=(".roi", ".zip"),
        holds=lambda document: document.kind in ("imagej", "zip"),
        read=read_imagej,
        write=write_imagej,
        keeps=frozenset({"label", "group", "planes"}),
    ),
    RoiFormat(
        name="napari shapes CSV",
        suffixes=(".csv",),
        holds=lambda document: document.is_text and is_napari_csv(document),
        read=read_napari_csv,
        write=write_napari_csv,
        keeps=frozenset({"planes"}),
    ),
    RoiFormat(
        name="a label image (PNG, TIFF)",
        suffixes=(),
        holds=lambda document: document.kind in ("tiff", "png", "zarr"),
        read=read_label_image,
    ),
)
"""Every format, in the order in which a file is tried."""

_READ: Final = f"{', '.join(f.name for f in FORMATS[:-1])}, or {FORMATS[-1].name}"
_WRITTEN: Final = ".json (labelme), .geojson, .roi, .zip (ImageJ) or .csv (napari)"
_FIELDS: Final = {
    "label": "names",
    "classification": "classes",
    "colour": "colours",
    "group": "groups",
}
"""Fields of `Shape` that a format may lack, in words."""


def read_roi(
    path: str | Path,
    image_shape: tuple[int, int] | None = None,
    labels: Sequence[int] | None = None,
    *,
    stack: bool = False,
) -> RoiFile:
    """Read an ROI file; what it is shows in its contents, not in its name.

    Parameters
    ----------
    path : str or Path
        Of any of `FORMATS`.
    image_shape : tuple of int or None
        (Y, X) of the image it is for, px.
    labels : sequence of int or None
        Values of a label image that count; None: all but its background.
    stack : bool
        Whether the image has several planes, so that a label image may have them too.

    Returns
    -------
    RoiFile
        At least one ROI.

    Raises
    ------
    FileMissingError
        If nothing is there.
    RoiError
        If it is none of these kinds, damaged, selects nothing, or is a label image of
        another shape than `image_shape`.
    """
    file = _read(Path(path), labels)
    if not file.rois:
        only = f"only {_counted(file.open_shapes)}" if file.open_shapes else "no shapes"
        raise RoiError(f"{path} holds {only}; draw a polygon, rectangle, ellipse or mask.")
    if file.mask is not None:
        _check_fits(path, file.mask.shape, image_shape, stack=stack)
        return file
    name, notes = Path(path).name, []
    if (other := size_caution(name, file.frame, image_shape)) is not None:
        notes.append(other)
    if file.open_shapes:
        left_out = f"{name}: {_counted(file.open_shapes)} enclosing no pixels left out."
        notes.append(Caution("roi-open", left_out))
    return file.noted(*notes)


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
    file = _read(Path(path))
    if file.mask is not None:
        raise RoiError(f"{path} is a label image and holds no shapes; open it as an image.")
    return file.shapes


def write_shapes(path: str | Path, shapes: Sequence[Shape]) -> tuple[Caution, ...]:
    """Write an ROI file, whole or not at all.

    Parameters
    ----------
    path : str or Path
        The suffix says the format: .json is labelme; .geojson; .roi and .zip are ImageJ; .csv
        is napari.
    shapes : sequence of Shape

    Returns
    -------
    tuple of Caution
        What the format has no place for.

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
    found = next((one for one in FORMATS if suffix in one.suffixes), None)
    if found is None or found.write is None:
        raise OutputError(f"{path}: shapes are written as {_WRITTEN}.")
    found.write(path, shapes)
    lost = [
        word
        for field, word in _FIELDS.items()
        if field not in found.keeps and any(getattr(shape, field) for shape in shapes)
    ]
    if not lost:
        return ()
    words = " and ".join(filter(None, [", ".join(lost[:-1]), lost[-1]]))
    return (Caution("roi-lost", f"{path.name}: {found.name} cannot store {words}."),)


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


def _read(path: Path, labels: Sequence[int] | None = None) -> RoiFile:
    """Read a file of any format."""
    document = RoiDocument(path)
    for one in FORMATS:
        if one.holds(document):
            if labels is not None and one.write is not None:
                raise RoiError(
                    f"{path} holds shapes, which have no labels to choose from; leave "
                    "roi_label out."
                )
            file = one.read(document) if labels is None else read_label_image(document, labels)
            return file.noted(*document.notes) if document.is_text else file
    if document.is_json:
        raise RoiError(
            f'{path} is JSON, but neither labelme (a "shapes" list with points) nor GeoJSON.'
        )
    kind = document.kind
    if kind == "jpeg":
        raise RoiError(f"{path} is a JPEG, whose compression blurs labels; save it as PNG or TIFF.")
    raise RoiError(unusable(path, kind, f"is not a supported ROI file ({_READ})"))


def _check_fits(
    path: str | Path,
    found: tuple[int, ...],
    image_shape: tuple[int, int] | None,
    *,
    stack: bool,
) -> None:
    """Raise where a label image has another shape than the image."""
    if len(found) > 2 and not stack:
        raise RoiError(f"{path} is a stack of shape {found}; use a single label plane.")
    if image_shape is None or found[-2:] == tuple(image_shape):
        return
    raise RoiError(
        f"{path} has {found[-1]} x {found[-2]} px, but the image has {image_shape[1]} x "
        f"{image_shape[0]} px; a label image must fit."
    )


def _counted(kinds: Sequence[str]) -> str:
    """Return "2 line, 1 point"."""
    return ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(kinds).items()))
