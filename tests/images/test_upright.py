"""Orientation tags: pixels and their size are upright, and written upright."""

import numpy as np
import pytest
import tifffile

from napari_microenhance.images.image_formats import read_image, write_image

RNG = np.random.default_rng(11)


def names(file):
    return [note.name for note in file.notes]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("axes", ["YX", "YXS", "ZYX"])
def test_tiff_is_upright_and_written_upright(tmp_path, orientation, axes):
    shape = {"Y": 5, "X": 7, "S": 3, "Z": 2}
    pixels = RNG.integers(0, 255, [shape[a] for a in axes], dtype=np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, pixels, photometric="rgb" if "S" in axes else "minisblack", resolution=(10, 20),
        resolutionunit="CENTIMETER", extratags=[(274, 3, 1, orientation, True)],
        metadata={"axes": axes},
    )  # fmt: skip
    y = axes.index("Y")
    whole = np.moveaxis(pixels, (y, y + 1), (0, 1))
    upright = {
        1: whole, 2: whole[:, ::-1], 3: whole[::-1, ::-1], 4: whole[::-1],
        5: whole.swapaxes(0, 1), 6: whole[::-1].swapaxes(0, 1),
        7: whole[::-1, ::-1].swapaxes(0, 1), 8: whole[:, ::-1].swapaxes(0, 1),
    }[orientation]  # fmt: skip
    found = read_image(path)
    np.testing.assert_array_equal(found.pixels, np.moveaxis(upright, (0, 1), (y, y + 1)))
    assert names(found) == ["orientation"] * (orientation > 1)
    steps = (0.05, 0.1) if orientation < 5 else (0.1, 0.05)
    assert [found.pixel_size[a][0] for a in "YX"] == [pytest.approx(s) for s in steps]
    write_image(tmp_path / "b.tif", found.pixels, found.axes, pixel_size=found.pixel_size)
    again = read_image(tmp_path / "b.tif")
    np.testing.assert_array_equal(again.pixels, found.pixels)
    assert again.notes == ()
