"""The part of the dock widget that runs: from a press of a button to the layers of the results."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image, Layer, Shapes
from napari.utils.notifications import show_error
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_microenhance.api import Model
from napari_microenhance.errors import ImageError, MicroEnhanceError, ModelError, OptionsError
from napari_microenhance.widgets.batch import (
    FOREGROUND,
    Batch,
    Run,
    foreground_task,
    originals,
    plan_runs,
    read_task,
)
from napari_microenhance.widgets.choosers import LayerChoosers
from napari_microenhance.widgets.examiner import Examiner
from napari_microenhance.widgets.layers import place_in, restore_selection
from napari_microenhance.widgets.lifetime import WidgetEvents
from napari_microenhance.widgets.live import is_live
from napari_microenhance.widgets.networks import SUFFIXES, Networks
from napari_microenhance.widgets.options_form import read_options
from napari_microenhance.widgets.runner import Runner
from napari_microenhance.widgets.settings import remember
from napari_microenhance.widgets.view import read_view
from napari_microenhance.widgets.worker import Outcome

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_microenhance.api import Progress
    from napari_microenhance.widgets.results import LayerPlan

__all__ = ["Running"]

LOGGER = logging.getLogger(__name__)

_RUNNING = "Running…"


class Running(LayerChoosers):
    """Runs what the fields describe, one `Batch` at a time, and shows the results.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    completed = Signal(object)
    """The result layer of a run."""

    previewed = Signal(object)
    """The layer of a preview."""

    failed = Signal(object)
    """The exception that ended a run or the opening of a network."""

    cancelled = Signal()
    """A run was cancelled; no layer of it is left, only results of other images."""

    def __init__(self, viewer: "ViewerModel") -> None:
        self._networks = Networks()
        self._waiting: Callable[[], Batch] | None = None
        self._busy = False
        self._batch: Batch | None = None
        self._preview_layer: Layer | None = None
        super().__init__(viewer)
        self._examiner = Examiner(self._card, self._networks)
        self._runner = Runner(viewer, self.native)
        self._events = WidgetEvents(self.native, SUFFIXES)
        self.run.changed.connect(self._on_run)
        self.preview.changed.connect(self._on_preview)
        self._run_menu.add(
            "Run on all image layers",
            "One result for each, with the same options and ROI; results are left out.",
        )
        self._run_menu.chosen.connect(self._on_run_all)
        self._card.test.changed.connect(self._on_test)
        self._runner.progressed.connect(self._on_progress)
        self._runner.succeeded.connect(self._on_succeeded)
        self._runner.failed.connect(self._on_failed)
        self._runner.cancelled.connect(self._on_cancelled)

    def _note_result(self, image: Image, layer: Layer) -> None:
        """Take note of a result and the image that it was made of."""

    def _remember(self) -> None:
        """Keep what is chosen for the next opening of the widget."""
        try:
            remember(read_options(self, None), self.model.value or "")
        except OptionsError:
            return  # a field is being typed in

    def _on_run(self) -> None:
        self._start(self._plan_run)

    def _on_preview(self) -> None:
        self._start(self._plan_preview)

    def _on_run_all(self) -> None:
        self._start(self._plan_all)

    def _on_find_roi(self) -> None:
        self._start(self._plan_roi)

    def _plan_run(self) -> Batch:
        """Plan the run that the fields describe, or one for each shape of the ROI."""
        image, model = self._chosen_pair()
        view, apart = read_view(self._viewer), bool(self.each_shape.value)
        runs = plan_runs(self, [image], model, view, apart=apart)
        if runs[0].error is not None:
            raise runs[0].error
        return Batch(runs, self.model.value)

    def _plan_preview(self) -> Batch:
        """Plan a preview."""
        image, model = self._chosen_pair()
        task = read_task(self, image, model, read_view(self._viewer), preview=True)
        return Batch([Run(image, task)], self.model.value, preview=True)

    def _plan_all(self) -> Batch:
        """Plan a run for every image."""
        _, model = self._chosen_pair()
        images = originals(layer for _, layer in self._image_choices(None))
        if not images:
            raise ImageError("All image layers are results; add an image to the viewer first.")
        view, apart = read_view(self._viewer), bool(self.each_shape.value)
        runs = plan_runs(self, images, model, view, apart=apart)
        return Batch(runs, self.model.value, keeps=True)

    def _plan_roi(self) -> Batch:
        """Plan the run that finds the ROI."""
        image = self._chosen_image()
        task = foreground_task(self, image, self._networks[FOREGROUND], read_view(self._viewer))
        return Batch([Run(image, task)], FOREGROUND, as_roi=True)

    def _start(self, plan: Callable[[], Batch]) -> None:
        """Start what a plan says, or remember it until the network is open."""
        if self._busy:
            return
        if self._networks.opening is not None:
            self._waiting = plan
            self.show_busy(f"Waiting for {Path(self._networks.opening).name} to open…")
            return
        try:
            self._batch = plan()
        except Exception as error:  # noqa: BLE001 - the edge: every mistake reaches the user
            self._tell(error)
            return
        self._remember()
        self._show_state(busy=True)
        self.show_busy("Preparing…")
        self._events.watch_window()
        self._begin(self._batch)

    def _begin(self, batch: Batch) -> None:
        """Begin the next run; one that cannot be begun is told when its turn comes."""
        run = batch.begin()
        if run.task is None:
            self._on_failed(run.error or ImageError(f"{run.image.name} cannot be read."))
            return
        self.say("Preparing…", run.task.roi.remarks)
        self._runner.start(run.task, self._roi_on_top())

    def _on_test(self) -> None:
        """Run one tile of what is in sight."""
        try:
            image, model = self._chosen_pair()
            task = read_task(self, image, model, read_view(self._viewer), preview=True)
        except Exception as error:  # noqa: BLE001 - the edge: every mistake reaches the user
            self._tell(error)
            return
        self._examiner.test(task)

    def _chosen_image(self) -> Image:
        """Return the image, or say that there is none."""
        image = self.image.value
        if image is None:
            raise ImageError("No image layer is chosen; add an image to the viewer first.")
        return image

    def _chosen_pair(self) -> tuple[Image, Model | str]:
        """Return image and network, or say what is missing."""
        image, key = self._chosen_image(), self.model.value
        if key is None:
            raise ModelError("No network is chosen; open an ONNX file.")
        return image, self._networks[key]

    def _on_progress(self, progress: "Progress") -> None:
        """Show how far the run is."""
        batch = self._batch
        self.show_progress(progress, *((batch.number, len(batch)) if batch is not None else ()))
        if self.cancel.enabled and self.status.value != _RUNNING:
            self.status.value = _RUNNING

    def _on_cancelled(self) -> None:
        """Say what is left of the runs."""
        kept = self._end_batch(complete=False)
        self._show_state(busy=False)
        self.say(
            f"Cancelled; {kept} finished result{'s' * (kept > 1)} kept."
            if kept
            else "Cancelled; nothing was changed."
        )
        self.cancelled.emit()

    def _on_failed(self, error: Exception) -> None:
        """Say what went wrong in a run, and go on with the next or be ready for another."""
        batch = self._batch
        if batch is not None and batch.keeps:
            text = batch.fail(_text_of(error))
            show_error(text)
            self.failed.emit(error)
            self._go_on(batch)
            return
        self._end_batch(complete=False)
        self._busy = False
        self._tell(error)

    def _tell(self, error: Exception) -> None:
        """Tell the user what went wrong."""
        self._show_state(busy=self._busy)
        text = _text_of(error)
        self.say("Failed.", [text])
        show_error(text)
        self.failed.emit(error)

    def _on_succeeded(self, outcome: Outcome) -> None:
        """Show the result; a layer of tiles that is still there goes a turn later.

        napari collects garbage when a layer goes, which takes as long as adding one.
        """
        batch = self._batch
        if batch is None:
            self._runner.tidy()
            return
        try:
            layer = self._show(outcome.plan, preview=batch.preview)
        except Exception as error:  # noqa: BLE001 - the edge: every mistake reaches the user
            self._runner.tidy()
            self._on_failed(error)
            return
        batch.layers.append(layer)
        QTimer.singleShot(0, lambda: self._finish(batch, outcome, layer))

    def _show(self, plan: "LayerPlan", *, preview: bool) -> Layer:
        """Show the layer of a result or preview."""
        layers = self._viewer.layers
        selected = set(layers.selection)
        if preview:
            self._remove_preview()
        layer = self._runner.become(plan)
        if layer is None:
            layer = Layer.create(plan.data, plan.meta, plan.kind)
            layers.insert(place_in(layers, self._roi_on_top()), layer)
        if plan.contrast_range is not None:
            low, high = layer.contrast_limits
            start, stop = plan.contrast_range
            layer.contrast_limits_range = (min(low, start), max(high, stop))
        if preview:
            restore_selection(layers, selected)
        else:
            layers.selection.active = layer
        return layer

    def _roi_on_top(self) -> Layer | None:
        """Return the drawn ROI where it lies above the image."""
        roi, layers = self.roi.value, self._viewer.layers
        image = None if self._batch is None else self._batch.run.image
        if not isinstance(roi, Shapes) or image not in layers:
            return None
        above = list(layers)[layers.index(image) + 1 :]
        if roi not in above:
            return None
        # The outlines of the grown ROI lie right below it.
        return next((x for x in above if isinstance(x, Shapes) and is_live(x)), roi)

    def _remove_preview(self) -> None:
        """Make room for the next preview."""
        if self._preview_layer is not None:
            self._viewer.layers.remove(self._preview_layer)

    def _finish(self, batch: Batch, outcome: Outcome, layer: Layer) -> None:
        """Clear up after a run, and go on with the next or say what ran."""
        self._runner.tidy()
        if self._batch is not batch:
            return  # the widget was closed meanwhile
        image = batch.run.image
        self._networks.keep(batch.key, outcome.model)
        batch.remarks += [r for r in outcome.remarks if r not in batch.remarks]
        self._examiner.show_run(outcome.model, outcome.provider)
        if batch.preview:
            self._preview_layer = layer
        elif image in self._viewer.layers:
            self._note_result(image, layer)
        if batch.as_roi:
            self.roi.value = layer
        self._go_on(batch, outcome.summary)
        (self.previewed if batch.preview else self.completed).emit(layer)

    def _go_on(self, batch: Batch, summary: str = "") -> None:
        """Begin the next run, or say how all of them went."""
        if batch.stopped:
            self._on_cancelled()
            return
        if not batch.is_over:
            self._begin(batch)
            return
        self._end_batch(complete=True)
        self._show_state(busy=False)
        self.say(*batch.summary(summary))

    def _end_batch(self, *, complete: bool) -> int:
        """Forget the runs; return how many results stay, which are all or none of them."""
        batch, self._batch = self._batch, None
        if batch is None or complete or batch.keeps:
            return 0 if batch is None else len(batch.layers)
        for layer in batch.layers:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        return 0

    def _show_state(self, *, busy: bool) -> None:
        """Enable the buttons that make sense; `busy` is about runs, not about opening."""
        self._busy = busy
        self.run.enabled = self.preview.enabled = not busy
        self.cancel.enabled = busy or self._networks.opening is not None
        if not self.cancel.enabled:
            self.show_idle()

    def _start_waiting(self) -> None:
        """Start what was asked for meanwhile."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._start(waiting)

    def _try(self, action: Callable[..., object], *args: object) -> None:
        """Do something at once, and tell what is wrong."""
        try:
            action(*args)
        except Exception as error:  # noqa: BLE001 - the edge: every mistake reaches the user
            self._tell(error)


def _text_of(error: Exception) -> str:
    """Return what an error says to the user; one that is none of ours goes to the log too."""
    text = str(error)
    if isinstance(error, MicroEnhanceError):
        return text
    LOGGER.error("unexpected failure", exc_info=error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
