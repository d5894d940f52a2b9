"""Runs one task at a time beside the window and says how it ended."""

import logging
import time
from typing import TYPE_CHECKING, Any

from psygnal import Signal
from qtpy.QtCore import QObject, QTimer

from napari_microenhance.errors import Cancelled
from napari_microenhance.widgets.live import LiveLayer
from napari_microenhance.widgets.worker import EngineWorker, Handle, Task

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_microenhance.api import Progress
    from napari_microenhance.widgets.results import LayerPlan

__all__ = ["Runner"]

LOGGER = logging.getLogger(__name__)

_TICK_MS = 30
_PROGRESS_SECONDS = 0.1
_REFRESH_SECONDS = 1 / 3
_GRACE_MS = 400


class Runner:
    """Starts a worker, shows its tiles, and ends it; main thread only.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    parent : QObject
        Owner of the timers.
    """

    progressed = Signal(object)
    """The latest `Progress`, at most 10 times a second."""

    succeeded = Signal(object)
    """An `Outcome`; `tidy` is to be called once its layer is shown."""

    failed = Signal(object)
    """An exception; nothing of the run is left in the viewer."""

    cancelled = Signal()
    """The run was cancelled; nothing of it is left in the viewer."""

    def __init__(self, viewer: "ViewerModel", parent: QObject) -> None:
        self._viewer = viewer
        self.handle = Handle[EngineWorker]()
        self._live: LiveLayer | None = None
        self._below: Layer | None = None
        self._task: Task | None = None
        self._reported: Progress | None = None
        self._said = self._refreshed = 0.0
        self._ticks = QTimer(parent)
        self._ticks.setInterval(_TICK_MS)
        self._ticks.timeout.connect(self._on_tick)
        self._grace = QTimer(parent)
        self._grace.setSingleShot(True)
        self._grace.setInterval(_GRACE_MS)
        self._grace.timeout.connect(self._on_grace_over)

    @property
    def is_busy(self) -> bool:
        """Whether a run is going on."""
        return self.handle.worker is not None

    def start(self, task: Task, below: "Layer | None") -> None:
        """Start a run; its tiles appear on top of the layers, but below the ROI's."""
        worker = EngineWorker(task)
        self.handle.worker = worker
        self._task, self._below = task, below
        self._live, self._reported = None, None
        worker.finished.connect(self._on_finished)
        worker.warned.connect(_log_warning)
        self._ticks.start()
        worker.start()

    def cancel(self) -> None:
        """Ask the run to stop.

        The engine stops inside a tile. What cannot be interrupted, such as opening a
        large network, is left to end by itself, unheard.
        """
        worker = self.handle.worker
        if worker is not None and not self._grace.isActive():
            worker.quit()
            self._grace.start()

    def drop(self) -> None:
        """Stop without a word and without waiting: the widget is going away."""
        self.handle.drop()
        self._release()
        self.tidy()

    def become(self, plan: "LayerPlan") -> "Layer | None":
        """Turn the layer of tiles into that of the result, if it can be done."""
        return None if self._live is None else self._live.become(plan)

    def tidy(self) -> None:
        """Take the layer of tiles away."""
        if self._live is not None:
            self._live.remove()
        self._live = None

    def _on_tick(self) -> None:
        """Show what the worker has done since the last look: tiles or progress, in turns.

        Each makes Qt compose the window anew, and together they would be a longer pause.
        """
        worker = self.handle.worker
        if worker is None or worker.done:
            return
        if self._live is None and self._task is not None and worker.tiles is not None:
            self._live = LiveLayer(self._viewer, self._task.source, worker.tiles, self._below)
            # As an event of its own: the canvas is then drawn in the next one.
            QTimer.singleShot(0, self._live.add)
            return
        if self._live is not None:
            # A tick later, when the canvas has been drawn with the new layer.
            worker.shown.set()
            due = time.monotonic() - self._refreshed >= _REFRESH_SECONDS
            if due and self._live.refresh():
                # From its end on: a slow machine gets its pause as well.
                self._refreshed = time.monotonic()
                return
        progress, now = worker.progress, time.monotonic()
        if progress is not self._reported and now - self._said >= _PROGRESS_SECONDS:
            self._reported, self._said = progress, now
            self.progressed.emit(progress)

    def _on_finished(self, _: None = None) -> None:
        """Sort out how the run ended."""
        worker = self.handle.worker
        if worker is None or not worker.done:
            return  # a dropped worker's late word
        self._release()
        if worker.outcome is not None and not worker.abort_requested:
            self.succeeded.emit(worker.outcome)
            return
        self.tidy()
        if worker.error is None or isinstance(worker.error, Cancelled) or worker.abort_requested:
            self.cancelled.emit()
        else:
            self.failed.emit(worker.error)

    def _on_grace_over(self) -> None:
        """Leave a worker alone that does not stop."""
        if self.is_busy:
            self.drop()
            self.cancelled.emit()

    def _release(self) -> None:
        """Forget the worker."""
        self._ticks.stop()
        self._grace.stop()
        self.handle.worker = None
        self._task = self._below = None


def _log_warning(details: Any) -> None:  # noqa: ANN401 - what warnings.showwarning gets
    """Keep a library's warning for the log; those for the user are in the report."""
    LOGGER.warning("%s", details[0])
