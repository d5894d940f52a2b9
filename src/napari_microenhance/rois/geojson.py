"""GeoJSON files, as QuPath reads and writes them.

A file counts from the corner of the first pixel and says (x, y); shapes here are
(y, x) with pixel centres at integers, so a coordinate is the file's minus one half.

References
----------
.. [1] Butler et al., "The GeoJSON Format", RFC 7946, 2016. https://doi.org/10.17487/RFC7946
.. [2] Bankhead et al., "QuPath: Open source software for digital pathology image analysis",
   Scientific Reports 7, 2017. https://doi.org/10.1038/s41598-017-17204-5
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import OutputError, RoiError
from napari_microenhance.files import replacing
from napari_microenhance.rois.outlines import Points, ellipse_in_box
from napari_microenhance.rois.region_of_interest import (
    FLAT,
    Planes,
    checked_planes,
    single_planes,
)
from napari_microenhance.rois.roi_document import RoiDocument
from napari_microenhance.rois.roi_file import RoiFile
from napari_microenhance.rois.shapes import Shape, area_shape, finite_points, polygons_of

__all__ = ["read_geojson", "write_geojson"]

_GEOMETRIES: Final = ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon",
                      "MultiPolygon", "GeometryCollection")  # fmt: skip
_CORNER: Final = 0.5  # px, of a pixel's first corner from its centre
_PLANES: Final = "planes"  # what QuPath's "plane" cannot say: which axes are meant
_DEEPEST: Final = 32  # collections in collections; RFC 7946 advises against any


def is_geojson(content: object) -> bool:
    """Tell whether parsed JSON is GeoJSON, or a list of its features."""
    items = content if isinstance(content, list) else [content]
    known = ("Feature", "FeatureCollection", *_GEOMETRIES)
    return bool(items) and all(isinstance(i, dict) and i.get("type") in known for i in items)


def read_geojson(document: RoiDocument) -> RoiFile:
    """Read a GeoJSON file.

    A polygon with holes is one shape, the parts of a multi-polygon are one each.

    Parameters
    ----------
    document : RoiDocument
        Whose JSON `is_geojson` accepts.

    Raises
    ------
    RoiError
        If a shape in it is damaged.
    """
    path, content = document.path, document.json
    items = content if isinstance(content, list) else [content]
    features = [feature for item in items for feature in _features(path, item)]
    shapes: list[Shape] = []
    for number, (geometry, properties) in enumerate(features, start=1):
        where = f"{path}, shape {number}"
        about = {**_about(properties), "planes": _planes(where, geometry)}
        shapes += (_shape(geometry, kind, coordinates, where, about)
                   for kind, coordinates in _simple(where, geometry))  # fmt: skip
    notes = _first_plane(features)
    return RoiFile.of_shapes(path, shapes, stack_notes=notes)


def write_geojson(path: str | Path, shapes: Sequence[Shape]) -> None:
    """Write a GeoJSON file, one feature per shape, whole or not at all.

    A shape on several planes becomes one feature for each. Ellipses become polygons; upright
    ones are marked so that QuPath makes ellipses of them.

    Parameters
    ----------
    path : str or Path
    shapes : sequence of Shape

    Raises
    ------
    OutputError
        If a shape encloses nothing, or the file cannot be written.
    """
    features = [
        {
            "type": "Feature",
            "geometry": {**_geometry(path, shape), **_place(place)},
            "properties": _properties(shape),
        }
        for shape in shapes
        for place in single_planes(shape.planes)
    ]
    content = {"type": "FeatureCollection", "features": features}
    with replacing(Path(path)) as handle:
        handle.write(json.dumps(content, ensure_ascii=False, allow_nan=False).encode())


def _features(path: Path, item: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - parsed JSON
    """Yield the geometry and properties of each feature."""
    if item["type"] == "FeatureCollection":
        features = item.get("features")
        if not isinstance(features, list):
            raise RoiError(f'{path} is GeoJSON without a list of "features".')
        for number, feature in enumerate(features, start=1):
            if not isinstance(feature, dict):
                raise RoiError(f"{path}, shape {number}: it is not a GeoJSON feature.")
            yield feature.get("geometry"), feature.get("properties")
    elif item["type"] == "Feature":
        yield item.get("geometry"), item.get("properties")
    else:
        yield item, None


def _first_plane(features: Sequence[tuple[Any, Any]]) -> tuple[Caution, ...]:
    """Say it where QuPath left out its first plane, which it does not write."""
    own = [g for g, about in features if isinstance(about, dict) and "objectType" in about]
    without = [g for g in own if isinstance(g, dict) and not {"plane", _PLANES} & g.keys()]
    if not without:
        return ()
    return (
        Caution(
            "roi-planes",
            f"{len(without)} of {len(features)} shapes name no plane, which in QuPath means "
            "the first plane (z=0, t=0); here they apply to every plane.",
        ),
    )


def _planes(where: str, geometry: Any) -> Planes:  # noqa: ANN401 - parsed JSON
    """Return the planes that QuPath says a geometry lies on; c is -1 for every channel."""
    if isinstance(geometry, dict) and _PLANES in geometry:
        try:
            return checked_planes(geometry[_PLANES])
        except RoiError as error:
            raise RoiError(f"{where}: {error}") from error
    plane = geometry.get("plane") if isinstance(geometry, dict) else None
    if not isinstance(plane, dict):
        return {}
    found = {}
    for axis, least in (("T", 0), ("Z", 0), ("C", -1)):
        place = plane.get(axis.lower(), least)
        if type(place) is not int or place < -1:
            raise RoiError(f'{where}: its "plane" says {axis.lower()} is {place!r}.')
        if place >= 0:
            found[axis] = (place,)
    return found


def _place(place: Mapping[str, int]) -> dict[str, Any]:
    """Return what says where a geometry lies: the plane of QuPath, and the axes that are meant.

    QuPath knows no "every", so that its first plane stands for an axis that is not named.
    """
    if not place:
        return {}
    plane = {"c": place.get("C", -1), "z": 0, "t": 0}
    for axis, letter in (("Z", "z"), ("T", "t"), ("-3", "z"), ("-4", "t"), (FLAT, "z")):
        if axis in place:
            plane[letter] = place[axis]
    return {"plane": plane, _PLANES: dict(place)}


def _simple(where: str, geometry: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - parsed JSON
    """Yield the kind and coordinates of each simple geometry in one that may hold several."""
    if geometry is None:  # a feature that lies nowhere, RFC 7946 section 3.2
        return
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind not in _GEOMETRIES or depth > _DEEPEST:
        raise RoiError(f'{where}: the geometry type "{kind}" is not supported.')
    inner = geometry.get("geometries" if kind == "GeometryCollection" else "coordinates")
    if not isinstance(inner, list):
        raise RoiError(f"{where}: a {kind} without coordinates.")
    if kind == "GeometryCollection":
        for part in inner:
            yield from _simple(where, part, depth + 1)
    elif kind.startswith("Multi"):
        yield from ((kind.removeprefix("Multi"), part) for part in inner)
    else:
        yield kind, inner


def _shape(
    geometry: Any,  # noqa: ANN401 - parsed JSON
    kind: str,
    coordinates: Any,  # noqa: ANN401 - parsed JSON
    where: str,
    about: dict[str, Any],
) -> Shape:
    """Return the shape of one simple geometry."""
    if kind == "Point":
        return Shape("point", _points(where, [coordinates]), **about)
    if kind == "LineString":
        points = _points(where, coordinates, least=2)
        return Shape("line" if len(points) == 2 else "path", points, **about)
    if not isinstance(coordinates, list) or not coordinates:
        raise RoiError(f"{where}: a Polygon without coordinates.")
    rings = [_ring(where, ring) for ring in coordinates]
    if geometry.get("isEllipse") is True and len(rings) == 1:
        (top, left), (bottom, right) = rings[0].min(axis=0), rings[0].max(axis=0)
        box = np.array([(top, left), (top, right), (bottom, right), (bottom, left)])
        return Shape("ellipse", box, **about)
    return area_shape(rings, **about)


def _points(where: str, numbers: Any, *, least: int = 1) -> Points:  # noqa: ANN401 - parsed JSON
    """Return (y, x) points from (x, y) positions."""
    return finite_points(where, numbers, least=least)[:, ::-1] - _CORNER


def _ring(where: str, numbers: Any) -> Points:  # noqa: ANN401 - parsed JSON
    """Return a ring of a polygon, not closed."""
    points = _points(where, numbers, least=3)
    if (points[0] == points[-1]).all():
        points = points[:-1]
    if len(points) < 3:
        raise RoiError(f"{where}: a polygon needs 3 points, but has {len(points)}.")
    return points


def _about(properties: Any) -> dict[str, Any]:  # noqa: ANN401 - parsed JSON
    """Return name, classification and colour, as QuPath keeps them."""
    properties = properties if isinstance(properties, dict) else {}
    kind = properties.get("classification")
    kind = kind if isinstance(kind, dict) else {"name": kind}
    names = kind.get("names")  # QuPath 0.5 writes derived classes so
    name = ": ".join(map(str, names)) if isinstance(names, list) else kind.get("name")
    colour = _colour(properties.get("color")) or _colour(kind.get("color"))
    label = properties.get("name")
    return {
        "label": label if isinstance(label, str) else "",
        "classification": name if isinstance(name, str) else "",
        "colour": colour,
    }


def _colour(value: object) -> tuple[int, int, int] | None:
    """Return red, green and blue, if that is what a property holds."""
    if not isinstance(value, list) or len(value) != 3:
        return None
    if not all(type(part) is int and 0 <= part <= 255 for part in value):
        return None
    red, green, blue = value
    return red, green, blue


def _geometry(path: str | Path, shape: Shape) -> dict[str, Any]:
    """Return the geometry of a shape."""
    if shape.kind == "point":
        return {"type": "Point", "coordinates": _positions(shape.points)[0]}
    if shape.kind in ("line", "path"):
        return {"type": "LineString", "coordinates": _positions(shape.points)}
    polygons = [
        [_positions(np.concatenate([ring, ring[:1]])) for ring in rings]
        for rings in polygons_of(shape)
    ]
    if not polygons:
        raise OutputError(f"{path}: a {shape.kind} that encloses nothing cannot be written.")
    if len(polygons) > 1:
        return {"type": "MultiPolygon", "coordinates": polygons}
    geometry = {"type": "Polygon", "coordinates": polygons[0]}
    return {**geometry, "isEllipse": True} if _is_upright_ellipse(shape) else geometry


def _is_upright_ellipse(shape: Shape) -> bool:
    """Tell whether a shape is an ellipse that its bounding box describes."""
    if shape.kind != "ellipse":
        return False
    outline = ellipse_in_box(shape.points)
    ends = np.stack([(p.min(axis=0), p.max(axis=0)) for p in (outline, shape.points)])
    return bool(np.allclose(ends[0], ends[1], rtol=0, atol=1e-9))


def _positions(points: Points) -> list[list[float]]:
    """Return (x, y) positions from (y, x) points."""
    positions: list[list[float]] = (points[:, ::-1] + _CORNER).tolist()
    return positions


def _properties(shape: Shape) -> dict[str, Any]:
    """Return the properties of an annotation, as QuPath keeps them."""
    properties: dict[str, Any] = {"objectType": "annotation"}
    if shape.label:
        properties["name"] = shape.label
    if shape.classification:
        properties["classification"] = {"name": shape.classification}
        if shape.colour:
            properties["classification"]["color"] = list(shape.colour)
    elif shape.colour:
        properties["color"] = list(shape.colour)
    return properties
