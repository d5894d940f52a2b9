"""The dock's choice of layers: follows the viewer, and chooses what is sensible."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from napari.layers import Image, Labels, Layer, Shapes
from psygnal import Signal

from napari_microenhance.widgets.enhance.outcome.undo_step import Noting
from napari_microenhance.widgets.viewer.layer_values import is_result
from napari_microenhance.widgets.viewer.layer_watch import LayerWatch
from napari_microenhance.widgets.viewer.live import is_helper

if TYPE_CHECKING:
    from napari.components import LayerList, ViewerModel
    from napari.utils.events import Event

    from napari_microenhance.widgets.enhance.enhance_fields import EnhanceFields

__all__ = ["LayerControl"]


def offered_images(layers: "LayerList") -> list[tuple[str, Layer]]:
    """Return the names and layers that can be enhanced."""
    images = [layer for layer in layers if isinstance(layer, Image)]
    return [(layer.name, layer) for layer in images if not is_helper(layer)]


def offered_rois(layers: "LayerList") -> list[tuple[str, Layer]]:
    """Return the names and layers that can hold an ROI."""
    found = [layer for layer in layers if isinstance(layer, Shapes | Labels)]
    return [(layer.name, layer) for layer in found if not is_helper(layer)]


class LayerControl:
    """Keeps the two choosers of layers, and what depends on them, up to date.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    fields : EnhanceFields
    noting : callable, optional
        Gets a name; what is done in the context that it returns can be taken back.

    Attributes
    ----------
    image_watch, roi_watch : LayerWatch
        Tell when the chosen layer, its content or its place has changed.
    """

    result_changed = Signal(object)
    """The result that is selected, or the topmost one, or None: it may be another one."""

    def __init__(
        self, viewer: "ViewerModel", fields: "EnhanceFields", noting: Noting | None = None
    ) -> None:
        self._viewer, self._fields = viewer, fields
        self._noting: Noting = noting or (lambda _: nullcontext())
        self._is_ours = False
        self._chosen: set[str] = set()
        self.image_watch, self.roi_watch = LayerWatch(), LayerWatch()
        fields.image.changed.connect(self.image_watch.follow)
        fields.roi.changed.connect(self.roi_watch.follow)
        self.roi_watch.changed.connect(self._show_parts)
        fields.image.changed.connect(self._on_image)
        fields.roi.changed.connect(self._on_roi)
        # Choosing what is shown already changes nothing, and is a choice all the same.
        fields.image.native.activated.connect(self._on_image_activated)
        fields.roi.native.activated.connect(self._on_roi_activated)
        fields.use_as_roi.changed.connect(self._on_use_as_roi)
        fields.each_shape.visible = fields.roi_label.visible = False
        layers = viewer.layers
        layers.events.inserted.connect(self._on_inserted)
        layers.events.removed.connect(self._on_removed)
        layers.events.reordered.connect(self.offer)
        layers.events.renamed.connect(self.offer)
        layers.selection.events.active.connect(self._on_active)
        self._set_defaults()
        self._show_planes()
        self._show_offers()

    def offer(self, _: object = None) -> None:
        """Offer the layers that are there now."""
        self._fields.image.reset_choices()
        self._fields.roi.reset_choices()

    def result(self) -> Layer | None:
        """Return the result that is selected, or the topmost one."""
        return self._picked([layer for layer in self._viewer.layers if is_result(layer)])

    def _labels_result(self) -> Layer | None:
        """Return the result of labels that is selected, or the topmost one."""
        results = [layer for layer in self._viewer.layers if is_result(layer)]
        return self._picked([layer for layer in results if isinstance(layer, Labels)])

    def _picked(self, layers: list[Layer]) -> Layer | None:
        """Return the layer that is selected, or the topmost one."""
        active = self._viewer.layers.selection.active
        chosen = [layer for layer in layers if active is not None and layer == active]
        return (chosen or layers or [None])[-1]

    def _on_use_as_roi(self) -> None:
        """Mark what to enhance with the labels of a result."""
        labels = self._labels_result()
        if labels is not None:
            with self._noting("Use as ROI"):
                self._fields.roi.reset_choices()
                self._fields.roi.value = labels

    @contextmanager
    def _by_default(self) -> Iterator[None]:
        """Mark choices made meanwhile as ours, not the user's."""
        before, self._is_ours = self._is_ours, True
        try:
            yield
        finally:
            self._is_ours = before

    def _set_defaults(self, *, anew: bool = False) -> None:
        """Choose the active image and the most recent Shapes layer, unless the user chose.

        `anew`: what is chosen now came in the place of a layer that is gone.
        """
        layers, fields = self._viewer.layers, self._fields
        with self._by_default():
            if "image" not in self._chosen:
                active = layers.selection.active
                ours = [image for _, image in offered_images(layers) if not is_result(image)]
                before = None if anew and ours else fields.image.value
                pick = active if any(active == layer for layer in ours) else before
                if pick is None and ours:
                    pick = ours[-1]
                if pick is not None:
                    fields.image.value = pick
            if "roi" not in self._chosen and fields.roi.value is None:
                shapes = [s for _, s in offered_rois(layers) if isinstance(s, Shapes)]
                if shapes:
                    fields.roi.value = shapes[-1]

    def _on_inserted(self, event: "Event") -> None:
        """Offer a new layer; a new Shapes layer is the ROI unless the user chose one."""
        with self._by_default():
            self.offer()
            drawn = isinstance(event.value, Shapes) and not is_helper(event.value)
            if drawn and "roi" not in self._chosen:
                self._fields.roi.value = event.value

    def _on_removed(self, event: "Event") -> None:
        """Forget a layer."""
        gone = {n for n in ("image", "roi") if getattr(self._fields, n).value == event.value}
        self._chosen -= gone
        with self._by_default():
            self.offer()
        if "image" in gone:
            self._set_defaults(anew=True)
        self._show_offers()

    def _on_active(self, _: object) -> None:
        """Follow the user to another image."""
        self._set_defaults()
        self._show_offers()

    def _on_image_activated(self, _: int) -> None:
        """Note the user's choice."""
        self._chosen.add("image")

    def _on_roi_activated(self, _: int) -> None:
        """Note the user's choice."""
        self._chosen.add("roi")

    def _on_image(self, _: object) -> None:
        """Note the user's choice, and offer planes only where there are some."""
        if not self._is_ours:
            self._chosen.add("image")
        self._show_planes()

    def _on_roi(self, _: object) -> None:
        """Note the user's choice."""
        if not self._is_ours:
            self._chosen.add("roi")

    def _show_planes(self) -> None:
        """Offer planes only where there are some."""
        image = self._fields.image.value
        planes, has_some = self._fields.options["planes"], image is not None and image.ndim > 2
        planes.enabled = has_some
        row = planes.native.parentWidget()
        if row is not None:
            row.setVisible(has_some)

    def _show_parts(self) -> None:
        """Offer a run per shape where there are several, and a choice of labels."""
        roi = self._fields.roi.value
        self._fields.roi_label.visible = isinstance(roi, Labels)
        self._fields.each_shape.visible = isinstance(roi, Shapes) and len(roi.data) > 1

    def _show_offers(self) -> None:
        """Offer what can be done with results of ours where there are some."""
        labels = self._labels_result()
        self._fields.use_as_roi.enabled = labels is not None
        self._fields.use_as_roi.native.setVisible(labels is not None)
        result = self.result()
        self._fields.inspect.enabled = result is not None
        self.result_changed.emit(result)
