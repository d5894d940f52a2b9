"""The ways to an ROI: drawn, from a file, into a file; and what the menu beside them asks."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Shapes
from psygnal import Signal
from qtpy.QtWidgets import QFileDialog

from napari_microenhance.errors import ImageError, RoiError
from napari_microenhance.widgets.enhance.outcome.undo_step import Noting
from napari_microenhance.widgets.models.network_choices import may_hold_network
from napari_microenhance.widgets.roi.roi_files import (
    drawing_look,
    drawing_placement,
    read_roi_file,
    write_roi_file,
)
from napari_microenhance.widgets.roi.roi_menu import DRAWN, FILTER, FIND, OPEN, RoiMenu
from napari_microenhance.widgets.viewer.view import read_view

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_microenhance.widgets.enhance.enhance_fields import EnhanceFields

__all__ = ["RoiControl"]


class RoiControl:
    """Adds layers to draw on, and reads and writes ROI files; main thread only.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    fields : EnhanceFields
    noting : callable, optional
        Gets a name; what is done in the context that it returns can be taken back.

    Attributes
    ----------
    menu : RoiMenu
    """

    failed = Signal(object)
    """The exception that kept an entry of the menu from being done."""

    find_asked = Signal()
    """The foreground is to become the ROI."""

    def __init__(
        self, viewer: "ViewerModel", fields: "EnhanceFields", noting: Noting | None = None
    ) -> None:
        self._viewer, self._fields = viewer, fields
        self._noting: Noting = noting or (lambda _: nullcontext())
        self.menu = RoiMenu(fields.more_roi.native)
        self.menu.chosen.connect(self._on_menu)
        fields.draw_roi.changed.connect(self._on_draw)

    def add_layer(self, mode: str = "add_polygon") -> Shapes:
        """Add a Shapes layer whose coordinates are the image's pixels, and draw on it.

        An ROI over the image that is still empty is drawn on itself.

        Parameters
        ----------
        mode : str
            Of the layer, such as "add_rectangle".

        Returns
        -------
        napari.layers.Shapes

        Raises
        ------
        ImageError
            If there is no image to draw on.
        """
        image = self._fields.image.value
        if image is None:
            raise ImageError("No image layer is selected; add an image to draw on.")
        placement = drawing_placement(image)
        shapes = self._fields.roi.value
        if not (isinstance(shapes, Shapes) and not len(shapes.data) and placement.holds(shapes)):
            shapes = Shapes(
                ndim=len(placement.scale),
                name=f"ROI of {image.name}",
                **drawing_look(image),
                **placement.to_kwargs(),
            )
            self._viewer.add_layer(shapes)
        self._use(shapes)
        shapes.mode = mode
        return shapes

    def open_file(self, path: str | Path) -> Shapes:
        """Lay the shapes of an ROI file over the image, and choose them as the ROI.

        Parameters
        ----------
        path : str or Path
            labelme JSON, GeoJSON, ImageJ .roi or .zip, or napari's CSV.

        Returns
        -------
        napari.layers.Shapes

        Raises
        ------
        ImageError
            If there is no image that it could lie over.
        RoiError
            If the file cannot be used.
        """
        image = self._fields.image.value
        if image is None:
            raise ImageError("No image layer is selected; add the image that the ROI belongs to.")
        shapes = read_roi_file(Path(path), image)
        self._viewer.add_layer(shapes)
        self._use(shapes)
        return shapes

    def take(self, path: Path) -> None:
        """Open a dropped file, if it is none of networks."""
        if not may_hold_network(path):
            self._try(self.open_file, path)

    def save_file(self, path: str | Path) -> None:
        """Save the chosen ROI in the pixels of the chosen image.

        Parameters
        ----------
        path : str or Path
            Ends in .json (labelme), .geojson, .roi, .zip (ImageJ) or .csv (napari).

        Raises
        ------
        ImageError
            If there is no image in whose pixels it could be saved.
        RoiError
            If no shapes are chosen as the ROI.
        OutputError
            If the format cannot hold a shape, or the file cannot be written.
        """
        image, roi = self._fields.image.value, self._fields.roi.value
        if image is None:
            raise ImageError("No image layer is selected; add the image that the ROI belongs to.")
        if roi is None:
            raise RoiError("No ROI is selected; draw one first.")
        write_roi_file(Path(path), roi, image, read_view(self._viewer))

    def _use(self, shapes: Shapes) -> None:
        """Choose shapes as the ROI, ready to be changed."""
        self._viewer.layers.selection.active = shapes
        self._fields.roi.value = shapes

    def _on_draw(self) -> None:
        """Let the user draw a polygon."""
        self._try(self.add_layer)

    def _on_menu(self, entry: str) -> None:
        """Do what an entry of the menu says."""
        parent = self._fields.roi.native.window()
        if entry in DRAWN:
            self._try(self.add_layer, DRAWN[entry])
        elif entry == FIND:
            self.find_asked.emit()
        elif entry == OPEN:
            path, _ = QFileDialog.getOpenFileName(parent, "Open an ROI", "", FILTER)
            if path:
                self._try(self.open_file, path)
        else:
            path, _ = QFileDialog.getSaveFileName(parent, "Save the ROI", "", FILTER)
            if path:
                self._try(self.save_file, path)

    def _try(self, action: Callable[..., object], *args: object) -> None:
        """Do something at once, and tell what is wrong."""
        try:
            with self._noting("The new ROI"):
                action(*args)
        except Exception as error:  # noqa: BLE001 - the edge: every mistake reaches the user
            self.failed.emit(error)
