"""What happens around runs, with a faked view and a runner that does what the test says."""

from types import SimpleNamespace

import numpy as np
import pytest
from psygnal import Signal

from napari_microenhance.engine.reports.report import RECORD_KEY
from napari_microenhance.errors import ModelError
from napari_microenhance.widgets.background.hooks import JobProgress
from napari_microenhance.widgets.enhance.request import EnhanceRequest
from napari_microenhance.widgets.enhance.run_control import FOREGROUND, RunControl
from napari_microenhance.widgets.running.result_layers import ResultLayers
from napari_microenhance.widgets.viewer.layer_values import HELPER_KEY
from napari_microenhance.widgets.viewer.results import LayerPlan

NETWORK = "detail-classic"


class FakeView:
    """Answers with one request, and notes what it is asked to show."""

    def __init__(self, image):
        self.request = EnhanceRequest(image=image, key=NETWORK, model=NETWORK)
        self.told = []
        self.said = []
        self.bars = []
        self.state = None
        self.roi = None

    def read_request(self):
        return self.request

    def chosen_roi(self):
        return self.roi

    def choose_roi(self, layer):
        self.roi = layer

    def show_state(self, *, busy, can_cancel):
        self.state = (busy, can_cancel)

    def show_cancelling(self):
        self.said.append("Cancelling…")

    def show_progress(self, progress, number=1, of=1):
        self.bars.append((progress.done, progress.total, number, of))

    def show_busy(self, text):
        self.said.append(text)

    def say(self, status, remarks=()):
        self.said.append(status)

    def say_done(self, status, remarks=()):
        self.said.append(status)

    def tell(self, error):
        self.told.append(error)


class FakeRunner:
    """Starts nothing; the test says how a run ends."""

    progressed = Signal(object)
    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal()

    def __init__(self):
        self.is_busy = False
        self.tasks = []
        self.calls = []

    def start(self, task, below):
        self.is_busy = True
        self.tasks.append(task)

    def cancel(self):
        self.calls.append("cancel")

    def drop(self):
        self.is_busy = False
        self.calls.append("drop")

    def become(self, plan):
        return None

    def tidy(self):
        self.calls.append("tidy")

    def end(self, signal, *what):
        self.is_busy = False
        getattr(self, signal).emit(*what)


class FakeNetworks:
    """Names that stand for themselves."""

    def __init__(self):
        self.opening = None
        self.kept = {}

    def __getitem__(self, key):
        return key

    def keep(self, key, model):
        self.kept[key] = model


@pytest.fixture
def image(viewer):
    return viewer.add_image(np.zeros((8, 8), np.uint8), name="cells")


@pytest.fixture
def dock(qtbot, viewer, image):
    view, runner, networks = FakeView(image), FakeRunner(), FakeNetworks()
    runs = RunControl(view, viewer, runner, ResultLayers(viewer), networks)
    ends = []
    for name in ("completed", "previewed", "failed"):
        getattr(runs, name).connect(lambda what, name=name: ends.append((name, what)))
    runs.cancelled.connect(lambda: ends.append(("cancelled", None)))
    return SimpleNamespace(view=view, runner=runner, networks=networks, runs=runs, ends=ends)


def outcome(name="cells · x", value=1):
    marks = {HELPER_KEY: True, RECORD_KEY: {}} if "(preview)" in name else {}
    meta = {"name": name, "contrast_limits": (0, 255), "metadata": marks}
    plan = LayerPlan(np.full((8, 8), value, np.uint8), meta, "image")
    return SimpleNamespace(
        plan=plan, model="opened", summary="x ran", remarks=("r",), provider=None
    )


def test_a_run_goes_from_request_to_layer(qtbot, dock, viewer, image):
    began, made = [], []
    dock.runs.began.connect(lambda: began.append(1))
    dock.runs.made.connect(lambda *what: made.append(what))
    dock.runs.run()
    assert began == [1]
    assert dock.view.state == (True, True)
    assert dock.runner.tasks[0].source.name == "cells"
    dock.runner.progressed.emit(JobProgress(done=1, total=4))
    assert dock.view.bars == [(1, 4, 1, 1)]
    dock.runner.end("succeeded", outcome())
    qtbot.waitUntil(lambda: bool(dock.ends))
    ((name, layer),) = dock.ends
    assert name == "completed"
    assert list(viewer.layers) == [image, layer]
    assert made == [(image, layer)]
    assert dock.networks.kept == {NETWORK: "opened"}
    assert dock.view.state == (False, False)
    assert dock.view.said[-1] == "x ran"
    assert not dock.runs.is_busy


def test_a_second_press_during_a_run_does_nothing(dock):
    dock.runs.run()
    dock.runs.preview()
    dock.runs.run_all()
    assert len(dock.runner.tasks) == 1


def test_a_preview_takes_the_place_of_the_one_before(qtbot, dock, viewer, image):
    for value in (1, 2):
        dock.runs.preview()
        assert dock.runner.tasks[-1].preview
        dock.runner.end("succeeded", outcome("cells · x (preview)", value))
        qtbot.waitUntil(lambda n=value: len(dock.ends) == n)
    assert len(viewer.layers) == 2
    assert viewer.layers[1].data.max() == 2
    assert viewer.layers.selection.active is image


def test_what_is_missing_is_told_and_nothing_starts(dock):
    dock.view.request = EnhanceRequest(image=dock.view.request.image)
    dock.runs.run()
    assert isinstance(dock.view.told[0], ModelError)
    assert dock.runner.tasks == []
    assert dock.view.state == (False, False)


def test_a_failed_run_is_told_and_frees_the_buttons(dock, viewer, image):
    error = RuntimeError("broken")
    dock.runs.run()
    dock.runner.end("failed", error)
    assert dock.view.told == [error]
    assert dock.view.state == (False, False)
    assert list(viewer.layers) == [image]
    dock.runs.run()
    assert len(dock.runner.tasks) == 2


def test_a_result_that_cannot_be_shown_is_a_failure(dock, viewer, image):
    dock.runs.run()
    dock.runner.end("succeeded", SimpleNamespace(plan=LayerPlan(None, {}, "nonsense")))
    assert len(dock.view.told) == 1
    assert list(viewer.layers) == [image]


def test_cancel_asks_the_runner_and_says_what_is_left(dock):
    assert not dock.runs.cancel()
    dock.runs.run()
    assert dock.runs.cancel()
    assert dock.runner.calls == ["cancel"]
    assert dock.view.said[-1] == "Cancelling…"
    dock.runner.end("cancelled")
    assert dock.ends == [("cancelled", None)]
    assert dock.view.said[-1] == "Cancelled; nothing was changed."


def test_of_several_images_the_others_go_on_and_what_is_done_stays(qtbot, dock, viewer, image):
    for name in ("b", "c"):
        viewer.add_image(np.zeros((8, 8), np.uint8), name=name)
    dock.runs.run_all()
    dock.runner.end("failed", ValueError("odd"))
    assert [name for name, _ in dock.ends] == ["failed"]
    assert dock.view.told == []
    dock.runner.end("succeeded", outcome())
    qtbot.waitUntil(lambda: len(dock.runner.tasks) == 3)
    assert [task.source.name for task in dock.runner.tasks] == ["cells", "b", "c"]
    dock.runs.cancel()
    dock.runner.end("cancelled")
    assert "1 finished result kept" in dock.view.said[-1]
    assert len(viewer.layers) == 4


def test_a_run_waits_for_a_network_that_is_being_opened(dock):
    dock.networks.opening = "/somewhere/net.onnx"
    dock.runs.run()
    assert dock.runner.tasks == []
    assert "net.onnx" in dock.view.said[-1]
    dock.networks.opening = None
    dock.runs.go_on()
    assert len(dock.runner.tasks) == 1


def test_a_run_does_not_wait_for_a_network_that_cannot_be_opened(dock):
    dock.networks.opening = "/somewhere/net.onnx"
    dock.runs.run()
    dock.runs.forget_waiting()
    dock.networks.opening = None
    dock.runs.go_on()
    assert dock.runner.tasks == []


def test_the_foreground_becomes_the_roi(qtbot, dock):
    dock.runs.find_roi()
    assert dock.runner.tasks[0].model == FOREGROUND
    dock.runner.end("succeeded", outcome())
    qtbot.waitUntil(lambda: bool(dock.ends))
    assert dock.view.roi is dock.ends[0][1]


def test_stopping_drops_the_run_and_its_late_word(qtbot, dock, viewer, image):
    dock.runs.run()
    dock.runner.end("succeeded", outcome())
    dock.runs.stop()
    qtbot.wait(10)
    assert dock.runner.calls[0] == "drop"
    assert dock.ends == [("cancelled", None)]
    assert list(viewer.layers) == [image]
