"""The dock widget "Enhance ROI"."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Layer
from qtpy.QtWidgets import QFileDialog

from napari_microenhance.widgets.caution import Caution
from napari_microenhance.widgets.compare.buttons import Comparing
from napari_microenhance.widgets.compare.modes import MODES
from napari_microenhance.widgets.compare.pairs import remember
from napari_microenhance.widgets.lifetime import when_destroyed
from napari_microenhance.widgets.networks import SUFFIXES
from napari_microenhance.widgets.outline import Outline
from napari_microenhance.widgets.recent import add_recent
from napari_microenhance.widgets.roi_menu import DRAWN, FILTER, FIND, OPEN
from napari_microenhance.widgets.running import Running
from napari_microenhance.widgets.settings import last_used

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["EnhanceWidget"]


class EnhanceWidget(Running):
    """Enhances the drawn region of an image layer with a network.

    Parameters
    ----------
    napari_viewer : napari.components.ViewerModel
        A viewer, its proxy, or a model without a window.
    """

    def __init__(self, napari_viewer: "ViewerModel") -> None:
        self._before: str | None = None
        super().__init__(napari_viewer)
        self._comparing = Comparing(napari_viewer, {name: self[name] for name in MODES}, self.roi)
        self._outline = Outline(napari_viewer, self, self.native)
        self._check = Caution(self, self._networks, self.native)
        for part in (self._runner, self._networks, self._examiner, self._outline, self._check):
            when_destroyed(self.native, part.handle.drop)
        when_destroyed(self.native, self._comparing.compare.drop)
        when_destroyed(self.native, self._comparing.keys.unbind)
        self._connect()
        self._on_model(self.model.value)
        self.say("")
        self._restore()

    def open_model(self, path: str | Path) -> None:
        """Open a network file in the background and choose it.

        Parameters
        ----------
        path : str or Path
            Of an ONNX file, a BioImage.IO package or a .czann. `failed` and a notification
            tell when it cannot be used.
        """
        self._events.watch_window()
        if self.model.value not in (self._networks.opening, str(path)):
            self._before = self.model.value
        key = self._networks.open(Path(path))
        self.model.reset_choices()
        self.model.value = key
        self._show_state(busy=self._busy)
        self.show_busy(f"Opening {Path(path).name}…")

    def _model_choices(self, _: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - a magicgui callback
        """Return the networks."""
        return self._networks.choices()

    def _connect(self) -> None:
        """Connect buttons, viewer, networks and runner."""
        self.cancel.changed.connect(self._on_cancel)
        self.draw_roi.changed.connect(self._on_draw_roi)
        self._roi_menu.chosen.connect(self._on_roi_menu)
        self._presets.failed.connect(self._tell)
        self._check.found.connect(self.warn)
        self.open_file.changed.connect(self._on_open_file)
        self._comparing.failed.connect(self._tell)
        self._comparing.compare.changed.connect(self._events.watch_window)
        self.model.changed.connect(self._on_model)
        self._viewer.layers.events.removed.connect(self._on_layer_removed)
        self._recent.chosen.connect(self.open_model)
        self._examiner.saved.connect(self.open_model)
        self._examiner.failed.connect(self._tell)
        self._networks.opened.connect(self._on_opened)
        self._networks.failed.connect(self._on_not_opened)
        self._events.dropped.connect(self.open_model)
        self._events.ended.connect(self._on_ended)

    def _on_layer_removed(self, event: Any) -> None:  # noqa: ANN401 - a napari event
        """Do not keep the pixels of a layer that is gone."""
        if self._preview_layer is event.value:
            self._preview_layer = None

    def _on_model(self, key: str | None) -> None:
        """Say what the chosen network is."""
        self.about.value = self._networks.about(key)
        self._examiner.choose(key)
        if key is not None and self._networks.is_closed(key):
            self.open_model(key)

    def _on_open_file(self) -> None:
        """Ask for a network file."""
        kinds = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        path, _ = QFileDialog.getOpenFileName(
            self.native, "Open a network", "", f"Networks ({kinds});;All files (*)"
        )
        if path:
            self.open_model(path)

    def _on_opened(self, key: str) -> None:
        """Use a network that is open, and start the run that waited for it."""
        add_recent(Path(key))
        self._on_model(self.model.value)
        self._show_state(busy=self._busy)
        self.say(f"{Path(key).name} is open.", self._networks.findings(key))
        self._start_waiting()

    def _on_not_opened(self, _: str, error: Exception) -> None:
        """Say why a file is no network; the run that waited for it does not start."""
        self._waiting = None
        self._choose_before()
        self._tell(error)

    def _choose_before(self) -> None:
        """Go back to the network that was chosen before one that is no choice any more."""
        self.model.reset_choices()
        if self._before in self.model.choices:
            self.model.value = self._before

    def _on_cancel(self) -> None:
        """Stop what is going on."""
        self._waiting = None
        if self._networks.opening is not None:
            self._networks.drop()
            self._choose_before()
            if not self._busy:
                self._on_cancelled()
        if self._runner.is_busy:
            self.cancel.enabled = False
            self.status.value = "Cancelling…"
            self._runner.cancel()
        elif self._batch is not None:
            self._batch.stopped = True

    def _restore(self) -> None:
        """Choose what was used last, as far as it is there."""
        options, key = last_used()
        self._presets.restore(options)
        if key in self.model.choices:
            self.model.value = key
        elif key and Path(key).exists():
            self.open_model(key)

    def _note_result(self, image: Image, layer: Layer) -> None:
        """Take note of a result and the image that it was made of."""
        remember(image, layer)
        self._comparing.follow(layer)

    def _on_draw_roi(self) -> None:
        """Let the user draw a polygon."""
        self._try(self.add_roi_layer)

    def _on_roi_menu(self, entry: str) -> None:
        """Do what an entry of the menu says."""
        if entry in DRAWN:
            self._try(self.add_roi_layer, DRAWN[entry])
        elif entry == FIND:
            self._on_find_roi()
        elif entry == OPEN:
            path, _ = QFileDialog.getOpenFileName(self.native, "Open an ROI", "", FILTER)
            if path:
                self._try(self.open_roi, path)
        else:
            path, _ = QFileDialog.getSaveFileName(self.native, "Save the ROI", "", FILTER)
            if path:
                self._try(self.save_roi, path)

    def _on_ended(self) -> None:
        """Stop at once, for the widget or its window goes away."""
        self._comparing.close()
        self._examiner.drop()
        self._outline.drop()
        self._check.drop()
        self._remember()
        if not self._busy and self._networks.opening is None:
            return
        self._waiting = None
        self._networks.drop()
        self.model.reset_choices()
        self._runner.drop()
        self._on_cancelled()
