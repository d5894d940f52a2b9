"""Where the parts of the dock "Enhance ROI" stand."""

from typing import Any

from magicgui.widgets import Container
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QProgressBar, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_microenhance.widgets.enhance.enhance_fields import EnhanceFields
from napari_microenhance.widgets.fields.layout import FieldArea, beside, form
from napari_microenhance.widgets.fields.options_form import ADVANCED, SHOWN

__all__ = ["lay_out"]


def lay_out(dock: Container[Any], fields: EnhanceFields, card: QWidget, ticks: QWidget) -> None:
    """Put the fields into an area that scrolls, the rest below it.

    magicgui stacks all parts in one column; here they move into forms, whose labels
    line up whatever the font.

    Parameters
    ----------
    dock : Container
        Holds the fields already.
    fields : EnhanceFields
    card : QWidget
        Of the network.
    ticks : QWidget
        Below the cautions.
    """
    upper = form()
    upper.addRow(fields.image.label, fields.image.native)
    upper.addRow(fields.roi.label, beside(fields.roi, fields.draw_roi, fields.more_roi))
    upper.addRow(fields.roi_label.native)
    upper.addRow(fields.each_shape.native)
    upper.addRow(fields.model.label, beside(fields.model, fields.open_file, fields.open_recent))
    upper.addRow(fields.about.native)
    upper.addRow(card)
    upper.addRow(fields.preset.label, beside(fields.preset, fields.preset_menu))
    for name in SHOWN:
        upper.addRow(fields.options[name].label, fields.options[name].native)
    advanced = QWidget()
    advanced.setLayout(form(*(fields.options[name] for name in ADVANCED)))
    fold = QCollapsible("Advanced", expandedIcon="▾", collapsedIcon="▸")
    fold.setDuration(0)
    fold.addWidget(advanced)
    content = QWidget()
    column = QVBoxLayout(content)
    column.setContentsMargins(0, 0, 6, 0)
    column.addLayout(upper)
    column.addWidget(fold)
    column.addStretch()
    layout = dock.native.layout()
    layout.insertWidget(0, FieldArea(content))
    layout.insertWidget(1, fields.caution.native)
    layout.insertWidget(2, ticks)
    layout.insertWidget(3, beside(fields.run, fields.more_run, fields.preview, fields.cancel))
    layout.insertWidget(5, beside(*fields.modes.values()))
    layout.insertWidget(6, beside(fields.use_as_roi, fields.inspect))
    dock.margins = (8, 4, 8, 8)
    bar = native_bar(fields)
    bar.setTextVisible(True)
    bar.setAlignment(Qt.AlignmentFlag.AlignCenter)


def native_bar(fields: EnhanceFields) -> QProgressBar:
    """Return Qt's progress bar, for a text of our own."""
    native = fields.progress.native
    bar: QProgressBar = (
        native if isinstance(native, QProgressBar) else native.findChild(QProgressBar)
    )
    return bar
