"""Names that mean something elsewhere, and what is said of damaged files."""

import numpy as np
import pytest
import tifffile

from napari_microenhance.errors import ImageError
from napari_microenhance.images.image_formats import read_image, write_image

RNG = np.random.default_rng(11)
FULL = RNG.integers(100, 4000, (64, 80), dtype=np.uint16)


def names(file):
    return [note.name for note in file.notes]


@pytest.mark.parametrize("name", ["a::b", "a#b", "a?b=1", "a[1]", "zip://a", "a b", "ü::µ", "s3:b"])
def test_names_with_meaning_elsewhere_are_names(tmp_path, name):
    folder = tmp_path / name
    folder.parent.mkdir(exist_ok=True)
    write_image(f"{folder}.ome.zarr", FULL, "YX")
    np.testing.assert_array_equal(read_image(f"{folder}.ome.zarr").pixels, FULL)
    for suffix in (".tif", ".ome.tif", ".png"):
        write_image(f"{folder}{suffix}", FULL, "YX")
        np.testing.assert_array_equal(read_image(f"{folder}{suffix}").pixels, FULL)


@pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits", "zstd", "jpeg", "lzma"])
def test_damaged_compression_is_said_in_plain_words(tmp_path, compression):
    path = tmp_path / "a.tif"
    noise = RNG.integers(0, 256, (64, 64), dtype=np.uint8)
    tifffile.imwrite(path, noise, compression=compression, metadata=None)
    with tifffile.TiffFile(path) as tif:
        at, length = tif.pages[0].dataoffsets[0], tif.pages[0].databytecounts[0]
    raw = bytearray(path.read_bytes())
    raw[at : at + length] = bytes(RNG.integers(0, 256, length, dtype=np.uint8))
    path.write_bytes(raw)
    with pytest.raises(ImageError, match="damaged or truncated") as caught:
        read_image(path)
    text = str(caught.value).replace(str(tmp_path), "")
    assert not [word for word in ("index", "object", "0x", "_", "lzw:") if word in text]


def test_damaged_pictures_are_said_in_plain_words(tmp_path):
    for name, head in (("a.png", b"\x89PNG\r\n\x1a\n"), ("a.jpg", b"\xff\xd8\xff")):
        (tmp_path / name).write_bytes(head + b"nothing more")
        with pytest.raises(ImageError, match="damaged or truncated") as caught:
            read_image(tmp_path / name)
        assert "object" not in str(caught.value)
