"""The values under a line that the user draws."""

from typing import TYPE_CHECKING

from psygnal import Signal

from napari_microenhance.errors import ImageError, MicroEnhanceError
from napari_microenhance.widgets.background.background_job import BackgroundJob
from napari_microenhance.widgets.inspect.drawn_line import DrawnLine
from napari_microenhance.widgets.inspect.pair_choice import NO_ORIGINAL
from napari_microenhance.widgets.inspect.profile import profile_under
from napari_microenhance.widgets.inspect.sections.plots import load_plots
from napari_microenhance.widgets.viewer.view import read_view

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_microenhance.measure.profiles import Profile
    from napari_microenhance.widgets.inspect.inspect_view import InspectView
    from napari_microenhance.widgets.inspect.job_control import JobControl
    from napari_microenhance.widgets.inspect.pair_choice import PairChoice

__all__ = ["ProfileControl"]


class ProfileControl:
    """Shows the values under the line, wherever it is now.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    view : InspectView
    choice : PairChoice
    jobs : JobControl
        Tells what goes wrong; profiles do not wait for its job.
    """

    profiled = Signal(object)
    """The `Profile` under the line; None without a line."""

    def __init__(
        self, viewer: "ViewerModel", view: "InspectView", choice: "PairChoice", jobs: "JobControl"
    ) -> None:
        self._viewer, self._view, self._choice = viewer, view, choice
        self._line = DrawnLine(viewer, view)
        self._job = BackgroundJob(view)
        self._job.failed.connect(self._on_failed)
        self._line.moved.connect(self.look)
        jobs.ended.connect(self._job.drop)
        view.changes.line_asked.connect(lambda: jobs.attempt(self._draw))

    def look(self) -> None:
        """Read what lies under the line now."""
        original = self._choice.original
        line = None if original is None else self._line.vertices_in(original)
        if line is None or original is None or self._choice.result is None:
            self._job.drop()
            self._show(None)
            return
        try:
            inspected = self._choice.read()
            plane = read_view(self._viewer).plane_of(original, inspected.image.data.shape)
        except MicroEnhanceError as error:
            self._on_failed(error)
            return

        def call(_: object) -> "Profile | None":
            load_plots()
            return profile_under(inspected, line, plane)

        self._job.start(call, self._show)

    def _draw(self) -> None:
        """Let the user draw a line over the original."""
        if self._choice.original is None:
            raise ImageError(self._choice.missing or NO_ORIGINAL)
        self._line.draw_over(self._choice.original)
        self._view.say("Draw a line on the image: press, drag, release.")

    def _show(self, profile: "Profile | None") -> None:
        """Show the values under the line."""
        if profile is not None:
            self._view.say("")
        self._view.changes.show_profile(profile)
        self.profiled.emit(profile)

    def _on_failed(self, error: Exception) -> None:
        """Say why there is no profile, without a notification for every step of the mouse."""
        self._view.changes.show_profile(None)
        self._view.say(str(error))
