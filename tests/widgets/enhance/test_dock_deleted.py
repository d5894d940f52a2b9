"""A dock that Qt deletes or Python collects while work goes on: nobody speaks to what is gone."""

import gc
import threading

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QThreadPool
from qtpy.QtWidgets import QApplication

from napari_microenhance.widgets import EnhanceWidget

WAIT_MS = 20_000
SQUARE = np.array([(20.0, 30.0), (20.0, 70.0), (60.0, 70.0), (60.0, 30.0)])
WIDGETS = "napari_microenhance.widgets"


def _run(widget, _):
    widget.run.native.click()


def _preview(widget, _):
    widget.preview.native.click()


def _open(widget, folder):
    widget.open_model(folder / "net.onnx")


def _sample(widget, _):
    widget.try_sample.changed.emit(True)


def _test(widget, _):
    widget.card.test.native.setEnabled(True)
    widget.card.test.native.click()


def _outline(widget, _):
    widget.dilate.value = 3


def _nothing(widget, _):
    """What cautions look at begins by itself."""


JOBS = {
    "run": (_run, "running.engine_call.enhance"),
    "preview": (_preview, "running.engine_call.enhance"),
    "opening": (_open, "models.network_choices.load_model"),
    "test": (_test, "models.card_control.try_out"),
    "outline": (_outline, "enhance.outline_control.trace"),
    "cautions": (_nothing, "enhance.cautions.caution_control.foresee"),
}


class Gate:
    """A call that is deaf, and goes on until a test lets it."""

    def __init__(self):
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, *_, **__):
        self.begun.set()
        self.go.wait(WAIT_MS / 1000)
        raise RuntimeError("a late word")


def delete(native):
    native.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def use(viewer, number):
    """Do in a viewer what docks listen to."""
    viewer.theme = "light" if viewer.theme == "dark" else "dark"
    shapes = viewer.add_shapes([SQUARE], shape_type="polygon", name=f"shapes {number}")
    shapes.data = [SQUARE + 1]
    image = viewer.add_image(np.zeros((4, 30, 30), np.uint8), name=f"image {number}")
    viewer.dims.set_current_step(0, 1)
    viewer.layers.selection.active = image
    image.name = f"another {number}"
    viewer.layers.move(0, 2)
    viewer.layers.remove(image)
    viewer.layers.remove(shapes)


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("closed", [False, True], ids=["deleted", "closed"])
def test_a_late_word_finds_nobody(qtbot, viewer, image, tmp_path, monkeypatch, job, closed):
    viewer.add_shapes([SQUARE], shape_type="polygon")
    begin, called = JOBS[job]
    for number in range(3):
        gate = Gate()
        monkeypatch.setattr(f"{WIDGETS}.{called}", gate)
        widget = EnhanceWidget(viewer)
        begin(widget, tmp_path)
        qtbot.waitUntil(gate.begun.is_set, timeout=WAIT_MS)
        if closed:
            widget.native.close()
        delete(widget.native)
        # Somebody may still know the Python half.
        use(viewer, number)
        gate.go.set()
        assert QThreadPool.globalInstance().waitForDone(WAIT_MS)
        qtbot.wait(10)
        del widget
        gc.collect()
        use(viewer, number)


def test_a_dock_in_the_garbage_ends_its_run(qtbot, viewer, image, monkeypatch):
    stopped = []

    def engine(*_, should_stop, **__):
        while not should_stop():
            threading.Event().wait(0.001)
        stopped.append(True)
        raise RuntimeError("a late word")

    monkeypatch.setattr(f"{WIDGETS}.running.engine_call.enhance", engine)
    for number in range(3):
        widget = EnhanceWidget(viewer)
        widget.run.native.click()
        del widget
        gc.collect()
        assert QThreadPool.globalInstance().waitForDone(WAIT_MS)
        qtbot.wait(10)
        use(viewer, number)
