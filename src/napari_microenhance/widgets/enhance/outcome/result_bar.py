"""What can be done with a result: compare, inspect, save, discard."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_microenhance.widgets.fields.layout import beside

if TYPE_CHECKING:
    from napari_microenhance.widgets.enhance.enhance_fields import EnhanceFields

__all__ = ["ResultBar"]


class ResultBar(QWidget):
    """In sight while the viewer holds a result.

    Parameters
    ----------
    fields : EnhanceFields
        Whose buttons move here.
    """

    def __init__(self, fields: "EnhanceFields") -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        modes = QWidget()
        grid = QGridLayout(modes)
        grid.setContentsMargins(0, 0, 0, 0)
        for at, button in enumerate(fields.modes.values()):
            grid.addWidget(button.native, at // 2, at % 2)
        column.addWidget(modes)
        column.addWidget(beside(fields.inspect, fields.save_result, fields.discard))
        column.addWidget(fields.use_as_roi.native)
        column.addWidget(QLabel("For viewing; not a measurement"))
        self.hide()
