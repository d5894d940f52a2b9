"""Text and icons can be read: measured on the pixels that a dock is drawn with, in both themes."""

import numpy as np
import pytest
from napari._qt.qt_resources import get_stylesheet
from qtpy.QtCore import QPoint
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QLabel, QPushButton, QToolButton, QWidget

import dock
from napari_microenhance.engine.cautions import Caution
from napari_microenhance.widgets.fields.notice import Notice
from napari_microenhance.widgets.fields.theme_colours import (
    LEAST_CONTRAST,
    DockColours,
    contrast,
    legible,
)

THEMES = ("dark", "light")


def pixels_of(window: QWidget) -> np.ndarray:
    """Return what a window looks like, shape (Y, X, 3), uint8."""
    image = window.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    pixels = [
        image.pixelColor(x, y).getRgb()[:3]
        for y in range(image.height())
        for x in range(image.width())
    ]
    return np.array(pixels, np.uint8).reshape(image.height(), image.width(), 3)


def contrast_of(part: QWidget, window: QWidget, pixels: np.ndarray) -> float:
    """Return the contrast of what is drawn most often in a part and what differs most from it."""
    at, size = part.mapTo(window, QPoint(0, 0)), part.size()
    own = pixels[at.y() : at.y() + size.height(), at.x() : at.x() + size.width()]
    colours, counts = np.unique(own.reshape(-1, 3), axis=0, return_counts=True)
    ground = tuple(int(c) for c in colours[counts.argmax()])
    return max(contrast(tuple(int(c) for c in colour), ground) for colour in colours)


def test_the_ratio_is_that_of_wcag():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((0x77, 0x77, 0x77), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)
    # Amber on napari's light theme: what made this test.
    assert contrast((0xE6, 0x9F, 0x00), (0xEB, 0xE7, 0xE6)) < 2


@pytest.mark.parametrize("ground", [(0, 0, 0), (120, 120, 120), (90, 130, 90), (255, 255, 255)])
@pytest.mark.parametrize("colour", [(227, 182, 23), (153, 18, 31), (255, 255, 255), (0, 0, 0)])
def test_any_colour_is_made_legible_on_any_ground(colour, ground):
    assert contrast(legible(colour, ground), ground) >= LEAST_CONTRAST


def test_what_is_legible_stays_as_it_is():
    assert legible((240, 241, 242), (35, 36, 43)) == (240, 241, 242)


@pytest.mark.parametrize("theme", THEMES)
def test_colours_of_a_dock_have_enough_contrast(theme):
    colours = DockColours.of_theme(theme)
    for colour in (colours.text, colours.caution, colours.error):
        assert contrast(colour, colours.ground) >= LEAST_CONTRAST
    assert contrast(colours.on_primary, colours.primary) >= LEAST_CONTRAST
    assert contrast(colours.primary, colours.ground) >= 3
    assert contrast(colours.text, colours.raised) >= LEAST_CONTRAST


@pytest.mark.parametrize("theme", THEMES)
def test_all_that_the_dock_says_can_be_read(qtbot, viewer, image, widget, theme):
    viewer.theme = theme
    window = QWidget()
    qtbot.addWidget(window)
    native = widget.native
    native.setParent(window)
    window.setStyleSheet(get_stylesheet(theme))
    window.resize(420, 900)
    native.resize(420, 900)
    dock.run(qtbot, widget)
    widget.cautions.found.emit((Caution("domain", "Not what it was trained on."), "Worse."))
    window.show()
    qtbot.waitExposed(window)
    seen = set()

    def look() -> None:
        pixels = pixels_of(window)
        for kind in (QLabel, QPushButton, QToolButton):
            for part in native.findChildren(kind):
                says = part.text() or not (part.pixmap().isNull() if kind is QLabel else True)
                if part.visibleRegion().isEmpty() or not (part.isEnabled() and says):
                    continue
                seen.add(part.text())
                assert contrast_of(part, window, pixels) >= LEAST_CONTRAST, part.text()

    look()
    kinds = {n.kind for n in native.findChildren(Notice) if n.isVisible()}
    assert kinds == {"caution", "done"}
    viewer.layers.clear()
    widget.run.changed.emit(True)
    qtbot.waitUntil(lambda: "No image" in widget.status.value, timeout=dock.WAIT_MS)
    look()
    assert {"Run", "1  Image", "2  Region", "3  Model", "Try a sample"} <= seen
    assert any("No image" in text for text in seen)
    native.setParent(None)
