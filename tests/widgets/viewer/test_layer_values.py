"""Layers and arrays: axes, places, ROIs and tiles, against napari's own conversions."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Image, Shapes

from napari_microenhance.errors import AxesError, RoiError
from napari_microenhance.widgets.viewer.layer_values import (
    axes_of,
    mixes,
    part_of,
    place,
    read_image,
    read_placement,
)
from napari_microenhance.widgets.viewer.live import EDGE_PX, LiveTiles
from napari_microenhance.widgets.viewer.view import map_points, read_view, unit_factors
from placed import POLYGON, TURNED, every_turn, seen_by, to_data, to_world


@pytest.mark.parametrize(
    ("shape", "options", "axes"),
    [
        ((4, 5), {}, "YX"),
        ((4, 5, 3), {"rgb": True}, "YXC"),
        ((7, 4, 5, 4), {"rgb": True}, "ZYXC"),
        ((7, 4, 5), {}, "ZYX"),
        ((7, 4, 5), {"axis_labels": ("t", "y", "x")}, "TYX"),
        ((7, 4, 5), {"axis_labels": ("Channel", "y", "x")}, "CYX"),
        ((2, 7, 4, 5), {}, "TZYX"),
        ((2, 7, 4, 5), {"axis_labels": ("z", "-3", "-2", "-1")}, "ZTYX"),
        ((2, 7, 4, 5), {"axis_labels": ("time", "-3", "y", "x")}, "TZYX"),
        ((2, 3, 7, 4, 5), {}, "TCZYX"),
        ((2, 3, 7, 4, 5), {"axis_labels": ("c", "t", "z", "y", "x")}, "CTZYX"),
        ((2, 7, 4, 5, 3), {"rgb": True, "axis_labels": ("c", "z", "y", "x")}, "TZYXC"),
    ],
)
def test_axes_come_from_labels_where_they_mean_something(shape, options, axes):
    rgb = options.pop("rgb", False)
    assert axes_of(Image(np.zeros(shape, np.uint8), rgb=rgb, **options)) == axes


def test_too_many_stack_axes_are_one_clear_sentence():
    with pytest.raises(AxesError, match="'deep' has 4 axes before y and x"):
        axes_of(Image(np.zeros((2, 2, 2, 2, 4, 5), np.uint8), name="deep"))


def test_reading_an_image_touches_no_pixel():
    class Untouchable:
        shape, dtype, ndim = (64, 64), np.dtype("uint8"), 2
        armed = False

        def __getitem__(self, key):
            assert not self.armed
            return np.zeros(self.shape, self.dtype)[key]

    layer = Image(Untouchable(), contrast_limits=(0, 255), multiscale=False)
    layer.data.armed = True
    assert read_image(layer).data is layer.data


def test_level_zero_of_a_multiscale_layer_is_read():
    levels = [np.zeros((64, 48)), np.zeros((32, 24))]
    source = read_image(Image(levels, multiscale=True, contrast_limits=(0, 1)))
    assert source.data is levels[0]
    assert source.spatial_shape == (64, 48)


@every_turn
@pytest.mark.parametrize("factor", [1.0, 2.0, 4.0, 0.5])
def test_a_part_lies_exactly_over_its_pixels(turn, factor):
    image = Image(np.zeros((40, 30)), **turn)
    start = np.array([7, 11])
    part = Image(np.zeros((8, 8)), **place(read_placement(image), start, factor).to_kwargs())
    # Outer corners of the first and of a later pixel, not their centres.
    ends = np.array([(-0.5, -0.5), (7.5, 3.5)])
    over = start - 0.5 + (ends + 0.5) / factor
    np.testing.assert_allclose(to_world(part, ends), to_world(image, over), atol=1e-9)
    assert part.units == image.units
    assert part.axis_labels == image.axis_labels


def test_a_stack_gives_up_axes_that_do_not_mix():
    stack = Image(
        np.zeros((3, 40, 30)),
        scale=(5, 0.5, 2),
        rotate=(0, 0, 30),
        shear=(0, 0, 0.2),
        translate=(9, 4, -3),
        affine=np.diag([1, 2, 3, 1.0]),
    )
    assert mixes(read_placement(stack), (1, 2)) == (abs(stack.rotate[0, 1]) > 1e-9)
    flat = Image(np.zeros((3, 40, 30)), scale=(5, 0.5, 2), translate=(9, 4, -3), shear=(0, 0, 0.2))
    placement = read_placement(flat)
    assert not mixes(placement, (1, 2))
    plane = Image(np.zeros((40, 30)), **part_of(placement, (1, 2)).to_kwargs())
    np.testing.assert_allclose(plane.data_to_world((6, 7)), flat.data_to_world((1, 6, 7))[1:])
    tilted = Image(np.zeros((3, 40, 30)), shear=(0.5, 0, 0))
    assert mixes(read_placement(tilted), (1, 2))


@pytest.mark.parametrize("shapes_turn", TURNED.values(), ids=TURNED.keys())
@every_turn
def test_points_go_through_world_space(turn, shapes_turn):
    image, shapes = Image(np.zeros((40, 30)), **turn), Shapes(ndim=2, **shapes_turn)
    if image.units != shapes.units:
        shapes.units = image.units
    _, view = seen_by(image)
    expected = to_data(image, to_world(shapes, POLYGON))
    np.testing.assert_allclose(map_points(POLYGON, shapes, image, view), expected, atol=1e-9)


def test_unit_factors_align_at_the_end():
    image = Image(np.zeros((2, 3, 3)), units=("s", "um", "nm"))
    other = Image(np.zeros((3, 3)), units=("mm", "mm"))
    assert unit_factors(other.units, image.units).tolist() == pytest.approx([1, 1e3, 1e6])


def test_the_current_plane_follows_the_sliders():
    image = Image(np.zeros((6, 7, 24, 20)), scale=(2, 0.5, 1, 1), translate=(10, 0, 0, 0))
    viewer, _ = seen_by(image)
    viewer.dims.set_point(0, 16)
    viewer.dims.set_point(1, 2.5)
    assert read_view(viewer).plane_of(image, image.data.shape) == (3, 5)


@every_turn
def test_the_window_is_what_the_canvas_shows(turn):
    image = Image(np.zeros((400, 300)), **turn)
    viewer, view = seen_by(image)
    assert view.window_of(image, (400, 300)) == ((0, 400), (0, 300))
    viewer.scene.camera.zoom *= 40
    viewer.scene.camera.center = (0, *image.data_to_world((100, 80)))
    (y0, y1), (x0, x1) = read_view(viewer).window_of(image, (400, 300))
    assert 0 < y0 < 100 < y1 < 400
    assert 0 < x0 < 80 < x1 < 300
    viewer.scene.camera.center = (0, *image.data_to_world((9000, 80)))
    with pytest.raises(RoiError, match="visible"):
        read_view(viewer).window_of(image, (400, 300))


def test_the_window_counts_in_pixels():
    image = Image(np.zeros((400, 300)), scale=(0.5, 0.5))
    viewer, _ = seen_by(image)
    viewer.canvas.size = (40, 60)
    viewer.scene.camera.zoom = 2.0
    viewer.scene.camera.center = (0, 100, 50)
    # 20 x 30 world units around (100, 50) are pixels 180 to 220 and 70 to 130.
    assert read_view(viewer).window_of(image, (400, 300)) == ((180, 221), (70, 131))


def test_another_orientation_shows_everything():
    image = Image(np.zeros((30, 40, 50)))
    viewer, _ = seen_by(image)
    viewer.dims.order = (1, 0, 2)
    assert read_view(viewer).window_of(image, (40, 50)) is None
    viewer.dims.order = (0, 1, 2)
    viewer.dims.ndisplay = 3
    assert read_view(viewer).window_of(image, (40, 50)) is None


def test_tiles_show_what_was_written_and_nothing_else(rng):
    tiles = LiveTiles([(10, 30), (5, 45)], np.dtype("uint16"))
    assert tiles.shape == (20, 40)
    assert np.isnan(np.asarray(tiles[:, :])).all()
    pixels = rng.integers(0, 65536, (12, 20), dtype=np.uint16)
    tiles.write([(4, 16), (40, 60)], pixels)
    shown = tiles[:, :]
    np.testing.assert_array_equal(shown[:6, 35:], pixels[6:, :5])
    assert np.isnan(shown).sum() == shown.size - 30
    # Elsewhere, or on another grid than the image's.
    tiles.write([(100, 112), (40, 60)], pixels)
    tiles.write([(10, 16), (30, 40)], pixels)
    assert tiles.tiles == 1


def test_tiles_of_a_colour_image_hide_the_original_once_complete(rng):
    tiles = LiveTiles([(0, 8), (0, 9)], np.dtype("uint8"), rgb=True)
    pixels = rng.integers(0, 256, (8, 9, 3), dtype=np.uint8)
    tiles.write([(0, 8), (0, 9), (0, 1)], pixels[..., :1])
    assert not tiles[..., 3].any()
    tiles.write([(0, 8), (0, 9), (1, 3)], pixels[..., 1:])
    np.testing.assert_array_equal(tiles[..., :3], pixels)
    assert (tiles[..., 3] == 255).all()


@given(
    start=st.tuples(st.integers(0, 50), st.integers(0, 50)),
    length=st.integers(EDGE_PX + 1, 3 * EDGE_PX),
    cuts=st.lists(st.integers(1, 3 * EDGE_PX), max_size=4),
)
@settings(max_examples=40, deadline=None)
def test_thinned_tiles_meet_without_gaps(start, length, cuts):
    (y0, x0), height = start, 3
    tiles = LiveTiles([(y0, y0 + height), (x0, x0 + length)], np.dtype("float32"))
    assert max(tiles.shape) <= EDGE_PX
    whole = np.arange(height * length, dtype=np.float32).reshape(height, length)
    edges = [0, *sorted({c for c in cuts if c < length}), length]
    for a, b in itertools.pairwise(edges):
        tiles.write([(y0, y0 + height), (x0 + a, x0 + b)], whole[:, a:b])
    step = tiles.thinning
    np.testing.assert_array_equal(tiles[:, :], whole[::step, ::step])


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_tiles_are_sliced_like_an_array(data):
    shape = (4, 3, 6, 5)
    tiles = LiveTiles([(0, n) for n in shape], np.dtype("uint8"), labels=True)
    whole = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)
    tiles.write([(0, n) for n in shape], whole)
    part = st.one_of(st.just(slice(None)), st.integers(0, 2), st.slices(3))
    key = tuple(data.draw(st.lists(part, max_size=4)))
    np.testing.assert_array_equal(tiles[key], whole[key])
    np.testing.assert_array_equal(tiles[(..., *key)], whole[(..., *key)])


def test_planes_of_a_long_stack_give_their_memory_back(monkeypatch):
    monkeypatch.setattr("napari_microenhance.widgets.viewer.live.KEPT_BYTES", 2 * 6 * 5 * 4)
    tiles = LiveTiles([(0, 9), (0, 6), (0, 5)], np.dtype("float32"))
    for z in range(9):
        tiles.write([(z, z + 1), (0, 6), (0, 5)], np.full((1, 6, 5), z, np.float32))
    assert np.isnan(tiles[:7]).all()
    assert (tiles[7:] == np.array([7, 8]).reshape(2, 1, 1)).all()
