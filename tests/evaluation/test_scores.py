"""Scores: remembered, averaged by image, compared."""

import json

import numpy as np
import pytest

from napari_microenhance.errors import OutputError
from napari_microenhance.evaluation import baselines, scores, trials
from scenes import steps


def counted(calls: list[str]) -> baselines.Method:
    def make(name: str, value: float):
        def inner():
            calls.append(name)
            return np.full((96, 96), value, np.float32)

        return inner

    return baselines.Method("toy", {"low": make("low", 0.1), "high": make("high", 0.6)})


def test_what_was_scored_once_is_remembered(tmp_path):
    (trial, *_) = trials.denoise_trials(steps())
    calls: list[str] = []
    memory = scores.Memory(tmp_path / "memory.json")
    first = memory.score(counted(calls), trial)
    assert first.setting == "high"
    assert set(calls) == {"low", "high"}
    memory.save()
    calls.clear()
    again = scores.Memory(tmp_path / "memory.json").score(counted(calls), trial)
    assert (again, calls) == (first, [])
    other = next(t for t in trials.denoise_trials(steps()) if t.condition != trial.condition)
    memory.score(counted(calls), other)
    assert len(calls) > 1, "another trial is another question"


def test_another_grid_is_another_method(tmp_path):
    (trial, *_) = trials.denoise_trials(steps())
    calls: list[str] = []
    memory = scores.Memory(None)
    memory.score(counted(calls), trial)
    method = counted(calls)
    calls.clear()
    memory.score(baselines.Method("toy", {"high": method.variants["high"]}), trial)
    assert calls


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_a_damaged_memory_is_forgotten(tmp_path, text):
    path = tmp_path / "memory.json"
    path.write_text(text)
    (trial, *_) = trials.denoise_trials(steps())
    memory = scores.Memory(path)
    memory.score(counted([]), trial)
    memory.save()
    assert len(json.loads(path.read_text())) == 1


def test_a_memory_that_cannot_be_written_is_one_sentence(tmp_path):
    (trial, *_) = trials.denoise_trials(steps())
    memory = scores.Memory(tmp_path / "nowhere" / "memory.json")
    memory.score(counted([]), trial)
    with pytest.raises(OutputError, match="cannot be written"):
        memory.save()


def made_up(method: str, values: dict[str, float], condition: str = "c") -> list[scores.Score]:
    return [
        scores.Score(method, "denoise", scene, condition, "real", "", {"psnr": value})
        for scene, value in values.items()
    ]


def test_gains_are_taken_image_by_image():
    own = made_up("net", {"a": 30, "b": 40})
    one = made_up("one", {"b": 39, "a": 20})
    two = made_up("two", {"a": 29, "b": 10})
    assert scores.gain(own, [one], "psnr").mean == pytest.approx((10 + 1) / 2)
    both = scores.gain(own, [one, two], "psnr")
    assert (both.mean, both.low, both.high, both.count) == (1, 1, 1, 2)


def test_conditions_of_one_image_are_no_further_evidence():
    values = {"a": 30.0, "b": 34.0}
    once = made_up("net", values)
    twice = once + made_up("net", values, "d")
    assert scores.mean_of(twice, "psnr") == scores.mean_of(once, "psnr")
    assert scores.mean_of(once, "psnr").count == 2


def test_a_spread_is_that_between_conditions():
    found = made_up("net", {"a": 1, "b": 5}, "dark") + made_up("net", {"a": 3, "b": 5}, "bright")
    assert scores.spread(found, "psnr") == pytest.approx((1 + 0) / 2)
