"""Commands of napari's menus."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from napari.layers import Image
from napari.utils.notifications import show_info
from napari.viewer import Viewer

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_microenhance.widgets.inspect.dock import InspectWidget

__all__ = ["show_inspect", "show_widget"]

T = TypeVar("T")

PLUGIN = "napari-microenhance"
DISPLAY_NAME = "MicroEnhance"
WIDGET = "Enhance ROI"
INSPECT = "Inspect result"


def show_widget(viewer: Viewer) -> None:
    """Show the dock widget for the active image layer (Layers > Filter).

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Filled in by napari.
    """
    active = viewer.layers.selection.active
    if not isinstance(active, Image):
        show_info("Select an image layer first.")
        return
    from napari_microenhance.widgets import EnhanceWidget

    _raised(viewer, WIDGET, EnhanceWidget).image.value = active


def show_inspect(viewer: Viewer, result: "Layer | None" = None) -> "InspectWidget":
    """Show the dock widget that says what a result changed and how it was made.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Or its proxy.
    result : napari.layers.Layer, optional
        Default: the result that is selected, or the topmost one.

    Returns
    -------
    InspectWidget
    """
    from napari_microenhance.widgets import InspectWidget

    widget: InspectWidget = _raised(viewer, INSPECT, InspectWidget)
    if result is not None:
        widget.result.value = result
    return widget


def _raised(viewer: Viewer, name: str, kind: Callable[[Viewer], T]) -> T:
    """Return the dock widget of a kind, in sight; there is one, however it was opened."""
    docked = viewer.window.dock_widgets.values()
    found: list[T] = [w for w in docked if isinstance(w, kind)]  # type: ignore[arg-type]
    widget = found[0] if found else kind(viewer)
    if not found:
        # As the Plugins menu calls it, so that the menu finds it.
        title = f"{name} ({DISPLAY_NAME})"
        viewer.window.add_dock_widget(widget, name=title, tabify=True)
    native: Any = getattr(widget, "native", widget)
    dock = native.parent()
    dock.show()
    dock.raise_()
    return widget
