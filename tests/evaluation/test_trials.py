"""Trials: clean pictures and what is done to them."""

import numpy as np
import pytest
from scipy import ndimage

from napari_microenhance.evaluation import clean_pictures, trials
from napari_microenhance.evaluation.clean_pictures import CleanPicture
from napari_microenhance.measure import metrics
from scenes import CAMERA


def test_the_truth_is_the_picture_on_a_straight_line(picture):
    scene = picture.scene(100)
    assert scene.image.shape == scene.mask.shape == (100, 100)
    middle = CAMERA[78:178, 78:178]
    np.testing.assert_array_equal(scene.original, middle)
    np.testing.assert_array_equal(scene.mask, middle < 60)
    low, high = np.percentile(middle, (0.1, 99.9))
    np.testing.assert_allclose(scene.image, (middle - low) / (high - low), atol=1e-6)
    assert scene.image.min() < 0


@pytest.mark.parametrize(("name", "noise"), trials.NOISES.items())
def test_noise_has_the_strength_it_is_said_to_have(name, noise, rng):
    image = np.full((400, 400), 0.4, np.float32)
    gap = noise.add(image, rng) - image
    assert abs(gap.mean()) < 4 * gap.std() / 400
    assert gap.std() == pytest.approx(noise.mean_sigma(image), rel=0.02)
    if noise.photons:
        assert noise.mean_sigma(image) ** 2 == pytest.approx(
            0.4 / noise.photons + (2 / noise.photons) ** 2
        )
    else:
        assert noise.mean_sigma(image) == float(name.split()[1])


def test_noise_is_not_clipped(rng):
    noisy = trials.NOISES["Gaussian 0.12"].add(np.zeros((64, 64), np.float32), rng)
    assert noisy.min() < -0.2


def test_limited_trials_hold_what_integers_can_hold(picture):
    trial_of = {t.condition: t for t in trials.trials_of("denoise", [picture], (96, 96))}
    clipped = [t for name, t in trial_of.items() if name.endswith(", clipped")]
    assert [t.noise.sigma for t in clipped] == [0.03, 0.06, 0.12]
    for trial in clipped:
        for values in (trial.image, trial.truth):
            assert values.min() >= 0
            assert values.max() <= 1
        assert (trial.image == 0).any()
    assert trial_of["Gaussian 0.06"].image.min() < 0


def test_limited_noise_stays_between_black_and_white(picture):
    found = {t.condition: t for t in trials.denoise_trials(picture.scene(64))}
    trial = found["Gaussian 0.12, clipped"]
    assert (trial.image.min(), trial.image.max()) == (0, 1)
    assert trial.truth.min() >= 0
    assert trial.noise == trials.NOISES["Gaussian 0.12"]
    assert found["Gaussian 0.12"].image.min() < 0


def test_trials_are_the_same_every_time_and_differ_from_each_other(picture):
    tasks = ("denoise", "detail", "foreground")
    first, second = (
        [t for task in tasks for t in trials.trials_of(task, [picture], (64, 64))] for _ in range(2)
    )
    assert len(first) == 9 + 2 + 5
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
    other = CleanPicture("another name", CAMERA)
    (a, *_), (b, *_) = (trials.trials_of("denoise", [p], (64, 64)) for p in (picture, other))
    assert not np.array_equal(a.image, b.image)


@pytest.mark.parametrize("scale", [2, 4])
def test_small_images_are_means_over_squares(picture, scale):
    (trial,) = trials.trials_of("superres", [picture], (99, 99), scale=scale)
    edge = 99 // scale
    assert trial.image.shape == (edge, edge)
    assert trial.truth.shape == (edge * scale, edge * scale)
    square = trial.truth[scale : 2 * scale, 3 * scale : 4 * scale]
    assert trial.image[1, 3] == pytest.approx(square.mean(), abs=1e-6)


def test_detail_trials_are_bytes_too_dark_and_too_bright(picture):
    dark, bright = trials.trials_of("detail", [picture], (128, 128))
    assert dark.image.dtype == bright.image.dtype == np.uint8
    assert dark.image.max() < 100 < np.median(bright.image)
    for trial in (dark, bright):
        assert trial.truth.min() == 0
        assert trial.truth.max() == 1
        assert metrics.psnr(trial.image / 255, trial.truth) < 20


def test_foreground_trials_need_a_foreground_and_begin_from_its_picture(picture):
    assert trials.trials_of("foreground", [CleanPicture("camera", CAMERA)], (64, 64)) == []
    found = {t.condition: t for t in trials.trials_of("foreground", [picture], (128, 128))}
    assert list(found) == ["original", "dim", "uneven", "noisy", "brightfield"]
    np.testing.assert_array_equal(found["original"].image, picture.scene(128).original)
    truth = picture.scene(128).image
    for condition, sign in (("dim", 1), ("noisy", 1), ("uneven", 1), ("brightfield", -1)):
        smooth = ndimage.gaussian_filter(found[condition].image.astype(float), 2)
        likeness = np.corrcoef(smooth.ravel(), ndimage.gaussian_filter(truth, 2).ravel())[0, 1]
        assert sign * likeness > 0.5


def test_channels_become_planes_and_colour_becomes_grey(rng):
    stack = rng.integers(0, 255, (4, 2, 8, 9)).astype(np.uint8)
    names, planes = zip(*clean_pictures.planes_of("a", stack, "TCYX"), strict=True)
    assert names == ("a [0]", "a [1]")
    np.testing.assert_array_equal(planes[1], stack[0, 1])
    colour = rng.integers(0, 255, (8, 9, 4)).astype(np.uint8)
    ((name, grey),) = clean_pictures.planes_of("b", colour, "YXC")
    assert name == "b"
    np.testing.assert_allclose(grey, colour[..., :3] @ [0.299, 0.587, 0.114], rtol=1e-5)


def test_simulated_pictures_differ_and_repeat():
    first, second = (list(clean_pictures.simulated_pictures(3, edge=64)) for _ in range(2))
    assert len({p.name for p in first}) == 3
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)
        assert a.group == "simulated"
    assert not np.array_equal(first[0].pixels, first[1].pixels)
