"""The simulator: known truth, known physics, the same pixels for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_microenhance.simulation.optics import Degradation, bin_pixels, degrade
from napari_microenhance.simulation.specimens import FAMILIES, simulate, texture

WITH_OBJECTS = {"nuclei", "tissue", "brightfield"}


def rng(*seed):
    return np.random.default_rng([2, *seed])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_field_is_an_image_and_its_truth(family):
    for k in range(6):
        field = simulate(family, 96, rng(k))
        assert field.image.shape == field.labels.shape == (96, 96)
        assert field.image.dtype == np.float32
        assert field.labels.dtype == np.uint16
        assert field.image.min() >= 0
        assert field.image.max() <= 1
        assert field.image.std() > 0.01, "nothing to see"
        if family in WITH_OBJECTS:
            assert field.labels.max() > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_the_seed_decides_every_pixel(family):
    first, again, other = (simulate(family, 64, rng(k)) for k in (1, 1, 2))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.image, other.image)


def test_nuclei_are_where_their_labels_say():
    inside, outside = [], []
    for k in range(8):
        field = simulate("nuclei", 128, rng(k))
        body = ndimage.binary_erosion(field.labels > 0, iterations=3)
        ground = ~ndimage.binary_dilation(field.labels > 0, iterations=6)
        if body.any() and ground.any():
            inside.append(np.median(field.image[body]))
            outside.append(np.median(field.image[ground]))
    assert np.mean(np.array(inside) > np.array(outside)) == 1


@pytest.mark.parametrize(("family", "size", "words"), [
    ("galaxies", 64, "No family 'galaxies'; there are nuclei, "),
    ("nuclei", 8, "8 px is too small"),
])  # fmt: skip
def test_what_cannot_be_simulated_is_said(family, size, words):
    with pytest.raises(ValueError, match=words):
        simulate(family, size, rng())


def test_texture_has_the_spectrum_it_was_asked_for():
    values = texture(256, rng(), slope=1.5)
    assert abs(values.mean()) < 1e-4
    assert values.std() == pytest.approx(1, rel=1e-4)
    power = np.abs(np.fft.fft2(values)) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
    band = (frequency > 0.02) & (frequency < 0.4)
    slope = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)[0]
    assert slope == pytest.approx(-3, abs=0.15), "power falls twice as fast as amplitude"


def test_a_perfect_microscope_changes_nothing():
    image = rng().random((40, 50), dtype=np.float32)
    assert np.array_equal(degrade(image, Degradation(), rng()), image)


@pytest.mark.parametrize(("photons", "read"), [(50, 0), (400, 3), (2000, 10)])
def test_noise_has_the_variance_of_the_physics(photons, read):
    level = 0.4
    flat = np.full((400, 400), level, np.float32)
    taken = degrade(flat, Degradation(photons=photons, read_noise=read), rng())
    assert taken.mean() == pytest.approx(level, rel=5e-3)
    assert taken.var() == pytest.approx(level / photons + (read / photons) ** 2, rel=0.03)


def test_read_noise_alone_is_in_parts_of_the_range():
    dark = np.zeros((300, 300))
    stray = degrade(dark, Degradation(photons=200, exposure=0.5, stray=0.8), rng())
    assert stray.mean() == pytest.approx(0.4, rel=0.01)
    assert stray.std() == pytest.approx(np.sqrt(0.4 / 200), rel=0.02)
    taken = degrade(dark, Degradation(read_noise=0.05), rng())
    assert taken.std() == pytest.approx(0.05, rel=0.02)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_camera_counts_in_steps(bits):
    ramp = np.linspace(-0.2, 1.2, 5000, dtype=np.float32)[None]
    taken = degrade(ramp, Degradation(bits=bits), rng())
    assert taken.min() == 0
    assert taken.max() == 1
    steps = taken.astype(np.float64) * (2**bits - 1)
    assert np.abs(steps - np.rint(steps)).max() < 1e-2


@pytest.mark.parametrize("spot", ["gaussian", "airy", "defocus"])
def test_a_lens_keeps_the_light_and_spreads_it_evenly(spot):
    point = np.zeros((81, 81), np.float32)
    point[40, 40] = 1
    seen = degrade(point, Degradation(blur=4, spot=spot), rng())
    assert seen.sum() == pytest.approx(1, abs=1e-3)
    assert np.abs(seen - seen.T).max() < 1e-6
    assert np.abs(seen - seen[::-1]).max() < 1e-6
    assert np.unravel_index(seen.argmax(), seen.shape) == (40, 40) or spot == "defocus"


def test_the_airy_pattern_is_dark_at_its_first_ring():
    point = np.zeros((101, 101), np.float32)
    point[50, 50] = 1
    line = degrade(point, Degradation(blur=8, spot="airy"), rng())[50, 50:]
    assert line[8] < 1e-4 * line[0]
    assert line[10] > line[8]
    assert line[10] < 0.02 * line[0]


def test_light_falls_towards_the_far_corner():
    flat = np.ones((64, 64), np.float32)
    taken = degrade(flat, Degradation(vignette=0.6, centre=(0, 0), exposure=0.5), rng())
    assert taken[0, 0] == pytest.approx(0.5)
    assert taken[-1, -1] == pytest.approx(0.5 * 0.4)
    tilted = degrade(flat, Degradation(tilt=(0.4, 0)), rng())
    assert tilted[-1].mean() - tilted[0].mean() == pytest.approx(0.4)


def test_colours_are_cast_and_exposed_alike():
    image = rng().random((20, 30, 3), dtype=np.float32)
    camera = Degradation(tint=(1, 0.5, 0.25), vignette=0.3, blur=1.0, binning=2)
    taken = degrade(image, camera, rng())
    for channel, tint in enumerate(camera.tint):
        alone = degrade(image[..., channel], Degradation(vignette=0.3, blur=1.0, binning=2), rng())
        np.testing.assert_allclose(taken[..., channel], alone * tint, atol=1e-6)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_binning_averages_whole_pixels(height, width, factor):
    image = rng(height, width).random((height, width), dtype=np.float32)
    small = bin_pixels(image, factor)
    assert small.shape == (height // factor, width // factor)
    if small.size:
        np.testing.assert_allclose(small[0, 0], image[:factor, :factor].mean(), rtol=1e-5)
        np.testing.assert_allclose(
            small[-1, -1],
            image[: small.shape[0] * factor, : small.shape[1] * factor][-factor:, -factor:].mean(),
            rtol=1e-5,
        )
