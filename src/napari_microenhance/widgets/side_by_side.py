"""Original and result in two cells of the canvas, moved by one camera."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.experimental import link_layers, unlink_layers
from napari.layers import Image

from napari_microenhance.widgets.layers import bare

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["SideBySide"]

_LINKED = ("contrast_limits", "gamma", "colormap")
_GRID = ("enabled", "stride", "shape", "spacing")


@dataclasses.dataclass(frozen=True, eq=False)
class _Before:
    """How the viewer was."""

    grid: dict[str, Any]
    visible: list[tuple["Layer", bool]]
    links: frozenset[str]
    shrunk: float


class SideBySide:
    """Turns the viewer's grid on for one pair of layers, and off again without a trace.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    def __init__(self, viewer: "ViewerModel") -> None:
        self._viewer = viewer
        self._before: _Before | None = None
        self._pair: tuple[Layer, Layer] | None = None

    @property
    def is_on(self) -> bool:
        """Whether a pair is shown."""
        return self._pair is not None

    def holds(self, layer: "Layer") -> bool:
        """Return whether a layer is one of the pair."""
        return self._pair is not None and any(layer == one for one in self._pair)

    def show(self, original: "Layer", result: "Layer", roi: "Layer | None" = None) -> None:
        """Show two layers side by side, with linked contrast, and hide the others.

        Parameters
        ----------
        original, result : napari.layers.Layer
            Both in the viewer; the lower one of the layer list stands left.
        roi : napari.layers.Layer, optional
            Stays visible over the original where it lies above both.
        """
        self.hide()
        pair = bare(original), bare(result)
        grid = self._viewer.canvas.grid
        state = {name: getattr(grid, name) for name in _GRID}
        visible = self._show_only(pair, roi)
        self._before = _Before(state, visible, _link(pair), self._split())
        self._pair = pair

    def hide(self) -> None:
        """Put grid, visibility and links back as `show` found them."""
        if self._before is None or self._pair is None:
            return
        before, pair = self._before, self._pair
        self._before = self._pair = None
        if before.links:
            unlink_layers(pair, before.links)
        layers = self._viewer.layers
        for layer, visible in before.visible:
            if layer in layers and layer.visible != visible:
                layer.visible = visible
        grid = self._viewer.canvas.grid
        for name, value in before.grid.items():
            setattr(grid, name, value)
        self._viewer.scene.camera.zoom /= before.shrunk

    def _show_only(
        self, pair: tuple["Layer", "Layer"], roi: "Layer | None"
    ) -> list[tuple["Layer", bool]]:
        """Hide the layers that have no place in the two cells; return what was visible."""
        layers = self._viewer.layers
        wanted = list(pair)
        # The third layer of a grid of two cells goes into the first cell again.
        if roi is not None and roi in layers:
            places = [layers.index(layer) for layer in (*pair, roi)]
            wanted += [roi] if places == sorted(places) and roi.visible else []
        before = [(layer, bool(layer.visible)) for layer in layers]
        for layer, was_visible in before:
            if was_visible != (layer in wanted):
                layer.visible = layer in wanted
        return before

    def _split(self) -> float:
        """Cut the canvas in two; return by how much the camera was set back.

        As much of the image stays in sight, though a cell is narrower.
        """
        canvas, layers = self._viewer.canvas, self._viewer.layers
        whole = np.array(canvas.viewbox_size(layers), float)
        grid = canvas.grid
        grid.stride, grid.shape, grid.spacing, grid.enabled = 1, (1, 2), 0.0, True
        shrunk = float((np.array(canvas.viewbox_size(layers), float) / whole).min())
        self._viewer.scene.camera.zoom *= shrunk
        return shrunk


def _link(pair: tuple["Layer", "Layer"]) -> frozenset[str]:
    """Link how two images are shown; return what was not linked before."""
    if not all(isinstance(layer, Image) for layer in pair):
        return frozenset()
    for name in _LINKED:
        setattr(pair[1], name, getattr(pair[0], name))
    return frozenset(key[2] for key in link_layers(pair, _LINKED))
