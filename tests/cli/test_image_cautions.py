"""What an image file makes one say reaches stderr before the run, the record and Python."""

import numpy as np
import pytest
import tifffile
import zarr

import toys
from napari_microenhance import Options, enhance
from napari_microenhance.cli import run
from napari_microenhance.images.image_formats import read_image, read_record
from napari_microenhance.records.image_input import ImageInput
from stores import ome_zarr

PLAIN = Options(intensity="none")


@pytest.fixture
def positions(tmp_path, rng):
    """An OME-TIFF with two images, and their pixels."""
    pictures = rng.integers(0, 255, (2, 40, 50), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as tif:
        for i, picture in enumerate(pictures):
            tif.write(picture, metadata={"axes": "YX", "Name": f"field {i}"})
    return tmp_path / "a.ome.tif", pictures


@pytest.fixture
def model(tmp_path):
    return toys.plain(tmp_path / "toy.onnx", convs=1)


def test_series_chooses_and_is_chosen_again(positions, model, tmp_path, capfd):
    path, pictures = positions
    out = tmp_path / "out.tif"
    typed = ["--model", str(model), "--intensity", "none"]
    assert run(["enhance", str(path), str(out), *typed, "--series", "1"]) == 0
    assert "several" not in capfd.readouterr().err
    expected = enhance(pictures[1], model, options=PLAIN)
    np.testing.assert_array_equal(read_image(out).pixels, expected.pixels)
    again = ["rerun", str(out), str(tmp_path / "again.tif"), "--image", str(path),
             "--model", str(model)]  # fmt: skip
    assert run(again) == 2  # the first image is not the recorded one
    assert run([*again, "--series", "1"]) == 0
    assert run(["enhance", str(path), str(out), *typed, "--series", "2", "--overwrite"]) == 2
    assert "has no series 2; it holds 2" in capfd.readouterr().err


def test_other_images_are_said_once_and_can_be_silenced(positions, model, tmp_path, capfd):
    path, _ = positions
    typed = [str(path), str(tmp_path / "out.tif"), "--model", str(model), "--overwrite"]
    assert run(["enhance", *typed]) == 0
    (line,) = [x for x in capfd.readouterr().err.splitlines() if "2 images" in x]
    assert '1: "field 1"' in line
    warnings = read_record(tmp_path / "out.tif")["warnings"]
    assert [text for text in warnings if "2 images" in text] == [line.removeprefix("Warning: ")]
    assert run(["enhance", *typed, "--no-caution", "several-images"]) == 0
    assert "2 images" not in capfd.readouterr().err
    assert not [t for t in read_record(tmp_path / "out.tif")["warnings"] if "2 images" in t]


def test_absent_chunks_are_said_of_files_and_of_arrays(model, tmp_path, rng):
    pixels = rng.integers(100, 4000, (64, 80), dtype=np.uint16)
    path = ome_zarr(tmp_path / "a.zarr", [[("s0", pixels, 1.0)]])
    (path / "s0" / "1.2").unlink()
    array = zarr.open(str(path / "s0"), mode="r")
    for image in (path, ImageInput.of(read_image(path)), array):
        report = enhance(image, model, options=PLAIN).report
        (said,) = [text for text in report.warnings if "chunks are missing" in text]
        assert "1 of 20 chunks are missing" in said
        assert "the ROI lacks 1 of its 20" in said
    for corner, absent in ((0, 0), (10, 1)):
        mask = np.zeros(pixels.shape, bool)
        mask[corner : corner + 12, 40:45] = True
        warnings = enhance(path, model, mask, options=PLAIN).report.warnings
        (said,) = [text for text in warnings if "chunks are missing" in text]
        assert f"the ROI lacks {absent} of its {1 + absent}." in said


def test_arrays_find_chunks_named_otherwise(model, tmp_path, rng):
    pixels = rng.integers(100, 4000, (64, 80), dtype=np.uint16)
    path = ome_zarr(tmp_path / "a.zarr", [[("s0", pixels, 1.0)]]) / "s0"
    for chunk in list(path.glob("[0-9]*")):
        row, column = chunk.name.split(".")
        (path / row).mkdir(exist_ok=True)
        chunk.rename(path / row / column)
    result = enhance(zarr.open(str(path), mode="r"), model, options=PLAIN)
    np.testing.assert_array_equal(result.pixels, enhance(pixels, model, options=PLAIN).pixels)
    assert any("named as in" in text for text in result.report.warnings)
