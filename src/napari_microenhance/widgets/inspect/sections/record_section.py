"""The section "Record": what it says, and the ways back from it."""

from collections.abc import Callable, Sequence

from psygnal import Signal

from napari_microenhance.widgets.inspect.sections.form_parts import (
    FoldedSection,
    WrappedText,
    push_button,
    row,
)

__all__ = ["RecordSection"]


class RecordSection(FoldedSection):
    """The record in words, and the ways back from it."""

    asked = Signal(str)
    """What the user wants: the name of one of `buttons`."""

    def __init__(self) -> None:
        super().__init__("Record")
        self.facts = WrappedText()
        labels = {
            "again": ("Run again", "Repeat the run and check that the pixels are the same."),
            "save": (
                "Save result…",
                "Save as OME-TIFF or OME-Zarr, with the record and a mask of changed pixels.",
            ),
            "network": ("Model file…", "Choose the model file for repetitions of this run."),
            "command": ("Copy as command line", "The command that repeats the run."),
            "python": ("Copy as Python", "A script that repeats the run and checks the pixels."),
            "methods": ("Copy methods text", "A paragraph for the methods section of a paper."),
        }
        self.buttons = {
            name: push_button(text, tip, self._asker(name)) for name, (text, tip) in labels.items()
        }
        self.column.addWidget(self.facts)
        self.column.addWidget(row(*(self.buttons[n] for n in ("again", "save", "network"))))
        self.column.addWidget(row(*(self.buttons[n] for n in ("command", "python"))))
        self.column.addWidget(self.buttons["methods"])

    def show_rows(self, rows: Sequence[tuple[str, str]]) -> None:
        """Show what the record says."""
        self.facts.show_pairs(rows)

    def _asker(self, name: str) -> Callable[[], None]:
        """Return what a button does."""
        return lambda: self.asked.emit(name)
