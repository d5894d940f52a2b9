"""Big whole numbers: exact outside the region, and inside said where float32 rounds them."""

import numpy as np
import pytest

import toys
from napari_microenhance import Options, enhance, load_model

INSIDE = np.zeros((40, 50), bool)
INSIDE[10:20, 15:30] = True


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory):
    g = toys.Graph(1)
    path = tmp_path_factory.mktemp("whole") / "identity.onnx"
    return load_model(g.save(path, g.node("Identity", "x")), value_range=(0, 1))


@pytest.mark.parametrize(
    ("dtype", "low", "high", "step"),
    [
        ("uint32", 0, 2**32, 256),
        ("uint32", 2**24, 2**24 + 2**26, 4),
        ("int32", -(2**31), 2**31, 256),
        ("int64", -(2**40), 2**40, 2**17),
        ("uint64", 2**60, 2**60 + 2**50, 2**26),
    ],
)
@pytest.mark.parametrize("intensity", ["minmax", "percentile"])
def test_numbers_beyond_float32_are_said(identity, rng, dtype, low, high, step, intensity):
    image = rng.integers(low, high, INSIDE.shape, dtype)
    result = enhance(image, identity, roi=INSIDE, options=Options(intensity=intensity))
    np.testing.assert_array_equal(result.pixels[~INSIDE], image[~INSIDE])
    assert result.pixels.dtype == dtype
    (said,) = [text for text in result.report.warnings if "float32" in text]
    assert f"the image's {dtype} values span" in said
    away = np.abs(result.pixels[INSIDE].astype(float) - image[INSIDE].astype(float))
    assert 0 < away.max() <= 2 * step
    quiet = Options(intensity=intensity, no_caution=("rounding",))
    assert not any(
        "float32" in text
        for text in enhance(image, identity, roi=INSIDE, options=quiet).report.warnings
    )


@pytest.mark.parametrize("dtype", ["uint32", "int32", "int64", "uint64", "uint16", "uint8"])
def test_numbers_that_float32_holds_come_back_and_are_not_mentioned(identity, rng, dtype):
    image = rng.integers(0, 200, INSIDE.shape, dtype)
    if np.dtype(dtype).itemsize > 4:
        image += 2**33  # far from zero, near each other
    result = enhance(image, identity, roi=INSIDE, options=Options(intensity="minmax"))
    np.testing.assert_array_equal(result.pixels, image)
    assert not any("float32" in text for text in result.report.warnings)


def test_numbers_that_go_in_as_they_are_are_said_by_their_size(identity, rng):
    image = rng.integers(2**30, 2**30 + 9, INSIDE.shape, np.uint32)
    result = enhance(image, identity, roi=INSIDE, options=Options(intensity="none"))
    np.testing.assert_array_equal(result.pixels[~INSIDE], image[~INSIDE])
    assert any("rounded to about 65" in text for text in result.report.warnings)
