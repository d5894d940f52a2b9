"""Results and previews as layers of the viewer."""

from typing import TYPE_CHECKING

from napari.layers import Layer

from napari_microenhance.widgets.viewer.hiding import (
    cover,
    mark_made_of,
    place_over,
)
from napari_microenhance.widgets.viewer.layer_values import restore_selection

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
        self, plan: "LayerPlan", image: Layer, tiles: Layer | None = None, *, preview: bool
    ) -> Layer:
        """Show the layer of a result or preview directly above its image.

        An image that it spans is hidden, until the layer is removed.

        Parameters
        ----------
        plan : LayerPlan
        image : napari.layers.Layer
            What it was made of; it may have been removed meanwhile.
        tiles : napari.layers.Layer or None
            The layer of the run's tiles, if it has become that of the result.
        preview : bool
            Whether the selection stays as it is.
        """
        selected = set(self._layers.selection)
        layer = tiles
        if layer is None:
            layer = Layer.create(plan.data, plan.meta, plan.kind)
            mark_made_of(image, layer)
            self._layers.insert(place_over(self._layers, image), layer)
        if plan.spans:
            cover(self._layers, image, layer)
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

    def holds(self, layer: Layer) -> bool:
        """Return whether a layer is in the viewer."""
        return layer in self._layers

    def _on_removed(self, event: object) -> None:
        """Do not keep the pixels of a layer that is gone."""
        if self.preview is getattr(event, "value", None):
            self.preview = None
