"""A patch over all of its image, against the same thing made in memory."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_microenhance.engine.region import resample, scaled
from napari_microenhance.widgets.viewer.full_extent import FullExtent

RNG = np.random.default_rng(5)
IMAGE = RNG.integers(0, 4000, (3, 41, 53), dtype=np.uint16)


def whole(image, patch, start, ratio):
    """Return the image on the grid of the result, with the patch in it."""
    box = scaled(tuple((0, n) for n in image.shape[-2:]), ratio)
    page = resample(image, box, ratio).copy()
    page[tuple(slice(a, a + n) for a, n in zip(start, patch.shape, strict=True))] = patch
    return page


keys = st.tuples(
    st.one_of(st.integers(-3, 2), st.slices(3)),
    *[st.slices(n).filter(lambda s: s.step is None or s.step > 0) for n in (41, 53)],
)


@given(keys, st.sampled_from([Fraction(1), Fraction(2), Fraction(1, 2)]))
def test_it_is_what_numpy_makes_of_it(key, ratio):
    patch = RNG.integers(0, 4000, (1, 6, 8), dtype=np.uint16)
    start = (1, 4, 10)
    shown = FullExtent([IMAGE], patch, start, (Fraction(1), ratio, ratio))
    expected = whole(IMAGE, patch, start, ratio)
    assert shown.shape == expected.shape
    key = (slice(*key[0].indices(3)[:2]), *key[1:]) if isinstance(key[0], slice) else key
    np.testing.assert_array_equal(shown[key], expected[key])


def test_outside_the_patch_are_the_own_pixels_and_nan_lets_them_through():
    patch = np.full((20, 20), np.nan, np.float32)
    patch[:10] = -1
    shown = np.asarray(FullExtent([IMAGE[0]], patch, (5, 6)))
    expected = IMAGE[0].astype(np.float32)
    expected[5:15, 6:26] = -1
    np.testing.assert_array_equal(shown, expected)


def test_transparent_colours_let_the_image_through():
    colours = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    patch = np.zeros((10, 10, 4), np.uint8)
    patch[:5] = (9, 8, 7, 255)
    shown = np.asarray(FullExtent([colours], patch, (2, 3)))
    assert shown.shape == (20, 30, 4)
    assert (shown[..., 3] == 255).all()
    expected = colours.copy()
    expected[2:7, 3:13] = (9, 8, 7)
    np.testing.assert_array_equal(shown[..., :3], expected)


def test_a_thinned_patch_lies_on_its_pixels():
    patch = np.arange(6, dtype=np.float32).reshape(2, 3)
    shown = np.asarray(FullExtent([np.full((10, 12), 99.0)], patch, (1, 2), thinning=3))
    np.testing.assert_array_equal(shown[1:7, 2:11], patch.repeat(3, 0).repeat(3, 1))
    assert (shown[7:] == 99).all()


class Counted:
    """A level that notes how much of it is read."""

    def __init__(self, pixels):
        self.pixels, self.shape, self.dtype = pixels, pixels.shape, pixels.dtype
        self.read = 0

    def __getitem__(self, key):
        part = self.pixels[key]
        self.read += part.size
        return part


def test_a_large_image_is_looked_at_through_its_own_coarser_levels():
    fine = np.arange(3000, dtype=np.float32)[:, None] + np.zeros((1, 2600), np.float32)
    levels = [Counted(fine[:: 2**k, :: 2**k]) for k in range(3)]
    pyramid = FullExtent(levels, np.zeros((4, 4), np.float32), (0, 0)).pyramid()
    assert [level.shape for level in pyramid] == [(3000, 2600), (1500, 1300), (750, 650)]
    np.testing.assert_array_equal(pyramid[2][1:], fine[::4, ::4][1:])
    assert levels[0].read == levels[1].read == 0
    assert levels[2].read == 749 * 650
    with pytest.raises(IndexError):
        pyramid[0][5000]
