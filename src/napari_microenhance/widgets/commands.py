"""Commands of napari's menus."""

from napari.layers import Image
from napari.utils.notifications import show_info
from napari.viewer import Viewer

__all__ = ["show_widget"]

PLUGIN = "napari-microenhance"
WIDGET = "Enhance ROI"


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
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    dock.show()
    dock.raise_()
    widget.image.value = active
