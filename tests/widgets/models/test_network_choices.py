"""Where networks come from: packages, dropped files, the user's folder, earlier sessions."""

import numpy as np
import platformdirs
import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication

import dock
import handmade
import toys
from napari_microenhance.api import enhance
from napari_microenhance.widgets.fields.theme_colours import DockColours, css
from napari_microenhance.widgets.models.recent import KEPT, add_recent, recent_files

DARK = DockColours.of_theme("dark")
BAD = css(DARK.error)

NETWORK = "detail-classic"


@pytest.fixture
def card(widget):
    return widget.card


# Packages


def package(folder, *, spoilt=False):
    """Return the files of a package with test tensors, as they lie in a folder."""
    folder.mkdir()
    made = handmade.Package(toys.plain(folder / "weights.onnx"))
    if spoilt:
        made.pair[1] = made.pair[1] + 1
    return made.new()


def test_a_package_is_verified(qtbot, widget, card, image, tmp_path):
    path = package(tmp_path / "made").zip(tmp_path / "made.zip")
    dock.opened(qtbot, widget, path)
    assert not card.verify.native.isHidden()
    card.verify.native.click()
    text = dock.said(qtbot, card, "the test output of its package")
    assert text.startswith("The model reproduces")
    assert BAD not in text


def test_a_package_that_lies_is_found_out(qtbot, widget, card, image, tmp_path):
    path = package(tmp_path / "made", spoilt=True).zip(tmp_path / "made.zip")
    dock.opened(qtbot, widget, path)
    card.verify.native.click()
    text = dock.said(qtbot, card, "the test output of its package")
    assert "does not reproduce" in text
    assert BAD in text


def test_a_plain_file_has_nothing_to_verify(qtbot, widget, card, image, tmp_path):
    dock.opened(qtbot, widget, toys.plain(tmp_path / "toy.onnx"))
    assert card.verify.native.isHidden()


# Where networks come from


# PySide marks the one public constructor of drag events as not for everyday use.
@pytest.mark.filterwarnings("ignore:.*QDragEnterEvent:DeprecationWarning")
@pytest.mark.parametrize("name", ["made.ZIP", "bioimageio.yaml", "rdf.yaml", "made.czann"])
def test_a_dropped_package_is_opened(qtbot, widget, image, tmp_path, name):
    made, folder = package(tmp_path / "made"), tmp_path / "folder"
    path = folder / name
    if name.endswith("yaml"):
        made.folder(folder, name)
    elif name.endswith("ZIP"):
        folder.mkdir()
        made.zip(path)
    else:
        folder.mkdir()
        path.write_bytes(b"nothing")
    failed = []
    widget.failed.connect(failed.append)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(p)) for p in (folder / "other.yaml", path)])
    how = Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    widget.native.show()
    for event in (QDragEnterEvent(QPoint(5, 5), *how), QDropEvent(QPointF(5, 5), *how)):
        QApplication.sendEvent(widget.native, event)
        assert event.isAccepted()
    assert widget.model.value == str(path)
    qtbot.waitUntil(lambda: "is open" in widget.status.value or bool(failed), timeout=dock.WAIT_MS)
    # A file that is no .czann was read as one.
    assert ["made.czann" in str(error) for error in failed] == [True] * name.endswith("czann")
    if name.endswith("yaml"):
        assert widget.model.current_choice == f"{name} (folder)"


def test_a_dialog_offers_every_kind_of_file(widget, monkeypatch):
    asked = []

    def ask(*words):
        asked.append(words[-1])
        return "", ""

    monkeypatch.setattr(
        "napari_microenhance.widgets.enhance.network_control.QFileDialog.getOpenFileName", ask
    )
    widget.open_file.native.click()
    kinds = asked[0].split(";;")[0]
    assert kinds == "Models (*.onnx *.zip *.czann *bioimageio.yaml *rdf.yaml)"


@pytest.fixture
def yours(tmp_path, monkeypatch):
    """The user's folder of networks, empty."""
    base = tmp_path / "data"
    monkeypatch.setattr(platformdirs, "user_data_dir", lambda *_, **__: str(base))
    (base / "models").mkdir(parents=True)
    return base / "models"


def test_networks_of_the_users_folder_are_offered_and_opened(
    qtbot, widget, viewer, rng, yours, tmp_path
):
    data = rng.integers(0, 256, (9, 40, 50), dtype=np.uint8)
    viewer.add_image(data)
    path = toys.volume(yours / "deep.onnx")
    (yours / "broken.onnx").write_bytes(b"no network")
    widget.model.reset_choices()
    offered = [str(choice) for choice in widget.model.choices]
    assert NETWORK in offered
    assert offered[-2:] == [str(yours / "broken.onnx"), str(path)]
    widget.model.value = str(path)
    assert widget.model.current_choice == "deep"
    qtbot.waitUntil(lambda: "is open" in widget.status.value, timeout=dock.WAIT_MS)
    widget.planes.value = "current"
    layer = dock.run(qtbot, widget)
    np.testing.assert_array_equal(layer.data, enhance(data, path, axes="ZYX").pixels)
    failed = []
    widget.failed.connect(failed.append)
    widget.model.value = str(yours / "broken.onnx")
    qtbot.waitUntil(lambda: bool(failed), timeout=dock.WAIT_MS)
    assert "broken" in str(failed[0])
    # It is still there to be tried again.
    assert str(yours / "broken.onnx") in widget.model.choices
    widget.model.value = NETWORK
    dock.run(qtbot, widget)


def offered(widget):
    widget.networks.recent.aboutToShow.emit()
    return [action.toolTip() for action in widget.networks.recent.actions() if action.isEnabled()]


def test_the_last_files_are_offered_the_latest_first(settings, qtbot, widget, image, tmp_path):
    assert offered(widget) == []
    paths = [toys.plain(tmp_path / f"{name}.onnx", seed=i) for i, name in enumerate("abc")]
    for path in (*paths, paths[0]):
        widget.status.value = ""
        dock.opened(qtbot, widget, path)
    wanted = [str(paths[0]), str(paths[2]), str(paths[1])]
    assert offered(widget) == wanted
    assert wanted[1] in settings.config_path.read_text("utf-8")
    paths[2].unlink()
    assert offered(widget) == [wanted[0], wanted[2]]
    widget.status.value = ""
    widget.networks.recent.actions()[1].trigger()
    qtbot.waitUntil(lambda: "is open" in widget.status.value, timeout=dock.WAIT_MS)
    assert widget.model.value == wanted[2]


def test_eight_files_are_remembered(settings, tmp_path):
    paths = [tmp_path / f"{i}.onnx" for i in range(10)]
    for path in paths:
        path.touch()
        add_recent(path)
    assert recent_files() == tuple(paths[:1:-1])
    assert len(recent_files()) == KEPT


def test_without_settings_nothing_is_remembered(npe2pm, plugin_settings, tmp_path):
    (tmp_path / "a.onnx").touch()
    add_recent(tmp_path / "a.onnx")
    assert recent_files() == ()


def test_a_file_that_is_no_network_is_not_remembered(settings, qtbot, widget, image, tmp_path):
    path = tmp_path / "no.onnx"
    path.write_bytes(b"no network")
    failed = []
    widget.failed.connect(failed.append)
    widget.open_model(path)
    qtbot.waitUntil(lambda: bool(failed), timeout=dock.WAIT_MS)
    assert offered(widget) == []
