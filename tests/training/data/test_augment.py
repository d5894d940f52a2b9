"""Augmentation: what moves together, what stays, and what only the input feels."""

import numpy as np
import pytest
from scipy import ndimage

from napari_microenhance.training.data.augment import augmented
from napari_microenhance.training.recipes.recipe import Augment

NOTHING = {"rotations": False, "flips": False}


def smooth(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Images without detail finer than some pixels."""
    noise = rng.normal(size=shape)
    return ndimage.gaussian_filter(noise, (0, 0, 5, 5), mode="reflect").astype(np.float32) * 8


def binned(images: np.ndarray, factor: int) -> np.ndarray:
    count, channels, height, width = images.shape
    parts = images.reshape(count, channels, height // factor, factor, width // factor, factor)
    return parts.mean(axis=(3, 5))


def test_nothing_asked_is_nothing_done(rng: np.random.Generator) -> None:
    inputs, targets = smooth(rng, 3, 1, 24, 24), smooth(rng, 3, 1, 24, 24)
    found = augmented(inputs, targets, Augment(**NOTHING), rng)
    np.testing.assert_array_equal(found, (inputs, targets))


@pytest.mark.parametrize(
    "augment",
    [
        Augment(),
        Augment(rotations=True, flips=False),
        Augment(rotations=False, flips=True),
        Augment(elastic=4.0, **NOTHING),
        Augment(jitter=0.5, **NOTHING),
        Augment(elastic=3.0, jitter=0.3),
    ],
)
def test_what_is_equal_stays_equal_and_the_given_arrays_stay(
    augment: Augment, rng: np.random.Generator
) -> None:
    images = smooth(rng, 6, 2, 40, 40)
    before = images.copy()
    inputs, targets = augmented(images, images, augment, rng)
    np.testing.assert_array_equal(inputs, targets)
    assert inputs.shape == images.shape
    assert inputs.dtype == np.float32
    assert not np.array_equal(inputs, images)
    np.testing.assert_array_equal(images, before)


def test_one_generator_gives_one_batch(rng: np.random.Generator) -> None:
    images = smooth(rng, 4, 1, 32, 32)
    augment = Augment(elastic=2.0, jitter=0.2, erasing=0.5)
    a, b, c = (
        augmented(images, images, augment, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


@pytest.mark.parametrize(
    ("augment", "count"),
    [
        (Augment(), 8),
        (Augment(rotations=True, flips=False), 4),
        (Augment(rotations=False, flips=True), 4),
    ],
)
def test_all_positions_of_a_square_are_reached(
    augment: Augment, count: int, rng: np.random.Generator
) -> None:
    image = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    batch = np.repeat(image, 200, axis=0)
    found, _ = augmented(batch, batch, augment, rng)
    assert len({one.tobytes() for one in found}) == count


@pytest.mark.parametrize("augment", [Augment(), Augment(elastic=3.0, **NOTHING)])
def test_pixels_of_a_target_of_twice_the_size_move_along(
    augment: Augment, rng: np.random.Generator
) -> None:
    targets = smooth(rng, 4, 1, 96, 96)
    inputs = binned(targets, 2)
    given, wanted = augmented(inputs, targets, augment, rng)
    inside = (slice(None), slice(None), slice(8, -8), slice(8, -8))
    error = np.abs(given - binned(wanted, 2))[inside].max()
    moved = np.abs(given - inputs)[inside].max()
    assert error < 0.1 * moved


def test_elastic_displacement_stays_below_its_limit(rng: np.random.Generator) -> None:
    # A ramp shows by how much its pixels moved; splines between the points overshoot a little.
    ramp = np.tile(np.arange(64, dtype=np.float32), (8, 1, 64, 1))
    found, _ = augmented(ramp, ramp, Augment(elastic=5.0, **NOTHING), rng)
    moved = np.abs(found - ramp)[:, :, :, 8:-8]
    assert 1 < moved.max() < 5 * 1.6


def test_masks_stay_masks(rng: np.random.Generator) -> None:
    masks = (smooth(rng, 4, 1, 48, 48) > 0).astype(np.float32)
    images = masks * 0.5 + 0.2
    augment = Augment(elastic=4.0, jitter=0.5)
    given, wanted = augmented(images, masks, augment, rng, mask=True)
    assert set(np.unique(wanted)) == {0.0, 1.0}
    for image, mask in zip(given, wanted, strict=True):
        threshold = (image.min() + image.max()) / 2
        assert np.mean((image > threshold) == (mask > 0)) > 0.97


def test_jitter_of_a_followed_target_is_one_line_for_both(rng: np.random.Generator) -> None:
    inputs, targets = rng.random((2, 5, 3, 16, 16)).astype(np.float32)
    given, wanted = augmented(inputs, targets, Augment(jitter=0.5, **NOTHING), rng)
    slopes = []
    for k in range(5):
        for c in range(3):
            line = np.polyfit(inputs[k, c].ravel(), given[k, c].ravel(), 1)
            np.testing.assert_allclose(np.polyval(line, targets[k, c]), wanted[k, c], atol=1e-4)
            slopes.append(line[0])
    assert np.ptp(slopes) > 0.1  # also between the colours of one example
    assert np.ptp(slopes[:3]) > 1e-3


def test_jitter_leaves_a_target_alone_that_does_not_follow(rng: np.random.Generator) -> None:
    inputs = rng.normal(0.3, 0.5, (4, 1, 16, 16)).astype(np.float32)
    augment = Augment(jitter=0.5, **NOTHING)
    for options in ({"follow": False}, {"mask": True}):
        given, wanted = augmented(inputs, inputs, augment, rng, **options)
        np.testing.assert_array_equal(wanted, inputs)
        assert np.isfinite(given).all()
        # A gamma bends, but keeps the order of values.
        for one, before in zip(given, inputs, strict=True):
            order = np.argsort(before, axis=None)
            assert (np.diff(one.ravel()[order]) >= -1e-6).all()


def test_erasing_puts_one_value_over_a_rectangle_of_the_input(rng: np.random.Generator) -> None:
    images = rng.random((20, 2, 40, 40)).astype(np.float32)
    given, wanted = augmented(images, images, Augment(erasing=1.0, **NOTHING), rng)
    np.testing.assert_array_equal(wanted, images)
    for one, before in zip(given, images, strict=True):
        changed = (one != before).any(axis=0)
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        assert changed[box].all()
        assert len(np.unique(one[(slice(None), *box)])) == 1
        assert 0.01 < changed.mean() < 0.2


def test_erasing_happens_as_often_as_asked(rng: np.random.Generator) -> None:
    images = rng.random((400, 1, 8, 8)).astype(np.float32)
    given, _ = augmented(images, images, Augment(erasing=0.25, **NOTHING), rng)
    assert 0.18 < (given != images).any(axis=(1, 2, 3)).mean() < 0.32
