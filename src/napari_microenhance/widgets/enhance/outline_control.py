"""The grown ROI and the inner edge of its feather, drawn over the image while they are chosen."""

import logging
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from napari.layers import Shapes
from psygnal import Signal

from napari_microenhance.engine.source import Source
from napari_microenhance.errors import MicroEnhanceError
from napari_microenhance.widgets.background.background_job import BackgroundJob
from napari_microenhance.widgets.roi.drawn_roi import read_roi
from napari_microenhance.widgets.roi.labels_roi import parse_labels
from napari_microenhance.widgets.roi.roi_files import drawing_look, drawing_placement
from napari_microenhance.widgets.roi.tracing import Ring, Traced, trace
from napari_microenhance.widgets.viewer.layer_values import (
    axes_of,
    level_zero,
    place_in,
    restore_selection,
)
from napari_microenhance.widgets.viewer.live import LIVE_KEY
from napari_microenhance.widgets.viewer.view import read_view

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image
    from qtpy.QtCore import QObject

    from napari_microenhance.widgets.background.call_worker import Call
    from napari_microenhance.widgets.enhance.enhance_fields import EnhanceFields
    from napari_microenhance.widgets.enhance.layer_control import LayerControl

__all__ = ["OutlineControl"]

LOGGER = logging.getLogger(__name__)

GROWN = "#56b4e9"
INNER = "#cc79a7"

_DELAY_MS = 120


class OutlineControl:
    """Keeps a layer of outlines up to date; main thread only.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    fields : EnhanceFields
        Image, ROI, growth and feather.
    layers : LayerControl
    parent : QObject or None
        With it, tracing ends.
    """

    drawn = Signal()
    """The outlines are those of the fields as they are now; or there are none."""

    def __init__(
        self,
        viewer: "ViewerModel",
        fields: "EnhanceFields",
        layers: "LayerControl",
        parent: "QObject | None",
    ) -> None:
        self._viewer, self._fields = viewer, fields
        self._layer: Shapes | None = None
        self._image: Image | None = None
        # Tracing cannot be stopped: a request waits for the one that goes on.
        self._job = BackgroundJob(parent, delay_ms=_DELAY_MS, waits=True)
        self._job.failed.connect(self._on_failed)
        options = fields.options
        for field in (fields.image, fields.roi_label, options["dilate"], options["feather"]):
            field.changed.connect(self._on_changed)
        layers.roi_watch.changed.connect(self._on_changed)
        viewer.dims.events.current_step.connect(self._on_changed)

    def drop(self) -> None:
        """Take the outlines away and draw none until something changes."""
        self._job.drop()
        self._remove()

    def _on_changed(self, _: object = None) -> None:
        """Draw anew, once the user pauses."""
        if self._is_wanted or self._layer is not None:
            self._job.request(self._read, self._on_traced)

    @property
    def _is_wanted(self) -> bool:
        """Whether there is more to see than the drawn shapes."""
        fields = self._fields
        touched = fields.options["dilate"].value > 0 or fields.options["feather"].value > 0
        return bool(touched and fields.image.value is not None and fields.roi.value is not None)

    def _read(self) -> "Call[Traced | None] | None":
        """Read the fields and the ROI; what is wrong with it a run will tell."""
        traced = self._call() if self._is_wanted else None
        if traced is None:
            self._remove()
            self.drawn.emit()
        return traced

    def _call(self) -> "Call[Traced | None] | None":
        """Return what traces the ROI as it is now; None where it is no ROI of the image."""
        fields, options = self._fields, self._fields.options
        image = self._image = fields.image.value
        view = read_view(self._viewer)
        shape = level_zero(image).shape
        height, width = shape[image.ndim - 2 : image.ndim]
        plane = view.plane_of(image, shape)
        try:
            classes = parse_labels(fields.roi_label.value)
            roi = read_roi(fields.roi.value, image, view, classes=classes)
            roi = roi.on_plane(Source(level_zero(image), axes_of(image)), plane)
        except MicroEnhanceError:
            return None
        dilate, feather = options["dilate"].value, options["feather"].value
        return lambda _: trace(roi, (int(height), int(width)), dilate=dilate, feather=feather)

    def _on_traced(self, traced: Traced | None) -> None:
        """Show what was traced."""
        if traced is None or not self._is_wanted:
            self._remove()
        else:
            self._show(traced)
        self.drawn.emit()

    def _on_failed(self, error: Exception) -> None:
        """Draw nothing; what is wrong with the ROI a run will tell."""
        if not isinstance(error, MicroEnhanceError):
            LOGGER.error("ROI outline", exc_info=error)
        self._on_traced(None)

    def _show(self, traced: Traced) -> None:
        """Put the outlines over the image, below the ROI."""
        image, layers = self._image, self._viewer.layers
        # A comparison arranges the layers that are there; a new one would disturb it.
        if image not in layers or (self._layer is None and self._viewer.canvas.grid.enabled):
            return
        placement = drawing_placement(image)
        lead = read_view(self._viewer).coordinates_in(image)[: len(placement.scale) - 2]
        paths = [_stacked(ring, lead) for ring in (*traced.grown, *traced.inner)]
        colours = [GROWN] * len(traced.grown) + [INNER] * len(traced.inner)
        meta = placement.to_kwargs()
        width = max(1, drawing_look(image)["edge_width"] / 2)
        if self._layer is not None and self._layer in layers:
            if self._layer.ndim == len(placement.scale):
                self._layer.data = [(path, "path") for path in paths]
                self._layer.edge_color = colours
                self._layer.edge_width = width
                for name in ("units", "scale", "translate", "rotate", "shear", "affine"):
                    setattr(self._layer, name, meta[name])
                return
            self._remove()
        self._layer = Shapes(
            paths,
            shape_type="path",
            edge_color=colours,
            edge_width=width,
            face_color="transparent",
            name="dilated ROI and feather",
            metadata={LIVE_KEY: True},
            **meta,
        )
        self._layer.editable = False
        self._insert(self._layer)

    def _insert(self, layer: Shapes) -> None:
        """Add the layer, and let the user go on drawing in the one that was active."""
        layers, roi = self._viewer.layers, self._fields.roi.value
        selected, active = set(layers.selection), layers.selection.active
        mode = getattr(active, "mode", None)
        layers.insert(place_in(layers, roi), layer)
        restore_selection(layers, selected)
        if active is not None and active in layers:
            layers.selection.active = active
            if mode is not None and str(active.mode) != str(mode):
                active.mode = mode

    def _remove(self) -> None:
        """Take the layer out of the viewer; harmless when it is gone."""
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)


def _stacked(ring: Ring, lead: npt.NDArray[np.float64]) -> Ring:
    """Return a ring with the coordinates of a plane before y and x."""
    return np.hstack([np.broadcast_to(lead, (len(ring), len(lead))), ring])
