"""Outputs that exist, and outputs that would cost an input, on the command line."""

import json

import numpy as np
import pytest

from napari_microenhance.cli import run
from napari_microenhance.images.image_formats import read_image, write_image


@pytest.fixture
def stack(tmp_path, rng):
    """Return the pixels of an OME-Zarr of ours, G.zarr, and its path."""
    pixels = rng.integers(0, 255, (64, 80), dtype=np.uint8)
    write_image(tmp_path / "in.png", pixels, "YX")
    assert call("enhance", tmp_path / "in.png", tmp_path / "G.ome.zarr") == 0
    return tmp_path / "G.ome.zarr"


def call(command, *arguments):
    quick = ["--model", "detail-classic"] if command == "enhance" else []
    return run([command, *map(str, arguments), *quick])


def content(path):
    """Return every byte of a file, or of all files of a folder."""
    if path.is_file():
        return path.read_bytes()
    return {file.relative_to(path): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def refused(capfd, words, *arguments):
    """Assert exit 2 and one line with the words."""
    capfd.readouterr()
    assert call(*arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert words in err


def test_out_never_costs_its_own_input(tmp_path, stack, capfd):
    before = content(stack)
    for options in ([], ["--overwrite"]):
        refused(capfd, "contains IN", "enhance", stack / "0", stack, *options)
        refused(capfd, "same file as IN", "enhance", stack, stack, *options)
        refused(capfd, "lies inside IN", "enhance", stack, stack / "new.ome.zarr", *options)
        refused(capfd, "lies inside IN", "enhance", stack / "0", stack / "new.ome.zarr", *options)
        up = stack / "0" / ".."
        refused(capfd, "same file as IN", "enhance", stack, up, *options)
    assert content(stack) == before
    assert {path.name for path in tmp_path.iterdir()} == {"in.png", "G.ome.zarr"}


def test_a_store_of_others_is_never_replaced(tmp_path, stack, capfd):
    other = tmp_path / "other.ome.zarr"
    write_image(other, np.ones((20, 20), np.uint8), "YX")  # no run's record
    before = content(other)
    refused(capfd, "exists and was not", "enhance", tmp_path / "in.png", other, "--overwrite")
    (tmp_path / "folder.ome.zarr").mkdir()
    (tmp_path / "folder.ome.zarr" / "notes.txt").write_text("mine")
    folder = tmp_path / "folder.ome.zarr"
    refused(capfd, "is a folder", "enhance", tmp_path / "in.png", folder, "--overwrite")
    assert content(other) == before
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.tif", "out.ome.tif", "out.png", "out.ome.zarr"])
def test_a_result_is_replaced_only_when_asked(tmp_path, stack, name, capfd):
    image, out = tmp_path / "in.png", tmp_path / name
    assert call("enhance", image, out) == 0
    before = content(out)
    refused(capfd, "--overwrite to replace it", "enhance", image, out)
    assert content(out) == before
    write_image(tmp_path / "other.png", np.full((30, 40), 7, np.uint8), "YX")
    assert call("enhance", tmp_path / "other.png", out, "--overwrite") == 0
    assert read_image(out).pixels.shape == (30, 40)


def test_reports_are_replaced_only_when_asked(tmp_path, stack, capfd):
    image, report = tmp_path / "in.png", tmp_path / "r.json"
    report.write_text("mine")
    out = tmp_path / "out.tif"
    refused(capfd, "--report already exists", "enhance", image, out, "--report", report)
    assert not out.exists()
    assert report.read_text() == "mine"
    assert call("enhance", image, out, "--report", report, "--overwrite") == 0
    assert json.loads(report.read_text())["image"]["name"] == "in.png"
    inside = stack / "r.json"
    refused(capfd, "--report", "enhance", stack, tmp_path / "o.tif", "--report", inside)
    assert not inside.exists()


def test_rerun_keeps_its_inputs_too(tmp_path, stack, capfd):
    image, again = tmp_path / "in.png", tmp_path / "again.ome.zarr"
    for target, words in ((stack, "same file as FILE"), (image, "same file as IN")):
        refused(capfd, words, "rerun", stack, target, "--image", image, "--overwrite")
    assert call("rerun", stack, again, "--image", image) == 0
    refused(capfd, "--overwrite", "rerun", stack, again, "--image", image)
    assert call("rerun", stack, again, "--image", image, "--overwrite") == 0


@pytest.mark.slow
def test_demo_replaces_its_own_pictures(tmp_path, monkeypatch, capfd):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    for _ in range(2):
        assert run(["demo", "--out", str(tmp_path), "--no-window"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["before_after.png"]
