"""What the controllers of the dock "Enhance ROI" ask of its view."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_microenhance.widgets.background.hooks import JobProgress
    from napari_microenhance.widgets.enhance.request import EnhanceRequest

__all__ = ["DockView"]


class DockView(Protocol):
    """Reads what was asked for, and shows what comes of it; main thread only."""

    def read_request(self) -> "EnhanceRequest":
        """Return what the fields say.

        Raises
        ------
        OptionsError
            If a field holds text that its option does not take.
        """

    def choose_roi(self, layer: "Layer") -> None:
        """Choose a layer as the ROI."""

    def show_state(self, *, busy: bool, can_cancel: bool) -> None:
        """Enable the buttons that make sense; `busy` is about runs, not about opening."""

    def chosen_roi(self) -> "Layer | None":
        """Return the layer that is chosen as the ROI."""

    def show_cancelling(self) -> None:
        """Show that what goes on is about to end."""

    def show_progress(self, progress: "JobProgress", number: int = 1, of: int = 1) -> None:
        """Show how far the run of this number of several is."""

    def show_busy(self, text: str) -> None:
        """Show that something goes on whose end is not known."""

    def say(self, status: str, remarks: Iterable[str] = ()) -> None:
        """Write the line that says what goes on, and remarks below it."""

    def say_done(self, status: str, remarks: Iterable[str] = ()) -> None:
        """Write the line that says what ran, and remarks below it."""

    def tell(self, error: Exception) -> None:
        """Tell the user what went wrong."""
