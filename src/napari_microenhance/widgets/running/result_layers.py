"""Results and previews as layers of the viewer."""

import weakref
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
        self._preview_of: weakref.ref[Layer] | None = None
        self._gone: weakref.ref[Layer] | None = None
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.layers.events.inserted.connect(self._on_inserted)

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

    def keep_preview(self, layer: Layer, image: Layer) -> None:
        """Take note of a preview of an image: the next one, or a result, takes its place."""
        self.preview, self._preview_of = layer, weakref.ref(image)

    def remove_preview(self, image: Layer | None = None) -> tuple[tuple[Layer, int], ...]:
        """Make room for the next preview, or for the result of an image.

        Parameters
        ----------
        image : napari.layers.Layer, optional
            With it, a preview of another image stays.

        Returns
        -------
        tuple of (napari.layers.Layer, int)
            What was removed, and its place in the list; empty where nothing was.
        """
        layer, of = self.preview, self._preview_of
        other = image is not None and (of is None or of() is not image)
        if layer is None or layer not in self._layers or other:
            return ()
        at = self._layers.index(layer)
        self._layers.remove(layer)
        return ((layer, at),)

    def holds(self, layer: Layer) -> bool:
        """Return whether a layer is in the viewer."""
        return layer in self._layers

    def _on_removed(self, event: object) -> None:
        """Do not keep the pixels of a layer that is gone."""
        if self.preview is not None and self.preview is getattr(event, "value", None):
            self._gone, self.preview = weakref.ref(self.preview), None

    def _on_inserted(self, event: object) -> None:
        """Take note of a preview that is back."""
        gone = None if self._gone is None else self._gone()
        if gone is not None and gone is getattr(event, "value", None):
            self.preview, self._gone = gone, None
