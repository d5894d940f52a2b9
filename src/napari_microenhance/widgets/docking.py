"""The docks in napari's window: one of each kind, found however it was opened."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from napari.viewer import Viewer

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_microenhance.widgets.inspect.dock import InspectWidget

__all__ = ["DISPLAY_NAME", "INSPECT", "PLUGIN", "WIDGET", "in_sight", "show_inspect"]

T = TypeVar("T")

PLUGIN = "napari-microenhance"
DISPLAY_NAME = "MicroEnhance"
WIDGET = "Enhance ROI"
INSPECT = "Inspect result"


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
    from napari_microenhance.widgets.inspect.dock import InspectWidget

    widget: InspectWidget = in_sight(viewer, INSPECT, InspectWidget)
    if result is not None:
        widget.result.value = result
    return widget


def in_sight(viewer: Viewer, name: str, kind: Callable[[Viewer], T]) -> T:
    """Return the dock widget of a kind, in sight; there is one, however it was opened.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Or its proxy.
    name : str
        Of the widget in the manifest.
    kind : callable
        The widget's class; gets the viewer where there is none yet.
    """
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
