"""The dock widget "Enhance ROI"."""

import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Layer, Shapes
from napari.utils.notifications import show_error
from psygnal import Signal
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog

from napari_microenhance.api import Model
from napari_microenhance.errors import ImageError, MicroEnhanceError, ModelError
from napari_microenhance.widgets.choosers import LayerChoosers
from napari_microenhance.widgets.examiner import Examiner
from napari_microenhance.widgets.layers import place_in, read_image, restore_selection
from napari_microenhance.widgets.lifetime import WidgetEvents, when_destroyed
from napari_microenhance.widgets.networks import SUFFIXES, Networks
from napari_microenhance.widgets.options_form import read_options
from napari_microenhance.widgets.recent import add_recent
from napari_microenhance.widgets.roi import Roi, read_labels, read_shapes
from napari_microenhance.widgets.runner import Runner
from napari_microenhance.widgets.side_by_side import SideBySide
from napari_microenhance.widgets.view import View, read_view
from napari_microenhance.widgets.worker import Outcome, Task

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_microenhance.api import Options, Progress
    from napari_microenhance.widgets.layers import ImageSource
    from napari_microenhance.widgets.results import LayerPlan

__all__ = ["EnhanceWidget"]

LOGGER = logging.getLogger(__name__)

_RUNNING = "Running…"


class EnhanceWidget(LayerChoosers):
    """Enhances the drawn region of an image layer with a network.

    Parameters
    ----------
    napari_viewer : napari.components.ViewerModel
        A viewer, its proxy, or a model without a window.
    """

    completed = Signal(object)
    """The result layer of a run."""

    previewed = Signal(object)
    """The layer of a preview."""

    failed = Signal(object)
    """The exception that ended a run or the opening of a network."""

    cancelled = Signal()
    """A run was cancelled; no layer of it is left."""

    def __init__(self, napari_viewer: "ViewerModel") -> None:
        self._networks = Networks()
        self._waiting: bool | None = None
        self._busy = self._previewing = False
        self._key = ""
        self._before: str | None = None
        self._image: Layer | None = None
        self._preview_layer: Layer | None = None
        self._results: list[tuple[Layer, Layer]] = []
        super().__init__(napari_viewer)
        self._side = SideBySide(napari_viewer)
        self._examiner = Examiner(self._card, self._networks)
        self._runner = Runner(napari_viewer, self.native)
        self._events = WidgetEvents(self.native, SUFFIXES)
        for handle in (self._runner.handle, self._networks.handle, self._examiner.handle):
            when_destroyed(self.native, handle.drop)
        self._connect()
        self._on_model(self.model.value)
        self.say("")

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
        self.run.changed.connect(self._on_run)
        self.preview.changed.connect(self._on_preview)
        self.cancel.changed.connect(self._on_cancel)
        self.draw_roi.changed.connect(self._on_draw_roi)
        self.open_file.changed.connect(self._on_open_file)
        self.side_by_side.changed.connect(self._on_side_by_side)
        self.model.changed.connect(self._on_model)
        self._viewer.layers.events.removed.connect(self._on_layer_removed)
        self._card.test.changed.connect(self._on_test)
        self._recent.chosen.connect(self.open_model)
        self._examiner.saved.connect(self.open_model)
        self._examiner.failed.connect(self._tell)
        self._networks.opened.connect(self._on_opened)
        self._networks.failed.connect(self._on_not_opened)
        self._runner.progressed.connect(self._on_progress)
        self._runner.succeeded.connect(self._on_succeeded)
        self._runner.failed.connect(self._on_failed)
        self._runner.cancelled.connect(self._on_cancelled)
        self._events.dropped.connect(self.open_model)
        self._events.ended.connect(self._on_ended)

    def _on_layer_removed(self, event: Any) -> None:  # noqa: ANN401 - a napari event
        """End the comparison of a layer that is gone, and do not keep its pixels."""
        if self._side.holds(event.value):
            self.side_by_side.value = False
        self._results = [pair for pair in self._results if event.value not in pair]
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

    def _start_waiting(self) -> None:
        """Start the run or preview that was asked for meanwhile."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._start(preview=waiting)

    def _on_run(self) -> None:
        self._start(preview=False)

    def _on_preview(self) -> None:
        self._start(preview=True)

    def _start(self, *, preview: bool) -> None:
        """Start a run, or remember it until the network is open."""
        if self._busy:
            return
        if self._networks.opening is not None:
            self._waiting = preview
            self.show_busy(f"Waiting for {Path(self._networks.opening).name} to open…")
            return
        try:
            task, image = self._read_task(preview=preview)
        except Exception as error:  # noqa: BLE001 - the edge: every mistake reaches the user
            self._tell(error)
            return
        self._previewing, self._image, self._key = preview, image, self.model.value
        self._show_state(busy=True)
        self.show_busy("Preparing…")
        self.say("Preparing…", task.roi.remarks)
        self._events.watch_window()
        self._runner.start(task, self._roi_on_top())

    def _on_test(self) -> None:
        """Run one tile of what is in sight."""
        try:
            task, _ = self._read_task(preview=True)
        except Exception as error:  # noqa: BLE001 - the edge: every mistake reaches the user
            self._tell(error)
            return
        self._examiner.test(task)

    def _read_task(self, *, preview: bool) -> tuple[Task, Image]:
        """Read all that a run needs from fields and layers."""
        image = self.image.value
        if image is None:
            raise ImageError("No image layer is chosen; add an image to the viewer first.")
        key = self.model.value
        if key is None:
            raise ModelError("No network is chosen; open an ONNX file.")
        source, view = read_image(image), read_view(self._viewer)
        plane = view.plane_of(image, source.data.shape)
        model = self._networks[key]
        volumes = isinstance(model, Model) and "Z" in model.spec.axes_in
        number = source.plane_number(plane, depth=not volumes)
        options = read_options(self, number)
        if preview and number is not None:
            options = dataclasses.replace(options, planes=(number,))
        task = Task(
            source=source,
            model=model,
            roi=self._read_roi(image, source, view, options, plane),
            options=options,
            preview=preview,
            window=view.window_of(image, source.spatial_shape) if preview else None,
        )
        return task, image

    def _read_roi(
        self,
        image: Image,
        source: "ImageSource",
        view: View,
        options: "Options",
        plane: tuple[int, ...],
    ) -> Roi:
        """Read the ROI layer, if one is chosen."""
        layer = self.roi.value
        if layer is None:
            return Roi()
        if isinstance(layer, Labels):
            return read_labels(layer, image, view, source.spatial_shape)
        only = plane if options.planes != "all" else None
        return read_shapes(layer, image, view, plane=only)

    def _on_progress(self, progress: "Progress") -> None:
        """Show how far the run is."""
        self.show_progress(progress)
        if self.cancel.enabled and self.status.value != _RUNNING:
            self.status.value = _RUNNING

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

    def _on_cancelled(self) -> None:
        """Say that nothing is left of the run."""
        self._show_state(busy=False)
        self.say("Cancelled; nothing was changed.")
        self.cancelled.emit()

    def _on_failed(self, error: Exception) -> None:
        """Be ready for the next run, and say what went wrong in this one."""
        self._busy = False
        self._tell(error)

    def _tell(self, error: Exception) -> None:
        """Tell the user what went wrong."""
        self._show_state(busy=self._busy)
        text = str(error)
        if not isinstance(error, MicroEnhanceError):
            LOGGER.error("unexpected failure", exc_info=error)
            text = f"{type(error).__name__}: {text}" if text else type(error).__name__
        self.say("Failed.", [text])
        show_error(text)
        self.failed.emit(error)

    def _on_succeeded(self, outcome: Outcome) -> None:
        """Show the result; a layer of tiles that is still there goes a turn later.

        napari collects garbage when a layer goes, which takes as long as adding one.
        """
        try:
            layer = self._show(outcome.plan)
        except Exception as error:  # noqa: BLE001 - the edge: every mistake reaches the user
            self._runner.tidy()
            self._on_failed(error)
            return
        QTimer.singleShot(0, lambda: self._finish(outcome, layer))

    def _show(self, plan: "LayerPlan") -> Layer:
        """Show the layer of a result or preview."""
        layers = self._viewer.layers
        selected = set(layers.selection)
        if self._previewing:
            self._remove_preview()
        layer = self._runner.become(plan)
        if layer is None:
            layer = Layer.create(plan.data, plan.meta, plan.kind)
            layers.insert(place_in(layers, self._roi_on_top()), layer)
        if plan.contrast_range is not None:
            low, high = layer.contrast_limits
            start, stop = plan.contrast_range
            layer.contrast_limits_range = (min(low, start), max(high, stop))
        if self._previewing:
            restore_selection(layers, selected)
        else:
            layers.selection.active = layer
        return layer

    def _roi_on_top(self) -> Layer | None:
        """Return the drawn ROI where it lies above the image."""
        roi, layers = self.roi.value, self._viewer.layers
        if not isinstance(roi, Shapes) or self._image not in layers:
            return None
        return roi if layers.index(roi) > layers.index(self._image) else None

    def _remove_preview(self) -> None:
        """Make room for the next preview."""
        if self._preview_layer is not None:
            self._viewer.layers.remove(self._preview_layer)

    def _finish(self, outcome: Outcome, layer: Layer) -> None:
        """Clear up and say what ran."""
        self._runner.tidy()
        self._networks.keep(self._key, outcome.model)
        self._show_state(busy=False)
        self.say(outcome.summary, outcome.remarks)
        self._examiner.show_run(outcome.model, outcome.provider)
        if self._previewing:
            self._preview_layer = layer
            self.previewed.emit(layer)
            return
        if self._image in self._viewer.layers:
            self._results.append((self._image, layer))
        if self.side_by_side.value:
            self._show_pair()
        self.completed.emit(layer)

    def _show_state(self, *, busy: bool) -> None:
        """Enable the buttons that make sense; `busy` is about runs, not about opening."""
        self._busy = busy
        self.run.enabled = self.preview.enabled = not busy
        self.cancel.enabled = busy or self._networks.opening is not None
        if not self.cancel.enabled:
            self.show_idle()

    def _on_draw_roi(self) -> None:
        """Let the user draw."""
        try:
            self.add_roi_layer()
        except ImageError as error:
            self._tell(error)

    def _on_side_by_side(self, wanted: Any) -> None:  # noqa: ANN401 - the value
        """Show original and result side by side, or put the viewer back."""
        if wanted:
            self._show_pair()
        else:
            self._side.hide()

    def _show_pair(self) -> None:
        """Show the result that is selected, or the latest one, beside its original."""
        active = self._viewer.layers.selection.active
        chosen = [p for p in self._results if active is not None and p[1] == active]
        chosen = chosen or self._results
        if not chosen:
            self.say("", ["There is no result to compare yet; press Run first."])
            self.side_by_side.value = False
            return
        original, result = chosen[-1]
        self._side.show(original, result, self.roi.value)

    def _on_ended(self) -> None:
        """Stop at once, for the widget or its window goes away."""
        self._examiner.drop()
        if not self._busy and self._networks.opening is None:
            return
        self._waiting = None
        self._networks.drop()
        self.model.reset_choices()
        self._runner.drop()
        self._on_cancelled()
