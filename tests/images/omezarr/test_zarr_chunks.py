"""Chunks that are not there: read as they are named, counted, or sparse."""

import shutil

import numpy as np
import pytest

from napari_microenhance.images.image_formats import read_image, write_image
from stores import ome_zarr

RNG = np.random.default_rng(11)
FULL = RNG.integers(100, 4000, (64, 80), dtype=np.uint16)


def names(file):
    return [note.name for note in file.notes]


def rename_chunks(folder, old, new):
    """Store the chunks of an array under names with another separator."""
    chunks = [p for p in folder.rglob("*") if p.is_file() and p.name not in
              (".zarray", ".zattrs", "zarr.json")]  # fmt: skip
    for chunk in chunks:
        name = chunk.relative_to(folder).as_posix().replace(old, new)
        target = folder / "new" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(chunk, target)
        chunk.unlink()
    for entry in list(folder.iterdir()):
        if entry.is_dir() and entry.name != "new":
            shutil.rmtree(entry)
    for entry in list((folder / "new").iterdir()):
        shutil.move(entry, folder / entry.name)
    (folder / "new").rmdir()


@pytest.mark.parametrize(("zarr_format", "said"), [(2, "."), (2, "/"), (3, "."), (3, "/")])
def test_chunks_named_otherwise_than_the_metadata_say_are_read(tmp_path, zarr_format, said):
    path = tmp_path / "a.zarr"
    kind = "v2" if zarr_format == 2 else "default"
    ome_zarr(path, [[("s0", FULL, 1.0), ("s1", FULL[::2, ::2], 2.0)]], zarr_format=zarr_format,
             chunk_key_encoding={"name": kind, "separator": said})  # fmt: skip
    for name in ("s0", "s1"):
        rename_chunks(path / name, said, "/" if said == "." else ".")
    found = read_image(path)
    assert names(found) == ["chunk-names"]
    np.testing.assert_array_equal(found.pixels, FULL)
    np.testing.assert_array_equal(found.levels[0], FULL[::2, ::2])


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_absent_chunks_of_a_copy_are_counted(tmp_path, zarr_format):
    path = ome_zarr(tmp_path / "a.zarr", [[("s0", FULL, 1.0)]], zarr_format=zarr_format)
    assert read_image(path).notes == ()
    for at in ((0, 1), (3, 4), (2, 2)):
        name = ".".join(map(str, at)) if zarr_format == 2 else "c/" + "/".join(map(str, at))
        (path / "s0" / name).unlink()
    found = read_image(path)
    assert names(found) == ["absent-chunks"]
    assert "3 of 20 chunks are missing" in found.notes[0].text


def test_a_store_without_any_chunk_is_said(tmp_path):
    path = ome_zarr(tmp_path / "a.zarr", [[("s0", FULL, 1.0)]])
    for chunk in (path / "s0").glob("[0-9]*"):
        chunk.unlink()
    assert "20 of 20 chunks are missing" in read_image(path).notes[0].text


def test_shards_count_as_chunks(tmp_path):
    path = ome_zarr(tmp_path / "a.zarr", [[("s0", FULL, 1.0)]], zarr_format=3, shards=(32, 80))
    (path / "s0" / "c" / "1" / "0").unlink()
    assert "1 of 2 chunks are missing" in read_image(path).notes[0].text


@pytest.mark.parametrize("fill", [0, 7])
def test_a_sparse_array_is_silent(tmp_path, fill):
    labels = np.full((64, 80), fill, np.int32)
    labels[18:30, 20:30] = 5
    labels[50:62, 66:78] = 6
    path = ome_zarr(tmp_path / "a.zarr", [[("s0", labels, 1.0)]], fill_value=fill,
                    config={"write_empty_chunks": False})  # fmt: skip
    assert len(list((path / "s0").glob("[0-9]*"))) == 2
    found = read_image(path)
    assert found.notes == ()
    np.testing.assert_array_equal(found.pixels, labels)


def test_results_of_ours_leave_out_chunks_of_zeros(tmp_path):
    pixels = np.zeros((1500, 1400), np.uint8)
    pixels[:1024, :1024] = 200
    write_image(tmp_path / "a.ome.zarr", pixels, "YX", record={"model": {}})
    assert read_image(tmp_path / "a.ome.zarr").notes == ()


def test_a_store_from_the_field_is_read(public_data):
    folder = public_data / "field" / "absent_chunks"
    found = read_image(folder / "meta_slash_files_dot.zarr")
    np.testing.assert_array_equal(found.pixels, np.load(folder / "truth.npy"))
