"""All that a mode alters in the viewer, and the way back."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels, Surface

from napari_microenhance.widgets.viewer.layer_values import bare, restore_selection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["ViewerChanges"]

_PICTURES = (Image, Labels, Surface)


_USUAL_POINTS = 9
_LEAST_POINTS = 6.0
_LETTER_WIDTH = 1.05
"""Of a letter on the canvas, px per point."""


class ViewerChanges(ExitStack):
    """Alters a viewer and, when closed, puts back what is still as it was left.

    What the user changed meanwhile stays as the user wants it.

    Parameters
    ----------
    viewer : napari.components.ViewerModel

    Attributes
    ----------
    layers : list of napari.layers.Layer
        Those that were added, which `remove_layers` takes away.
    """

    def __init__(self, viewer: "ViewerModel") -> None:
        super().__init__()
        self._viewer = viewer
        self.layers: list[Layer] = []

    def set(self, owner: object, name: str, value: object) -> None:
        """Set an attribute until the changes are undone."""
        before = getattr(owner, name)
        if not _same(before, value):
            setattr(owner, name, value)
            self.callback(_put_back, owner, name, before, getattr(owner, name))

    def hide(self, layers: "Iterable[Layer]") -> None:
        """Hide layers."""
        for layer in layers:
            self.set(bare(layer), "visible", False)

    def hide_pictures_over(self, original: "Layer", *but: "Layer | None") -> None:
        """Hide the images and labels that lie over a layer, and show the layer."""
        layers = [bare(layer) for layer in self._viewer.layers]
        kept = [bare(layer) for layer in but if layer is not None]
        over = layers[layers.index(original) + 1 :]
        self.hide(x for x in over if isinstance(x, _PICTURES) and x not in kept)
        self.set(original, "visible", True)

    def select(self, layer: "Layer") -> None:
        """Select one layer."""
        selection = self._viewer.layers.selection
        before = set(selection)
        if before != {layer}:
            selection.active = layer
            self.callback(_select_again, self._viewer, before, layer)

    def caption(self, text: str) -> None:
        """Write on the canvas."""
        overlay = self._viewer.canvas.overlays.text
        self.set(overlay, "text", text)
        self.set(overlay, "position", "top_center")
        self.set(overlay, "visible", True)

    def name_cell(self, layer: "Layer") -> None:
        """Write a layer's name into its cell of the canvas, a long one in smaller letters."""
        overlay = layer.name_overlay
        _, width = self._viewer.canvas.viewbox_size(self._viewer.layers)
        fits = max(_LEAST_POINTS, width / (_LETTER_WIDTH * max(1, len(layer.name))))
        # From napari 0.10 on it is None where the size of napari's settings counts.
        if fits < (overlay.font_size or _USUAL_POINTS):
            self.set(overlay, "font_size", fits)
        self.set(overlay, "box", True)
        self.set(overlay, "visible", True)

    def add(self, layer: "Layer", above: "Iterable[Layer]") -> None:
        """Add a layer just above others and leave the selection as it is."""
        layers = self._viewer.layers
        selected = set(layers.selection)
        layers.insert(1 + max(layers.index(other) for other in above), layer)
        self.layers.append(layer)
        restore_selection(layers, selected)

    def remove_layers(self) -> None:
        """Take away the layers that were added; harmless where they are gone."""
        layers = self._viewer.layers
        added, self.layers = self.layers, []
        for layer in added:
            if layer in layers:
                selected = set(layers.selection) - {layer}
                layers.remove(layer)
                restore_selection(layers, selected)


def _put_back(owner: object, name: str, before: object, ours: object) -> None:
    """Put an attribute back, unless somebody else has set it."""
    if _same(getattr(owner, name), ours):
        setattr(owner, name, before)


def _select_again(viewer: "ViewerModel", before: "set[Layer]", ours: "Layer") -> None:
    """Select what was selected before, unless the user has selected something else."""
    if set(viewer.layers.selection) <= {ours}:
        restore_selection(viewer.layers, before)


def _same(a: object, b: object) -> bool:
    """Return whether two values of an attribute are equal."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(np.asarray(a), np.asarray(b))
    return bool(a == b)
