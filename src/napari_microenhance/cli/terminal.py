"""What a command owes the terminal: a progress bar, warnings, and an ear for signals."""

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Final, Protocol, Self

import typer

from napari_microenhance.errors import Cancelled, OutputError
from napari_microenhance.files import reason

__all__ = [
    "Bar",
    "interruptible",
    "one_line",
    "say",
    "show",
    "stdout_error",
    "stopping",
    "terminable",
    "warn",
]

_ENDING: Final = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Signals that ask a process to end: of a batch system, of a terminal that is closed."""


def one_line(text: str) -> str:
    """Return a text as it can stand on one line of any terminal.

    Parameters
    ----------
    text : str
        A file's name in it may hold line breaks, control characters and bytes that are no text.

    Returns
    -------
    str
    """
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def say(text: str) -> None:
    """Write a line to stdout.

    Parameters
    ----------
    text : str
        Of one line, whatever names are in it.

    Raises
    ------
    OutputError
        If it cannot be written; a reader that has seen enough is no reason.
    """
    show(one_line(text))


def show(text: str) -> None:
    """Write lines to stdout as they are.

    Parameters
    ----------
    text : str

    Raises
    ------
    OutputError
        If they cannot be written; a reader that has seen enough is no reason.
    """
    try:
        typer.echo(text)
    except BrokenPipeError:
        _write_to_nowhere()
    except OSError as problem:
        raise stdout_error(problem) from problem


def stdout_error(problem: OSError) -> OutputError:
    """Return the sentence for a stdout that cannot be written, and write there no more.

    Parameters
    ----------
    problem : OSError

    Returns
    -------
    OutputError
    """
    _write_to_nowhere()
    return OutputError(f"standard output cannot be written: {reason(problem)}.")


def _write_to_nowhere() -> None:
    """Send what stdout still holds where the interpreter cannot stumble over it at its end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def warn(sentences: Iterable[object]) -> None:
    """Say what the user should know, one line of stderr each.

    Parameters
    ----------
    sentences : iterable of str or Caution
    """
    for sentence in sentences:
        typer.echo(one_line(f"Warning: {sentence}"), err=True)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C into the error of a cancelled run, which typer leaves alone."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Cancelled from error


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let what asks the process to end clean up as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with _handling(interrupt, _ENDING):
        yield


@contextlib.contextmanager
def stopping() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C sets; a second Ctrl-C interrupts as usual."""
    stop = threading.Event()

    def note(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    with _handling(note, (signal.SIGINT, *_ENDING)):
        yield stop


@contextlib.contextmanager
def _handling(
    handler: Callable[[int, FrameType | None], object], numbers: Iterable[signal.Signals]
) -> Iterator[None]:
    """Handle signals meanwhile, but for those that somebody chose to ignore."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    before = {n: signal.getsignal(n) for n in numbers}
    # Ctrl-C is ignored in what a shell began in the background, and yet can be sent.
    left_alone = {n for n, old in before.items() if n != signal.SIGINT and old is signal.SIG_IGN}
    taken = {n: old for n, old in before.items() if n not in left_alone and old is not None}
    for number in taken:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in taken.items():
            signal.signal(number, old)


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
        self.clear()

    def clear(self) -> None:
        """Leave the line to what is to be said; the next `show` draws the bar again."""
        if self._shown:
            self._draw("")
            sys.stderr.write("\r")
            self._shown = 0.0

    def show(self, progress: Countable, name: str = "") -> None:
        """Draw the bar, at most ten times a second.

        Parameters
        ----------
        progress : Countable
            Where parts of what is counted are known, its `share` of all.
        name : str
            Of what is in work.
        """
        now, last = time.monotonic(), progress.done == progress.total
        if not self._active or (now - self._shown < 0.1 and not last):
            return
        self._shown = now
        share = progress.done / progress.total if progress.total else 1.0
        share = getattr(progress, "share", share)
        left = "" if progress.seconds_left is None else f"{_clock(progress.seconds_left)} left"
        text = f" {share:4.0%} {progress.done}/{progress.total} {self._unit} {left} {name[:30]}"
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
