"""Blink: the original in the place of the result."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_microenhance.widgets.compare.layer_pair import LayerPair

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_microenhance.widgets.compare.viewer_changes import ViewerChanges

__all__ = ["Blink"]


class Blink:
    """Shows the original alone.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    pair : LayerPair
    changes : ViewerChanges
    give_up : callable
        Not called: nothing goes wrong later on.
    """

    def __init__(
        self,
        viewer: "ViewerModel",
        pair: LayerPair,
        changes: "ViewerChanges",
        give_up: Callable[[Exception], None],
    ) -> None:
        del give_up
        changes.caption("original")
        changes.set(viewer.canvas.grid, "enabled", False)
        changes.hide_pictures_over(pair.original, pair.result, pair.roi)
        # A layer that becomes visible is sliced anew; one that becomes opaque is only drawn.
        changes.set(pair.result, "opacity", 0.0)
