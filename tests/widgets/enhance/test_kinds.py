"""The results of every kind of network, as layers: scaled, cut, labels, volumes, one channel."""

import numpy as np
import pytest
from napari.layers import Image, Labels

import dock
import toys
from napari_microenhance.api import Options, enhance

SQUARE = np.array([(20.0, 30.0), (20.0, 70.0), (60.0, 70.0), (60.0, 30.0)])


def halving(path):
    """A network whose output is half as large."""
    g = toys.Graph(1)
    x = g.conv(g.soft(g.conv("x", 1, 4)), 4, 1, 2, stride=2, pad=0)
    return g.save(path, x, shape_out=("n", None, "a", "b"))


def segmenter(path, classes):
    """A network that declares itself one that segments."""
    g = toys.Graph(1)
    x = g.conv(g.soft(g.conv("x", 1, 4)), 4, classes)
    return g.save(path, x, channels_out=classes, metadata={"microenhance.task": "labels"})


def world_corners(layer, shape):
    """Return where the outer corners of a layer's pixels lie, (y, x)."""
    ends = [(-0.5, -0.5), (shape[0] - 0.5, shape[1] - 0.5)]
    return np.array([layer.data_to_world(p) for p in ends])


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("background", ["original", "crop"])
def test_a_finer_result_covers_the_same_ground(
    qtbot, widget, viewer, tmp_path, rng, scale, background
):
    data = rng.integers(20, 200, (96, 128), dtype=np.uint8)
    turn = {"scale": (0.5, 2.0), "translate": (100, -3), "rotate": 30.0}
    image = viewer.add_image(data, name="cells", **turn)
    corners = np.array([image.data_to_world(p) for p in SQUARE])
    viewer.add_shapes([corners], shape_type="polygon")
    path = toys.espcn(tmp_path / "finer.onnx", scale=scale)
    dock.opened(qtbot, widget, path)
    widget.background.value = background
    layer = dock.run(qtbot, widget)
    wanted = enhance(data, path, roi=[SQUARE], options=Options(background=background))
    np.testing.assert_array_equal(layer.data, wanted.pixels)
    cut = data[20:61, 30:71] if background == "crop" else data
    start = (20, 30) if background == "crop" else (0, 0)
    assert layer.data.shape == (cut.shape[0] * scale, cut.shape[1] * scale)
    np.testing.assert_allclose(
        world_corners(layer, layer.data.shape),
        [image.data_to_world(np.add(start, p)) for p in ((-0.5, -0.5), np.array(cut.shape) - 0.5)],
    )


def test_a_coarser_result_covers_the_same_ground(qtbot, widget, viewer, tmp_path, rng):
    data = rng.integers(20, 200, (96, 128), dtype=np.uint8)
    viewer.add_image(data, scale=(2, 3))
    dock.opened(qtbot, widget, halving(tmp_path / "coarser.onnx"))
    layer = dock.run(qtbot, widget)
    assert layer.data.shape == (48, 64)
    np.testing.assert_allclose(world_corners(layer, (48, 64)), [(-1, -1.5), (191, 382.5)])


@pytest.mark.parametrize(("make", "factor"), [(toys.espcn, 2), (halving, 0.5)])
def test_tiles_of_another_size_are_shown_in_image_pixels(
    qtbot, widget, viewer, tmp_path, rng, make, factor
):
    data = rng.random((90, 110), np.float32)
    viewer.add_image(data, contrast_limits=(0, 1))
    # One corner off the network's grid.
    viewer.add_shapes([SQUARE[:, ::-1] + 1], shape_type="polygon")
    dock.opened(qtbot, widget, make(tmp_path / "toy.onnx"))
    widget.tile.value = 24
    tiles = dock.keep_tiles(viewer)
    layer = dock.run(qtbot, widget)
    (shown,) = tiles
    box = tuple(slice(a, b) for a, b in shown.box)
    fine = layer.data[::2, ::2] if factor == 2 else layer.data.repeat(2, 0).repeat(2, 1)
    picture = np.asarray(shown)
    assert np.isfinite(picture).mean() > 0.95
    np.testing.assert_array_equal(picture[np.isfinite(picture)], fine[box][np.isfinite(picture)])


def test_a_finer_preview_lies_where_the_view_is(qtbot, widget, viewer, tmp_path, rng):
    image = viewer.add_image(rng.integers(0, 256, (200, 300), dtype=np.uint8), scale=(0.5, 0.5))
    dock.opened(qtbot, widget, toys.espcn(tmp_path / "finer.onnx", scale=3))
    viewer.scene.camera.zoom = 20
    viewer.scene.camera.center = (0, 40, 60)
    layer = dock.click(qtbot, widget, "preview", "previewed")
    final = dock.run(qtbot, widget)
    first = np.round(final.world_to_data(layer.data_to_world((0, 0)))).astype(int)
    assert (first > 0).all()
    part = final.data[first[0] :, first[1] :][: layer.data.shape[0], : layer.data.shape[1]]
    np.testing.assert_array_equal(layer.data, part)
    np.testing.assert_allclose(layer.scale, image.scale / 3)


@pytest.mark.parametrize("make", [toys.valid, toys.valid_unet])
def test_a_network_that_loses_its_border_gives_every_pixel(
    qtbot, widget, viewer, tmp_path, rng, make
):
    data = rng.integers(0, 4000, (230, 250), dtype=np.uint16)
    image = viewer.add_image(data)
    path = make(tmp_path / "valid.onnx")
    dock.opened(qtbot, widget, path)
    tiles = dock.keep_tiles(viewer)
    layer = dock.run(qtbot, widget)
    np.testing.assert_array_equal(layer.data, enhance(data, path).pixels)
    np.testing.assert_allclose(layer.data_to_world((3, 4)), image.data_to_world((3, 4)))
    np.testing.assert_array_equal(np.asarray(tiles[0]), layer.data)


@pytest.mark.parametrize("shape", [(60, 80), (3, 40, 50), (60, 80, 3)])
def test_labels_are_shown_as_labels(qtbot, widget, viewer, tmp_path, rng, shape):
    rgb = shape[-1] == 3
    data = rng.integers(0, 256, shape, dtype=np.uint8)
    viewer.add_image(data, rgb=rgb, name="cells")
    viewer.add_shapes([SQUARE / 2], shape_type="polygon")
    path = segmenter(tmp_path / "cutter.onnx", 3)
    dock.opened(qtbot, widget, path)
    tiles = dock.keep_tiles(viewer)
    layer = dock.run(qtbot, widget)
    assert isinstance(layer, Labels)
    axes = "YXC" if rgb else "ZYX"[-len(shape) :]
    wanted = enhance(data, path, roi=[SQUARE / 2], axes=axes).pixels
    assert layer.data.dtype == np.uint8
    np.testing.assert_array_equal(layer.data, wanted)
    assert len(np.unique(wanted)) > 1
    assert (wanted[..., :10, :] == 0).all()
    (shown,) = tiles
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(np.asarray(shown), wanted[..., 10:31, 15:36])
    # They mark what to enhance like any other labels.
    assert layer in widget.roi.choices


def test_probabilities_are_an_image(qtbot, widget, viewer, tmp_path, rng):
    data = rng.integers(0, 256, (60, 80), dtype=np.uint8)
    viewer.add_image(data)
    path = segmenter(tmp_path / "cutter.onnx", 1)
    dock.opened(qtbot, widget, path)
    widget.dtype.value = "float32"
    layer = dock.run(qtbot, widget)
    assert isinstance(layer, Image)
    assert tuple(layer.contrast_limits) == (0, 1)
    np.testing.assert_array_equal(
        layer.data, enhance(data, path, options=Options(dtype="float32")).pixels
    )


@pytest.mark.parametrize("shape", [(12, 40, 50), (2, 12, 40, 50)])
def test_a_volume_is_one_piece(qtbot, widget, viewer, tmp_path, rng, shape):
    data = rng.integers(0, 256, shape, dtype=np.uint8)
    spacing = (3, 1, 1) if len(shape) == 3 else (1, 3, 1, 1)
    image = viewer.add_image(data, scale=spacing)
    viewer.add_shapes([SQUARE / 2], shape_type="polygon")
    path = toys.volume(tmp_path / "volume.onnx")
    dock.opened(qtbot, widget, path)
    tiles = dock.keep_tiles(viewer)
    axes = "TZYX"[-len(shape) :]
    layer = dock.run(qtbot, widget)
    np.testing.assert_array_equal(
        layer.data, enhance(data, path, roi=[SQUARE / 2], axes=axes).pixels
    )
    np.testing.assert_allclose(layer.scale, image.scale)
    np.testing.assert_array_equal(np.asarray(tiles[0]), layer.data[..., 10:31, 15:36])
    # "Current plane" can only mean the time point; a volume needs its whole depth.
    viewer.dims.set_point(len(shape) - 3, 15)
    widget.planes.value = "current"
    again = dock.run(qtbot, widget)
    one = (0,) * (len(shape) - 3)
    np.testing.assert_array_equal(again.data[one], layer.data[one])
    if len(shape) == 4:
        np.testing.assert_array_equal(again.data[1], data[1])


def test_a_preview_of_a_volume_has_its_depth(qtbot, widget, viewer, tmp_path, rng):
    data = rng.integers(0, 256, (2, 9, 90, 120), dtype=np.uint8)
    viewer.add_image(data, scale=(1, 2, 1, 1))
    dock.opened(qtbot, widget, toys.volume(tmp_path / "volume.onnx"))
    viewer.dims.set_point(0, 1)
    viewer.dims.set_point(1, 8)
    viewer.scene.camera.zoom = 15
    layer = dock.click(qtbot, widget, "preview", "previewed")
    final = dock.run(qtbot, widget)
    assert layer.data.shape[:2] == (1, 9)
    t, z, y, x = np.round(final.world_to_data(layer.data_to_world((0, 0, 0, 0)))).astype(int)
    assert (t, z) == (1, 0)
    assert y > 0
    height, width = layer.data.shape[2:]
    assert height < 90
    np.testing.assert_array_equal(layer.data[0], final.data[1, :, y : y + height, x : x + width])


def test_a_plane_is_no_volume(qtbot, widget, viewer, tmp_path):
    viewer.add_image(np.zeros((40, 50), np.uint8))
    dock.opened(qtbot, widget, toys.volume(tmp_path / "volume.onnx"))
    error = dock.click(qtbot, widget, "run", "failed")
    assert "takes volumes" in str(error)
    assert widget.run.enabled


@pytest.mark.parametrize("stack", [False, True])
def test_colour_in_one_channel_out(qtbot, widget, viewer, tmp_path, rng, stack):
    shape = (2, 40, 50, 3) if stack else (60, 80, 3)
    data = rng.integers(0, 256, shape, dtype=np.uint8)
    viewer.add_image(data, rgb=True)
    g = toys.Graph(3)
    path = g.save(tmp_path / "grey.onnx", g.conv("x", 3, 1), channels_out=1)
    dock.opened(qtbot, widget, path)
    tiles = dock.keep_tiles(viewer)
    layer = dock.run(qtbot, widget)
    assert not layer.rgb
    assert layer.data.shape == shape[:-1]
    np.testing.assert_array_equal(
        layer.data, enhance(data, path, axes="ZYXC"[-len(shape) :]).pixels
    )
    shown = np.asarray(tiles[0])
    for colour in range(3):
        np.testing.assert_array_equal(shown[..., colour], layer.data)
    assert (shown[..., 3] == 255).all()
