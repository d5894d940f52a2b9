"""What one trust map says: its number, and how to read it behind a button."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QToolButton, QVBoxLayout, QWidget

from napari_microenhance.widgets.inspect.sections.form_parts import WrappedText

if TYPE_CHECKING:
    from napari_microenhance.records.recorded import RecordedMap

__all__ = ["MapReading"]

_HOW = "How to read this"


class MapReading(QWidget):
    """The number of a map, and a button that unfolds what it means; hidden without one.

    Parameters
    ----------
    name : str
        Of the map.

    Attributes
    ----------
    number, meaning : WrappedText
    button : QToolButton
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.number, self.meaning = WrappedText(), WrappedText()
        self.button = QToolButton()
        self.button.setText(_HOW)
        self.button.setCheckable(True)
        self.button.toggled.connect(self._on_toggled)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 4)
        column.setSpacing(2)
        for part in (self.number, self.button, self.meaning):
            column.addWidget(part)
        self.show_map(None)

    def show_map(self, found: "RecordedMap | None") -> None:
        """Show what a record keeps of a map; None: there is none."""
        self.setVisible(found is not None)
        if found is None:
            self.number.show_lines([])
            self.meaning.show_lines([])
            return
        value = found.summary
        number = "not available" if value is None else f"{value:.3g} ({found.unit})"
        self.number.show_lines([f"{self._name.capitalize()}: {number}"])
        self.meaning.show_lines([found.reading])
        self._on_toggled(self.button.isChecked())

    def text(self) -> str:
        """Return all that is said about the map, as rich text."""
        return f"{self.number.text()} {self.meaning.text()}".strip()

    def _on_toggled(self, is_open: bool) -> None:
        """Unfold what the map means, or fold it."""
        self.meaning.setVisible(is_open and bool(self.meaning.text()))
