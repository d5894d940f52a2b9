"""A field of an option, with what is wrong with its text right below it."""

from collections.abc import Callable
from typing import Any, Final

from magicgui.widgets.bases import ValueWidget
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_microenhance.api import Options
from napari_microenhance.engine.option_text import parse
from napari_microenhance.errors import OptionsError
from napari_microenhance.widgets.fields.notice import Notice

__all__ = ["CheckedField"]

_PAUSE_MS: Final = 400


class CheckedField(QWidget):
    """Says what is wrong with a typed value, once the typing pauses or the field is left.

    Parameters
    ----------
    field : magicgui widget
        A line, or a box that may be typed in.
    check : callable
        Gets the text; raises an `OptionsError` that says what is wrong with it.

    Attributes
    ----------
    notice : Notice
        Hidden while the value is one.
    said : QLabel
        What is wrong.
    """

    def __init__(self, field: ValueWidget[Any], check: Callable[[str], object]) -> None:
        super().__init__()
        self._take = check
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
        native = field.native
        self._line: QLineEdit | None = native.lineEdit() if isinstance(native, QComboBox) else None
        if isinstance(native, QLineEdit):
            self._line = native
        if self._line is not None:
            self._line.textChanged.connect(self._on_text)
            self._line.editingFinished.connect(self._check)

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
        try:
            self._take("" if self._line is None else self._line.text())
        except OptionsError as error:
            return str(error)
        return ""


def check_option(name: str, text: str) -> None:
    """Check what is typed into the field of an option; an empty field means its default.

    Raises
    ------
    OptionsError
        If the option does not take it.
    """
    Options(**{name: parse(name, text)} if text else {})
