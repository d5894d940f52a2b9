"""One ImageJ ROI to shapes; see `imagej` for the conventions."""

import struct
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import RoiError
from napari_microenhance.images.imagefile import RECORD_KEY
from napari_microenhance.rois.imagej_path import flattened
from napari_microenhance.rois.outlines import Points
from napari_microenhance.rois.rings import group_rings
from napari_microenhance.rois.shapes import Shape, area_shape, finite_points

__all__ = ["CORNER", "shapes_of"]

CORNER: Final = 0.5
"""Of a pixel's first corner from its centre, px."""

_AREAS: Final = ("POLYGON", "FREEHAND", "TRACED")
_LINES: Final = ("POLYLINE", "FREELINE", "ANGLE")


def shapes_of(where: str, roi: Any) -> list[Shape]:  # noqa: ANN401 - an ImagejRoi
    """Return the shapes of one ROI.

    Parameters
    ----------
    where : str
        How an error begins.
    roi : ImagejRoi

    Raises
    ------
    RoiError
        If its type is unknown, or its numbers are none.
    """
    kind, subtype = roi.roitype.name, roi.subtype.name
    about: dict[str, Any] = {"label": roi.name, "group": roi.group or None}
    if roi.multi_coordinates is not None:
        path = _exact(roi, roi.multi_coordinates)
        rings = [finite_points(where, ring, least=3)[:, ::-1] - CORNER for ring in flattened(path)]
        return [area_shape(polygon, **about) for polygon in group_rings(rings)]
    if subtype in ("TEXT", "IMAGE"):  # a picture of a text is no region
        return [Shape("path", _box(where, roi), **about)]
    if kind in ("RECT", "OVAL"):
        return [Shape("rectangle" if kind == "RECT" else "ellipse", _box(where, roi), **about)]
    if kind == "FREEHAND" and subtype in ("ELLIPSE", "ROTATED_RECT"):
        return [_turned(where, roi, about)]
    if kind == "LINE":
        ends = _exact(roi, [roi.x1, roi.y1, roi.x2, roi.y2])
        return [Shape("line", finite_points(where, ends.reshape(2, 2))[:, ::-1], **about)]
    return _from_vertices(where, roi, about)


def _from_vertices(where: str, roi: Any, about: Mapping[str, Any]) -> list[Shape]:  # noqa: ANN401 - an ImagejRoi
    """Return the shapes of an ROI that is a list of vertices."""
    kind = roi.roitype.name
    if kind == "NOROI":
        return []
    numbers = roi.coordinates()
    if roi.subpixel_coordinates is not None:
        numbers = _exact(roi, numbers.ravel()).reshape(-1, 2)
    points = finite_points(where, numbers, least=3 if kind in _AREAS else 1)[:, ::-1]
    if kind == "POINT":
        return [Shape("point", point[None], **about) for point in points]
    if kind in _LINES:
        return [Shape("path", points, **about)]
    if kind not in _AREAS:
        raise RoiError(f"{where}: the ROI type {roi.roitype.value} is unknown.")
    return [Shape("polygon", points - CORNER, **about)]


def _box(where: str, roi: Any) -> Points:  # noqa: ANN401 - an ImagejRoi
    """Return the corners of an upright ROI."""
    left, top, width, height = roi.left, roi.top, roi.right - roi.left, roi.bottom - roi.top
    if roi.subpixelrect:
        left, top, width, height = _exact(roi, [roi.xd, roi.yd, roi.widthd, roi.heightd])
    right, bottom = left + width, top + height
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return finite_points(where, corners)[:, ::-1] - CORNER


def _turned(where: str, roi: Any, about: Mapping[str, Any]) -> Shape:  # noqa: ANN401 - an ImagejRoi
    """Return the shape of a turned rectangle or ellipse, kept as an axis and a width."""
    # Their fourth kind of number lies in what other ROIs use for arrows.
    width = struct.unpack(">f", struct.pack(
        ">BBh", roi.arrow_style_or_aspect_ratio, roi.arrow_head_size, roi.rounded_rect_arc_size
    ))[0]  # fmt: skip
    numbers = _exact(roi, [roi.x1, roi.y1, roi.x2, roi.y2, width])
    start, stop = finite_points(where, numbers[:4].reshape(2, 2))[:, ::-1] - CORNER
    along = stop - start
    length = float(np.hypot(*along))
    is_ellipse = roi.subtype.name == "ELLIPSE"
    across = np.array([along[1], -along[0]]) / 2
    across *= numbers[4] if is_ellipse else numbers[4] / (length or 1.0)
    corners = np.stack([start - across, stop - across, stop + across, start + across])
    return Shape("ellipse" if is_ellipse else "rectangle", finite_points(where, corners), **about)


def _exact(roi: Any, stored: npt.ArrayLike) -> npt.NDArray[np.float64]:  # noqa: ANN401 - an ImagejRoi
    """Return the full numbers that a file of ours carries, where they still are the stored ones."""
    rounded = np.asarray(stored, dtype=np.float32)
    text = str(roi.properties.get(RECORD_KEY, ""))
    try:
        full = np.array(text.split(","), dtype=np.float64)
    except ValueError:
        full = np.empty(0)
    with np.errstate(over="ignore"):
        if full.shape == rounded.shape and (full.astype(np.float32) == rounded).all():
            return full
    return rounded.astype(np.float64)
