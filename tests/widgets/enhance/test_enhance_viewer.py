"""The dock widget in a real napari window, as a plugin sees it."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from napari._app_model import get_app_model
from npe2 import PluginManifest
from qtpy.QtCore import QThreadPool
from skimage import io

import toys
from napari_microenhance.api import Options, enhance
from napari_microenhance.widgets import EnhanceWidget
from napari_microenhance.widgets.viewer.layer_values import RECORD_KEY
from napari_microenhance.widgets.viewer.live import is_live

pytestmark = pytest.mark.viewer

NETWORK = "detail-classic"
POLYGON = np.array([(20.3, 30.2), (24.1, 80.7), (70.5, 64.4), (61.2, 31.9)])
WAIT_MS = 60_000


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy(show=True, strict_qt="raise")


@pytest.fixture
def plugin(npe2pm, root):
    manifest = PluginManifest.from_file(root / "napari.yaml")
    with npe2pm.tmp_plugin(manifest=manifest) as registered:
        yield registered


def dock(viewer):
    widget = EnhanceWidget(viewer)
    widget.model.value = NETWORK
    viewer.window.add_dock_widget(widget, name="Enhance ROI")
    return widget


def click_and_wait(qtbot, widget, button, *signals):
    heard = []
    for name in signals:
        getattr(widget, name).connect(lambda *what, n=name: heard.append((n, *what)))
    button.native.click()
    qtbot.waitUntil(lambda: bool(heard), timeout=WAIT_MS)
    return heard[0]


def run(qtbot, widget):
    name, what = click_and_wait(qtbot, widget, widget.run, "completed", "failed")
    assert name == "completed", what
    return what


def slow_network(folder: Path) -> Path:
    """A network that takes seconds for one tile of 1024 px."""
    return toys.plain(folder / "slow.onnx", convs=24, width=64)


def opened(qtbot, widget, path):
    widget.open_model(path)
    qtbot.waitUntil(lambda: "is open" in widget.status.value, timeout=WAIT_MS)


def test_draw_run_compare(viewer, qtbot, rng):
    data = rng.integers(0, 4000, (96, 128), dtype=np.uint16)
    turn = {"scale": (0.5, 0.7), "rotate": 20, "units": ("um", "um")}
    image = viewer.add_image(data, name="cells", contrast_limits=(0, 4000), **turn)
    widget = dock(viewer)
    widget.draw_roi.native.click()
    viewer.layers[-1].add_polygons([POLYGON])
    layer = run(qtbot, widget)
    expected = enhance(data, NETWORK, roi=[POLYGON])
    np.testing.assert_array_equal(layer.data, expected.pixels)
    assert layer.metadata[RECORD_KEY]["plan"]["tiles"] >= 1
    np.testing.assert_allclose(layer.data_to_world((5, 6)), image.data_to_world((5, 6)))
    assert [x.name for x in viewer.layers] == ["cells", f"cells · {NETWORK}", "ROI of cells"]
    widget.side_by_side.value = True
    qtbot.wait(50)
    assert viewer.canvas.grid.enabled
    image.contrast_limits = (10, 999)
    assert tuple(layer.contrast_limits) == (10, 999)
    widget.side_by_side.value = False
    assert not viewer.canvas.grid.enabled
    assert [x.name for x in viewer.layers if not x.visible] == ["cells"]


def test_the_menu_opens_the_widget_for_the_active_image(plugin, make_napari_viewer, qtbot, caplog):
    viewer = make_napari_viewer(show=True, strict_qt="raise")
    viewer.add_image(np.zeros((16, 16), np.uint8), name="below")
    wanted = viewer.add_image(np.zeros((16, 16), np.uint8), name="wanted")
    viewer.add_image(np.zeros((16, 16), np.uint8), name="above")
    viewer.layers.selection.active = wanted
    get_app_model().commands.execute_command(f"{plugin.name}.show_enhance_roi").result()
    (widget,) = viewer.window.dock_widgets.values()
    assert isinstance(widget, EnhanceWidget)
    assert widget.image.value == wanted
    assert widget.native.isVisible()


def test_the_preview_is_what_the_canvas_shows(viewer, qtbot, rng):
    data = rng.integers(0, 256, (300, 400), dtype=np.uint8)
    image = viewer.add_image(data, name="cells", scale=(0.5, 0.5))
    widget = dock(viewer)
    viewer.scene.camera.zoom *= 4
    viewer.scene.camera.center = (0, 60, 80)
    qtbot.wait(200)
    corners = image.corner_pixels
    assert (corners[0] > 0).all()
    name, layer = click_and_wait(qtbot, widget, widget.preview, "previewed", "failed")
    assert name == "previewed"
    start = np.round(layer.translate / 0.5).astype(int)
    stop = start + layer.data.shape
    # napari rounds its corners outwards.
    assert np.abs(start - corners[0]).max() <= 1
    assert np.abs(stop - 1 - corners[1]).max() <= 1
    final = run(qtbot, widget)
    np.testing.assert_array_equal(final.data[start[0] : stop[0], start[1] : stop[1]], layer.data)


def test_finished_tiles_are_seen_on_the_canvas(viewer, qtbot, tmp_path):
    viewer.add_image(np.full((512, 512), 0.5, np.float32), name="grey", contrast_limits=(0, 1))
    widget = dock(viewer)
    opened(qtbot, widget, toys.plain(tmp_path / "toy.onnx", convs=20, width=24))
    widget.tile.value = 128
    before = viewer.screenshot(flash=False)
    seen = []

    def look():
        if any(is_live(layer) for layer in viewer.layers):
            picture = viewer.screenshot(flash=False)
            changed = (picture != before).any(axis=-1)
            seen.append(changed.mean())
        return bool(seen) and not widget.cancel.enabled

    widget.run.native.click()
    qtbot.waitUntil(look, timeout=WAIT_MS)
    # Some of the canvas changed while the run went on, the rest showed the original still.
    assert any(0.01 < part < 0.9 for part in seen)
    qtbot.waitUntil(lambda: widget.run.enabled, timeout=WAIT_MS)
    assert len(viewer.layers) == 2


def test_cancel_in_the_middle_of_a_long_tile(viewer, qtbot, rng, tmp_path):
    viewer.add_image(rng.random((1024, 1024), np.float32), contrast_limits=(0, 1))
    widget = dock(viewer)
    opened(qtbot, widget, slow_network(tmp_path))
    widget.tile.value = 1024
    heard = []
    widget.completed.connect(heard.append)
    widget.run.native.click()
    qtbot.wait(700)
    assert not heard, "the tile was over before the click"
    click_and_wait(qtbot, widget, widget.cancel, "cancelled")
    assert not heard
    assert len(viewer.layers) == 1
    widget.model.value = NETWORK
    run(qtbot, widget)


@pytest.mark.parametrize("how", ["viewer", "dock"])
def test_closing_ends_the_run(make_napari_viewer_proxy, qtbot, rng, tmp_path, how):
    viewer = make_napari_viewer_proxy(show=True, strict_qt="raise")
    viewer.add_image(rng.random((1024, 1024), np.float32), contrast_limits=(0, 1))
    widget = dock(viewer)
    opened(qtbot, widget, slow_network(tmp_path))
    widget.tile.value = 1024
    widget.run.native.click()
    qtbot.wait(300)
    if how == "viewer":
        viewer.close()
    else:
        viewer.window.remove_dock_widget(widget.native)
    assert QThreadPool.globalInstance().waitForDone(2000)
    assert not [t for t in threading.enumerate() if t.name.startswith("microenhance")]
    if how == "dock":
        qtbot.wait(50)
        assert len(viewer.layers) == 1


def test_a_stack_in_a_window(viewer, qtbot, rng):
    data = rng.integers(0, 256, (3, 64, 80, 3), dtype=np.uint8)
    viewer.add_image(data, rgb=True, name="film")
    widget = dock(viewer)
    widget.planes.value = "current"
    viewer.dims.set_point(0, 2)
    layer = run(qtbot, widget)
    expected = enhance(data, NETWORK, axes="ZYXC", options=Options(planes=(2,)))
    np.testing.assert_array_equal(layer.data, expected.pixels)


def test_the_demo_shows_the_main_job(tmp_path):
    code = (
        "from pathlib import Path; import sys; "
        "from napari_microenhance.widgets.demo import run_demo; "
        "print(run_demo(Path(sys.argv[1]), window=False))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "new")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    picture = Path(done.stdout.strip())
    assert picture == tmp_path / "new" / "napari.png"
    pixels = io.imread(picture)
    assert min(pixels.shape[:2]) > 500
    # Original and result stand side by side: neither half of the canvas is empty.
    middle = pixels[pixels.shape[0] // 2, :, :3].max(axis=-1)
    left, right = np.array_split(middle[pixels.shape[1] // 4 : 3 * pixels.shape[1] // 4], 2)
    assert left.std() > 10
    assert right.std() > 10


def test_the_benchmark_prints_its_figures(root):
    command = [sys.executable, "benchmarks/widget.py", "--size", "128", "--runs", "1"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert "beyond napari's own add" in done.stdout
