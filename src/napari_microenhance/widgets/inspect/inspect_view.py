"""The look of the dock: choosers, sections, and the lines below them, without behaviour."""

from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QFormLayout, QProgressBar, QStyle, QVBoxLayout, QWidget

from napari_microenhance.api import Record
from napari_microenhance.records.overview import overview
from napari_microenhance.widgets.fields.layer_box import LayerBox
from napari_microenhance.widgets.fields.layout import FieldArea
from napari_microenhance.widgets.fields.options_form import let_shrink
from napari_microenhance.widgets.inspect.sections.changes_section import ChangesSection
from napari_microenhance.widgets.inspect.sections.form_parts import (
    FoldedSection,
    WrappedText,
    push_button,
    row,
)
from napari_microenhance.widgets.inspect.sections.record_section import RecordSection
from napari_microenhance.widgets.inspect.sections.trust_section import TrustSection

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_microenhance.widgets.background.hooks import JobProgress

__all__ = ["InspectView"]

_BAR = 1000
"""Steps of the bar."""


class _OriginalBox(LayerBox):
    """A chooser that can stay empty: no image is better than a wrong one."""

    null_string = "not found"


class InspectView(QWidget):
    """The widgets of the dock.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose theme the plots follow.

    Attributes
    ----------
    result, original : LayerBox
    changes : ChangesSection
    trust : TrustSection
    record : RecordSection
    bar : QProgressBar
    cancel : QPushButton
    status : WrappedText
    """

    cancel_asked = Signal()
    """The user wants the job to end."""

    def __init__(self, viewer: "ViewerModel") -> None:
        super().__init__()
        self._part: QWidget | None = None
        self._scroll = QTimer(self)
        self._scroll.setSingleShot(True)
        self._scroll.timeout.connect(self._on_laid_out)
        self.result = LayerBox(
            name="result",
            label="Result",
            choices=(),
            nullable=False,
            tooltip="Result layer with the record of its run; follows the selected layer.",
        )
        self.original = _OriginalBox(
            name="original",
            label="Original",
            choices=(),
            nullable=True,
            tooltip="The image that the result was made from, found by the record.",
        )
        self.changes = ChangesSection(viewer)
        self.trust = TrustSection()
        self.record = RecordSection()
        self.bar = QProgressBar()
        self.bar.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.bar.setTextVisible(True)
        self.cancel = push_button(
            "Cancel", "Stop and discard what it has done.", self.cancel_asked.emit
        )
        self.status = WrappedText()
        self._lay_out()
        self.show_idle()

    def say(self, *lines: str) -> None:
        """Write below the sections what happened."""
        # The same remark may come from the record and from the run.
        self.status.show_lines(list(dict.fromkeys(line for line in lines if line)))

    def show_busy(self) -> None:
        """Show that something goes on whose end is not known.

        No bar that moves by itself: each of its frames composes the whole window anew.
        """
        self.bar.setRange(0, _BAR)
        self.bar.setValue(0)
        self.bar.setFormat("Working…")
        self.cancel.setEnabled(True)

    def show_progress(self, progress: "JobProgress") -> None:
        """Show how far it is."""
        known = progress.total > 0
        counted = f"{progress.done} of {progress.total} {progress.unit}".rstrip() if known else ""
        self.bar.setRange(0, _BAR)
        self.bar.setValue(round(_BAR * progress.done / progress.total) if known else 0)
        self.bar.setFormat(", ".join(filter(None, (progress.stage, counted))) or "Working…")

    def show_idle(self) -> None:
        """Empty the bar."""
        self.bar.setRange(0, 1)
        self.bar.setValue(0)
        self.bar.setFormat("")
        self.cancel.setEnabled(False)

    def show_record(self, record: Record | None) -> None:
        """Show what a record says; None: there is no result.

        Raises
        ------
        RecordError
            If it says not even what ran.
        """
        rows = () if record is None else overview(record)
        self.record.show_rows(rows)
        self.trust.show_maps({} if record is None else record.report.trust or {})

    def show_damage(self, text: str) -> None:
        """Show why a record cannot be read."""
        self.record.show_rows((("Damaged", text),))
        self.trust.show_maps({})

    def enable(self, *, record: bool, pair: bool) -> None:
        """Enable what can be asked for.

        Parameters
        ----------
        record : bool
            Whether there is a record.
        pair : bool
            Whether there is an original too.
        """
        self.changes.compare.setEnabled(pair)
        self.changes.draw_line.setEnabled(pair)
        for one in self.trust.buttons.values():
            one.setEnabled(pair)
        for name, one in self.record.buttons.items():
            one.setEnabled(pair if name in ("again", "save") else record)

    def reveal(self, section: FoldedSection, part: QWidget) -> None:
        """Unfold a section, and scroll to a part of it."""
        section.expand(animate=False)
        self._part = part
        # Its place is known once the section has been laid out.
        self._scroll.start()

    def _on_laid_out(self) -> None:
        """Scroll to what was revealed."""
        if self._part is not None:
            self._area.ensureWidgetVisible(self._part)

    def _lay_out(self) -> None:
        """Put the choosers and sections into an area that scrolls, the rest below it."""
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for chooser in (self.result, self.original):
            let_shrink(chooser)
            form.addRow(chooser.label, chooser.native)
        content = QWidget()
        column = QVBoxLayout(content)
        # The area asks for no room for its bar, which would lie over the buttons.
        style = self.style()
        bar = style.pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent) if style is not None else 0
        column.setContentsMargins(0, 0, bar + 2, 0)
        column.addLayout(form)
        for section in (self.changes, self.trust, self.record):
            column.addWidget(section)
        column.addStretch()
        self.changes.expand(animate=False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        self._area = FieldArea(content)
        layout.addWidget(self._area)
        layout.addWidget(row(self.bar, self.cancel, wide=1))
        layout.addWidget(self.status)
        layout.addStretch()
