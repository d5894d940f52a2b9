"""What unfolds to more: a short line, and the arrows of sections."""

from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolButton, QWidget
from superqt import QCollapsible

from napari_microenhance.widgets.fields.theme_colours import DockColours, Rgb

__all__ = ["FoldButton"]

_ICON_PX = 64


def paint_arrows(dock: QWidget, colours: DockColours) -> None:
    """Draw the arrows of all sections of a dock in the colour of the text.

    superqt draws them in that of the palette, which napari's themes leave as it is: black.
    """
    for fold in dock.findChildren(QCollapsible):
        fold.setExpandedIcon(_arrow(colours.text, (16, 24), (48, 24), (32, 44)))
        fold.setCollapsedIcon(_arrow(colours.text, (24, 16), (24, 48), (44, 32)))


def _arrow(colour: Rgb, *corners: tuple[int, int]) -> QIcon:
    """Return a triangle."""
    pixmap = QPixmap(_ICON_PX, _ICON_PX)
    pixmap.fill(QColor(0, 0, 0, 0))
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(*colour))
    painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in corners]))
    painter.end()
    return QIcon(pixmap)


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
