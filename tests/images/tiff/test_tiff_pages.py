"""Large TIFF files are read where they are sliced."""

import numpy as np
import pytest
import tifffile

from napari_microenhance.errors import ImageError
from napari_microenhance.images.image_formats import read_image
from napari_microenhance.images.lazy import LazyPixels
from napari_microenhance.images.tiff import tiff_pages, tiff_reading

RNG = np.random.default_rng(11)
GREY = RNG.integers(0, 256, (13, 17), dtype=np.uint8)


LAYOUTS = [
    {"photometric": "minisblack"},
    {"photometric": "minisblack", "compression": "zlib", "predictor": True, "rowsperstrip": 7},
    {"photometric": "minisblack", "compression": "lzw", "tile": (32, 16)},
    {"photometric": "minisblack", "byteorder": ">", "tile": (16, 48)},
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(50, 70), (3, 50, 70)])
def test_a_large_tiff_is_read_where_it_is_sliced(tmp_path, monkeypatch, layout, shape):
    monkeypatch.setattr(tiff_reading, "LAZY_BYTES", 100)
    pixels = RNG.integers(0, 60_000, shape, dtype=np.uint16)
    more = {k: v for k, v in layout.items() if k != "byteorder"}
    tifffile.imwrite(tmp_path / "a.tif", pixels, byteorder=layout.get("byteorder", "<"),
                     metadata={"axes": "ZYX"[-len(shape) :]}, **more)  # fmt: skip
    found = read_image(tmp_path / "a.tif").pixels
    assert isinstance(found, LazyPixels)
    keys = [
        (...,), (0,), (..., slice(13, 41), slice(5, 66, 3)), (..., 49, slice(None)),
        (..., slice(40, 4, -2), slice(69, 70)), (..., slice(3, 3), slice(None)),
    ]  # fmt: skip
    for key in keys:
        np.testing.assert_array_equal(found[key], pixels[key])
    assert found.dtype.isnative


@pytest.mark.parametrize(("samples", "tile"), [(3, None), (3, (16, 32)), (4, (16, 32))])
def test_large_colour_is_read_where_it_is_sliced(tmp_path, monkeypatch, samples, tile):
    monkeypatch.setattr(tiff_reading, "LAZY_BYTES", 100)
    pixels = RNG.integers(0, 255, (50, 70, samples), dtype=np.uint8)
    extra = {"extrasamples": ["unassalpha"]} if samples == 4 else {}
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", compression="zlib", tile=tile,
                     **extra)  # fmt: skip
    found = read_image(tmp_path / "a.tif")
    assert (found.axes, isinstance(found.pixels, LazyPixels)) == ("YXC", True)
    np.testing.assert_array_equal(found.pixels[7:33, 2:68], pixels[7:33, 2:68])
    np.testing.assert_array_equal(found.pixels[..., 1], pixels[..., 1])


def test_jpeg_tiles_give_what_tifffile_gives(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_reading, "LAZY_BYTES", 100)
    y, x = np.mgrid[:100, :120]
    pixels = np.stack([x, y, x + y], axis=-1).astype(np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="ycbcr", compression="jpeg", tile=(32, 32),
                     subsampling=(2, 2))  # fmt: skip
    found = read_image(path).pixels[3:77, 40:99]
    np.testing.assert_array_equal(found, tifffile.imread(path)[3:77, 40:99])


def test_a_large_tiff_that_was_cut_is_refused_where_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_reading, "LAZY_BYTES", 100)
    pixels = RNG.integers(0, 255, (64, 64), dtype=np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, compression="zlib", tile=(16, 16))
    found = read_image(path).pixels
    path.write_bytes(path.read_bytes()[:-1500])
    with pytest.raises(ImageError, match="damaged or truncated"):
        np.asarray(found)


def test_lower_resolutions_of_an_ome_tiff_are_levels(tmp_path):
    full = RNG.integers(0, 255, (64, 96, 3), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as tif:
        tif.write(full, subifds=1, photometric="rgb", tile=(32, 32), metadata={"axes": "YXS"})
        tif.write(full[::2, ::2], subfiletype=1, photometric="rgb", tile=(32, 32))
    found = read_image(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(found.pixels, full)
    (lower,) = found.levels
    np.testing.assert_array_equal(lower, full[::2, ::2])


def test_a_bug_of_ours_is_no_damage_of_the_file(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", GREY)

    def bug(*args, **kwargs):
        raise TypeError("a bug")

    monkeypatch.setattr(tiff_reading, "plain_values", bug)
    with pytest.raises(TypeError, match="a bug"):
        read_image(tmp_path / "a.tif")
    monkeypatch.undo()
    tifffile.imwrite(tmp_path / "a.tif", GREY, compression="zlib")
    monkeypatch.setattr(tiff_reading, "LAZY_BYTES", 10)
    monkeypatch.setattr(tiff_pages, "shared_range", bug)
    with pytest.raises(TypeError, match="a bug"):
        np.asarray(read_image(tmp_path / "a.tif").pixels)
