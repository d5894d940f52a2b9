"""One long call at a time, beside the window."""

from collections.abc import Callable
from typing import Any

from psygnal import Signal
from qtpy.QtCore import QObject, QTimer

from napari_microenhance.api import Progress
from napari_microenhance.errors import Cancelled
from napari_microenhance.widgets.examiner import CallWorker
from napari_microenhance.widgets.worker import Handle

__all__ = ["Call", "Errand", "Hooks"]

_TICK_MS = 100


class Hooks:
    """What a call is given: whether to stop, and where to say how far it is.

    Parameters
    ----------
    should_stop : callable
    """

    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self.should_stop = should_stop
        self.progress: Progress | None = None

    def show(self, progress: Progress) -> None:
        """Note how far the call is; its own thread."""
        self.progress = progress


Call = Callable[[Hooks], Any]


class Errand:
    """Runs a call in a thread of its own; main thread only.

    Parameters
    ----------
    parent : QObject
        Owner of the timer.
    """

    progressed = Signal(object)
    """The latest `Progress`, at most 10 times a second."""

    failed = Signal(object)
    """The exception that ended the call."""

    ended = Signal()
    """The call is over, however it ended; what came of it is told right after."""

    def __init__(self, parent: QObject) -> None:
        self.handle = Handle[CallWorker]()
        self._hooks: Hooks | None = None
        self._finish: Callable[[Any], None] | None = None
        self._ticks = QTimer(parent)
        self._ticks.setInterval(_TICK_MS)
        self._ticks.timeout.connect(self._on_tick)

    @property
    def is_busy(self) -> bool:
        """Whether a call is going on."""
        return self.handle.worker is not None

    def start(self, call: Call, finish: Callable[[Any], None]) -> None:
        """Make a call, and hand what it returns to `finish`; one that goes on is dropped."""
        self.handle.drop()

        def work(should_stop: Callable[[], bool]) -> Any:  # noqa: ANN401 - what the call gives
            hooks.should_stop = should_stop
            return call(hooks)

        hooks = Hooks(lambda: False)
        worker = CallWorker(work)
        self.handle.worker, self._hooks, self._finish = worker, hooks, finish
        worker.finished.connect(self._on_finished)
        self._ticks.start()
        worker.start()

    def drop(self) -> None:
        """Stop without a word and without waiting; the thread ends by itself."""
        self.handle.drop()
        self._release()

    def _on_tick(self) -> None:
        """Tell how far the call is."""
        if self._hooks is not None and self._hooks.progress is not None:
            self.progressed.emit(self._hooks.progress)

    def _on_finished(self, _: None = None) -> None:
        """Hand on what came of the call."""
        worker, finish = self.handle.worker, self._finish
        if worker is None or finish is None or not worker.done:
            return  # a dropped worker's late word
        self._release()
        self.ended.emit()
        if worker.error is None:
            finish(worker.outcome)
        elif not isinstance(worker.error, Cancelled):
            self.failed.emit(worker.error)

    def _release(self) -> None:
        """Forget the worker."""
        self._ticks.stop()
        self.handle.worker = self._hooks = self._finish = None
