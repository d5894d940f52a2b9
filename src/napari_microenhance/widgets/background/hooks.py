"""What a call in the background is given, and what it says about itself."""

import dataclasses
from collections.abc import Callable
from typing import Protocol

__all__ = ["Counted", "JobHooks", "JobProgress", "Staged"]


class Counted(Protocol):
    """What the engine reports, or anything else that counts."""

    @property
    def done(self) -> int:
        """Parts that are finished."""

    @property
    def total(self) -> int:
        """Parts in all."""

    @property
    def seconds_left(self) -> float | None:
        """None where nobody knows."""


@dataclasses.dataclass(frozen=True)
class JobProgress:
    """How far a call is.

    Parameters
    ----------
    stage : str
        What it does just now, such as "Comparing"; empty where it has only one stage.
    done, total : int
        Parts of this stage; a total of 0: nobody knows how many.
    seconds_left : float or None
        None where nobody knows.
    unit : str
        What the parts are, such as "tiles"; empty where nobody needs to know.
    """

    stage: str = ""
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    unit: str = ""


class Staged(Counted, Protocol):
    """What counts, and says what is being done."""

    @property
    def stage(self) -> str:
        """Such as "Measuring the receptive field"."""


class JobHooks:
    """The two hooks of a long call, and a third one for its stages; any thread.

    Parameters
    ----------
    should_stop : callable
        To be polled often; raise `Cancelled` or just return once it is true.

    Attributes
    ----------
    progress : JobProgress or None
        The latest. It is looked at, not sent: however fast reports come, the window's thread
        stays free.
    """

    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self.should_stop = should_stop
        self.progress: JobProgress | None = None

    def show(self, progress: Counted) -> None:
        """Note how far the stage is; fits `on_progress` of the engine."""
        last = self.progress or JobProgress()
        self.progress = JobProgress(
            last.stage, progress.done, progress.total, progress.seconds_left, last.unit
        )

    def show_stage(self, progress: Staged) -> None:
        """Note which stage of several goes on; fits `on_progress` of `load_model`."""
        self.progress = JobProgress(progress.stage, progress.done, progress.total)

    def enter(self, stage: str, unit: str = "") -> None:
        """Note that another stage begins, and what its parts are."""
        self.progress = JobProgress(stage, unit=unit)
