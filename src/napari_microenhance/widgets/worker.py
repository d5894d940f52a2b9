"""Threads beside the window."""

import contextlib
from typing import Any, Generic, TypeVar

from superqt.utils import WorkerBase

__all__ = ["Handle", "QuietWorker"]

ValueT = TypeVar("ValueT")


class QuietWorker(WorkerBase[ValueT]):
    """A worker that may go on beside others; its `work` keeps errors itself.

    superqt swaps the function that shows warnings, one for all threads, while a worker runs;
    two swaps that overlap are not put back right, and keep a finished worker's pixels alive.
    """

    def run(self) -> None:
        """Do the work without a hand on `warnings`, and say that it is over."""
        with contextlib.suppress(Exception):  # kept as `error`
            self.work()
        self.finished.emit()
        self._finished.emit(self)


WorkerT = TypeVar("WorkerT", bound=WorkerBase[Any])


class Handle(Generic[WorkerT]):
    """A worker in flight, without any tie to the window: what a deleted widget may call."""

    # Of the class too: Python may have cleared the object when Qt calls it.
    worker: WorkerT | None = None

    def drop(self) -> None:
        """Ask the worker to stop, and let nobody hear of its end.

        Some versions of Qt's bindings crash in a slot whose object is gone by then.
        """
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.quit()
            worker.finished.disconnect()
