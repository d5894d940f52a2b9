"""Results and previews as layers of the viewer."""

import dataclasses
from typing import TYPE_CHECKING

from napari.layers import Layer

from napari_microenhance.widgets.viewer.full_extent import FullExtent
from napari_microenhance.widgets.viewer.hiding import (
    cover,
    made_of,
    mark_made_of,
    place_over,
)
from napari_microenhance.widgets.viewer.layer_values import level_zero, restore_selection
from napari_microenhance.widgets.viewer.live import is_preview

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from napari.components import ViewerModel

    from napari_microenhance.widgets.viewer.results import LayerPlan

__all__ = ["ResultLayers"]


class ResultLayers:
    """Puts results into a viewer, one preview at a time, and takes them out; main thread only.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    def __init__(self, viewer: "ViewerModel") -> None:
        self._layers = viewer.layers

    def add(
        self,
        plan: "LayerPlan",
        image: Layer,
        tiles: Layer | None = None,
        *,
        preview: bool,
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

    def beside(self, plan: "LayerPlan", image: Layer, others: "Collection[Layer]") -> "LayerPlan":
        """Let the result of one part of an ROI show the others, if it spans the image.

        It hides their layers, which would double the channel.

        Parameters
        ----------
        plan : LayerPlan
        image : napari.layers.Layer
        others : collection of napari.layers.Layer
            What else was just made, of this or another image.
        """
        levels = plan.data if isinstance(plan.data, list) else [plan.data]
        parts = (level_zero(x) for x in made_of(self._layers, image) if x in others)
        shown = [x for x in parts if isinstance(x, FullExtent)]
        if not shown or not isinstance(levels[0], FullExtent):
            return plan
        levels = levels[0].beside(shown).pyramid()
        return dataclasses.replace(plan, data=levels if len(levels) > 1 else levels[0])

    def remove(self, layers: "Iterable[Layer]") -> None:
        """Take layers out that are still there."""
        for layer in layers:
            if layer in self._layers:
                self._layers.remove(layer)

    def remove_previews(self, image: Layer | None = None) -> tuple[tuple[Layer, int], ...]:
        """Make room for the next preview, or for the result of an image.

        Parameters
        ----------
        image : napari.layers.Layer, optional
            With it, previews of other images stay.

        Returns
        -------
        tuple of (napari.layers.Layer, int)
            What was removed, and its place in the list; empty where nothing was.
        """
        # Those of an earlier dock as well.
        layers = self._layers if image is None else made_of(self._layers, image)
        found = [layer for layer in layers if is_preview(layer)]
        places = tuple((layer, self._layers.index(layer)) for layer in found)
        self.remove(found)
        return places

    def holds(self, layer: Layer) -> bool:
        """Return whether a layer is in the viewer."""
        return layer in self._layers
