"""One call in a thread of its own."""

from collections.abc import Callable
from typing import Generic, TypeVar

from napari.qt.threading import create_worker
from superqt.utils import WorkerBase

from napari_microenhance.widgets.background.hooks import JobHooks

__all__ = ["Call", "CallWorker", "make_worker"]

T = TypeVar("T")

Call = Callable[[JobHooks], T]
"""What runs beside the window."""


class CallWorker(WorkerBase[T]):
    """Makes one call, and keeps what comes of it.

    A generator would not do: a RuntimeError inside one ends it without a word.

    Parameters
    ----------
    call : callable
        Gets a `JobHooks`.

    Attributes
    ----------
    hooks : JobHooks
    outcome : object or None
    error : Exception or None
    done : bool
        Whether the call is over.
    """

    def __init__(self, call: Call[T]) -> None:
        super().__init__()
        self._call: Call[T] | None = call
        self.hooks = JobHooks(lambda: self.abort_requested)
        self.outcome: T | None = None
        self.error: Exception | None = None
        self.done = False

    def run(self) -> None:
        """Make the call and say that it is over.

        Without a hand on `warnings`, unlike the method of the base class: superqt swaps the
        function that shows them, one for all threads, while a worker runs; two swaps that
        overlap are not put back right, and keep a finished worker's pixels alive.
        """
        self.started.emit()
        call, self._call = self._call, None
        try:
            if call is not None and not self.abort_requested:
                self.outcome = call(self.hooks)
        except Exception as error:  # noqa: BLE001 - the edge: the owner hears of every one
            self.error = error
        del call
        self.done = True
        self.finished.emit()
        self._finished.emit(self)


class _Titled(Generic[T]):
    """A call that napari's task manager names in its warning."""

    def __init__(self, call: Call[T], title: str) -> None:
        self._call: Call[T] | None = call
        self._title = title

    def __call__(self, hooks: JobHooks) -> T:
        # napari's manager keeps what it was told of; it is not to keep an image.
        call, self._call = self._call, None
        assert call is not None
        return call(hooks)

    def __str__(self) -> str:
        return self._title


def make_worker(call: Call[T], title: str) -> CallWorker[T]:
    """Return a worker for a call that is not started yet.

    Parameters
    ----------
    call : callable
    title : str
        With one, the worker is known to napari's task manager, which warns by this name when
        the window is closed meanwhile. Without one, napari closes without a question.
    """
    if not title:
        return CallWorker(call)
    worker: CallWorker[T] = create_worker(
        _Titled(call, title),
        _worker_class=CallWorker,
        _start_thread=False,
        _ignore_errors=True,
    )
    return worker
