"""Whether a result is what a run would give now."""

import dataclasses

import numpy as np
import pytest

from napari_microenhance.api import Options, enhance, load_model
from napari_microenhance.images.image_formats import read_image, write_image
from napari_microenhance.images.result_writing import write_result
from napari_microenhance.records import Record
from napari_microenhance.records.agreement import disagreements, holds_recorded_pixels
from napari_microenhance.records.image_input import ImageInput
from napari_microenhance.records.inputs import selection_of

BOX = [np.array([(5, 5), (5, 30), (25, 30), (25, 5)])]
MASK = np.zeros((40, 50), bool)
MASK[3:9, 4:20] = True
ASKED = Options(feather=1)


@pytest.fixture(scope="module")
def model():
    return load_model("detail-classic")


@pytest.fixture
def image(rng):
    return rng.integers(0, 255, (40, 50), dtype=np.uint8)


def found(record, image, roi, model, options):
    source = ImageInput.of(image).source
    return disagreements(record, source, selection_of(roi, source)[0], model, options)


@pytest.mark.parametrize("roi", [None, BOX, MASK], ids=["whole", "outline", "mask"])
def test_the_same_run_agrees_and_each_difference_is_named(image, model, roi):
    record = Record.of(enhance(image, model, roi, options=ASKED).report)
    assert found(record, image, roi, model, ASKED) == ()
    same = dataclasses.replace(ASKED, threads=1, no_caution=("domain",))
    assert found(record, image, roi, model, same) == ()
    assert found(record, image, roi, model, dataclasses.replace(ASKED, provider="cpu")) == ()
    assert found(record, image, roi, model, Options(dilate=2)) == (
        *("the option dilate", "the option feather"),
    )
    assert found(record, image[::-1], roi, model, ASKED) == ("the image",)
    assert found(record, image, [BOX[0] + 1], model, ASKED) == ("the ROI",)
    assert found(record, image, roi, load_model("denoise"), ASKED) == ("the model",)


def test_another_version_is_named(image, model):
    record = Record.of(enhance(image, model, options=ASKED).report)
    kept = record.to_dict()
    kept["versions"] = {**kept["versions"], "napari-microenhance": "0.0.1"}
    assert found(Record.of(kept), image, None, model, ASKED) == ("the software",)


@pytest.mark.parametrize(
    ("name", "shape", "axes", "options"),
    [
        ("r.tif", (40, 50), "YX", Options()),
        ("r.png", (40, 50, 3), "YXC", Options()),
        ("r.tif", (3, 2, 40, 50), "ZCYX", Options()),
        ("r.ome.tif", (2, 3, 40, 50), "TZYX", Options(background="crop")),
        ("r.ome.zarr", (2, 40, 50), "CYX", Options(background="white")),
        ("r.tif", (40, 50), "YX", Options(dtype="float32")),
    ],
)
def test_a_file_still_holds_its_pixels_or_not(tmp_path, rng, model, name, shape, axes, options):
    pixels = rng.integers(0, 255, shape, dtype=np.uint8)
    write_image(tmp_path / "in.tif", pixels, axes)
    file = read_image(tmp_path / "in.tif")
    result = enhance(file.pixels, model, BOX, file.axes, options=options)
    record = Record.of(result.report)
    write_result(tmp_path / name, result, file, record.to_dict())
    assert holds_recorded_pixels(tmp_path / name, Record.of(tmp_path / name))
    other = np.roll(result.pixels, 1, axis=result.axes.index("Y"))
    write_image(tmp_path / name, other, result.axes, record=record.to_dict())
    assert not holds_recorded_pixels(tmp_path / name, Record.of(tmp_path / name))


def test_an_enlarged_result_is_found_in_its_file(tmp_path, image):
    model = load_model("superres-x2")
    result = enhance(image, model, BOX)
    write_image(tmp_path / "r.tif", result.pixels, "YX", record=result.report.to_dict())
    assert holds_recorded_pixels(tmp_path / "r.tif", Record.of(tmp_path / "r.tif"))
