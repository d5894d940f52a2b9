"""Metrics against independent formulas and scikit-image, and intervals of means."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import data
from skimage.metrics import structural_similarity
from skimage.restoration import estimate_sigma

from napari_microenhance.errors import ImageError, OptionsError
from napari_microenhance.measure import metrics
from napari_microenhance.measure.bootstrap import mean_interval


@pytest.fixture
def camera() -> np.ndarray:
    return data.camera()[100:356, 100:356].astype(np.float32) / 255


def noisy(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return (image + rng.normal(0, sigma, image.shape)).astype(np.float32)


@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_psnr_is_that_of_the_error_that_was_made(camera, rng, data_range):
    gap = rng.normal(0, 0.1, camera.shape)
    expected = 10 * np.log10(data_range**2 / np.mean((data_range * gap) ** 2))
    truth = camera.astype(np.float64) * data_range
    assert metrics.psnr(truth + data_range * gap, truth, data_range=data_range) == pytest.approx(
        expected
    )


def test_equal_images_are_as_good_as_can_be(camera):
    assert metrics.psnr(camera, camera) == np.inf
    assert metrics.ssim(camera, camera) == pytest.approx(1)
    assert metrics.nrmse(camera, camera) == 0


def test_whole_numbers_do_not_wrap_around():
    low, high = np.full((16, 16), 10, np.uint8), np.full((16, 16), 250, np.uint8)
    expected = 20 * np.log10(255 / 240)
    assert metrics.psnr(low, high, data_range=255) == pytest.approx(expected)
    assert metrics.psnr(high, low, data_range=255) == pytest.approx(expected)


def test_ssim_is_the_one_of_its_authors(camera, rng):
    other = noisy(camera, 0.1, rng)
    a, b = camera.astype(np.float64), other.astype(np.float64)
    blurred = [ndimage.gaussian_filter(v, 1.5, truncate=3.5) for v in (a, b, a * a, b * b, a * b)]
    ma, mb, aa, bb, ab = (v[5:-5, 5:-5] for v in blurred)
    c1, c2 = 0.01**2, 0.03**2
    expected = ((2 * ma * mb + c1) * (2 * (ab - ma * mb) + c2)) / (
        (ma**2 + mb**2 + c1) * (aa - ma**2 + bb - mb**2 + c2)
    )
    assert metrics.ssim(other, camera) == pytest.approx(expected.mean(), abs=1e-6)
    assert metrics.ssim(other * 255, camera * 255, data_range=255) == pytest.approx(
        structural_similarity(
            camera * 255,
            other * 255,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def test_a_line_takes_away_level_and_contrast_and_no_more(camera, rng):
    noisy = camera + rng.normal(0, 0.1, camera.shape)
    line = metrics.on_line(5 - 3 * noisy, camera)
    slope, offset = np.polyfit(noisy.ravel(), camera.ravel(), 1)
    np.testing.assert_allclose(line, slope * noisy + offset, atol=1e-9)
    np.testing.assert_allclose(metrics.on_line(5 - 3 * camera, camera), camera, atol=1e-6)
    assert metrics.on_line(np.full((4, 4), 7), camera[:4, :4]).std() == 0


def test_nrmse_is_relative_to_the_truth(camera):
    assert metrics.nrmse(1.1 * camera, camera) == pytest.approx(0.1, rel=1e-5)
    black = np.zeros((16, 16))
    assert metrics.nrmse(black, black) == 0
    assert metrics.nrmse(black + 1, black) == np.inf


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim, metrics.nrmse, metrics.iou])
def test_images_of_different_shapes_are_refused(metric):
    with pytest.raises(ImageError, match=r"\(16, 16\) cannot be compared with one of \(16, 17\)"):
        metric(np.zeros((16, 16)), np.zeros((16, 17)))


def test_images_too_small_for_a_window_are_refused():
    with pytest.raises(ImageError, match="11 x 11"):
        metrics.ssim(np.zeros((10, 20)), np.zeros((10, 20)))
    with pytest.raises(ImageError, match="3 x 3"):
        metrics.noise(np.zeros((2, 20)))


def test_blur_grows_with_blur(camera):
    values = [metrics.blur(ndimage.gaussian_filter(camera, s)) for s in (0, 1, 2, 4)]
    assert values == sorted(values)
    assert 0 < values[0] < values[-1] - 0.3 < 1
    assert metrics.blur(np.full((32, 32), 7, np.uint8)) == 1


@pytest.mark.parametrize("sigma", [0.02, 0.1, 0.3])
def test_noise_is_found_where_there_is_nothing_else(rng, sigma):
    y, x = np.mgrid[:256, :256] / 256
    plane = 0.3 * y + 0.6 * x
    assert metrics.noise(plane) == pytest.approx(0, abs=1e-12)
    found = metrics.noise(noisy(plane, sigma, rng))
    assert found == pytest.approx(sigma, rel=0.03)


def test_noise_of_a_picture_is_near_another_estimate(camera, rng):
    pytest.importorskip("pywt", reason="the other estimate needs PyWavelets")
    image = noisy(camera, 0.1, rng)
    assert metrics.noise(image) == pytest.approx(estimate_sigma(image), rel=0.1)


def test_contrast_is_the_standard_deviation():
    image = np.tile(np.array([0, 255], np.uint8), (8, 8))
    assert metrics.contrast(image) == 127.5


def test_masks_by_hand():
    a, b = np.zeros((4, 4), int), np.zeros((4, 4), bool)
    a[:, :2] = 7
    b[:2] = True
    assert metrics.iou(a, b) == pytest.approx(4 / 12)
    assert metrics.dice(a, b) == pytest.approx(8 / 16)
    assert metrics.iou(a, ~(a != 0)) == metrics.dice(a, ~(a != 0)) == 0
    empty = np.zeros((4, 4))
    assert metrics.iou(empty, empty) == metrics.dice(empty, empty) == 1


def test_an_interval_holds_the_mean_and_shrinks_with_the_number(rng):
    few, many = (mean_interval(rng.normal(5, 2, n)) for n in (10, 1000))
    for interval in (few, many):
        assert interval.low < interval.mean < interval.high
    # The known width of the mean of normal numbers.
    assert many.high - many.low == pytest.approx(2 * 1.96 * 2 / np.sqrt(1000), rel=0.1)
    assert few.high - few.low > 4 * (many.high - many.low)


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(3)
    found = [mean_interval(rng.normal(0, 1, 40), level=0.8, resamples=300) for _ in range(300)]
    covered = np.mean([i.low <= 0 <= i.high for i in found])
    assert 0.72 < covered < 0.86


def test_an_interval_is_the_same_every_time(rng):
    values = rng.normal(size=20)
    assert mean_interval(values) == mean_interval(values)
    assert mean_interval(values) != mean_interval(values, seed=1)


def test_one_figure_has_no_width():
    assert mean_interval([3.5]).to_dict() == {"mean": 3.5, "low": 3.5, "high": 3.5, "count": 1}


@pytest.mark.parametrize("values", [[], [1.0, np.nan], [np.inf]])
def test_a_mean_of_nothing_or_of_no_numbers_is_refused(values):
    with pytest.raises(OptionsError, match="finite numbers"):
        mean_interval(values)


def test_a_level_outside_its_range_is_refused():
    with pytest.raises(OptionsError, match="level=95"):
        mean_interval([1.0, 2.0], level=95)
