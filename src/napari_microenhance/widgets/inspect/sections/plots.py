"""Plots in napari's colours; where napari-matplotlib is missing, what to install."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from qtpy.compat import isalive
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from napari.components import ViewerModel

__all__ = ["MISSING", "Plot", "load_plots"]

MISSING: Final = (
    'Plots need napari-matplotlib, which is not installed; pip install "napari-microenhance[plot]".'
)

_HEIGHT_PX = 210
_TEXT_PT = 8


@cache
def load_plots() -> None:
    """Load what plots need, and draw one, so that the window need not wait for it; any thread.

    Its import, fonts and the first number with an exponent take a second or more.
    """
    try:
        import_module("napari_matplotlib.base")
    except ModuleNotFoundError:
        return
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style.context({"font.size": _TEXT_PT}):
        figure = Figure(layout="constrained")
        axes = figure.add_subplot(xlabel="x", ylabel="y", yscale="log")
        axes.plot([0, 1], [1, 100], label="warm")
        axes.legend()
        FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]


class Plot(QWidget):
    """One plot that follows napari's theme; hidden as long as there is nothing to draw.

    Parameters
    ----------
    viewer : napari.components.ViewerModel

    Attributes
    ----------
    axes : matplotlib.axes.Axes or None
        What was drawn last.
    """

    def __init__(self, viewer: "ViewerModel") -> None:
        super().__init__()
        self._viewer = viewer
        self._draw: Callable[[Axes], None] | None = None
        self._canvas: Any = None
        self.axes: Axes | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.setVisible(False)

    def show_drawing(self, draw: Callable[["Axes"], None]) -> None:
        """Draw, and draw again when the theme changes.

        Parameters
        ----------
        draw : callable
            Draws on empty axes.
        """
        self._draw = draw
        self.setVisible(True)
        if self._canvas is None:
            self._canvas = self._made()
        self._redraw()

    def clear(self) -> None:
        """Show nothing."""
        self._draw = self.axes = None
        self.setVisible(False)

    def _made(self) -> Any:  # noqa: ANN401 - no types without the extra
        """Return the canvas, or the sentence in its stead; matplotlib is loaded here."""
        layout = self.layout()
        try:
            from napari_matplotlib.base import BaseNapariMPLWidget
        except ModuleNotFoundError:
            canvas: Any = QLabel(MISSING)
            canvas.setWordWrap(True)
        else:
            canvas = BaseNapariMPLWidget(self._viewer)
            # Buttons to zoom and save would be wider than the dock.
            canvas.toolbar.hide()
            inner = canvas.layout()
            if inner is not None:
                inner.setContentsMargins(0, 0, 0, 0)
            canvas.canvas.setMinimumSize(QSize(1, _HEIGHT_PX))
            canvas.canvas.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            canvas.setFixedHeight(_HEIGHT_PX)
            # After the canvas' own callback, which takes over the colours.
            self._viewer.events.theme.connect(self._redraw)
        if layout is not None:
            layout.addWidget(canvas)
        return canvas

    def _redraw(self, _: object = None) -> None:
        """Draw in the colours of the theme."""
        if not isalive(self):  # type: ignore[no-untyped-call]
            return
        if self._draw is None or isinstance(self._canvas, QLabel):
            return
        from matplotlib import style

        colours = self._canvas.napari_theme_style_sheet
        own = {"font.size": _TEXT_PT, "legend.labelcolor": colours["text.color"]}
        with style.context({**colours, **own}):
            self._canvas.figure.clear()
            self.axes = self._canvas.figure.add_subplot()
            self._draw(self.axes)
            self._canvas.canvas.draw_idle()
