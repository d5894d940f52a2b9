"""Comparing in a real napari window: what the canvas shows, mouse and keys."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from skimage import io
from skimage.metrics import structural_similarity

from comparing import TURNED, add_pair, difference_layer, state_of
from napari_microenhance.widgets import EnhanceWidget
from napari_microenhance.widgets.compare.modes import MODES
from napari_microenhance.widgets.viewer.live import is_live

pytestmark = pytest.mark.viewer

PICTURES = Path(__file__).parent / "pictures"
NEW_PICTURES = "MICROENHANCE_NEW_PICTURES"
"""Set it to write the reference pictures anew; then look at them."""

SIZE = (300, 400)
LINE_PX = 5
CAPTION_PX = 45


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer(show=True, strict_qt="raise")


@pytest.fixture
def scene(viewer):
    """Add an image and a result that paints a disc and erases another.

    What a fixture returns lives on while napari looks for windows that are left behind.
    """
    rows, columns = np.mgrid[:120, :160]
    data = (90 + 50 * np.sin(rows / 9) * np.cos(columns / 13)).astype(np.uint8)
    painted = data.copy()
    painted[(rows - 60) ** 2 + (columns - 110) ** 2 < 900] += 80
    painted[(rows - 60) ** 2 + (columns - 40) ** 2 < 500] -= 40
    finer = painted.repeat(2, axis=0).repeat(2, axis=1)
    look = {"contrast_limits": (0, 255), "interpolation2d": "nearest"}
    add_pair(viewer, data, finer, factor=2, **look, **TURNED)


def dock(viewer):
    """Add the dock widget, which gets napari's proxy as a plugin does."""
    widget = EnhanceWidget(PublicOnlyProxy(viewer))
    viewer.window.add_dock_widget(widget, name="Enhance ROI")
    return widget


def canvas_of(viewer):
    return viewer.window._qt_viewer.canvas.native


def shot(viewer):
    """Return what the canvas shows, of one size, whatever the window makes of its docks."""
    return viewer.screenshot(size=SIZE, flash=False)[..., :3]


def turn_on(viewer, widget, qtbot, mode):
    getattr(widget, mode).value = True
    assert widget.remarks.value == ""
    if mode == "difference":
        difference_layer(viewer, qtbot)


@pytest.mark.parametrize("mode", MODES)
def test_modes_look_as_in_the_pictures(viewer, scene, qtbot, mode):
    widget = dock(viewer)
    turn_on(viewer, widget, qtbot, mode)
    picture = shot(viewer)
    path = PICTURES / f"compare_{mode}.png"
    if os.environ.get(NEW_PICTURES):
        path.parent.mkdir(exist_ok=True)
        io.imsave(path, picture, check_contrast=False)
    reference = io.imread(path)
    assert picture.shape == reference.shape
    likeness = structural_similarity(picture, reference, channel_axis=-1)
    assert likeness > 0.95
    widget.swipe.value = mode != "swipe"
    other = shot(viewer)
    assert structural_similarity(other, reference, channel_axis=-1) < likeness - 0.02


def test_swipe_is_half_the_original_and_half_the_result(viewer, scene):
    widget = dock(viewer)
    image, result = viewer.layers
    result.contrast_limits, result.colormap = image.contrast_limits, image.colormap
    image.rotate = result.rotate = 0
    result.translate = np.array(image.translate) - np.array(image.scale) / 4
    viewer.reset_view()
    after = shot(viewer)
    result.visible = False
    before = shot(viewer)
    result.visible = True
    widget.swipe.value = True
    swiped = shot(viewer)
    middle = swiped.shape[1] // 2
    left = np.s_[CAPTION_PX:, : middle - LINE_PX]
    right = np.s_[CAPTION_PX:, middle + LINE_PX :]
    np.testing.assert_array_equal(swiped[left], before[left])
    assert np.mean(swiped[right] != after[right]) < 0.001
    assert np.mean(before[left] != after[left]) > 0.02
    assert np.mean(before[right] != after[right]) > 0.02
    line = swiped[swiped.shape[0] // 2, middle - LINE_PX : middle + LINE_PX]
    assert line.max() == 255


def test_blink_is_the_original(viewer, scene):
    dock(viewer)
    _, result = viewer.layers
    after = shot(viewer)
    result.visible = False
    before = shot(viewer)
    result.visible = True
    canvas = canvas_of(viewer)
    below = np.s_[CAPTION_PX:]
    QTest.keyPress(canvas, Qt.Key.Key_J)
    np.testing.assert_array_equal(shot(viewer)[below], before[below])
    QTest.keyRelease(canvas, Qt.Key.Key_J)
    np.testing.assert_array_equal(shot(viewer), after)
    assert (after != before).any()


@pytest.mark.parametrize("mode", MODES)
def test_a_key_turns_a_mode_on_and_off(viewer, scene, qtbot, mode):
    widget = dock(viewer)
    before, picture = state_of(viewer), shot(viewer)
    canvas, key = canvas_of(viewer), getattr(Qt.Key, f"Key_{MODES[mode].key}")
    QTest.keyPress(canvas, key)
    assert getattr(widget, mode).value
    if mode == "difference":
        difference_layer(viewer, qtbot)
    assert (shot(viewer) != picture).any()
    QTest.keyRelease(canvas, key)
    if not MODES[mode].is_held:
        assert getattr(widget, mode).value
        QTest.keyClick(canvas, key)
    assert not getattr(widget, mode).value
    assert state_of(viewer) == before
    np.testing.assert_array_equal(shot(viewer), picture)


def test_the_divider_is_dragged_on_the_canvas(viewer, scene):
    widget = dock(viewer)
    image, _ = viewer.layers
    before = state_of(viewer)
    widget.swipe.value = True
    shot(viewer)
    canvas = canvas_of(viewer)
    centre = viewer.scene.camera.center

    def send(kind, shift, buttons=Qt.MouseButton.LeftButton):
        point = QPointF(canvas.width() / 2 + shift, canvas.height() / 2)
        is_move = kind == QEvent.Type.MouseMove
        button = Qt.MouseButton.NoButton if is_move else Qt.MouseButton.LeftButton
        where = QPointF(canvas.mapToGlobal(point.toPoint()))
        sent = QMouseEvent(kind, point, where, button, buttons, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(canvas, sent)
        QTest.qWait(30)  # napari looks at the mouse every few milliseconds

    send(QEvent.Type.MouseMove, 0, Qt.MouseButton.NoButton)
    assert viewer.cursor.style == "pointing"
    send(QEvent.Type.MouseButtonPress, 0)
    for shift in (5, 30, 60):
        send(QEvent.Type.MouseMove, shift)
    send(QEvent.Type.MouseButtonRelease, 60, Qt.MouseButton.NoButton)
    assert viewer.scene.camera.center == centre
    assert viewer.scene.camera.mouse_pan
    (line,) = [layer for layer in viewer.layers if layer.name == "divider"]
    white = np.flatnonzero((line.data[0] == 255).all(axis=-1))
    middle = line.data_to_world((0, white.mean()))
    y, x = viewer.scene.camera.center[-2:]
    world = (y, x + 60 / viewer.scene.camera.zoom)
    # In image px, for the line runs along the turned image.
    moved = [image.world_to_data(point)[1] for point in (middle, world)]
    assert moved[0] == pytest.approx(moved[1], abs=1)
    widget.swipe.value = False
    after = state_of(viewer)
    before.pop("cursor")
    after.pop("cursor")
    assert after == before


@pytest.mark.parametrize("mode", MODES)
def test_taking_the_dock_away_ends_the_mode(viewer, scene, qtbot, mode):
    before = state_of(viewer)
    widget = dock(viewer)
    turn_on(viewer, widget, qtbot, mode)
    viewer.window.remove_dock_widget(widget.native)
    assert state_of(viewer) == before
    assert not any(map(is_live, viewer.layers))


@pytest.mark.parametrize("mode", MODES)
def test_the_window_may_be_closed_meanwhile(viewer, scene, qtbot, mode):
    widget = dock(viewer)
    turn_on(viewer, widget, qtbot, mode)
    viewer.close()
    assert not any(map(is_live, viewer.layers))


def test_the_benchmark_prints_its_figures(root):
    command = [sys.executable, "benchmarks/compare_modes.py", "--size", "128", "--steps", "3"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    for line in ("napari alone", "swipe: step", "blink: step", "ratio to a move"):
        assert line in done.stdout
