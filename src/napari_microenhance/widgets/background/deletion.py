"""What is called back when Qt deletes an object."""

import weakref
from collections.abc import Callable

from qtpy.QtCore import QObject

__all__ = ["when_destroyed"]


def when_destroyed(owner: QObject, callback: Callable[[], object]) -> None:
    """Call back once, when Qt deletes an object or Python collects it.

    A function that is connected to `destroyed` alone may be part of the garbage that is being
    collected; Python has emptied it by then, and calling it ends the process. What a
    finalizer knows is kept outside, and is called before anything is emptied.

    Parameters
    ----------
    owner : QObject
        Made in Python.
    callback : callable
        Must not hold the owner.
    """
    end = weakref.finalize(owner, callback)
    end.atexit = False
    owner.destroyed.connect(end)
