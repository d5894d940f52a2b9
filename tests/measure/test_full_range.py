"""What PSNR and SSIM take as full range: that of the run, else a rule that is said."""

import numpy as np
import pytest
from skimage import metrics

import toys
from napari_microenhance.api import Options, compare, enhance, methods_text
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import OptionsError
from napari_microenhance.images.image_formats import write_image
from napari_microenhance.measure.full_range import FullRange, full_range


def test_the_range_is_the_runs_and_said(tmp_path, rng):
    # 12 bits in 16: full range of the number type would make every change look like none.
    image = (rng.integers(200, 1800, (60, 70)) + rng.normal(0, 30, (60, 70))).astype(np.uint16)
    image[0, 0] = 4095
    result = enhance(image, toys.plain(tmp_path / "net.onnx"))
    found = compare(image, result)
    kept = result.report.intensity
    assert found.data_range == pytest.approx(kept["high"] - kept["low"])
    assert found.range_origin == "recorded"
    span = found.data_range
    expected = metrics.peak_signal_noise_ratio(image, result.pixels, data_range=span)
    assert found.total.psnr == pytest.approx(expected)
    assert "recorded by the run" in str(found.full_range)
    assert str(found.full_range) in methods_text(result.report, found)
    bare = compare(image, result.pixels)
    assert (bare.data_range, bare.range_origin) == (np.ptp(image), "values")
    # Of a crop, too, it is that of the image it was cut from.
    path = tmp_path / "crop.tif"
    crop = enhance(
        image,
        "detail-classic",
        [np.array([(9, 9), (9, 40), (40, 40), (40, 9)])],
        options=Options(background="crop", intensity="none"),
    )
    write_image(path, crop.pixels, "YX", record=crop.report.to_dict())
    assert compare(image, path).data_range == np.ptp(image)
    stored = {**crop.report.to_dict(), "intensity": {"low": [5, 9], "high": [70, 60]}}
    write_image(path, crop.pixels, "YX", record=stored)
    assert compare(image, path).data_range == 65
    eight = image.astype(np.uint8)
    assert compare(eight, eight).full_range == FullRange(255.0, "number type")
    told = compare(image, result, data_range=4095)
    assert (told.data_range, told.range_origin) == (4095, "given")
    assert told.to_dict()["range_origin"] == "given"
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(OptionsError, match="data_range"):
            compare(image, result, data_range=wrong)


@pytest.mark.parametrize(
    ("image", "span"),
    [
        (np.array([[3, 4], [5, 9]], np.uint8), 255),
        (np.array([[3, 4], [5, 9]], np.uint16), 6),
        (np.array([[-3, 4], [5, 9]], np.int16), 12),
        (np.array([[-0.5, np.nan], [np.inf, 1.5]], np.float32), 2),
        (np.full((2, 2), 7, np.uint16), 1),
        (np.full((2, 2), np.nan), 1),
        (np.array([[[0, 9, 3, 4000]]], np.uint16), 9),
    ],
)
def test_a_type_that_says_nothing_gives_way_to_the_values(image, span):
    assert full_range(Source(image)).span == span
