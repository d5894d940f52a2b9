"""What the sections of the dock are made of: folds, rows of buttons, texts that wrap."""

from collections.abc import Callable, Sequence
from html import escape

from qtpy.QtCore import Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget
from superqt import QCollapsible

__all__ = ["FoldedSection", "WrappedText"]

_NO_LIMIT_PX = (1 << 24) - 1


class FoldedSection(QCollapsible):
    """A part of the dock that folds.

    Parameters
    ----------
    title : str
    """

    def __init__(self, title: str) -> None:
        super().__init__(title, expandedIcon="▾", collapsedIcon="▸")
        self.setDuration(0)
        outer = self.layout()
        if outer is not None:
            outer.setContentsMargins(0, 0, 0, 0)
        inner = QWidget()
        self.column = QVBoxLayout(inner)
        self.column.setContentsMargins(0, 0, 0, 6)
        layout = self.content().layout()
        if layout is not None:
            # Its own addWidget fits the height of short texts, not of those that wrap.
            layout.addWidget(inner)
        self.toggled.connect(self._on_toggled)

    def _on_toggled(self, is_open: bool) -> None:
        """Be as high as what is inside, also when that grows."""
        if is_open:
            self.content().setMaximumHeight(_NO_LIMIT_PX)


class WrappedText(QLabel):
    """Plain sentences or a table of pairs: wraps, can be copied, is hidden while empty."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setVisible(False)

    def show_lines(self, lines: Sequence[str]) -> None:
        """Show one sentence per line."""
        self._show("<br>".join(map(escape, lines)))

    def show_pairs(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Show headings and what there is to say about each."""
        rows = (f"<tr><td>{escape(a)}&nbsp;&nbsp;</td><td>{escape(b)}</td></tr>" for a, b in pairs)
        self._show(f"<table>{''.join(rows)}</table>" if pairs else "")

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Wrap anew."""
        super().resizeEvent(event)
        self._fit()

    def _show(self, text: str) -> None:
        """Show a text, or nothing."""
        self.setText(text)
        self.setVisible(bool(text))
        self._fit()

    def _fit(self) -> None:
        """Be as high as the text is at this width."""
        self.setMinimumHeight(max(0, self.heightForWidth(self.width())))


def push_button(text: str, tooltip: str, on_click: Callable[[], object]) -> QPushButton:
    """Return a button."""
    made = QPushButton(text)
    made.setToolTip(tooltip)
    made.clicked.connect(lambda _=False: on_click())
    return made


def row(*parts: QWidget, wide: int | None = None) -> QWidget:
    """Return parts beside each other; only the first `wide` ones grow, all unless it is given."""
    made = QWidget()
    layout = QHBoxLayout(made)
    layout.setContentsMargins(0, 0, 0, 0)
    for number, part in enumerate(parts):
        layout.addWidget(part, int(wide is None or number < wide))
    return made
