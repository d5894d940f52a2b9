"""The dock "Inspect result" in a real napari window, as a plugin sees it."""

import numpy as np
import pytest
from napari.layers import Layer
from npe2 import PluginManifest
from qtpy.QtCore import QThreadPool
from skimage.transform import downscale_local_mean

from napari_microenhance.api import compare, enhance, load_model
from napari_microenhance.contributions.samples import cells
from napari_microenhance.images.image_formats import write_image
from napari_microenhance.widgets import InspectWidget
from napari_microenhance.widgets.docking import show_inspect
from napari_microenhance.widgets.inspect.inspected_result import read_inspected
from napari_microenhance.widgets.inspect.saving import save_result
from napari_microenhance.widgets.viewer.layer_values import RECORD_KEY
from napari_microenhance.widgets.viewer.layer_values import read_image as read_layer
from napari_microenhance.widgets.viewer.results import plan_layer

pytestmark = pytest.mark.viewer

WAIT_MS = 60_000


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy(show=True, strict_qt="raise")


@pytest.fixture
def plugin(npe2pm, root):
    with npe2pm.tmp_plugin(manifest=PluginManifest.from_file(root / "napari.yaml")) as registered:
        yield registered


@pytest.fixture
def pair(viewer):
    """Return the layers of the cell sample and of its enhanced ROI, and that ROI."""
    (data, meta, _), (roi, _, _) = cells()
    image = viewer.add_image(data, **meta, scale=(0.5, 0.5), rotate=10)
    model = load_model("detail-classic")
    result = enhance(data, model, list(roi))
    plan = plan_layer(read_layer(image), result, model)
    return image, viewer.add_layer(Layer.create(plan.data, plan.meta, plan.kind)), list(roi)


def ended(qtbot, widget, act, wanted):
    heard = []
    for name in ("compared", "mapped", "repeated", "failed"):
        getattr(widget, name).connect(lambda *what, n=name: heard.append((n, *what)))
    act()
    qtbot.waitUntil(lambda: bool(heard), timeout=WAIT_MS)
    name, *what = heard[0]
    assert name == wanted, heard[0]
    return what


def test_a_result_is_compared_mapped_and_run_again(plugin, viewer, qtbot, pair):
    image, layer, roi = pair
    widget = show_inspect(viewer, layer)
    assert isinstance(widget, InspectWidget)
    assert widget.isVisible()
    (found,) = ended(qtbot, widget, widget.changes.compare.click, "compared")
    assert found.total == compare(image.data, layer.data, roi).total
    # No figure is cut off, and nothing is wider than the dock.
    table = widget.changes.table
    qtbot.waitUntil(lambda: not table.verticalScrollBar().isVisible(), timeout=WAIT_MS)
    assert table.rowCount() * table.rowHeight(0) < table.height()
    assert widget.changes.histogram.isVisible()
    # All of the image in sight, beside the dock.
    viewer.window.resize(1500, 900)
    qtbot.wait(50)
    viewer.reset_view()
    qtbot.wait(50)
    before = viewer.screenshot(flash=False)
    _, shown = ended(qtbot, widget, widget.trust.buttons["raw consistency"].click, "mapped")
    assert shown.colorbar.visible
    shown.colorbar.visible = False
    qtbot.wait(50)
    after = viewer.screenshot(flash=False)
    changed = (before != after).any(axis=-1)
    # The map covers its ROI on the canvas, and nothing else.
    covered = (
        np.isfinite(shown.data).mean() * shown.data.size * (0.5 * viewer.scene.camera.zoom) ** 2
    )
    assert 0.8 * covered < changed.sum() < 1.1 * covered
    (again,) = ended(qtbot, widget, widget.record.buttons["again"].click, "repeated")
    np.testing.assert_array_equal(again.data, layer.data)
    assert "identical" in widget.status.text()
    viewer.window.remove_dock_widget(widget)
    assert QThreadPool.globalInstance().waitForDone(WAIT_MS)


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_napari_opens_a_result_with_its_record(plugin, viewer, tmp_path, suffix):
    (data, _, _), (roi, _, _) = cells()
    result = enhance(data, "detail-classic", list(roi))
    path = tmp_path / f"a{suffix}"
    write_image(path, result.pixels, "YX", record=result.report.to_dict())
    (layer,) = viewer.open(path, plugin=plugin.name)
    np.testing.assert_array_equal(layer.data, result.pixels)
    assert layer.metadata[RECORD_KEY]["model"]["name"] == "detail-classic"
    other = tmp_path / f"b{suffix}"
    half = downscale_local_mean(data, (2, 2)).astype(np.uint8)
    write_image(other, half, "YX")
    (layer,) = viewer.open(other, plugin=plugin.name)
    np.testing.assert_array_equal(layer.data, half)
    assert RECORD_KEY not in layer.metadata


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_a_saved_result_is_shown_and_selected_as_it_was(plugin, viewer, qtbot, tmp_path, suffix):
    (data, _, _), (roi, _, _) = cells()
    result = enhance(data, "detail-classic", list(roi))
    layer = viewer.add_image(
        result.pixels,
        metadata={RECORD_KEY: result.report.to_dict()},
        colormap="viridis",
        contrast_limits=(12, 99),
        gamma=0.7,
        blending="additive",
    )
    image = viewer.add_image(data, name="cells")
    path = tmp_path / f"a{suffix}"
    save_result(path, read_inspected(image, layer))
    viewer.layers.clear()
    result, mask = viewer.open(path, plugin=plugin.name)
    assert not mask.visible
    assert result.colormap.name == "viridis"
    np.testing.assert_allclose(result.colormap.colors, layer.colormap.colors, atol=1e-4)
    assert tuple(result.contrast_limits) == (12, 99)
    assert result.gamma == 0.7
    assert str(result.blending) == "additive"
    qtbot.waitUntil(lambda: viewer.layers.selection.active == result)


def test_napari_need_not_ask_who_reads_an_ordinary_picture(plugin, npe2pm):
    for name in ("a.tif", "a.tiff", "a.png", "a.jpg"):
        assert not [
            r for r in npe2pm.iter_compatible_readers([name]) if r.plugin_name == plugin.name
        ]
    (reader,) = npe2pm.iter_compatible_readers(["a.ome.tif"])
    assert reader.command == f"{plugin.name}.read_result"


def test_closing_the_window_ends_a_map(make_napari_viewer_proxy, plugin, qtbot):
    viewer = make_napari_viewer_proxy(show=True, strict_qt="raise")
    (data, meta, _), _ = cells()
    image = viewer.add_image(data, **meta)
    model = load_model("detail-classic")
    result = enhance(data, model, [np.array([(90.0, 90.0), (90.0, 150.0), (150.0, 90.0)])])
    plan = plan_layer(read_layer(image), result, model)
    viewer.add_layer(Layer.create(plan.data, plan.meta, plan.kind))
    widget = show_inspect(viewer)
    widget.trust.buttons["variability"].click()
    qtbot.wait(100)
    viewer.close()
    assert QThreadPool.globalInstance().waitForDone(WAIT_MS)
