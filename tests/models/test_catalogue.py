"""The networks of the user's own folder: named without being opened."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import platformdirs
import pytest
from typer.testing import CliRunner

import toys
from napari_microenhance import enhance, list_models, load_model
from napari_microenhance.cli import app
from napari_microenhance.models.catalogue import user_folder


@pytest.fixture
def yours(tmp_path, monkeypatch):
    """The user's folder of networks, which is not made yet."""
    monkeypatch.setattr(platformdirs, "user_data_dir", lambda *_, **__: str(tmp_path / "data"))
    return tmp_path / "data" / "models"


def own():
    return [info for info in list_models() if info.source == "user"]


def test_without_a_folder_there_are_none(yours):
    assert user_folder() == yours
    assert not yours.exists()
    assert own() == []
    assert all(info.source == "built-in" for info in list_models())


def test_what_may_be_a_network_is_named_and_nothing_is_opened(yours):
    yours.mkdir(parents=True)
    for name in ("b.onnx", "a.ZIP", "c.czann", "notes.txt", "b.zip", "detail-classic.onnx"):
        (yours / name).write_bytes(b"not opened")
    for name in ("packed", "other"):
        (yours / name).mkdir()
    (yours / "packed" / "rdf.yaml").write_bytes(b"not opened")
    (yours / "dir.onnx").mkdir()
    names = [info.name for info in own()]
    assert names == ["a", "b", "b.zip", "c", "detail-classic.onnx", "packed"]
    infos = list_models()
    assert [info.source for info in infos] == sorted(info.source for info in infos)
    assert sum(info.default for info in infos) == 1
    assert infos[0].default
    assert all(info.summary for info in infos)


def test_a_network_of_yours_is_used_by_its_name(yours, rng):
    yours.mkdir(parents=True)
    path = toys.plain(yours / "mine.onnx")
    model = load_model("mine")
    # It was measured, like any file.
    assert model.spec == load_model(path).spec
    assert model.source == "mine.onnx"
    image = rng.random((40, 50))
    np.testing.assert_array_equal(enhance(image, "mine").pixels, enhance(image, path).pixels)


def test_the_command_line_lists_them(yours):
    yours.mkdir(parents=True)
    path = toys.plain(yours / "mine.onnx")
    runner = CliRunner()
    lines = runner.invoke(app, ["models"]).stdout.splitlines()
    assert lines[-1] == "mine: Your own model, mine.onnx."
    rows = json.loads(runner.invoke(app, ["models", "--json"]).stdout)
    assert rows[-1]["source"] == "user"
    assert rows[-1]["path"] == str(path)
    assert set(rows[-1]) == {f.name for f in dataclasses.fields(own()[0])}


@pytest.mark.parametrize("info", list_models(), ids=lambda info: info.name)
def test_the_figures_of_a_card_stand_in_the_page(info):
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text("utf-8")
    found = re.findall(r"[-+]\d+\.\d\d \[[-+.\d]+, [-+.\d]+\]|\b0\.\d{3}\b", info.card)
    assert bool(found) == (info.name != "detail-classic")
    section = page.partition(f"\n## {info.name}\n")[2].partition("\n## ")[0]
    assert [figure for figure in found if figure not in section] == []
