"""Take the screenshots of docs/tour.md in a real napari window.

    python tools/make_tour.py [FOLDER]

Needs a display, real or virtual, and the extra "plot".
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from PIL import Image as Picture
from qtpy.QtWidgets import QApplication

from napari_microenhance.widgets.demo import settle, wait_for
from napari_microenhance.widgets.docking import PLUGIN, WIDGET, show_inspect
from napari_microenhance.widgets.enhance.preset_control import DEFAULTS

FOLDER = Path(__file__).parents[1] / "docs" / "images" / "tour"
SIZE_PX = (1280, 860)
COLOURS = 200
"""Of a picture's palette: a quarter of the file, and no difference that one sees."""


def main(folder: Path) -> None:
    """Walk through the tour and save a picture at every stop."""
    folder.mkdir(parents=True, exist_ok=True)
    viewer = napari.Viewer(title="napari-microenhance", show=True)
    viewer.window.resize(*SIZE_PX)
    viewer.open_sample(PLUGIN, "histology")
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)

    def shoot(name: str) -> None:
        settle()
        path = folder / f"{name}.png"
        viewer.window.screenshot(str(path), flash=False, canvas_only=False)
        Picture.open(path).convert("RGB").quantize(COLOURS).save(path, optimize=True)
        sys.stdout.write(f"{path.name}: {path.stat().st_size // 1000} kB\n")

    widget.preset.value = DEFAULTS
    widget.model.value = "detail"
    widget.dilate.value = 6
    widget.feather.value = 5
    viewer.reset_view()
    settle()
    shoot("1-region")
    wait_for(widget.run.native.click, widget.completed, widget.failed)
    viewer.scene.camera.zoom *= 1.6
    for name in ("side_by_side", "swipe", "difference"):
        widget[name].value = True
        settle()
        shoot(f"2-{name.replace('_', '-')}")
        widget[name].value = False
    viewer.reset_view()
    dock.hide()
    inspect: Any = show_inspect(viewer)
    _changes(inspect, viewer, shoot)
    _trust(inspect, shoot)
    viewer.close()
    QApplication.processEvents()


def _changes(inspect: Any, viewer: Any, shoot: Callable[[str], None]) -> None:
    """Show what changed, with a line across the field."""
    wait_for(inspect.changes.compare.click, inspect.compared, inspect.failed)
    inspect.changes.draw_line.click()
    line = viewer.layers.selection.active
    height, width = inspect.original.value.data.shape[:2]
    ends = np.array([(0.45 * height, 0.02 * width), (0.6 * height, 0.98 * width)])
    wait_for(lambda: line.add(ends, shape_type="line"), inspect.profiled, inspect.failed)
    shoot("3-what-changed")
    viewer.layers.remove(line)


def _trust(inspect: Any, shoot: Callable[[str], None]) -> None:
    """Show the trust maps and the record."""
    for section in (inspect.changes, inspect.record):
        section.collapse()
    inspect.trust.expand()
    for name in ("variability", "raw consistency"):
        button = inspect.trust.buttons[name]
        wait_for(button.click, inspect.mapped, inspect.failed)
    shoot("4-trust-maps")
    inspect.trust.collapse()
    inspect.record.expand()
    shoot("5-record")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
