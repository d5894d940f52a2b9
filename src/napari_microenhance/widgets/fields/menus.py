"""A menu that unfolds from a narrow button beside the one it belongs to."""

from psygnal import Signal
from qtpy.QtWidgets import QMenu, QPushButton

__all__ = ["ButtonMenu"]

WIDTH_PX = 24


class ButtonMenu(QMenu):
    """Entries of a narrow button.

    Parameters
    ----------
    button : QPushButton
        Its text and width become those of an arrow.
    """

    chosen = Signal(str)
    """The text of an entry."""

    def __init__(self, button: QPushButton) -> None:
        super().__init__(button)
        self.setToolTipsVisible(True)
        button.setText("")
        button.setMenu(self)
        button.setFixedWidth(WIDTH_PX)

    def add(self, text: str, tooltip: str) -> None:
        """Add an entry."""
        action = self.addAction(text)
        # PyQt's types say that it may be none.
        if action is not None:
            action.setToolTip(tooltip)
            action.triggered.connect(lambda *_: self.chosen.emit(text))
