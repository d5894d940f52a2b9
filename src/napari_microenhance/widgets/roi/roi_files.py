"""ROI files as layers over an image, and layers as ROI files."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes

from napari_microenhance.contributions.layer_data import layer_shapes, shape_layers
from napari_microenhance.engine.cautions import Caution
from napari_microenhance.engine.selection import Indices
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import RoiError
from napari_microenhance.outputs import guard_inputs
from napari_microenhance.rois.outlines import is_rectangle
from napari_microenhance.rois.placing import indices_in
from napari_microenhance.rois.region_of_interest import runs
from napari_microenhance.rois.roi_formats import read_roi, read_shapes, write_shapes
from napari_microenhance.rois.shapes import Shape, shape_outline
from napari_microenhance.types import Float64Array
from napari_microenhance.widgets.roi.drawn_roi import EXACT_KEY, NOTES_KEY, exact_data, planes_of
from napari_microenhance.widgets.viewer.layer_values import (
    axes_of,
    level_zero,
    mixes,
    part_of,
    read_placement,
)
from napari_microenhance.widgets.viewer.view import View, map_points

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_microenhance.widgets.viewer.layer_values import LayerPlacement

__all__ = ["read_roi_file", "write_roi_file"]

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
    source = Source(level_zero(image), axes_of(image))
    shapes, notes = _read(path, source)
    drawn = [shape for shape in shapes if shape.kind != "point"]
    if not drawn:
        raise RoiError(f"{path.name} has only points; an ROI needs an area.")
    indices = [indices_in(shape.planes, source) for shape in drawn]
    if any(indices) or None in indices:
        placement = read_placement(image)
        lengths = dict(zip(source.axes[: image.ndim - 2], source.shape, strict=False))
        pairs = _on_planes(drawn, indices, lengths)
    else:
        placement = drawing_placement(image)
        lead = len(placement.scale) - 2
        pairs = [(shape, np.pad(shape.points, ((0, 0), (lead, 0)))) for shape in drawn]
    if not pairs:
        raise RoiError(f"All shapes of {path.name} lie on planes that the image does not have.")
    if None in indices:
        text = (
            f"{indices.count(None)} of {len(drawn)} shapes of {path.name} lie on planes that the "
            "image does not have and were left out."
        )
        notes = (*notes, Caution("roi-planes", text))
    # Where they lie says their planes from now on.
    free = [dataclasses.replace(shape, planes={}) for shape, _ in pairs]
    ((_, attributes, _),) = shape_layers(path.stem, free)
    vertices = [corners for _, corners in pairs]
    metadata = {EXACT_KEY: vertices, NOTES_KEY: notes}
    look = {**drawing_look(image), "edge_color": attributes["edge_color"]}
    return Shapes(
        vertices,
        **{**attributes, **look, **placement.to_kwargs(), "metadata": metadata},
    )


def _read(path: Path, source: Source) -> tuple[tuple[Shape, ...], tuple[Caution, ...]]:
    """Return the shapes of a file, and what is to be said about them."""
    height, width = source.spatial_shape[-2:]
    try:
        file = read_roi(path, image_shape=(height, width))
    except RoiError:
        # A file of lines alone can be drawn, though it encloses nothing.
        return read_shapes(path), ()
    if file.mask is not None:
        return read_shapes(path), ()  # which says that it holds none
    return file.shapes, (*file.notes, *(file.stack_notes if source.plane_axes else ()))


def _on_planes(
    drawn: Sequence[Shape], indices: Sequence[Indices | None], lengths: Mapping[str, int]
) -> list[tuple[Shape, Float64Array]]:
    """Return shapes with vertices on each of their planes, without those that have none."""
    return [
        (shape, np.hstack([lead, shape.points]))
        for shape, places in zip(drawn, indices, strict=True)
        if places is not None
        for lead in _leads(places, lengths, len(shape.points))
    ]


def _leads(indices: Indices, lengths: Mapping[str, int], count: int) -> list[Float64Array]:
    """Return coordinates before y and x that make vertices lie on all planes that are named.

    napari shows a shape on all planes between its vertices, so one shape is enough for planes
    that follow each other.

    Parameters
    ----------
    indices : mapping of str to tuple of int
        An axis that is not named counts whole.
    lengths : mapping of str to int
        Of the axes before y and x, in order.
    count : int
        Of vertices.
    """
    spans = [runs(indices.get(axis, tuple(range(n)))) for axis, n in lengths.items()]
    leads = []
    for span in itertools.product(*spans):
        lead = np.array([[last for _, last in span]] * count, float)
        lead[0] = [first for first, _ in span]
        leads.append(lead)
    return leads


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
        If the format cannot hold a shape, the file cannot be written, or it is the image's own
        or lies in its store.
    """
    if image.source.path is not None:
        guard_inputs(path, {f"image {image.name!r}": Path(image.source.path)}, name=path.name)
    if not isinstance(layer, Shapes):
        raise RoiError(
            "Only drawn shapes can be saved as an ROI file; save labels as an image with File "
            "> Save Selected Layers, which can be used as an ROI file, too."
        )
    if len(layer.data) == 0:
        raise RoiError(f"ROI layer {layer.name!r} is empty; draw a shape first.")
    placed = [map_points(v, layer, image, view) for v in exact_data(layer)]
    kinds = [str(kind) for kind in layer.shape_type]
    meta = {"shape_type": kinds, "features": layer.features}
    letters = axes_of(image)[: image.ndim - 2] if min(image.ndim, layer.ndim) > 2 else ""
    shapes = layer_shapes([corners[:, -2:] for corners in placed], meta)
    write_shapes(
        path,
        [
            dataclasses.replace(
                _true(shape), planes=planes_of(corners[:, :-2], letters) or shape.planes
            )
            for shape, corners in zip(shapes, placed, strict=True)
        ],
    )


def _true(shape: Shape) -> Shape:
    """Return a shape whose kind still holds; a slanted box is no rectangle's any more."""
    if shape.kind not in ("rectangle", "ellipse") or is_rectangle(shape.points):
        return shape
    outline = shape_outline(shape.kind, shape.points)
    return shape if outline is None else dataclasses.replace(shape, kind="polygon", points=outline)
