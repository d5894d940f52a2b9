"""Presets in the dock widget and on the command line, and what is remembered of the last run."""

import json

import numpy as np
import pytest
from qtpy.QtWidgets import QMessageBox
from typer.testing import CliRunner

import dock
import toys
from napari_microenhance import load_preset
from napari_microenhance.api import Options, enhance, list_presets, save_preset
from napari_microenhance.cli import app
from napari_microenhance.errors import FileMissingError, OptionsError, OutputError
from napari_microenhance.images.image_formats import read_image, write_image
from napari_microenhance.widgets import EnhanceWidget
from napari_microenhance.widgets.enhance.preset_control import DEFAULTS, OWN
from napari_microenhance.widgets.fields.options_form import OPTION_NAMES, read_options
from napari_microenhance.widgets.viewer.settings import last_used, remember

MINE = Options(dilate=3, feather=2, tile=128, intensity=(10.0, 200.5), dtype="float32")


@pytest.fixture
def widget(qtbot, viewer, home):
    with dock.made(qtbot, viewer) as made:
        yield made


@pytest.fixture
def home(monkeypatch, tmp_path):
    """Let the user's presets be in a folder of the test's own."""
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(tmp_path / "data"))
    return tmp_path / "data" / "presets"


@pytest.fixture
def told(widget):
    errors = []
    widget.failed.connect(errors.append)
    return errors


def values(widget):
    return {name: getattr(widget, name).value for name in OPTION_NAMES}


# Files


def test_a_saved_preset_is_read_again(home, tmp_path):
    path = save_preset("for cells", MINE)
    assert path == home / "for cells.json"
    assert load_preset("for cells") == load_preset(path) == MINE
    assert list_presets() == ("article", "for cells")
    assert set(json.loads(path.read_text("utf-8"))) == {
        *("dilate", "feather", "tile", "intensity", "dtype")
    }
    with pytest.raises(OutputError, match="already exists"):
        save_preset("for cells", Options())
    assert load_preset("for cells") == MINE
    save_preset("for cells", Options(), overwrite=True)
    assert load_preset("for cells") == Options()


def test_planes_are_of_one_image_and_not_kept(home):
    assert load_preset(save_preset("a", Options(planes=(2,), feather=1))) == Options(feather=1)


@pytest.mark.parametrize("name", ["", "  ", "../up", "a/b", ".hidden", "a.", "x" * 61, "a\nb"])
def test_what_cannot_be_a_name_is_said(home, name):
    with pytest.raises(OptionsError, match="cannot be used as the name of a preset"):
        save_preset(name, MINE)
    assert not home.exists()


def test_the_presets_of_the_package_stay(home):
    with pytest.raises(OptionsError, match="is a built-in preset"):
        save_preset("article", MINE)
    assert load_preset("article").tile == 512


def test_a_folder_that_is_a_file_is_said(home, tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(OutputError, match="cannot be created"):
        save_preset("a", MINE)
    with pytest.raises(OutputError, match="cannot be written"):
        save_preset(tmp_path / "data" / "a.json", MINE)


def test_a_name_is_no_way_out_of_the_folder(home):
    save_preset("a", MINE)
    with pytest.raises(FileMissingError):
        load_preset("../presets/a")


def test_the_command_line_takes_what_the_widget_saved(widget, tmp_path, rng):
    widget.dilate.value, widget.background.value = 3, "white"
    widget.presets.save("mine")
    widget.presets.save_file(tmp_path / "shared")
    pixels = rng.integers(0, 256, (40, 50), dtype=np.uint8)
    write_image(tmp_path / "in.tif", pixels, "YX")
    mask = np.zeros((40, 50), np.uint8)
    mask[10:20, 10:30] = 1
    write_image(tmp_path / "roi.tif", mask, "YX")
    wanted = enhance(
        pixels, "detail-classic", roi=mask, options=Options(dilate=3, background="white")
    )
    for i, preset in enumerate(("mine", str(tmp_path / "shared.json"))):
        out = tmp_path / f"{i}.tif"
        command = ["enhance", str(tmp_path / "in.tif"), str(out), "--model", "detail-classic"]
        command += ["--roi", str(tmp_path / "roi.tif"), "--preset", preset]
        assert CliRunner().invoke(app, command).exit_code == 0
        np.testing.assert_array_equal(read_image(out).pixels, wanted.pixels)


# The row of the widget


def test_a_preset_sets_every_field(widget):
    widget.threads.value = 2
    widget.preset.value = "article"
    article = load_preset("article")
    assert read_options(widget) == article
    assert widget.preset.value == "article"
    widget.preset.value = DEFAULTS
    assert read_options(widget) == Options()


def test_a_changed_option_belongs_to_no_preset(widget):
    assert widget.preset.value == DEFAULTS
    widget.preset.value = "article"
    widget.dilate.value = 5
    assert widget.preset.value == OWN
    assert read_options(widget).tile == 512


def menu(widget, entry):
    actions = widget.preset_menu.native.menu().actions()
    next(action for action in actions if action.text() == entry).trigger()


def test_options_are_saved_by_name(widget, home, monkeypatch):
    dialogs = "napari_microenhance.widgets.enhance.preset_control"
    monkeypatch.setattr(f"{dialogs}.QInputDialog.getText", lambda *_: (" mine ", True))
    asked = []

    def question(*_):
        asked.append(1)
        return QMessageBox.StandardButton.No

    monkeypatch.setattr(f"{dialogs}.QMessageBox.question", question)
    widget.dilate.value = 7
    menu(widget, "Save as…")
    assert widget.preset.value == "mine"
    assert load_preset("mine") == Options(dilate=7)
    widget.dilate.value = 8
    menu(widget, "Save as…")
    assert asked == [1]
    assert load_preset("mine") == Options(dilate=7)
    monkeypatch.setattr(f"{dialogs}.QInputDialog.getText", lambda *_: ("other", False))
    menu(widget, "Save as…")
    assert list_presets() == ("article", "mine")


def test_a_shared_file_is_opened(widget, home, monkeypatch, tmp_path, qtbot, viewer):
    path = save_preset(tmp_path / "shared.json", MINE)
    monkeypatch.setattr(
        "napari_microenhance.widgets.enhance.preset_control.QFileDialog.getOpenFileName",
        lambda *_: (str(path), ""),
    )
    menu(widget, "Open file…")
    assert widget.preset.current_choice == "shared.json"
    assert read_options(widget) == MINE
    save_preset(path, Options(feather=9), overwrite=True)
    menu(widget, "Open file…")
    assert read_options(widget) == Options(feather=9)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "not a readable JSON"),
        ('{"tiel": 4}', "Unknown option 'tiel'"),
        ('{"tile": "big"}', "tile='big'"),
        ('{"dilate": 1000000}', "more than 100000 px"),
    ],
)
def test_a_damaged_preset_is_told_and_changes_no_field(widget, told, tmp_path, text, words):
    before = values(widget)
    path = tmp_path / "bad.json"
    path.write_text(text)
    widget.presets.open_file(path)
    assert words in str(told[0])
    assert len(told) == 1
    assert values(widget) == before
    assert widget.preset.value in (OWN, DEFAULTS)


def test_a_preset_that_is_gone_is_told(widget, told, home):
    widget.dilate.value = 2
    widget.presets.save("mine")
    widget.preset.value = DEFAULTS
    (home / "mine.json").unlink()
    widget.preset.value = "mine"
    assert "There is no preset 'mine'" in str(told[0])
    assert widget.preset.value == OWN
    assert read_options(widget) == Options()


def test_nonsense_in_a_field_is_not_saved(widget, told, home):
    widget.tile.native.setEditText("much")
    widget.presets.save("mine")
    assert "tile" in str(told[0])
    assert not home.exists()


# The last settings


def test_the_next_widget_begins_as_the_last_one_ended(settings, qtbot, viewer, home, rng):
    viewer.add_image(rng.integers(0, 256, (40, 50), dtype=np.uint8))
    with dock.made(qtbot, viewer) as widget:
        widget.feather.value, widget.intensity.value = 4, (3.0, 99.5)
        dock.run(qtbot, widget)
    assert "detail-classic" in settings.config_path.read_text("utf-8")
    again = EnhanceWidget(viewer)
    assert again.model.value == "detail-classic"
    assert read_options(again) == Options(feather=4, intensity=(3.0, 99.5))
    assert again.preset.value == OWN
    again.native.close()
    again.native.deleteLater()
    qtbot.wait(10)


def test_a_file_that_was_used_last_is_opened_again(settings, qtbot, viewer, home, tmp_path):
    path = toys.plain(tmp_path / "mine.onnx")
    remember(Options(), str(path))
    widget = EnhanceWidget(viewer)
    qtbot.waitUntil(lambda: "is open" in widget.status.value, timeout=dock.WAIT_MS)
    assert widget.model.value == str(path)
    widget.native.close()
    widget.native.deleteLater()
    qtbot.wait(10)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("no json", Options()),
        ("[1]", Options()),
        ('{"feather": 2, "gone": 1, "blend": "old", "tile": -4}', Options(feather=2)),
        ('{"dilate": 10000000}', Options()),
    ],
)
def test_what_is_out_of_date_is_left_out(settings, qtbot, viewer, home, options, expected):
    settings.last_used.options = options
    settings.last_used.network = "a network that is gone"
    widget = EnhanceWidget(viewer)
    assert read_options(widget) == expected
    assert widget.model.value == widget.model.choices[0]
    widget.native.close()
    widget.native.deleteLater()
    qtbot.wait(10)


def test_without_settings_nothing_is_remembered(npe2pm, plugin_settings):
    remember(MINE, "detail")
    assert last_used() == (Options(), "")


@pytest.mark.parametrize("name", ["defaults", "Custom", "mine.json", "../mine.json"])
def test_some_names_are_no_names_of_presets(name, widget, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    heard = []
    widget.failed.connect(heard.append)
    widget.presets.save(name)
    assert "cannot be used as the name of a preset" in str(heard[0])
    assert list(tmp_path.iterdir()) == []


def test_an_ending_that_is_added_replaces_no_file(widget, tmp_path):
    heard = []
    widget.failed.connect(heard.append)
    (tmp_path / "mine.json").write_text("precious")
    widget.presets.save_file(tmp_path / "mine")
    assert "mine.json already exists" in str(heard[0])
    assert (tmp_path / "mine.json").read_text() == "precious"
    widget.presets.save_file(tmp_path / "mine.json")
    assert (tmp_path / "mine.json").read_text() != "precious"
