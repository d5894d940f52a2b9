"""A line of text with an icon that says how grave it is."""

from typing import Final, Literal

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import QHBoxLayout, QLabel, QWidget

from napari_microenhance.widgets.fields.theme_colours import DockColours, css

__all__ = ["Kind", "Notice"]

Kind = Literal["plain", "caution", "error", "done"]

_ICON_PX: Final = 14


class Notice(QWidget):
    """Shows a text, and before it an icon in the colour of the text.

    Parameters
    ----------
    text : QLabel
        Wraps; what it says is set by its owner.

    Attributes
    ----------
    icon : QLabel
        Hidden where the text is plain.
    """

    def __init__(self, text: QLabel) -> None:
        super().__init__()
        self._text, self.icon = text, QLabel()
        self._kind: Kind = "plain"
        self._colours = DockColours.of_theme("dark")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self.icon, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(text, 1)
        self.icon.setContentsMargins(0, 2, 0, 0)
        self.icon.hide()

    @property
    def kind(self) -> Kind:
        """How grave it is."""
        return self._kind

    def show_kind(self, kind: Kind) -> None:
        """Say how grave the text is."""
        self._kind = kind
        self._show()

    def paint_with(self, colours: DockColours) -> None:
        """Take the colours of another theme."""
        self._colours = colours
        self._show()

    def _show(self) -> None:
        """Colour the text and draw the icon."""
        colours = self._colours
        colour = {"caution": colours.caution, "error": colours.error}.get(self._kind, colours.text)
        self._text.setStyleSheet(f"color: {css(colour)}")
        self.icon.setVisible(self._kind != "plain")
        if self._kind != "plain":
            ratio = self.devicePixelRatioF()
            self.icon.setPixmap(_icon(self._kind, QColor(*colour), ratio))


def _icon(kind: Kind, colour: QColor, ratio: float) -> QPixmap:
    """Draw a triangle with a bar and a dot, a ring with a cross, or a tick."""
    pixmap = QPixmap(round(_ICON_PX * ratio), round(_ICON_PX * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(QColor(0, 0, 0, 0))
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(colour, 1.8)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    if kind == "caution":
        painter.drawPolygon(QPolygonF([QPointF(7, 1.5), QPointF(13, 12.5), QPointF(1, 12.5)]))
        painter.drawLine(QPointF(7, 5.5), QPointF(7, 8.2))
        painter.drawPoint(QPointF(7, 10.4))
    elif kind == "error":
        painter.drawEllipse(QRectF(1, 1, 12, 12))
        painter.drawLine(QPointF(4.8, 4.8), QPointF(9.2, 9.2))
        painter.drawLine(QPointF(9.2, 4.8), QPointF(4.8, 9.2))
    else:
        painter.drawPolyline(QPolygonF([QPointF(2, 7.5), QPointF(5.5, 11), QPointF(12, 3)]))
    painter.end()
    return pixmap
