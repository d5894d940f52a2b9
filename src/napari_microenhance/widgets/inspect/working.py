"""The part of the dock that does long jobs, one at a time, and tells how they ended."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from psygnal import Signal
from qtpy.QtWidgets import QMessageBox

from napari_microenhance.api import RecordMismatchError
from napari_microenhance.errors import MicroEnhanceError
from napari_microenhance.widgets.inspect.errand import Call, Errand
from napari_microenhance.widgets.inspect.following import Following
from napari_microenhance.widgets.viewer.lifetime import WidgetEvents, when_destroyed

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["Working"]

LOGGER = logging.getLogger(__name__)


class Working(Following):
    """Does a job in a thread of its own, with a bar and a way to cancel.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    failed = Signal(object)
    """The exception that ended a job, or that kept it from starting."""

    cancelled = Signal()
    """A job was cancelled; nothing of it is left."""

    def __init__(self, viewer: "ViewerModel") -> None:
        super().__init__(viewer)
        self._job = Errand(self)
        self._anyway: Callable[[], None] | None = None
        self._events = WidgetEvents(self, ())
        when_destroyed(self, self._job.handle.drop)
        self._job.progressed.connect(self.show_progress)
        self._job.ended.connect(self._on_job_ended)
        self._job.failed.connect(self._on_job_failed)
        self._events.ended.connect(self._on_cancel)

    def _start(
        self,
        what: str,
        call: Call,
        finish: Callable[[Any], None],
        anyway: Callable[[], None] | None = None,
    ) -> None:
        """Start a job; the buttons wait for it.

        `anyway` starts it again where the run may differ from the recorded one.
        """
        self._events.watch_window()
        self._anyway = anyway
        self.say(what)
        self.show_busy()
        self.enable(record=False, pair=False)
        self._job.start(call, lambda found: self._try(lambda: finish(found)))

    def _drop_job(self) -> None:
        """Stop the job without a word."""
        self._job.drop()
        self.show_idle()

    def _on_cancel(self) -> None:
        """Stop the job at once: what its thread still does is not heard."""
        if self._job.is_busy:
            self._drop_job()
            self._show_record()
            self.say("Cancelled; nothing was changed.")
            self.cancelled.emit()

    def _on_job_ended(self) -> None:
        """Be ready for the next job."""
        self.show_idle()
        self._show_record()

    def _on_job_failed(self, error: Exception) -> None:
        """Ask where the run may differ from the recorded one, else say what went wrong."""
        anyway, self._anyway = self._anyway, None
        if not isinstance(error, RecordMismatchError) or anyway is None:
            self._tell(error)
        elif self._may_differ(error):
            self._try(anyway)
        else:
            self.say("Nothing was run.")
            self.failed.emit(error)

    def _may_differ(self, error: RecordMismatchError) -> bool:
        """Ask whether to run with another image or network than the recorded one."""
        what = " and ".join(str(difference) for difference in error.differs)
        text = f"Not what the record was made with: {what}.\n\nRun all the same?"
        answer = QMessageBox.question(self, "Inspect result", text)
        return bool(answer == QMessageBox.StandardButton.Yes)

    def _try(self, act: Callable[[], object]) -> None:
        """Do what the user asked for; every mistake reaches the user."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - the edge
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        """Tell the user what went wrong."""
        text = str(error)
        if not isinstance(error, MicroEnhanceError):
            LOGGER.error("unexpected failure", exc_info=error)
            text = f"{type(error).__name__}: {text}" if text else type(error).__name__
        self.say(text)
        show_error(text)
        self.failed.emit(error)

    def _show_record(self) -> None:
        """Do nothing yet: the record may be another one."""
