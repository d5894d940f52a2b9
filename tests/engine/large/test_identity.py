"""A large image is known by some of its pixels, wherever it lies."""

import numpy as np
import pytest
import tifffile

from napari_microenhance.engine.source import Source
from napari_microenhance.images.image_formats import read_image
from napari_microenhance.images.tiff import tiff_reading


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_an_array_and_a_file_of_the_same_pixels_are_the_same(tmp_path, monkeypatch, rng, byteorder):
    monkeypatch.setattr(tiff_reading, "LAZY_BYTES", 1)
    pixels = rng.integers(0, 60_000, (3, 700, 900), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, byteorder=byteorder,
                     photometric="minisblack", metadata={"axes": "ZYX"})  # fmt: skip
    file = read_image(tmp_path / "a.tif")
    assert Source(file.pixels, file.axes).sampled_sha256 == Source(pixels, "ZYX").sampled_sha256


def test_other_pixels_axes_or_types_are_another_image(rng):
    pixels = rng.integers(0, 60_000, (2, 300, 400), np.uint16)
    other = pixels.copy()
    other[1, 299, 399] ^= 1
    known = {
        Source(pixels, "ZYX").sampled_sha256,
        Source(pixels, "CYX").sampled_sha256,
        Source(pixels.astype(np.int32), "ZYX").sampled_sha256,
        Source(other, "ZYX").sampled_sha256,
    }
    assert len(known) == 4
