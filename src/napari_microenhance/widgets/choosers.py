"""The part of the dock widget that follows the viewer's layers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Layer, Shapes

from napari_microenhance.errors import ImageError, RoiError
from napari_microenhance.widgets.layers import RECORD_KEY, level_zero
from napari_microenhance.widgets.live import is_live
from napari_microenhance.widgets.options_form import CURRENT_PLANE
from napari_microenhance.widgets.panel import Panel
from napari_microenhance.widgets.roi_files import (
    drawing_look,
    drawing_placement,
    read_roi_file,
    write_roi_file,
)
from napari_microenhance.widgets.view import View, read_view
from napari_microenhance.widgets.watch import LayerWatch

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["LayerChoosers"]


class LayerChoosers(Panel):
    """Offers the viewer's layers, chooses sensible ones, and adds layers to draw on.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    def __init__(self, viewer: "ViewerModel") -> None:
        self._viewer = viewer
        self._defaulting = False
        self._chosen: set[str] = set()
        super().__init__()
        self.image_watch, self.roi_watch = LayerWatch(), LayerWatch()
        self.image.changed.connect(self.image_watch.follow)
        self.roi.changed.connect(self.roi_watch.follow)
        self.roi_watch.changed.connect(self._show_each_shape)
        self.image.changed.connect(self._on_image)
        self.roi.changed.connect(self._on_roi)
        layers = viewer.layers
        layers.events.inserted.connect(self._on_inserted)
        layers.events.removed.connect(self._on_removed)
        layers.events.reordered.connect(self.reset_choices)
        layers.events.renamed.connect(self.reset_choices)
        layers.selection.events.active.connect(self._on_active)
        self.use_as_roi.changed.connect(self._on_use_as_roi)
        self.inspect.changed.connect(self._on_inspect)
        self._set_defaults()
        self._show_planes()
        self._show_use_as_roi()

    def reset_choices(self, *_: Any) -> None:  # noqa: ANN401 - events of several kinds
        """Offer the layers that are there now."""
        self.image.reset_choices()
        self.roi.reset_choices()

    def _image_choices(self, _: Any) -> list[tuple[str, Layer]]:  # noqa: ANN401 - a magicgui callback
        """Return the image layers."""
        images = [layer for layer in self._viewer.layers if isinstance(layer, Image)]
        return [(layer.name, layer) for layer in images if not is_live(layer)]

    def _roi_choices(self, _: Any) -> list[tuple[str, Layer]]:  # noqa: ANN401 - a magicgui callback
        """Return the layers that can hold an ROI."""
        layers = [x for x in self._viewer.layers if isinstance(x, Shapes | Labels)]
        return [(layer.name, layer) for layer in layers if not is_live(layer)]

    def add_roi_layer(self, mode: str = "add_polygon") -> Shapes:
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
        image = self.image.value
        if image is None:
            raise ImageError("No image layer is chosen; add an image to draw on.")
        placement = drawing_placement(image)
        shapes = self.roi.value
        if not (isinstance(shapes, Shapes) and not len(shapes.data) and placement.holds(shapes)):
            shapes = Shapes(
                ndim=len(placement.scale),
                name=f"ROI of {image.name}",
                **drawing_look(image),
                **placement.to_kwargs(),
            )
            self._viewer.add_layer(shapes)
        self._use_roi(shapes)
        shapes.mode = mode
        return shapes

    def open_roi(self, path: str | Path) -> Shapes:
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
        image = self.image.value
        if image is None:
            raise ImageError("No image layer is chosen; add the image that the ROI belongs to.")
        shapes = read_roi_file(Path(path), image)
        self._viewer.add_layer(shapes)
        self._use_roi(shapes)
        return shapes

    def save_roi(self, path: str | Path) -> None:
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
        image, roi = self.image.value, self.roi.value
        if image is None:
            raise ImageError("No image layer is chosen; add the image that the ROI belongs to.")
        if roi is None:
            raise RoiError("No ROI is chosen; draw one first.")
        write_roi_file(Path(path), roi, image, read_view(self._viewer))

    def plane_of(self, view: View) -> tuple[int, ...] | None:
        """Return the plane that is to be processed alone, if one is."""
        image = self.image.value
        if image is None or self.planes.value != CURRENT_PLANE:
            return None
        return view.plane_of(image, level_zero(image).shape)

    def _use_roi(self, shapes: Shapes) -> None:
        """Choose shapes as the ROI, ready to be changed."""
        self._viewer.layers.selection.active = shapes
        self.roi.value = shapes

    def _labels_result(self) -> Labels | None:
        """Return the result of labels that is selected, or the topmost one."""
        ours = [
            layer
            for layer in self._viewer.layers
            if isinstance(layer, Labels) and RECORD_KEY in layer.metadata
        ]
        active = self._viewer.layers.selection.active
        chosen = [layer for layer in ours if active is not None and layer == active]
        return (chosen or ours or [None])[-1]

    def _result(self) -> Layer | None:
        """Return the result that is selected, or the topmost one."""
        ours = [layer for layer in self._viewer.layers if RECORD_KEY in layer.metadata]
        active = self._viewer.layers.selection.active
        chosen = [layer for layer in ours if active is not None and layer == active]
        return (chosen or ours or [None])[-1]

    def _show_use_as_roi(self) -> None:
        """Offer what can be done with results of ours where there are some."""
        self.use_as_roi.enabled = self._labels_result() is not None
        self.inspect.enabled = self._result() is not None

    def _on_inspect(self) -> None:
        """Open the dock that says what a result changed."""
        from napari_microenhance.widgets.commands import show_inspect

        result = self._result()
        if result is not None:
            show_inspect(self._viewer, result)

    def _show_each_shape(self) -> None:
        """Offer a run per shape where there are several."""
        roi = self.roi.value
        self.each_shape.visible = isinstance(roi, Shapes) and len(roi.data) > 1

    def _on_use_as_roi(self) -> None:
        """Mark what to enhance with the labels of a result."""
        labels = self._labels_result()
        if labels is not None:
            self.roi.reset_choices()
            self.roi.value = labels

    @contextmanager
    def _by_default(self) -> Iterator[None]:
        """Mark choices made meanwhile as ours, not the user's."""
        before, self._defaulting = self._defaulting, True
        try:
            yield
        finally:
            self._defaulting = before

    def _set_defaults(self) -> None:
        """Choose the active image and the most recent Shapes layer, unless the user chose."""
        with self._by_default():
            if "image" not in self._chosen:
                active = self._viewer.layers.selection.active
                images = [layer for _, layer in self._image_choices(None)]
                ours = [layer for layer in images if RECORD_KEY not in layer.metadata]
                pick = active if any(active == layer for layer in ours) else self.image.value
                if pick is None and ours:
                    pick = ours[-1]
                if pick is not None:
                    self.image.value = pick
            if "roi" not in self._chosen and self.roi.value is None:
                shapes = [s for _, s in self._roi_choices(None) if isinstance(s, Shapes)]
                if shapes:
                    self.roi.value = shapes[-1]

    def _on_inserted(self, event: Any) -> None:  # noqa: ANN401 - a napari event
        """Offer a new layer; a new Shapes layer is the ROI unless the user chose one."""
        with self._by_default():
            self.reset_choices()
            drawn = isinstance(event.value, Shapes) and not is_live(event.value)
            if drawn and "roi" not in self._chosen:
                self.roi.value = event.value

    def _on_removed(self, event: Any) -> None:  # noqa: ANN401 - a napari event
        """Forget a layer."""
        for name in ("image", "roi"):
            if getattr(self, name).value == event.value:
                self._chosen.discard(name)
        with self._by_default():
            self.reset_choices()
        self._show_use_as_roi()

    def _on_active(self, _: Any) -> None:  # noqa: ANN401 - a napari event
        """Follow the user to another image."""
        self._set_defaults()
        self._show_use_as_roi()

    def _on_image(self, _: Any) -> None:  # noqa: ANN401 - the value
        """Note the user's choice."""
        if not self._defaulting:
            self._chosen.add("image")
        self._show_planes()

    def _on_roi(self, _: Any) -> None:  # noqa: ANN401 - the value
        """Note the user's choice."""
        if not self._defaulting:
            self._chosen.add("roi")

    def _show_planes(self) -> None:
        """Offer planes only where there are some."""
        image = self.image.value
        self.planes.enabled = image is not None and image.ndim > 2
