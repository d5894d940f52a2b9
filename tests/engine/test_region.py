"""Which pixels an ROI selects."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation

from napari_microenhance.engine import filling
from napari_microenhance.engine.filling import fill_polygon
from napari_microenhance.engine.region import Region
from napari_microenhance.errors import RoiError

SHAPE = (40, 50)


def full(region: Region) -> np.ndarray:
    return region.crop(tuple((0, n) for n in region.shape))


def even_odd(vertices: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pixel by pixel: on an edge, or an odd number of edges crossed on the way right."""
    inside = np.zeros(shape, bool)
    for y, x in np.ndindex(*shape):
        odd = on = False
        for (ay, ax), (by, bx) in zip(vertices, np.roll(vertices, -1, axis=0), strict=True):
            cross = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
            within = min(ay, by) <= y <= max(ay, by) and min(ax, bx) <= x <= max(ax, bx)
            on |= within and abs(cross) < 1e-9
            if (ay <= y) != (by <= y):
                odd ^= ax + (y - ay) * (bx - ax) / (by - ay) > x
        inside[y, x] = odd or on
    return inside


halves = st.integers(-20, 120).map(lambda n: n / 2)


@pytest.mark.slow
@given(st.lists(st.tuples(halves, halves), min_size=3, max_size=7))
def test_polygons_fill_by_the_even_odd_rule_with_their_edges(points):
    vertices = np.array(points, float)
    found = fill_polygon(vertices, SHAPE)
    mask = np.zeros(SHAPE, bool)
    if found is not None:
        ((top, bottom), (left, right)), inner = found
        mask[top:bottom, left:right] = inner
    np.testing.assert_array_equal(mask, even_odd(vertices, SHAPE))


@given(st.lists(st.tuples(halves, halves), min_size=3, max_size=7), st.integers(1, 9))
def test_crossings_are_worked_on_so_many_at_a_time_as_fit(points, most):
    vertices = np.array(points, float)
    whole = fill_polygon(vertices, SHAPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filling, "AT_ONCE", most)
        parts = fill_polygon(vertices, SHAPE)
    assert (whole is None) == (parts is None)
    if whole is not None and parts is not None:
        np.testing.assert_array_equal(whole[1], parts[1])


def test_a_million_vertices_are_not_walked_one_by_one():
    angle = np.linspace(0, 2 * np.pi, 1_000_000, endpoint=False)
    round_one = np.stack([300 + 250 * np.sin(angle), 300 + 250 * np.cos(angle)], axis=1)
    calls = 0

    def count(*_):
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    found = fill_polygon(round_one, (600, 600))
    sys.setprofile(None)
    assert found is not None
    assert found[1].sum() == pytest.approx(np.pi * 250**2, rel=1e-3)
    assert calls < 1000  # Python's own steps


def test_pixel_centres_are_at_whole_numbers():
    square = [(9.5, 19.5), (9.5, 29.5), (14.5, 29.5), (14.5, 19.5)]
    region = Region.from_polygons([square], SHAPE)
    assert region.box == ((10, 15), (20, 30))
    assert region.pixels == 50


def test_overlapping_shapes_are_joined_and_a_hole_stays_a_hole():
    a = [(5, 5), (5, 20), (20, 20), (20, 5)]
    ring = [
        (0, 0),
        (0, 30),
        (30, 30),
        (30, 0),
        (0, 0),
        (10, 10),
        (10, 20),
        (20, 20),
        (20, 10),
        (10, 10),
    ]
    assert full(Region.from_polygons([a, a], SHAPE)).sum() == 16 * 16
    holed = full(Region.from_polygons([ring], SHAPE))
    assert not holed[15, 15]
    assert holed[5, 5]


@pytest.mark.parametrize(
    ("polygons", "words"),
    [
        ([[(100, 100), (100, 110), (110, 110)]], "selects no pixel of the image"),
        ([[(1, 1), (2, 2)]], "polygon 1 .* three"),
        ([[(1, 1), (1, 9), (9, 9)], [(1, 1), (2, float("nan")), (3, 3)]], "polygon 2 .* finite"),
        ([["a", "b", "c"]], "polygon 1 is not a list"),
        ([], "selects no pixel"),
    ],
)
def test_a_polygon_that_selects_nothing_is_refused(polygons, words):
    with pytest.raises(RoiError, match=words):
        Region.from_polygons(polygons, SHAPE)


def test_an_empty_mask_is_refused():
    with pytest.raises(RoiError, match="selects no pixel"):
        Region.from_mask(np.zeros(SHAPE, bool))


@given(st.integers(0, 6), st.integers(0, 39), st.integers(0, 49), st.integers(0, 2**32 - 1))
def test_dilation_grows_by_a_square_and_stops_at_the_border(px, y, x, seed):
    mask = np.random.default_rng(seed).random(SHAPE) < 0.01
    mask[y, x] = True
    expected = binary_dilation(mask, np.ones((2 * px + 1, 2 * px + 1)))
    np.testing.assert_array_equal(full(Region.from_mask(mask).dilated(px)), expected)


def test_dilation_of_a_full_box_stays_a_full_box():
    region = Region.from_mask(np.ones(SHAPE, bool)).dilated(3)
    assert region.mask is None
    assert region.box == ((0, 40), (0, 50))


def test_feather_rises_inwards_but_not_from_the_image_border():
    mask = np.zeros(SHAPE, bool)
    mask[:20, 10:40] = True
    weights = Region.from_mask(mask).weights(4)
    assert weights.shape == (20, 30)
    np.testing.assert_allclose(weights[0, :6], [0.2, 0.4, 0.6, 0.8, 1, 1])
    np.testing.assert_allclose(weights[-6:, 15], [1, 1, 0.8, 0.6, 0.4, 0.2])
    assert Region.from_mask(mask).weights(0) is None
    assert Region.whole(SHAPE).weights(4).min() == 1


def test_the_record_of_a_mask_can_be_drawn_again(rng):
    mask = rng.random(SHAPE) < 0.3
    region = Region.from_mask(mask)
    record = region.to_dict()
    (top, bottom), (left, right) = record["box"]
    again = np.zeros((bottom - top) * (right - left), bool)
    for start, length in record["runs"]:
        again[start : start + length] = True
    np.testing.assert_array_equal(again.reshape(bottom - top, -1), mask[top:bottom, left:right])
    assert record["pixels"] == mask.sum()
