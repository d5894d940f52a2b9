"""Large OME-TIFF files are written block by block, with lower resolutions."""

import numpy as np
import pytest
import tifffile

from napari_microenhance.images.image_formats import read_changed, read_image, write_image
from napari_microenhance.images.tiff.tiff_pyramid import level_sizes

RNG = np.random.default_rng(5)


class Blocks:
    """An array that knows the largest part that was asked of it."""

    def __init__(self, pixels):
        self.shape, self.dtype, self._pixels, self.largest = pixels.shape, pixels.dtype, pixels, 0

    def __getitem__(self, key):
        part = self._pixels[key]
        self.largest = max(self.largest, part.size)
        return part


CASES = [
    (RNG.integers(0, 6000, (2500, 3001), np.uint16), "YX"),
    (RNG.integers(0, 255, (2101, 1500, 3), np.uint8), "YXC"),
    (RNG.integers(0, 255, (2, 3, 2100, 300), np.uint16), "CZYX"),
    (RNG.random((300, 2100), np.float32), "YX"),
]


@pytest.mark.parametrize(("pixels", "axes"), CASES, ids=[axes for _, axes in CASES[:3]] + ["float"])
def test_a_large_image_is_written_in_blocks_with_levels(tmp_path, pixels, axes):
    path, lazy = tmp_path / "a.ome.tif", Blocks(pixels)
    size = {"Y": (0.5, "µm"), "X": (0.25, "µm")}
    write_image(path, lazy, axes, pixel_size=size, record={"kept": 1})
    assert lazy.largest <= 512 * 2048 * 3
    found = read_image(path)
    assert (found.axes, dict(found.pixel_size)) == (axes, size)
    np.testing.assert_array_equal(found.pixels, pixels)
    with tifffile.TiffFile(path) as tif:
        (series,) = tif.series
        assert len(series.levels) == 1 + len(found.levels) > 1
        assert all(level.keyframe.is_tiled for level in series.levels)
        assert len(series.keyframe.subifds) == len(found.levels)
    y, x = axes.index("Y"), axes.index("X")
    above = pixels
    for level in found.levels:
        even = np.pad(
            above, [(0, n % 2 * (a in (y, x))) for a, n in enumerate(above.shape)], "edge"
        )
        four = [np.moveaxis(np.moveaxis(even, (y, x), (0, 1))[i::2, j::2], (0, 1), (y, x))
                for i in (0, 1) for j in (0, 1)]  # fmt: skip
        mean = np.mean(four, axis=0, dtype=np.float64)
        wanted = mean if pixels.dtype.kind == "f" else np.rint(mean)
        above = wanted.astype(pixels.dtype)
        np.testing.assert_array_equal(level, above)


def test_one_changed_pixel_shows_at_every_level(tmp_path):
    pixels, changed = np.zeros((2100, 2200), np.uint8), np.zeros((2100, 2200), bool)
    changed[1001, 777] = True
    path = tmp_path / "a.ome.tif"
    write_image(path, pixels, "YX", changed=changed)
    np.testing.assert_array_equal(read_changed(path), changed)
    with tifffile.TiffFile(path) as tif:
        assert [int((level.asarray() > 0).sum()) for level in tif.series[1].levels] == [1, 1, 1]


def test_the_same_image_gives_the_same_bytes(tmp_path):
    pixels = RNG.integers(0, 6000, (600, 2600), np.uint16)
    for name in ("a", "b"):
        write_image(tmp_path / f"{name}.ome.tif", Blocks(pixels), "YX", record={"run": 7})
    assert (tmp_path / "a.ome.tif").read_bytes() == (tmp_path / "b.ome.tif").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ome.tif", "b.ome.tif"]


def test_labels_have_levels_of_their_own_numbers(tmp_path):
    labels = RNG.integers(0, 9, (2100, 2100), np.int32) * 100
    write_image(tmp_path / "a.ome.tif", labels, "YX")
    for level in read_image(tmp_path / "a.ome.tif").levels:
        assert set(np.unique(np.asarray(level))) <= set(range(0, 900, 100))


def test_levels_end_where_a_screen_holds_them():
    assert level_sizes(40_000, 30_001)[:2] == ((40_000, 30_001), (20_000, 15_001))
    assert max(level_sizes(40_000, 30_001)[-1]) <= 1024
    assert level_sizes(1, 3000)[-1] == (1, 750)


def test_a_small_image_that_is_only_sliced_is_written_whole(tmp_path):
    pixels = RNG.integers(0, 255, (2, 40, 50), np.uint8)
    write_image(tmp_path / "a.ome.tif", Blocks(pixels), "ZYX")
    found = read_image(tmp_path / "a.ome.tif")
    assert found.axes == "ZYX"
    np.testing.assert_array_equal(found.pixels, pixels)
