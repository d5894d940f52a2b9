"""Runs: from a press of a button to the layers of the results."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari.utils.notifications import show_error
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_microenhance.errors import ImageError
from napari_microenhance.widgets.background.telling import text_of
from napari_microenhance.widgets.enhance.layer_control import offered_images
from napari_microenhance.widgets.enhance.outcome.undo_step import UndoStep
from napari_microenhance.widgets.enhance.request import (
    batch_of_foreground,
    batch_of_images,
    batch_of_preview,
    batch_of_run,
)
from napari_microenhance.widgets.roi.drawn_roi import finish_drawing
from napari_microenhance.widgets.running.batch import Batch
from napari_microenhance.widgets.viewer.view import read_view

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_microenhance.widgets.background.hooks import JobProgress
    from napari_microenhance.widgets.enhance.dock_view import DockView
    from napari_microenhance.widgets.models.network_choices import Networks
    from napari_microenhance.widgets.running.result_layers import ResultLayers
    from napari_microenhance.widgets.running.runner import Runner
    from napari_microenhance.widgets.running.task import Outcome

__all__ = ["FOREGROUND", "RunControl"]

FOREGROUND: Final = "foreground"
"""The built-in network that finds an ROI."""


class RunControl:
    """Runs what is asked for, one `Batch` at a time, and shows the results.

    Parameters
    ----------
    view : DockView
    viewer : napari.components.ViewerModel
    runner : Runner
    results : ResultLayers
    networks : Networks
    """

    began = Signal()
    """What the fields say is about to be run."""

    ran = Signal(object)
    """The `Outcome` of a run whose layer is shown."""

    made = Signal(object, object)
    """An image and the result that was made of it."""

    completed = Signal(object)
    """The result layer of a run."""

    previewed = Signal(object)
    """The layer of a preview."""

    failed = Signal(object)
    """The exception that ended one of several runs."""

    cancelled = Signal()
    """A run was cancelled; no layer of it is left, only results of other images."""

    left = Signal(object)
    """The `UndoStep` that takes the layers of finished runs back."""

    def __init__(
        self,
        view: "DockView",
        viewer: "ViewerModel",
        runner: "Runner",
        results: "ResultLayers",
        networks: "Networks",
    ) -> None:
        self._view, self._viewer, self._networks = view, viewer, networks
        self._runner, self._results = runner, results
        self._waiting: Callable[[], Batch] | None = None
        self._batch: Batch | None = None
        runner.progressed.connect(self._on_progress)
        runner.succeeded.connect(self._on_succeeded)
        runner.failed.connect(self._on_failed)
        runner.cancelled.connect(self.end_cancelled)

    @property
    def is_busy(self) -> bool:
        """Whether runs are going on."""
        return self._batch is not None

    def run(self) -> None:
        """Run what the fields describe, or once for each shape of the ROI."""
        self._start(lambda: batch_of_run(self._view.read_request(), read_view(self._viewer)))

    def preview(self) -> None:
        """Run what is in sight."""
        self._start(lambda: batch_of_preview(self._view.read_request(), read_view(self._viewer)))

    def run_all(self) -> None:
        """Run on every image that is no result."""

        def plan() -> Batch:
            images = [layer for _, layer in offered_images(self._viewer.layers)]
            return batch_of_images(self._view.read_request(), images, read_view(self._viewer))

        self._start(plan)

    def find_roi(self) -> None:
        """Run the network that finds the foreground, and choose that as the ROI."""

        def plan() -> Batch:
            request = dataclasses.replace(
                self._view.read_request(), key=FOREGROUND, model=self._networks[FOREGROUND]
            )
            return batch_of_foreground(request, read_view(self._viewer))

        self._start(plan)

    def go_on(self) -> None:
        """Start what was asked for while a network was being opened."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._start(waiting)

    def forget_waiting(self) -> None:
        """Do not start what waits for a network."""
        self._waiting = None

    def cancel(self) -> bool:
        """Stop what is going on; return whether anything is."""
        self._waiting = None
        if self._batch is None:
            return False
        if self._runner.is_busy:
            self._view.show_cancelling()
            self._runner.cancel()
        else:
            self._batch.stopped = True
        return True

    def stop(self) -> None:
        """Stop at once, for the widget goes away."""
        self._waiting = None
        if self._batch is not None:
            self._runner.drop()
            self.end_cancelled()

    def end_cancelled(self) -> None:
        """Say what is left of the runs, none of which goes on."""
        kept = self._end_batch(complete=False)
        self._show_state()
        self._view.say(
            f"Cancelled; {kept} finished result{'s' * (kept > 1)} kept."
            if kept
            else "Cancelled; nothing was changed."
        )
        self.cancelled.emit()

    def _start(self, plan: Callable[[], Batch]) -> None:
        """Start what a plan says, or remember it until the network is open."""
        if self._batch is not None:
            return
        if self._networks.opening is not None:
            self._waiting = plan
            self._view.show_busy(f"Waiting for {Path(self._networks.opening).name} to open…")
            return
        try:
            finish_drawing(self._view.chosen_roi())
            batch = plan()
        except Exception as error:  # noqa: BLE001 - the edge: every mistake reaches the user
            self._show_state()
            self._view.tell(error)
            return
        self._batch = batch
        self.began.emit()
        self._show_state()
        self._view.show_busy("Preparing…")
        self._begin(batch)

    def _begin(self, batch: Batch) -> None:
        """Begin the next run; one that cannot be begun is told when its turn comes."""
        run = batch.begin()
        if run.task is None:
            self._on_failed(run.error or ImageError(f"{run.image.name} cannot be read."))
            return
        self._view.say("Preparing…", map(str, run.task.roi.remarks))
        self._runner.start(run.task, run.image)

    def _on_progress(self, progress: "JobProgress") -> None:
        """Show how far the run is."""
        batch = self._batch
        if batch is not None:
            self._view.show_progress(progress, batch.number, len(batch))

    def _on_failed(self, error: Exception) -> None:
        """Say what went wrong in a run, and go on with the next or be ready for another."""
        batch = self._batch
        if batch is not None and batch.keeps:
            show_error(batch.fail(text_of(error)))
            self.failed.emit(error)
            self._go_on(batch)
            return
        self._end_batch(complete=False)
        self._show_state()
        self._view.tell(error)

    def _on_succeeded(self, outcome: "Outcome") -> None:
        """Show the result; a layer of tiles that is still there goes a turn later.

        napari collects garbage when a layer goes, which takes as long as adding one.
        """
        batch = self._batch
        if batch is None:
            self._runner.tidy()
            return
        try:
            if batch.preview:
                self._results.remove_previews()
            image = batch.run.image
            plan = self._results.beside(outcome.plan, image, batch.layers)
            tiles = self._runner.become(plan)
            layer = self._results.add(plan, image, tiles, preview=batch.preview)
        except Exception as error:  # noqa: BLE001 - the edge: every mistake reaches the user
            self._runner.tidy()
            self._on_failed(error)
            return
        batch.layers.append(layer)
        QTimer.singleShot(0, lambda: self._finish(batch, outcome, layer))

    def _finish(self, batch: Batch, outcome: "Outcome", layer: "Layer") -> None:
        """Clear up after a run, and go on with the next or say what ran."""
        self._runner.tidy()
        if self._batch is not batch:
            return  # the widget was closed meanwhile
        image = batch.run.image
        self._networks.keep(batch.key, outcome.model)
        batch.remarks += [r for r in outcome.remarks if r not in batch.remarks]
        self.ran.emit(outcome)
        if not batch.preview:
            batch.removed += self._results.remove_previews(image)
            if self._results.holds(image):
                self.made.emit(image, layer)
        if batch.as_roi:
            batch.roi_before = self._view.chosen_roi()
            self._view.choose_roi(layer)
        self._go_on(batch, outcome.summary)
        (self.previewed if batch.preview else self.completed).emit(layer)

    def _go_on(self, batch: Batch, summary: str = "") -> None:
        """Begin the next run, or say how all of them went."""
        if batch.stopped:
            self.end_cancelled()
            return
        if not batch.is_over:
            self._begin(batch)
            return
        self._end_batch(complete=True)
        self._show_state()
        self._view.say_done(*batch.summary(summary))

    def _end_batch(self, *, complete: bool) -> int:
        """Forget the runs; return how many results stay, which are all or none of them."""
        batch, self._batch = self._batch, None
        if batch is None or complete or batch.keeps:
            if batch is not None and batch.layers:
                self.left.emit(self._step(batch))
            return 0 if batch is None else len(batch.layers)
        self._results.remove(batch.layers)
        return 0

    def _step(self, batch: Batch) -> UndoStep:
        """Return what takes finished runs back."""
        name = "Preview" if batch.preview else "ROI from foreground" if batch.as_roi else "Run"
        after = batch.layers[-1] if batch.as_roi else None
        added, removed = tuple(batch.layers), tuple(batch.removed)
        return UndoStep(name, added, removed, roi_before=batch.roi_before, roi_after=after)

    def _show_state(self) -> None:
        """Enable the buttons that make sense."""
        is_busy = self._batch is not None
        can_cancel = is_busy or self._networks.opening is not None
        self._view.show_state(busy=is_busy, can_cancel=can_cancel)
