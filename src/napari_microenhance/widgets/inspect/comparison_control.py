"""What changed from the image to its result: figures, shown and saved."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtWidgets import QFileDialog

from napari_microenhance.api import Comparison
from napari_microenhance.errors import OutputError
from napari_microenhance.measure.changes import compare_images
from napari_microenhance.records.inputs import parts_of
from napari_microenhance.widgets.inspect.saving import save_figures
from napari_microenhance.widgets.inspect.sections.plots import load_plots

if TYPE_CHECKING:
    from napari_microenhance.widgets.background.hooks import JobHooks
    from napari_microenhance.widgets.inspect.inspect_view import InspectView
    from napari_microenhance.widgets.inspect.job_control import JobControl
    from napari_microenhance.widgets.inspect.pair_choice import PairChoice

__all__ = ["ComparisonControl"]


class ComparisonControl:
    """Compares the two layers where the user asks for it.

    Parameters
    ----------
    view : InspectView
    choice : PairChoice
    jobs : JobControl
    """

    compared = Signal(object)
    """The `Comparison` that is shown."""

    saved = Signal(object)
    """The `Path` of a file that was written."""

    def __init__(self, view: "InspectView", choice: "PairChoice", jobs: "JobControl") -> None:
        self._view, self._choice, self._jobs = view, choice, jobs
        view.changes.compare_asked.connect(lambda: jobs.attempt(self._compare))
        view.changes.save_asked.connect(lambda: jobs.attempt(self._save))

    def _compare(self) -> None:
        """Compare the two."""
        inspected, beyond = self._choice.read(), float(self._view.changes.beyond.value())

        def call(hooks: "JobHooks") -> Comparison:
            pair = inspected.pair()
            hooks.enter("Loading plots")
            load_plots()
            hooks.enter("Comparing", "parts")
            parts, remarks = parts_of(pair.roi, pair.before)
            found = compare_images(
                pair.before,
                pair.after,
                parts.dilated(pair.dilate),
                planes=pair.planes,
                beyond=beyond,
                data_range=pair.data_range,
                on_progress=hooks.show,
                should_stop=hooks.should_stop,
            )
            return dataclasses.replace(found, notes=(*map(str, remarks), *pair.notes))

        self._jobs.start(f"Comparing {inspected.name}", call, self._show)

    def _show(self, found: Comparison) -> None:
        """Show what changed."""
        self._view.changes.show_comparison(found)
        self._view.say("")
        self.compared.emit(found)

    def _save(self) -> None:
        """Ask for a file and save the figures; only a name typed in full was asked about."""
        found = self._view.changes.comparison
        typed, _ = QFileDialog.getSaveFileName(self._view, "Save figures", "", "Table (*.csv)")
        if not typed or found is None:
            return
        path = Path(typed if typed.lower().endswith(".csv") else f"{typed}.csv")
        if str(path) != typed and path.exists():
            raise OutputError(
                f"{path.name} already exists; choose it by its full name to replace it."
            )
        save_figures(path, found)
        self._view.say(f"Saved {path.name}.")
        self.saved.emit(path)
