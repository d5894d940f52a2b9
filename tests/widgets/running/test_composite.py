"""Results, previews and tiles of one channel of a composite: neither doubled nor blank."""

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel

import dock
from napari_microenhance.api import Options, enhance, load_model
from napari_microenhance.contributions.writers import write_ome_tiff
from napari_microenhance.widgets.running.result_layers import ResultLayers
from napari_microenhance.widgets.viewer.layer_values import level_zero, read_image
from napari_microenhance.widgets.viewer.live import LiveLayer, LiveTiles
from napari_microenhance.widgets.viewer.results import plan_layer

SQUARE = np.array([(10.0, 12.0), (10.0, 40.0), (30.0, 40.0), (30.0, 12.0)])


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def channels(viewer, rng):
    data = rng.integers(0, 4000, (2, 60, 80), dtype=np.uint16)
    look = {"blending": "additive", "contrast_limits": (0, 4000), "rotate": 10, "scale": (2, 3)}
    red = viewer.add_image(data[0], name="red", colormap="red", **look)
    viewer.add_image(data[1], name="green", colormap="green", **look)
    return red


def shown(viewer, image, *, preview=False, window=None, **options):
    model = load_model("detail-classic")
    kept = Options(**options)
    result = enhance(image.data, model, roi=[SQUARE], options=kept, window=window)
    plan = plan_layer(read_image(image), result, model, preview=preview)
    layer = ResultLayers(viewer).add(plan, image, preview=preview)
    return layer, result


def visible(viewer):
    return [layer.name for layer in viewer.layers if layer.visible]


def test_a_result_takes_the_place_of_its_channel(viewer, channels):
    layer, result = shown(viewer, channels)
    np.testing.assert_array_equal(layer.data, result.pixels)
    assert str(layer.blending) == "additive"
    assert layer.colormap.name == "red"
    assert visible(viewer) == ["red · detail-classic", "green"]
    viewer.layers.remove(layer)
    assert visible(viewer) == ["red", "green"]


@pytest.mark.parametrize(
    "how",
    [{"background": "crop"}, {"preview": True, "window": ((0, 20), (0, 80))}],
    ids=["patch", "preview"],
)
def test_a_part_has_its_own_pixels_around_it(viewer, channels, how):
    layer, result = shown(viewer, channels, **how)
    expected = channels.data.copy()
    (y, x), (height, width) = result.offset, result.patch.shape
    expected[y : y + height, x : x + width] = result.patch
    assert (expected != channels.data).any()
    np.testing.assert_array_equal(np.asarray(layer.data), expected)
    np.testing.assert_allclose(layer.data_to_world((5, 7)), channels.data_to_world((5, 7)))
    assert visible(viewer)[-1] == "green"
    assert "red" not in visible(viewer)


def test_a_part_of_an_opaque_image_lies_over_it(viewer, channels):
    channels.blending = "translucent_no_depth"
    layer, result = shown(viewer, channels, background="crop")
    np.testing.assert_array_equal(layer.data, result.patch)
    assert visible(viewer) == ["red", "red · detail-classic", "green"]


@pytest.mark.parametrize("blending", ["additive", "translucent_no_depth", "opaque"])
def test_tiles_leave_what_is_around_them(viewer, channels, blending):
    channels.blending = blending
    tiles = LiveTiles(((10, 30), (12, 40)), np.dtype(np.uint16))
    live = LiveLayer(viewer, read_image(channels), tiles, channels)
    live.add()
    tiles.write(((10, 20), (12, 40)), np.full((10, 28), 7, np.uint16))
    assert live.refresh()
    layer = viewer.layers[1]
    whole = blending != "translucent_no_depth"
    assert channels.visible is not whole
    if whole:
        expected = channels.data.copy()
        expected[10:20, 12:40] = 7
        np.testing.assert_array_equal(np.asarray(layer.data), expected)
    else:
        assert layer.data is tiles
    live.remove()
    assert visible(viewer) == ["red", "green"]


def test_finer_pixels_lie_on_repeated_ones(viewer, channels):
    model = load_model("superres-x2")
    options = Options(background="crop")
    image = read_image(channels)
    result = enhance(channels.data, model, roi=[SQUARE], options=options)
    layer = ResultLayers(viewer).add(plan_layer(image, result, model), channels, preview=False)
    seen = np.asarray(layer.data)
    assert seen.shape == (120, 160)
    np.testing.assert_array_equal(seen[:20:2, ::2], channels.data[:10])
    y, x = (2 * first for first in result.offset)
    height, width = result.patch.shape
    np.testing.assert_array_equal(seen[y : y + height, x : x + width], result.patch)
    corner = channels.data_to_world((-0.5, -0.5))
    np.testing.assert_allclose(layer.data_to_world((-0.5, -0.5)), corner)


def test_one_result_per_shape_shows_all_of_them(qtbot, viewer, channels, tmp_path):
    roi = viewer.add_shapes(
        [SQUARE, SQUARE + np.array([20, 30])], shape_type="polygon", scale=(2, 3), rotate=10
    )
    with dock.made(qtbot, viewer) as widget:
        widget.image.value, widget.roi.value = channels, roi
        widget.each_shape.value = True
        widget.run.native.click()
        qtbot.waitUntil(lambda: "2 of 2" in widget.status.value, timeout=dock.WAIT_MS)
    second = next(x for x in viewer.layers if "shape 2" in x.name)
    first = next(x for x in viewer.layers if "shape 1" in x.name)
    assert [first.visible, second.visible] == [False, True]
    before = channels.data.astype(int)
    changed = [np.asarray(level_zero(x)).astype(int) != before for x in (first, second)]
    assert all(one.any() for one in changed)
    assert not (changed[0] & changed[1]).any()
    # What is seen is both; what is compared, saved or enhanced again is one.
    np.testing.assert_array_equal(np.asarray(second.data).astype(int) != before, sum(changed) > 0)
    (path,) = write_ome_tiff(str(tmp_path / "one.ome.tif"), *second.as_layer_data_tuple()[:2])
    np.testing.assert_array_equal(tifffile.imread(path).astype(int) != before, changed[1])
    viewer.layers.remove(second)
    assert first.visible


def test_a_preview_of_an_earlier_dock_gives_way_to_a_result(qtbot, viewer, channels):
    other = viewer.layers["green"]
    for _ in range(2):
        with dock.made(qtbot, viewer) as widget:
            widget.image.value = channels
            preview = dock.click(qtbot, widget, "preview", "previewed")
    with dock.made(qtbot, viewer) as widget:
        widget.image.value = channels
        result = dock.run(qtbot, widget)
    assert preview not in viewer.layers
    assert list(viewer.layers) == [channels, result, other]
