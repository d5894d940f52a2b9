"""Cameras drawn at random, and examples that they take."""

import dataclasses

import numpy as np
import pytest

from napari_microenhance.simulation.camera_noise import expose
from napari_microenhance.training.data.cameras import draw_shot
from napari_microenhance.training.data.examples import Bank, draw_examples, white_count


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng([9, *seed])


def test_shots_span_what_real_cameras_do() -> None:
    shots = [draw_shot(rng(k)) for k in range(400)]
    peaks = [shot.peak for shot in shots]
    assert min(peaks) < 0.1
    assert max(peaks) == 1
    assert all(shot.offset + shot.peak <= 1 for shot in shots)
    kinds = {shot.noise.correlation and shot.noise.correlation.kind for shot in shots}
    assert kinds == {None, "smoothing", "shift", "mosaic", "checkered", "resize", "line"}
    for name in ("photons", "rows", "hot", "jpeg", "bits", "filters_signal"):
        assert {bool(getattr(shot.noise, name)) for shot in shots} == {False, True}
    middle = [s.noise.sigma(np.float32(s.offset + s.peak / 2)) / s.peak for s in shots]
    assert 0.009 < min(middle) < 0.02
    assert 0.2 < max(middle) < 0.35
    assert draw_shot(rng(1)) == draw_shot(rng(1))


def test_neighbours_are_alike_from_hardly_to_almost_wholly() -> None:
    found = []
    for k in range(120):
        shot = draw_shot(rng(k))
        if shot.noise.correlation is None:
            continue
        noise = dataclasses.replace(shot.noise, rows=0.0, columns=0.0, hot=0.0, bits=0, jpeg=0)
        taken, mean = expose(np.full((128, 128), 0.5, np.float32), noise, rng(k, 1))
        field = taken - mean
        found.append(float((field[:, 1:] * field[:, :-1]).mean() / field.var()))
    assert min(found) < 0.15
    assert 0.75 < max(found) < 0.97


@pytest.fixture
def flat() -> Bank:
    return Bank(
        np.full((2, 64, 64), 0.5, np.float16), np.zeros((2, 64, 64), bool), np.zeros(2, bool)
    )


@pytest.mark.parametrize("cameras", [0.5, 1.0])
def test_so_many_examples_have_alike_neighbours_as_were_asked_for(flat, cameras) -> None:
    given, wanted = draw_examples(flat, "denoise", count=200, patch=48, rng=rng(), cameras=cameras)
    assert given.shape == wanted.shape == (200, 1, 48, 48)
    noise = (given - wanted)[:, 0]
    noise = noise - noise.mean(axis=(1, 2), keepdims=True)
    lag = (noise[:, :, 1:] * noise[:, :, :-1]).mean(axis=(1, 2)) / noise.var(axis=(1, 2))
    # Four cameras in five; some correlate too little to be told, lines along the other axis.
    assert cameras * 0.45 < (lag > 0.12).mean() < cameras * 0.9
    assert np.isfinite(given).all()


def test_the_first_examples_have_white_noise() -> None:
    assert [white_count(8, cameras) for cameras in (0.0, 0.3, 0.5, 1.0)] == [8, 6, 4, 0]


def test_without_cameras_examples_are_what_they_were(flat) -> None:
    first, second = (
        draw_examples(flat, "denoise", count=4, patch=32, rng=rng(), **keywords)
        for keywords in ({}, {"cameras": 0.0})
    )
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
