"""The dock widget on a viewer without a window."""

import dataclasses
import gc
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from types import SimpleNamespace

import dask
import dask.array as da
import numpy as np
import pytest
from napari.experimental import link_layers
from napari.layers import Image, Labels, Shapes
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QThreadPool, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QProgressBar

import dock
import toys
from napari_microenhance.api import Options, Progress, enhance, list_models, load_model
from napari_microenhance.engine.options import CHOICES
from napari_microenhance.engine.reports.report_sections import ProviderSection
from napari_microenhance.errors import (
    Cancelled,
    FileMissingError,
    ImageError,
    ModelError,
    OptionsError,
    RoiError,
)
from napari_microenhance.rois.roi_formats import write_shapes
from napari_microenhance.rois.shapes import Shape
from napari_microenhance.widgets import EnhanceWidget
from napari_microenhance.widgets.viewer.layer_values import RECORD_KEY
from napari_microenhance.widgets.viewer.live import is_live

NETWORK = "detail-classic"
SQUARE = np.array([(20.0, 30.0), (20.0, 70.0), (60.0, 70.0), (60.0, 30.0)])
WAIT_MS = 20_000


class Ears:
    """Hears how runs of a widget end."""

    def __init__(self, widget, qtbot):
        self._qtbot = qtbot
        self.heard = []
        for name in ("completed", "previewed", "failed"):
            getattr(widget, name).connect(lambda what, n=name: self.heard.append((n, what)))
        widget.cancelled.connect(lambda: self.heard.append(("cancelled", None)))

    def wait(self, name):
        """Wait for the next end and return what came with it."""
        self._qtbot.waitUntil(lambda: bool(self.heard), timeout=WAIT_MS)
        got, what = self.heard.pop(0)
        assert got == name, (got, what)
        return what


@pytest.fixture
def ears(widget, qtbot):
    return Ears(widget, qtbot)


@pytest.fixture
def notes():
    notification_manager.records.clear()
    yield lambda: [n.message for n in notification_manager.records]
    notification_manager.records.clear()


def click(button):
    button.native.click()


def run(widget, ears):
    click(widget.run)
    return ears.wait("completed")


class FakeEngine:
    """An `enhance` whose tiles come when the test says so."""

    def __init__(self, monkeypatch, tiles=4):
        self.tiles = tiles
        self.go = threading.Semaphore(0)
        self.calls = []
        self.error = None
        self.deaf = False
        monkeypatch.setattr("napari_microenhance.widgets.running.engine_call.enhance", self)

    def release(self):
        for _ in range(self.tiles + 1):
            self.go.release()

    def __call__(self, image, model, *, roi, options, on_progress, should_stop, window):
        axes, image = image.source.axes, image.source.data
        self.calls.append(SimpleNamespace(roi=roi, axes=axes, options=options, window=window))
        if self.error is not None:
            raise self.error
        patch = np.array(image)
        on_progress(Progress(0, self.tiles))
        for number, part in enumerate(np.array_split(np.arange(len(patch)), self.tiles), start=1):
            self._await(should_stop)
            box = ((int(part[0]), int(part[-1]) + 1), (0, image.shape[1]))
            patch[part] = 255 - patch[part]
            on_progress(Progress(number, self.tiles, box, patch[part], 1.5))
        self._await(should_stop)
        return SimpleNamespace(
            patch=patch,
            pixels=patch,
            start=(0, 0),
            axes=axes,
            scale=1.0,
            report=SimpleNamespace(
                to_dict=dict,
                model=SimpleNamespace(name="fake"),
                plan=SimpleNamespace(tiles=self.tiles),
                seconds=SimpleNamespace(total=0.84),
                warnings=["A remark."],
                provider=ProviderSection(asked="auto", got="cpu"),
            ),
        )

    def _await(self, should_stop):
        while not self.go.acquire(timeout=0.02):
            if should_stop() and not self.deaf:
                raise Cancelled


@pytest.fixture
def engine(monkeypatch):
    return FakeEngine(monkeypatch)


# Fields


def test_every_option_is_a_field_with_its_help(widget):
    for option in dataclasses.fields(Options):
        field = getattr(widget, option.name)
        assert field.tooltip == option.metadata["help"]
        if option.name != "planes":
            assert field.value == option.default, option.name
        for word in CHOICES.get(option.name, ()):
            field.value = word
            assert field.value == word


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("tile", "384", 384),
        ("tile", "96 px", 96),
        ("halo", " Auto ", "auto"),
        ("intensity", "10, 4000.5", (10.0, 4000.5)),
        ("intensity", "percentile", "percentile"),
        ("value_range", "(-1, 1)", (-1.0, 1.0)),
        ("memory", "4 GB", 4 << 30),
        ("memory", "1.5mb", 3 << 19),
        ("threads", "", "auto"),
    ],
)
def test_fields_take_typed_text(widget, name, text, value):
    field = getattr(widget, name)
    field.native.setEditText(text)
    assert field.value == value


@pytest.mark.parametrize(
    ("name", "value"),
    [("tile", 640), ("intensity", (3.0, 77.0)), ("memory", 123456), ("batch", 3), ("halo", 0)],
)
def test_fields_take_values_of_their_own(widget, name, value):
    getattr(widget, name).value = value
    assert getattr(widget, name).value == value


@pytest.mark.parametrize(
    ("name", "text"),
    [("tile", "large"), ("intensity", "1; 2"), ("memory", "plenty"), ("batch", "-1")],
)
def test_nonsense_in_a_field_fails_clearly(widget, image, ears, notes, name, text):
    getattr(widget, name).native.setEditText(text)
    click(widget.run)
    error = ears.wait("failed")
    assert isinstance(error, OptionsError)
    assert name in notes()[0]
    assert widget.run.enabled


def test_options_reach_the_engine(widget, image, ears, engine):
    widget.tile.value = 64
    widget.halo.value = 8
    widget.blend.value = "gaussian"
    widget.background.value = "white"
    widget.dilate.value = 5
    widget.intensity.value = (0, 255)
    engine.release()
    run(widget, ears)
    assert engine.calls[0].options == Options(
        tile=64, halo=8, blend="gaussian", background="white", dilate=5, intensity=(0.0, 255.0)
    )


# Choosers


def test_defaults_are_the_active_image_and_the_latest_shapes(qtbot, viewer):
    first = viewer.add_image(np.zeros((8, 8)), name="first")
    viewer.add_image(np.zeros((8, 8)), name="second")
    viewer.add_shapes(name="old")
    latest = viewer.add_shapes(name="new")
    viewer.layers.selection.active = first
    widget = EnhanceWidget(viewer)
    assert widget.image.value is first
    assert widget.roi.value is latest
    assert widget.model.value == "detail"
    assert None in widget.roi.choices


def test_choosers_follow_the_viewer(widget, viewer, image):
    assert widget.image.value is image
    assert widget.roi.value is None
    shapes = viewer.add_shapes(name="drawn")
    labels = viewer.add_labels(np.zeros((8, 8), int))
    points = viewer.add_points(name="dots")
    assert widget.roi.value is shapes
    assert set(widget.roi.choices) == {None, shapes, labels}
    assert points not in widget.image.choices
    shapes.name = "renamed"
    assert widget.roi.value is shapes
    assert widget.roi.current_choice == "renamed"
    viewer.layers.remove(shapes)
    assert widget.roi.value is None
    viewer.layers.remove(image)
    assert widget.image.value is None


def test_the_users_choice_stays(widget, viewer, image):
    other = viewer.add_image(np.zeros((8, 8)), name="other")
    assert widget.image.value is other
    widget.image.value = image
    first = viewer.add_shapes(name="first")
    viewer.add_shapes(name="second")
    widget.roi.value = first
    third = viewer.add_image(np.zeros((8, 8)), name="third")
    viewer.add_shapes(name="later")
    assert widget.image.value is image
    assert widget.roi.value is first
    viewer.layers.remove(first)
    viewer.layers.selection.active = third
    assert widget.image.value is image


def test_a_result_does_not_become_the_image(widget, viewer, image, ears):
    layer = run(widget, ears)
    assert viewer.layers.selection.active is layer
    assert widget.image.value is image
    assert layer in widget.image.choices


def test_planes_are_offered_for_stacks_only(widget, viewer, image):
    assert not widget.planes.enabled
    viewer.add_image(np.zeros((3, 8, 8)))
    assert widget.planes.enabled


# Runs with the real engine


def test_a_run_adds_a_layer_and_changes_no_other(widget, viewer, image, ears):
    before = image.data.copy()
    viewer.add_shapes([SQUARE], shape_type="rectangle", name="roi")
    layer = run(widget, ears)
    expected = enhance(image.data, NETWORK, roi=[SQUARE])
    assert layer.name == f"cells · {NETWORK}"
    assert isinstance(layer, Image)
    assert layer.data.dtype == np.uint8
    np.testing.assert_array_equal(layer.data, expected.pixels)
    np.testing.assert_array_equal(image.data, before)
    outside = np.ones_like(before, bool)
    outside[20:61, 30:71] = False
    np.testing.assert_array_equal(layer.data[outside], before[outside])
    assert (layer.data != before).any()
    record = layer.metadata[RECORD_KEY]
    assert record["model"]["name"] == NETWORK
    assert record["roi"]["pixels"] == 41 * 41
    assert NETWORK in widget.status.value
    assert "tile" in widget.status.value
    assert [x.name for x in viewer.layers] == ["cells", layer.name, "roi"]


def test_a_second_run_overwrites_nothing(widget, viewer, image, ears):
    first, second = run(widget, ears), run(widget, ears)
    assert first is not second
    assert first.name != second.name
    assert len(viewer.layers) == 3


TRANSFORMS = {
    "scaled": {"scale": (0.5, 2.0), "translate": (100, -3)},
    "rotated": {"rotate": 30.0},
    "sheared": {"shear": (0.4,)},
    "affine": {"affine": np.array([[1.1, 0.2, 5.0], [-0.3, 0.9, -7.0], [0, 0, 1]])},
    "with units": {"scale": (250, 250), "units": ("nm", "nm"), "axis_labels": ("y", "x")},
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
@pytest.mark.parametrize("background", ["original", "crop"])
def test_transformed_layers(widget, viewer, rng, ears, transform, background):
    data = rng.integers(0, 4000, (96, 128), dtype=np.uint16)
    image = viewer.add_image(
        data, name="turned", colormap="magma", contrast_limits=(100, 3000), gamma=0.7, **transform
    )
    corners = np.array([image.data_to_world(p) for p in SQUARE])
    # Drawn by napari: no scale, and in other units of the same kind.
    units = image.units
    if "units" in transform:
        corners, units = corners / 1000, ("um", "um")
    viewer.add_shapes([corners], shape_type="polygon", units=units)
    widget.background.value = background
    layer = run(widget, ears)
    expected = enhance(data, NETWORK, roi=[SQUARE], options=Options(background=background))
    np.testing.assert_array_equal(layer.data, expected.pixels)
    start = (20, 30) if background == "crop" else (0, 0)
    np.testing.assert_allclose(
        layer.data_to_world((3, 4)), image.data_to_world(np.add(start, (3, 4)))
    )
    assert layer.units == image.units
    assert layer.axis_labels == image.axis_labels
    assert layer.colormap.name == "magma"
    assert tuple(layer.contrast_limits) == (100, 3000)
    assert tuple(layer.contrast_limits_range) == tuple(image.contrast_limits_range)
    assert layer.gamma == 0.7


def test_labels_are_an_roi(widget, viewer, image, ears):
    marks = np.zeros((96, 128), int)
    marks[10:30, 40:90] = 7
    widget.roi.value = viewer.add_labels(marks)
    layer = run(widget, ears)
    np.testing.assert_array_equal(layer.data, enhance(image.data, NETWORK, roi=marks > 0).pixels)


def test_an_empty_roi_layer_means_the_whole_image_aloud(widget, viewer, image, ears):
    viewer.add_shapes(name="nothing yet")
    layer = run(widget, ears)
    np.testing.assert_array_equal(layer.data, enhance(image.data, NETWORK).pixels)
    assert "whole image" in widget.remarks.value
    widget.roi.value = viewer.add_labels(np.zeros((96, 128), int))
    run(widget, ears)
    assert "whole image" in widget.remarks.value


def test_an_roi_outside_the_image_fails_clearly(widget, viewer, image, ears, notes):
    viewer.add_shapes([SQUARE + 1000], shape_type="rectangle")
    click(widget.run)
    assert isinstance(ears.wait("failed"), RoiError)
    assert "lies outside the image" in notes()[0]
    assert len(viewer.layers) == 2


@pytest.mark.parametrize("channels", [3, 4])
def test_colour(widget, viewer, rng, ears, channels):
    data = rng.integers(0, 256, (96, 128, channels), dtype=np.uint8)
    viewer.add_image(data, rgb=True, name="stain")
    viewer.add_shapes([SQUARE], shape_type="polygon")
    layer = run(widget, ears)
    assert layer.rgb
    expected = enhance(data, NETWORK, roi=[SQUARE], axes="YXC")
    np.testing.assert_array_equal(layer.data, expected.pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_number_types_are_kept(widget, viewer, rng, ears, dtype):
    data = (rng.random((96, 128)) * 100).astype(dtype)
    viewer.add_image(data)
    layer = run(widget, ears)
    assert layer.data.dtype == dtype
    np.testing.assert_array_equal(layer.data, enhance(data, NETWORK).pixels)


def test_stacks_run_all_planes_or_the_current_one(widget, viewer, rng, ears):
    data = rng.integers(0, 4000, (3, 4, 40, 50), dtype=np.uint16)
    viewer.add_image(data, scale=(1, 2.5, 1, 1), axis_labels=("t", "z", "y", "x"))
    everywhere = run(widget, ears)
    np.testing.assert_array_equal(everywhere.data, enhance(data, NETWORK, axes="TZYX").pixels)
    viewer.dims.set_point(0, 2)
    viewer.dims.set_point(1, 2.5)
    widget.planes.value = "current"
    layer = run(widget, ears)
    np.testing.assert_array_equal(layer.data[2, 1], everywhere.data[2, 1])
    untouched = np.ones((3, 4), bool)
    untouched[2, 1] = False
    np.testing.assert_array_equal(layer.data[untouched], data[untouched])
    np.testing.assert_allclose(layer.scale, (1, 2.5, 1, 1))


def test_channels_are_no_planes(widget, viewer, rng, ears):
    data = rng.integers(0, 4000, (2, 3, 40, 50), dtype=np.uint16)
    viewer.add_image(data, axis_labels=("z", "c", "y", "x"))
    viewer.dims.set_point(0, 1)
    widget.planes.value = "current"
    layer = run(widget, ears)
    expected = enhance(data, NETWORK, axes="ZCYX", options=Options(planes=(1,)))
    np.testing.assert_array_equal(layer.data, expected.pixels)


def test_multiscale_runs_on_the_finest_level(widget, viewer, rng, ears):
    data = rng.integers(0, 256, (96, 128), dtype=np.uint8)
    viewer.add_image([data, data[::2, ::2]], multiscale=True, contrast_limits=(0, 255))
    layer = run(widget, ears)
    np.testing.assert_array_equal(layer.data, enhance(data, NETWORK).pixels)


def test_lazy_images_are_never_read_whole_by_the_window(widget, viewer, rng, ears):
    data = rng.integers(0, 256, (96, 128), dtype=np.uint8)
    readers = []

    def note(block):
        readers.append(threading.current_thread() is threading.main_thread())
        return block

    # The graph runs where it is asked for.
    lazy = da.from_array(data, chunks=(48, 64)).map_blocks(note, meta=data)
    viewer.add_image(lazy, contrast_limits=(0, 255), visible=False)
    readers.clear()
    with dask.config.set(scheduler="synchronous"):
        layer = run(widget, ears)
    assert readers
    assert not any(readers)
    np.testing.assert_array_equal(layer.data, enhance(data, NETWORK).pixels)


def test_a_large_result_is_its_patch_over_the_image(widget, viewer, image, ears, monkeypatch):
    monkeypatch.setattr("napari_microenhance.widgets.viewer.results.WHOLE_BYTES", 1000)
    viewer.add_shapes([SQUARE], shape_type="rectangle")
    layer = run(widget, ears)
    assert layer.data.shape == (41, 41)
    np.testing.assert_allclose(layer.data_to_world((0, 0)), (20, 30))
    expected = enhance(image.data, NETWORK, roi=[SQUARE])
    np.testing.assert_array_equal(layer.data, expected.patch)


def test_a_wide_result_is_a_pyramid(widget, viewer, rng, ears):
    data = rng.integers(0, 256, (24, 4500), dtype=np.uint8)
    viewer.add_image(data, contrast_limits=(0, 200))
    viewer.add_shapes([SQUARE[:, ::-1] / 4], shape_type="polygon")
    layer = run(widget, ears)
    assert layer.multiscale
    assert tuple(layer.contrast_limits) == (0, 200)
    roi = [SQUARE[:, ::-1] / 4]
    np.testing.assert_array_equal(layer.data[0], enhance(data, NETWORK, roi=roi).pixels)
    assert layer.data[-1].shape[1] <= 1024


def test_the_current_view_is_previewed_and_equals_the_run(widget, viewer, image, ears):
    viewer.add_shapes([SQUARE], shape_type="polygon")
    viewer.canvas.size = (40, 60)
    viewer.scene.camera.zoom = 2.0
    viewer.scene.camera.center = (0, 25, 40)
    selected = viewer.layers.selection.active
    click(widget.preview)
    layer = ears.wait("previewed")
    assert layer.name == f"cells · {NETWORK} (preview)"
    assert viewer.layers.selection.active is selected
    start = np.round(layer.data_to_world((0, 0))).astype(int)
    stop = start + layer.data.shape
    # Seen are y 15 to 35 and x 25 to 55; the ROI begins at (20, 30).
    assert start.tolist() == [20, 30]
    assert stop.tolist() == [36, 56]
    final = run(widget, ears)
    part = final.data[start[0] : stop[0], start[1] : stop[1]]
    np.testing.assert_array_equal(layer.data, part)


def test_a_preview_replaces_the_last_one(widget, viewer, image, ears):
    click(widget.preview)
    first = ears.wait("previewed")
    viewer.scene.camera.zoom *= 3
    click(widget.preview)
    second = ears.wait("previewed")
    assert first not in viewer.layers
    assert second in viewer.layers
    assert second.name == first.name
    assert second.data.size < first.data.size


def test_a_preview_of_a_stack_is_the_plane_on_screen(widget, viewer, rng, ears):
    data = rng.integers(0, 256, (5, 40, 50), dtype=np.uint8)
    viewer.add_image(data)
    viewer.dims.set_point(0, 3)
    click(widget.preview)
    layer = ears.wait("previewed")
    assert layer.data.shape == (1, 40, 50)
    np.testing.assert_allclose(layer.data_to_world((0, 0, 0)), (3, 0, 0))
    np.testing.assert_array_equal(layer.data[0], run(widget, ears).data[3])


def test_a_preview_without_roi_in_sight_fails_clearly(widget, viewer, image, ears, notes):
    viewer.add_shapes([SQUARE / 4], shape_type="polygon")
    viewer.scene.camera.zoom *= 10
    viewer.scene.camera.center = (0, 70, 100)
    click(widget.preview)
    assert isinstance(ears.wait("failed"), RoiError)
    assert "visible" in notes()[0]


# Networks


def test_a_network_file_is_opened_and_used(widget, viewer, image, ears, tmp_path):
    path = toys.plain(tmp_path / "toy.onnx")
    widget.open_model(path)
    click(widget.run)
    layer = ears.wait("completed")
    assert layer.name == "cells · toy"
    assert widget.model.value == str(path)
    np.testing.assert_array_equal(layer.data, enhance(image.data, load_model(path)).pixels)
    assert "Receptive field: 2 px" in widget.about.value


def test_opening_another_network_leaves_the_run_alone(
    widget, viewer, image, ears, engine, tmp_path
):
    click(widget.run)
    (tmp_path / "bad.onnx").write_bytes(b"")
    widget.open_model(tmp_path / "bad.onnx")
    assert isinstance(ears.wait("failed"), ModelError)
    assert not widget.run.enabled
    assert widget.cancel.enabled
    widget.run.changed.emit(True)
    engine.release()
    ears.wait("completed")
    assert len(engine.calls) == 1
    assert widget.run.enabled
    assert not widget.cancel.enabled


def test_a_preview_waits_for_the_network_too(widget, viewer, image, ears, tmp_path):
    widget.open_model(toys.plain(tmp_path / "toy.onnx"))
    click(widget.preview)
    assert ears.wait("previewed").name == "cells · toy (preview)"


def test_files_of_one_name_can_be_told_apart(widget, image, ears, qtbot, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        widget.open_model(toys.plain(tmp_path / folder / "toy.onnx"))
        qtbot.waitUntil(lambda: "open" in widget.status.value, timeout=WAIT_MS)
        widget.status.value = ""
    assert len(set(widget.model.choices)) == 2 + len(list_models())
    assert widget.model.current_choice == "toy.onnx (b)"


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (None, FileMissingError, "There is no model"),
        (b"", ModelError, "is empty"),
        (b"version https://git-lfs.github.com/spec/v1", ModelError, "git-lfs"),
        (b"<!DOCTYPE html>", ModelError, "web page"),
        (b"\x08\x07garbage", ModelError, "The model bad "),
    ],
)
def test_a_file_that_is_no_network(widget, image, ears, notes, tmp_path, content, error, words):
    path = tmp_path / "bad.onnx"
    if content is not None:
        path.write_bytes(content)
    widget.open_model(path)
    click(widget.run)
    assert isinstance(ears.wait("failed"), error)
    assert words in notes()[0]
    assert widget.model.value == NETWORK
    assert str(path) not in widget.model.choices
    run(widget, ears)


# PySide marks the one public constructor of drag events as not for everyday use.
@pytest.mark.filterwarnings("ignore:.*QDragEnterEvent:DeprecationWarning")
def drop(widget, *paths):
    """Drag files onto a widget, and let go."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    how = Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    widget.native.show()
    # Qt delivers a drop to what took the drag.
    enter, let_go = QDragEnterEvent(QPoint(5, 5), *how), QDropEvent(QPointF(5, 5), *how)
    for event in (enter, let_go):
        QApplication.sendEvent(widget.native, event)
        assert event.isAccepted()


def test_a_dropped_file_is_opened(widget, image, ears, tmp_path):
    path = toys.plain(tmp_path / "toy.onnx")
    drop(widget, tmp_path / "x.txt", path)
    assert widget.model.value == str(path)
    assert run(widget, ears).name == "cells · toy"


@pytest.mark.parametrize("suffix", [".zip", ".geojson", ".json", ".csv"])
def test_a_dropped_roi_file_becomes_the_roi(widget, image, tmp_path, suffix):
    path = tmp_path / f"drawn{suffix}"
    # One alone would be no archive.
    write_shapes(path, [Shape("polygon", SQUARE), Shape("polygon", SQUARE + 9)])
    drop(widget, path)
    assert widget.model.value == NETWORK
    assert widget.roi.value.name == "drawn"
    assert len(widget.roi.value.data) == 2


def test_a_dropped_file_that_is_no_roi_is_told(widget, image, ears, notes, tmp_path):
    path = tmp_path / "notes.json"
    path.write_text("{}")
    drop(widget, path)
    assert isinstance(ears.wait("failed"), RoiError)
    assert widget.roi.value is None


def test_opening_can_be_cancelled(widget, image, ears, monkeypatch, tmp_path):
    opened = threading.Event()
    monkeypatch.setattr(
        "napari_microenhance.widgets.models.network_choices.load_model",
        lambda path: opened.wait(10),
    )
    widget.open_model(tmp_path / "slow.onnx")
    click(widget.run)
    click(widget.cancel)
    ears.wait("cancelled")
    assert widget.model.value == NETWORK
    opened.set()
    monkeypatch.undo()
    run(widget, ears)


# Cancelling, failing, going away


def tiles_layer(viewer):
    pictures = [
        layer for layer in viewer.layers if is_live(layer) and not isinstance(layer, Shapes)
    ]
    return next(iter(pictures), None)


def shows_a_tile(viewer):
    layer = tiles_layer(viewer)
    return layer is not None and not np.isnan(np.asarray(layer.data)).all()


def test_tiles_appear_while_the_run_goes_on(widget, viewer, image, ears, engine, qtbot):
    before = viewer.layers.selection.active
    click(widget.run)
    assert not widget.run.enabled
    assert widget.cancel.enabled
    engine.go.release()
    qtbot.waitUntil(lambda: shows_a_tile(viewer), timeout=WAIT_MS)
    layer = tiles_layer(viewer)
    assert viewer.layers.selection.active is before
    assert layer not in widget.image.choices
    shown = np.asarray(layer.data)
    assert shown.shape == image.data.shape
    np.testing.assert_array_equal(shown[:24], 255 - image.data[:24])
    assert np.isnan(shown[24:]).all()
    refreshed = []
    layer.events.set_data.connect(lambda _: refreshed.append(time.monotonic()))
    engine.go.release()
    qtbot.waitUntil(lambda: bool(refreshed), timeout=WAIT_MS)
    np.testing.assert_array_equal(np.asarray(layer.data)[:48], 255 - image.data[:48])
    engine.release()
    result = ears.wait("completed")
    assert tiles_layer(viewer) is None
    assert len(viewer.layers) == 2
    assert result.name == f"cells · {NETWORK}"
    assert result.data.dtype == image.data.dtype
    assert viewer.layers.selection.active is result
    np.testing.assert_array_equal(result.data, 255 - image.data)
    assert widget.status.value == "Done in 0.8 s: fake, CPU, 4 tiles"
    assert "A remark." in widget.remarks.value


def test_refreshes_are_few_and_no_tile_is_lost(widget, viewer, image, ears, monkeypatch, qtbot):
    engine = FakeEngine(monkeypatch, tiles=96)
    click(widget.run)
    refreshed = []
    for number in range(90):
        engine.go.release()
        qtbot.wait(10)
        if number == 20:
            layer = tiles_layer(viewer)
            layer.events.set_data.connect(lambda _: refreshed.append(time.monotonic()))
    qtbot.wait(450)
    shown = np.asarray(layer.data)
    np.testing.assert_array_equal(shown[:90], 255 - image.data[:90])
    assert refreshed
    assert min(np.diff(refreshed), default=1) > 0.3
    engine.release()
    ears.wait("completed")


def test_tiles_of_a_rotated_roi_lie_over_the_image(widget, viewer, rng, ears, engine, qtbot):
    data = rng.integers(0, 256, (96, 128), dtype=np.uint8)
    image = viewer.add_image(data, rotate=20, scale=(2, 3))
    roi = viewer.add_shapes([[image.data_to_world(p) for p in SQUARE]], shape_type="polygon")
    widget.dilate.value = 2
    click(widget.run)
    engine.go.release()
    qtbot.waitUntil(lambda: shows_a_tile(viewer), timeout=WAIT_MS)
    layer = tiles_layer(viewer)
    assert layer.data.shape == (45, 45)
    np.testing.assert_allclose(layer.data_to_world((0, 0)), image.data_to_world((18, 28)))
    assert viewer.layers.index(image) < viewer.layers.index(layer) < viewer.layers.index(roi)
    click(widget.cancel)
    ears.wait("cancelled")


def test_thinned_tiles_give_way_to_every_pixel(
    widget, viewer, image, ears, engine, qtbot, monkeypatch
):
    monkeypatch.setattr("napari_microenhance.widgets.viewer.live.EDGE_PX", 50)
    click(widget.run)
    engine.go.release()
    qtbot.waitUntil(lambda: shows_a_tile(viewer), timeout=WAIT_MS)
    layer = tiles_layer(viewer)
    assert layer.data.shape == (32, 43)
    # The outer corner of the first pixel is where it was.
    np.testing.assert_allclose(layer.data_to_world((-0.5, -0.5)), (-0.5, -0.5))
    np.testing.assert_allclose(layer.scale, (3, 3))
    engine.release()
    result = ears.wait("completed")
    np.testing.assert_array_equal(result.data, 255 - image.data)
    np.testing.assert_allclose(result.scale, (1, 1))
    np.testing.assert_allclose(result.translate, (0, 0))


def test_progress_says_how_far_and_how_long(widget, image, ears, engine, qtbot):
    bar = widget.native.findChild(QProgressBar)
    click(widget.run)
    engine.go.release()
    qtbot.waitUntil(lambda: bar.value() == 1, timeout=WAIT_MS)
    assert bar.maximum() == 4
    assert bar.format() == "1 of 4 tiles, 0:02 left"
    engine.release()
    ears.wait("completed")


def test_cancel_leaves_nothing_and_run_works_again(widget, viewer, image, ears, engine, qtbot):
    click(widget.run)
    engine.go.release()
    qtbot.waitUntil(lambda: shows_a_tile(viewer), timeout=WAIT_MS)
    click(widget.cancel)
    ears.wait("cancelled")
    assert list(viewer.layers) == [image]
    assert widget.run.enabled
    assert not widget.cancel.enabled
    engine.release()
    run(widget, ears)


def test_cancel_ends_a_long_tile_of_the_real_engine(widget, viewer, rng, ears, tmp_path, qtbot):
    """One tile of several seconds: the click comes in its middle."""
    path = toys.plain(tmp_path / "slow.onnx", convs=24, width=64)
    viewer.add_image(rng.random((1024, 1024), np.float32))
    widget.tile.value = 1024
    widget.open_model(path)
    qtbot.waitUntil(lambda: "is open" in widget.status.value, timeout=60_000)
    click(widget.run)
    qtbot.wait(700)
    assert not ears.heard, "the tile was over before the click"
    clicked = time.monotonic()
    click(widget.cancel)
    ears.wait("cancelled")
    assert time.monotonic() - clicked < 2
    assert len(viewer.layers) == 1
    qtbot.waitUntil(lambda: not dock.threads_at_work(), timeout=2000)


def test_a_deaf_engine_is_left_alone(widget, viewer, image, ears, engine):
    engine.deaf = True
    click(widget.run)
    clicked = time.monotonic()
    click(widget.cancel)
    ears.wait("cancelled")
    assert time.monotonic() - clicked < 2
    # Its late word must not end the next run.
    other = viewer.add_image(np.zeros((96, 128), np.uint8), name="other")
    widget.image.value = other
    click(widget.run)
    engine.release()
    engine.release()
    assert ears.wait("completed").name == f"other · {NETWORK}"
    assert len(viewer.layers) == 3


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a bad value"),
        RuntimeError("a broken run"),
        NotImplementedError("nobody did it"),
        MemoryError("no room"),
        ModelError("This network is no good; take another."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_error_reaches_the_user_and_frees_run(
    widget, viewer, image, ears, engine, notes, caplog, error
):
    engine.error = error
    click(widget.run)
    assert ears.wait("failed") is error
    assert str(error) in notes()[0]
    assert str(error) in widget.status.value
    assert widget.run.enabled
    assert list(viewer.layers) == [image]
    engine.error = None
    engine.release()
    run(widget, ears)


def test_what_cannot_be_pressed_yet_says_why(widget, viewer, ears, notes, rng):
    for button in (widget.run, widget.preview, widget.draw_roi):
        assert not button.enabled
        assert button.tooltip == "Choose an image first."
        click(button)
    assert not ears.heard
    assert not widget.status.value
    assert not widget.try_sample.native.isHidden()
    viewer.add_image(rng.random((16, 16)))
    for button in (widget.run, widget.preview, widget.draw_roi):
        assert button.enabled
        assert button.tooltip != "Choose an image first."
    assert widget.try_sample.native.parentWidget().isHidden()
    viewer.layers.clear()
    assert not widget.run.enabled
    # Code may ask for a run all the same.
    widget.run.changed.emit(True)
    assert isinstance(ears.wait("failed"), ImageError)
    assert "No image" in widget.status.value


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.zeros((8, 8), bool), "boolean"),
        (np.full((40, 40), np.nan, np.float32), "NaN"),
    ],
)
def test_images_that_cannot_be_enhanced(widget, viewer, ears, notes, data, words):
    viewer.add_image(data, contrast_limits=(0, 1))
    click(widget.run)
    assert isinstance(ears.wait("failed"), ImageError)
    assert words in notes()[0]


def test_the_image_may_go_while_the_run_goes_on(widget, viewer, image, ears, engine, qtbot):
    viewer.add_image(np.zeros((8, 8)), name="last")
    widget.image.value = image
    click(widget.run)
    viewer.layers.remove(image)
    engine.go.release()
    qtbot.waitUntil(lambda: shows_a_tile(viewer), timeout=WAIT_MS)
    engine.release()
    layer = ears.wait("completed")
    assert layer in viewer.layers
    widget.side_by_side.value = True
    assert not widget.side_by_side.value
    assert not viewer.canvas.grid.enabled


def test_the_tiles_may_be_deleted_by_the_user(widget, viewer, image, ears, engine, qtbot):
    click(widget.run)
    engine.go.release()
    qtbot.waitUntil(lambda: shows_a_tile(viewer), timeout=WAIT_MS)
    viewer.layers.remove(tiles_layer(viewer))
    engine.release()
    ears.wait("completed")
    assert len(viewer.layers) == 2


def test_closing_the_widget_ends_the_run(widget, viewer, image, ears, engine, qtbot):
    click(widget.run)
    engine.go.release()
    qtbot.waitUntil(lambda: shows_a_tile(viewer), timeout=WAIT_MS)
    widget.native.close()
    ears.wait("cancelled")
    assert list(viewer.layers) == [image]


# Drawing and comparing


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS.keys())
def test_drawing_happens_in_the_pixels_of_the_image(widget, viewer, rng, ears, transform):
    data = rng.integers(0, 256, (96, 128), dtype=np.uint8)
    image = viewer.add_image(data, **transform)
    click(widget.draw_roi)
    shapes = widget.roi.value
    assert isinstance(shapes, Shapes)
    assert shapes.mode == "add_polygon"
    assert viewer.layers.selection.active is shapes
    assert shapes.units == image.units
    assert shapes.axis_labels == image.axis_labels
    np.testing.assert_allclose(shapes.data_to_world((5, 7)), image.data_to_world((5, 7)))
    shapes.add_polygons([SQUARE])
    layer = run(widget, ears)
    np.testing.assert_array_equal(layer.data, enhance(data, NETWORK, roi=[SQUARE]).pixels)


def test_drawing_on_a_stack_is_for_all_planes(widget, viewer, image):
    viewer.add_image(np.zeros((4, 30, 30), np.uint8), scale=(9, 2, 3), translate=(1, 2, 3))
    click(widget.draw_roi)
    shapes = widget.roi.value
    assert shapes.ndim == 2
    np.testing.assert_allclose(shapes.scale, (2, 3))
    np.testing.assert_allclose(shapes.translate, (2, 3))


def test_side_by_side_is_undone_without_a_trace(widget, viewer, image, ears):
    roi = viewer.add_shapes([SQUARE], shape_type="polygon")
    other = viewer.add_image(np.zeros((8, 8)), name="other", visible=False)
    widget.image.value = image
    shown = viewer.add_points(np.zeros((1, 2)))
    result = run(widget, ears)
    link_layers([image, result], ("gamma",))
    grid = viewer.canvas.grid
    grid.stride, grid.shape, grid.spacing = 2, (-1, 3), 0.1
    before = grid.model_dump(), [x.visible for x in viewer.layers], viewer.scene.camera.zoom
    widget.side_by_side.value = True
    assert grid.enabled
    assert grid.actual_shape(viewer.layers) == (1, 2)
    *seen, outline = (x for x in viewer.layers if x.visible)
    assert seen == [image, result, roi]
    assert outline.name == f"{roi.name} (outline)"
    cells = {x: grid.position(viewer.layers.index(x), viewer.layers) for x in (*seen, outline)}
    assert cells == {image: (0, 0), result: (0, 1), roi: (0, 0), outline: (0, 1)}
    image.contrast_limits = (3, 99)
    assert tuple(result.contrast_limits) == (3, 99)
    widget.side_by_side.value = False
    after = grid.model_dump(), [x.visible for x in viewer.layers], viewer.scene.camera.zoom
    assert after == before
    assert shown.visible
    assert not other.visible
    image.contrast_limits = (5, 77)
    assert tuple(result.contrast_limits) == (3, 99)
    image.gamma = 0.5
    assert result.gamma == 0.5


def test_side_by_side_needs_a_result(widget, viewer, image):
    widget.side_by_side.value = True
    assert not widget.side_by_side.value
    assert "no result" in widget.status.value
    assert not viewer.canvas.grid.enabled


def test_side_by_side_goes_on_with_the_next_result_and_ends_with_a_layer(
    widget, viewer, image, ears
):
    first = run(widget, ears)
    widget.side_by_side.value = True
    second = run(widget, ears)
    assert [x for x in viewer.layers if x.visible] == [image, second]
    viewer.layers.remove(second)
    assert not widget.side_by_side.value
    assert not viewer.canvas.grid.enabled
    assert first.visible


def test_layers_that_are_gone_are_not_kept(widget, viewer, image, ears, qtbot):
    results = [run(widget, ears)]
    click(widget.preview)
    results.append(ears.wait("previewed"))
    refs = [weakref.ref(layer.data) for layer in results]
    # napari itself remembers the last selected layer.
    viewer.layers.selection.active = image
    for layer in results:
        viewer.layers.remove(layer)
    del layer, results
    ears.heard.clear()
    qtbot.wait(50)
    gc.collect()
    assert [ref() is None for ref in refs] == [True, True]


def test_a_volume_gets_its_result_when_it_is_whole(widget, viewer, rng, ears):
    data = rng.integers(0, 256, (4, 40, 50), dtype=np.uint8)
    viewer.add_image(data)
    viewer.dims.ndisplay = 3
    added = []
    viewer.layers.events.inserted.connect(lambda event: added.append(event.value))
    layer = run(widget, ears)
    assert added == [layer]
    np.testing.assert_array_equal(layer.data, enhance(data, NETWORK, axes="ZYX").pixels)


def test_a_labels_result_is_a_labels_layer(widget, viewer, image, ears, engine, monkeypatch):
    model = load_model(NETWORK)
    spec = dataclasses.replace(model.spec, task="labels", name="cutter")
    monkeypatch.setattr(
        "napari_microenhance.widgets.running.engine_call.load_model",
        lambda _: SimpleNamespace(spec=spec, name="cutter"),
    )
    engine.release()
    layer = run(widget, ears)
    assert isinstance(layer, Labels)
    assert layer.name == "cells · cutter"


def test_nothing_is_left_behind(qtbot, viewer, image):
    """A widget that is gone hears nothing any more."""
    widget = EnhanceWidget(viewer)
    ref = weakref.ref(widget)
    native = widget.native
    native.close()
    native.deleteLater()
    del widget, native
    qtbot.wait(10)
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    assert ref() is None
    viewer.add_shapes()


def test_a_deleted_widget_ends_its_run(qtbot, viewer, image, engine):
    widget = EnhanceWidget(viewer)
    click(widget.run)
    qtbot.waitUntil(lambda: bool(engine.calls), timeout=WAIT_MS)
    widget.native.deleteLater()
    del widget
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    # The engine never goes on; only a request to stop ends it.
    assert QThreadPool.globalInstance().waitForDone(WAIT_MS)
    qtbot.wait(50)


def test_the_package_of_widgets_loads_qt_late():
    code = (
        "import sys, napari_microenhance.widgets as w\n"
        "assert w.__all__ == ['EnhanceWidget', 'InspectWidget']\n"
        "assert not {'qtpy', 'napari', 'magicgui'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)


def test_the_dock_opens_without_what_takes_long_to_import():
    code = (
        "import sys, napari_microenhance.widgets as w\n"
        "w.EnhanceWidget\n"
        "slow = {'scipy.signal', 'scipy.stats', 'matplotlib.pyplot'}\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent)
