"""Work spread over processes of our own, of which one may die without harm to the others.

They are started as a program, not by `multiprocessing`, which would import the caller's main
module again: so it works from a plain script, a notebook and napari.
"""

import contextlib
import dataclasses
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, Final

from napari_microenhance.errors import Cancelled, MicroEnhanceError
from napari_microenhance.files import reason
from napari_microenhance.types import ShouldStop

__all__ = ["Answer", "Tell", "Work", "WorkerError", "spread"]

Tell = Callable[[object], None]
"""What a worker says of an item before it is done with it."""

Work = Callable[[Any, Tell, ShouldStop], object]
"""What is done with an item in a worker."""

_POLL_SECONDS: Final = 0.05
_GRACE_SECONDS: Final = 10.0


class WorkerError(MicroEnhanceError, OSError):
    """A process of ours could not be started, or ended in the middle of its work."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """Something that became known of an item.

    Parameters
    ----------
    number : int
        Of the item.
    value : object
        What was told or returned; the error where the process ended.
    is_last : bool
        Whether the item is done with.
    """

    number: int
    value: object
    is_last: bool


def spread(
    make: Callable[[Any], Work],
    setup: object,
    items: Sequence[object],
    *,
    workers: int,
    should_stop: ShouldStop | None = None,
) -> Iterator[Answer]:
    """Do something with each item, several at a time, each worker a process.

    Parameters
    ----------
    make : callable
        A function of a module, which a worker calls once with the setup for what it is to do
        with each item.
    setup : object
        Can be pickled, as items can.
    items : sequence of object
    workers : int
        Processes, at most one per item.
    should_stop : callable, optional
        Polled every 50 ms, here; workers are asked to stop, and ended where they do not.

    Yields
    ------
    Answer
        As they come. An item whose process ended gets a `WorkerError` as its last answer, and a
        new process goes on with the rest.

    Raises
    ------
    Cancelled
        If `should_stop` returned true.
    WorkerError
        If no process can be started.
    """
    crew = _Crew(make, setup, items)
    try:
        for _ in range(min(workers, len(items))):
            crew.start()
        while crew.running:
            if should_stop is not None and should_stop():
                raise Cancelled
            answer = crew.next()
            if answer is not None:
                yield answer
    finally:
        crew.end()


class _Crew:
    """Workers, and which item each of them has."""

    def __init__(self, make: Callable[[Any], Work], setup: object, items: Sequence[object]) -> None:
        self._first = (make, setup)
        self._items = items
        self._waiting = list(range(len(items)))[::-1]
        self._answers: queue.Queue[tuple[_Worker, Answer | None]] = queue.Queue()
        self._started: list[_Worker] = []
        self.running: dict[_Worker, int] = {}

    def start(self, worker: "_Worker | None" = None) -> None:
        """Give the next item to a worker, a new one by default; the last of them close it."""
        if self._waiting:
            if worker is None:
                worker = _Worker(*self._first, self._answers)
                self._started.append(worker)
            number = self.running[worker] = self._waiting.pop()
            worker.give(number, self._items[number])
        elif worker is not None:
            worker.close()

    def next(self) -> Answer | None:
        """Return what a worker says, if one does soon."""
        try:
            worker, answer = self._answers.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            return None
        if worker not in self.running:
            return None  # it ended since nothing was left to do
        if answer is None:
            number = self.running.pop(worker)
            self.start()
            return Answer(number, WorkerError(worker.ending()), is_last=True)
        if answer.is_last:
            del self.running[worker]
            self.start(worker)
        return answer

    def end(self) -> None:
        """Ask workers to stop, and end those that do not."""
        for worker in self._started:
            worker.close()
        deadline = time.monotonic() + _GRACE_SECONDS
        for worker in self._started:
            worker.wait(max(0.0, deadline - time.monotonic()))


class _Worker:
    """A process, and a thread that hears it."""

    def __init__(
        self,
        make: Callable[[Any], Work],
        setup: object,
        answers: "queue.Queue[tuple[_Worker, Answer | None]]",
    ) -> None:
        # The process must find this very package, however it was made importable.
        paths = os.pathsep.join(path for path in sys.path if path)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "napari_microenhance.jobs.worker"],
                env={**os.environ, "PYTHONPATH": paths},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in a terminal is for the one that asked
            )
        except OSError as problem:
            raise WorkerError(f"No worker process can be started: {reason(problem)}.") from problem
        self._answers = answers
        self._send((make, setup))
        threading.Thread(target=self._hear, daemon=True).start()

    def give(self, number: int, item: object) -> None:
        """Let it do an item."""
        self._send((number, item))

    def close(self) -> None:
        """Tell it that nothing more comes, and to stop what it does."""
        with contextlib.suppress(OSError):  # it has ended
            _pipe(self._process.stdin).close()

    def wait(self, seconds: float) -> None:
        """Wait for its end, and end it where that takes longer."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ending(self) -> str:
        """Return in a sentence how it ended."""
        self.wait(_GRACE_SECONDS)
        status = self._process.returncode
        if status >= 0:
            return f"Its worker process exited with status {status}."
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        memory = "; possibly out of memory" if name == "SIGKILL" else ""
        return f"Its worker process was killed ({name}){memory}."

    def _send(self, value: object) -> None:
        """Write something for it; that it has ended is heard, not seen here."""
        with contextlib.suppress(OSError):
            pipe = _pipe(self._process.stdin)
            pipe.write(pickle.dumps(value))
            pipe.flush()

    def _hear(self) -> None:
        """Pass on what it says, and that it ended."""
        pipe = _pipe(self._process.stdout)
        with pipe:
            while True:
                try:
                    number, value, is_last = pickle.load(pipe)
                except (EOFError, OSError, pickle.UnpicklingError):
                    break
                self._answers.put((self, Answer(number, value, is_last)))
        self._answers.put((self, None))


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """Return a stream of a process that was started with pipes."""
    assert stream is not None
    return stream
