"""The ways back from a record: the run again, a file, a command, a script, a text."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_microenhance.api import Record, command_line, methods_text, python_code
from napari_microenhance.errors import FileMissingError
from napari_microenhance.records.repeating import find_model
from napari_microenhance.widgets.compare.pairs import remember
from napari_microenhance.widgets.inspect.again import Again, run_again
from napari_microenhance.widgets.inspect.saving import RESULT_FILES, save_result
from napari_microenhance.widgets.models.network_choices import SUFFIXES
from napari_microenhance.widgets.models.recent import recent_files

if TYPE_CHECKING:
    from napari_microenhance.widgets.inspect.inspect_view import InspectView
    from napari_microenhance.widgets.inspect.job_control import JobControl
    from napari_microenhance.widgets.inspect.pair_choice import PairChoice

__all__ = ["RecordControl"]


class RecordControl:
    """Does what the buttons of the section "Record" say.

    Parameters
    ----------
    view : InspectView
    choice : PairChoice
    jobs : JobControl
    """

    repeated = Signal(object)
    """The layer of a run that was run again."""

    saved = Signal(object)
    """The `Path` of a file that was written."""

    def __init__(self, view: "InspectView", choice: "PairChoice", jobs: "JobControl") -> None:
        self._view, self._choice, self._jobs = view, choice, jobs
        self._acts: dict[str, Callable[[], None]] = {
            "again": self._run_again,
            "save": self._save_result,
            "network": self._choose_network,
            "command": lambda: self._copy_script(command_line, "The command"),
            "python": lambda: self._copy_script(python_code, "The script"),
            "methods": self._copy_methods,
        }
        view.record.asked.connect(lambda wanted: jobs.attempt(self._acts[wanted]))

    def _run_again(self, *, allow_other: bool = False) -> None:
        """Repeat the run."""
        inspected, search = self._choice.read(), self._choice.network_search()
        self._jobs.start(
            f"Running {inspected.name} again",
            lambda hooks: run_again(inspected, search, hooks, allow_other=allow_other),
            self._show_again,
            None if allow_other else lambda: self._run_again(allow_other=True),
        )

    def _show_again(self, again: Again) -> None:
        """Show the repeated run and how its pixels compare."""
        layer = self._choice.add(again.plan)
        if self._choice.original is not None:
            remember(self._choice.original, layer)
        self._view.say(again.outcome, *again.remarks)
        self.repeated.emit(layer)

    def _save_result(self) -> None:
        """Ask for a file and save the result, its record and what it changed."""
        inspected = self._choice.read()
        path, _ = QFileDialog.getSaveFileName(self._view, "Save result", "", RESULT_FILES)
        if path:
            target = Path(path)
            self._jobs.start(
                f"Saving {target.name}",
                lambda hooks: save_result(target, inspected, hooks),
                lambda _: self._show_saved(target),
            )

    def _show_saved(self, path: Path) -> None:
        """Say that a file was written."""
        self._view.say(f"Saved {path.name}.")
        self.saved.emit(path)

    def _choose_network(self) -> None:
        """Ask where the network's file is."""
        kinds = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        path, _ = QFileDialog.getOpenFileName(
            self._view, "Model of the record", "", f"Models ({kinds});;All files (*)"
        )
        if path:
            self._choice.network = Path(path)
            self._view.say(f"This result will be repeated with {self._choice.network.name}.")

    def _copy_script(self, write: Callable[..., str], what: str) -> None:
        """Put a way to repeat the run onto the clipboard."""
        record, original = self._choice.read_record(), self._choice.original
        image = None if original is None else original.source.path
        _copy(write(record, image=None if image is None else str(image), model=self._model(record)))
        self._view.say(f"{what} is on the clipboard.")

    def _model(self, record: Record) -> str | None:
        """Return the path of a network that is not built in, where it is known."""
        if self._choice.network is not None:
            return str(self._choice.network)
        if record.model_file is None:
            return None
        try:
            return str(find_model(record, recent_files()))
        except FileMissingError:
            return None

    def _copy_methods(self) -> None:
        """Put a paragraph for an article onto the clipboard."""
        _copy(methods_text(self._choice.read_record(), self._view.changes.comparison))
        self._view.say("The methods text is on the clipboard.")


def _copy(text: str) -> None:
    """Put text onto the clipboard."""
    clipboard = QApplication.clipboard()
    if clipboard is not None:
        clipboard.setText(text)
