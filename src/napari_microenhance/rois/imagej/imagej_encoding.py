"""One shape to an ImageJ ROI; see `imagej` for the conventions."""

import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.images.imagefile import RECORD_KEY
from napari_microenhance.rois.imagej.imagej_decoding import CORNER
from napari_microenhance.rois.imagej.imagej_path import path_numbers
from napari_microenhance.rois.outlines import Points, ellipse_in_box, is_rectangle
from napari_microenhance.rois.shapes import Shape, polygons_of

if TYPE_CHECKING:
    from roifile import ImagejRoi

__all__ = ["roi_of"]

Numbers = npt.NDArray[np.float64]


def roi_of(shape: Shape, place: Mapping[str, int] | None = None) -> "ImagejRoi | None":
    """Return the ImagejRoi of one shape, or None where it encloses nothing.

    Parameters
    ----------
    shape : Shape
    place : mapping of str to int, optional
        Axis -> index of its plane, counted from 0.
    """
    import roifile

    roi = roifile.ImagejRoi()
    # Names are counted in units of 16 bits, so characters that take two would be cut.
    roi.name = "".join(c if c < "\ud800" or "\udfff" < c <= "\uffff" else "?" for c in shape.label)
    roi.group = shape.group if shape.group and 0 < shape.group < 2**16 else 0
    numbers = _FILL[shape.kind](roi, shape)
    if not numbers.size:
        return None
    _set_bounds(roi, shape.points)
    roi.properties = {RECORD_KEY: ",".join(map(repr, numbers.tolist()))}
    _set_place(roi, place or {})
    return roi


def _set_place(roi: "ImagejRoi", place: Mapping[str, int]) -> None:
    """Say where an ROI has its place in a stack; ImageJ counts from 1."""
    names = {"C": "c_position", "Z": "z_position", "T": "t_position"}
    if len(place) == 1 and not place.keys() & names.keys():
        (roi.position,) = (index + 1 for index in place.values())
        return
    for axis, index in place.items():
        # What napari counts from the last has no letter; ImageJ's order is T, Z, C.
        name = names.get(axis) or {"-3": "z_position", "-4": "t_position"}.get(axis)
        if name:
            setattr(roi, name, index + 1)


def _fill_polygon(roi: "ImagejRoi", shape: Shape) -> Numbers:
    """Write vertices, and return all numbers that were written."""
    kinds = {"point": "POINT", "path": "POLYLINE"}
    _set_type(roi, kinds.get(shape.kind, "POLYGON"))
    numbers = shape.points[:, ::-1] + (0.0 if shape.kind in kinds else CORNER)
    _set_vertices(roi, numbers)
    return np.asarray(numbers.ravel())


def _fill_line(roi: "ImagejRoi", shape: Shape) -> Numbers:
    """Write the two ends of a line."""
    _set_type(roi, "LINE")
    numbers = shape.points[:, ::-1].ravel()
    roi.x1, roi.y1, roi.x2, roi.y2 = numbers.tolist()
    return numbers


def _fill_area(roi: "ImagejRoi", shape: Shape) -> Numbers:
    """Write a polygon, with holes or several parts as a composite."""
    rings = [ring for polygon in polygons_of(shape) for ring in polygon]
    if len(rings) < 2:
        simple = Shape("polygon", rings[0] if rings else shape.points[:0])
        return _fill_polygon(roi, simple) if rings else np.empty(0)
    _set_type(roi, "RECT", options="NONE")  # its numbers are floats without the option
    numbers = path_numbers([ring[:, ::-1] + CORNER for ring in rings])
    roi.multi_coordinates = numbers.astype(np.float32)
    roi.shape_roi_size = len(numbers)
    return numbers


def _fill_box(roi: "ImagejRoi", shape: Shape) -> Numbers:
    """Write a rectangle or ellipse, upright or turned."""
    is_ellipse = shape.kind == "ellipse"
    if not is_rectangle(shape.points):  # sheared, or of no width
        outline = ellipse_in_box(shape.points) if is_ellipse else shape.points
        return _fill_area(roi, Shape("polygon", outline))
    a, b, c, d = shape.points[:, ::-1] + CORNER
    low, high = np.minimum(a, c), np.maximum(a, c)
    if ({a[0], c[0]} == {b[0], d[0]}) and ({a[1], c[1]} == {b[1], d[1]}):
        _set_type(roi, "OVAL" if is_ellipse else "RECT")
        numbers = np.concatenate([low, high - low])
        roi.xd, roi.yd, roi.widthd, roi.heightd = numbers.tolist()
        return numbers
    _set_type(roi, "FREEHAND", "ELLIPSE" if is_ellipse else "ROTATED_RECT")
    # Along the longer side: ImageJ's aspect ratio is one at most.
    if np.hypot(*(c - b)) > np.hypot(*(b - a)):
        a, b, c, d = b, c, d, a
    length, width = float(np.hypot(*(b - a))), float(np.hypot(*(c - b)))
    ratio = width / length if is_ellipse else width
    numbers = np.array([*(a + d) / 2, *(b + c) / 2, ratio])
    roi.x1, roi.y1, roi.x2, roi.y2 = numbers[:4].tolist()
    parts = struct.unpack(">BBh", struct.pack(">f", ratio))
    roi.arrow_style_or_aspect_ratio, roi.arrow_head_size, roi.rounded_rect_arc_size = parts
    outline = ellipse_in_box(shape.points) if is_ellipse else shape.points
    _set_vertices(roi, outline[:, ::-1] + CORNER)
    return numbers


def _set_type(
    roi: "ImagejRoi",
    kind: str,
    subtype: str = "UNDEFINED",
    options: str = "SUB_PIXEL_RESOLUTION",
) -> None:
    """Say what the ROI is, in the format's words."""
    import roifile

    roi.roitype = roifile.ROI_TYPE[kind]
    roi.subtype = roifile.ROI_SUBTYPE[subtype]
    roi.options = roifile.ROI_OPTIONS[options]


def _set_vertices(roi: "ImagejRoi", numbers: Numbers) -> None:
    """Keep vertices as 32-bit floats, and as whole numbers for programs that know no others."""
    whole = np.round(numbers).astype(np.int64)
    roi.n_coordinates = len(numbers)
    roi.integer_coordinates = (whole - whole.min(axis=0)).astype(np.int32)
    roi.subpixel_coordinates = numbers.astype(np.float32)


def _set_bounds(roi: "ImagejRoi", points: Points) -> None:
    """Keep the bounding box in whole pixels."""
    low = np.round(points.min(axis=0) + CORNER).astype(int).tolist()
    high = np.maximum(np.round(points.max(axis=0) + CORNER).astype(int), low).tolist()
    (roi.top, roi.left), (roi.bottom, roi.right) = low, high


_FILL: Final[dict[str, Callable[[Any, Shape], Numbers]]] = {
    "point": _fill_polygon,
    "path": _fill_polygon,
    "line": _fill_line,
    "polygon": _fill_area,
    "rectangle": _fill_box,
    "ellipse": _fill_box,
}
