"""Results of other kinds of networks, seen on the canvas of a real viewer."""

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtWidgets import QApplication

import dock
import toys
from napari_microenhance.widgets import EnhanceWidget

pytestmark = pytest.mark.viewer

STAR = np.array([(10.2, 40.1), (50.3, 20.2), (38.0, 60.4), (55.2, 100.1), (20.4, 80.3)])


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy(show=True, strict_qt="raise")


def docked(viewer):
    widget = EnhanceWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Enhance ROI")
    return widget


def seen(viewer):
    QApplication.processEvents()
    return viewer.screenshot(flash=False)[..., :3].astype(int)


def test_a_network_that_only_enlarges_changes_nothing_on_the_canvas(viewer, qtbot, rng, tmp_path):
    data = rng.integers(0, 256, (64, 128), dtype=np.uint8)
    image = viewer.add_image(data, name="cells", rotate=20, scale=(2, 1), translate=(7, 5))
    g = toys.Graph(1)
    path = g.save(tmp_path / "larger.onnx", g.up("x"), shape_out=("n", None, "a", "b"))
    widget = docked(viewer)
    dock.opened(qtbot, widget, path)
    before = seen(viewer)
    layer = dock.run(qtbot, widget)
    assert layer.data.shape == (128, 256)
    image.visible = False
    after = seen(viewer)
    # Half a pixel of the image is several of the canvas: a shift would change most of them.
    assert (np.abs(after - before).max(axis=-1) > 8).mean() < 0.005
    layer.visible = False
    assert (np.abs(seen(viewer) - before).max(axis=-1) > 8).mean() > 0.1


def test_labels_are_seen_inside_the_roi_alone(viewer, qtbot, tmp_path):
    data = np.zeros((64, 128), np.uint8)
    data[:, ::8] = 200
    viewer.add_image(data, name="cells", contrast_limits=(0, 255))
    viewer.add_shapes([STAR], shape_type="polygon", visible=False)
    g = toys.Graph(1)
    path = g.save(
        tmp_path / "cutter.onnx",
        g.node("Sigmoid", g.node("Sub", "x", g.constant(np.float32([0.5])))),
        metadata={"microenhance.task": "labels"},
    )
    widget = docked(viewer)
    dock.opened(qtbot, widget, path)
    before = seen(viewer)
    layer = dock.run(qtbot, widget)
    assert isinstance(layer, Labels)
    changed = (np.abs(seen(viewer) - before) > 8).any(axis=-1)
    assert 0.005 < changed.mean() < 0.2
    assert set(np.unique(layer.data)) == {0, 1}
    assert (layer.data[data == 0] == 0).all()
