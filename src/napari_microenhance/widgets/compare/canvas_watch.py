"""Tells when the canvas shows more of a layer, or another plane of it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_microenhance.errors import ImageError
from napari_microenhance.widgets.compare.visible_part import (
    VisiblePart,
    check_flat,
    plane_shape,
    read_visible_part,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_microenhance.widgets.compare.viewer_changes import ViewerChanges

__all__ = ["CanvasWatch"]


class CanvasWatch:
    """Watches camera and sliders until the changes are undone.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    layer : napari.layers.Layer
    changes : ViewerChanges
    show : callable
        Gets the `VisiblePart` that is to be shown, or None; once per part.
    give_up : callable
        Gets the error where the canvas shows no planes any more.
    """

    def __init__(
        self,
        viewer: "ViewerModel",
        layer: "Layer",
        changes: "ViewerChanges",
        show: Callable[[VisiblePart | None], None],
        give_up: Callable[[Exception], None],
    ) -> None:
        self._viewer, self._layer = viewer, layer
        self._show, self._give_up = show, give_up
        self._part: VisiblePart | None = None
        camera, dims = viewer.scene.camera.events, viewer.dims.events
        for event in (camera.zoom, camera.center, dims.current_step, dims.ndisplay, dims.order):
            event.connect(self.look)
            changes.callback(event.disconnect, self.look)

    def look(self, _: object = None) -> None:
        """Look at the canvas, and have shown what is new."""
        try:
            check_flat(self._viewer)
        except ImageError as error:
            self._give_up(error)
            return
        part = read_visible_part(self._viewer, self._layer)
        before = self._part
        if part is not None and before is not None and before.covers(part):
            return
        self._part = part and part.widened(plane_shape(self._layer))
        if self._part != before or before is None:
            self._show(self._part)
