"""The dock "Inspect result" on a viewer without a window."""

import csv
import gc
import html
import io
import json
import threading
import weakref

import npe2
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Layer
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QApplication, QFileDialog, QLabel, QMessageBox

import toys
from napari_microenhance.api import (
    Options,
    command_line,
    compare,
    enhance,
    load_model,
    mismatch_map,
    raw_consistency,
    variability,
)
from napari_microenhance.errors import Cancelled, FileMissingError, ImageError, OutputError
from napari_microenhance.images.image_formats import (
    read_changed,
    read_image,
    read_record,
    write_image,
)
from napari_microenhance.measure.profiles import line_profile
from napari_microenhance.records import RecordMismatchError
from napari_microenhance.rois.region_of_interest import Roi
from napari_microenhance.widgets import InspectWidget
from napari_microenhance.widgets.inspect.maps import MAP_KEY
from napari_microenhance.widgets.inspect.sections.comparison_table import ROWS
from napari_microenhance.widgets.inspect.sections.plots import MISSING
from napari_microenhance.widgets.viewer.layer_values import RECORD_KEY
from napari_microenhance.widgets.viewer.layer_values import read_image as read_layer
from napari_microenhance.widgets.viewer.live import is_live
from napari_microenhance.widgets.viewer.results import plan_layer

SQUARE = np.array([(20.0, 30.0), (20.0, 70.0), (60.0, 70.0), (60.0, 30.0)])
TRIANGLE = np.array([(70.0, 10.0), (90.0, 60.0), (66.0, 90.0)])
WAIT_MS = 60_000
ENDS = ("compared", "mapped", "repeated", "saved", "failed", "cancelled")


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def data(rng):
    return rng.integers(20, 200, (96, 128), dtype=np.uint8)


@pytest.fixture
def network(tmp_path):
    return toys.plain(tmp_path / "net.onnx")


@pytest.fixture
def widget(qtbot, viewer):
    made = InspectWidget(viewer)
    qtbot.addWidget(made)
    yield made
    made.close()
    assert QThreadPool.globalInstance().waitForDone(WAIT_MS)


@pytest.fixture
def notes():
    notification_manager.records.clear()
    yield lambda: [n.message for n in notification_manager.records]
    notification_manager.records.clear()


def run(viewer, image, model, roi=None, **options):
    """Run as "Enhance ROI" does, and return the result's layer and the result."""
    source, model = read_layer(image), load_model(model)
    result = enhance(source.data, model, roi, source.axes, options=Options(**options))
    plan = plan_layer(source, result, model)
    layer = Layer.create(plan.data, plan.meta, plan.kind)
    viewer.layers.append(layer)
    return layer, result


def ended(qtbot, widget, act, wanted):
    """Do something, wait for how it ends, and return what came with that."""
    heard = []
    for name in ENDS:
        getattr(widget, name).connect(lambda *what, n=name: heard.append((n, *what)))
    act()
    qtbot.waitUntil(lambda: bool(heard), timeout=WAIT_MS)
    name, *what = heard[0]
    assert name == wanted, heard[0]
    return what


def table_of(widget):
    """Return the texts of the table, by row and column."""
    table = widget.changes.table
    columns = [table.horizontalHeaderItem(x).text() for x in range(table.columnCount())]
    rows = [table.verticalHeaderItem(y).text() for y in range(table.rowCount())]
    return {
        (row, column): table.item(y, x).text()
        for y, row in enumerate(rows)
        for x, column in enumerate(columns)
    }


def offered(chooser):
    """Return the texts that a chooser offers."""
    return [chooser.native.itemText(i) for i in range(chooser.native.count())]


def choose_file(monkeypatch, path, *, to_open=False):
    """Answer the next question for a file."""
    name = "getOpenFileName" if to_open else "getSaveFileName"
    monkeypatch.setattr(QFileDialog, name, lambda *_: (str(path), ""))


# Which pair


def test_it_follows_the_selected_result_and_finds_its_original(widget, viewer, data, rng):
    assert "Select a result" in widget.status.text()
    assert not widget.changes.compare.isEnabled()
    image = viewer.add_image(data, name="cells")
    viewer.add_image(rng.integers(0, 9, (96, 128), dtype=np.uint8), name="other")
    first, _ = run(viewer, image, "detail-classic", [SQUARE])
    second, _ = run(viewer, image, "detail-classic", [TRIANGLE])
    assert (widget.result.value, widget.original.value) == (second, image)
    viewer.layers.selection.active = first
    assert (widget.result.value, widget.original.value) == (first, image)
    assert widget.changes.compare.isEnabled()
    assert "1,681 px, 1 outline" in widget.record.facts.text()
    viewer.layers.selection.active = image
    assert widget.result.value == first
    image.name = "renamed"
    assert "renamed" in offered(widget.original)
    viewer.layers.remove(first)
    assert widget.result.value == second


def test_an_original_that_is_gone_is_said_and_another_can_be_chosen(
    widget, viewer, data, qtbot, notes
):
    image = viewer.add_image(data, name="cells")
    run(viewer, image, "detail-classic", [SQUARE])
    viewer.layers.remove(image)
    assert "not among the layers" in widget.status.text()
    assert not widget.changes.compare.isEnabled()
    assert widget.record.buttons["methods"].isEnabled()
    bright = viewer.add_image(data + 1, name="brighter")
    assert not widget.changes.compare.isEnabled()
    widget.original.value = bright
    bright.name = "much brighter"
    assert widget.original.value == bright
    (found,) = ended(qtbot, widget, widget.changes.compare.click, "compared")
    assert found.different_outside > 0
    assert notes() == []


def test_layers_of_other_size_get_one_sentence(widget, viewer, data, qtbot, notes):
    image = viewer.add_image(data, name="cells")
    run(viewer, image, "detail-classic")
    widget.original.value = viewer.add_image(data[:50, :77], name="part")
    (error,) = ended(qtbot, widget, widget.changes.compare.click, "failed")
    assert isinstance(error, ImageError)
    assert notes() == [str(error)]
    assert "50 x 77" in widget.status.text()
    assert widget.changes.compare.isEnabled()
    assert len(viewer.layers) == 3


def test_layers_that_lie_apart_are_compared_with_a_remark(widget, viewer, data, qtbot):
    image = viewer.add_image(data, name="cells")
    layer, _ = run(viewer, image, "detail-classic")
    ended(qtbot, widget, widget.changes.compare.click, "compared")
    assert "do not overlap" not in widget.changes.notes.text()
    layer.translate = (0, 40)
    ended(qtbot, widget, widget.changes.compare.click, "compared")
    assert "do not overlap" in widget.changes.notes.text()


@pytest.mark.parametrize(
    "damage",
    [
        {"model": 1},
        {"roi": {"box": [[0, 900], [0, 2]], "runs": [[0, 5]]}},
        {"options": {"tile": "wide"}},
        {"provider": None},
        {"image": {"axes": 3, "shape": "?"}, "seconds": 4},
    ],
)
def test_a_damaged_record_is_said_and_breaks_nothing(widget, viewer, data, qtbot, notes, damage):
    image = viewer.add_image(data, name="cells")
    layer, _ = run(viewer, image, "detail-classic", [SQUARE])
    layer.metadata = {RECORD_KEY: {**layer.metadata[RECORD_KEY], **damage}}
    viewer.layers.selection.active = image
    viewer.layers.remove(layer)
    viewer.layers.append(layer)
    widget.original.value = image
    if widget.record.buttons["again"].isEnabled():
        ended(qtbot, widget, widget.record.buttons["again"].click, "failed")
        assert len(notes()) == 1
        assert "\n" not in notes()[0]
    else:
        assert "Damaged" in widget.record.facts.text()
    assert list(viewer.layers) == [image, layer]


# What changed


@pytest.mark.parametrize("background", ["original", "crop"])
def test_the_table_shows_what_compare_says(widget, viewer, data, qtbot, background):
    image = viewer.add_image(data, name="cells", scale=(0.5, 0.5), rotate=20)
    roi = [SQUARE, TRIANGLE]
    _, result = run(viewer, image, "detail-classic", roi, background=background)
    widget.changes.beyond.setValue(1.5)
    (found,) = ended(qtbot, widget, widget.changes.compare.click, "compared")
    wanted = compare(data, result, roi, beyond=1.5)
    assert found.total == wanted.total
    assert [part.figures for part in found.parts] == [part.figures for part in wanted.parts]
    assert found.notes == ()
    texts = table_of(widget)
    assert {row for row, _ in texts} == {name for name, _ in ROWS.values()}
    assert [c for r, c in texts if r == "Pixels"] == ["Total", "Part 1", "Part 2"]
    part = wanted.parts[1].figures
    assert texts["SSIM", "Part 2"] == f"{part.ssim:.4f}"
    assert texts["Mean", "Part 2"] == f"{part.mean_before:.5g} → {part.mean_after:.5g}"
    assert texts["Changed beyond noise", "Total"] == f"{wanted.total.changed:.2%}"
    if background == "original":
        assert "no pixel differs" in widget.changes.notes.text()
    heights = widget.changes.histogram.axes.patches
    np.testing.assert_array_equal(heights[1].get_data().values, wanted.histogram.after)


def test_only_enhanced_planes_of_a_stack_count(widget, viewer, rng, qtbot):
    data = rng.integers(0, 200, (4, 64, 70), dtype=np.uint8)
    image = viewer.add_image(data, name="stack")
    layer, _ = run(viewer, image, "detail-classic", [SQUARE[:, ::-1] / 2], planes=(1, 2))
    (found,) = ended(qtbot, widget, widget.changes.compare.click, "compared")
    wanted = compare(data, layer.data, [SQUARE[:, ::-1] / 2], "ZYX", planes=(1, 2))
    assert found.total == wanted.total
    assert [plane.name for plane in found.planes] == ["Z=1", "Z=2"]
    patch, _ = run(
        viewer, image, "detail-classic", [SQUARE[:, ::-1] / 2], planes=(1, 2), background="crop"
    )
    assert patch.data.shape[0] == 2
    (again,) = ended(qtbot, widget, widget.changes.compare.click, "compared")
    assert again.total.mean_after == wanted.total.mean_after
    assert again.total.pixels == wanted.total.pixels


def test_a_region_that_the_run_grew_is_compared_as_it_was_processed(widget, viewer, data, qtbot):
    image = viewer.add_image(data, name="cells")
    _, result = run(viewer, image, "detail-classic", [SQUARE], dilate=6)
    (found,) = ended(qtbot, widget, widget.changes.compare.click, "compared")
    grown = np.zeros(data.shape, bool)
    grown[14:67, 24:77] = True
    assert found.total == compare(data, result, grown).total
    assert found.total.pixels == grown.sum() == result.report.roi["pixels"]
    assert found.different_outside == 0
    assert "dilated by 6 px, as processed by the run" in widget.changes.notes.text()


@pytest.mark.parametrize("background", ["original", "crop"])
def test_regions_count_on_their_own_planes(widget, viewer, rng, qtbot, background):
    data = rng.integers(0, 200, (5, 96, 128), dtype=np.uint8)
    image = viewer.add_image(data, name="stack")
    rois = [Roi(SQUARE, planes={"Z": 1}), Roi(TRIANGLE, planes={"Z": 3})]
    layer, result = run(viewer, image, "detail-classic", rois, background=background)
    (found,) = ended(qtbot, widget, widget.changes.compare.click, "compared")
    wanted = compare(data, result, rois, "ZYX")
    assert found.total == wanted.total
    assert [part.figures for part in found.parts] == [part.figures for part in wanted.parts]
    inside = [plane.name for plane in found.planes if plane.figures.pixels]
    assert len(inside) == 2
    assert "on planes of their own (Z = 1, 3)" in widget.record.facts.text()
    (again,) = ended(qtbot, widget, widget.record.buttons["again"].click, "repeated")
    np.testing.assert_array_equal(again.data, layer.data)
    assert "identical" in widget.status.text()


def test_figures_are_copied_and_saved_to_the_last_digit(
    widget, viewer, data, qtbot, tmp_path, monkeypatch
):
    image = viewer.add_image(data, name="cells")
    run(viewer, image, "detail-classic", [SQUARE, TRIANGLE])
    assert not widget.changes.copy.isEnabled()
    (found,) = ended(qtbot, widget, widget.changes.compare.click, "compared")
    widget.changes.copy.click()
    lines = QApplication.clipboard().text().splitlines()
    assert [line.split("\t") for line in lines] == list(csv.reader(io.StringIO(found.to_csv())))
    choose_file(monkeypatch, tmp_path / "figures")
    (path,) = ended(qtbot, widget, widget.changes.save.click, "saved")
    assert path.name == "figures.csv"
    assert path.read_text() == found.to_csv()
    choose_file(monkeypatch, tmp_path / "nowhere" / "a.csv")
    (error,) = ended(qtbot, widget, widget.changes.save.click, "failed")
    assert isinstance(error, OutputError)
    choose_file(monkeypatch, "")
    widget.changes.save.click()
    assert [p.name for p in tmp_path.iterdir()] == ["figures.csv"]


def test_a_result_of_labels_has_nothing_to_compare(widget, viewer, data, qtbot):
    image = viewer.add_image(data, name="cells")
    layer, _ = run(viewer, image, "detail-classic")
    record = layer.metadata[RECORD_KEY]
    spec = {**record["model"]["spec"], "task": "labels"}
    layer.metadata = {RECORD_KEY: {**record, "model": {**record["model"], "spec": spec}}}
    (error,) = ended(qtbot, widget, widget.changes.compare.click, "failed")
    assert "holds labels" in str(error)


def test_a_profile_follows_the_line(widget, viewer, rng, qtbot, network):
    data = rng.integers(0, 250, (3, 96, 128), dtype=np.uint8)
    image = viewer.add_image(data, name="stack", scale=(2, 0.5, 0.7), translate=(1, 3, 9))
    layer, _ = run(viewer, image, network, [SQUARE])
    heard = []
    widget.profiled.connect(heard.append)
    widget.changes.draw_line.click()
    shapes = viewer.layers.selection.active
    assert shapes.mode == "add_line"
    assert is_live(shapes)  # no ROI for a run
    line = np.array([(25.5, 20.0), (50.0, 90.25)])
    shapes.add_lines([line])
    viewer.dims.set_point(0, 1 + 2 * 2)

    def wanted(plane):
        before, after = (pixels[plane][None] for pixels in (data, layer.data))
        return line_profile(before, after, shapes.data[-1])

    def shows(plane):
        got = [one for one in heard[-1:] if one is not None]
        if not got or got[0].after.shape != wanted(plane).after.shape:
            return False
        return np.allclose(got[0].after, wanted(plane).after, atol=1e-9)

    qtbot.waitUntil(lambda: shows(2), timeout=WAIT_MS)
    np.testing.assert_allclose(heard[-1].before, wanted(2).before, atol=1e-9)
    assert not np.array_equal(heard[-1].before, heard[-1].after)
    shapes.data = [line + 7]
    qtbot.waitUntil(lambda: shows(2), timeout=WAIT_MS)
    drawn = widget.changes.profile.axes.lines
    np.testing.assert_array_equal(drawn[1].get_ydata(), heard[-1].after[0])
    viewer.layers.remove(shapes)
    qtbot.waitUntil(lambda: heard[-1] is None, timeout=WAIT_MS)
    assert widget.changes.profile.isHidden()


def test_a_profile_of_a_finer_result_and_of_a_patch(widget, viewer, data, qtbot, tmp_path):
    image = viewer.add_image(data, name="cells")
    layer, _ = run(viewer, image, toys.espcn(tmp_path / "x2.onnx"), [SQUARE])
    assert layer.data.shape == (192, 256)
    heard = []
    widget.profiled.connect(heard.append)
    widget.changes.draw_line.click()
    line = np.array([(25.5, 35.0), (50.0, 60.25)])
    viewer.layers.selection.active.add_lines([line])
    qtbot.waitUntil(lambda: heard[-1:] not in ([], [None]), timeout=WAIT_MS)
    wanted = line_profile(data[None], layer.data[None], line, scale=2)
    np.testing.assert_array_equal(heard[-1].after, wanted.after)
    patch, _ = run(viewer, image, "detail-classic", [SQUARE], background="crop")
    qtbot.waitUntil(lambda: len(heard[-1].distance) < len(wanted.distance), timeout=WAIT_MS)
    corner = (20, 30)
    inner = data[20:61, 30:71]
    wanted = line_profile(inner[None], patch.data[None], line - corner)
    np.testing.assert_allclose(heard[-1].after, wanted.after, atol=1e-9)
    np.testing.assert_allclose(heard[-1].before, wanted.before, atol=1e-9)


def test_without_the_extra_a_sentence_stands_in_for_the_plot(
    widget, viewer, data, qtbot, monkeypatch
):
    monkeypatch.setitem(__import__("sys").modules, "napari_matplotlib.base", None)
    image = viewer.add_image(data, name="cells")
    run(viewer, image, "detail-classic", [SQUARE])
    ended(qtbot, widget, widget.changes.compare.click, "compared")
    (label,) = [child for child in widget.changes.histogram.findChildren(QLabel) if child.text()]
    assert label.text() == MISSING
    assert '"napari-microenhance[plot]"' in MISSING


def test_plots_follow_the_theme(widget, viewer, data, qtbot):
    image = viewer.add_image(data, name="cells")
    run(viewer, image, "detail-classic", [SQUARE])
    viewer.theme = "dark"
    ended(qtbot, widget, widget.changes.compare.click, "compared")
    dark = widget.changes.histogram.axes.xaxis.label.get_color()
    viewer.theme = "light"
    assert widget.changes.histogram.axes.xaxis.label.get_color() != dark


# Trust maps


def centre(layer, point):
    return np.asarray(layer.data_to_world(point))


def test_tile_mismatch_lies_over_the_image(widget, viewer, rng, qtbot, tmp_path, monkeypatch):
    path = toys.instance_norm(tmp_path / "norm.onnx")
    data = (rng.random((300, 330)) * np.linspace(0, 1, 330)).astype(np.float32)
    image = viewer.add_image(data, name="cells", scale=(0.5, 0.7), rotate=20, translate=(4, 5))
    roi = np.array([(30.0, 20.0), (30.0, 310.0), (280.0, 310.0), (280.0, 20.0)])
    layer, result = run(viewer, image, path, [roi], intensity="none", tile=128)
    viewer.layers.selection.active = layer
    choose_file(monkeypatch, path, to_open=True)
    widget.record.buttons["network"].click()
    act = widget.trust.buttons["tile mismatch"].click
    found, shown = ended(qtbot, widget, act, "mapped")
    wanted = mismatch_map(result)
    np.testing.assert_array_equal(shown.data, wanted.values)
    assert found.summary == wanted.summary == result.report.tile_mismatch
    start = wanted.start
    assert min(start) > 0
    np.testing.assert_allclose(
        centre(shown, (3, 4)), centre(image, (start[0] + 3, start[1] + 4)), atol=1e-6
    )
    assert shown.name == f"{layer.name} · tile mismatch"
    assert shown.contrast_limits[0] == 0
    assert shown.metadata[MAP_KEY]["reading"] == wanted.reading
    kept = layer.metadata[RECORD_KEY]["trust"]["tile mismatch"]
    assert kept["summary"] == wanted.summary
    assert "Bright lines are seams" in widget.trust.readings["tile mismatch"].text()
    assert viewer.layers.selection.active == layer
    assert widget.result.value == layer
    # A map is neither an original nor a result, nor anything for another run.
    assert is_live(shown)
    assert shown not in widget.original.choices
    assert shown not in widget.result.choices


def test_variability_and_consistency_of_a_finer_result(
    widget, viewer, data, qtbot, tmp_path, monkeypatch
):
    path = toys.espcn(tmp_path / "x2.onnx")
    image = viewer.add_image(data, name="cells", scale=(0.5, 0.7), rotate=20, translate=(4, 5))
    layer, _ = run(viewer, image, path, [SQUARE])
    choose_file(monkeypatch, path, to_open=True)
    widget.record.buttons["network"].click()
    act = widget.trust.buttons["variability"].click
    _, shown = ended(qtbot, widget, act, "mapped")
    wanted = variability(data, path, [SQUARE])
    np.testing.assert_array_equal(shown.data, wanted.values)
    # The first pixel of the map is the first quarter of the ROI's first pixel.
    np.testing.assert_allclose(centre(shown, (0, 0)), centre(image, (19.75, 29.75)), atol=1e-6)
    np.testing.assert_allclose(centre(shown, (2, 4)), centre(layer, (42, 64)), atol=1e-6)
    act = widget.trust.buttons["raw consistency"].click
    _, over = ended(qtbot, widget, act, "mapped")
    wanted = raw_consistency(data, layer.data, [SQUARE])
    np.testing.assert_array_equal(over.data, wanted.values)
    np.testing.assert_allclose(centre(over, (0, 0)), centre(image, (20, 30)), atol=1e-6)
    assert not shown.visible
    assert set(layer.metadata[RECORD_KEY]["trust"]) == {"variability", "raw consistency"}


def test_consistency_of_a_cropped_stack_lies_where_it_was(widget, viewer, rng, qtbot):
    data = rng.integers(0, 200, (4, 96, 128), dtype=np.uint8)
    image = viewer.add_image(data, name="stack", scale=(3, 0.5, 0.5))
    layer, _ = run(viewer, image, "detail-classic", [SQUARE], planes=(1, 2), background="crop")
    act = widget.trust.buttons["raw consistency"].click
    _, over = ended(qtbot, widget, act, "mapped")
    assert over.data.shape == layer.data.shape
    np.testing.assert_allclose(centre(over, (0, 0, 0)), centre(image, (1, 20, 30)), atol=1e-6)


def test_a_map_has_its_colours_explained_and_its_meaning_behind_a_button(
    widget, viewer, data, qtbot
):
    image = viewer.add_image(data, name="cells")
    run(viewer, image, "detail-classic", [SQUARE])
    seen = set()
    widget.bar.valueChanged.connect(lambda _: seen.add(widget.bar.text()))
    button = widget.trust.buttons["raw consistency"]
    found, layer = ended(qtbot, widget, button.click, "mapped")
    assert layer.colorbar.visible
    reading = widget.trust.readings["raw consistency"]
    assert f"{found.summary:.3g}" in reading.number.text()
    assert found.reading not in reading.number.text()
    assert reading.meaning.isHidden()
    reading.button.click()
    assert not reading.meaning.isHidden()
    assert found.reading in html.unescape(reading.text())


def test_variability_of_a_preview_covers_its_window(
    widget, viewer, data, qtbot, network, monkeypatch
):
    image = viewer.add_image(data, name="cells")
    source, model = read_layer(image), load_model(network)
    window = ((25, 50), (40, 90))
    result = enhance(source.data, model, [SQUARE], window=window)
    plan = plan_layer(source, result, model, preview=True)
    layer = Layer.create(plan.data, plan.meta, plan.kind)
    viewer.layers.append(layer)
    choose_file(monkeypatch, network, to_open=True)
    widget.record.buttons["network"].click()
    act = widget.trust.buttons["variability"].click
    found, shown = ended(qtbot, widget, act, "mapped")
    wanted = variability(data, model, [SQUARE], window=window)
    np.testing.assert_array_equal(found.values, wanted.values)
    assert shown.data.shape == layer.data.shape == (25, 31)
    np.testing.assert_allclose(centre(shown, (0, 0)), centre(image, (25, 40)), atol=1e-6)


def test_a_run_without_seams_has_no_map_of_them(widget, viewer, data, qtbot):
    image = viewer.add_image(data, name="cells")
    layer, result = run(viewer, image, "detail-classic", [SQUARE])
    assert not result.seams
    act = widget.trust.buttons["tile mismatch"].click
    _, shown = ended(qtbot, widget, act, "mapped")
    assert shown is None
    assert "no seams" in widget.status.text()
    assert list(viewer.layers) == [image, layer]


def test_a_map_can_be_cancelled_and_leaves_nothing(widget, viewer, data, qtbot, monkeypatch):
    image = viewer.add_image(data, name="cells")
    layer, _ = run(viewer, image, "detail-classic", [SQUARE])
    begun, over = threading.Event(), []

    def endless(*_, should_stop, **__):
        begun.set()
        while not should_stop():
            threading.Event().wait(0.01)
        over.append(True)
        raise Cancelled

    monkeypatch.setattr("napari_microenhance.widgets.inspect.maps.variability", endless)
    widget.trust.buttons["variability"].click()
    qtbot.waitUntil(begun.is_set, timeout=WAIT_MS)
    assert widget.cancel.isEnabled()
    assert not widget.changes.compare.isEnabled()
    ended(qtbot, widget, widget.cancel.click, "cancelled")
    qtbot.waitUntil(lambda: bool(over), timeout=WAIT_MS)
    assert list(viewer.layers) == [image, layer]
    assert layer.metadata[RECORD_KEY]["trust"] == {}
    assert widget.changes.compare.isEnabled()
    assert not widget.cancel.isEnabled()


@pytest.mark.parametrize("kind", [ValueError, RuntimeError, NotImplementedError])
def test_every_error_is_told_and_frees_the_buttons(
    widget, viewer, data, qtbot, monkeypatch, notes, kind
):
    image = viewer.add_image(data, name="cells")
    run(viewer, image, "detail-classic", [SQUARE])

    def broken(*_, **__):
        raise kind("it broke")

    monkeypatch.setattr(
        "napari_microenhance.widgets.inspect.comparison_control.compare_images", broken
    )
    (error,) = ended(qtbot, widget, widget.changes.compare.click, "failed")
    assert type(error) is kind
    assert notes() == [f"{kind.__name__}: it broke"]
    assert widget.changes.compare.isEnabled()


# Record


@pytest.mark.parametrize("background", ["original", "crop"])
def test_run_again_gives_the_same_pixels_in_the_same_place(widget, viewer, rng, qtbot, background):
    data = rng.integers(0, 60_000, (3, 64, 80), dtype=np.uint16)
    image = viewer.add_image(data, name="stack", scale=(2, 0.5, 0.7), translate=(1, 2, 3))
    layer, _ = run(
        viewer, image, "detail-classic", [SQUARE], planes=(1,), background=background, feather=2
    )
    (again,) = ended(qtbot, widget, widget.record.buttons["again"].click, "repeated")
    np.testing.assert_array_equal(again.data, layer.data)
    np.testing.assert_allclose(centre(again, (0, 1, 2)), centre(layer, (0, 1, 2)))
    assert "identical" in widget.status.text()
    assert again.metadata[RECORD_KEY]["rerun"]["identical"] is True
    assert widget.result.value == layer
    viewer.layers.selection.active = again
    assert widget.original.value == image
    assert "identical pixels" in widget.record.facts.text()


@pytest.mark.parametrize("answer", ["Yes", "No"])
def test_another_image_is_asked_about(widget, viewer, data, qtbot, monkeypatch, answer):
    image = viewer.add_image(data, name="cells")
    run(viewer, image, "detail-classic", [SQUARE])
    other = data.copy()
    other[40, 50] ^= 1
    widget.original.value = viewer.add_image(other, name="touched")
    asked = []

    def reply(_parent, _title, text):
        asked.append(text)
        return QMessageBox.StandardButton[answer]

    monkeypatch.setattr(QMessageBox, "question", reply)
    act = widget.record.buttons["again"].click
    if answer == "No":
        (error,) = ended(qtbot, widget, act, "failed")
        assert isinstance(error, RecordMismatchError)
        assert len(viewer.layers) == 3
    else:
        (again,) = ended(qtbot, widget, act, "repeated")
        wanted = enhance(other, "detail-classic", [SQUARE])
        np.testing.assert_array_equal(again.data, wanted.pixels)
        assert "differ from the recorded ones" in widget.status.text()
        assert "Not the same as in the record: the image" in widget.status.text()
    (text,) = asked
    assert "the image (SHA-256" in text


def test_a_network_that_is_gone_can_be_named(
    widget, viewer, data, qtbot, network, monkeypatch, tmp_path
):
    image = viewer.add_image(data, name="cells")
    layer, _ = run(viewer, image, network, [SQUARE])
    moved = network.rename(tmp_path / "moved.onnx")
    (error,) = ended(qtbot, widget, widget.record.buttons["again"].click, "failed")
    assert isinstance(error, FileMissingError)
    choose_file(monkeypatch, moved, to_open=True)
    widget.record.buttons["network"].click()
    (again,) = ended(qtbot, widget, widget.record.buttons["again"].click, "repeated")
    np.testing.assert_array_equal(again.data, layer.data)


def test_the_record_is_copied_in_three_ways(widget, viewer, data, qtbot):
    image = viewer.add_image(data, name="cells")
    layer, _ = run(viewer, image, "detail-classic", [SQUARE], tile=90)
    record = layer.metadata[RECORD_KEY]
    buttons, clipboard = widget.record.buttons, QApplication.clipboard()
    buttons["command"].click()
    assert clipboard.text() == command_line(record)
    buttons["methods"].click()
    assert "changed by more than" not in clipboard.text()
    (found,) = ended(qtbot, widget, widget.changes.compare.click, "compared")
    buttons["methods"].click()
    assert f"{found.total.changed:.1%} of the processed pixels" in clipboard.text()
    buttons["python"].click()
    names = {"data": data}
    script = clipboard.text().replace("read_image('image.tif', axes='YX').pixels", "data")
    exec(compile(script, "copied", "exec"), names)
    np.testing.assert_array_equal(names["result"].pixels, layer.data)


# Files


@pytest.fixture
def plugin(root, npe2pm):
    with npe2pm.tmp_plugin(manifest=npe2.PluginManifest.from_file(root / "napari.yaml")) as made:
        yield made


def opened(viewer, path):
    """Open a file as napari does, with this plugin's reader."""
    tuples = npe2.read([str(path)], stack=False, plugin_name="napari-microenhance")
    return [viewer._add_layer_from_data(*one)[0] for one in tuples]


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
@pytest.mark.parametrize("how", ["napari", "dock"])
def test_saved_loaded_and_run_again(
    plugin, widget, viewer, data, qtbot, tmp_path, monkeypatch, suffix, how
):
    placed = {"scale": (0.5, 0.5), "units": ("um", "um")}
    image = viewer.add_image(data, name="cells", **placed)
    layer, _ = run(viewer, image, "detail-classic", [SQUARE], dilate=2)
    path = tmp_path / f"result{suffix}"
    if how == "dock":
        choose_file(monkeypatch, path)
        ended(qtbot, widget, widget.record.buttons["save"].click, "saved")
        np.testing.assert_array_equal(read_changed(path), layer.data != data)
    else:
        npe2.write(str(path), [layer], plugin_name="napari-microenhance")
    viewer.layers.remove(layer)
    loaded, *masks = opened(viewer, path)
    np.testing.assert_array_equal(loaded.data, layer.data)
    np.testing.assert_allclose(centre(loaded, (3, 4)), centre(image, (3, 4)))
    assert len(masks) == (how == "dock")
    for mask in masks:
        assert isinstance(mask, Labels)
        np.testing.assert_array_equal(mask.data, layer.data != data)
        assert not mask.visible
    assert (widget.result.value, widget.original.value) == (loaded, image)
    (again,) = ended(qtbot, widget, widget.record.buttons["again"].click, "repeated")
    np.testing.assert_array_equal(again.data, layer.data)
    assert "identical to the recorded ones, and so is the whole layer" in widget.status.text()


def test_a_file_that_cannot_be_written_is_said(widget, viewer, data, qtbot, tmp_path, monkeypatch):
    image = viewer.add_image(data, name="cells")
    run(viewer, image, "detail-classic", [SQUARE])
    for name in ("nowhere/a.ome.tif", "a.xyz"):
        choose_file(monkeypatch, tmp_path / name)
        (error,) = ended(qtbot, widget, widget.record.buttons["save"].click, "failed")
        assert isinstance(error, OutputError)
    assert list(tmp_path.iterdir()) == []


def test_a_result_is_never_saved_over_what_it_was_made_of(
    plugin, widget, viewer, data, qtbot, tmp_path, monkeypatch
):
    path = tmp_path / "cells.ome.zarr"
    write_image(path, data, "YX")
    (image,) = viewer.open(path, plugin="napari-microenhance")
    run(viewer, image, "detail-classic", [SQUARE])
    for name in ("cells.ome.zarr", "cells.ome.zarr/result.ome.tif", "cells.ome.zarr/0"):
        choose_file(monkeypatch, tmp_path / name)
        (error,) = ended(qtbot, widget, widget.record.buttons["save"].click, "failed")
        assert isinstance(error, OutputError)
    np.testing.assert_array_equal(read_image(path).pixels[...], data)
    assert not (path / "result.ome.tif").exists()


def test_a_saved_result_keeps_axes_size_and_its_maps(
    widget, viewer, rng, qtbot, tmp_path, monkeypatch
):
    data = rng.integers(0, 250, (2, 64, 80), dtype=np.uint8)
    image = viewer.add_image(data, scale=(2, 0.5, 0.5), units=("um",) * 3, name="stack")
    layer, _ = run(viewer, image, "detail-classic", [SQUARE])
    ended(qtbot, widget, widget.trust.buttons["raw consistency"].click, "mapped")
    path = tmp_path / "a.ome.tif"
    choose_file(monkeypatch, path)
    ended(qtbot, widget, widget.record.buttons["save"].click, "saved")
    found = read_image(path)
    assert found.axes == "ZYX"
    assert found.pixel_size == {"Z": (2.0, "µm"), "Y": (0.5, "µm"), "X": (0.5, "µm")}
    assert read_record(path) == json.loads(json.dumps(layer.metadata[RECORD_KEY]))
    assert "raw consistency" in read_record(path)["trust"]


# Its end


def test_it_is_freed_and_deaf_once_it_is_gone(qtbot, viewer, data):
    image = viewer.add_image(data, name="cells")
    run(viewer, image, "detail-classic", [SQUARE])
    widget = InspectWidget(viewer)
    ended(qtbot, widget, widget.changes.compare.click, "compared")
    widget.changes.draw_line.click()
    viewer.layers.selection.active.add_lines([SQUARE[:2]])
    ref = weakref.ref(widget)
    widget.close()
    widget.deleteLater()
    qtbot.wait(10)
    # Events of the viewer reach nobody, though Python still knows the widget.
    viewer.add_image(data, name="late")
    viewer.theme = "light"
    viewer.layers.clear()
    del widget

    def is_gone():
        gc.collect()
        return ref() is None

    qtbot.waitUntil(is_gone, timeout=WAIT_MS)


def test_closing_ends_a_job(qtbot, viewer, data, monkeypatch):
    image = viewer.add_image(data, name="cells")
    run(viewer, image, "detail-classic", [SQUARE])
    begun, over = threading.Event(), threading.Event()

    def endless(*_, should_stop, **__):
        begun.set()
        while not should_stop():
            over.wait(0.01)
        over.set()
        raise Cancelled

    monkeypatch.setattr(
        "napari_microenhance.widgets.inspect.comparison_control.compare_images", endless
    )
    widget = InspectWidget(viewer)
    qtbot.addWidget(widget)
    widget.changes.compare.click()
    qtbot.waitUntil(begun.is_set, timeout=WAIT_MS)
    widget.close()
    qtbot.waitUntil(over.is_set, timeout=WAIT_MS)
    assert QThreadPool.globalInstance().waitForDone(WAIT_MS)
