"""Which images files, folders and patterns stand for."""

import numpy as np
import pytest

from napari_microenhance.errors import FileMissingError, ImageError
from napari_microenhance.images.image_formats import write_image
from napari_microenhance.jobs.image_list import find_images, stem_of

PIXELS = np.zeros((4, 5), np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Return a folder of images and of what lies among images."""
    place = tmp_path / "in"
    place.mkdir()
    for name in ("b.tif", "A.png", "x.ome.tif", "z.ome.zarr"):
        write_image(place / name, PIXELS, "YX")
    for name in ("Thumbs.db", ".DS_Store", "._b.tif", "~$b.tif", "notes.txt", "b.json", "net.onnx"):
        (place / name).write_bytes(b"\x00\x01")
    (place / "broken.tif").write_bytes(b"")
    (place / "deeper").mkdir()
    write_image(place / "deeper" / "c.tif", PIXELS, "YX")
    return place


def names(given, out="/nowhere", left_out=()):
    return [path.name for path in find_images(given, out, left_out)]


def test_a_folder_stands_for_the_images_directly_in_it(folder, tmp_path):
    assert names([folder], tmp_path / "out") == [
        *("A.png", "b.tif", "broken.tif", "x.ome.tif", "z.ome.zarr")
    ]


def test_an_image_is_known_by_what_is_in_it_where_its_name_says_nothing(folder, tmp_path):
    (folder / "b.tif").rename(folder / "b.dat")
    assert "b.dat" in names([folder], tmp_path / "out")


def test_each_image_counts_once_in_the_order_given(folder, tmp_path):
    given = [folder / "x.ome.tif", str(folder / "*.tif"), folder]
    assert names(given, tmp_path / "out") == [
        *("x.ome.tif", "b.tif", "broken.tif", "A.png", "z.ome.zarr")
    ]


def test_what_a_shell_names_among_images_is_left_out(folder, tmp_path):
    everything = sorted(path for path in folder.iterdir() if path.name[0] != ".")
    found = names(everything, tmp_path / "out", [folder / "x.ome.tif"])
    assert found == ["A.png", "b.tif", "broken.tif", "c.tif", "z.ome.zarr"]


def test_a_pattern_does_not_run_into_the_results(folder):
    assert "c.tif" not in names([str(folder / "*")], folder / "deeper")


def test_a_name_with_brackets_is_a_file_before_it_is_a_pattern(tmp_path):
    write_image(tmp_path / "a[1].tif", PIXELS, "YX")
    write_image(tmp_path / "a1.tif", PIXELS, "YX")
    assert names([tmp_path / "a[1].tif"], tmp_path / "out") == ["a[1].tif"]


def test_a_link_is_an_image_of_its_own_name(folder, tmp_path):
    (tmp_path / "link.tif").symlink_to(folder / "b.tif")
    (tmp_path / "again").symlink_to(folder)
    given = [folder / "b.tif", tmp_path / "link.tif", tmp_path / "again" / "b.tif"]
    assert names(given, tmp_path / "out") == ["b.tif", "link.tif"]


def test_nothing_is_said(folder, tmp_path):
    with pytest.raises(FileMissingError, match="does not exist"):
        find_images([folder / "no.tif"], tmp_path)
    with pytest.raises(FileMissingError, match="No file matches"):
        find_images([folder / "*.czi"], tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="No image was found"):
        find_images([tmp_path / "empty"], tmp_path)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("x.ome.tif", "x"),
        ("x.OME.TIFF", "x"),
        ("x.y.tif", "x.y"),
        ("x.ome.zarr", "x"),
        ("x.zarr", "x"),
        ("x", "x"),
        (".ome.tif", ".ome"),
    ],
)
def test_the_stem_of_a_double_suffix(name, stem):
    assert stem_of(name) == stem
