"""One call in a thread of its own."""

from collections.abc import Callable
from typing import Any

from napari_microenhance.widgets.worker import QuietWorker

__all__ = ["CallWorker"]

ShouldStop = Callable[[], bool]


class CallWorker(QuietWorker[Any]):
    """Makes one call.

    Attributes
    ----------
    outcome : object
    error : Exception or None
    done : bool
    """

    def __init__(self, call: Callable[[ShouldStop], Any]) -> None:
        super().__init__()
        self._call = call
        self.outcome: Any = None
        self.error: Exception | None = None
        self.done = False

    def work(self) -> Any:  # noqa: ANN401 - what the call gives
        """Make it and keep what came of it."""
        try:
            self.outcome = self._call(lambda: self.abort_requested)
        except Exception as error:
            self.error = error
            raise
        finally:
            self.done = True
        return self.outcome
