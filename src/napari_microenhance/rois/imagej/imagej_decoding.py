"""One ImageJ ROI to shapes; see `imagej` for the conventions."""

import dataclasses
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import RoiError
from napari_microenhance.images.imagefile import RECORD_KEY
from napari_microenhance.rois.imagej.imagej_path import flattened
from napari_microenhance.rois.outlines import (
    Points,
    closed_spline,
    rounded_rectangle,
    wide_line,
)
from napari_microenhance.rois.region_of_interest import FLAT, Planes
from napari_microenhance.rois.rings import group_rings
from napari_microenhance.rois.shapes import Shape, area_shape, finite_points

if TYPE_CHECKING:
    from roifile import ImagejRoi

__all__ = ["CORNER", "Decoded", "shapes_of"]

CORNER: Final = 0.5
"""Of a pixel's first corner from its centre, px."""

_AREAS: Final = ("POLYGON", "FREEHAND", "TRACED")
_LINES: Final = ("POLYLINE", "FREELINE", "ANGLE")
_SPLINE: Final = 1  # of the options


@dataclasses.dataclass(frozen=True, eq=False)
class Decoded:
    """One ROI as the package roifile read it, with what that works out from its bytes.

    Parameters
    ----------
    roi : ImagejRoi
    vertices : ndarray, shape (N, 2)
        (x, y), as stored.
    full : str
        The full numbers that a file of ours carries.
    """

    roi: Any
    vertices: npt.NDArray[Any]
    full: str

    @classmethod
    def of(cls, roi: "ImagejRoi") -> Self:
        """Return one ROI; what roifile raises for damaged ones comes out here."""
        listed = roi.integer_coordinates is not None
        vertices = np.asarray(roi.coordinates() if listed else np.empty((0, 2)))
        return cls(roi, vertices, str(roi.properties.get(RECORD_KEY, "")))

    @property
    def line_width(self) -> float:
        """Width that a line is drawn in, px; 0 where the file does not say."""
        return max(float(self.roi.float_stroke_width or 0), float(self.roi.stroke_width or 0))

    @property
    def is_spline(self) -> bool:
        """Whether a curve is drawn through the vertices of a polygon."""
        return bool(self.roi.options.value & _SPLINE) and len(self.vertices) > 2

    @property
    def remark(self) -> str:
        """What becomes of a parameter that is no outline, in words for one such ROI; or nothing."""
        kind, subtype = self.roi.roitype.name, self.roi.subtype.name
        if self.line_width <= 1 or subtype in ("ARROW", "TEXT", "IMAGE"):
            return ""
        if kind == "LINE":
            return "line has a width, and counts as the area that it covers"
        if kind in _LINES:
            return (
                "bent line has a width, which was left out with it (in ImageJ, Edit > Selection > "
                "Line to Area keeps it)"
            )
        return ""

    def exact(self, stored: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the full numbers, where they still are the stored ones."""
        rounded = np.asarray(stored, dtype=np.float32)
        try:
            full = np.array(self.full.split(","), dtype=np.float64)
        except ValueError:
            full = np.empty(0)
        with np.errstate(over="ignore"):
            if full.shape == rounded.shape and (full.astype(np.float32) == rounded).all():
                return full
        return rounded.astype(np.float64)


def shapes_of(where: str, decoded: Decoded) -> list[Shape]:
    """Return the shapes of one ROI.

    Parameters
    ----------
    where : str
        How an error begins.
    decoded : Decoded

    Raises
    ------
    RoiError
        If its type is unknown, or its numbers are none.
    """
    roi = decoded.roi
    kind, subtype = roi.roitype.name, roi.subtype.name
    about: dict[str, Any] = {
        "label": roi.name,
        "group": roi.group or None,
        "planes": _planes(roi),
    }
    if roi.multi_coordinates is not None:
        try:
            drawn = flattened(decoded.exact(roi.multi_coordinates))
        except ValueError as error:
            raise RoiError(f"{where} is not an ImageJ ROI, or is damaged ({error}).") from error
        rings = [finite_points(where, ring, least=3)[:, ::-1] - CORNER for ring in drawn]
        return [area_shape(polygon, **about) for polygon in group_rings(rings)]
    if subtype in ("TEXT", "IMAGE"):  # a picture of a text is no region
        return [Shape("path", _box(where, decoded), **about)]
    if kind in ("RECT", "OVAL"):
        box = _box(where, decoded)
        if kind == "RECT" and roi.rounded_rect_arc_size > 0:
            outline = rounded_rectangle(box, roi.rounded_rect_arc_size)
            return [Shape("polygon", finite_points(where, outline), **about)]
        return [Shape("rectangle" if kind == "RECT" else "ellipse", box, **about)]
    if kind == "FREEHAND" and subtype in ("ELLIPSE", "ROTATED_RECT"):
        return [_turned(where, decoded, about)]
    if kind == "LINE":
        ends = decoded.exact([roi.x1, roi.y1, roi.x2, roi.y2])
        points = finite_points(where, ends.reshape(2, 2))[:, ::-1]
        if decoded.line_width > 1 and subtype != "ARROW" and (points[0] != points[1]).any():
            return [Shape("rectangle", wide_line(points, decoded.line_width), **about)]
        return [Shape("line", points, **about)]
    return _from_vertices(where, decoded, about)


def _planes(roi: "ImagejRoi") -> Planes:
    """Return where an ROI has its place in a stack; ImageJ counts from 1, and 0 is everywhere."""
    places = {"C": roi.c_position, "Z": roi.z_position, "T": roi.t_position}
    planes = {axis: (place - 1,) for axis, place in places.items() if place > 0}
    if not planes and roi.position > 0:
        planes[FLAT] = (roi.position - 1,)
    return planes


def _from_vertices(where: str, decoded: Decoded, about: Mapping[str, Any]) -> list[Shape]:
    """Return the shapes of an ROI that is a list of vertices."""
    roi = decoded.roi
    kind = roi.roitype.name
    if kind == "NOROI":
        return []
    numbers = decoded.vertices
    if roi.subpixel_coordinates is not None:
        numbers = decoded.exact(numbers.ravel()).reshape(-1, 2)
    points = finite_points(where, numbers, least=3 if kind in _AREAS else 1)[:, ::-1]
    if kind == "POINT":
        return [Shape("point", point[None], **about) for point in points]
    if kind in _LINES:
        return [Shape("path", points, **about)]
    if kind not in _AREAS:
        raise RoiError(f"{where}: the ROI type {roi.roitype.value} is not supported.")
    if decoded.is_spline:
        points = closed_spline(points)
    return [Shape("polygon", points - CORNER, **about)]


def _box(where: str, decoded: Decoded) -> Points:
    """Return the corners of an upright ROI."""
    roi = decoded.roi
    left, top, width, height = roi.left, roi.top, roi.right - roi.left, roi.bottom - roi.top
    if roi.subpixelrect:
        left, top, width, height = decoded.exact([roi.xd, roi.yd, roi.widthd, roi.heightd])
    right, bottom = left + width, top + height
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return finite_points(where, corners)[:, ::-1] - CORNER


def _turned(where: str, decoded: Decoded, about: Mapping[str, Any]) -> Shape:
    """Return the shape of a turned rectangle or ellipse, kept as an axis and a width."""
    roi = decoded.roi
    # Their fourth kind of number lies in what other ROIs use for arrows.
    width = struct.unpack(">f", struct.pack(
        ">BBh", roi.arrow_style_or_aspect_ratio, roi.arrow_head_size, roi.rounded_rect_arc_size
    ))[0]  # fmt: skip
    numbers = decoded.exact([roi.x1, roi.y1, roi.x2, roi.y2, width])
    start, stop = finite_points(where, numbers[:4].reshape(2, 2))[:, ::-1] - CORNER
    along = stop - start
    length = float(np.hypot(*along))
    is_ellipse = roi.subtype.name == "ELLIPSE"
    across = np.array([along[1], -along[0]]) / 2
    across *= numbers[4] if is_ellipse else numbers[4] / (length or 1.0)
    corners = np.stack([start - across, stop - across, stop + across, start + across])
    return Shape("ellipse" if is_ellipse else "rectangle", finite_points(where, corners), **about)
