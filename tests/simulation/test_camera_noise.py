"""The noise of cameras: its strength, its correlation, and what many exposures come to."""

import numpy as np
import pytest

from napari_microenhance.simulation.camera_noise import (
    CameraNoise,
    Correlation,
    clipped_mean,
    expose,
)

CORRELATIONS = [
    Correlation("smoothing", 0.8),
    Correlation("shift", 0.4),
    Correlation("mosaic"),
    Correlation("checkered"),
    Correlation("resize", 1.7),
    Correlation("line", 0.9),
]


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng([5, *seed])


def flat(level: float, edge: int = 256) -> np.ndarray:
    return np.full((edge, edge), level, np.float32)


def lag(noise: np.ndarray, axis: int) -> float:
    noise = noise - noise.mean()
    pairs = noise * np.roll(noise, 1, axis)
    return float(pairs.mean() / noise.var())


def test_a_perfect_camera_changes_nothing() -> None:
    signal = rng().random((20, 30), dtype=np.float32)
    taken, mean = expose(signal, CameraNoise(), rng())
    np.testing.assert_array_equal(taken, signal)
    np.testing.assert_array_equal(mean, signal)


@pytest.mark.parametrize("correlation", [None, *CORRELATIONS], ids=str)
def test_the_strength_is_what_was_asked_for_whatever_the_correlation(correlation) -> None:
    noise = CameraNoise(photons=300, read=0.02, correlation=correlation)
    taken, mean = expose(flat(0.4), noise, rng())
    wanted = np.sqrt(0.4 / 300 + 0.02**2)
    assert noise.sigma(flat(0.4)).max() == pytest.approx(wanted, rel=1e-5)
    assert (taken - mean).std() == pytest.approx(wanted, rel=0.02)
    np.testing.assert_array_equal(mean, flat(0.4))


@pytest.mark.parametrize("falloff", [0.8, 1.0, 1.9, 6.0])
def test_a_filter_of_any_falloff_has_the_width_that_was_asked_for(falloff) -> None:
    point = np.zeros((121, 121), np.float32)
    point[60, 60] = 1
    spread = Correlation("smoothing", 1.6, falloff).apply(point)
    assert spread.sum() == pytest.approx(1, abs=1e-4)
    for axis in (0, 1):
        along = spread.sum(axis=axis)
        wide = np.sqrt((along * (np.arange(121) - 60) ** 2).sum() - 1 / 12)
        assert wide == pytest.approx(1.6, rel=0.08)
    np.testing.assert_allclose(spread, spread.T, atol=1e-6)
    assert Correlation("smoothing", 1.6, falloff).apply(flat(0.3)) == pytest.approx(0.3, abs=1e-5)


def test_correlations_are_those_of_their_filters() -> None:
    found = {}
    for correlation in CORRELATIONS:
        taken, mean = expose(flat(0.5), CameraNoise(read=0.05, correlation=correlation), rng())
        found[correlation.kind] = tuple(lag(taken - mean, axis) for axis in (0, 1))
    # exp(-1 / (4 sigma^2)) of a Gaussian filter; f (1 - f) / (f^2 + (1 - f)^2) of a shift by f.
    for axis in (0, 1):
        assert found["smoothing"][axis] == pytest.approx(np.exp(-1 / (4 * 0.8**2)), abs=0.03)
        assert found["shift"][axis] == pytest.approx(0.24 / 0.52, abs=0.03)
        assert 0.4 < found["mosaic"][axis] < 0.8
        assert 0.2 < found["checkered"][axis] < 0.6
        assert 0.4 < found["resize"][axis] < 0.9
    assert found["line"][0] == pytest.approx(0, abs=0.03)
    assert found["line"][1] > 0.6
    white, _ = expose(flat(0.5), CameraNoise(read=0.05), rng())
    assert abs(lag(white, 1)) < 0.02


@pytest.mark.parametrize("correlation", CORRELATIONS, ids=str)
def test_what_is_flat_stays_flat(correlation) -> None:
    np.testing.assert_allclose(correlation.apply(flat(0.3, 32)), 0.3, atol=1e-6)


def test_a_filtered_signal_is_its_own_truth() -> None:
    signal = (np.indices((64, 64)).sum(0) % 2).astype(np.float32)
    correlation = Correlation("smoothing", 1.5)
    noise = CameraNoise(read=0.01, correlation=correlation, filters_signal=True)
    _, mean = expose(signal, noise, rng())
    np.testing.assert_array_equal(mean, correlation.apply(signal))


@pytest.mark.parametrize("level", [0.0, 0.02, 0.5, 0.97, 1.0])
def test_the_mean_of_many_exposures_is_the_one_that_is_said(level) -> None:
    noise = CameraNoise(read=0.06, photons=200, bits=8)
    taken, mean = expose(flat(level, 400), noise, rng())
    assert taken.min() >= 0
    assert taken.max() <= 1
    assert np.abs(taken * 255 - np.rint(taken * 255)).max() < 1e-3
    assert taken.mean() == pytest.approx(float(mean.mean()), abs=5e-4)
    assert np.array_equal(mean, clipped_mean(flat(level, 400), noise.sigma(flat(level, 400))))


def test_rows_columns_and_hot_pixels_are_patterns() -> None:
    rows, mean = expose(flat(0.5), CameraNoise(rows=0.03), rng())
    assert np.ptp(rows, axis=1).max() == 0
    assert (rows - mean)[:, 0].std() == pytest.approx(0.03, rel=0.15)
    columns, _ = expose(flat(0.5), CameraNoise(columns=0.03), rng())
    assert np.ptp(columns, axis=0).max() == 0
    hot, mean = expose(flat(0.2), CameraNoise(hot=0.01), rng())
    assert ((hot - mean) >= 0.1).mean() == pytest.approx(0.01, rel=0.15)
    assert set(np.unique(mean)) == {np.float32(0.2)}


def test_jpeg_leaves_its_blocks() -> None:
    signal = rng().random((64, 64), dtype=np.float32)
    plain, _ = expose(signal, CameraNoise(bits=8), rng())
    packed, _ = expose(signal, CameraNoise(bits=8, jpeg=60), rng())
    assert 0.01 < np.abs(packed - plain).mean() < 0.2


def test_the_seed_decides_every_pixel() -> None:
    noise = CameraNoise(
        photons=100, read=0.01, correlation=CORRELATIONS[0], rows=0.01, columns=0.01, hot=0.01
    )
    first, again, other = (expose(flat(0.5), noise, rng(k))[0] for k in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
