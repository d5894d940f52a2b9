"""Trust maps of the result, laid over its image."""

from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from napari_microenhance.widgets.inspect.maps import MapOutcome, make_map

if TYPE_CHECKING:
    from napari_microenhance.widgets.inspect.inspect_view import InspectView
    from napari_microenhance.widgets.inspect.job_control import JobControl
    from napari_microenhance.widgets.inspect.pair_choice import PairChoice

__all__ = ["TrustControl"]


class TrustControl:
    """Makes the map that the user asks for, and keeps its number in the record.

    Parameters
    ----------
    view : InspectView
    choice : PairChoice
    jobs : JobControl
    """

    mapped = Signal(object, object)
    """The `TrustMap` that was made, and its layer; None where nothing is known."""

    def __init__(self, view: "InspectView", choice: "PairChoice", jobs: "JobControl") -> None:
        self._view, self._choice, self._jobs = view, choice, jobs
        view.trust.asked.connect(lambda name: jobs.attempt(lambda: self._make(name)))

    def _make(self, name: str, *, allow_other: bool = False) -> None:
        """Make a map."""
        inspected, search = self._choice.read(), self._choice.network_search()
        self._jobs.start(
            f"Making the map of {name}",
            lambda hooks: make_map(name, inspected, search, hooks, allow_other=allow_other),
            self._show,
            None if allow_other else lambda: self._make(name, allow_other=True),
        )

    def _show(self, outcome: MapOutcome) -> None:
        """Show a map over its image, and keep what it says."""
        found, layer = outcome.found, None
        if np.isfinite(found.values).any():
            self._choice.hide_maps()
            layer = self._choice.add(outcome.plan)
            layer.colorbar.visible = True
        record = self._choice.read_record().with_map(found)
        self._choice.keep_record(record)
        self._view.show_record(record)
        self._view.reveal(self._view.trust, self._view.trust.readings[found.name])
        self._view.say(*outcome.remarks)
        self.mapped.emit(found, layer)
