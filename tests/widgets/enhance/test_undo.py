"""Taking back what the dock did, with real keys in a window."""

import numpy as np
import pytest
from napari.layers import Shapes
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

import dock
from napari_microenhance.widgets.viewer.layer_values import RECORD_KEY

TRIANGLE = np.array([(20.0, 30.0), (20.0, 70.0), (60.0, 50.0)])
CTRL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def shown(qtbot, widget):
    """The dock in a window of its own that has the focus."""
    native = widget.native
    native.show()
    native.activateWindow()
    qtbot.waitUntil(native.isActiveWindow, timeout=dock.WAIT_MS)
    native.setFocus()
    return widget


def press(qtbot, key, modifier=CTRL):
    """Press keys where the focus is."""
    qtbot.keyClick(QApplication.focusWidget(), key, modifier)


def test_ctrl_z_takes_back_a_run(qtbot, shown, viewer, image):
    shown.run.native.setFocus()
    layer = dock.run(qtbot, shown)
    assert layer in viewer.layers
    # The button was disabled meanwhile; the keys are the dock's all the same.
    assert QApplication.focusWidget() is shown.native
    press(qtbot, Qt.Key.Key_Z)
    assert list(viewer.layers) == [image]
    assert image.visible
    assert "undone" in shown.status.value
    press(qtbot, Qt.Key.Key_Z)
    assert list(viewer.layers) == [image]
    press(qtbot, Qt.Key.Key_Z, CTRL | SHIFT)
    assert layer in viewer.layers


def test_a_drawn_roi_and_the_choice_before_it(qtbot, shown, viewer, image):
    first = viewer.add_shapes([TRIANGLE], shape_type="polygon", name="mine")
    assert shown.roi.value is first
    shown.draw_roi.native.click()
    drawn = viewer.layers[-1]
    assert drawn is not first
    drawn.add_polygons([TRIANGLE])
    shown.native.setFocus()
    press(qtbot, Qt.Key.Key_Z)
    assert drawn not in viewer.layers
    assert shown.roi.value is first
    press(qtbot, Qt.Key.Key_Z, CTRL | SHIFT)
    # Nothing is lost of what was drawn.
    assert drawn in viewer.layers
    assert len(drawn.data) == 1
    assert shown.roi.value is drawn


def test_what_the_user_removed_is_not_taken_back_twice(qtbot, shown, viewer, image):
    shown.draw_roi.native.click()
    roi = viewer.layers[-1]
    roi.add_polygons([TRIANGLE])
    result = dock.run(qtbot, shown)
    viewer.layers.remove(result)
    own = viewer.add_image(np.zeros((4, 4)))
    shown.native.setFocus()
    press(qtbot, Qt.Key.Key_Z)
    assert own in viewer.layers
    assert roi not in viewer.layers
    press(qtbot, Qt.Key.Key_Z)
    assert list(viewer.layers) == [image, own]


def test_a_field_that_is_edited_keeps_its_own_undo(qtbot, shown, viewer, image):
    layer = dock.run(qtbot, shown)
    line = shown.roi_label.native
    viewer.add_labels(np.ones((96, 128), int))
    shown.roi.value = viewer.layers[-1]
    line.setFocus()
    qtbot.keyClicks(line, "12")
    press(qtbot, Qt.Key.Key_Z)
    assert layer in viewer.layers
    assert line.text() != "12"
    line.setText("")
    press(qtbot, Qt.Key.Key_Z)
    assert layer not in viewer.layers


def test_a_run_replaces_the_preview_and_undo_brings_it_back(qtbot, shown, viewer, image):
    preview = dock.click(qtbot, shown, "preview", "previewed")
    assert preview in viewer.layers
    result = dock.run(qtbot, shown)
    assert preview not in viewer.layers
    shown.native.setFocus()
    press(qtbot, Qt.Key.Key_Z)
    assert result not in viewer.layers
    assert preview in viewer.layers
    dock.click(qtbot, shown, "preview", "previewed")
    assert preview not in viewer.layers


def test_discard_takes_back_the_result_that_is_selected(qtbot, shown, viewer, image):
    first = dock.run(qtbot, shown)
    second = dock.run(qtbot, shown)
    viewer.layers.selection.active = first
    shown.discard.native.click()
    assert first not in viewer.layers
    assert second in viewer.layers
    assert not shown.discard.native.parentWidget().parentWidget().isHidden()
    viewer.layers.selection.active = second
    shown.discard.native.click()
    assert list(viewer.layers) == [image]
    assert shown.discard.native.parentWidget().parentWidget().isHidden()


def test_a_sample_is_opened_with_its_roi_and_taken_back(qtbot, shown, viewer):
    assert not shown.try_sample.native.isHidden()
    shown.try_sample.native.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=60_000)
    assert shown.image.value is viewer.layers[0]
    assert isinstance(shown.roi.value, Shapes)
    assert shown.run.enabled
    shown.native.setFocus()
    press(qtbot, Qt.Key.Key_Z)
    assert len(viewer.layers) == 0
    assert not shown.run.enabled


def test_the_labels_of_a_result_as_roi_are_taken_back(qtbot, shown, viewer, image):
    drawn = viewer.add_shapes([TRIANGLE], shape_type="polygon")
    labels = viewer.add_labels(np.ones((96, 128), int), metadata={RECORD_KEY: {}})
    viewer.layers.selection.active = labels
    shown.use_as_roi.native.click()
    assert shown.roi.value is labels
    shown.native.setFocus()
    press(qtbot, Qt.Key.Key_Z)
    assert shown.roi.value is drawn
    assert labels in viewer.layers
    press(qtbot, Qt.Key.Key_Z, CTRL | SHIFT)
    assert shown.roi.value is labels
