"""What results are called, and that none of them costs anything."""

import numpy as np
import pytest

from napari_microenhance.errors import OutputError
from napari_microenhance.files import folds_case
from napari_microenhance.images.image_formats import write_image
from napari_microenhance.jobs.result_names import check_results, name_results, without_results

PIXELS = np.zeros((4, 5), np.uint8)


@pytest.fixture
def image(tmp_path):
    """Return the path of an image in a folder of its own."""
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.ome.tif", PIXELS, "YX")
    return tmp_path / "in" / "a.ome.tif"


def check(results, out, **how):
    chosen = {"inputs": {}, "resume": False, "overwrite": False, **how}
    check_results(results, out, **chosen)


def test_a_result_is_called_as_its_image(tmp_path, image):
    for suffix, name in ((".tif", "a.tif"), ("_x.ome.zarr", "a_x.ome.zarr")):
        assert name_results([image], tmp_path / "out", suffix) == {image: tmp_path / "out" / name}


@pytest.mark.parametrize("suffix", ["", " ", "tif", ".jpg", "/x.tif", ".txt"])
def test_a_suffix_that_says_no_format_is_refused(tmp_path, image, suffix):
    with pytest.raises(OutputError):
        name_results([image], tmp_path, suffix)


def test_two_results_of_one_name_are_refused(tmp_path, image):
    other = image.with_name("a.png")
    with pytest.raises(OutputError, match=r"a\.ome\.tif and a\.png would both become a\.tif"):
        name_results([image, other], tmp_path, ".tif")
    elsewhere = tmp_path / "deeper" / "a.ome.tif"
    with pytest.raises(OutputError, match="deeper"):
        name_results([image, elsewhere], tmp_path, ".tif")


def test_names_that_differ_in_case_are_two_where_the_folder_tells_them_apart(tmp_path, image):
    upper = image.with_name("A.tif")
    if folds_case(tmp_path):
        with pytest.raises(OutputError):
            name_results([image, upper], tmp_path, ".tif")
    else:
        assert len(set(name_results([image, upper], tmp_path, ".tif").values())) == 2


def test_a_result_is_never_an_input(tmp_path, image):
    plain = image.with_name("b.tif")
    write_image(plain, PIXELS, "YX")
    with pytest.raises(OutputError, match="same file"):
        check({plain: plain}, image.parent, overwrite=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.tif").symlink_to(plain)
    with pytest.raises(OutputError, match="same file"):
        check({plain: tmp_path / "out" / "b.tif"}, tmp_path / "out", overwrite=True)
    roi = tmp_path / "out" / "a.tif"
    write_image(roi, PIXELS, "YX")
    with pytest.raises(OutputError, match="--roi"):
        check({image: roi}, tmp_path / "out", overwrite=True, inputs={"--roi": roi})


def test_a_folder_of_results_is_no_image_and_lies_in_none(tmp_path):
    store = tmp_path / "a.ome.zarr"
    write_image(store, PIXELS, "YX")
    with pytest.raises(OutputError, match="is an image"):
        check({store: store / "a.tif"}, store)
    with pytest.raises(OutputError, match="lies inside"):
        check({store: store / "out" / "a.tif"}, store / "out")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file, or inside one"):
        check({store: tmp_path / "file" / "a.tif"}, tmp_path / "file")


def test_what_stands_there_is_named_before_anything_runs(tmp_path, image):
    results = {image.with_name(f"{n}.png"): tmp_path / f"{n}.tif" for n in "abcde"}
    for path in results.values():
        write_image(path, PIXELS, "YX")
    with pytest.raises(
        OutputError, match=r"5 results \(a\.tif, b\.tif, c\.tif and more\) already exist"
    ):
        check(results, tmp_path)
    check(results, tmp_path, overwrite=True)


def test_resuming_leaves_what_was_not_written_here(tmp_path, image):
    result = tmp_path / "a.tif"
    write_image(result, PIXELS, "YX")
    with pytest.raises(OutputError, match="without the record"):
        check({image: result}, tmp_path, resume=True)
    write_image(result, PIXELS, "YX", record={"any": 1})
    check({image: result}, tmp_path, resume=True)
    result.write_bytes(b"II*\x00")  # damaged
    with pytest.raises(OutputError, match="without the record"):
        check({image: result}, tmp_path, resume=True)
    check({image: result}, tmp_path, resume=True, listed={"a.tif"})


def test_earlier_results_beside_their_images_are_no_images(image):
    folder = image.parent
    result, own = folder / "a_x.tif", folder / "b_x.tif"
    write_image(result, PIXELS, "YX", record={"any": 1})
    write_image(own, PIXELS, "YX")
    assert without_results([image, result, own], folder, "_x.tif") == (image, own)
    assert without_results([image, result], folder.parent, "_x.tif") == (image, result)
    write_image(result, PIXELS, "YX")  # of the user's own
    assert without_results([image, result], folder, "_x.tif") == (image, result)
