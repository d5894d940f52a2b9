"""Ticks that silence what is said before a run."""

from collections.abc import Iterable

from psygnal import Signal
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_microenhance.widgets.fields.options_form import OptionField

__all__ = ["CautionTicks"]


class CautionTicks(QWidget):
    """A tick for each caution that was found, and for each that is silent.

    Parameters
    ----------
    option : magicgui widget
        Of `Options.no_caution`: what is ticked stands there, and what stands there is ticked.

    Attributes
    ----------
    boxes : dict of str to QCheckBox
    """

    changed = Signal()
    """Others are offered or ticked."""

    def __init__(self, option: OptionField) -> None:
        super().__init__()
        self._option = option
        self._found: tuple[str, ...] = ()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self.boxes: dict[str, QCheckBox] = {}
        option.changed.connect(self._on_option)
        self._show()

    def show_names(self, names: Iterable[str]) -> None:
        """Offer to silence cautions.

        Parameters
        ----------
        names : iterable of str
            Those that were found; silent ones are not among them.
        """
        self._found = tuple(names)
        self._show()

    @property
    def silent(self) -> int:
        """How many are ticked."""
        return sum(box.isChecked() for box in self.boxes.values())

    def _show(self) -> None:
        """Show a tick for each name."""
        value = self._option.value
        silent: tuple[str, ...] = value if isinstance(value, tuple) else ()
        names = tuple(dict.fromkeys((*silent, *self._found)))
        for name in [name for name in self.boxes if name not in names]:
            box = self.boxes.pop(name)
            self._column.removeWidget(box)
            box.deleteLater()
        for name in names:
            box = self.boxes.get(name) or self._made(name)
            box.blockSignals(True)
            box.setChecked(name in silent)
            box.blockSignals(False)
        self.setVisible(bool(names))
        self.changed.emit()

    def _made(self, name: str) -> QCheckBox:
        """Return a new tick."""
        box = QCheckBox(f"Silence “{name}”")
        box.setToolTip(
            "Silences cautions of this kind; the record of a run names what was silenced."
        )
        box.toggled.connect(self._on_toggled)
        self._column.addWidget(box)
        self.boxes[name] = box
        return box

    def _on_option(self, _: object) -> None:
        """Tick what is silent now."""
        self._show()

    def _on_toggled(self, _: bool) -> None:
        """Silence what is ticked, and nothing else."""
        self._option.value = tuple(n for n, box in self.boxes.items() if box.isChecked())
