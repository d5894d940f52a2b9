"""The readers and writers that napari's manifest names; neither needs napari itself."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_microenhance.errors import OutputError
from napari_microenhance.io.imagefile import RECORD_KEY, PixelSize, canonical_unit
from napari_microenhance.io.images import write_image
from napari_microenhance.io.labelme import (
    LabelmeFile,
    LabelmeShape,
    area,
    is_labelme,
    read_labelme,
)
from napari_microenhance.io.labelme import write_labelme as write_labelme_file
from napari_microenhance.io.outlines import Points, ellipse_in_box
from napari_microenhance.io.tiff_writing import OME_DTYPES

__all__ = ["get_labelme_reader", "write_labelme", "write_ome_tiff"]

LayerData = tuple[Any, dict[str, Any], str]

_DEFAULT_AXES = {1: "X", 2: "YX", 3: "ZYX", 4: "TZYX", 5: "TCZYX"}


def get_labelme_reader(path: str | Sequence[str]) -> Callable[[str], list[LayerData]] | None:
    """Return a reader for a labelme file, or None for everything else.

    Parameters
    ----------
    path : str or sequence of str
        What was opened; several files are one layer each.

    Returns
    -------
    callable or None
        Takes the path and returns layer data tuples.
    """
    paths = [path] if isinstance(path, str) else list(path)
    return _read_labelme if paths and all(_looks_like_labelme(p) for p in paths) else None


def write_labelme(path: str, data: Any, meta: dict[str, Any]) -> list[str]:  # noqa: ANN401
    """Write a Shapes or Points layer as a labelme file.

    Parameters
    ----------
    path : str
    data : list of ndarray, each shape (N, D), or ndarray, shape (N, D)
        The layer's data; its last two axes are (y, x), px.
    meta : dict
        The layer's attributes.

    Returns
    -------
    list of str
        What was written.
    """
    kinds = meta.get("shape_type")
    if kinds is None:
        kinds = ["point" if isinstance(data, np.ndarray) else "polygon"] * len(data)
    elif isinstance(kinds, str):
        kinds = [kinds] * len(data)
    labels, groups = _column(meta, "label", len(data)), _column(meta, "group_id", len(data))
    shapes = []
    for kind, vertices, label, group in zip(kinds, data, labels, groups, strict=True):
        points = np.atleast_2d(np.asarray(vertices, dtype=np.float64))[:, -2:]
        name, points = _labelme_points(str(kind), points)
        number = int(group) if _is_number(group) else None
        shapes.append(LabelmeShape(name, points, "" if label is None else str(label), None, number))
    image = (meta.get("metadata") or {}).get("labelme") or {}
    write_labelme_file(path, shapes, image.get("image_shape"), image.get("image_path"))
    return [path]


def write_ome_tiff(path: str, data: Any, meta: dict[str, Any]) -> list[str]:  # noqa: ANN401
    """Write an Image or Labels layer as OME-TIFF, with the record of its run.

    Parameters
    ----------
    path : str
    data : array-like or sequence of array-like
        The layer's data; of a multiscale layer the full resolution is written.
    meta : dict
        The layer's attributes; scale, units, axis labels and record are kept.

    Returns
    -------
    list of str
        What was written.

    Raises
    ------
    OutputError
        If OME-TIFF cannot hold the layer, or the file cannot be written.
    """
    if not path.lower().endswith((".ome.tif", ".ome.tiff")):
        raise OutputError(f'{path}: an OME-TIFF is named ".ome.tif" or ".ome.tiff".')
    multiscale = meta.get("multiscale")
    if multiscale or (multiscale is None and isinstance(data, list | tuple)):
        data = data[0]
    pixels = _ome_pixels(path, np.asarray(data))
    record = _own_metadata(meta)
    axes = _layer_axes(path, pixels.ndim, meta, record)
    write_image(path, pixels, axes, pixel_size=_layer_size(axes, meta), record=record or None)
    return [path]


def _looks_like_labelme(path: str) -> bool:
    """Tell whether a path is a labelme file, without complaining when it is not."""
    if not str(path).lower().endswith(".json"):
        return False
    try:
        return is_labelme(json.loads(Path(path).read_text(encoding="utf-8-sig")))
    except (OSError, ValueError, RecursionError):
        return False


def _read_labelme(path: str | Sequence[str]) -> list[LayerData]:
    """Read labelme files as Shapes layers, and Points layers for their points."""
    paths = [path] if isinstance(path, str) else list(path)
    return [layer for p in paths for layer in _layers(Path(p), read_labelme(p))]


def _layers(path: Path, file: LabelmeFile) -> list[LayerData]:
    """Return the layers that show one labelme file."""
    image = {"image_shape": file.image_shape, "image_path": file.image_path}
    common = {"name": path.stem, "metadata": {"labelme": image}}
    shapes = [(kind, points, s) for s in file.shapes for kind, points in _napari_shape(s)]
    dots = [(point, s) for s in file.shapes if s.kind in ("point", "points") for point in s.points]
    layers: list[LayerData] = []
    if shapes or not dots:
        attributes = {
            **common,
            "shape_type": [kind for kind, _, _ in shapes],
            "features": _features([s for _, _, s in shapes]),
            "face_color": "transparent",
            "edge_color": "yellow",
            "edge_width": 2,
        }
        layers.append(([points for _, points, _ in shapes], attributes, "shapes"))
    if dots:
        attributes = {**common, "features": _features([s for _, s in dots])}
        attributes["name"] = f"{path.stem} points"
        layers.append((np.array([point for point, _ in dots]), attributes, "points"))
    return layers


def _napari_shape(shape: LabelmeShape) -> list[tuple[str, Points]]:
    """Return napari's shape type and vertices; nothing for points and empty masks."""
    if shape.kind in ("line", "linestrip"):
        return [("line" if shape.kind == "line" else "path", shape.points)]
    if shape.kind == "circle":
        (y, x), rim = shape.points
        r = float(np.hypot(*(rim - shape.points[0])))
        box = np.array([(y - r, x - r), (y - r, x + r), (y + r, x + r), (y + r, x - r)])
        return [("ellipse", box)]
    outline = area(shape)
    kind = "rectangle" if shape.kind == "rectangle" else "polygon"
    return [] if outline is None else [(kind, outline)]


def _features(shapes: list[LabelmeShape]) -> dict[str, list[Any]]:
    """Return the table of names that goes with a layer."""
    features: dict[str, list[Any]] = {"label": [s.label for s in shapes]}
    if any(s.group is not None for s in shapes):
        features["group_id"] = [s.group for s in shapes]
    return features


def _labelme_points(kind: str, points: Points) -> tuple[str, Points]:
    """Return labelme's shape type and points for a napari shape."""
    if kind == "ellipse":
        first, second = points[1] - points[0], points[2] - points[1]
        if np.isclose(np.hypot(*first), np.hypot(*second), rtol=1e-9):
            centre = points.mean(axis=0)
            return "circle", np.stack([centre, centre + first / 2])
        return "polygon", ellipse_in_box(points)
    if kind == "rectangle":
        upright = all(len(set(points[:, axis].tolist())) == 2 for axis in (0, 1))
        return ("rectangle", points[[0, 2]]) if upright else ("polygon", points)
    return {"path": "linestrip"}.get(kind, kind), points


def _column(meta: Mapping[str, Any], name: str, length: int) -> list[Any]:
    """Return one column of a layer's features, or of its older properties."""
    for table in ("features", "properties"):
        source = meta.get(table)
        if source is not None and name in source and len(source[name]) == length:
            return list(source[name])
    return [None] * length


def _is_number(value: object) -> bool:
    """Tell whether a table cell holds a number; tables fill gaps with NaN."""
    return isinstance(value, int | float | np.number) and bool(np.isfinite(value))


def _own_metadata(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what this package keeps in a layer's metadata."""
    own = (meta.get("metadata") or {}).get(RECORD_KEY)
    return dict(own) if isinstance(own, Mapping) else {}


def _ome_pixels(path: str, pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return pixels of a dtype that OME-TIFF has; labels are 64-bit in napari."""
    if pixels.dtype.name in OME_DTYPES or pixels.dtype.kind not in "iu":
        return pixels
    low, high = int(pixels.min(initial=0)), int(pixels.max(initial=0))
    for name in ("uint16", "int32", "uint32"):
        if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
            return pixels.astype(name)
    raise OutputError(f"{path}: values from {low} to {high} do not fit OME-TIFF's 32 bits.")


def _layer_axes(path: str, ndim: int, meta: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """Return the axes from the layer's labels, else its record, else by count."""
    colour = "C" if meta.get("rgb") else ""
    named = "".join(str(label)[:1].upper() for label in meta.get("axis_labels") or ())
    image = record.get("image")
    recorded = str(image.get("axes", "")) if isinstance(image, Mapping) else ""
    counted = _DEFAULT_AXES.get(ndim - len(colour), "")
    for axes in (named + colour, recorded, counted + colour):
        fits = len(axes) == len(set(axes)) == ndim and axes.removesuffix(colour).endswith("YX")
        if fits and not set(axes) - set("TCZYX"):
            return axes
    raise OutputError(f"{path}: a layer of {ndim} dimensions cannot be written as OME-TIFF.")


def _layer_size(axes: str, meta: Mapping[str, Any]) -> PixelSize:
    """Return the pixel size from a layer's scale and units; nothing where it has no units."""
    spatial = axes.removesuffix("C") if axes.endswith("YXC") else axes
    scale = list(meta.get("scale", ()))
    units = meta.get("units") or ()
    units = [units] * len(scale) if isinstance(units, str) else [_symbol(u) for u in units]
    if len(scale) != len(spatial) or len(units) != len(scale):
        return {}
    known = zip(spatial, scale, units, strict=True)
    return {a: (float(s), u) for a, s, u in known if u != "pixel" and s > 0}


def _symbol(unit: object) -> str:
    """Return a pint unit as the OME schema spells it."""
    return canonical_unit(str(unit))
