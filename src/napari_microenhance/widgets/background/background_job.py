"""One call at a time beside the window: started, debounced, watched, cancelled or dropped."""

import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from psygnal import Signal
from qtpy.QtCore import QObject, QTimer

from napari_microenhance.errors import Cancelled
from napari_microenhance.widgets.background.call_worker import Call, CallWorker, make_worker
from napari_microenhance.widgets.background.deletion import when_destroyed

if TYPE_CHECKING:
    from napari_microenhance.widgets.background.hooks import JobProgress

__all__ = ["BackgroundJob"]

T = TypeVar("T")

_TICK_MS = 30
_PROGRESS_SECONDS = 0.25
_GRACE_MS = 400


class _Flight:
    """The worker in flight, without any tie to the window: what a deleted widget may drop."""

    # Of the class too: Python may have cleared the object when Qt calls it.
    worker: CallWorker[Any] | None = None
    number = 0

    def drop(self) -> None:
        """Ask the worker to stop; its late word finds nobody."""
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.quit()


class BackgroundJob:
    """Makes one call at a time in a thread of its own and says how it ended.

    Main thread only, but for the call itself, which gets a `JobHooks`: it reports there, and
    asks there whether to stop. Every exception of the call, whatever its type, comes back as
    `failed`; after any end the job is free for the next call. What a dropped call still says
    or returns is heard by nobody.

    ::

        job = BackgroundJob(widget)
        job.failed.connect(tell)
        job.start(lambda hooks: compare(a, b, hooks.show, hooks.should_stop), show, title="…")

    Parameters
    ----------
    parent : QObject or None
        Owner of the timers; when Qt deletes it, the call is dropped.
    delay_ms : int
        How long `request` waits for the next one.
    waits : bool
        Whether a request waits for the end of a call that goes on, whose outcome then counts
        no more; else that call is dropped. For calls that cannot be stopped, and would pile up.
    glance : callable, optional
        Called every 30 ms while a call goes on; true: it has drawn something, so that
        `progressed` waits for the next time. Each makes Qt compose the window anew, and both
        together would be a longer pause.
    """

    progressed = Signal(object)
    """The latest `JobProgress`, at most four times a second."""

    ended = Signal()
    """The call is over, however it ended; how is told right after. Not after a drop."""

    failed = Signal(object)
    """The exception that ended the call."""

    cancelled = Signal()
    """The call was cancelled, or left alone because it does not stop."""

    def __init__(
        self,
        parent: QObject | None,
        *,
        delay_ms: int = 0,
        waits: bool = False,
        glance: Callable[[], bool] | None = None,
    ) -> None:
        self._waits = waits
        self._glance = glance
        self._flight = _Flight()
        self._then: Callable[[Any], object] | None = None
        self._request: Callable[[], None] | None = None
        self._is_stale = False
        self._reported: JobProgress | None = None
        self._said = 0.0
        self._delay = _timer(parent, delay_ms, self._on_delay_over)
        self._grace = _timer(parent, _GRACE_MS, self._on_grace_over)
        self._ticks = _timer(parent, _TICK_MS, self._on_tick, repeats=True)
        if parent is not None:
            self.end_with(parent)

    def end_with(self, owner: QObject) -> None:
        """Drop the call when Qt deletes an object; a parent is one already."""
        when_destroyed(owner, self._flight.drop)

    @property
    def is_busy(self) -> bool:
        """Whether a call goes on."""
        return self._flight.worker is not None

    def start(self, call: Call[T], then: Callable[[T], object], *, title: str = "") -> None:
        """Make a call now; one that goes on is dropped.

        Parameters
        ----------
        call : callable
            Runs in another thread; gets a `JobHooks`. It must not touch layers or widgets.
        then : callable
            Gets what the call returns; main thread.
        title : str
            What napari warns of when its window is closed during the call, such as
            "Enhancing cells"; empty for looks that nobody would miss.
        """
        self.drop()
        worker = make_worker(call, title)
        self._then = then
        self._flight.worker = worker
        self._flight.number += 1
        # A bound method of this object, or a strong reference to it, would not do: some
        # versions of Qt's bindings crash in a slot whose object is gone by then.
        me, number = weakref.ref(self), self._flight.number
        worker.finished.connect(lambda *_: _hand_over(me, number))
        self._ticks.start()
        worker.start()

    def request(
        self,
        read: Callable[[], Call[T] | None],
        then: Callable[[T], object],
        *,
        title: str = "",
    ) -> None:
        """Make a call soon, once requests pause; the last one counts.

        Parameters
        ----------
        read : callable
            Asked on the main thread when its time has come; returns the call, or None where
            there is nothing to do any more, which is told as `ended`.
        then, title
            As for `start`.
        """

        def begin() -> None:
            try:
                call = read()
            except Exception as error:  # noqa: BLE001 - the edge: the owner hears of every one
                self.failed.emit(error)
                return
            if call is None:
                self.ended.emit()
            else:
                self.start(call, then, title=title)

        self._request = begin
        if not self._waits:
            self._release()
        self._delay.start()

    def cancel(self) -> None:
        """Ask the call to stop.

        What has not stopped within 0.4 s, such as the opening of a large network, is left to
        end by itself, unheard.
        """
        worker = self._flight.worker
        if worker is not None and not self._grace.isActive():
            worker.quit()
            self._grace.start()

    def drop(self) -> None:
        """Stop without a word and without waiting; requests are forgotten, too."""
        self._delay.stop()
        self._request = None
        self._release()

    def _release(self) -> None:
        """Be free for the next call."""
        self._ticks.stop()
        self._grace.stop()
        self._flight.drop()
        self._then = self._reported = None
        self._is_stale = False

    def _on_delay_over(self) -> None:
        """Make the call that was asked for, after the one that goes on."""
        if self.is_busy:
            self._is_stale = True
            return
        request, self._request = self._request, None
        if request is not None:
            request()

    def _on_tick(self) -> None:
        """Tell how far the call is."""
        worker, now = self._flight.worker, time.monotonic()
        if worker is None or worker.done or (self._glance is not None and self._glance()):
            return
        progress = worker.hooks.progress
        is_due = now - self._said >= _PROGRESS_SECONDS
        if progress is not None and progress is not self._reported and is_due:
            self._reported, self._said = progress, now
            self.progressed.emit(progress)

    def _on_finished(self, number: int) -> None:
        """Say how the call ended."""
        worker, then = self._flight.worker, self._then
        if worker is None or then is None or number != self._flight.number:
            return  # a dropped worker's late word
        is_stale, was_cancelled = self._is_stale, worker.abort_requested
        self._release()
        if is_stale:
            self._on_delay_over()
            return
        self.ended.emit()
        if was_cancelled or isinstance(worker.error, Cancelled):
            self.cancelled.emit()
        elif worker.error is not None:
            self.failed.emit(worker.error)
        else:
            then(worker.outcome)

    def _on_grace_over(self) -> None:
        """Leave a call alone that does not stop."""
        if self.is_busy:
            self._release()
            self.ended.emit()
            self.cancelled.emit()


def _hand_over(job: "weakref.ref[BackgroundJob]", number: int) -> None:
    """Tell a job that still exists that one of its workers is done."""
    there = job()
    if there is not None:
        there._on_finished(number)


def _timer(
    parent: QObject | None, msecs: int, slot: Callable[[], None], *, repeats: bool = False
) -> QTimer:
    """Return a timer that is not started."""
    timer = QTimer(parent)
    timer.setSingleShot(not repeats)
    timer.setInterval(msecs)
    timer.timeout.connect(slot)
    return timer
