"""Ways to an ROI: menus, files, a network; a result per shape; and the outline of what is grown."""

import json
import threading

import npe2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from napari.layers import Labels, Shapes

import dock
from napari_microenhance.api import Options, enhance
from napari_microenhance.engine.filling import fill_polygon
from napari_microenhance.engine.region import Region
from napari_microenhance.errors import Cancelled, ImageError, OutputError, RoiError
from napari_microenhance.images.image_formats import write_image
from napari_microenhance.rois.region_of_interest import Roi
from napari_microenhance.rois.roi_formats import read_shapes, write_shapes
from napari_microenhance.rois.shapes import Shape
from napari_microenhance.widgets.roi.drawn_roi import DrawnRoi
from napari_microenhance.widgets.roi.labels_roi import LabelsRoi
from napari_microenhance.widgets.roi.roi_menu import DRAWN, FIND, OPEN, SAVE
from napari_microenhance.widgets.roi.tracing import trace
from napari_microenhance.widgets.viewer.live import is_live

NETWORK = "detail-classic"
SQUARE = np.array([(20.0, 30.0), (20.0, 70.0), (60.0, 70.0), (60.0, 30.0)])
CORNER = np.array([(64.3, 90.2), (70.9, 120.4), (90.1, 100.7)])
TURNED = {"scale": (0.5, 0.7), "rotate": 20, "translate": (3, -4), "units": ("um", "um")}
DRAWINGS = [
    Shape("polygon", np.array([(10.123456789, 20.5), (60.7, 33.333333333), (30.1, 88.8)])),
    Shape("rectangle", np.array([(5.25, 7.5), (5.25, 30.125), (19.1, 30.125), (19.1, 7.5)])),
    Shape("ellipse", np.array([(40.1, 50.2), (40.1, 90.2), (80.3, 90.2), (80.3, 50.2)])),
]


def choose(widget, entry):
    """Choose an entry of the ROI menu."""
    actions = {action.text(): action for action in widget.rois.menu.actions()}
    actions[entry].trigger()


# The menu


@pytest.mark.parametrize(("entry", "mode"), DRAWN.items())
def test_every_kind_of_shape_is_drawn_in_the_pixels_of_the_image(
    widget, viewer, image, entry, mode
):
    choose(widget, entry)
    layer = viewer.layers[-1]
    assert isinstance(layer, Shapes)
    assert str(layer.mode) == mode
    assert widget.roi.value is layer
    assert viewer.layers.selection.active is layer


def test_an_empty_roi_is_drawn_on_itself(widget, viewer, image):
    widget.draw_roi.native.click()
    choose(widget, "Ellipse")
    assert len(viewer.layers) == 2
    assert str(viewer.layers[-1].mode) == "add_ellipse"
    viewer.layers[-1].add_ellipses(SQUARE)
    choose(widget, "Rectangle")
    assert len(viewer.layers) == 3


def test_drawing_without_an_image_is_told(widget, viewer):
    errors = []
    widget.failed.connect(errors.append)
    choose(widget, "Lasso")
    assert isinstance(errors[0], ImageError)
    assert len(viewer.layers) == 0


def test_the_foreground_network_finds_an_roi(qtbot, widget, viewer):
    y, x = np.mgrid[:96, :128]
    spots = np.exp(-((y - 48) ** 2 + (x - 64) ** 2) / 200)
    viewer.add_image((200 * spots + 20).astype(np.uint8), name="spot")
    done = []
    widget.completed.connect(done.append)
    choose(widget, FIND)
    qtbot.waitUntil(lambda: bool(done), timeout=dock.WAIT_MS)
    (layer,) = done
    assert isinstance(layer, Labels)
    assert layer.name == "spot · foreground"
    assert widget.roi.value is layer
    assert layer.data[48, 64] > 0
    assert layer.data[2, 2] == 0
    assert widget.model.value == NETWORK


# Files


@pytest.mark.parametrize("suffix", [".json", ".geojson", ".zip", ".csv"])
@pytest.mark.parametrize("transform", [{}, TURNED], ids=["plain", "turned"])
def test_files_go_through_the_widget_without_loss(
    widget, viewer, rng, monkeypatch, tmp_path, suffix, transform
):
    image = viewer.add_image(rng.random((96, 128), np.float32), **transform)
    given_path, saved_path = tmp_path / f"given{suffix}", tmp_path / f"saved{suffix}"
    write_shapes(given_path, DRAWINGS)
    dialogs = "napari_microenhance.widgets.enhance.roi_control.QFileDialog"
    monkeypatch.setattr(f"{dialogs}.getOpenFileName", lambda *_: (str(given_path), ""))
    monkeypatch.setattr(f"{dialogs}.getSaveFileName", lambda *_: (str(saved_path), ""))
    choose(widget, OPEN)
    layer = widget.roi.value
    assert layer in viewer.layers
    np.testing.assert_allclose(layer.data_to_world((5, 6)), image.data_to_world((5, 6)))
    choose(widget, SAVE)
    before, after = read_shapes(given_path), read_shapes(saved_path)
    assert [s.kind for s in after] == [s.kind for s in before] == [s.kind for s in DRAWINGS]
    for a, b, drawn in zip(before, after, DRAWINGS, strict=True):
        np.testing.assert_allclose(np.sort(b.points, 0), np.sort(a.points, 0), rtol=0, atol=1e-6)
        # ImageJ keeps its coordinates in float32.
        tolerance = 1e-5 if suffix == ".zip" else 1e-6
        np.testing.assert_allclose(np.sort(b.points, 0), np.sort(drawn.points, 0), atol=tolerance)


def test_a_shape_that_was_moved_is_saved_as_it_is_now(widget, image, tmp_path):
    write_shapes(tmp_path / "given.geojson", DRAWINGS[:1])
    layer = widget.open_roi(tmp_path / "given.geojson")
    layer.data = [SQUARE]
    widget.save_roi(tmp_path / "saved.geojson")
    (shape,) = read_shapes(tmp_path / "saved.geojson")
    np.testing.assert_allclose(np.sort(shape.points, 0), np.sort(SQUARE, 0))


def test_shapes_of_another_layer_are_saved_in_the_pixels_of_the_image(
    widget, viewer, rng, tmp_path
):
    image = viewer.add_image(rng.random((96, 128), np.float32), **TURNED)
    world = [[image.data_to_world(p) for p in SQUARE]]
    viewer.add_shapes(world, shape_type="polygon", units=("um", "um"))
    widget.save_roi(tmp_path / "roi.geojson")
    (shape,) = read_shapes(tmp_path / "roi.geojson")
    np.testing.assert_allclose(np.sort(shape.points, 0), np.sort(SQUARE, 0), atol=1e-4)


def test_what_a_format_cannot_hold_is_said(widget, viewer, image, tmp_path):
    viewer.add_shapes([SQUARE, CORNER], shape_type="polygon")
    with pytest.raises(OutputError, match="roi"):
        widget.save_roi(tmp_path / "two.roi")
    with pytest.raises(OutputError, match="shapes are written as"):
        widget.save_roi(tmp_path / "two.txt")
    assert list(tmp_path.iterdir()) == []


def test_an_roi_is_never_saved_into_the_image(root, npe2pm, widget, viewer, rng, tmp_path):
    path = tmp_path / "cells.ome.zarr"
    write_image(path, rng.integers(0, 9, (96, 128), dtype=np.uint8), "YX")
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    with npe2pm.tmp_plugin(manifest=npe2.PluginManifest.from_file(root / "napari.yaml")):
        viewer.open(path, plugin="napari-microenhance")
    viewer.add_shapes([SQUARE], shape_type="polygon")
    for name in ("zarr.json", "roi.json", "0/roi.geojson"):
        with pytest.raises(OutputError, match="lies inside image"):
            widget.save_roi(path / name)
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before


def test_what_is_no_roi_is_not_saved(widget, viewer, image, tmp_path):
    with pytest.raises(RoiError, match="No ROI is selected"):
        widget.save_roi(tmp_path / "a.geojson")
    widget.roi.value = viewer.add_shapes(name="nothing")
    with pytest.raises(RoiError, match="'nothing' is empty"):
        widget.save_roi(tmp_path / "a.geojson")
    widget.roi.value = viewer.add_labels(np.ones((96, 128), int))
    with pytest.raises(RoiError, match="Only drawn shapes"):
        widget.save_roi(tmp_path / "a.geojson")


@pytest.mark.parametrize("content", ["no json", json.dumps({"type": "Feature"}), ""])
def test_a_damaged_roi_file_is_told_and_changes_nothing(
    widget, viewer, image, monkeypatch, tmp_path, content
):
    path = tmp_path / "bad.geojson"
    path.write_text(content)
    errors = []
    widget.failed.connect(errors.append)
    monkeypatch.setattr(
        "napari_microenhance.widgets.enhance.roi_control.QFileDialog.getOpenFileName",
        lambda *_: (str(path), ""),
    )
    choose(widget, OPEN)
    assert len(errors) == 1
    assert "bad.geojson" in str(errors[0])
    assert list(viewer.layers) == [image]


# A result for each shape


def test_each_shape_gets_a_result_of_its_own(qtbot, widget, viewer, image):
    viewer.add_shapes([SQUARE, CORNER], shape_type="polygon")
    assert widget.each_shape.native.isHidden() is False
    widget.each_shape.value = True
    done = []
    widget.completed.connect(done.append)
    widget.run.native.click()
    qtbot.waitUntil(lambda: len(done) == 2, timeout=dock.WAIT_MS)
    assert [layer.name for layer in done] == [
        f"cells · {NETWORK} · shape 1",
        f"cells · {NETWORK} · shape 2",
    ]
    for layer, polygon in zip(done, (SQUARE, CORNER), strict=True):
        expected = enhance(image.data, NETWORK, roi=[polygon])
        np.testing.assert_array_equal(layer.data, expected.patch)
        np.testing.assert_allclose(layer.translate, expected.offset)
    assert not widget.cancel.enabled


def test_several_shapes_are_one_roi_by_default(qtbot, widget, viewer, image):
    viewer.add_shapes([SQUARE, CORNER], shape_type="polygon")
    layer = dock.run(qtbot, widget)
    expected = enhance(image.data, NETWORK, roi=[SQUARE, CORNER])
    np.testing.assert_array_equal(layer.data, expected.pixels)


def test_one_shape_is_not_numbered(qtbot, widget, viewer, image):
    viewer.add_shapes([SQUARE], shape_type="polygon")
    widget.each_shape.value = True
    assert widget.each_shape.native.isHidden()
    assert dock.run(qtbot, widget).name == f"cells · {NETWORK}"


@pytest.mark.parametrize("how", ["cancel", "error"])
def test_nothing_is_left_of_shapes_that_were_not_all_finished(
    qtbot, widget, viewer, image, monkeypatch, how
):
    calls = []

    def second_fails(*args, should_stop, **options):
        calls.append(options["roi"])
        if len(calls) == 1:
            return enhance(*args, should_stop=should_stop, **options)
        if how == "error":
            raise RoiError("This shape is odd.")
        while not should_stop():
            threading.Event().wait(0.02)
        raise Cancelled

    monkeypatch.setattr("napari_microenhance.widgets.running.engine_call.enhance", second_fails)
    roi = viewer.add_shapes([SQUARE, CORNER], shape_type="polygon")
    widget.each_shape.value = True
    ends = []
    widget.cancelled.connect(lambda: ends.append("cancel"))
    widget.failed.connect(lambda _: ends.append("error"))
    widget.run.native.click()
    qtbot.waitUntil(lambda: len(calls) == 2, timeout=dock.WAIT_MS)
    if how == "cancel":
        widget.cancel.native.click()
    qtbot.waitUntil(lambda: bool(ends), timeout=dock.WAIT_MS)
    assert ends == [how]
    assert list(viewer.layers) == [image, roi]
    assert widget.run.enabled


# The outline


def filled(rings, shape):
    """Fill rings by the even-odd rule."""
    inside = np.zeros(shape, bool)
    for ring in rings:
        part = fill_polygon(ring[:-1], shape)
        if part is not None:
            box, mask = part
            inside[tuple(slice(*r) for r in box)] ^= mask
    return inside


def whole(region, mask=None):
    """Spread a region's mask, or another of its box, over its image."""
    inside = np.zeros(region.shape, bool)
    inside[tuple(slice(*r) for r in region.box)] = region.crop(region.box) if mask is None else mask
    return inside


@given(
    mask=hnp.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14))).filter(np.any),
    dilate=st.integers(0, 3),
    feather=st.integers(0, 3),
)
def test_the_outline_encloses_just_the_pixels_that_a_run_touches(mask, dilate, feather):
    plain = LabelsRoi(mask, (), np.eye(2), np.zeros(2), mask.shape)
    traced = trace(DrawnRoi(labels=plain), mask.shape, dilate=dilate, feather=feather)
    grown = Region.from_mask(mask).dilated(dilate)
    np.testing.assert_array_equal(filled(traced.grown, mask.shape), whole(grown))
    if feather:
        strong = whole(grown, grown.weights(feather) == 1)
        np.testing.assert_array_equal(filled(traced.inner, mask.shape), strong)


def test_a_round_outline_has_few_corners():
    t = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle = 400 + 300 * np.stack([np.sin(t), np.cos(t)], axis=1)
    traced = trace(DrawnRoi((Roi(circle),)), (800, 800), dilate=5, feather=0)
    (ring,) = traced.grown
    sides = whole(Region.from_polygons([circle], (800, 800)).dilated(5))
    steps = np.count_nonzero(sides[1:] != sides[:-1]) + np.count_nonzero(
        sides[:, 1:] != sides[:, :-1]
    )
    assert len(ring) < steps / 2


def outline_of(viewer):
    return next((x for x in viewer.layers if isinstance(x, Shapes) and is_live(x)), None)


def follows(qtbot, widget, change):
    """Change something and wait until the outline has followed."""
    heard = []
    widget.outline.drawn.connect(lambda: heard.append(1))
    change()
    qtbot.waitUntil(lambda: bool(heard), timeout=dock.WAIT_MS)


@pytest.mark.parametrize("transform", [{}, TURNED], ids=["plain", "turned"])
def test_the_outline_follows_the_fields_and_the_shapes(qtbot, widget, viewer, rng, transform):
    image = viewer.add_image(rng.random((96, 128), np.float32), **transform)
    roi = widget.add_roi_layer()
    roi.add_polygons([SQUARE])
    follows(qtbot, widget, lambda: setattr(widget.dilate, "value", 4))
    layer = outline_of(viewer)
    np.testing.assert_allclose(layer.data_to_world((5, 6)), image.data_to_world((5, 6)))
    expected = whole(Region.from_polygons([SQUARE], (96, 128)).dilated(4))
    rings = [np.asarray(ring, float) for ring in layer.data]
    np.testing.assert_array_equal(filled(rings, (96, 128)), expected)
    assert viewer.layers.index(image) < viewer.layers.index(layer) < viewer.layers.index(roi)
    assert viewer.layers.selection.active is roi
    assert layer not in widget.roi.choices

    def move():
        roi.data = [SQUARE + 5]

    follows(qtbot, widget, move)
    expected = whole(Region.from_polygons([SQUARE + 5], (96, 128)).dilated(4))
    rings = [np.asarray(ring, float) for ring in outline_of(viewer).data]
    np.testing.assert_array_equal(filled(rings, (96, 128)), expected)
    follows(qtbot, widget, lambda: setattr(widget.feather, "value", 3))
    assert len(outline_of(viewer).data) == 2

    def nothing():
        widget.dilate.value = widget.feather.value = 0

    follows(qtbot, widget, nothing)
    assert outline_of(viewer) is None


def test_the_outline_goes_with_the_widget(qtbot, widget, viewer, image):
    viewer.add_shapes([SQUARE], shape_type="polygon")
    follows(qtbot, widget, lambda: setattr(widget.feather, "value", 4))
    assert outline_of(viewer) is not None
    widget.native.close()
    assert outline_of(viewer) is None


def test_an_roi_in_a_thousand_pieces_has_no_outline():
    mask = np.zeros((80, 80), bool)
    mask[::2, ::2] = True
    dots = LabelsRoi(mask, (), np.eye(2), np.zeros(2), mask.shape)
    assert trace(DrawnRoi(labels=dots), mask.shape, dilate=0, feather=2) is None


def test_results_lie_below_the_outline(qtbot, widget, viewer, image):
    roi = viewer.add_shapes([SQUARE], shape_type="polygon")
    follows(qtbot, widget, lambda: setattr(widget.dilate, "value", 4))
    layer = dock.run(qtbot, widget)
    assert list(viewer.layers) == [image, layer, outline_of(viewer), roi]
    expected = enhance(image.data, NETWORK, roi=[SQUARE], options=Options(dilate=4))
    np.testing.assert_array_equal(layer.data, expected.pixels)


def test_a_result_can_be_inspected(qtbot, widget, viewer, image, monkeypatch):
    shown = []
    monkeypatch.setattr(
        "napari_microenhance.widgets.docking.show_inspect", lambda *what: shown.append(what)
    )
    assert not widget.inspect.enabled
    layer = dock.run(qtbot, widget)
    assert widget.inspect.enabled
    viewer.layers.selection.active = image
    widget.inspect.native.click()
    assert shown == [(viewer, layer)]
    viewer.layers.remove(layer)
    assert not widget.inspect.enabled


# Planes


def on_plane(z, corners):
    return np.insert(np.asarray(corners, float), 0, z, axis=1)


def test_a_run_changes_the_planes_that_shapes_are_drawn_on_and_no_other(qtbot, widget, viewer, rng):
    data = rng.integers(20, 200, (5, 64, 72), dtype=np.uint8)
    viewer.add_image(data, name="stack", scale=(4, 1, 1))
    first, second = SQUARE - 15, SQUARE - 8
    viewer.add_shapes(
        [on_plane(1, first), on_plane(3, second)], shape_type="polygon", scale=(4, 1, 1)
    )
    layer = dock.run(qtbot, widget)
    regions = [Roi(first, {"Z": 1}), Roi(second, {"Z": 3})]
    expected = enhance(data, NETWORK, regions, "ZYX").pixels
    np.testing.assert_array_equal(layer.data, expected)
    changed = (layer.data != data).any(axis=(1, 2))
    assert changed.tolist() == [False, True, False, True, False]


def test_the_outline_is_that_of_the_plane_in_sight(qtbot, widget, viewer, rng):
    viewer.add_image(rng.integers(0, 9, (5, 64, 72), dtype=np.uint8), name="stack")
    viewer.add_shapes([on_plane(1, SQUARE - 15), on_plane(3, SQUARE - 10)], shape_type="polygon")
    viewer.dims.set_point(0, 1)
    follows(qtbot, widget, lambda: setattr(widget.dilate, "value", 2))
    (low,) = outline_of(viewer).data
    follows(qtbot, widget, lambda: viewer.dims.set_point(0, 3))
    (high,) = outline_of(viewer).data
    np.testing.assert_allclose(high[:, -2:].min(axis=0) - low[:, -2:].min(axis=0), 5)
    follows(qtbot, widget, lambda: viewer.dims.set_point(0, 2))
    assert outline_of(viewer) is None


def test_labels_of_the_roi_are_chosen_where_it_has_labels(qtbot, widget, viewer, image):
    labels = np.zeros(image.data.shape, np.uint8)
    labels[10:30, 10:30], labels[40:60, 40:60] = 1, 2
    assert not widget.roi_label.visible
    layer = viewer.add_labels(labels)
    widget.roi.value = layer
    assert not widget.roi_label.native.isHidden()
    widget.roi_label.value = "2"
    result = dock.run(qtbot, widget)
    expected = enhance(image.data, NETWORK, labels == 2).pixels
    np.testing.assert_array_equal(result.data, expected)
    widget.roi_label.value = "two"
    error = dock.click(qtbot, widget, "run", "failed")
    assert "ROI labels are whole numbers" in str(error)
