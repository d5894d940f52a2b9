"""Original and result in two cells of the canvas, moved by one camera."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Shapes

from napari_microenhance.widgets.compare.layer_pair import LayerPair, link
from napari_microenhance.widgets.viewer.layer_values import bare, read_placement
from napari_microenhance.widgets.viewer.live import LIVE_KEY

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_microenhance.widgets.compare.viewer_changes import ViewerChanges

__all__ = ["SideBySide"]


class SideBySide:
    """Turns the viewer's grid on for a pair; the lower one of the layer list stands left.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    pair : LayerPair
    changes : ViewerChanges
    give_up : callable
        Not called: nothing goes wrong later on.
    """

    def __init__(
        self,
        viewer: "ViewerModel",
        pair: LayerPair,
        changes: "ViewerChanges",
        give_up: Callable[[Exception], None],
    ) -> None:
        del give_up
        layers = [bare(layer) for layer in viewer.layers]
        wanted = [pair.original, pair.result]
        roi = None if pair.roi is None else bare(pair.roi)
        # The third layer of a grid of two cells goes into the first cell again.
        if roi in layers and roi is not None and roi.visible:
            places = [layers.index(layer) for layer in (*wanted, roi)]
            wanted += [roi] if places == sorted(places) else []
        top = max(wanted, key=layers.index)
        _split(viewer, changes)
        changes.hide(layer for layer in layers if layer not in wanted)
        for layer in wanted:
            changes.set(layer, "visible", True)
        for layer in (pair.original, pair.result):
            changes.name_cell(layer)
        if isinstance(roi, Shapes) and roi in layers and roi.data:
            # The third place is that of the first cell, the fourth that of the second.
            for _ in range(4 - len(wanted)):
                changes.add(_outline(roi), (top,))
        link(changes, pair)


def _outline(roi: Shapes) -> Shapes:
    """Return the outlines of an ROI as a layer that is only looked at."""
    made = Shapes(
        list(roi.data),
        shape_type=list(roi.shape_type),
        ndim=roi.ndim,
        edge_color=roi.edge_color,
        edge_width=list(roi.edge_width),
        face_color="transparent",
        opacity=roi.opacity,
        name=f"{roi.name} (outline)",
        metadata={LIVE_KEY: True},
        **read_placement(roi).to_kwargs(),
    )
    made.editable = False
    return made


def _split(viewer: "ViewerModel", changes: "ViewerChanges") -> None:
    """Cut the canvas in two and set the camera back.

    As much of the image stays visible, though a cell is narrower.
    """
    canvas, layers, camera = viewer.canvas, viewer.layers, viewer.scene.camera
    whole = np.array(canvas.viewbox_size(layers), float)
    grid = canvas.grid
    for name, value in (("stride", 1), ("shape", (1, 2)), ("spacing", 0.0), ("enabled", True)):
        changes.set(grid, name, value)
    shrunk = float((np.array(canvas.viewbox_size(layers), float) / whole).min())
    before = camera.zoom
    camera.zoom *= shrunk
    changes.callback(_zoom_back, viewer, before, camera.zoom)


def _zoom_back(viewer: "ViewerModel", before: float, ours: float) -> None:
    """Set the camera forward again, wherever the user has moved it."""
    camera = viewer.scene.camera
    camera.zoom = before if camera.zoom == ours else camera.zoom * before / ours
