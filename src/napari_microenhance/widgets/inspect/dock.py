"""The dock widget "Inspect result"."""

from functools import partial
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_microenhance.errors import MicroEnhanceError
from napari_microenhance.widgets.fields.folds import paint_arrows
from napari_microenhance.widgets.fields.theme_colours import ThemeFollower
from napari_microenhance.widgets.inspect.comparison_control import ComparisonControl
from napari_microenhance.widgets.inspect.inspect_view import InspectView
from napari_microenhance.widgets.inspect.job_control import JobControl
from napari_microenhance.widgets.inspect.pair_choice import PairChoice
from napari_microenhance.widgets.inspect.profile_control import ProfileControl
from napari_microenhance.widgets.inspect.record_control import RecordControl
from napari_microenhance.widgets.inspect.trust_control import TrustControl

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["InspectWidget"]


class InspectWidget(InspectView):
    """Shows what a result changed, where to doubt it, and how it was made.

    It shows, and tells what was asked; the controllers that are its attributes do the rest.

    Parameters
    ----------
    napari_viewer : napari.components.ViewerModel
        A viewer, its proxy, or a model without a window.
    """

    compared = Signal(object)
    """The `Comparison` that is shown."""

    mapped = Signal(object, object)
    """The `TrustMap` that was made, and its layer; None where nothing is known."""

    repeated = Signal(object)
    """The layer of a run that was run again."""

    saved = Signal(object)
    """The `Path` of a file that was written."""

    profiled = Signal(object)
    """The `Profile` under the line; None without a line."""

    failed = Signal(object)
    """The exception that ended a job, or that kept it from starting."""

    cancelled = Signal()
    """A job was cancelled; nothing of it is left."""

    def __init__(self, napari_viewer: "ViewerModel") -> None:
        super().__init__(napari_viewer)
        self._choice = PairChoice(napari_viewer, self)
        self._jobs = JobControl(self)
        self._comparison = ComparisonControl(self, self._choice, self._jobs)
        self._profile = ProfileControl(napari_viewer, self, self._choice, self._jobs)
        self._maps = TrustControl(self, self._choice, self._jobs)
        self._records = RecordControl(self, self._choice, self._jobs)
        self._choice.changed.connect(self._on_pair)
        self._jobs.freed.connect(self._show_state)
        for part, names in (
            (self._jobs, ("failed", "cancelled")),
            (self._comparison, ("compared", "saved")),
            (self._profile, ("profiled",)),
            (self._maps, ("mapped",)),
            (self._records, ("repeated", "saved")),
        ):
            for name in names:
                getattr(part, name).connect(getattr(self, name).emit)
        self._theme = ThemeFollower(napari_viewer, self, partial(paint_arrows, self))
        self._on_pair()
        self._choice.follow()

    def _on_pair(self) -> None:
        """Show another result, or another original of it."""
        self._jobs.drop()
        self.changes.show_nothing()
        self._show_state()
        self.say("" if self._choice.is_complete else self._choice.missing)
        self._profile.look()

    def _show_state(self) -> None:
        """Show what the record says, or why it cannot be read, and what can be asked for."""
        is_readable = self._choice.result is not None
        try:
            self.show_record(self._choice.read_record() if is_readable else None)
        except MicroEnhanceError as error:
            is_readable = False
            self.show_damage(str(error))
        self.enable(record=is_readable, pair=is_readable and self._choice.is_complete)
