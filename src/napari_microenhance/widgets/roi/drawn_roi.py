"""The ROI that a Shapes or Labels layer draws, in the pixels of an image layer."""

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels

from napari_microenhance.errors import RoiError
from napari_microenhance.rois.outlines import ellipse_in_box
from napari_microenhance.widgets.viewer.layers import level_zero
from napari_microenhance.widgets.viewer.view import View, map_points

if TYPE_CHECKING:
    from napari.layers import Image, Shapes

__all__ = [
    "EXACT_KEY",
    "DrawnRoi",
    "LabelsRoi",
    "exact_data",
    "read_labels",
    "read_roi",
    "read_shapes",
]

EXACT_KEY = "microenhance-vertices"
"""Key in a Shapes layer's metadata of the vertices that a file gave, float64."""

_PIXELS_AT_ONCE = 1 << 22
_FLATNESS = 0.5
_SNAP_PX = 1e-3

FloatArray = npt.NDArray[np.float64]
Plane = tuple[int, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class LabelsRoi:
    """A plane of labels and how the pixels of the image fall on it.

    Parameters
    ----------
    data : array-like
        The whole label array; not read yet.
    plane : tuple of int
        Index along each of its axes before y and x.
    matrix, offset : ndarray, shape (2, 2) and (2,), float64
        Image (y, x) to label (y, x), px.
    shape : tuple of int
        (Y, X) of the image, px.
    """

    data: Any
    plane: Plane
    matrix: FloatArray
    offset: FloatArray
    shape: tuple[int, int]

    def mask(self) -> npt.NDArray[np.bool_] | None:
        """Read the labels and return which image pixels they mark.

        Returns
        -------
        ndarray of bool, shape (Y, X) of the image, or None
            None where the plane holds no label at all.

        Raises
        ------
        RoiError
            If there are labels, but none over the image.
        """
        marked = np.asarray(self.data[(*self.plane, slice(None), slice(None))]) != 0
        if not marked.any():
            return None
        same = np.allclose(self.matrix, np.eye(2), atol=1e-9)
        if same and np.allclose(self.offset, 0, atol=1e-6) and marked.shape == self.shape:
            return np.asarray(marked)
        inside = self._resample(marked)
        if not inside.any():
            raise RoiError("The labels of the ROI layer lie outside the image; draw them over it.")
        return inside

    def _resample(self, marked: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Return the nearest label pixel's mark for every image pixel in reach."""
        inside = np.zeros(self.shape, bool)
        (y0, y1), (x0, x1) = self._reach(marked.shape)
        if y0 >= y1 or x0 >= x1:
            return inside
        columns = np.arange(x0, x1)
        rows_at_once = max(1, _PIXELS_AT_ONCE // len(columns))
        for top in range(y0, y1, rows_at_once):
            rows = np.arange(top, min(y1, top + rows_at_once))[:, None]
            y, x = (
                np.floor(m[0] * rows + m[1] * columns + o + 0.5).astype(np.int64)
                for m, o in zip(self.matrix, self.offset, strict=True)
            )
            hit = (y >= 0) & (y < marked.shape[0]) & (x >= 0) & (x < marked.shape[1])
            hit[hit] = marked[y[hit], x[hit]]
            inside[rows[0, 0] : rows[-1, 0] + 1, x0:x1] = hit
        return inside

    def _reach(self, label_shape: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the part of the image that the label array can touch."""
        height, width = label_shape
        ends = np.array([(y, x) for y in (-0.5, height - 0.5) for x in (-0.5, width - 0.5)])
        corners = np.linalg.solve(self.matrix, (ends - self.offset).T).T
        low = np.clip(np.floor(corners.min(axis=0)), 0, self.shape).astype(int)
        high = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, self.shape).astype(int)
        return (int(low[0]), int(high[0])), (int(low[1]), int(high[1]))


@dataclasses.dataclass(frozen=True, eq=False)
class DrawnRoi:
    """What the ROI layer says about one image.

    Parameters
    ----------
    polygons : tuple of ndarray, shape (N, 2), float64, or None
        (y, x) vertices in image px.
    labels : LabelsRoi or None
        Both None: the whole image.
    remarks : tuple of str
        Sentences for the user.
    """

    polygons: tuple[FloatArray, ...] | None = None
    labels: LabelsRoi | None = None
    remarks: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether no ROI restricts the run."""
        return self.polygons is None and self.labels is None

    def split(self) -> tuple["DrawnRoi", ...]:
        """Return each shape as an ROI of its own, the remarks with the first."""
        if self.polygons is None or len(self.polygons) < 2:
            return (self,)
        return tuple(
            DrawnRoi(polygons=(one,), remarks=self.remarks if i == 0 else ())
            for i, one in enumerate(self.polygons)
        )


def read_roi(
    layer: "Shapes | Labels | None", image: "Image", view: View, *, plane: Plane | None = None
) -> DrawnRoi:
    """Return what an ROI layer of any kind says about an image; main thread only.

    Parameters
    ----------
    layer : napari.layers.Shapes, napari.layers.Labels or None
        None: the whole image.
    image, view, plane
        As for `read_shapes`.

    Raises
    ------
    RoiError
        If it cannot be an ROI of this image.
    """
    if layer is None:
        return DrawnRoi()
    if not isinstance(layer, Labels):
        return read_shapes(layer, image, view, plane=plane)
    height, width = level_zero(image).shape[image.ndim - 2 : image.ndim]
    return read_labels(layer, image, view, (int(height), int(width)))


def exact_data(shapes: "Shapes") -> list[FloatArray]:
    """Return the vertices of a layer as they were before napari rounded them to float32.

    Shapes that the user has changed since a file was read are as napari has them.
    """
    kept = [np.asarray(v, float) for v in shapes.metadata.get(EXACT_KEY, ())]
    rounded = {v.astype(np.float32).tobytes(): v for v in kept}
    return [
        rounded.get(np.asarray(v, np.float32).tobytes(), np.asarray(v, float)) for v in shapes.data
    ]


def read_shapes(
    shapes: "Shapes", image: "Image", view: View, *, plane: Plane | None = None
) -> DrawnRoi:
    """Turn drawn shapes into polygons in image pixels; main thread only.

    Parameters
    ----------
    shapes : napari.layers.Shapes
    image : napari.layers.Image
    view : View
    plane : tuple of int, optional
        Only this plane is to be processed: shapes that were drawn on it count alone,
        where there are any. Default: every shape counts for every plane.

    Returns
    -------
    DrawnRoi

    Raises
    ------
    RoiError
        If shapes are there, but none that has an area.
    """
    if len(shapes.data) == 0:
        return DrawnRoi(
            remarks=(f"ROI layer {shapes.name!r} is empty: the whole image is processed.",)
        )
    drawn: list[tuple[Plane, FloatArray]] = []
    open_shapes = turned = 0
    for vertices, kind in zip(exact_data(shapes), shapes.shape_type, strict=True):
        if str(kind) in {"line", "path"}:
            open_shapes += 1
            continue
        corners = _snap(map_points(vertices, shapes, image, view))
        lead = corners[:, :-2]
        if np.ptp(lead, axis=0).max(initial=0) > _FLATNESS:
            turned += 1
            continue
        outline = _outline(str(kind), corners[:, -2:])
        drawn.append((tuple(np.rint(lead.mean(axis=0)).astype(int).tolist()), outline))
    remarks = []
    if open_shapes:
        remarks.append(f"Skipped {open_shapes} line(s) or path(s): they have no area.")
    if turned:
        remarks.append(f"Skipped {turned} shape(s) that were not drawn in the y-x plane.")
    if not drawn:
        raise RoiError(
            f"ROI layer {shapes.name!r} holds no shape with an area in the y-x plane; "
            "draw a polygon, a rectangle or an ellipse."
        )
    stacked = image.ndim > 2 and shapes.ndim > 2
    if stacked and plane is not None and any(p == plane for p, _ in drawn):
        drawn = [(p, outline) for p, outline in drawn if p == plane]
    elif stacked:
        planes = sorted({p for p, _ in drawn})
        remarks.append(f"The ROI drawn on {_name_planes(planes)} is used for every plane.")
    return DrawnRoi(polygons=tuple(outline for _, outline in drawn), remarks=tuple(remarks))


def read_labels(labels: "Labels", image: "Image", view: View, shape: tuple[int, int]) -> DrawnRoi:
    """Describe a Labels layer as an ROI; main thread only, no pixel is read.

    Parameters
    ----------
    labels : napari.layers.Labels
        The plane that the viewer shows counts.
    image : napari.layers.Image
    view : View
    shape : tuple of int
        (Y, X) of the image, px.

    Returns
    -------
    DrawnRoi

    Raises
    ------
    RoiError
        If the labels stand on edge over the image.
    """
    data = level_zero(labels)
    here = view.coordinates_in(image)
    probes = np.repeat(here[None], 3, axis=0)
    probes[:, -2:] = (0, 0), (1, 0), (0, 1)
    origin, down, right = map_points(probes, image, labels, view)[:, -2:]
    matrix = np.stack([down - origin, right - origin], axis=1)
    if abs(np.linalg.det(matrix)) < 1e-12:
        raise RoiError(f"ROI layer {labels.name!r} does not lie in the plane of the image.")
    remarks: tuple[str, ...] = ()
    plane = view.plane_of(labels, data.shape)
    if labels.ndim > 2 and image.ndim > 2:
        remarks = (f"The labels of {_name_planes([plane])} are used for every plane.",)
    roi = LabelsRoi(data, plane, matrix, origin, shape)
    return DrawnRoi(labels=roi, remarks=remarks)


def _snap(points: FloatArray) -> FloatArray:
    """Undo napari's rounding of vertices to float32 where they were whole pixels.

    An edge through pixel centres would else select them or not as the rounding falls.
    """
    near = np.rint(points)
    return np.where(np.abs(points - near) < _SNAP_PX, near, points)


def _outline(kind: str, corners: FloatArray) -> FloatArray:
    """Return the polygon that a shape's vertices stand for."""
    return ellipse_in_box(corners) if kind == "ellipse" else corners


def _name_planes(planes: Iterable[Plane]) -> str:
    """Return planes as a user counts them along the sliders."""
    names = [", ".join(map(str, p)) for p in planes]
    return f"plane{'s' if len(names) > 1 else ''} {'; '.join(names)}"
