"""Run on all image layers: one result each, and what goes wrong with one stays with it."""

import threading

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QProgressBar

import dock
from napari_microenhance.api import Options, Progress, enhance
from napari_microenhance.errors import Cancelled, ImageError
from napari_microenhance.widgets.viewer.layer_values import RECORD_KEY

NETWORK = "detail-classic"
SQUARE = np.array([(20.0, 30.0), (20.0, 70.0), (60.0, 70.0), (60.0, 30.0)])


@pytest.fixture
def images(viewer, rng):
    pixels = [rng.integers(20, 200, (96, 128), dtype=np.uint8) for _ in range(3)]
    return [
        viewer.add_image(pixels[0], name="a"),
        viewer.add_image(pixels[1], name="b", scale=(0.5, 0.5), translate=(4, 2)),
        viewer.add_image(pixels[2], name="c", rotate=10),
    ]


@pytest.fixture
def widget(qtbot, viewer, images):
    with dock.made(qtbot, viewer) as made:
        yield made


class Ears:
    """Hears what comes of a batch."""

    def __init__(self, widget):
        self.done, self.errors, self.cancels = [], [], []
        widget.completed.connect(self.done.append)
        widget.failed.connect(self.errors.append)
        widget.cancelled.connect(lambda: self.cancels.append(1))


@pytest.fixture
def ears(widget):
    return Ears(widget)


def run_all(widget):
    (action,) = widget.run_menu.actions()
    assert action.text() == "Run on all image layers"
    action.trigger()


def idle(qtbot, widget):
    qtbot.waitUntil(lambda: widget.run.enabled, timeout=dock.WAIT_MS)


def test_every_image_gets_its_result(qtbot, widget, viewer, images, ears):
    viewer.add_shapes([SQUARE], shape_type="polygon")
    widget.feather.value = 2
    run_all(widget)
    idle(qtbot, widget)
    assert [layer.name for layer in ears.done] == [f"{n} · {NETWORK}" for n in "abc"]
    for image, layer in zip(images, ears.done, strict=True):
        roi = np.array([image.world_to_data(p) for p in SQUARE])
        expected = enhance(image.data, NETWORK, roi=[roi], options=Options(feather=2))
        changed = layer.data != image.data
        assert changed.any()
        # napari keeps vertices in float32, so a pixel on an edge may fall to either side.
        assert np.count_nonzero(layer.data != expected.pixels) <= 0.02 * changed.sum()
        np.testing.assert_allclose(layer.data_to_world((7, 8)), image.data_to_world((7, 8)))
    assert widget.status.value.startswith("3 of 3 results")
    assert ears.errors == []


def test_results_are_no_images_of_the_next_batch(qtbot, widget, ears):
    run_all(widget)
    idle(qtbot, widget)
    run_all(widget)
    idle(qtbot, widget)
    assert [layer.name for layer in ears.done[3:]] == [f"{n} · {NETWORK} [1]" for n in "abc"]


def test_an_image_that_fails_is_named_and_the_others_go_on(qtbot, widget, viewer, images, ears):
    # Over the first and the last image alone.
    images[1].translate = (500, 500)
    viewer.add_shapes([SQUARE], shape_type="polygon")
    run_all(widget)
    idle(qtbot, widget)
    assert [layer.name for layer in ears.done] == [f"a · {NETWORK}", f"c · {NETWORK}"]
    assert len(ears.errors) == 1
    assert widget.status.value.startswith("2 of 3 results")
    assert "b: The ROI selects no pixel" in widget.remarks.value
    assert all(RECORD_KEY in layer.metadata for layer in ears.done)


def test_an_image_that_cannot_be_read_is_named_too(qtbot, widget, viewer, ears):
    viewer.add_image(np.zeros((1, 1, 1, 1, 8, 8), np.uint8), name="six")
    run_all(widget)
    idle(qtbot, widget)
    assert len(ears.done) == 3
    assert "six: " in widget.remarks.value
    assert widget.status.value == "3 of 4 results."


class SlowSecond:
    """An engine whose second run goes on until it is stopped."""

    def __init__(self, monkeypatch):
        self.calls = 0
        self.reached = threading.Event()
        monkeypatch.setattr("napari_microenhance.widgets.running.engine_call.enhance", self)

    def __call__(self, *args, on_progress, should_stop, **options):
        self.calls += 1
        if self.calls == 1:
            return enhance(*args, on_progress=on_progress, should_stop=should_stop, **options)
        on_progress(Progress(2, 8))
        self.reached.set()
        while not should_stop():
            threading.Event().wait(0.02)
        raise Cancelled


def test_cancel_stops_all_and_keeps_what_is_finished(
    qtbot, widget, viewer, images, ears, monkeypatch
):
    engine = SlowSecond(monkeypatch)
    run_all(widget)
    qtbot.waitUntil(engine.reached.is_set, timeout=dock.WAIT_MS)
    bar = widget.progress.native
    bar = bar if isinstance(bar, QProgressBar) else bar.findChild(QProgressBar)
    qtbot.waitUntil(lambda: bar.format() == "2 of 3: 2 of 8 tiles", timeout=dock.WAIT_MS)
    assert (bar.value(), bar.maximum()) == (10, 24)
    widget.cancel.native.click()
    idle(qtbot, widget)
    assert ears.cancels == [1]
    assert engine.calls == 2
    assert [layer.name for layer in viewer.layers] == ["a", f"a · {NETWORK}", "b", "c"]
    assert "1 finished result" in widget.status.value
    monkeypatch.undo()
    widget.run.native.click()
    qtbot.waitUntil(lambda: len(ears.done) == 2, timeout=dock.WAIT_MS)


def test_without_images_it_says_so(qtbot):
    viewer = ViewerModel()
    with dock.made(qtbot, viewer) as widget:
        ears = Ears(widget)
        run_all(widget)
        assert isinstance(ears.errors[0], ImageError)
        assert not widget.run.enabled


def test_closing_ends_all_of_it(qtbot, widget, viewer, images, monkeypatch):
    engine = SlowSecond(monkeypatch)
    run_all(widget)
    qtbot.waitUntil(engine.reached.is_set, timeout=dock.WAIT_MS)
    widget.native.close()
    qtbot.wait(50)
    assert engine.calls == 2
    assert [layer.name for layer in viewer.layers] == ["a", f"a · {NETWORK}", "b", "c"]


def test_results_alone_are_nothing_to_run_on(qtbot, rng):
    viewer = ViewerModel()
    viewer.add_image(rng.random((20, 20)), metadata={RECORD_KEY: {"model": {"name": "x"}}})
    with dock.made(qtbot, viewer) as widget:
        ears = Ears(widget)
        run_all(widget)
        assert "All image layers are results" in str(ears.errors[0])
        assert widget.run.enabled
