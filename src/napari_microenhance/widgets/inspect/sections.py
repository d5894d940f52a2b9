"""The sections "Trust maps" and "Record": what they show and what can be asked of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_microenhance.widgets.inspect.maps import MAPS, sentence
from napari_microenhance.widgets.inspect.parts import Section, Text, button, row

if TYPE_CHECKING:
    from qtpy.QtWidgets import QPushButton

    from napari_microenhance.records.recorded import RecordedMap

__all__ = ["RecordSection", "TrustSection"]

_TIPS = {
    "tile mismatch": "Repeat the run and show where tiles that overlap differ.",
    "variability": "Repeat the run with the image turned in eight ways: eight runs.",
    "raw consistency": "Blur the result back and compare it with the image.",
}


class TrustSection(Section):
    """Three maps of where to look twice, and what each says."""

    asked = Signal(str)
    """The user wants a map of this name."""

    def __init__(self) -> None:
        super().__init__("Trust maps")
        self.buttons: dict[str, QPushButton] = {
            name: button(name.capitalize(), _TIPS[name], self._asker(name)) for name in MAPS
        }
        self.readings = {name: Text() for name in MAPS}
        self.column.addWidget(row(*self.buttons.values()))
        for text in self.readings.values():
            self.column.addWidget(text)

    def show_maps(self, kept: "Mapping[str, RecordedMap]") -> None:
        """Show what a record keeps of the maps that were made."""
        for name, text in self.readings.items():
            found = kept.get(name)
            text.show_lines([] if found is None else [f"{name.capitalize()}: {sentence(found)}"])

    def _asker(self, name: str) -> Any:  # noqa: ANN401 - a slot
        """Return what a button does."""
        return lambda: self.asked.emit(name)


class RecordSection(Section):
    """The record in words, and the ways back from it."""

    asked = Signal(str)
    """What the user wants: the name of one of `buttons`."""

    def __init__(self) -> None:
        super().__init__("Record")
        self.facts = Text()
        labels = {
            "again": ("Run again", "Repeat the run and check that the pixels are the same."),
            "save": ("Save result…", "As OME-TIFF or OME-Zarr, with record and changed pixels."),
            "network": ("Network file…", "Say where the network's file is, for all repetitions."),
            "command": ("Copy as command line", "What to type to repeat the run."),
            "python": ("Copy as Python", "A script that repeats the run and checks the pixels."),
            "methods": ("Copy methods text", "A paragraph for the methods section of an article."),
        }
        self.buttons = {
            name: button(text, tip, self._asker(name)) for name, (text, tip) in labels.items()
        }
        self.column.addWidget(self.facts)
        self.column.addWidget(row(*(self.buttons[n] for n in ("again", "save", "network"))))
        self.column.addWidget(row(*(self.buttons[n] for n in ("command", "python"))))
        self.column.addWidget(self.buttons["methods"])

    def show_rows(self, rows: Sequence[tuple[str, str]]) -> None:
        """Show what the record says."""
        self.facts.show_pairs(rows)

    def _asker(self, name: str) -> Any:  # noqa: ANN401 - a slot
        """Return what a button does."""
        return lambda: self.asked.emit(name)
