"""What the dock says at the field, folds away, and lets the user choose."""

import threading

import numpy as np
import pytest
from napari.layers import Shapes
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QProgressBar

import dock
import toys
from napari_microenhance.api import Progress
from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import Cancelled, RoiError
from napari_microenhance.models import load_model
from napari_microenhance.widgets.fields.checked_field import CheckedField

CORNERS = [(10, 10), (10, 60), (60, 60), (60, 10)]


def drawn_by_clicks(viewer, corners):
    """Click corners of a polygon as the canvas hands them on, without finishing it."""
    shapes = viewer.layers[-1]
    shapes.mode = "add_polygon"
    for corner in corners:
        event = _Press(corner)
        for callback in shapes.mouse_move_callbacks:
            callback(shapes, event)
        for callback in shapes.mouse_drag_callbacks:
            found = callback(shapes, event)
            if hasattr(found, "__next__"):
                for _ in found:
                    pass
    return shapes


class _Press:
    """A mouse press on the canvas."""

    type = "mouse_press"
    modifiers = ()
    button = 1
    dims_displayed = (0, 1)

    def __init__(self, position):
        self.position = tuple(map(float, position))
        self.pos = self.position
        self.view_direction = None


def test_a_wrong_value_is_said_at_its_field(qtbot, widget, image):
    checks = {c.said: c for c in widget.native.findChildren(CheckedField)}
    native = widget.tile.native
    (check,) = (c for c in checks.values() if c.isAncestorOf(native))
    native.lineEdit().setFocus()
    native.setEditText("abc")
    native.lineEdit().editingFinished.emit()
    assert "tile" in check.said.text().lower()
    assert "abc" in check.said.text()
    assert not check.notice.isHidden()
    assert widget.run.enabled
    native.setEditText("256")
    assert check.notice.isHidden()
    # Once the typing pauses, without leaving the field.
    native.setEditText("-3")
    assert check.notice.isHidden()
    qtbot.waitUntil(lambda: not check.notice.isHidden(), timeout=dock.WAIT_MS)


def fault_of(widget, field):
    """Return what is said below a field; empty where nothing is wrong."""
    checks = widget.native.findChildren(CheckedField)
    (check,) = (c for c in checks if c.isAncestorOf(field.native))
    return "" if check.notice.isHidden() else check.said.text()


def test_wrong_labels_and_wrong_fields_of_the_card_are_said_at_once(widget, viewer, image):
    viewer.add_labels(np.ones((96, 128), int))
    widget.roi.value = viewer.layers[-1]
    line = widget.roi_label.native
    for text, words in (("1, x", "whole numbers"), ("1, 3", ""), ("2.5", "2.5"), ("", "")):
        line.setText(text)
        line.editingFinished.emit()
        assert bool(words) == bool(fault_of(widget, widget.roi_label))
        assert words in fault_of(widget, widget.roi_label)
    card = widget.card
    for field, wrong, right in (
        (card.value_range, "wide", "0, 255"),
        (card.output_range, "5", "-1, 1"),
        (card.output_channels, "first", "0, 2"),
    ):
        native = field.native
        typed = native.lineEdit() if hasattr(native, "lineEdit") else native
        typed.setText(wrong)
        typed.editingFinished.emit()
        assert wrong in fault_of(widget, field)
        typed.setText(right)
        assert not fault_of(widget, field)


def test_saving_shows_how_far_it_is_and_can_be_cancelled(
    qtbot, widget, image, tmp_path, monkeypatch
):
    def save(_path, _inspected, hooks):
        hooks.enter("Writing cells.ome.tif", "rows")
        hooks.show(Progress(done=20, total=96))
        while not hooks.should_stop():
            threading.Event().wait(0.001)
        raise Cancelled

    dock.run(qtbot, widget)
    monkeypatch.setattr("napari_microenhance.widgets.inspect.saving.save_result", save)
    path = str(tmp_path / "cells.ome.tif")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (path, "OME-TIFF"))
    widget.save_result.native.click()
    qtbot.waitUntil(lambda: "Writing cells" in widget.status.value, timeout=dock.WAIT_MS)
    assert widget.cancel.enabled
    bar = widget.native.findChild(QProgressBar)
    assert (bar.value(), bar.maximum(), bar.format()) == (20, 96, "20 of 96 rows")
    assert not bar.parentWidget().isHidden()
    widget.cancel.native.click()
    qtbot.waitUntil(lambda: "cancelled" in widget.status.value, timeout=dock.WAIT_MS)
    assert bar.parentWidget().isHidden()
    assert not widget.cancel.enabled


def test_one_caution_is_in_view_the_gravest(widget, image):
    minor, grave = Caution("rounding", "A little."), Caution("random", "Another at every run.")
    widget.cautions.found.emit((minor, grave))
    assert widget.caution.value == "Another at every run."
    fold = next(
        b
        for b in widget.native.findChildren(type(widget.ticks.parent().parent().fold))
        if "more" in b.text()
    )
    assert fold.text() == "1 more"
    assert not fold.isChecked()
    fold.click()
    widget.cautions.found.emit(("It cannot be used.", minor, grave))
    assert widget.caution.value == "It cannot be used."
    assert fold.text() == "2 more"
    widget.cautions.found.emit(())
    assert widget.caution.native.isHidden()
    assert fold.isHidden()


def test_an_error_goes_with_the_next_action(qtbot, widget, image, viewer):
    widget.side_by_side.value = True
    assert "no result" in widget.status.value
    widget.dilate.value = 2
    assert widget.status.value == ""


def test_run_finishes_a_polygon_that_is_being_drawn(qtbot, widget, image, viewer):
    widget.draw_roi.native.click()
    shapes = drawn_by_clicks(viewer, CORNERS)
    # The four, and one that follows the cursor.
    assert len(shapes.data[-1]) == 5
    layer = dock.run(qtbot, widget)
    assert shapes.shape_type == ["polygon"]
    assert len(shapes.data[0]) == 4
    assert not np.array_equal(layer.data, image.data)
    assert str(shapes.mode) == "add_polygon"


def test_run_says_how_to_finish_a_polygon_of_two_corners(qtbot, widget, image, viewer):
    widget.draw_roi.native.click()
    shapes = drawn_by_clicks(viewer, CORNERS[:2])
    error = dock.click(qtbot, widget, "run", "failed")
    assert isinstance(error, RoiError)
    assert "2 corners so far; click at least 3" in widget.status.value
    # Nothing is lost: the third corner can be clicked.
    drawn_by_clicks(viewer, [])
    assert len(shapes.data) == 1


def click_entry(qtbot, box, text):
    """Choose an entry of a combo box with the mouse."""
    box.showPopup()
    view = box.view()
    qtbot.waitExposed(view)
    at = view.visualRect(box.model().index(box.findText(text), 0)).center()
    qtbot.mouseMove(view.viewport(), at)
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)


@pytest.mark.parametrize("shown_already", [True, False])
def test_a_choice_by_mouse_is_kept(qtbot, widget, viewer, rng, shown_already):
    first, second = (viewer.add_image(rng.random((16, 16)), name=n) for n in ("first", "second"))
    other = viewer.add_shapes([np.array(CORNERS)], name="other")
    widget.native.show()
    qtbot.waitExposed(widget.native)
    viewer.layers.selection.active = second
    assert widget.image.value is second
    wanted = second if shown_already else first
    click_entry(qtbot, widget.image.native, wanted.name)
    assert widget.image.value is wanted
    click_entry(qtbot, widget.roi.native, "Whole image")
    assert widget.roi.value is None
    third = viewer.add_image(rng.random((16, 16)), name="third")
    viewer.layers.selection.active = third
    viewer.add_shapes([np.array(CORNERS)], name="newer")
    assert widget.image.value is wanted
    assert widget.roi.value is None
    for layer in (third, other):
        viewer.layers.remove(layer)
    assert widget.image.value is wanted
    assert widget.roi.value is None


def test_opening_a_model_tells_its_stages(qtbot, widget, tmp_path):
    path, seen = toys.espcn(tmp_path / "toy.onnx", scale=3), []
    load_model(path, on_progress=seen.append)
    assert [s.done for s in seen] == [1, 2, 3, 4, 5]
    assert {s.total for s in seen} == {5}
    assert seen[2].stage == "Measuring the receptive field"
    # Known by now: there is nothing to measure.
    seen.clear()
    load_model(path, on_progress=seen.append)
    assert [s.done for s in seen] == [1]


def test_opening_ends_where_it_is_not_wanted_any_more(tmp_path):
    path, stop = toys.espcn(tmp_path / "other.onnx", seed=5), threading.Event()
    with pytest.raises(Cancelled):
        load_model(
            path,
            on_progress=lambda p: stop.set() if p.done == 3 else None,
            should_stop=stop.is_set,
        )
    assert load_model(path).spec.scale > 1


def test_the_roi_of_draw_roi_is_a_shapes_layer(widget, image):
    widget.draw_roi.native.click()
    assert isinstance(widget.roi.value, Shapes)
