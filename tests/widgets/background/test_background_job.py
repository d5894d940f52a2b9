"""The one kind of job beside the window: how it starts, tells, ends and is left alone."""

import gc
import threading
import weakref
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QObject, QThreadPool
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QApplication

from napari_microenhance.engine.run import Progress
from napari_microenhance.errors import Cancelled, ModelError
from napari_microenhance.widgets.background.background_job import BackgroundJob

WAIT_MS = 20_000


@pytest.fixture
def parent(qtbot):
    owner = QObject()
    yield owner
    owner.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert QThreadPool.globalInstance().waitForDone(WAIT_MS)
    # The late words of dropped workers arrive while there is still somebody to be told.
    qtbot.wait(1)


@pytest.fixture
def gate():
    """Let calls wait until a test lets them go, and go at the end whatever happens."""
    event = threading.Event()
    yield event
    event.set()


def listen(job):
    """Return a list of (what, value) that the job tells."""
    heard = []
    for name in ("progressed", "failed"):
        getattr(job, name).connect(lambda value, name=name: heard.append((name, value)))
    for name in ("ended", "cancelled"):
        getattr(job, name).connect(lambda name=name: heard.append((name, None)))
    return heard


def names(heard):
    return [name for name, _ in heard if name != "progressed"]


def then(heard):
    return lambda value: heard.append(("then", value))


def until(qtbot, condition):
    qtbot.waitUntil(condition, timeout=WAIT_MS)


def test_what_a_call_returns_comes_back_in_the_windows_thread(qtbot, parent):
    job, threads = BackgroundJob(parent), []
    heard = listen(job)

    def call(_):
        threads.append(threading.get_ident())
        return 7

    def take(value):
        threads.append(threading.get_ident())
        heard.append(("then", value))

    job.start(call, take)
    assert job.is_busy
    until(qtbot, lambda: "then" in names(heard))
    assert heard == [("ended", None), ("then", 7)]
    assert not job.is_busy
    assert threads[0] != threads[1] == threading.get_ident()


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a bad value"),
        RuntimeError("a broken run"),
        NotImplementedError("nobody did it"),
        StopIteration("no more"),
        MemoryError("no room"),
        ModelError("This network is no good."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_error_comes_back_and_frees_the_job(qtbot, parent, error):
    job = BackgroundJob(parent)
    heard = listen(job)

    def fail(_):
        raise error

    job.start(fail, then(heard))
    until(qtbot, lambda: "failed" in names(heard))
    assert heard == [("ended", None), ("failed", error)]
    assert not job.is_busy
    job.start(lambda _: 1, then(heard))
    until(qtbot, lambda: ("then", 1) in heard)


def test_a_call_that_says_it_was_cancelled_did_not_fail(qtbot, parent):
    job = BackgroundJob(parent)
    heard = listen(job)

    def stop(_):
        raise Cancelled

    job.start(stop, then(heard))
    until(qtbot, lambda: "cancelled" in names(heard))
    assert heard == [("ended", None), ("cancelled", None)]


def test_cancel_reaches_the_call(qtbot, parent):
    job = BackgroundJob(parent)
    heard, begun, stopped = listen(job), threading.Event(), threading.Event()

    def call(hooks):
        begun.set()
        while not hooks.should_stop():
            stopped.wait(0.001)
        stopped.set()
        return "late"

    job.start(call, then(heard))
    until(qtbot, begun.is_set)
    job.cancel()
    until(qtbot, lambda: "cancelled" in names(heard))
    assert stopped.is_set()
    assert names(heard) == ["ended", "cancelled"]


def test_a_deaf_call_is_left_alone_and_its_late_word_ends_nothing(qtbot, parent, gate):
    job = BackgroundJob(parent)
    heard, begun, over = listen(job), threading.Event(), threading.Event()

    def deaf(_):
        begun.set()
        gate.wait(WAIT_MS / 1000)
        over.set()
        return "late"

    job.start(deaf, then(heard))
    until(qtbot, begun.is_set)
    job.cancel()
    until(qtbot, lambda: "cancelled" in names(heard))
    assert not job.is_busy
    assert not over.is_set()
    second = threading.Event()
    job.start(lambda _: second.wait(WAIT_MS / 1000), then(heard))
    gate.set()
    until(qtbot, over.is_set)
    qtbot.wait(50)
    assert job.is_busy
    second.set()
    until(qtbot, lambda: ("then", True) in heard)
    assert ("then", "late") not in heard


def test_a_start_drops_the_call_before_it(qtbot, parent, gate):
    job = BackgroundJob(parent)
    heard = listen(job)
    job.start(lambda _: gate.wait(WAIT_MS / 1000) and "first", then(heard))
    job.start(lambda _: "second", then(heard))
    until(qtbot, lambda: ("then", "second") in heard)
    gate.set()
    assert QThreadPool.globalInstance().waitForDone(WAIT_MS)
    qtbot.wait(20)
    assert names(heard) == ["ended", "then"]


def test_dropped_means_silence(qtbot, parent, gate):
    job = BackgroundJob(parent)
    heard = listen(job)
    job.start(lambda _: gate.wait(WAIT_MS / 1000), then(heard))
    job.drop()
    gate.set()
    assert QThreadPool.globalInstance().waitForDone(WAIT_MS)
    qtbot.wait(20)
    assert heard == []
    assert not job.is_busy


def test_progress_is_told_with_its_stage_and_never_faster_than_ten_a_second(qtbot, parent, gate):
    job = BackgroundJob(parent)
    heard = listen(job)

    def call(hooks):
        hooks.enter("Reading")
        for number in range(1, 10_001):
            hooks.show(Progress(done=number, total=10_000, seconds_left=2.5))
        gate.wait(WAIT_MS / 1000)

    job.start(call, then(heard))
    until(qtbot, lambda: any(value and value.done == 10_000 for _, value in heard))
    gate.set()
    until(qtbot, lambda: "then" in names(heard))
    told = [value for name, value in heard if name == "progressed"]
    # Ten thousand reports within far less than a second.
    assert len(told) < 20
    assert (told[-1].stage, told[-1].total, told[-1].seconds_left) == ("Reading", 10_000, 2.5)


def test_what_a_glance_draws_goes_before_progress(qtbot, parent, gate):
    glances, heard = [], []

    def glance():
        glances.append(bool(len(heard)))
        return len(glances) < 4

    job = BackgroundJob(parent, glance=glance)
    heard += listen(job)
    job.progressed.connect(heard.append)
    job.start(lambda hooks: hooks.enter("Reading") or gate.wait(WAIT_MS / 1000), lambda _: None)
    until(qtbot, lambda: bool(heard))
    assert len(glances) == 4
    assert not any(glances)
    gate.set()


def test_requests_are_debounced_and_the_last_one_counts(qtbot, parent):
    job = BackgroundJob(parent, delay_ms=20)
    heard, read = listen(job), []

    def reader(number):
        read.append(number)
        return lambda _: number

    for number in range(5):
        job.request(lambda n=number: reader(n), then(heard))
    until(qtbot, lambda: "then" in names(heard))
    assert read == [4]
    assert heard == [("ended", None), ("then", 4)]


def test_a_request_may_find_nothing_to_do_or_fail_on_reading(qtbot, parent):
    job = BackgroundJob(parent)
    heard = listen(job)
    job.request(lambda: None, then(heard))
    until(qtbot, lambda: heard == [("ended", None)])

    def broken():
        raise RuntimeError("no layer")

    job.request(broken, then(heard))
    until(qtbot, lambda: "failed" in names(heard))


def test_a_request_drops_the_call_that_goes_on_unless_it_waits(qtbot, parent, gate):
    job = BackgroundJob(parent)
    heard = listen(job)
    job.start(lambda _: gate.wait(WAIT_MS / 1000), then(heard))
    job.request(lambda: lambda _: "new", then(heard))
    assert not job.is_busy
    until(qtbot, lambda: ("then", "new") in heard)


def test_a_waiting_request_begins_when_the_call_before_it_is_over(qtbot, parent, gate):
    job = BackgroundJob(parent, waits=True)
    heard, begun = listen(job), []

    def reader():
        begun.append(gate.is_set())
        return lambda _: "new"

    job.start(lambda _: gate.wait(WAIT_MS / 1000) and "old", then(heard))
    job.request(reader, then(heard))
    qtbot.wait(20)
    assert job.is_busy
    assert not begun
    gate.set()
    until(qtbot, lambda: ("then", "new") in heard)
    assert begun == [True]
    assert ("then", "old") not in heard


def test_what_came_of_a_call_is_not_kept(qtbot, parent):
    job, refs = BackgroundJob(parent), []

    def call(_):
        pixels = np.zeros((8, 8))
        refs.append(weakref.ref(pixels))
        return pixels

    job.start(call, lambda _: None, title="Making pixels")
    until(qtbot, lambda: not job.is_busy)
    qtbot.wait(1)
    gc.collect()
    assert refs[0]() is None


def test_a_call_ends_with_the_owner_that_qt_deletes(qtbot, gate):
    owner = QObject()
    job, begun, stopped = BackgroundJob(owner), threading.Event(), threading.Event()
    heard = listen(job)

    def call(hooks):
        begun.set()
        while not hooks.should_stop():
            gate.wait(0.001)
        stopped.set()

    job.start(call, then(heard))
    until(qtbot, begun.is_set)
    owner.deleteLater()
    del job
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    until(qtbot, stopped.is_set)
    assert QThreadPool.globalInstance().waitForDone(WAIT_MS)
    qtbot.wait(20)
    assert heard == []


def test_a_call_that_ended_before_its_thread_began_is_never_made(qtbot, parent):
    job, made = BackgroundJob(parent), []
    job.start(lambda _: made.append(1), lambda _: None)
    job.drop()
    qtbot.wait(20)
    assert QThreadPool.globalInstance().waitForDone(WAIT_MS)
    assert made == []


def wait_for(begun, gate, _):
    begun.set()
    return gate.wait(WAIT_MS / 1000)


class ByTheUser(QCloseEvent):
    """The end of a window that the user wants; napari asks only then."""

    def spontaneous(self):
        return True


def test_napari_warns_by_name_when_it_is_closed_meanwhile(
    qtbot, make_napari_viewer_proxy, parent, gate, monkeypatch
):
    make_napari_viewer_proxy()
    asked = []

    def stay(_window, *, extra_info="", **_):
        asked.append(extra_info)
        return SimpleNamespace(exec_=lambda: 0)

    monkeypatch.setattr("napari._qt.qt_main_window.ConfirmCloseDialog", stay)
    windows = QApplication.topLevelWidgets()
    window = next(w for w in windows if w.metaObject().className() == "_QtMainWindow")
    heard, jobs, begun = [], [], [threading.Event() for _ in range(3)]
    for title, event in zip(("Sharpening", "", "Enhancing cells"), begun, strict=True):
        jobs.append(BackgroundJob(parent))
        call = partial(wait_for, event, gate)
        jobs[-1].start(call, then(heard), title=title)
        if title == "Sharpening":
            until(qtbot, event.is_set)
            jobs[-1].drop()
            gate.set()
            assert QThreadPool.globalInstance().waitForDone(WAIT_MS)
            qtbot.wait(20)
            gate.clear()
    until(qtbot, lambda: all(event.is_set() for event in begun))
    end = ByTheUser()
    window.closeEvent(end)
    assert not end.isAccepted()
    # Neither what is over, dropped or not, nor what has no name is asked about.
    (lines,) = asked
    assert len(lines.splitlines()) == 1
    assert "Enhancing cells" in lines
    gate.set()
    until(qtbot, lambda: len(heard) == 2)
