"""How many CPU threads a network gets: no more than this process may use."""

import os

from napari_microenhance.engine.cautions import Caution

__all__ = ["cpu_count", "thread_cautions", "thread_count"]


def cpu_count() -> int:
    """Return how many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_count(threads: int | str) -> int:
    """Return how many threads a network gets.

    Parameters
    ----------
    threads : int or "auto"
        What was asked for. More than there are CPUs would only wait for each other, and some
        thousands end the process.
    """
    most = cpu_count()
    return most if threads == "auto" else min(int(threads), most)


def thread_cautions(threads: int | str) -> tuple[Caution, ...]:
    """Say where more threads were asked for than the machine has CPUs.

    Parameters
    ----------
    threads : int or "auto"
    """
    given = thread_count(threads)
    if threads in ("auto", given):
        return ()
    said = f"threads={threads} exceeds the CPUs available to this process; {given} are used."
    return (Caution("threads", said),)
