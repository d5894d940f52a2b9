"""Layer data tuples: shapes and images as napari hands them over, without napari."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from napari_microenhance.errors import OutputError, RoiError
from napari_microenhance.images.imagefile import RECORD_KEY, PixelSize, canonical_unit
from napari_microenhance.records import Record
from napari_microenhance.rois.napari_csv import planes_of
from napari_microenhance.rois.region_of_interest import Planes, checked_planes
from napari_microenhance.rois.shapes import Shape
from napari_microenhance.types import AnyArray, Float64Array

__all__ = ["LayerData", "layer_shapes", "planes_from", "shape_layers"]

LayerData = tuple[Any, dict[str, Any], str]
"""What napari turns into a layer: data, keyword arguments, layer type."""

_DEFAULT_AXES: Final = {1: "X", 2: "YX", 3: "ZYX", 4: "TZYX", 5: "TCZYX"}
_EDGE: Final = "yellow"


def shape_layers(
    name: str, shapes: Sequence[Shape], metadata: Mapping[str, Any] | None = None
) -> list[LayerData]:
    """Return the layers that show shapes: Shapes, and Points where there are points.

    Parameters
    ----------
    name : str
        Of the Shapes layer.
    shapes : sequence of Shape
    metadata : mapping or None
        Of both layers.
    """
    common = {"metadata": dict(metadata or {})}
    drawn = [shape for shape in shapes if shape.kind != "point"]
    dots = [shape for shape in shapes if shape.kind == "point"]
    layers: list[LayerData] = []
    if drawn or not dots:
        colours = [_hex(shape.colour) or _EDGE for shape in drawn]
        attributes = {
            **common,
            "name": name,
            "shape_type": [shape.kind for shape in drawn],
            "features": _features(drawn),
            "face_color": "transparent",
            "edge_color": colours if set(colours) - {_EDGE} else _EDGE,
            "edge_width": 2,
        }
        layers.append(([shape.points for shape in drawn], attributes, "shapes"))
    if dots:
        attributes = {**common, "name": f"{name} points", "features": _features(dots)}
        layers.append((np.concatenate([shape.points for shape in dots]), attributes, "points"))
    return layers


def layer_shapes(data: AnyArray | Sequence[AnyArray], meta: Mapping[str, Any]) -> list[Shape]:
    """Return the shapes of a Shapes or Points layer.

    Parameters
    ----------
    data : list of ndarray, each shape (N, D), or ndarray, shape (N, D)
        The layer's data; its last two axes are (y, x), px, those before them say the planes.
    meta : mapping
        The layer's attributes; "label", "classification", "colour", "group_id" and, of two
        dimensions, "planes" of its features are kept.
    """
    count = len(data)
    kinds = meta.get("shape_type")
    if kinds is None:
        kinds = "point" if isinstance(data, np.ndarray) else "polygon"
    kinds = [kinds] * count if isinstance(kinds, str) else kinds
    columns = (_column(meta, name, count)
               for name in ("label", "classification", "colour", "group_id", "planes"))  # fmt: skip
    return [
        Shape(
            kind=str(kind),
            points=np.atleast_2d(np.asarray(vertices, dtype=np.float64))[:, -2:],
            label=_text(label),
            classification=_text(classification),
            colour=_rgb(_text(colour)),
            group=int(group) if _is_number(group) else None,
            planes=_planes(np.atleast_2d(np.asarray(vertices, np.float64)), _text(planes)),
        )
        for kind, vertices, label, classification, colour, group, planes in zip(
            kinds, data, *columns, strict=True
        )
    ]


def _planes(vertices: Float64Array, text: str) -> Planes:
    """Return the planes of a shape, from where it lies or what a table says."""
    return planes_of(vertices[:, :-2]) if vertices.shape[1] > 2 else planes_from(text)


def layer_record(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what this package keeps in a layer's metadata."""
    own = (meta.get("metadata") or {}).get(RECORD_KEY)
    return dict(own) if isinstance(own, Mapping) else {}


def layer_axes(path: str, ndim: int, meta: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """Return the axes from the layer's labels, else its record, else by count.

    Raises
    ------
    OutputError
        If there are too many.
    """
    colour = "C" if meta.get("rgb") else ""
    named = "".join(str(label)[:1].upper() for label in meta.get("axis_labels") or ())
    found = Record.found_in({RECORD_KEY: record})
    recorded = (found.report.image.axes or "") if found else ""
    counted = _DEFAULT_AXES.get(ndim - len(colour), "")
    for axes in (named + colour, recorded, counted + colour):
        fits = len(axes) == len(set(axes)) == ndim and axes.removesuffix(colour).endswith("YX")
        if fits and not set(axes) - set("TCZYX"):
            return axes
    raise OutputError(f"{path}: a layer of {ndim} dimensions cannot be written as an image.")


def layer_pixel_size(axes: str, meta: Mapping[str, Any]) -> PixelSize:
    """Return the pixel size from a layer's scale and units; nothing where it has no units."""
    spatial = axes.removesuffix("C") if axes.endswith("YXC") else axes
    scale = list(meta.get("scale", ()))
    units = meta.get("units") or ()
    units = [units] * len(scale) if isinstance(units, str) else [_symbol(u) for u in units]
    if len(scale) != len(spatial) or len(units) != len(scale):
        return {}
    known = zip(spatial, scale, units, strict=True)
    return {a: (float(s), u) for a, s, u in known if u != "pixel" and s > 0}


def _features(shapes: Sequence[Shape]) -> dict[str, list[Any]]:
    """Return the table that goes with a layer; only columns that say something."""
    features: dict[str, list[Any]] = {"label": [s.label for s in shapes]}
    if any(s.classification for s in shapes):
        features["classification"] = [s.classification for s in shapes]
    if any(s.colour for s in shapes):
        features["colour"] = [_hex(s.colour) for s in shapes]
    if any(s.group is not None for s in shapes):
        features["group_id"] = [s.group for s in shapes]
    if any(s.planes for s in shapes):
        features["planes"] = [_planes_text(s.planes) for s in shapes]
    return features


def _planes_text(planes: Planes) -> str:
    """Return planes as a table cell, such as "Z=2 T=0,1"."""
    return " ".join(f"{axis}={','.join(map(str, places))}" for axis, places in planes.items())


def planes_from(text: str) -> Planes:
    """Return the planes that a cell of a layer's column "planes" names.

    Parameters
    ----------
    text : str
        Such as "Z=2 T=0,1", counted from 0; empty: every plane.

    Raises
    ------
    RoiError
        If it says something else.
    """
    planes: dict[str, list[int]] = {}
    for word in text.split():
        axis, _, places = word.partition("=")
        try:
            planes[axis] = [int(place) for place in places.split(",")]
        except ValueError as error:
            raise RoiError(f"planes={text!r} of a shape is not understood; use Z=2.") from error
    return checked_planes(planes)


def _column(meta: Mapping[str, Any], name: str, length: int) -> list[Any]:
    """Return one column of a layer's features, or of its older properties."""
    for table in ("features", "properties"):
        source = meta.get(table)
        if source is not None and name in source and len(source[name]) == length:
            return list(source[name])
    return [None] * length


def _text(value: object) -> str:
    """Return a table cell as text; tables fill gaps with None and NaN."""
    return "" if value is None or value != value else str(value)


def _is_number(value: object) -> bool:
    """Tell whether a table cell holds a number; tables fill gaps with NaN."""
    return isinstance(value, int | float | np.number) and bool(np.isfinite(value))


def _hex(colour: tuple[int, int, int] | None) -> str:
    """Return a colour as napari takes it, or nothing."""
    return "" if colour is None else "#{:02x}{:02x}{:02x}".format(*colour)


def _rgb(text: str) -> tuple[int, int, int] | None:
    """Return the colour that a table cell holds, if it is one of ours."""
    try:
        red, green, blue = bytes.fromhex(text.removeprefix("#"))
    except ValueError:
        return None
    return red, green, blue


def _symbol(unit: object) -> str:
    """Return a pint unit as the OME schema spells it."""
    return canonical_unit(str(unit))
