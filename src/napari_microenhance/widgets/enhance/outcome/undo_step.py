"""What one action did to the layers, and the way back."""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Layer

__all__ = ["Noting", "UndoStep"]

Noting = Callable[[str], AbstractContextManager[None]]
"""Gets the name of an action, for the user to take back."""


@dataclasses.dataclass(frozen=True, eq=False)
class UndoStep:
    """One action of the user, as far as it touched layers.

    Parameters
    ----------
    name : str
        What was done, such as "Run".
    added : tuple of napari.layers.Layer
    removed : tuple of (napari.layers.Layer, int)
        With their place in the list.
    roi_before, roi_after : napari.layers.Layer or None
        The choice of ROI.
    """

    name: str
    added: "tuple[Layer, ...]" = ()
    removed: "tuple[tuple[Layer, int], ...]" = ()
    roi_before: "Layer | None" = None
    roi_after: "Layer | None" = None

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.roi_before is not self.roi_after)

    def without(self, layer: "Layer") -> "UndoStep":
        """Return the step after the user has removed a layer; it is not to be kept alive."""
        return dataclasses.replace(
            self,
            added=tuple(x for x in self.added if x is not layer),
            removed=tuple(x for x in self.removed if x[0] is not layer),
            roi_before=None if self.roi_before is layer else self.roi_before,
            roi_after=None if self.roi_after is layer else self.roi_after,
        )

    def take_back(self, layers: "LayerList") -> "UndoStep":
        """Undo it, and return the step that does it again.

        Parameters
        ----------
        layers : napari.components.LayerList
            What the user did to them since stays as it is.
        """
        gone = tuple((x, layers.index(x)) for x in self.added if x in layers)
        for layer, _ in gone:
            layers.remove(layer)
        back = tuple((x, at) for x, at in self.removed if x not in layers)
        for layer, at in sorted(back, key=lambda pair: pair[1]):
            layers.insert(min(at, len(layers)), layer)
        return UndoStep(
            self.name,
            added=tuple(layer for layer, _ in back),
            removed=gone,
            roi_before=self.roi_after,
            roi_after=self.roi_before,
        )
