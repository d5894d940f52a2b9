"""Tile geometry: what is kept partitions the region, what is read obeys the network."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toys
from napari_microenhance.engine.region import Region
from napari_microenhance.engine.spec import SizeRule
from napari_microenhance.engine.tiles.axis import Axis, plan_axis
from napari_microenhance.engine.tiles.tiling import context_box, plan
from napari_microenhance.errors import TilePlanError

steps = st.sampled_from([1, 2, 8, 16])


@st.composite
def axes(draw: st.DrawFn, length: int) -> Axis:
    step = draw(steps)
    halo = draw(st.integers(0, 40))
    tile = step * -(-(2 * halo + draw(st.integers(3, 200))) // step) + 3 * step
    if draw(st.booleans()):
        return Axis(length, SizeRule(fixed=tile), tile, halo, step)
    return Axis(length, SizeRule(step * draw(st.integers(1, 3)), step), tile, halo, step)


def check_read(axis: Axis, keep: tuple[int, int], read: tuple[int, int]) -> None:
    (start, stop), (begin, end) = keep, read
    size = end - begin
    assert size <= axis.tile
    assert begin % axis.shift == 0
    if axis.size.fixed is not None:
        assert size == axis.size.fixed
    else:
        assert size >= axis.size.minimum
        assert (size - axis.size.minimum) % axis.size.step == 0
    assert begin >= 0
    assert end <= axis.padded
    # Context is real: a halo's pixels, or the image's own border.
    assert begin == 0 or begin <= start - axis.halo
    assert end >= axis.length or end >= stop + axis.halo


@given(st.data(), st.integers(1, 700))
def test_parts_of_an_axis_partition_it_and_their_reads_obey_the_network(data, length):
    axis = data.draw(axes(length))
    start = data.draw(st.integers(0, length - 1))
    stop = data.draw(st.integers(start + 1, length))
    parts = plan_axis(axis, start, stop)
    assert [i for a, b in parts for i in range(a, b)] == list(range(start, stop))
    for a, b in parts:
        begin, end = axis.read(a, b)
        check_read(axis, (a, b), (int(begin), int(end)))


@given(st.integers(200, 2000), st.integers(0, 40), st.integers(100, 400))
def test_tiles_are_even(length, halo, core):
    parts = plan_axis(Axis(length, SizeRule(), core + 2 * halo, halo), 0, length)
    sizes = [b - a for a, b in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.slow
@settings(max_examples=60)
@given(st.data(), st.integers(0, 10_000), st.integers(1, 500), st.integers(1, 500))
def test_a_crop_plan_keeps_every_roi_pixel_once(data, seed, height, width):
    region = Region.from_mask(toys.random_mask(seed, (height, width)))
    pair = (data.draw(axes(height)), data.draw(axes(width)))
    layout = plan(region, pair, blend="crop")
    kept = np.zeros((height, width), int)
    inside = region.crop(((0, height), (0, width)))
    for tile in layout.tiles:
        (a, b), (c, d) = tile.keep
        kept[a:b, c:d] += 1
        assert inside[a:b, c:d].any()
        for axis, keep, read in zip(pair, tile.keep, tile.read, strict=True):
            check_read(axis, keep, read)
    assert kept.max() == 1
    assert (kept[inside] == 1).all()


@pytest.mark.slow
@given(st.integers(1, 700), st.integers(1, 700), st.integers(0, 30), st.integers(1, 200))
def test_a_plan_costs_no_more_than_an_even_grid_over_the_image(height, width, halo, core):
    tile = 2 * halo + core + 3
    pair = [Axis(n, SizeRule(), tile, halo) for n in (height, width)]
    region = Region.whole((height, width))
    layout = plan(region, pair, blend="crop")
    count = [len(plan_axis(a, 0, a.length)) for a in pair]
    assert len(layout.tiles) == count[0] * count[1]


def test_seams_share_two_trusted_pixels():
    axis = Axis(1000, SizeRule(), 300, 20)
    layout = plan(Region.whole((1000, 1000)), [axis, axis], blend="crop")
    for index, later in enumerate(layout.neighbours()):
        for other, box in later:
            edges = [b - a for a, b in box]
            assert min(edges) == 2, (index, other)


def test_far_apart_parts_do_not_pay_for_what_is_between():
    mask = np.zeros((2000, 2000), bool)
    mask[10, 10] = mask[1990, 1990] = mask[10, 1990] = True
    axis = Axis(2000, SizeRule(), 500, 20)
    layout = plan(Region.from_mask(mask), [axis, axis], blend="crop")
    assert len(layout.tiles) == 3
    assert layout.pixels_computed <= 3 * 43 * 43


def test_a_sparse_roi_of_many_parts_is_planned(rng):
    mask = np.zeros((1500, 1500), bool)
    mask[rng.integers(0, 1500, 1000), rng.integers(0, 1500, 1000)] = True
    axis = Axis(1500, SizeRule(), 400, 10)
    layout = plan(Region.from_mask(mask), [axis, axis], blend="crop")
    assert layout.pixels_computed < 1.6 * 1500 * 1500


@pytest.mark.slow
@given(st.data(), st.integers(1, 600), st.integers(1, 600), st.sampled_from(["linear", "gaussian"]))
@settings(max_examples=60)
def test_the_weights_of_a_blended_plan_add_up_to_one(data, height, width, blend):
    pair = (data.draw(axes(height)), data.draw(axes(width)))
    region = Region.from_mask(toys.random_mask(data.draw(st.integers(0, 999)), (height, width)))
    layout = plan(region, pair, blend=blend, domain=context_box(region, pair))
    total = np.zeros((height, width))
    kept = np.zeros((height, width), int)
    inside = region.crop(((0, height), (0, width)))
    for tile in layout.tiles:
        weight = np.ones((1, 1))
        for axis, position in enumerate(tile.grid):
            ramp = layout.ramps[axis][position]
            begin = tile.read[axis][0]
            line = np.zeros(region.shape[axis])
            for i, w in enumerate(ramp):
                if 0 <= begin + i < len(line):
                    line[begin + i] = w
            weight = weight * line.reshape((-1, 1) if axis == 0 else (1, -1))
        total += weight
        (a, b), (c, d) = tile.keep
        kept[a:b, c:d] += 1
    np.testing.assert_allclose(total[inside], 1, atol=1e-5)
    assert (kept[inside] == 1).all()


def test_a_fixed_size_network_is_anchored_to_the_far_edge():
    axis = Axis(1000, SizeRule(fixed=256), 256, 8)
    begins = [int(axis.read(a, b)[0]) for a, b in plan_axis(axis, 0, 1000)]
    assert begins[0] == 0
    assert begins[-1] == 1000 - 256


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        (lambda: Axis(500, SizeRule(), 40, 20), "no room between two halos of 20 px"),
        (lambda: Axis(500, SizeRule(fixed=64), 128, 4), "takes only 64 px"),
    ],
)
def test_tiles_that_cannot_work_are_refused(axis, words):
    with pytest.raises(TilePlanError, match=words):
        axis()


def test_a_tile_larger_than_the_image_is_no_larger_than_the_image_needs():
    axis = Axis(100, SizeRule(8, 8), 512, 8)
    read = axis.read(0, 100)
    assert (int(read[0]), int(read[1])) == (0, 104)
