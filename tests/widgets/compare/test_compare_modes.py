"""Ways to look at an original and its result: what they show, and that nothing of them stays."""

import gc
import weakref
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.experimental import link_layers
from napari.layers import Labels
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from napari.utils.shortcuts import default_shortcuts

from comparing import TURNED, add_pair, difference_layer, plain, record, state_of
from napari_microenhance.errors import ImageError
from napari_microenhance.widgets import EnhanceWidget
from napari_microenhance.widgets.compare.control import Compare
from napari_microenhance.widgets.compare.modes import MODES
from napari_microenhance.widgets.compare.pairs import pair_of, remember
from napari_microenhance.widgets.viewer.layer_values import RECORD_KEY
from napari_microenhance.widgets.viewer.live import is_live

WAIT_MS = 20_000
STACK = {"scale": (4, 0.5, 0.7), "translate": (1, 3, -9)}


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def compare(viewer):
    made = Compare(viewer)
    yield made
    made.stop()


def pair_flat(viewer, rng):
    data = rng.integers(0, 200, (60, 80), dtype=np.uint8)
    return add_pair(viewer, data, 255 - data)


def pair_turned(viewer, rng):
    data = rng.integers(0, 200, (60, 80), dtype=np.uint8)
    return add_pair(viewer, data, 255 - data, **TURNED)


def pair_finer(viewer, rng):
    data = rng.integers(0, 200, (60, 80), dtype=np.uint16)
    finer = rng.integers(0, 200, (120, 160), dtype=np.uint16)
    return add_pair(viewer, data, finer, factor=2, **TURNED)


def pair_patch(viewer, rng):
    data = rng.random((60, 80), np.float32)
    return add_pair(viewer, data, rng.random((60, 90), np.float32), start=(8, 20), factor=2)


def pair_stack(viewer, rng):
    data = rng.integers(0, 200, (4, 60, 80), dtype=np.uint8)
    made = add_pair(viewer, data, 255 - data, **STACK)
    viewer.dims.set_current_step(0, 2)
    return made


def pair_finer_stack(viewer, rng):
    data = rng.integers(0, 200, (4, 60, 80), dtype=np.uint8)
    turn = {**STACK, "rotate": [[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]]}
    finer = rng.integers(0, 200, (4, 120, 160), dtype=np.uint8)
    made = add_pair(viewer, data, finer, factor=2, **turn)
    viewer.dims.set_current_step(0, 3)
    return made


def pair_colour(viewer, rng):
    data = rng.integers(0, 200, (60, 80, 3), dtype=np.uint8)
    return add_pair(viewer, data, 255 - data, rgb=True)


def pair_lazy(viewer, rng):
    data = da.from_array(rng.integers(0, 200, (60, 80), dtype=np.uint8), chunks=32)
    return add_pair(viewer, data, np.asarray(255 - data))


def pair_pyramid(viewer, rng):
    data = rng.integers(0, 200, (60, 80), dtype=np.uint8)
    other = 255 - data
    image, _ = add_pair(viewer, data, other)
    viewer.layers.pop()
    levels = [other, other[::2, ::2]]
    return image, viewer.add_image(
        levels, multiscale=True, name="cells · net", contrast_limits=(0, 99), metadata=record(image)
    )


PAIRS = {
    name.removeprefix("pair_"): make
    for name, make in list(globals().items())
    if name.startswith("pair_") and name != "pair_of"
}


def swipe_layer(viewer):
    (layer,) = [x for x in viewer.layers if x.name.endswith("(swipe)")]
    return layer


def seen(layer, world):
    """Return the value of the pixel under a point of the world; None where none shows."""
    data = layer.data[0] if layer.multiscale else layer.data
    index = np.rint(layer.world_to_data(world[-layer.ndim :])).astype(int)
    if (index < 0).any() or (index >= data.shape[: layer.ndim]).any():
        return None
    value = np.asarray(data[tuple(index)], float)
    if value.ndim:
        return tuple(value[:3]) if value.size == 3 or value[3] else None
    return None if np.isnan(value) else float(value)


# Nothing stays


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("make", PAIRS.values(), ids=PAIRS.keys())
def test_a_mode_leaves_no_trace(viewer, compare, rng, qtbot, make, mode):
    image, result = make(viewer, rng)
    viewer.add_image(np.zeros((9, 9)), name="over", visible=True)
    viewer.add_labels(np.zeros((9, 9), int), name="hidden", visible=False)
    shapes = viewer.add_shapes([[(1, 1), (1, 9), (9, 9)]], shape_type="polygon")
    viewer.layers.selection = {image, shapes}
    viewer.scene.camera.zoom *= 0.97
    before = state_of(viewer)
    heard = []
    compare.changed.connect(heard.append)
    compare.start(mode, image, result, shapes)
    assert compare.mode == mode
    assert state_of(viewer) != before
    if mode == "difference":
        difference_layer(viewer, qtbot)
    compare.stop()
    assert state_of(viewer) == before
    assert heard == [mode, None]
    image.contrast_limits = (3, 44)
    assert tuple(result.contrast_limits) != (3, 44)


@pytest.mark.parametrize("mode", ["side_by_side", "swipe"])
@pytest.mark.parametrize(("units", "shared"), [("input", True), ("relative", False)])
def test_a_result_on_another_range_keeps_its_contrast(viewer, compare, rng, mode, units, shared):
    data = rng.integers(100, 3000, (60, 80), dtype=np.uint16)
    image, result = add_pair(viewer, data, data * 20, contrast_limits=(100, 3000))
    result.metadata[RECORD_KEY]["model"] = {"spec": {"units": units}}
    result.contrast_limits_range = result.contrast_limits = (0, 65535)
    compare.start(mode, image, result)
    assert (tuple(result.contrast_limits) == (100, 3000)) is shared
    image.contrast_limits = (200, 2000)
    assert (tuple(result.contrast_limits) == (200, 2000)) is shared
    assert result.colormap.name == image.colormap.name


@pytest.mark.parametrize("first", MODES)
@pytest.mark.parametrize("second", MODES)
def test_one_mode_gives_way_to_another(viewer, compare, rng, first, second):
    image, result = pair_finer_stack(viewer, rng)
    before = state_of(viewer)
    compare.start(first, image, result)
    compare.start(second, image, result)
    switched = [layer.name for layer in viewer.layers]
    compare.stop()
    assert state_of(viewer) == before
    compare.start(second, image, result)
    assert [layer.name for layer in viewer.layers] == switched
    compare.stop()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("which", ["original", "result"])
def test_a_mode_ends_with_a_layer_of_its_pair(viewer, compare, rng, qtbot, mode, which):
    image, result = pair_turned(viewer, rng)
    other = viewer.add_image(np.zeros((9, 9)), name="other")
    gone, stays = (image, result) if which == "original" else (result, image)
    state = {name: plain(getattr(stays, name)) for name in ("visible", "opacity", "gamma")}
    compare.start(mode, image, result)
    viewer.layers.remove(gone)
    assert compare.mode is None
    qtbot.waitUntil(lambda: not any(map(is_live, viewer.layers)), timeout=WAIT_MS)
    assert list(viewer.layers) == [stays, other]
    assert {name: plain(getattr(stays, name)) for name in state} == state
    assert other.visible
    assert not viewer.canvas.grid.enabled


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_survives_a_new_name(viewer, compare, rng, mode):
    image, result = pair_flat(viewer, rng)
    compare.start(mode, image, result)
    image.name, result.name = "renamed", "renamed too"
    before = compare.mode
    compare.stop()
    assert before == mode
    assert [layer.name for layer in viewer.layers] == ["renamed", "renamed too"]
    assert all(layer.visible and layer.opacity == 1 for layer in viewer.layers)


@pytest.mark.parametrize("mode", MODES)
def test_deleting_several_layers_deletes_those(viewer, compare, rng, qtbot, mode):
    first = viewer.add_image(np.zeros((9, 9)), name="first")
    image, result = pair_flat(viewer, rng)
    last = viewer.add_image(np.zeros((9, 9)), name="last")
    compare.start(mode, image, result)
    viewer.layers.selection = {result, last}
    viewer.layers.remove_selected()
    qtbot.waitUntil(lambda: not any(map(is_live, viewer.layers)), timeout=WAIT_MS)
    assert list(viewer.layers) == [first, image]
    viewer.layers.clear()
    assert not viewer.layers


@pytest.mark.parametrize("mode", ["swipe", "difference"])
def test_a_mode_ends_with_its_own_layer(viewer, compare, rng, qtbot, mode):
    image, result = pair_flat(viewer, rng)
    before = state_of(viewer)
    compare.start(mode, image, result)
    viewer.layers.remove(next(layer for layer in viewer.layers if is_live(layer)))
    assert compare.mode is None
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=WAIT_MS)
    assert state_of(viewer) == before


def test_what_the_user_changes_meanwhile_stays(viewer, compare, rng):
    image, result = pair_flat(viewer, rng)
    other = viewer.add_image(np.zeros((9, 9)), name="other")
    compare.start("swipe", image, result)
    assert not other.visible
    other.visible = True
    other.visible = False
    image.gamma = 0.5
    viewer.layers.selection = {image}
    compare.stop()
    assert result.gamma == 0.5
    assert viewer.layers.selection.active is image


def test_links_of_the_user_stay(viewer, compare, rng):
    image, result = pair_flat(viewer, rng)
    link_layers([image, result], ("gamma",))
    compare.start("swipe", image, result)
    compare.stop()
    image.gamma = 0.5
    assert result.gamma == 0.5


def test_an_error_midway_leaves_no_trace(viewer, compare, rng, monkeypatch):
    image, result = pair_turned(viewer, rng)
    before = state_of(viewer)

    def fail(*_):
        raise ValueError("in the middle")

    monkeypatch.setattr("napari_microenhance.widgets.compare.canvas_watch.CanvasWatch.look", fail)
    compare.start("blink", image, result)
    heard = []
    compare.changed.connect(heard.append)
    for mode in ("swipe", "difference"):
        with pytest.raises(ValueError, match="in the middle"):
            compare.start(mode, image, result)
        assert state_of(viewer) == before
    assert heard == [None]


@pytest.mark.parametrize("mode", ["swipe", "difference"])
def test_a_mode_of_planes_ends_with_the_view_of_planes(viewer, compare, rng, mode, qtbot):
    image, result = pair_stack(viewer, rng)
    failed = []
    compare.failed.connect(failed.append)
    compare.start(mode, image, result)
    viewer.dims.ndisplay = 3
    assert "3-D view" in str(failed[0])
    assert compare.mode is None
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=WAIT_MS)
    before = state_of(viewer)
    with pytest.raises(ImageError, match="3-D view"):
        compare.start(mode, image, result)
    assert state_of(viewer) == before


# Swipe


@pytest.mark.parametrize("make", PAIRS.values(), ids=PAIRS.keys())
def test_swipe_shows_the_result_right_of_the_divider_only(viewer, compare, rng, make):
    image, result = make(viewer, rng)
    compare.start("swipe", image, result)
    compare.shown.position = 30.5
    overlay = swipe_layer(viewer)
    lead = np.asarray(image.world_to_data(viewer.dims.point))[:-2]
    for row, column in rng.uniform((0, 20), (59, 41), (400, 2)):
        world = np.asarray(image.data_to_world((*lead, row, column)))
        # Between pixels 30 and 31: no pixel of any of the grids lies on both sides.
        expected = seen(result, world) if column > 30.5 else None
        assert seen(overlay, world) == pytest.approx(expected)


def test_swipe_follows_the_sliders(viewer, compare, rng):
    image, result = pair_stack(viewer, rng)
    compare.start("swipe", image, result)
    compare.shown.position = -0.5
    for plane in (0, 3, 1):
        viewer.dims.set_current_step(0, plane)
        np.testing.assert_array_equal(swipe_layer(viewer).data, result.data[plane])


def test_swipe_is_empty_where_there_is_no_result(viewer, compare, rng):
    data = rng.integers(0, 200, (4, 60, 80), dtype=np.uint8)
    image, result = add_pair(viewer, data, data[1:3], start=(1, 0, 0))
    viewer.dims.set_current_step(0, 0)
    compare.start("swipe", image, result)
    assert not swipe_layer(viewer).visible
    viewer.dims.set_current_step(0, 1)
    assert swipe_layer(viewer).visible


@pytest.mark.parametrize("angle", [0, 90, 180, 270, 40])
def test_the_result_is_on_the_right_however_the_image_is_turned(viewer, compare, rng, angle):
    data = rng.random((60, 60), np.float32)
    image, result = add_pair(viewer, data, data, rotate=angle)
    compare.start("swipe", image, result)
    overlay = swipe_layer(viewer)
    y, x = viewer.scene.camera.center[-2:]
    assert seen(overlay, (y + 0.3, x + 9)) is not None
    assert seen(overlay, (y + 0.3, x - 9)) is None


def test_swipe_shows_what_the_screen_can_show(viewer, compare, rng):
    data = rng.random((3000, 4000), np.float32)
    image, result = add_pair(viewer, data, 1 - data)
    compare.start("swipe", image, result)
    compare.shown.position = -0.5
    overlay = swipe_layer(viewer)
    assert max(overlay.data.shape) < 1500
    viewer.scene.camera.zoom = 2
    viewer.scene.camera.center = (0, 700.0, 900.0)
    assert max(overlay.data.shape) < 1500
    compare.shown.position = -0.5
    for point in ((700, 900), (650.3, 1000.2)):
        assert seen(overlay, np.array(point)) == pytest.approx(seen(result, np.array(point)))


def event(kind, position, **more):
    """Return a mouse event as napari's callbacks get it."""
    given = {"button": 1, "modifiers": (), "handled": False, "is_dragging": kind != "mouse_press"}
    made = SimpleNamespace(type=kind, position=tuple(position), **{**given, **more})
    return ReadOnlyWrapper(made, exceptions=("handled",))


@pytest.mark.parametrize("make", PAIRS.values(), ids=PAIRS.keys())
def test_the_mouse_drags_the_divider(viewer, compare, rng, make):
    image, result = make(viewer, rng)
    compare.start("swipe", image, result)
    before = compare.shown.position
    lead = np.asarray(image.world_to_data(viewer.dims.point))[:-2]

    def world(column):
        return image.data_to_world((*lead, 30, column))

    mouse_move_callbacks(viewer, event("mouse_move", world(before), is_dragging=False))
    assert viewer.cursor.style == "pointing"
    mouse_press_callbacks(viewer, event("mouse_press", world(before)))
    assert not viewer.scene.camera.mouse_pan
    mouse_move_callbacks(viewer, event("mouse_move", world(12)))
    assert compare.shown.position == pytest.approx(12)
    mouse_move_callbacks(viewer, event("mouse_move", world(2000)))
    assert compare.shown.position == 79.5
    mouse_release_callbacks(viewer, event("mouse_release", world(50)))
    assert viewer.scene.camera.mouse_pan
    mouse_press_callbacks(viewer, event("mouse_press", world(20)))
    mouse_move_callbacks(viewer, event("mouse_move", world(30)))
    mouse_release_callbacks(viewer, event("mouse_release", world(30)))
    assert compare.shown.position == 79.5, "taken hold of from afar"
    mouse_move_callbacks(viewer, event("mouse_move", world(20), is_dragging=False))
    assert viewer.cursor.style == "standard"


def test_drawing_comes_before_dragging(viewer, compare, rng):
    image, result = pair_flat(viewer, rng)
    shapes = viewer.add_shapes()
    compare.start("swipe", image, result)
    shapes.mode = "add_polygon"
    viewer.layers.selection.active = shapes
    before = compare.shown.position
    where = (30, before)
    mouse_press_callbacks(viewer, event("mouse_press", where))
    mouse_move_callbacks(viewer, event("mouse_move", (30, before + 9)))
    mouse_release_callbacks(viewer, event("mouse_release", where))
    assert compare.shown.position == before


def test_the_divider_stays_in_sight(viewer, compare, rng):
    data = rng.random((600, 800), np.float32)
    image, result = add_pair(viewer, data, 1 - data)
    compare.start("swipe", image, result)
    viewer.scene.camera.zoom = 20
    viewer.scene.camera.center = (0, 300.0, 100.0)
    half = viewer.canvas.size[1] / 20 / 2
    assert 100 - half < compare.shown.position < 100 + half


# Blink


def test_blink_shows_the_original_alone(viewer, compare, rng):
    image, result = pair_turned(viewer, rng)
    over = viewer.add_image(np.ones((900, 900)), name="over")
    image.visible = False
    compare.start("blink", image, result)
    assert image.visible
    assert result.opacity == 0
    assert not over.visible
    assert viewer.canvas.overlays.text.text == "original"
    compare.stop()
    assert result.opacity == 1
    assert over.visible
    assert not image.visible


# Difference


@pytest.mark.parametrize("make", PAIRS.values(), ids=PAIRS.keys())
def test_the_difference_is_the_result_less_the_original(viewer, compare, rng, qtbot, make):
    image, result = make(viewer, rng)
    compare.start("difference", image, result)
    layer = difference_layer(viewer, qtbot)
    before, after = (
        np.asarray(x.data[0] if x.multiscale else x.data, np.float64) for x in (image, result)
    )
    if image.ndim == 3:
        plane = viewer.dims.current_step[0]
        before, after = before[plane], after[plane]
    if image.rgb:
        weights = (0.299, 0.587, 0.114)
        before, after = before @ weights, after @ weights
    if make is pair_patch:
        before = before[8:38, 20:65]
    factor = after.shape[0] // before.shape[0]
    expected = after - np.kron(before, np.ones((factor, factor)))
    np.testing.assert_allclose(layer.data, expected, atol=1e-3)
    np.testing.assert_allclose(
        layer.data_to_world((5, 6)), result.data_to_world((0,) * (result.ndim - 2) + (5, 6))[-2:]
    )
    low, high = layer.contrast_limits
    assert low == -high
    assert np.mean(np.abs(expected) <= high) == pytest.approx(0.99, abs=0.01)


def test_what_did_not_change_has_no_colour(viewer, compare, rng, qtbot):
    data = rng.integers(0, 200, (60, 80), dtype=np.uint8)
    painted = data.copy()
    rows, columns = np.ogrid[:60, :80]
    disc = (rows - 30) ** 2 + (columns - 40) ** 2 < 100
    painted[disc] += 40
    painted[:5, :5] = 0
    image, result = add_pair(viewer, data, painted)
    compare.start("difference", image, result)
    layer = difference_layer(viewer, qtbot)
    low, high = layer.contrast_limits
    colours = layer.colormap.map((layer.data - low) / (high - low))
    coloured = colours[..., 3] > 1e-3
    np.testing.assert_array_equal(coloured, data != painted)
    red, blue = colours[30, 40], colours[(data != painted) & ~disc][0]
    assert red[0] > red[2]
    assert blue[2] > blue[0]


def test_the_difference_follows_the_sliders(viewer, compare, rng, qtbot):
    image, result = pair_stack(viewer, rng)
    compare.start("difference", image, result)
    limits = list(difference_layer(viewer, qtbot).contrast_limits)
    viewer.dims.set_current_step(0, 0)
    layer = difference_layer(viewer, qtbot)
    expected = result.data[0].astype(float) - image.data[0]
    np.testing.assert_array_equal(layer.data, expected)
    assert list(layer.contrast_limits) == limits


def test_no_difference_at_all(viewer, compare, rng, qtbot):
    data = rng.integers(0, 200, (60, 80), dtype=np.uint8)
    image, result = add_pair(viewer, data, data.copy())
    compare.start("difference", image, result)
    layer = difference_layer(viewer, qtbot)
    assert not layer.data.any()


class Torn:
    """An image on a disc that goes away."""

    shape, dtype, ndim = (60, 80), np.dtype(np.uint8), 2
    is_gone = False

    def __getitem__(self, key):
        if self.is_gone:
            raise OSError("the disc is gone")
        return np.zeros(self.shape, self.dtype)[key]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:])


def test_a_difference_that_cannot_be_read_is_told(viewer, compare, qtbot):
    data = Torn()
    image = viewer.add_image(data, rgb=False, multiscale=False, contrast_limits=(0, 9))
    result = viewer.add_image(np.ones((60, 80), np.uint8))
    viewer.reset_view()
    before = state_of(viewer)
    failed = []
    compare.failed.connect(failed.append)
    data.is_gone = True
    with qtbot.capture_exceptions():
        compare.start("difference", image, result)
        qtbot.waitUntil(lambda: bool(failed), timeout=WAIT_MS)
    assert "the disc is gone" in str(failed[0])
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=WAIT_MS)
    assert state_of(viewer) == before


# What cannot be compared


@pytest.mark.parametrize("mode", ["swipe", "difference"])
@pytest.mark.parametrize(
    "how",
    [{"translate": (0.4, 0)}, {"scale": (1.3, 1.3)}, {"rotate": 3}, {"scale": (1, 0.5)}],
    ids=str,
)
def test_layers_that_lie_elsewhere_cannot_be_compared(viewer, compare, rng, mode, how):
    image, result = pair_flat(viewer, rng)
    for name, value in how.items():
        setattr(result, name, value)
    before = state_of(viewer)
    with pytest.raises(ImageError, match="does not lie on the pixels of 'cells'"):
        compare.start(mode, image, result)
    assert state_of(viewer) == before


@pytest.mark.parametrize("mode", ["swipe", "difference"])
def test_a_larger_result_cannot_be_compared(viewer, compare, mode):
    image, result = add_pair(viewer, np.zeros((20, 20)), np.zeros((20, 21)))
    with pytest.raises(ImageError, match="different size"):
        compare.start(mode, image, result)


def test_classes_have_no_difference_but_can_be_swiped(viewer, compare, rng):
    data = rng.integers(0, 200, (60, 80), dtype=np.uint8)
    image = viewer.add_image(data, name="cells")
    result = viewer.add_labels((data > 99).astype(int), name="cells · net", metadata=record(image))
    viewer.reset_view()
    before = state_of(viewer)
    with pytest.raises(ImageError, match="holds labels"):
        compare.start("difference", image, result)
    for mode in ("side_by_side", "swipe", "blink"):
        compare.start(mode, image, result)
        if mode == "swipe":
            compare.shown.position = 39.5
            overlay = swipe_layer(viewer)
            assert isinstance(overlay, Labels)
            assert not overlay.data[:, :40].any()
            np.testing.assert_array_equal(overlay.data[:, 40:], result.data[:, 40:])
        compare.stop()
        assert state_of(viewer) == before


# Pairs


def test_a_result_knows_its_image(viewer, rng):
    image, result = pair_flat(viewer, rng)
    twin = viewer.add_image(image.data.copy(), name="twin")
    assert pair_of(viewer, result) == (twin, result)
    remember(image, result)
    assert pair_of(viewer, result) == (image, result)
    assert pair_of(viewer, image) == (image, result)
    assert pair_of(viewer, viewer.add_shapes()) == (image, result)
    assert pair_of(viewer) == (image, result)
    later = viewer.add_image(result.data, metadata=dict(result.metadata))
    assert pair_of(viewer, image) == (image, later)
    assert pair_of(viewer, result) == (image, result)


def test_a_file_is_paired_by_its_pixels(viewer, rng):
    other = viewer.add_image(rng.integers(0, 200, (60, 80), dtype=np.uint8), name="other")
    image, result = pair_flat(viewer, rng)
    result.name = "from a file"
    assert pair_of(viewer, result)[0] is image
    viewer.layers.remove(image)
    with pytest.raises(ImageError, match=r"The original of .* is not among the layers"):
        pair_of(viewer, result)
    assert other in viewer.layers


def test_a_lazy_image_is_paired_by_name_or_alone(viewer, rng):
    lazy = da.zeros((60, 80), dtype=np.uint8, chunks=30)
    image, result = add_pair(viewer, lazy, np.ones((60, 80), np.uint8))
    assert pair_of(viewer, result)[0] is image
    twin = viewer.add_image(lazy, name="twin")
    assert pair_of(viewer, result)[0] is image
    result.name = "from a file"
    with pytest.raises(ImageError, match="not among the layers"):
        pair_of(viewer, result)
    viewer.layers.remove(twin)
    assert pair_of(viewer, result)[0] is image


def test_there_must_be_a_result(viewer):
    image = viewer.add_image(np.zeros((9, 9)), metadata={RECORD_KEY: "damaged"})
    with pytest.raises(ImageError, match="no result to compare yet"):
        pair_of(viewer, image)


# In the dock widget


@pytest.fixture
def widget(qtbot, viewer):
    made = EnhanceWidget(viewer)
    yield made
    made.native.close()
    made.native.deleteLater()
    qtbot.wait(10)


def pressed(viewer, key):
    """Press a key as napari does; return what is to be run when it comes up."""
    (call,) = [call for bound, call in viewer.keymap.items() if str(bound) == key]
    held = call(viewer)
    next(held)
    return held


def buttons_down(widget):
    return [name for name in MODES if getattr(widget, name).value]


def test_one_button_is_down_at_most(widget, viewer, rng):
    pair_flat(viewer, rng)
    before = state_of(viewer)
    for name in MODES:
        getattr(widget, name).native.click()
        assert buttons_down(widget) == [name]
    widget.difference.native.click()
    assert buttons_down(widget) == []
    assert state_of(viewer) == before


@pytest.mark.parametrize("name", MODES)
def test_keys_do_what_the_buttons_do(widget, viewer, rng, name):
    pair_flat(viewer, rng)
    mode = MODES[name]
    assert f" {mode.key} on the canvas" in getattr(widget, name).tooltip
    held = pressed(viewer, mode.key)
    assert buttons_down(widget) == [name]
    assert next(held, None) is None
    assert buttons_down(widget) == ([] if mode.is_held else [name])
    if not mode.is_held:
        next(pressed(viewer, mode.key), None)
    assert buttons_down(widget) == []


def test_napari_uses_none_of_the_keys():
    taken = {str(key) for keys in default_shortcuts.values() for key in keys}
    assert not taken & {mode.key for mode in MODES.values()}


def test_keys_come_and_go_with_the_widget(viewer, qtbot):
    def own(_):
        return None

    viewer.bind_key("H", own)
    before = dict(viewer.keymap)
    made = EnhanceWidget(viewer)
    assert {str(key) for key in viewer.keymap} == {mode.key for mode in MODES.values()}
    assert next(call for key, call in viewer.keymap.items() if str(key) == "H") is own
    made.native.close()
    assert viewer.keymap == before
    made.native.deleteLater()
    qtbot.wait(10)


@pytest.mark.parametrize("mode", MODES)
def test_closing_the_widget_ends_the_mode(viewer, qtbot, rng, mode):
    pair_turned(viewer, rng)
    before = state_of(viewer)
    made = EnhanceWidget(viewer)
    getattr(made, mode).value = True
    made.native.close()
    assert state_of(viewer) == before
    made.native.deleteLater()
    qtbot.wait(10)


@pytest.mark.parametrize("mode", MODES)
def test_a_deleted_widget_ends_the_mode(viewer, qtbot, rng, mode):
    pair_turned(viewer, rng)
    before = state_of(viewer)
    made = EnhanceWidget(viewer)
    ref = weakref.ref(made)
    getattr(made, mode).value = True
    made.native.deleteLater()
    del made
    qtbot.waitUntil(lambda: state_of(viewer) == before, timeout=WAIT_MS)
    gc.collect()
    assert ref() is None


@pytest.mark.parametrize("mode", MODES)
def test_no_result_is_told_and_nothing_happens(widget, viewer, mode):
    viewer.add_image(np.zeros((20, 20), np.uint8))
    before = state_of(viewer)
    getattr(widget, mode).native.click()
    assert "no result to compare yet" in widget.status.value
    assert buttons_down(widget) == []
    assert state_of(viewer) == before


def test_a_mode_that_ends_by_itself_is_told(widget, viewer, rng):
    pair_stack(viewer, rng)
    widget.swipe.value = True
    viewer.dims.ndisplay = 3
    assert "3-D view" in widget.status.value
    assert buttons_down(widget) == []


def test_layers_of_a_mode_are_no_inputs(widget, viewer, rng):
    image, result = pair_flat(viewer, rng)
    for mode in ("swipe", "difference"):
        getattr(widget, mode).value = True
        assert list(widget.image.choices) == [image, result]
        assert not [x for x in widget.roi.choices if x is not None]


def test_both_cells_say_what_they_show_and_outline_the_roi(compare, viewer, rng):
    image, result = pair_turned(viewer, rng)
    triangle = [(5, 5), (5, 40), (30, 20)]
    roi = viewer.add_shapes([triangle], shape_type="polygon", edge_color="red", **TURNED)
    before = [layer.name for layer in viewer.layers]
    compare.start("side_by_side", image, result, roi)
    assert all(layer.name_overlay.visible for layer in (image, result))
    (outline,) = (layer for layer in viewer.layers if layer.name not in before)
    assert is_live(outline)
    np.testing.assert_array_equal(outline.data[0], roi.data[0])
    np.testing.assert_allclose(outline.data_to_world((1, 2)), roi.data_to_world((1, 2)))
    grid = viewer.canvas.grid
    cells = [grid.position(viewer.layers.index(x), viewer.layers) for x in (result, outline)]
    assert cells == [(0, 1), (0, 1)]
    compare.stop()
    assert [layer.name for layer in viewer.layers] == before
    assert not any(layer.name_overlay.visible for layer in (image, result))


def test_an_empty_roi_has_no_outline(compare, viewer, rng):
    image, result = pair_flat(viewer, rng)
    roi = viewer.add_shapes()
    compare.start("side_by_side", image, result, roi)
    assert len(viewer.layers) == 3


@pytest.mark.parametrize("where", ["hidden", "below"])
def test_an_roi_that_is_hidden_or_below_is_outlined_in_both_cells(compare, viewer, rng, where):
    image, result = pair_flat(viewer, rng)
    roi = viewer.add_shapes([[(5, 5), (5, 40), (30, 20)]], shape_type="polygon")
    if where == "hidden":
        roi.visible = False
    else:
        viewer.layers.move(2, 0)
    before = [(layer.name, layer.visible) for layer in viewer.layers]
    compare.start("side_by_side", image, result, roi)
    outlines = [x for x in viewer.layers if is_live(x)]
    grid = viewer.canvas.grid
    cells = [grid.position(viewer.layers.index(x), viewer.layers) for x in outlines]
    assert sorted(cells) == [(0, 0), (0, 1)]
    assert not roi.visible
    assert len({grid.position(viewer.layers.index(x), viewer.layers) for x in (image, result)}) == 2
    compare.stop()
    assert [(layer.name, layer.visible) for layer in viewer.layers] == before
