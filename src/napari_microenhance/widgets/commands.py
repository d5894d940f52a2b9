"""Commands of napari's menus."""

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from napari.utils.notifications import show_info
from napari.viewer import Viewer

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_microenhance.widgets.inspect.dock import InspectWidget

__all__ = ["show_inspect", "show_widget"]

PLUGIN = "napari-microenhance"
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
    _raised(viewer, WIDGET).image.value = active


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
    widget: InspectWidget = _raised(viewer, INSPECT)
    if result is not None:
        widget.result.value = result
    return widget


def _raised(viewer: Viewer, name: str) -> Any:  # noqa: ANN401 - one of our widgets
    """Return a dock widget of ours, in sight."""
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    dock.show()
    dock.raise_()
    return widget
