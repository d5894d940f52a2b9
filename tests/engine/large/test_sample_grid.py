import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_microenhance.engine.large.sample_grid import SAMPLE_PX, SampleGrid
from napari_microenhance.engine.source import Source


@given(
    st.lists(st.integers(1, 90), max_size=2),
    st.integers(1, 60_000),
    st.integers(1, 60_000),
    st.sampled_from([1, 1000, 250_000, SAMPLE_PX]),
)
def test_blocks_lie_inside_apart_and_are_no_more_than_asked(lengths, height, width, most):
    grid = SampleGrid.of(tuple(lengths), height, width, most)
    count = math.prod(lengths)
    assert sorted(set(grid.planes)) == list(grid.planes)
    assert 0 <= grid.planes[0] <= grid.planes[-1] < count
    for spans, length in ((grid.rows, height), (grid.columns, width)):
        assert spans[0][0] >= 0
        assert spans[-1][1] <= length
        assert all(stop <= start for (_, stop), (start, _) in itertools.pairwise(spans))
    if count * height * width <= most:
        assert grid.is_whole
        assert grid.pixels == count * height * width
    else:
        assert 0 < grid.pixels <= max(most, len(grid.planes))


@pytest.mark.parametrize(
    ("lengths", "height", "width"), [((), 40_000, 40_000), ((20,), 2048, 2048), ((), 300, 10**6)]
)
def test_most_of_what_may_be_looked_at_is(lengths, height, width):
    grid = SampleGrid.of(lengths, height, width)
    assert grid.pixels > 0.9 * SAMPLE_PX
    for spans, length in ((grid.rows, height), (grid.columns, width)):
        middle = np.mean([(a + b) / 2 for a, b in spans]) / length
        assert 0.45 < middle < 0.55


def test_planes_along_two_axes_are_not_all_of_one_index():
    grid = SampleGrid.of((64, 64), 1024, 1024)
    first, second = zip(*{plane for plane, _, _ in grid.blocks()}, strict=True)
    assert len(set(first)) == 64
    assert len(set(second)) > 40


def test_blocks_of_a_large_plane_begin_where_tiles_do():
    grid = SampleGrid.of((), 40_000, 30_000)
    assert all(start % 512 == 0 for start, _ in (*grid.rows, *grid.columns))


class Counted:
    """An array that counts the pixels that are read of it."""

    def __init__(self, shape, dtype):
        self.shape, self.dtype, self.read = shape, np.dtype(dtype), 0

    def __getitem__(self, key):
        block = np.zeros([len(range(*k.indices(n))) for k, n in zip(key, self.shape, strict=True)])
        self.read += block.size
        return block.astype(self.dtype)


def test_a_large_image_is_read_once_and_not_as_a_whole():
    image = Counted((30_000, 30_000), np.uint16)
    source = Source(image)
    for _ in source.sample((0,)):
        pass
    assert image.read == source.sample_grid.pixels <= SAMPLE_PX
    assert 500_000 < source.look((0,)).size <= 1 << 20
    assert image.read == source.sample_grid.pixels


def test_a_small_image_is_looked_at_as_a_whole_in_its_order(rng):
    pixels = rng.integers(0, 255, (2, 3, 700, 900), np.uint16)
    sample = np.concatenate(list(Source(pixels, "CZYX").sample((1,))), axis=1)
    assert np.array_equal(sample[0], pixels[1].ravel())
    volumes = np.concatenate(list(Source(pixels, "CZYX", "ZYX").sample((1,))), axis=1)
    assert np.array_equal(sample, volumes)
    assert Source(pixels, "CZYX").look((1,)).shape[1] > 600_000
