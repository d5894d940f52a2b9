"""The long jobs of the dock, one at a time, and how their ends are told."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from napari.utils.notifications import show_error
from psygnal import Signal
from qtpy.QtWidgets import QMessageBox

from napari_microenhance.api import RecordMismatchError
from napari_microenhance.widgets.background.background_job import BackgroundJob
from napari_microenhance.widgets.background.telling import text_of
from napari_microenhance.widgets.viewer.lifetime import WidgetEvents

if TYPE_CHECKING:
    from napari_microenhance.widgets.background.call_worker import Call
    from napari_microenhance.widgets.inspect.inspect_view import InspectView

__all__ = ["JobControl"]

T = TypeVar("T")


class JobControl:
    """Does one job beside the window, with a bar and a way to cancel; main thread only.

    Parameters
    ----------
    view : InspectView
        Shows what goes on; the job ends when it is closed.
    """

    freed = Signal()
    """The job is over, however it ended: the buttons may be enabled again."""

    failed = Signal(object)
    """The exception that ended a job, or that kept it from starting."""

    cancelled = Signal()
    """A job was cancelled; nothing of it is left."""

    ended = Signal()
    """The dock, or the window that it is in, was closed."""

    def __init__(self, view: "InspectView") -> None:
        self._view = view
        self._job = BackgroundJob(view)
        self._anyway: Callable[[], object] | None = None
        self._events = WidgetEvents(view, ())
        self._job.progressed.connect(view.show_progress)
        self._job.ended.connect(self._on_ended)
        self._job.failed.connect(self._on_failed)
        self._events.ended.connect(self.cancel)
        self._events.ended.connect(self.ended.emit)
        view.cancel_asked.connect(self.cancel)

    def start(
        self,
        title: str,
        call: "Call[T]",
        then: Callable[[T], object],
        anyway: Callable[[], object] | None = None,
    ) -> None:
        """Start a job; the buttons wait for it.

        Parameters
        ----------
        title : str
            What is done, such as "Comparing cells"; shown, and named by napari where its
            window is closed meanwhile.
        call : callable
            Runs in another thread; gets a `JobHooks`.
        then : callable
            Gets what the call returns.
        anyway : callable, optional
            Starts it again where the run may differ from the recorded one; the user is asked.
        """
        self._events.watch_window()
        self._anyway = anyway
        self._view.say(f"{title}…")
        self._view.show_busy()
        self._view.enable(record=False, pair=False)
        self._job.start(call, lambda found: self.attempt(lambda: then(found)), title=title)

    def drop(self) -> None:
        """Stop the job without a word."""
        self._job.drop()
        self._view.show_idle()

    def cancel(self) -> None:
        """Stop the job at once: what its thread still does is not heard."""
        if self._job.is_busy:
            self.drop()
            self.freed.emit()
            self._view.say("Cancelled; nothing was changed.")
            self.cancelled.emit()

    def attempt(self, act: Callable[[], object]) -> None:
        """Do what the user asked for; every mistake reaches the user."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - the edge
            self._tell(error)

    def _on_ended(self) -> None:
        """Be ready for the next job."""
        self._view.show_idle()
        self.freed.emit()

    def _on_failed(self, error: Exception) -> None:
        """Ask where the run may differ from the recorded one, else say what went wrong."""
        anyway, self._anyway = self._anyway, None
        if not isinstance(error, RecordMismatchError) or anyway is None:
            self._tell(error)
        elif self._may_differ(error):
            self.attempt(anyway)
        else:
            self._view.say("Nothing was run.")
            self.failed.emit(error)

    def _may_differ(self, error: RecordMismatchError) -> bool:
        """Ask whether to run with another image or network than the recorded one."""
        what = " and ".join(str(difference) for difference in error.differs)
        text = f"Not the same as in the record: {what}.\n\nRun anyway?"
        answer = QMessageBox.question(self._view, "Inspect result", text)
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _tell(self, error: Exception) -> None:
        """Tell the user what went wrong."""
        text = text_of(error)
        self._view.say(text)
        show_error(text)
        self.failed.emit(error)
