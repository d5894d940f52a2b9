"""What a command owes the terminal: a progress bar, and an ear for Ctrl-C."""

import contextlib
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Protocol, Self

from napari_microenhance.errors import Cancelled

__all__ = ["Bar", "interruptible", "stopping"]


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C into the error of a cancelled run, which typer leaves alone."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Cancelled from error


@contextlib.contextmanager
def stopping() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C sets; a second Ctrl-C interrupts as usual."""
    stop = threading.Event()

    def note(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals are the main thread's
        return
    previous = signal.signal(signal.SIGINT, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)


class Countable(Protocol):
    """Something that is done bit by bit."""

    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def seconds_left(self) -> float | None: ...


class Bar:
    """A progress bar with the parts done and the time left; silent unless stderr is a terminal."""

    def __init__(self, unit: str = "tiles") -> None:
        self._unit = unit
        self._shown = 0.0
        self._active = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._draw("")
            sys.stderr.write("\r")

    def show(self, progress: Countable) -> None:
        """Draw the bar, at most ten times a second."""
        now, last = time.monotonic(), progress.done == progress.total
        if not self._active or (now - self._shown < 0.1 and not last):
            return
        self._shown = now
        share = progress.done / progress.total if progress.total else 1.0
        left = "" if progress.seconds_left is None else f"{_clock(progress.seconds_left)} left"
        text = f" {share:4.0%} {progress.done}/{progress.total} {self._unit} {left}"
        room = max(0, min(40, self._width - len(text) - 4))
        bar = "#" * round(room * share)
        self._draw(f"[{bar:<{room}}]{text}"[: self._width - 1])

    def _draw(self, line: str) -> None:
        """Put a line over the one before."""
        sys.stderr.write(f"\r{line:<{self._width - 1}}")
        sys.stderr.flush()

    @property
    def _width(self) -> int:
        """Columns of the terminal."""
        return shutil.get_terminal_size().columns


def _clock(seconds: float) -> str:
    """Return minutes and seconds, such as 1:05."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
