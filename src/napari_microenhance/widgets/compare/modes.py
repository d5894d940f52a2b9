"""Modes: the ways to look at an original and its result, as data."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from napari_microenhance.widgets.compare.blink import Blink
from napari_microenhance.widgets.compare.difference import Difference
from napari_microenhance.widgets.compare.layer_pair import LayerPair
from napari_microenhance.widgets.compare.side_by_side import SideBySide
from napari_microenhance.widgets.compare.swipe import Swipe

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_microenhance.widgets.compare.viewer_changes import ViewerChanges

__all__ = ["MODES", "Mode"]

Begin = Callable[["ViewerModel", LayerPair, "ViewerChanges", Callable[[Exception], None]], object]


@dataclasses.dataclass(frozen=True)
class Mode:
    """A way to look at a pair.

    Parameters
    ----------
    text : str
        On the button.
    tooltip : str
    key : str
        While the canvas has the focus; none of these is napari's.
    begin : callable
        Makes the object that shows the pair; all that it does to the viewer goes through the
        `ViewerChanges` it gets, and it lives until these are undone.
    is_held : bool
        Whether the mode is on only while the key is down.
    """

    text: str
    tooltip: str
    key: str
    begin: Begin
    is_held: bool = False


MODES: Final[Mapping[str, Mode]] = {
    "side_by_side": Mode(
        "Side by side",
        "Original and result side by side, with linked views.",
        "G",
        SideBySide,
    ),
    "swipe": Mode(
        "Swipe",
        "Original left and result right of a divider; drag it.",
        "H",
        Swipe,
    ),
    "blink": Mode(
        "Blink",
        "Show the original in place of the result.",
        "J",
        Blink,
        is_held=True,
    ),
    "difference": Mode(
        "Difference",
        "Darker pixels in blue, brighter ones in orange, over the original.",
        "K",
        Difference,
    ),
}
