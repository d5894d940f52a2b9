"""Commands of napari's menus."""

from napari.layers import Image
from napari.utils.notifications import show_info
from napari.viewer import Viewer

from napari_microenhance.widgets.docking import WIDGET, in_sight
from napari_microenhance.widgets.enhance.enhance_widget import EnhanceWidget

__all__ = ["show_widget"]


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
    in_sight(viewer, WIDGET, EnhanceWidget).image.value = active
