"""A short line that unfolds to more."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy, QToolButton, QWidget

__all__ = ["FoldButton"]


class FoldButton(QToolButton):
    """Shows and hides a widget; drawn as a line of text with an arrow.

    Parameters
    ----------
    text : str
    content : QWidget
        Hidden at first.
    """

    def __init__(self, text: str, content: QWidget) -> None:
        super().__init__()
        self._content = content
        self.setText(text)
        self.setCheckable(True)
        self.setAutoRaise(True)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setArrowType(Qt.ArrowType.RightArrow)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.toggled.connect(self._on_toggled)
        content.hide()

    def offer(self, text: str) -> None:
        """Show under another text; an empty one hides it and what it unfolds to."""
        self.setText(text)
        self.setVisible(bool(text))
        self._content.setVisible(bool(text) and self.isChecked())

    def _on_toggled(self, is_open: bool) -> None:
        """Unfold or fold."""
        arrow = Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow
        self.setArrowType(arrow)
        self._content.setVisible(is_open)
