"""Buttons, texts, forms and rows, and the area that holds them."""

from magicgui.widgets import Label, PushButton, Widget
from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QWidget,
)

__all__ = ["FieldArea", "beside", "form"]

WIDTH_PX = 364


class FieldArea(QScrollArea):
    """Scrolls its content only where the window is too low for it, and never sideways."""

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        content.installEventFilter(self)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for the height that the content has at this width."""
        content = self.widget()
        layout = content.layout() if content is not None else None
        if content is None or layout is None:
            return super().sizeHint()
        hint: QSize = content.sizeHint()
        least = max(hint.height(), content.minimumSizeHint().height())
        # napari's theme draws a border here that frameWidth() does not know of.
        inner = self.maximumViewportSize()
        height = max(least, layout.totalHeightForWidth(inner.width()))
        return QSize(hint.width(), height + self.height() - inner.height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Be as low as the window wants, but never narrower than the content."""
        content = self.widget()
        width = content.minimumSizeHint().width() if content is not None else 0
        bar = self.verticalScrollBar()
        # What scrolls has that much less room.
        width += bar.sizeHint().width() if bar is not None else 0
        return QSize(max(width, WIDTH_PX), 120)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Ask again: text wraps differently at another width."""
        super().resizeEvent(event)
        self.updateGeometry()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Follow the content's height."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


def button(name: str, text: str, tooltip: str) -> PushButton:
    """Return a button that is never narrower than a word."""
    made = PushButton(name=name, text=text, tooltip=tooltip)
    made.native.setMinimumWidth(max(64, made.native.sizeHint().width()))
    return made


def form(*fields: Widget) -> QFormLayout:
    """Return fields below each other, their labels in a column of their own."""
    made = QFormLayout()
    made.setContentsMargins(0, 0, 0, 0)
    made.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    made.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    for field in fields:
        made.addRow(field.label, field.native)
    return made


def beside(*parts: Widget) -> QWidget:
    """Return parts in a row, the first ones taking the room."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        layout.addWidget(part.native)
    return row


def wrapped_text(name: str) -> Label:
    """Return an empty text that wraps."""
    text = Label(name=name, label="", value="")
    native = text.native
    if isinstance(native, QLabel):
        native.setWordWrap(True)
        native.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        native.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        native.setMinimumWidth(WIDTH_PX - 100)
    return text
