"""Stages of a long measurement: told as they begin, and ended where they are not wanted any more.

The measuring of a network calls it hundreds of times, many functions deep; the two hooks
of the caller are kept for the thread instead of being handed through all of them.
"""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from napari_microenhance.errors import Cancelled

__all__ = ["StageProgress", "check_wanted", "enter_stage", "hooked", "is_unwanted"]

STAGES: Final = (
    "Reading the file",
    "Finding the input layout",
    "Measuring the receptive field",
    "Measuring the value ranges",
    "Looking for whole-image statistics",
)
"""Of the opening of a network, in order."""


@dataclasses.dataclass(frozen=True)
class StageProgress:
    """Which stage goes on.

    Parameters
    ----------
    stage : str
        Such as "Measuring the receptive field".
    done : int
        Its number, from 1 on.
    total : int
        Stages in all.
    seconds_left : None
        Nobody knows.
    """

    stage: str
    done: int
    total: int = len(STAGES)
    seconds_left: float | None = None


OnStage = Callable[[StageProgress], object]
ShouldStop = Callable[[], bool]

_HOOKS: ContextVar[tuple[OnStage | None, ShouldStop | None]] = ContextVar(
    "stages", default=(None, None)
)


@contextmanager
def hooked(on_progress: OnStage | None, should_stop: ShouldStop | None) -> Iterator[None]:
    """Tell of the stages that are entered meanwhile, in this thread.

    Parameters
    ----------
    on_progress : callable or None
        Gets a `StageProgress` when a stage begins.
    should_stop : callable or None
        Polled before and during every call of the network.
    """
    token = _HOOKS.set((on_progress, should_stop))
    try:
        yield
    finally:
        _HOOKS.reset(token)


def enter_stage(number: int) -> None:
    """Say that a stage begins.

    Parameters
    ----------
    number : int
        From 1 on.

    Raises
    ------
    Cancelled
        If it is not wanted any more.
    """
    check_wanted()
    on_progress, _ = _HOOKS.get()
    if on_progress is not None:
        on_progress(StageProgress(STAGES[number - 1], number))


def is_unwanted() -> Callable[[], bool]:
    """Return what says whether the work of this thread is unwanted; any thread may ask it."""
    _, should_stop = _HOOKS.get()
    return should_stop or (lambda: False)


def check_wanted() -> None:
    """Stop here where the work is not wanted any more.

    Raises
    ------
    Cancelled
        If so.
    """
    if is_unwanted()():
        raise Cancelled
