"""Results and previews as layers of the viewer."""

from typing import TYPE_CHECKING

from napari.layers import Layer, Shapes

from napari_microenhance.widgets.viewer.layer_values import place_in, restore_selection
from napari_microenhance.widgets.viewer.live import is_live

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.components import ViewerModel

    from napari_microenhance.widgets.viewer.results import LayerPlan

__all__ = ["ResultLayers"]


class ResultLayers:
    """Puts results into a viewer, one preview at a time, and takes them out; main thread only.

    Parameters
    ----------
    viewer : napari.components.ViewerModel

    Attributes
    ----------
    preview : napari.layers.Layer or None
        The layer that the next preview takes the place of.
    """

    def __init__(self, viewer: "ViewerModel") -> None:
        self._layers = viewer.layers
        self.preview: Layer | None = None
        viewer.layers.events.removed.connect(self._on_removed)

    def add(
        self, plan: "LayerPlan", tiles: Layer | None, below: Layer | None, *, preview: bool
    ) -> Layer:
        """Show the layer of a result or preview.

        Parameters
        ----------
        plan : LayerPlan
        tiles : napari.layers.Layer or None
            The layer of the run's tiles, if it has become that of the result.
        below : napari.layers.Layer or None
            What it is to lie below.
        preview : bool
            Whether the selection stays as it is.
        """
        selected = set(self._layers.selection)
        layer = tiles
        if layer is None:
            layer = Layer.create(plan.data, plan.meta, plan.kind)
            self._layers.insert(place_in(self._layers, below), layer)
        if plan.contrast_range is not None:
            low, high = layer.contrast_limits
            start, stop = plan.contrast_range
            layer.contrast_limits_range = (min(low, start), max(high, stop))
        if preview:
            restore_selection(self._layers, selected)
        else:
            self._layers.selection.active = layer
        return layer

    def remove(self, layers: "Iterable[Layer]") -> None:
        """Take layers out that are still there."""
        for layer in layers:
            if layer in self._layers:
                self._layers.remove(layer)

    def remove_preview(self) -> None:
        """Make room for the next preview."""
        if self.preview is not None:
            self._layers.remove(self.preview)

    def lid(self, image: Layer, roi: Layer | None) -> Layer | None:
        """Return the lowest layer of the drawn ROI where it lies above an image."""
        if not isinstance(roi, Shapes) or image not in self._layers:
            return None
        above = list(self._layers)[self._layers.index(image) + 1 :]
        if roi not in above:
            return None
        # The outlines of the grown ROI lie right below it.
        return next((x for x in above if isinstance(x, Shapes) and is_live(x)), roi)

    def holds(self, layer: Layer) -> bool:
        """Return whether a layer is in the viewer."""
        return layer in self._layers

    def _on_removed(self, event: object) -> None:
        """Do not keep the pixels of a layer that is gone."""
        if self.preview is getattr(event, "value", None):
            self.preview = None
