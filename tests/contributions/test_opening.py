"""Opening files in a real napari window: by the menu, by dropping, with a choice remembered."""

import warnings

import npe2
import numpy as np
import pytest
import tifffile
from napari._app_model import get_app_model
from napari._qt.dialogs import qt_reader_dialog
from napari.qt import QtViewer
from napari.settings import get_settings
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_microenhance.images.image_formats import write_image

pytestmark = pytest.mark.viewer

OURS = "MicroEnhance"


@pytest.fixture
def window(make_napari_viewer, npe2pm, root):
    """Return a viewer with napari's own reader and ours."""
    manifest = npe2.PluginManifest.from_file(root / "napari.yaml")
    with npe2pm.tmp_plugin(package="napari"), npe2pm.tmp_plugin(manifest=manifest):
        yield make_napari_viewer(show=True, strict_qt="raise")
    get_settings().plugins.extension2reader = {}


@pytest.fixture
def remember():
    """Return a list; with something in it, the dialog's "Remember this choice" is ticked."""
    return []


@pytest.fixture
def dialog(monkeypatch, remember):
    """Press OK in the dialog, with what is selected in it; return what it showed."""
    seen = []

    def press(self):
        chosen = self.reader_btn_group.checkedButton().text()
        self.persist_checkbox.setChecked(bool(remember))
        seen.append((chosen, self.persist_checkbox.isChecked()))
        return chosen, self.persist_checkbox.isChecked()

    monkeypatch.setattr(qt_reader_dialog.QtReaderDialog, "get_user_choices", press)
    return seen


@pytest.fixture
def ordinary(tmp_path, rng):
    """Return an OME-TIFF and an OME-Zarr without a record, a plain TIFF, and their pixels."""
    pixels = rng.integers(0, 255, (2, 40, 50), dtype=np.uint8)
    for name in ("a.ome.tif", "a.ome.zarr"):
        write_image(tmp_path / name, pixels, "CYX", channel_names=("DAPI", "GFP"),
                    pixel_size={"Y": (0.5, "µm"), "X": (0.5, "µm")})  # fmt: skip
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    return tmp_path, pixels


def check(viewer, pixels):
    assert [layer.name for layer in viewer.layers] == ["DAPI", "GFP"]
    for layer, channel in zip(viewer.layers, pixels, strict=True):
        np.testing.assert_array_equal(np.asarray(layer.data), channel)
        np.testing.assert_allclose(layer.scale, (0.5, 0.5))


def drop(path):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, mime,
                       Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)  # fmt: skip
    (window,) = (w for w in QApplication.allWidgets() if isinstance(w, QtViewer))
    window.dropEvent(event)


@pytest.fixture
def choose(monkeypatch):
    """Return a function that chooses a file or folder in the menu File."""

    def act(path):
        monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_, **__: ([str(path)], ""))
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, **__: str(path))
        command = "open_folder_dialog" if path.is_dir() else "open_files_dialog"
        get_app_model().commands.execute_command(f"napari.window.file.{command}").result()

    return act


@pytest.mark.parametrize("name", ["a.ome.tif", "a.ome.zarr"])
def test_file_open_with_the_selected_reader(window, dialog, choose, ordinary, name):
    folder, pixels = ordinary
    choose(folder / name)
    assert dialog == [(OURS, False)]
    check(window, pixels)


@pytest.mark.parametrize("name", ["a.ome.tif", "a.ome.zarr"])
def test_drag_and_drop_with_the_selected_reader(window, dialog, ordinary, name):
    folder, pixels = ordinary
    drop(folder / name)
    assert dialog == [(OURS, False)]
    check(window, pixels)


def test_a_choice_that_is_remembered_asks_no_more_and_spoils_no_other_tiff(
    window, dialog, remember, ordinary
):
    folder, pixels = ordinary
    name = str(folder / "a.ome.tif")
    remember.append(True)
    drop(name)
    assert dialog == [(OURS, True)]
    assert get_settings().plugins.extension2reader == {"*.tif": "napari-microenhance"}
    window.layers.clear()
    window.open(name, plugin=None)  # which raises where two readers are left
    drop(name)
    assert len(dialog) == 1
    assert [layer.name for layer in window.layers] == ["DAPI", "GFP", "DAPI [1]", "GFP [1]"]
    window.layers.clear()
    with warnings.catch_warnings():
        # napari remembers the last suffix alone, and misses this reader for plain TIFF.
        warnings.filterwarnings("ignore", "Can't find napari-microenhance", RuntimeWarning)
        window.open(folder / "a.tif", plugin=None)
    (layer,) = window.layers
    np.testing.assert_array_equal(np.asarray(layer.data), pixels)


def test_a_remembered_zarr_folder_opens(window, dialog, remember, choose, ordinary):
    folder, pixels = ordinary
    name = folder / "a.ome.zarr"
    remember.append(True)
    choose(name)
    window.layers.clear()
    window.open(name, plugin=None)
    assert len(dialog) == 1
    check(window, pixels)


def test_a_plain_tiff_opens_unasked(window, dialog, ordinary):
    folder, pixels = ordinary
    drop(folder / "a.tif")
    assert dialog == []
    np.testing.assert_array_equal(np.asarray(window.layers[0].data), pixels)
