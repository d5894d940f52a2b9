"""The section "Trust maps": what can be made, and what each map says."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_microenhance.widgets.inspect.maps import MAPS
from napari_microenhance.widgets.inspect.sections.form_parts import (
    FoldedSection,
    push_button,
    row,
)
from napari_microenhance.widgets.inspect.sections.map_reading import MapReading

if TYPE_CHECKING:
    from qtpy.QtWidgets import QPushButton

    from napari_microenhance.records.recorded import RecordedMap

__all__ = ["TrustSection"]

_TIPS = {
    "tile mismatch": "Repeat the run and show where overlapping tiles differ.",
    "variability": "Repeat the run in eight orientations of the image (eight runs).",
    "raw consistency": "Blur the result back to the original's resolution and compare.",
}


class TrustSection(FoldedSection):
    """Three maps of where to look twice, and what each says."""

    asked = Signal(str)
    """The user wants a map of this name."""

    def __init__(self) -> None:
        super().__init__("Trust maps")
        self.buttons: dict[str, QPushButton] = {
            name: push_button(name.capitalize(), _TIPS[name], self._asker(name)) for name in MAPS
        }
        self.readings = {name: MapReading(name) for name in MAPS}
        self.column.addWidget(row(*self.buttons.values()))
        for reading in self.readings.values():
            self.column.addWidget(reading)

    def show_maps(self, kept: "Mapping[str, RecordedMap]") -> None:
        """Show what a record keeps of the maps that were made."""
        for name, reading in self.readings.items():
            reading.show_map(kept.get(name))

    def _asker(self, name: str) -> Callable[[], None]:
        """Return what a button does."""
        return lambda: self.asked.emit(name)
