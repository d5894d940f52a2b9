"""What the controllers of "Inspect result" do, with a faked view and jobs that end when told."""

from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
from psygnal import Signal

from napari_microenhance.api import Record, TrustMap
from napari_microenhance.errors import ImageError, MicroEnhanceError
from napari_microenhance.widgets.inspect import comparison_control, record_control, trust_control
from napari_microenhance.widgets.inspect.comparison_control import ComparisonControl
from napari_microenhance.widgets.inspect.maps import MapOutcome
from napari_microenhance.widgets.inspect.record_control import RecordControl
from napari_microenhance.widgets.inspect.trust_control import TrustControl

SECTIONS = ("model", "provider", "versions", "image", "roi", "options", "plan", "intensity")
EMPTY = {name: {} for name in SECTIONS}


class FakeSection:
    """Takes whatever it is to show."""

    asked = Signal(str)
    compare_asked = Signal()
    save_asked = Signal()

    def __init__(self):
        self.shown, self.comparison = [], None
        self.beyond = SimpleNamespace(value=lambda: 3.0)
        self.readings = defaultdict(str)

    def show_comparison(self, found):
        self.shown.append(found)

    def expand(self, *, animate):
        self.shown.append("expanded")


class FakeView:
    """A view without a screen."""

    def __init__(self):
        self.changes, self.trust, self.record = FakeSection(), FakeSection(), FakeSection()
        self.said, self.records = [], []

    def reveal(self, *_):
        """Nothing is scrolled here."""

    def say(self, *lines):
        self.said.append(lines)

    def show_record(self, record):
        self.records.append(record)


class FakeChoice:
    """A pair that is chosen, or an image that is missing."""

    def __init__(self):
        self.result = self.original = object()
        self.record, self.network, self.layers = Record.of(EMPTY), None, []
        self.missing = False

    def read(self):
        if self.missing:
            raise ImageError("Choose the original of this result.")
        return SimpleNamespace(name="cells · net", record=self.record)

    def read_record(self):
        return self.record

    def keep_record(self, record):
        self.record = record

    def network_search(self):
        return "where it may be"

    def hide_maps(self):
        self.layers.append("hidden")

    def add(self, plan):
        self.layers.append(plan)
        return plan


class FakeJobs:
    """Notes jobs; the test ends them."""

    def __init__(self):
        self.started, self.errors = [], []

    def start(self, title, call, then, anyway=None):
        self.started.append(SimpleNamespace(title=title, call=call, then=then, anyway=anyway))

    def attempt(self, act):
        try:
            act()
        except MicroEnhanceError as error:
            self.errors.append(str(error))


@pytest.fixture
def dock():
    return SimpleNamespace(view=FakeView(), choice=FakeChoice(), jobs=FakeJobs())


def trust_map(value):
    return TrustMap(
        name="variability",
        values=np.full((2, 2), value, np.float32),
        axes="YX",
        start=(0, 0),
        scale=1.0,
        summary=None if np.isnan(value) else value,
        unit="image units",
        reading="How to read it.",
    )


@pytest.mark.parametrize("value", [0.5, np.nan])
def test_a_map_becomes_a_layer_where_it_knows_something(dock, value):
    control = TrustControl(dock.view, dock.choice, dock.jobs)
    heard = []
    control.mapped.connect(lambda *what: heard.append(what))
    dock.view.trust.asked.emit("variability")
    (job,) = dock.jobs.started
    assert job.title == "Making the map of variability"
    found = trust_map(value)
    layer = SimpleNamespace(colorbar=SimpleNamespace(visible=False))
    job.then(MapOutcome(found, layer, ("A remark.",)))
    known = not np.isnan(value)
    assert heard == [(found, layer if known else None)]
    assert dock.choice.layers == (["hidden", layer] if known else [])
    assert layer.colorbar.visible is known
    assert dock.view.records == [dock.choice.record]
    assert dock.choice.record.report.trust["variability"].summary == (value if known else None)
    assert dock.view.said[-1] == ("A remark.",)


def test_a_run_that_may_differ_is_started_again_once(dock, monkeypatch):
    allowed = []
    monkeypatch.setattr(
        trust_control, "make_map", lambda *_, allow_other: allowed.append(allow_other)
    )
    control = TrustControl(dock.view, dock.choice, dock.jobs)
    dock.view.trust.asked.emit("tile mismatch")
    first = dock.jobs.started[0]
    first.call(None)
    first.anyway()
    second = dock.jobs.started[1]
    second.call(None)
    assert allowed == [False, True]
    assert second.anyway is None
    assert control is not None


def test_what_is_missing_is_told_and_starts_nothing(dock):
    dock.choice.missing = True
    controls = [
        kind(dock.view, dock.choice, dock.jobs)
        for kind in (ComparisonControl, TrustControl, RecordControl)
    ]
    dock.view.changes.compare_asked.emit()
    dock.view.trust.asked.emit("variability")
    dock.view.record.asked.emit("again")
    assert dock.jobs.errors == ["Choose the original of this result."] * len(controls)
    assert dock.jobs.started == []


def test_figures_are_shown_when_the_job_ends(dock):
    control = ComparisonControl(dock.view, dock.choice, dock.jobs)
    heard = []
    control.compared.connect(heard.append)
    dock.view.changes.compare_asked.emit()
    (job,) = dock.jobs.started
    assert job.title == "Comparing cells · net"
    assert dock.view.changes.shown == []
    job.then("figures")
    assert dock.view.changes.shown == heard == ["figures"]


def test_figures_are_saved_under_a_name_that_was_asked_about(dock, tmp_path, monkeypatch):
    control = ComparisonControl(dock.view, dock.choice, dock.jobs)
    saved = []
    control.saved.connect(saved.append)
    dock.view.changes.comparison = SimpleNamespace(to_csv=lambda: "a,b\n")
    typed = str(tmp_path / "figures")

    def reply(*_):
        return typed, ""

    monkeypatch.setattr(comparison_control.QFileDialog, "getSaveFileName", reply)
    dock.view.changes.save_asked.emit()
    assert saved == [tmp_path / "figures.csv"]
    assert saved[0].read_text() == "a,b\n"
    # The dialog asked about "figures"; "figures.csv" would be replaced unasked.
    dock.view.changes.save_asked.emit()
    assert ["choose it by its full name" in text for text in dock.jobs.errors] == [True]


def test_a_network_that_was_named_is_kept_with_the_pair(dock, tmp_path, monkeypatch):
    path = tmp_path / "moved.onnx"
    monkeypatch.setattr(record_control.QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    control = RecordControl(dock.view, dock.choice, dock.jobs)
    dock.view.record.asked.emit("network")
    assert dock.choice.network == path
    assert path.name in dock.view.said[-1][0]
    assert control is not None
