"""Providers: the best that works is chosen, what differs is said, and what dies is replaced."""

import importlib.metadata
import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import toys
from napari_microenhance import Options, enhance, load_model
from napari_microenhance.engine.runtime import providers, session
from napari_microenhance.engine.runtime.parity import compare
from napari_microenhance.engine.runtime.providers import (
    Parity,
    choose,
    double_install,
    try_provider,
)
from napari_microenhance.errors import ModelError

GOOD = Parity("cuda", difference=1e-6)


def chosen(monkeypatch, asked, trials, *, broken=()):
    """Return the choice among pretended providers, and which were tried and opened."""
    monkeypatch.setattr(providers, "available_providers", lambda: (*trials, "cpu"))
    monkeypatch.setattr(providers, "double_install", str)
    tried, opened = [], []

    def attempt(word):
        tried.append(word)
        return trials[word]

    def open_session(word):
        opened.append(word)
        if word in broken:
            raise ModelError("no memory on it.")
        return SimpleNamespace(got=word)

    choice = choose(asked, open_session=open_session, attempt=attempt)
    return choice, tried, opened


def test_auto_takes_the_first_that_works(monkeypatch):
    trials = {"openvino": Parity("openvino", difference=0.0), "cuda": GOOD}
    choice, tried, _ = chosen(monkeypatch, "auto", trials)
    assert choice.session.got == "cuda"
    assert tried == ["cuda"]
    assert choice.remarks == ()
    assert choice.parity() == {"max_difference": 1e-6, "finite": True}


@pytest.mark.parametrize(
    ("trial", "words"),
    [
        (Parity("", error="crashed its process (status -11)"), "crashed its process"),
        (Parity("cpu", difference=0.0), "was refused by ONNX Runtime, which used cpu instead"),
        (Parity("cuda", finite=False), "NaN or infinite values"),
        (Parity("cuda", difference=0.3), r"by 30\.0% of the model's range"),
    ],
)
def test_auto_goes_on_to_the_next_and_says_why(monkeypatch, trial, words):
    trials = {"cuda": trial, "openvino": Parity("openvino", difference=0.0)}
    choice, tried, opened = chosen(monkeypatch, "auto", trials)
    assert tried == ["cuda", "openvino"]
    assert opened == ["openvino"]
    assert len(choice.remarks) == 1
    assert re.search(words, choice.remarks[0])


def test_auto_without_any_is_the_cpu_and_silent(monkeypatch):
    choice, tried, opened = chosen(monkeypatch, "auto", {})
    assert (tried, opened) == ([], ["cpu"])
    assert choice.trial is None
    assert choice.parity() is None
    assert choice.remarks == ()


def test_tensorrt_and_coreml_need_the_users_word(monkeypatch):
    trials = {"tensorrt": Parity("tensorrt", difference=0.0)}
    assert chosen(monkeypatch, "auto", trials)[1] == []
    assert chosen(monkeypatch, "tensorrt", trials)[0].session.got == "tensorrt"


def test_the_users_word_goes_before_a_difference_which_is_said(monkeypatch):
    choice, _, _ = chosen(monkeypatch, "cuda", {"cuda": Parity("cuda", difference=0.3)})
    assert choice.session.got == "cuda"
    assert "differs from the CPU by 30.0%" in choice.remarks[0]


def test_a_network_that_is_random_is_no_difference(monkeypatch):
    choice, _, _ = chosen(monkeypatch, "auto", {"cuda": Parity("cuda")})
    assert choice.session.got == "cuda"
    assert choice.parity() == {"max_difference": None, "finite": True}


def test_what_is_missing_or_breaks_is_the_cpu_with_a_word(monkeypatch):
    choice, _, _ = chosen(monkeypatch, "coreml", {})
    assert choice.session.got == "cpu"
    assert choice.remarks == ("provider=coreml is not available on this machine; the CPU is used.",)
    choice, _, opened = chosen(monkeypatch, "cuda", {"cuda": GOOD}, broken=("cuda",))
    assert opened == ["cuda", "cpu"]
    assert "cannot load this model; the CPU is used. no memory on it." in choice.remarks[0]


# --- the trial, in a process of its own --------------------------------------------


@pytest.mark.slow
def test_a_trial_runs_in_another_process(tmp_path):
    model = load_model(toys.unet(tmp_path / "a.onnx"))
    assert try_provider(model.path, "cpu", model.spec) == Parity("cpu", difference=0.0)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os.abort()", "crashed its process"),
        ("raise SystemExit(3)", "status 3"),
        ("pass", "crashed its process"),
    ],
)
def test_a_provider_that_ends_its_process_is_survived(tmp_path, code, words):
    model = load_model(toys.plain(tmp_path / "a.onnx"))
    trial = try_provider(model.path, "cuda", model.spec, command=(sys.executable, "-c", code))
    assert words in trial.error


def test_a_trial_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(providers, "TRIAL_SECONDS", 0.2)
    model = load_model(toys.plain(tmp_path / "a.onnx"))
    command = (sys.executable, "-c", "import time; time.sleep(60)")
    assert "did not respond" in try_provider(model.path, "cuda", model.spec, command=command).error


def test_a_random_network_cannot_be_compared(tmp_path):
    g = toys.Graph(1)
    noise = g.node("RandomNormalLike", "x", scale=0.1)
    model = load_model(g.save(tmp_path / "a.onnx", g.node("Add", "x", noise)))
    assert compare(model.path, "cpu", model.spec) == Parity("cpu")


def test_a_network_that_fails_is_told_in_words(tmp_path):
    model = load_model(toys.plain(tmp_path / "a.onnx"))
    model.path.write_bytes(b"no network")
    assert "is not an ONNX file" in compare(model.path, "cpu", model.spec).error


# --- with onnxruntime in between -----------------------------------------------------


class Pretended:
    """onnxruntime's session under another provider's name: wrong by `off`, or failing."""

    off = 0.0
    calls_left = 10**9
    before_failing = staticmethod(lambda: None)

    def __init__(self, real, providers):
        self._real = real
        self._first = providers[0][0]

    def __getattr__(self, name):
        return getattr(self._real, name)

    def get_providers(self):
        return [self._first, "CPUExecutionProvider"]

    def run(self, names, feeds, options=None):
        outputs = self._real.run(names, feeds, options)
        if self._first == "CPUExecutionProvider":
            return outputs
        type(self).calls_left -= 1
        if self.calls_left < 0:
            self.before_failing()
            raise RuntimeError("the device is gone")
        return [o + np.float32(self.off) for o in outputs]


@pytest.fixture
def pretend_cuda(monkeypatch):
    """Return the class of sessions that pretend to be CUDA; trials run in this process."""
    kind = type("Kind", (Pretended,), {})
    real = session.ort.InferenceSession

    def opened(model, options, providers, **more):
        cpu = [p for p in providers if p[0] == "CPUExecutionProvider"]
        return kind(real(model, options, providers=cpu, **more), providers)

    theirs = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(session.ort, "InferenceSession", opened)
    monkeypatch.setattr(session.ort, "get_available_providers", lambda: theirs)
    monkeypatch.setattr("napari_microenhance.models.loading.try_provider", compare)
    monkeypatch.setattr("napari_microenhance.models.cache.fetch", lambda *_: None)
    return kind


def test_what_ran_and_how_far_from_the_cpu_is_in_the_report(tmp_path, rng, pretend_cuda):
    pretend_cuda.off = 1e-4
    model = load_model(toys.plain(tmp_path / "a.onnx"))
    report = enhance(rng.random((60, 70)), model).report
    assert report.provider["asked"] == "auto"
    assert report.provider["got"] == "cuda"
    assert 1e-5 < report.provider["parity"]["max_difference"] <= 1e-4
    json.dumps(report.to_dict())


def test_the_trial_is_made_once_for_a_network(tmp_path, rng, pretend_cuda, monkeypatch):
    calls = []
    monkeypatch.setattr(
        "napari_microenhance.models.loading.try_provider", lambda *a: calls.append(a) or GOOD
    )
    model = load_model(toys.plain(tmp_path / "a.onnx"))
    for _ in range(3):
        enhance(rng.random((30, 30)), model)
    assert len(calls) == 1


@pytest.mark.parametrize(("trial", "times"), [(GOOD, 1), (Parity("", error="died"), 2)])
def test_a_good_trial_is_remembered_by_the_next_session(tmp_path, monkeypatch, trial, times):
    calls = []
    monkeypatch.setattr(providers, "available_providers", lambda: ("cuda", "cpu"))
    monkeypatch.setattr(
        "napari_microenhance.models.loading.try_provider", lambda *a: calls.append(a) or trial
    )
    # Of another seed than elsewhere: what is remembered lies in a folder that all tests share.
    path = toys.plain(tmp_path / "a.onnx", seed=77 + times)
    for _ in range(2):
        load_model(path).choice("cuda")
    assert len(calls) == times


def test_a_provider_that_dies_in_a_run_is_replaced_by_the_cpu_once(tmp_path, rng, pretend_cuda):
    image = rng.random((200, 200)).astype(np.float32)
    model = load_model(toys.plain(tmp_path / "a.onnx"))
    options = Options(provider="cuda", tile=64)
    # The trial needs one call; two tiles work, the third fails.
    pretend_cuda.calls_left = 3
    result = enhance(image, model, options=options)
    assert result.report.provider["got"] == "cpu"
    said = [
        w
        for w in result.report.warnings
        if "failed during the run, which continued on the CPU" in w
    ]
    assert len(said) == 1
    assert "the device is gone" in said[0]
    cpu = enhance(image, model, options=Options(provider="cpu", tile=64))
    np.testing.assert_array_equal(result.patch, cpu.patch)


def test_a_cancelled_run_does_not_begin_again_on_the_cpu(tmp_path, pretend_cuda):
    from napari_microenhance.engine.runtime.inference import Inference
    from napari_microenhance.errors import Cancelled

    model = load_model(toys.plain(tmp_path / "a.onnx"))
    inference = Inference(model.session("cuda"), model.spec)
    pretend_cuda.calls_left = 0
    pretend_cuda.before_failing = staticmethod(inference.stop)
    with pytest.raises(Cancelled):
        inference.run(np.zeros((1, 1, 16, 16), np.float32))
    assert inference.got == "cuda"


# --- two builds in one environment -----------------------------------------------------


def installed(monkeypatch, *names):
    def distribution(name):
        if name not in names:
            raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(providers.importlib.metadata, "distribution", distribution)


def test_two_builds_are_seen_and_how_to_mend_it_is_said(monkeypatch):
    installed(monkeypatch, "onnxruntime", "onnxruntime-gpu")
    sentence = double_install()
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in sentence
    assert sentence.endswith("pip install onnxruntime-gpu.")


@pytest.mark.parametrize("names", [(), ("onnxruntime",), ("onnxruntime-openvino",)])
def test_one_build_is_well(monkeypatch, names):
    installed(monkeypatch, *names)
    assert double_install() == ""


def test_the_sentence_reaches_the_report(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(providers, "double_install", lambda: "Two builds.")
    report = enhance(rng.random((30, 30)), load_model(toys.plain(tmp_path / "a.onnx"))).report
    assert "Two builds." in report.warnings


def test_this_environment_holds_one_build():
    assert double_install() == ""
