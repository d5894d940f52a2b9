"""The ROI that a Shapes or Labels layer draws, in the pixels of an image layer."""

import dataclasses
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels, Shapes

from napari_microenhance.contributions.layer_data import planes_from
from napari_microenhance.engine.cautions import Caution
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import RoiError
from napari_microenhance.rois.outlines import ellipse_in_box
from napari_microenhance.rois.placing import indices_in
from napari_microenhance.rois.region_of_interest import Roi
from napari_microenhance.rois.roi_file import RoiFile
from napari_microenhance.types import Float64Array
from napari_microenhance.widgets.roi.labels_roi import LabelsRoi, Plane
from napari_microenhance.widgets.viewer.layer_values import axes_of, level_zero
from napari_microenhance.widgets.viewer.view import View, map_points

if TYPE_CHECKING:
    from napari.layers import Image, Layer

__all__ = [
    "EXACT_KEY",
    "NOTES_KEY",
    "SHAPES",
    "DrawnRoi",
    "planes_of",
    "read_labels",
    "read_roi",
    "read_shapes",
]

EXACT_KEY = "microenhance-vertices"
"""Key in a Shapes layer's metadata of the vertices that a file gave, float64."""

NOTES_KEY = "microenhance-notes"
"""Key in a Shapes layer's metadata of the cautions about the file that it was read from."""

_FLATNESS = 0.5
_SNAP_PX = 1e-3
_LEAST_AREA_PX = 0.5
_LEAST_CORNERS = 3
_DRAWING = {"add_polygon", "add_polygon_lasso"}
_UNFINISHED = "shape that is still being drawn; double-click or press Escape to finish it."
SHAPES = "roi-layer"
"""Name of the cautions about a layer that is the ROI."""


@dataclasses.dataclass(frozen=True, eq=False)
class DrawnRoi:
    """What the ROI layer says about one image.

    Parameters
    ----------
    shapes : tuple of Roi or None
        Polygons in image px, each with the planes that it counts for.
    labels : LabelsRoi or None
        Both None: the whole image.
    remarks : tuple of Caution
        Sentences for the user.
    """

    shapes: tuple[Roi, ...] | None = None
    labels: LabelsRoi | None = None
    remarks: tuple[Caution, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether no ROI restricts the run."""
        return self.shapes is None and self.labels is None

    @property
    def polygons(self) -> tuple[Float64Array, ...] | None:
        """(y, x) vertices of all shapes, image px."""
        return None if self.shapes is None else tuple(np.asarray(s.shape) for s in self.shapes)

    def on_plane(self, source: Source, plane: Plane) -> "DrawnRoi":
        """Return what counts for one plane; empty `shapes` where none of them does.

        Parameters
        ----------
        source : Source
            The image.
        plane : tuple of int
            Index along each axis before y and x.
        """
        if self.labels is not None:
            return dataclasses.replace(self, labels=self.labels.on_plane(plane))
        if self.shapes is None:
            return self
        place = dict(zip(source.axes, plane, strict=False))
        places = [(shape, indices_in(shape.planes, source)) for shape in self.shapes]
        here = tuple(
            shape
            for shape, indices in places
            if indices is not None and all(place[axis] in found for axis, found in indices.items())
        )
        return dataclasses.replace(self, shapes=here)

    def read(self) -> RoiFile:
        """Return the same as an ROI file would say it; reads labels, any thread.

        Raises
        ------
        RoiError
            As `LabelsRoi.mask`.
        """
        if self.labels is None:
            return RoiFile(rois=self.shapes or (), notes=self.remarks)
        mask, cautions = self.labels.read()
        if mask is None:
            text = "The ROI layer has no labels: the whole image is processed."
            return RoiFile(notes=(*self.remarks, Caution(SHAPES, text)))
        return RoiFile(rois=(Roi(mask),), notes=(*self.remarks, *cautions))

    def split(self) -> tuple["DrawnRoi", ...]:
        """Return each shape as an ROI of its own, the remarks with the first."""
        if self.shapes is None or len(self.shapes) < 2:
            return (self,)
        return tuple(
            DrawnRoi(shapes=(one,), remarks=self.remarks if i == 0 else ())
            for i, one in enumerate(self.shapes)
        )


def read_roi(
    layer: "Shapes | Labels | None",
    image: "Image",
    view: View,
    *,
    classes: tuple[int, ...] = (),
) -> DrawnRoi:
    """Return what an ROI layer of any kind says about an image; main thread only.

    Parameters
    ----------
    layer : napari.layers.Shapes, napari.layers.Labels or None
        None: the whole image.
    image, view
        As for `read_shapes`.
    classes : tuple of int
        Labels that count; none named: all but 0.

    Raises
    ------
    RoiError
        If it cannot be an ROI of this image.
    """
    if layer is None:
        return DrawnRoi()
    if not isinstance(layer, Labels):
        return read_shapes(layer, image, view)
    return read_labels(layer, image, view, classes=classes)


def exact_data(shapes: "Shapes") -> list[Float64Array]:
    """Return the vertices of a layer as they were before napari rounded them to float32.

    Shapes that the user has changed since a file was read are as napari has them.
    """
    kept = [np.asarray(v, float) for v in shapes.metadata.get(EXACT_KEY, ())]
    rounded = {v.astype(np.float32).tobytes(): v for v in kept}
    return [
        rounded.get(np.asarray(v, np.float32).tobytes(), np.asarray(v, float)) for v in shapes.data
    ]


def read_shapes(shapes: "Shapes", image: "Image", view: View) -> DrawnRoi:
    """Turn drawn shapes into polygons in image pixels; main thread only.

    A shape of a layer with axes of planes counts for the plane that it was drawn on, or for
    all those that it spans; a shape of y and x alone counts for every plane.

    Parameters
    ----------
    shapes : napari.layers.Shapes
    image : napari.layers.Image
    view : View

    Returns
    -------
    DrawnRoi

    Raises
    ------
    RoiError
        If shapes are there, but none that has an area.
    """
    if len(shapes.data) == 0:
        return _whole(f"ROI layer {shapes.name!r} is empty: the whole image is processed.")
    letters = axes_of(image)[: image.ndim - 2] if min(image.ndim, shapes.ndim) > 2 else ""
    cells = _planes_column(shapes)
    read = [
        _read_shape(str(kind), _snap(map_points(vertices, shapes, image, view)), letters, cell)
        for vertices, kind, cell in zip(exact_data(shapes), shapes.shape_type, cells, strict=True)
    ]
    begun = str(shapes.shape_type[-1]) == "path" and str(shapes.mode) in _DRAWING
    if begun or _corners(shapes):
        read[-1] = _UNFINISHED
    drawn = tuple(one for one in read if isinstance(one, Roi))
    left_out = Counter(one for one in read if isinstance(one, str))
    remarks = [f"Skipped {count} {why}" for why, count in left_out.items()]
    tabled = sum(bool(cell) for cell in cells)
    if tabled and image.ndim > 2:
        remarks.append(
            f"{tabled} of {len(read)} shapes apply to the planes in the layer's column 'planes'."
        )
    spanning = not tabled and sum(any(len(i) > 1 for i in one.planes.values()) for one in drawn)
    if spanning:
        remarks.append(
            f"{spanning} of {len(read)} shapes span several planes and apply to each of them."
        )
    if not drawn and left_out[_UNFINISHED]:
        raise RoiError(_still_drawn(shapes))
    if not drawn:
        raise RoiError(
            f"ROI layer {shapes.name!r} has no shape with an area in the y-x plane; draw a "
            "polygon, a rectangle or an ellipse."
        )
    said = tuple(Caution(SHAPES, text) for text in remarks)
    return DrawnRoi(drawn, remarks=(*shapes.metadata.get(NOTES_KEY, ()), *said))


def _planes_column(shapes: "Shapes") -> list[str]:
    """Return what a table of features says about planes, for layers that lie on none."""
    column = shapes.features.get("planes") if shapes.ndim == 2 else None
    if column is None:
        return [""] * len(shapes.data)
    return ["" if cell is None or cell != cell else str(cell) for cell in column]


def _read_shape(kind: str, corners: Float64Array, letters: str, cell: str) -> Roi | str:
    """Return one shape with its planes, or why it is left out.

    Parameters
    ----------
    kind : str
        As napari names it.
    corners : ndarray, shape (N, axes of planes + 2), float64
        Image px.
    letters : str
        Of the axes of planes; empty where they do not say a plane.
    cell : str
        What a table says about its planes.
    """
    if kind in {"line", "path"}:
        return "line(s) or path(s): they have no area."
    outline = _outline(kind, corners[:, -2:])
    planes = planes_of(corners[:, :-2], letters)
    if corners.shape[1] > 2 and _area(outline) < _LEAST_AREA_PX:
        return "shape(s) that were not drawn in the y-x plane."
    if any(indices[0] < 0 for indices in planes.values()):
        return "shape(s) that lie before the first plane of the image."
    return Roi(outline, planes or planes_from(cell))


def read_labels(
    labels: "Labels", image: "Image", view: View, *, classes: tuple[int, ...] = ()
) -> DrawnRoi:
    """Describe a Labels layer as an ROI; main thread only, no pixel is read.

    Where its planes lie on those of the image, each counts for its own; else the plane that the
    viewer shows counts for all.

    Parameters
    ----------
    labels : napari.layers.Labels
    image : napari.layers.Image
    view : View
    classes : tuple of int
        Labels that count; none named: all but 0.

    Returns
    -------
    DrawnRoi

    Raises
    ------
    RoiError
        If the labels stand on edge over the image.
    """
    data = level_zero(labels)
    shape = tuple(int(n) for n in level_zero(image).shape[: image.ndim])
    here = view.coordinates_in(image)
    probes = np.repeat(here[None], 3, axis=0)
    probes[:, -2:] = (0, 0), (1, 0), (0, 1)
    origin, down, right = map_points(probes, image, labels, view)[:, -2:]
    matrix = np.stack([down - origin, right - origin], axis=1)
    if abs(np.linalg.det(matrix)) < 1e-12:
        raise RoiError(f"ROI layer {labels.name!r} does not lie in the plane of the image.")
    remarks: tuple[Caution, ...] = ()
    in_sight = view.plane_of(labels, data.shape)
    plane: Plane | None = in_sight
    if min(labels.ndim, image.ndim) > 2:
        if tuple(data.shape[:-2]) == shape[:-2] and _planes_agree(labels, image, view):
            plane = None
        else:
            text = f"The labels of {_name_planes([in_sight])} are used for every plane."
            remarks = (Caution(SHAPES, text),)
    roi = LabelsRoi(data, plane, matrix, origin, (shape[-2], shape[-1]), classes, str(labels.name))
    return DrawnRoi(labels=roi, remarks=remarks)


def _whole(text: str) -> DrawnRoi:
    """Return the whole image, and why."""
    return DrawnRoi(remarks=(Caution(SHAPES, text),))


def planes_of(lead: Float64Array, letters: str) -> dict[str, tuple[int, ...]]:
    """Return the planes that vertices lie on, by axis.

    Parameters
    ----------
    lead : ndarray, shape (N, axes of planes), float64
        Along the axes before y and x, px.
    letters : str
        Of these axes; empty where they do not say a plane.
    """
    if not letters:
        return {}
    low, high = np.rint(lead.min(axis=0)), np.rint(lead.max(axis=0))
    # A plane that is turned a little is one plane still.
    flat = np.ptp(lead, axis=0) <= _FLATNESS
    middle = np.rint(lead.mean(axis=0))
    low, high = np.where(flat, middle, low), np.where(flat, middle, high)
    spans = zip(letters, low.tolist(), high.tolist(), strict=True)
    return {axis: tuple(range(int(first), int(last) + 1)) for axis, first, last in spans}


def _planes_agree(labels: "Labels", image: "Image", view: View) -> bool:
    """Return whether equal indices before y and x mean equal planes, everywhere."""
    corners = np.zeros((image.ndim + 1, image.ndim))
    corners[1:] = np.eye(image.ndim)
    there = map_points(corners, image, labels, view)[:, :-2]
    return bool(np.allclose(there, corners[:, :-2], atol=_SNAP_PX))


def _area(outline: Float64Array) -> float:
    """Return the area that a polygon encloses, px."""
    y, x = outline[:, 0], outline[:, 1]
    return float(abs(np.dot(y, np.roll(x, 1)) - np.dot(x, np.roll(y, 1))) / 2)


def _snap(points: Float64Array) -> Float64Array:
    """Undo napari's rounding of vertices to float32 where they were whole pixels.

    An edge through pixel centres would else select them or not as the rounding falls.
    """
    near = np.rint(points)
    return np.where(np.abs(points - near) < _SNAP_PX, near, points)


def _outline(kind: str, corners: Float64Array) -> Float64Array:
    """Return the polygon that a shape's vertices stand for."""
    return ellipse_in_box(corners) if kind == "ellipse" else corners


def _name_planes(planes: Iterable[Plane]) -> str:
    """Return planes as a user counts them along the sliders."""
    names = [", ".join(map(str, p)) for p in planes]
    return f"plane{'s' if len(names) > 1 else ''} {'; '.join(names)}"


def finish_drawing(layer: "Layer | None") -> None:
    """Close the polygon that is being drawn, as a double click does; the user can go on drawing.

    One with less than three corners stays as it is.

    Parameters
    ----------
    layer : napari.layers.Layer or None
        The ROI.
    """
    if isinstance(layer, Shapes) and _corners(layer) >= _LEAST_CORNERS:
        # As the Escape key does; a change of the mode would keep the vertex at the cursor.
        layer._finish_drawing()


def _corners(shapes: Shapes) -> int:
    """Return the number of corners of the polygon that is being drawn; 0 where none is."""
    # napari has no public word for it: from the second corner on, the shape is a polygon like
    # any other, but for its last vertex, which follows the cursor.
    drawing = getattr(shapes, "_is_creating", False) and str(shapes.mode) in _DRAWING
    if not drawing or not shapes.data:
        return 0
    return len(np.unique(np.asarray(shapes.data[-1])[:-1], axis=0))


def _still_drawn(shapes: Shapes) -> str:
    """Return how to finish what is being drawn."""
    corners = _corners(shapes)
    if 0 < corners < _LEAST_CORNERS:
        return (
            f"The ROI has {corners} corner{'s' * (corners > 1)} so far; click at least "
            f"{_LEAST_CORNERS}, then double-click to close it."
        )
    return "The ROI is still being drawn; double-click or press Escape to finish it."
