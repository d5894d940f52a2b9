"""ROI files as layers over an image, and layers as ROI files."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes

from napari_microenhance.contributions.layer_data import layer_shapes, shape_layers
from napari_microenhance.errors import RoiError
from napari_microenhance.rois.outlines import is_rectangle
from napari_microenhance.rois.roi_formats import read_shapes, write_shapes
from napari_microenhance.rois.shapes import Shape, shape_outline
from napari_microenhance.widgets.roi.drawn_roi import EXACT_KEY, exact_data
from napari_microenhance.widgets.viewer.layer_values import (
    level_zero,
    mixes,
    part_of,
    read_placement,
)
from napari_microenhance.widgets.viewer.view import View, map_points

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_microenhance.widgets.viewer.layer_values import LayerPlacement

__all__ = ["drawing_look", "drawing_placement", "read_roi_file", "write_roi_file"]

_LINES = 250
"""An outline is as thick as this part of the image's longer side."""


def drawing_placement(image: "Image") -> "LayerPlacement":
    """Return where shapes lie whose coordinates are the pixels of an image.

    On a stack, shapes of y and x alone are seen on every plane; they have all axes only
    where the image's transform mixes them.
    """
    placement, spatial = read_placement(image), (image.ndim - 2, image.ndim - 1)
    return placement if mixes(placement, spatial) else part_of(placement, spatial)


def drawing_look(image: "Image") -> dict[str, Any]:
    """Return how shapes on an image look: open inside, lines that fit its size."""
    longer = max(level_zero(image).shape[: image.ndim][-2:])
    return {
        "edge_color": "yellow",
        "face_color": "transparent",
        "edge_width": max(1, round(longer / _LINES)),
    }


def read_roi_file(path: Path, image: "Image") -> Shapes:
    """Read an ROI file as a layer that lies over an image.

    Parameters
    ----------
    path : Path
        labelme JSON, GeoJSON, ImageJ .roi or .zip, or napari's CSV.
    image : napari.layers.Image

    Returns
    -------
    napari.layers.Shapes
        Not in a viewer yet; its metadata keeps the vertices as the file has them.

    Raises
    ------
    FileMissingError
        If nothing is there.
    RoiError
        If it is of another kind, damaged, or holds points alone.
    """
    drawn = [shape for shape in read_shapes(path) if shape.kind != "point"]
    if not drawn:
        raise RoiError(f"{path.name} holds no shape but points; an ROI needs an area.")
    ((data, attributes, _),) = shape_layers(path.stem, drawn)
    placement = drawing_placement(image)
    lead = len(placement.scale) - 2
    vertices = [np.pad(points, ((0, 0), (lead, 0))) for points in data]
    look = {**drawing_look(image), "edge_color": attributes["edge_color"]}
    return Shapes(
        vertices,
        **{**attributes, **look, **placement.to_kwargs(), "metadata": {EXACT_KEY: vertices}},
    )


def write_roi_file(path: Path, layer: "Layer", image: "Image", view: View) -> None:
    """Write the shapes of a layer in the pixels of an image.

    Parameters
    ----------
    path : Path
        The suffix says the format, see `io.rois.write_shapes`.
    layer : napari.layers.Layer
        The ROI.
    image : napari.layers.Image
    view : View

    Raises
    ------
    RoiError
        If the layer holds no shapes.
    OutputError
        If the format cannot hold a shape, or the file cannot be written.
    """
    if not isinstance(layer, Shapes):
        raise RoiError(
            "Only drawn shapes are saved as an ROI file; save labels as an image with File > "
            "Save Selected Layers, which is an ROI file too."
        )
    if len(layer.data) == 0:
        raise RoiError(f"ROI layer {layer.name!r} is empty; draw a shape first.")
    placed = [map_points(v, layer, image, view)[:, -2:] for v in exact_data(layer)]
    kinds = [str(kind) for kind in layer.shape_type]
    meta = {"shape_type": kinds, "features": layer.features}
    write_shapes(path, [_true(shape) for shape in layer_shapes(placed, meta)])


def _true(shape: Shape) -> Shape:
    """Return a shape whose kind still holds; a slanted box is no rectangle's any more."""
    if shape.kind not in ("rectangle", "ellipse") or is_rectangle(shape.points):
        return shape
    outline = shape_outline(shape.kind, shape.points)
    return shape if outline is None else dataclasses.replace(shape, kind="polygon", points=outline)
