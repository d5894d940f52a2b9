"""The noise of one image: found where its strength, correlation and patterns are known."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from napari_microenhance.errors import ImageError
from napari_microenhance.measure.noise import estimate_noise, noise_in_words
from napari_microenhance.simulation.camera_noise import CameraNoise, Correlation, expose
from napari_microenhance.simulation.specimens import simulate

CAMERAS = {
    "white": CameraNoise(read=0.03),
    "shot": CameraNoise(read=0.02, photons=200),
    "smoothed": CameraNoise(read=0.02, photons=300, correlation=Correlation("smoothing", 0.8)),
    "resized": CameraNoise(read=0.03, photons=500, correlation=Correlation("resize", 1.6)),
    "one colour": CameraNoise(read=0.03, photons=500, correlation=Correlation("mosaic"), bits=8),
}


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng([13, *seed])


def specimen(family: str, seed: int) -> np.ndarray:
    field = simulate(family, 384, np.random.default_rng(seed)).image
    return np.asarray(0.1 + 0.8 * field, np.float32)


def lags(noise: np.ndarray) -> tuple[float, float]:
    noise = noise - noise.mean()
    return tuple(
        float((a * b).mean() / noise.var())
        for a, b in ((noise[1:], noise[:-1]), (noise[:, 1:], noise[:, :-1]))
    )


@pytest.mark.slow
@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
@pytest.mark.parametrize("family", ["nuclei", "puncta", "brightfield"])
def test_strength_and_correlation_are_found_in_simulated_fields(family, camera) -> None:
    signal = specimen(family, 1)
    taken, mean = expose(signal, camera, rng())
    found = estimate_noise(taken)
    truth = float(np.sqrt((camera.sigma(signal) ** 2).mean()))
    assert found.sigma == pytest.approx(truth, rel=0.1)
    assert found.lag == pytest.approx(lags(taken - mean), abs=0.05)
    assert (found.reach_px > 1) == (camera.correlation is not None)
    assert 0.05 < found.quiet <= 1


def test_strength_is_found_as_a_function_of_the_level() -> None:
    steps = np.repeat(np.linspace(0.1, 0.9, 9, dtype=np.float32), 64)
    signal = np.tile(steps, (256, 1))
    taken, _ = expose(signal, CameraNoise(read=0.01, photons=150), rng())
    found = estimate_noise(taken * 1000)
    assert found.gain == pytest.approx(1000 / 150, rel=0.1)
    assert found.offset == pytest.approx(100, abs=3)
    assert found.read == pytest.approx(1000 * np.sqrt(0.1 / 150 + 0.01**2), rel=0.1)
    for level in (0.2, 0.5, 0.8):
        truth = 1000 * np.sqrt(level / 150 + 0.01**2)
        assert found.at(1000 * level) == pytest.approx(truth, rel=0.1)
    assert [level for level, _ in found.levels] == sorted(level for level, _ in found.levels)


@pytest.mark.parametrize("gain", [0.01, 300.0])
def test_the_estimate_follows_the_units(gain) -> None:
    taken, _ = expose(specimen("puncta", 2), CAMERAS["smoothed"], rng())
    plain, scaled = estimate_noise(taken), estimate_noise(gain * taken + 7)
    assert scaled.sigma == pytest.approx(gain * plain.sigma, rel=1e-3)
    assert scaled.gain == pytest.approx(gain * plain.gain, rel=1e-3)
    assert scaled.lag == pytest.approx(plain.lag, abs=1e-3)


def test_an_image_turned_has_its_correlation_turned() -> None:
    taken, _ = expose(
        np.full((256, 256), 0.5, np.float32),
        CameraNoise(read=0.05, correlation=Correlation("line", 0.9)),
        rng(),
    )
    upright, turned = estimate_noise(taken), estimate_noise(taken.T)
    assert upright.lag[0] == pytest.approx(0, abs=0.03)
    assert upright.lag[1] > 0.6
    assert turned.lag == pytest.approx(upright.lag[::-1], abs=0.02)
    assert upright.reach_px == turned.reach_px == 3


@pytest.mark.parametrize("pattern", ["rows", "columns"])
def test_patterns_of_rows_and_columns_are_told_apart(pattern) -> None:
    camera = CameraNoise(read=0.03, photons=400, **{pattern: 0.01})
    found = estimate_noise(expose(specimen("nuclei", 1), camera, rng())[0])
    assert getattr(found, pattern) == pytest.approx(0.01, rel=0.2)
    other = "columns" if pattern == "rows" else "rows"
    assert getattr(found, other) < 0.002


def test_clipping_and_rounding_are_seen() -> None:
    signal = np.clip(specimen("puncta", 1) - 0.1, 0, None)
    taken, _ = expose(1.4 * signal, CameraNoise(read=0.03, bits=8), rng())
    found = estimate_noise(np.rint(taken * 255).astype(np.uint8))
    assert found.step == 1
    assert found.clipped[0] == pytest.approx((taken == 0).mean())
    assert found.clipped[0] > 0.1
    free = estimate_noise(expose(signal + 0.3, CameraNoise(read=0.03), rng())[0])
    assert free.clipped == (0, 0)
    assert free.step == 0


def test_pixels_without_a_number_are_left_out() -> None:
    taken, _ = expose(specimen("puncta", 2), CAMERAS["white"], rng())
    taken[:80, :100] = np.nan
    assert estimate_noise(taken).sigma == pytest.approx(0.03, rel=0.1)


def test_an_image_without_noise_has_none() -> None:
    found = estimate_noise(np.full((80, 90), 12, np.uint16))
    assert found.sigma == 0
    assert found.rows == found.columns == found.step == 0
    assert found.reach_px == 1


@pytest.mark.parametrize("shape", [(63, 200), (200,), (4, 100, 100)])
def test_images_that_are_too_small_or_not_flat_are_refused(shape) -> None:
    with pytest.raises(ImageError, match="at least 64 x 64 px"):
        estimate_noise(np.zeros(shape))


def test_an_image_of_nothing_finite_is_refused() -> None:
    with pytest.raises(ImageError, match="too few finite pixels"):
        estimate_noise(np.full((80, 80), np.nan))


def test_the_estimate_in_words() -> None:
    white, _ = expose(np.full((128, 128), 0.5, np.float32), CAMERAS["white"], rng())
    assert estimate_noise(white).in_words(1.0) in {
        f"Noise: {percent} % of the range, white" for percent in ("2.9", "3", "3.1")
    }
    alike, _ = expose(np.full((128, 128), 0.5, np.float32), CAMERAS["smoothed"], rng())
    assert estimate_noise(alike).in_words(1.0).endswith("correlated over about 3 px")
    assert noise_in_words(12.0, None, reach_px=1) == "Noise: 12, white"
    assert noise_in_words(0.0, 255, reach_px=1) == "Noise: none found"
    assert noise_in_words(5.1, 255, reach_px=5, sure=False) == (
        "Noise: at most 2 % of the range, hard to tell from fine structure"
    )


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_real_frames_have_the_noise_that_their_truth_says(public_data: Path, channel) -> None:
    folder = public_data / "denoise" / "w2s"
    for name in (f"001_{channel}.tif", f"007_{channel}.tif"):
        taken, truth = (np.asarray(Image.open(folder / part / name)) for part in ("raw", "gt"))
        noise = taken.astype(float) - truth
        # The mean of many frames is a little brighter or darker than one of them.
        noise -= ndimage.gaussian_filter(noise, 4)
        found = estimate_noise(taken)
        assert found.sigma == pytest.approx(noise.std(), rel=0.1)
        assert found.lag == pytest.approx(lags(noise), abs=0.08)
