"""The caution above Run: an image unlike those of a network's training is told before the run."""

import re

import numpy as np
import pytest
from napari.layers import Image
from napari.layers._source import layer_source
from PIL import Image as PillowImage

import dock
import toys
from napari_microenhance.api import Record, foresee, load_model
from napari_microenhance.images.image_formats import read_image as read_image_file
from napari_microenhance.measure.domain import KEY, TrainedOn
from napari_microenhance.rois.region_of_interest import Roi
from napari_microenhance.widgets.viewer.layer_values import read_image

TRAINED = TrainedOn(images="simulated cells", dtypes=("uint8",), pixel_size_um=(0.1, 0.4))


@pytest.fixture
def widget(qtbot, viewer, tmp_path):
    path = toys.plain(tmp_path / "cells.onnx", metadata={KEY: TRAINED.to_text()})
    with dock.made(qtbot, viewer) as made:
        dock.opened(qtbot, made, path)
        yield made


def looked(qtbot, widget, change):
    """Change something, wait until the check that follows has ended, and return what it found."""
    found, ended = [], []

    def end():
        ended.append(1)

    widget.cautions.found.connect(found.append)
    widget.cautions.done.connect(end)
    change()
    qtbot.waitUntil(lambda: bool(ended), timeout=dock.WAIT_MS)
    widget.cautions.found.disconnect(found.append)
    widget.cautions.done.disconnect(end)
    return tuple(map(str, found[-1]))


def test_an_image_of_another_kind_gets_a_caution(qtbot, widget, viewer, rng):
    pixels = rng.integers(0, 60_000, (64, 64), dtype=np.uint16)
    (sentence,) = looked(qtbot, widget, lambda: viewer.add_image(pixels))
    assert "a different data type than the training data of cells (simulated cells)" in sentence
    assert "uint16, not uint8" in widget.caution.value
    assert widget.caution.native.isHidden() is False
    assert widget.run.enabled
    good = viewer.add_image((pixels >> 8).astype(np.uint8))
    assert looked(qtbot, widget, lambda: setattr(widget.image, "value", good)) == ()
    assert widget.caution.value == ""
    assert widget.caution.native.isHidden()


def test_the_noise_of_the_image_is_shown_below_it(qtbot, widget, viewer, rng):
    pixels = np.rint(rng.normal(100, 13, (128, 128))).astype(np.uint8)
    looked(qtbot, widget, lambda: viewer.add_image(pixels))
    assert re.fullmatch(r"Noise: (4.9|5|5.1|5.2) % of the range, white", widget.noise.value)
    assert widget.noise.native.isHidden() is False
    small = viewer.add_image(pixels[:40, :40])
    looked(qtbot, widget, lambda: setattr(widget.image, "value", small))
    assert widget.noise.value == ""
    assert widget.noise.native.isHidden()


def test_another_network_takes_the_caution_back(qtbot, widget, viewer, rng):
    pixels = rng.integers(0, 60_000, (64, 64), dtype=np.uint16)
    looked(qtbot, widget, lambda: viewer.add_image(pixels))
    assert widget.caution.value
    widget.model.value = "detail-classic"
    assert widget.caution.value == ""


def test_pixels_of_another_size_get_a_caution(qtbot, widget, viewer, rng):
    pixels = rng.integers(0, 256, (64, 64), dtype=np.uint8)
    image = viewer.add_image(pixels, scale=(1200, 1200), units=("nm", "nm"))
    (sentence,) = looked(qtbot, widget, lambda: setattr(image, "scale", (1300, 1300)))
    assert "The pixels are larger" in sentence
    assert "1.3 \u00b5m" in sentence
    assert looked(qtbot, widget, lambda: setattr(image, "scale", (200, 200))) == ()


def test_words_of_a_file_are_no_markup(qtbot, viewer, rng, tmp_path):
    odd = TrainedOn(images="<b>bold</b>", dtypes=("uint8",))
    path = toys.plain(tmp_path / "odd.onnx", metadata={KEY: odd.to_text()})
    with dock.made(qtbot, viewer) as widget:
        dock.opened(qtbot, widget, path)
        looked(qtbot, widget, lambda: viewer.add_image(rng.random((32, 32), np.float32)))
        assert "&lt;b&gt;bold" in widget.caution.value


def test_damaged_words_are_told_and_the_run_is_free(qtbot, viewer, rng, tmp_path):
    path = toys.plain(tmp_path / "bad.onnx", metadata={KEY: "[1"})
    with dock.made(qtbot, viewer) as widget:
        dock.opened(qtbot, widget, path)
        pixels = rng.integers(0, 256, (32, 32), dtype=np.uint8)
        (sentence,) = looked(qtbot, widget, lambda: viewer.add_image(pixels))
        assert "cannot be read" in sentence
        dock.run(qtbot, widget)


@pytest.mark.parametrize(
    ("scale", "units", "expected"),
    [
        ((0.5, 0.5), ("um", "um"), 0.5),
        ((200, 800), ("nm", "nm"), 0.4),
        ((2, 0.25, 0.25), ("s", "um", "um"), 0.25),
        ((0.5, 0.5), ("pixel", "pixel"), None),
    ],
)
def test_the_pixel_size_comes_from_scale_and_units(viewer, scale, units, expected):
    pixels = np.zeros((4,) * len(scale), np.uint8)
    image = viewer.add_image(pixels, scale=scale, units=units)
    assert read_image(image).pixel_size_um == pytest.approx(expected)


def test_an_roi_that_is_empty_is_told_before_the_run(qtbot, widget, viewer, rng):
    viewer.add_image(rng.integers(0, 256, (64, 64), dtype=np.uint8))
    (sentence,) = looked(qtbot, widget, lambda: widget.draw_roi.native.click())
    assert "is empty: the whole image is processed" in sentence
    square = np.array([(5.0, 5.0), (5.0, 40.0), (40.0, 40.0)])
    assert looked(qtbot, widget, lambda: widget.roi.value.add_polygons([square])) == ()


def test_shapes_beyond_the_image_are_told_before_the_run_as_in_its_record(
    qtbot, widget, viewer, rng
):
    pixels = rng.integers(0, 256, (4, 64, 64), dtype=np.uint8)
    viewer.add_image(pixels)
    square = np.array([(5.0, 5.0), (5.0, 40.0), (40.0, 40.0)])
    drawn = [np.insert(square, 0, z, axis=1) for z in (1, 9)]
    said = looked(qtbot, widget, lambda: viewer.add_shapes(drawn, shape_type="polygon"))
    assert any("1 of 2 ROIs lie on planes that the image does not have" in s for s in said)
    model = load_model(widget.model.value)
    rois = [Roi(square, {"Z": z}) for z in (1, 9)]
    assert said == tuple(map(str, foresee(pixels, model, rois, "ZYX")))
    layer = dock.run(qtbot, widget)
    assert set(said) <= set(Record.of(layer.metadata).report.warnings)


def test_what_a_file_says_is_told_before_the_run(qtbot, widget, viewer, tmp_path, npe2pm, root):
    path = tmp_path / "grey.png"
    alpha = np.full((32, 32, 2), 255, np.uint8)
    alpha[..., 0] = np.arange(32)
    PillowImage.fromarray(alpha, "LA").save(path)
    note = str(read_image_file(path).notes[0])
    image = viewer.add_image(np.asarray(read_image_file(path).pixels), rgb=True)
    (without,) = (looked(qtbot, widget, lambda: setattr(image, "scale", (2, 2))),)
    assert note not in without
    viewer.layers.clear()
    with layer_source(path=str(path), reader_plugin="napari-microenhance"):
        image = Image(np.asarray(read_image_file(path).pixels), rgb=True)
    assert note in looked(qtbot, widget, lambda: viewer.add_layer(image))


def test_a_tick_silences_a_caution_and_the_record_says_so(qtbot, widget, viewer, rng):
    pixels = rng.integers(0, 60_000, (64, 64), dtype=np.uint16)
    (sentence,) = looked(qtbot, widget, lambda: viewer.add_image(pixels))
    ((name, tick),) = widget.ticks.boxes.items()
    assert looked(qtbot, widget, tick.click) == ()
    assert widget.no_caution.value == (name,)
    assert widget.caution.native.isHidden()
    layer = dock.run(qtbot, widget)
    record = Record.of(layer.metadata)
    assert sentence not in record.report.warnings
    assert record.options().no_caution == (name,)
    (tick,) = widget.ticks.boxes.values()
    assert looked(qtbot, widget, tick.click) == (sentence,)
    assert widget.no_caution.value == ()


def test_what_is_silent_is_not_remembered(qtbot, viewer, settings):
    with dock.made(qtbot, viewer) as widget:
        widget.no_caution.value = ("domain",)
        widget.feather.value = 2
    with dock.made(qtbot, viewer) as widget:
        assert widget.feather.value == 2
        assert widget.no_caution.value == ()
