"""A field of an option, with what is wrong with its text right below it."""

from typing import Final

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox, QLabel, QVBoxLayout, QWidget

from napari_microenhance.api import Options
from napari_microenhance.engine.option_text import parse
from napari_microenhance.errors import OptionsError
from napari_microenhance.widgets.fields.notice import Notice
from napari_microenhance.widgets.fields.options_form import OptionField

__all__ = ["CheckedField"]

_PAUSE_MS: Final = 400


class CheckedField(QWidget):
    """Says what is wrong with a typed value, once the typing pauses or the field is left.

    Parameters
    ----------
    field : magicgui widget
        Called as the field of `Options`.

    Attributes
    ----------
    notice : Notice
        Hidden while the value is one.
    said : QLabel
        What is wrong.
    """

    def __init__(self, field: OptionField) -> None:
        super().__init__()
        self._name = field.name
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.notice = Notice(self.said)
        self.notice.show_kind("error")
        self.notice.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(field.native)
        column.addWidget(self.notice)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self._check)
        self._box = field.native
        if isinstance(self._box, QComboBox):
            self._box.editTextChanged.connect(self._on_text)
            line = self._box.lineEdit()
            if line is not None:
                line.editingFinished.connect(self._check)

    def _on_text(self, _: str) -> None:
        """Take back at once what is right again; wait before finding fault."""
        if not self._fault():
            self._check()
        else:
            self._pause.start()

    def _check(self) -> None:
        """Say what is wrong."""
        self._pause.stop()
        fault = self._fault()
        self.said.setText(fault)
        self.notice.setVisible(bool(fault))

    def _fault(self) -> str:
        """Return what is wrong with the text as it is; empty where nothing is."""
        text = self._box.currentText()
        try:
            Options(**{self._name: parse(self._name, text)} if text else {})
        except OptionsError as error:
            return str(error)
        return ""
