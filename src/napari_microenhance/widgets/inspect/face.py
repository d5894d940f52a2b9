"""The look of the dock: choosers, sections, and the lines below them, without behaviour."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QProgressBar, QStyle, QVBoxLayout, QWidget

from napari_microenhance.widgets.fields.layer_box import LayerBox
from napari_microenhance.widgets.fields.layout import FieldArea
from napari_microenhance.widgets.fields.options_form import let_shrink
from napari_microenhance.widgets.inspect.changes import Changes
from napari_microenhance.widgets.inspect.parts import Text, button, row
from napari_microenhance.widgets.inspect.sections import RecordSection, TrustSection

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_microenhance.api import Progress

__all__ = ["Face"]

_BAR = 1000
"""Steps of the bar."""


class _OriginalBox(LayerBox):
    """A chooser that can stay empty: no image is better than a wrong one."""

    null_string = "not found"


class Face(QWidget):
    """The widgets of the dock.

    Parameters
    ----------
    viewer : napari.components.ViewerModel

    Attributes
    ----------
    result, original : LayerBox
    changes : Changes
    trust : TrustSection
    record : RecordSection
    bar : QProgressBar
    cancel : QPushButton
    status : Text
    """

    def __init__(self, viewer: "ViewerModel") -> None:
        super().__init__()
        self.result = LayerBox(
            name="result",
            label="Result",
            choices=self._result_choices,
            nullable=False,
            tooltip="A layer with the record of its run; follows the selected layer.",
        )
        self.original = _OriginalBox(
            name="original",
            label="Original",
            choices=self._original_choices,
            nullable=True,
            tooltip="The image that the result was made from; found by the record.",
        )
        self.changes = Changes(viewer)
        self.trust = TrustSection()
        self.record = RecordSection()
        self.bar = QProgressBar()
        self.bar.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.bar.setTextVisible(True)
        self.cancel = button("Cancel", "Stop; nothing of it is kept.", self._on_cancel)
        self.status = Text()
        self._lay_out()
        self.show_idle()

    def say(self, *lines: str) -> None:
        """Write below the sections what happened."""
        # The same remark may come from two rooms.
        self.status.show_lines(list(dict.fromkeys(line for line in lines if line)))

    def show_busy(self) -> None:
        """Show that something goes on whose end is not known."""
        self.bar.setRange(0, 0)
        self.bar.setFormat("")
        self.cancel.setEnabled(True)

    def show_progress(self, progress: "Progress") -> None:
        """Show how far it is."""
        if progress.total > 0 and progress.done > 0:
            self.bar.setRange(0, _BAR)
            self.bar.setValue(round(_BAR * progress.done / progress.total))
            self.bar.setFormat(f"{progress.done} of {progress.total} tiles")

    def show_idle(self) -> None:
        """Empty the bar."""
        self.bar.setRange(0, 1)
        self.bar.setValue(0)
        self.bar.setFormat("")
        self.cancel.setEnabled(False)

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

    def _result_choices(self, _: Any) -> Sequence[Any]:  # noqa: ANN401 - a magicgui callback
        return []

    def _original_choices(self, _: Any) -> Sequence[Any]:  # noqa: ANN401 - a magicgui callback
        return []

    def _on_cancel(self) -> None:
        """Do nothing yet."""

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
        layout.addWidget(FieldArea(content))
        layout.addWidget(row(self.bar, self.cancel, wide=1))
        layout.addWidget(self.status)
        layout.addStretch()
