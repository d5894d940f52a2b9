"""A line drawn over an image, and who wants to know where it lies."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from napari.layers import Shapes
from psygnal import Signal
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer

from napari_microenhance.widgets.roi.roi_files import drawing_look, drawing_placement
from napari_microenhance.widgets.viewer.live import LIVE_KEY
from napari_microenhance.widgets.viewer.view import map_points, read_view

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image
    from napari.utils.events import Event

__all__ = ["DrawnLine"]

_PAUSE_MS = 80
"""A line that is dragged is looked at this often at most."""

_COLOUR = "#56b4e9"
_LINES = ("line", "path")


class DrawnLine:
    """A Shapes layer with a line; tells when the line is drawn or moved.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    parent : QObject
        Owner of the timer.
    """

    moved = Signal()
    """The line, or the plane that is looked at, is another one."""

    def __init__(self, viewer: "ViewerModel", parent: QObject) -> None:
        self._viewer = viewer
        self.layer: Shapes | None = None
        self._pause = QTimer(parent)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self.moved.emit)
        viewer.dims.events.current_step.connect(self._on_changed)
        viewer.layers.events.removed.connect(self._on_removed)

    def draw_over(self, image: "Image") -> Shapes:
        """Let the user draw a line over an image, in a layer that is added once."""
        if self.layer is None or self.layer not in self._viewer.layers:
            self.layer = self._added(image)
        self._viewer.layers.selection.active = self.layer
        self.layer.mode = "add_line"
        return self.layer

    def vertices_in(self, image: "Image") -> npt.NDArray[np.float64] | None:
        """Return the (y, x) of the line that was drawn last, image px; None without one."""
        if self.layer is None:
            return None
        kinds = list(self.layer.shape_type)
        lines = [d for d, kind in zip(self.layer.data, kinds, strict=True) if kind in _LINES]
        if not lines:
            return None
        points = map_points(lines[-1], self.layer, image, read_view(self._viewer))[:, -2:]
        return points if np.ptp(points, axis=0).any() else None

    def _added(self, image: "Image") -> Shapes:
        """Return a new layer whose coordinates are the image's pixels."""
        placement = drawing_placement(image)
        shapes = Shapes(
            ndim=len(placement.scale),
            name=f"Profile of {image.name}",
            metadata={LIVE_KEY: True},
            **placement.to_kwargs(),
            **drawing_look(image) | {"edge_color": _COLOUR},
        )
        self._viewer.add_layer(shapes)
        shapes.events.data.connect(self._on_changed)
        shapes.events.set_data.connect(self._on_changed)
        return shapes

    def _on_removed(self, event: "Event") -> None:
        """Let go of the layer."""
        if self.layer is not None and self.layer == event.value:
            self._on_changed()
            self.layer = None

    def _on_changed(self, _: object = None) -> None:
        """Wait for a pause in the movement."""
        alive = isalive(self._pause)  # type: ignore[no-untyped-call]
        if alive and self.layer is not None and not self._pause.isActive():
            self._pause.start()
