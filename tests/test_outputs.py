"""Where an output may go: never onto an input, and over something else only when asked."""

import json
import os
from pathlib import Path

import pytest

from napari_microenhance.errors import OutputError
from napari_microenhance.files import folds_case
from napari_microenhance.outputs import guard_inputs, guard_output, is_own_store


def store(folder: Path, *, own: bool = False) -> Path:
    """Make a Zarr group, as we or as others write it."""
    folder.mkdir(parents=True)
    attributes = {"napari-microenhance": {}} if own else {}
    text = json.dumps({"zarr_format": 3, "node_type": "group", "attributes": attributes})
    (folder / "zarr.json").write_text(text)
    return folder


def array(folder: Path) -> Path:
    """Make what stands for an array of a Zarr group."""
    folder.mkdir()
    (folder / "zarr.json").write_text('{"zarr_format": 3, "node_type": "array"}')
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "in.tif"
    path.write_bytes(b"x")
    return path


def refused(target: Path, words: str, *, overwrite: bool = True, **inputs: Path) -> None:
    """Assert that an output is refused, even when a replacement was asked for."""
    with pytest.raises(OutputError, match=words):
        guard_output(target, overwrite=overwrite, inputs=inputs)


# --- what stands there -----------------------------------------------------------


def test_what_is_not_there_is_free(tmp_path):
    guard_output(tmp_path / "out.tif", overwrite=False)
    guard_output(tmp_path / "no" / "such" / "folder.tif", overwrite=False)


def test_a_file_goes_only_when_asked(tmp_path, file):
    with pytest.raises(OutputError, match=r"OUT already exists .* or overwrite=True to replace"):
        guard_output(file, overwrite=False)
    with pytest.raises(OutputError, match=r"--report already exists .* or --overwrite to replace"):
        guard_output(file, overwrite=False, name="--report", option="--overwrite")
    guard_output(file, overwrite=True)
    (tmp_path / "link.tif").symlink_to(file)
    refused(tmp_path / "link.tif", "already exists", overwrite=False)


def test_a_link_to_nothing_is_free(tmp_path):
    (tmp_path / "link.tif").symlink_to(tmp_path / "nothing.tif")
    guard_output(tmp_path / "link.tif", overwrite=False)


def test_only_our_own_stores_go(tmp_path):
    own, other = store(tmp_path / "own.zarr", own=True), store(tmp_path / "other.zarr")
    assert is_own_store(own)
    assert not is_own_store(other)
    guard_output(own, overwrite=True)
    refused(own, "already exists", overwrite=False)
    refused(other, "was not written by this program")
    refused(tmp_path, "is a folder")
    (tmp_path / "empty.zarr").mkdir()
    refused(tmp_path / "empty.zarr", "is a folder")


@pytest.mark.parametrize("text", ["", "[]", '{"attributes": 3}', "{", '{"attributes": {"ome": 1}}'])
def test_damaged_metadata_are_not_ours(tmp_path, text):
    folder = store(tmp_path / "x.zarr")
    (folder / "zarr.json").write_text(text)
    assert not is_own_store(folder)
    refused(folder, "was not written by this program")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_devices_and_pipes_are_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe.tif")
    refused(tmp_path / "pipe.tif", "not an ordinary file")
    refused(Path(os.devnull), "not an ordinary file")


# --- inputs ----------------------------------------------------------------------


def test_an_input_is_never_an_output(tmp_path, file):
    (tmp_path / "link.tif").symlink_to(file)
    (tmp_path / "sub").mkdir()
    os.link(file, tmp_path / "hard.tif")
    for same in (
        file,
        tmp_path / "link.tif",
        tmp_path / "hard.tif",
        tmp_path / "sub" / ".." / "in.tif",
    ):
        refused(same, "OUT is the same file as IN", IN=file)
        refused(file, "OUT is the same file as IN", IN=same)


def test_relative_and_absolute_names_are_one(tmp_path, file, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(Path("in.tif"), "same file", IN=file)
    refused(Path("out.tif"), "same file", IN=tmp_path / "out.tif")  # neither exists


def test_a_store_that_holds_an_input_stays(tmp_path):
    outer = store(tmp_path / "G.zarr", own=True)
    inner = array(outer / "0")
    refused(outer, r"G\.zarr\) contains IN", IN=inner)
    nested = store(outer / "results" / "out.zarr", own=True)
    refused(outer, "contains IN", IN=array(nested / "0"))
    refused(nested, "contains IN", IN=nested / "0")


def test_nothing_is_written_into_an_input(tmp_path):
    outer = store(tmp_path / "G.zarr")
    inner = array(outer / "0")
    for target in ("out.zarr", "0/out.zarr", "labels/new/out.tif", "1"):
        refused(outer / target, "lies inside IN", IN=outer)
        # A part of a store stands for all of it.
        refused(outer / target, "lies inside IN", IN=inner)
    guard_output(tmp_path / "G2.zarr", overwrite=False, inputs={"IN": inner})
    guard_output(outer / ".." / "G3.zarr", overwrite=False, inputs={"IN": inner})


def test_links_hide_neither_holding_nor_lying_in(tmp_path):
    outer = store(tmp_path / "deep" / "G.zarr", own=True)
    inner = array(outer / "0")
    (tmp_path / "short").symlink_to(tmp_path / "deep")
    (tmp_path / "level").symlink_to(inner)
    refused(tmp_path / "short" / "G.zarr", "contains IN", IN=inner)
    refused(outer, "contains IN", IN=tmp_path / "level")
    refused(tmp_path / "short" / "G.zarr" / "x.zarr", "lies inside IN", IN=tmp_path / "level")
    # A store whose link leads outside: what it is called by would be gone.
    far = store(tmp_path / "far.zarr")
    (outer / "link").symlink_to(far)
    refused(outer, "contains IN", IN=outer / "link")


def test_folders_are_inputs_too(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    with pytest.raises(OutputError, match="lies inside --model"):
        guard_inputs(package / "out.png", {"--model": package})
    with pytest.raises(OutputError, match="is the same file as --model"):
        guard_inputs(package, {"--model": package})
    guard_inputs(tmp_path / "out.png", {"--model": package, "--roi": None})


def test_names_that_differ_in_case_are_one_where_the_file_system_says_so(tmp_path, monkeypatch):
    upper, lower = tmp_path / "OUT.tif", tmp_path / "out.tif"
    if not folds_case(tmp_path):
        guard_inputs(upper, {"--report": lower})
        # What such a file system answers to the question.
        monkeypatch.setattr("napari_microenhance.outputs.folds_case", lambda _: True)
    refused(upper, "same file as report", report=lower)
    refused(tmp_path / "É.json", "same file", report=tmp_path / "É.JSON")
    guard_inputs(tmp_path / "other.tif", {"--report": lower})


def test_the_question_for_case_leaves_nothing(tmp_path):
    folds_case(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert folds_case(tmp_path / "missing") is False
