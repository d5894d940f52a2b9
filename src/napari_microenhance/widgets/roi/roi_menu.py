"""The ways to an ROI: drawn, found by a network, or from a file."""

from typing import Final

from qtpy.QtWidgets import QPushButton

from napari_microenhance.widgets.fields.menus import ButtonMenu

__all__ = ["DRAWN", "FILTER", "FIND", "OPEN", "ROI_SUFFIXES", "SAVE", "RoiMenu"]

DRAWN: Final = {
    "Polygon": "add_polygon",
    "Lasso": "add_polygon_lasso",
    "Rectangle": "add_rectangle",
    "Ellipse": "add_ellipse",
}
"""Entries that draw, and the mode of a Shapes layer in which they do."""

FIND: Final = "From foreground model"
OPEN: Final = "Open ROI file…"
SAVE: Final = "Save ROI as…"

ROI_SUFFIXES: Final = (".json", ".geojson", ".roi", ".zip", ".csv")
"""How the names of files that hold shapes end, lower case."""

FILTER: Final = f"ROI files ({' '.join(f'*{s}' for s in ROI_SUFFIXES)});;All files (*)"

_TOOLTIPS = {
    "Polygon": "Click the corners; double-click to close.",
    "Lasso": "Draw around it with the mouse button held down.",
    "Rectangle": "Drag from corner to corner.",
    "Ellipse": "Drag from corner to corner of the bounding box.",
}


class RoiMenu(ButtonMenu):
    """What can become the ROI, beside the button that draws a polygon.

    Parameters
    ----------
    button : QPushButton
    """

    def __init__(self, button: QPushButton) -> None:
        super().__init__(button)
        for text in DRAWN:
            self.add(text, _TOOLTIPS[text])
        self.addSeparator()
        self.add(FIND, "Segment the image with the built-in foreground model.")
        self.addSeparator()
        self.add(OPEN, "labelme JSON, GeoJSON, ImageJ .roi or .zip, or napari's CSV.")
        self.add(SAVE, "The file extension selects the format.")
