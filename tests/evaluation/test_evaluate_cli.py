"""`microenhance evaluate`: its page, pictures and figures, and one line for every mistake."""

import json

import numpy as np
import pytest
from PIL import Image

import toys
from napari_microenhance.cli import run
from napari_microenhance.images.image_formats import write_image
from scenes import CAMERA


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    write_image(folder / "a.tif", CAMERA[:100, :120], "YX")
    write_image(folder / "a_labels.tif", (CAMERA[:100, :120] < 60).astype(np.uint16), "YX")
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.mark.timeout(600)
def test_the_command_writes_a_page_pictures_and_figures(tmp_path, images, capfd):
    net = toys.plain(tmp_path / "denoise-toy.onnx")
    up = toys.espcn(tmp_path / "superres-x2-toy.onnx")
    out, figures = tmp_path / "docs", tmp_path / "figures.json"
    arguments = ["evaluate", str(net), str(up), "--images", str(images), "--fields", "1"]
    arguments += ["--quick", "--out", str(out), "--json", str(figures)]
    assert run(arguments) == 0, capfd.readouterr().err
    page = (out / "models.md").read_text("utf-8")
    assert str(tmp_path) not in page
    assert "microenhance evaluate denoise-toy.onnx superres-x2-toy.onnx --images images" in page
    for name in ("denoise-toy", "superres-x2-toy"):
        assert f"## {name}" in page
        assert f"images/models/{name}.jpg" in page
        with Image.open(out / "images" / "models" / f"{name}.jpg") as panel:
            assert panel.size[0] > 900
    found = json.loads(figures.read_text())
    assert [n["task"] for n in found["networks"]] == ["denoise", "superres"]
    assert {s["scene"] for s in found["networks"][0]["scores"]} >= {"a"}
    assert set(found["megapixels_per_second"]) >= {"denoise-toy", "detail-classic"}
    assert (out / ".evaluation.json").exists()
    assert sorted(p.name for p in out.iterdir()) == [".evaluation.json", "images", "models.md"]


def test_what_cannot_be_evaluated_is_one_line(tmp_path, images, capfd):
    net = str(toys.plain(tmp_path / "denoise-toy.onnx"))
    out = ["--out", str(tmp_path / "docs"), "--quick"]
    small = tmp_path / "small"
    small.mkdir()
    write_image(small / "b.png", CAMERA[:50, :120], "YX")
    odd = tmp_path / "odd"
    odd.mkdir()
    write_image(odd / "c.tif", CAMERA, "YX")
    write_image(odd / "c_labels.tif", CAMERA[:90], "YX")
    for arguments, sentence in (
        ([net, "--images", str(tmp_path / "none")], "There is no folder"),
        (
            [net, "--fields", "0", "--images", str(tmp_path / "docs" / "images")],
            "nothing to evaluate",
        ),
        ([net, "--images", str(small)], "less than 96 px"),
        ([net, "--images", str(odd)], "has shape"),
        ([str(tmp_path / "none.onnx")], "none.onnx"),
    ):
        (tmp_path / "docs" / "images").mkdir(parents=True, exist_ok=True)
        assert run(["evaluate", *arguments, *out]) == 2
        error = capfd.readouterr().err
        assert sentence in error
        assert error.count("\n") == 1
        assert not (tmp_path / "docs" / "models.md").exists()
