"""What a TIFF file means does not depend on whether it is read whole or where it is sliced."""

import numpy as np
import pytest
import tifffile

from napari_microenhance.images.image_formats import read_image
from napari_microenhance.images.lazy import LazyPixels
from napari_microenhance.images.segment_cache import SegmentCache
from napari_microenhance.images.tiff import tiff_pages, tiff_reading

RNG = np.random.default_rng(31)
GREY = RNG.integers(0, 255, (90, 130), np.uint8)
WIDE = RNG.integers(0, 60_000, (90, 130), np.uint16)
REAL = RNG.random((90, 130), np.float32)
COLOUR = RNG.integers(0, 255, (90, 130, 3), np.uint8)
PLANAR = np.moveaxis(COLOUR, -1, 0)
RAMP = np.add.outer(np.arange(90), np.arange(130)).astype(np.uint8)
STACK = RNG.integers(0, 60_000, (3, 4, 2, 50, 60), np.uint16)
TABLE = RNG.integers(0, 65_535, (3, 256)).astype(np.uint16)
TILE = {"tile": (32, 48)}

FILES = {
    "one strip": (GREY, {}),
    "packed bits": (GREY > 100, {"compression": "packbits"}),
    "lzw, differences": (WIDE, {"compression": "lzw", "predictor": True, **TILE}),
    "zstd": (WIDE, {"compression": "zstd", "rowsperstrip": 13}),
    "big-endian": (WIDE, {"byteorder": ">"}),
    "big-endian, differences": (
        REAL,
        {"byteorder": ">", "compression": "zlib", "predictor": True, **TILE},
    ),
    "BigTIFF": (WIDE, {"bigtiff": True, "compression": "lzma", **TILE}),
    "planes apart": (
        PLANAR,
        {"photometric": "rgb", "planarconfig": "separate", "compression": "zlib", **TILE},
    ),
    "planes apart in strips": (PLANAR, {"photometric": "rgb", "planarconfig": "separate"}),
    "jpeg": (np.stack([RAMP] * 3, -1), {"photometric": "ycbcr", "compression": "jpeg", **TILE}),
    "jpeg 2000": (np.stack([RAMP] * 3, -1), {"photometric": "rgb", "compression": "jpeg2000"}),
    "white is zero": (GREY, {"photometric": "miniswhite", "compression": "zlib", **TILE}),
    "white is zero, signed": (WIDE.astype(np.int16), {"photometric": "miniswhite"}),
    "one bit, white is zero": (GREY > 100, {"photometric": "miniswhite"}),
    "palette": (GREY, {"photometric": "palette", "colormap": TABLE, **TILE}),
    "palettes in a stack": (np.stack([GREY] * 3), {"photometric": "palette", "colormap": TABLE}),
    "alpha": (
        np.dstack([COLOUR, GREY]),
        {"photometric": "rgb", "extrasamples": ["unassalpha"], **TILE},
    ),
    "a fourth sample": (
        np.dstack([COLOUR, GREY]),
        {"photometric": "rgb", "extrasamples": ["unspecified"]},
    ),
    "grey and alpha": (
        np.dstack([GREY, GREY]),
        {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"]},
    ),
    "samples as channels": (
        np.dstack([COLOUR, COLOUR]),
        {"photometric": "minisblack", "planarconfig": "contig", "compression": "zlib", **TILE},
    ),
    "inks": (np.dstack([COLOUR, GREY]), {"photometric": "separated", **TILE}),
    "ImageJ": (STACK, {"imagej": True, "metadata": {"axes": "TZCYX"}}),
    "axes": (STACK, {"metadata": {"axes": "TZCYX"}, "compression": "zlib", "tile": (32, 32)}),
    **{
        f"orientation {number}": (
            COLOUR,
            {"photometric": "rgb", "extratags": [(274, "H", 1, number, True)], **TILE},
        )
        for number in range(2, 9)
    },
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_means_the_same_read_whole_and_in_parts(tmp_path, monkeypatch, name):
    pixels, layout = FILES[name]
    tifffile.imwrite(tmp_path / "a.tif", pixels, **layout)
    whole = read_image(tmp_path / "a.tif")
    monkeypatch.setattr(tiff_reading, "LAZY_BYTES", 1)
    parts = read_image(tmp_path / "a.tif")
    assert isinstance(whole.pixels, np.ndarray)
    assert isinstance(parts.pixels, LazyPixels)
    assert (parts.axes, parts.pixels.shape) == (whole.axes, whole.pixels.shape)
    assert parts.pixels.dtype == whole.pixels.dtype
    assert parts.pixels.dtype.isnative
    assert list(map(str, parts.notes)) == list(map(str, whole.notes))
    rng = np.random.default_rng(2)
    for _ in range(8):
        ends = [sorted(rng.integers(0, n + 1, 2).tolist()) for n in whole.pixels.shape]
        key = tuple(slice(*span) for span in ends)
        np.testing.assert_array_equal(parts.pixels[key], whole.pixels[key])
    np.testing.assert_array_equal(parts.pixels, whole.pixels)


def test_real_numbers_from_white_need_all_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_reading, "LAZY_BYTES", 1)
    tifffile.imwrite(tmp_path / "a.tif", 3 * REAL, photometric="miniswhite", **TILE)
    found = read_image(tmp_path / "a.tif").pixels
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, (3 * REAL).max() - 3 * REAL)


def test_a_file_of_one_large_strip_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_reading, "LAZY_BYTES", 1)
    monkeypatch.setattr(tiff_reading, "SEGMENT_BYTES", 1000)
    tifffile.imwrite(tmp_path / "a.tif", GREY, compression="zlib", rowsperstrip=90)
    tifffile.imwrite(tmp_path / "b.tif", GREY, compression="zlib", rowsperstrip=5)
    assert isinstance(read_image(tmp_path / "a.tif").pixels, np.ndarray)
    assert isinstance(read_image(tmp_path / "b.tif").pixels, LazyPixels)


def test_a_part_that_was_read_is_not_decoded_again(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_reading, "LAZY_BYTES", 1)
    cache = SegmentCache(100_000)
    monkeypatch.setattr(tiff_pages, "DECODED", cache)
    tifffile.imwrite(tmp_path / "a.tif", WIDE, compression="zlib", tile=(32, 48))
    found = read_image(tmp_path / "a.tif").pixels
    np.testing.assert_array_equal(found[:40, :50], WIDE[:40, :50])
    (tmp_path / "a.tif").write_bytes(b"II*\0" + bytes(60_000))
    np.testing.assert_array_equal(found[3:33, 9:49], WIDE[3:33, 9:49])
    del found
    assert cache.nbytes == 0


def test_a_cache_stays_within_its_bytes():
    cache = SegmentCache(1000)
    part = np.ones(300, np.uint8)
    for number in range(5):
        assert cache.get(("a", number), lambda: part) is part
    assert cache.nbytes == 900
    large = np.ones(2000, np.uint8)
    assert cache.get("large", lambda: large) is large
    assert cache.nbytes == 900


def test_the_turned_and_coloured_levels_of_a_pyramid_are_its_own(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tags = [(274, "H", 1, 6, True)]
        tif.write(PLANAR, subifds=1, photometric="rgb", planarconfig="separate",
                  extratags=tags, **TILE)  # fmt: skip
        tif.write(PLANAR[:, ::2, ::2], subfiletype=1, photometric="rgb",
                  planarconfig="separate", extratags=tags, **TILE)  # fmt: skip
    found = read_image(tmp_path / "a.tif")
    assert (found.axes, found.pixels.shape) == ("YXC", (130, 90, 3))
    (lower,) = found.levels
    np.testing.assert_array_equal(lower, np.rot90(COLOUR[::2, ::2], -1))
