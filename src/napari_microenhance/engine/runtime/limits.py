"""Limits: a network call that takes too long, or too much memory, is ended from outside."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import psutil

__all__ = ["Limits", "watched"]

POLL_SECONDS: Final = 0.02
"""How often time and memory are looked at."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one network call may take.

    Parameters
    ----------
    seconds : float
        Wall time.
    bytes : float
        Growth of this process.
    """

    seconds: float
    bytes: float


@contextmanager
def watched(
    limits: Limits, end: Callable[[], None], *, should_stop: Callable[[], bool] = lambda: False
) -> Iterator[list[str]]:
    """Watch what runs inside, from a thread.

    Parameters
    ----------
    limits : Limits
    end : callable
        Called once, in that thread, when a limit is passed.
    should_stop : callable
        Whether the call is not wanted any more; then it is ended, too.

    Yields
    ------
    list of str
        What was passed, in words; empty as long as nothing is.
    """
    passed: list[str] = []
    over = threading.Event()
    process = psutil.Process()
    before, started = process.memory_info().rss, time.monotonic()

    def look() -> None:
        while not passed and not over.wait(POLL_SECONDS):
            if should_stop():
                end()
                return
            if time.monotonic() - started > limits.seconds:
                passed.append(f"did not finish within {limits.seconds:.0f} s")
            elif process.memory_info().rss - before > limits.bytes:
                passed.append(f"used more than {limits.bytes / 1e9:.2g} GB of memory")
        if passed:
            end()

    watch = threading.Thread(target=look, name="microenhance-limits", daemon=True)
    watch.start()
    try:
        yield passed
    finally:
        over.set()
        watch.join()
