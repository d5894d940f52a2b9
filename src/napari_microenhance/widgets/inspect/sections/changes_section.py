"""The section "What changed": figures per part, histogram, profile under a line."""

from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QDoubleSpinBox,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
)

from napari_microenhance.measure.figures import draw_histogram, draw_profile
from napari_microenhance.widgets.inspect.sections.comparison_table import (
    cells,
    remarks,
    tab_separated,
)
from napari_microenhance.widgets.inspect.sections.form_parts import (
    FoldedSection,
    WrappedText,
    push_button,
    row,
)
from napari_microenhance.widgets.inspect.sections.plots import Plot

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_microenhance.api import Comparison
    from napari_microenhance.measure.profiles import Profile

__all__ = ["ChangesSection"]

_USUAL = 3.0
_LEAST_ROW_PX = 20


class ChangesSection(FoldedSection):
    """Figures of an image and its result, as a table and as plots.

    Parameters
    ----------
    viewer : napari.components.ViewerModel

    Attributes
    ----------
    comparison : Comparison or None
        What is shown.
    """

    compare_asked = Signal()
    """The user wants the two to be compared."""

    save_asked = Signal()
    """The user wants the figures in a file."""

    line_asked = Signal()
    """The user wants to draw a line."""

    def __init__(self, viewer: "ViewerModel") -> None:
        super().__init__("What changed")
        self.comparison: Comparison | None = None
        self.beyond = QDoubleSpinBox()
        self.beyond.setRange(0.5, 100)
        self.beyond.setSingleStep(0.5)
        self.beyond.setDecimals(1)
        self.beyond.setValue(_USUAL)
        self.beyond.setPrefix("> ")
        self.beyond.setSuffix(" x noise")
        self.beyond.setToolTip("Threshold for changes, in multiples of the noise.")
        self.compare = push_button(
            "Compare", "Compute the figures for the whole ROI and each part.", self._on_compare
        )
        self.table = _Table()
        self.notes = WrappedText()
        self.copy = push_button("Copy", "Copy all figures, tab-separated.", self._on_copy)
        self.save = push_button("Save CSV…", "Save all figures as a table.", self._on_save)
        self.draw_line = push_button(
            "Draw a line", "Plot the values along a line drawn on the image.", self._on_draw_line
        )
        self.histogram, self.profile = Plot(viewer), Plot(viewer)
        self._heads = [_heading("Histogram of the ROI"), _heading("Profile along the line")]
        for part in (
            row(self.beyond, self.compare),
            self.table,
            self.notes,
            row(self.copy, self.save),
            self._heads[0],
            self.histogram,
            self.draw_line,
            self._heads[1],
            self.profile,
        ):
            self.column.addWidget(part)
        self.show_nothing()

    def show_comparison(self, found: "Comparison") -> None:
        """Show what a comparison gave."""
        self.comparison = found
        self.table.show_cells(*cells(found))
        self.notes.show_lines(remarks(found))
        self.histogram.show_drawing(lambda axes: draw_histogram(axes, found.histogram))
        self._heads[0].setVisible(True)
        self.copy.setEnabled(True)
        self.save.setEnabled(True)

    def show_nothing(self) -> None:
        """Forget the figures: they are of another pair."""
        self.comparison = None
        self.table.setVisible(False)
        self.notes.show_lines([])
        self.histogram.clear()
        self._heads[0].setVisible(False)
        self.copy.setEnabled(False)
        self.save.setEnabled(False)
        self.show_profile(None)

    def show_profile(self, profile: "Profile | None") -> None:
        """Show the values under the line; None: there is no line."""
        self._heads[1].setVisible(profile is not None)
        if profile is None:
            self.profile.clear()
        else:
            self.profile.show_drawing(lambda axes: draw_profile(axes, profile))

    def _on_compare(self) -> None:
        self.compare_asked.emit()

    def _on_save(self) -> None:
        self.save_asked.emit()

    def _on_draw_line(self) -> None:
        self.line_asked.emit()

    def _on_copy(self) -> None:
        """Put the figures onto the clipboard."""
        clipboard = QApplication.clipboard()
        if self.comparison is not None and clipboard is not None:
            clipboard.setText(tab_separated(self.comparison))


class _Table(QTableWidget):
    """Figures below each other, regions beside each other, as high as its rows."""

    def __init__(self) -> None:
        super().__init__()
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QTableWidget.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def show_cells(
        self, rows: tuple[str, ...], columns: tuple[str, ...], texts: list[list[str]]
    ) -> None:
        """Show texts, row by row."""
        self.setRowCount(len(rows))
        self.setColumnCount(len(columns))
        self.setVerticalHeaderLabels(rows)
        self.setHorizontalHeaderLabels(columns)
        for y, line in enumerate(texts):
            for x, text in enumerate(line):
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.setItem(y, x, item)
        self.setVisible(True)
        self.resizeColumnsToContents()
        across, down = self.horizontalHeader(), self.verticalHeader()
        if across is None or down is None:
            return
        down.setMinimumSectionSize(_LEAST_ROW_PX)
        down.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        # Its own bar is wanted where there are many parts, and must not hide a row.
        bar = self.horizontalScrollBar()
        below = bar.sizeHint().height() if bar is not None else 0
        heights = sum(self.rowHeight(y) for y in range(len(rows)))
        self.setFixedHeight(heights + across.sizeHint().height() + below + 4)


def _heading(text: str) -> QLabel:
    """Return a line above a plot."""
    made = QLabel(text)
    made.setVisible(False)
    return made
