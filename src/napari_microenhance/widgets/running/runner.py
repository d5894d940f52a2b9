"""Runs one task at a time beside the window, shows its tiles, and says how it ended."""

import time
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import QObject, QTimer

from napari_microenhance.widgets.background.background_job import BackgroundJob
from napari_microenhance.widgets.running.engine_call import EngineCall
from napari_microenhance.widgets.viewer.live import LiveLayer

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_microenhance.widgets.running.task import Outcome, Task
    from napari_microenhance.widgets.viewer.results import LayerPlan

__all__ = ["Runner"]

_REFRESH_SECONDS = 1 / 3


class Runner:
    """Starts a run, shows its tiles, and ends it; main thread only.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    parent : QObject or None
        Owner of the timers.
    """

    progressed = Signal(object)
    """The latest `JobProgress`, at most four times a second."""

    succeeded = Signal(object)
    """An `Outcome`; `tidy` is to be called once its layer is shown."""

    failed = Signal(object)
    """An exception; nothing of the run is left in the viewer."""

    cancelled = Signal()
    """The run was cancelled; nothing of it is left in the viewer."""

    def __init__(self, viewer: "ViewerModel", parent: QObject | None) -> None:
        self._viewer = viewer
        self._call: EngineCall | None = None
        self._live: LiveLayer | None = None
        self._image: Layer | None = None
        self._task: Task | None = None
        self._refreshed = 0.0
        self._job = BackgroundJob(parent, glance=self._show_tiles)
        self._job.progressed.connect(self.progressed.emit)
        self._job.ended.connect(self._release)
        self._job.failed.connect(self._on_failed)
        self._job.cancelled.connect(self._on_cancelled)

    @property
    def is_busy(self) -> bool:
        """Whether a run is going on."""
        return self._job.is_busy

    def start(self, task: "Task", image: "Layer") -> None:
        """Start a run on an image; its tiles appear above that."""
        self._task, self._image = task, image
        self._live, self._call = None, EngineCall(task)
        self._job.start(self._call, self._on_outcome, title=f"Enhancing {task.source.name}")

    def cancel(self) -> None:
        """Ask the run to stop: the engine does inside a tile, and what does not is left alone."""
        self._job.cancel()

    def drop(self) -> None:
        """Stop without a word and without waiting: the widget is going away."""
        self._job.drop()
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

    def _show_tiles(self) -> bool:
        """Show the tiles that came since the last look; return whether anything was drawn."""
        call, task, image = self._call, self._task, self._image
        if call is None or task is None or image is None:
            return False
        if self._live is None and call.tiles is not None:
            self._live = LiveLayer(self._viewer, task.source, call.tiles, image)
            # As an event of its own: the canvas is then drawn in the next one.
            QTimer.singleShot(0, self._live.add)
            return True
        if self._live is None:
            return False
        # A tick later, when the canvas has been drawn with the new layer.
        call.shown.set()
        is_due = time.monotonic() - self._refreshed >= _REFRESH_SECONDS
        if is_due and self._live.refresh():
            # From its end on: a slow machine gets its pause as well.
            self._refreshed = time.monotonic()
            return True
        return False

    def _on_outcome(self, outcome: "Outcome") -> None:
        """Hand on what came of the run."""
        self.succeeded.emit(outcome)

    def _on_failed(self, error: Exception) -> None:
        """Leave nothing of the run, and say why it ended."""
        self.tidy()
        self.failed.emit(error)

    def _on_cancelled(self) -> None:
        """Leave nothing of the run."""
        self.tidy()
        self.cancelled.emit()

    def _release(self) -> None:
        """Forget the run, but for its tiles."""
        self._task = self._image = self._call = None
