"""Polarity and samples of TIFF: values are what they mean, whatever the tags hide."""

import numpy as np
import pytest
import tifffile

from napari_microenhance.images.image_formats import read_image

RNG = np.random.default_rng(11)
GREY = RNG.integers(0, 256, (13, 17), dtype=np.uint8)
RGB = RNG.integers(0, 256, (13, 17, 3), dtype=np.uint8)


def names(file):
    return [note.name for note in file.notes]


@pytest.mark.parametrize("bits", [9, 10, 12, 14])
def test_white_is_zero_is_turned_round_within_the_bits_of_a_sample(tmp_path, bits):
    values = RNG.integers(0, 2**bits, (6, 8), dtype=np.uint16)
    digits = (values[..., np.newaxis] >> np.arange(bits)[::-1]) & 1
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.packbits(digits.reshape(6, -1), axis=1), metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tif:
        tags = tif.pages[0].tags
        tags["BitsPerSample"].overwrite(bits)
        tags["ImageWidth"].overwrite(8)
    np.testing.assert_array_equal(read_image(path).pixels, values)
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[0].tags["PhotometricInterpretation"].overwrite(0)
    found = read_image(path)
    np.testing.assert_array_equal(found.pixels, 2**bits - 1 - values)
    assert str(2**bits - 1) in found.notes[0].text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (GREY > 99, GREY <= 99),
        (GREY.astype(np.int16) - 100, 99 - GREY.astype(np.int16)),
        (GREY / np.float32(255), 1 - GREY / np.float32(255)),
        (GREY.astype(np.float64), GREY.max() - GREY.astype(np.float64)),
    ],
)
def test_the_same_rule_holds_for_masks_and_numbers(tmp_path, values, expected):
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
    found = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels, expected)
    assert names(found) == ["white-is-zero"]


@pytest.mark.parametrize("values", [GREY, (GREY > 99) * np.uint8(255), GREY * np.uint16(100)])
def test_values_that_imagej_wrote_are_what_it_shows(tmp_path, values):
    tifffile.imwrite(tmp_path / "a.tif", values, imagej=True, photometric="miniswhite")
    found = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels, values)
    assert found.notes == ()


def test_polarity_of_files_from_the_field(public_data):
    folder = public_data / "field" / "polarity"
    dark = read_image(folder / "seq-1c-12b-47c39b31.tiff")
    light = read_image(folder / "seq-1c-12b-miniswhite-47c39b31.tiff")
    np.testing.assert_array_equal(dark.pixels, light.pixels)
    mask = read_image(folder / "mask_imagej_inverting_lut.tif")
    expected = read_image(folder / "expected_region.png").pixels
    np.testing.assert_array_equal(mask.pixels != 0, expected != 0)


def test_a_missing_polarity_is_not_white_is_zero(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, metadata=None)
    raw = path.read_bytes()
    with tifffile.TiffFile(path) as tif:
        tag = tif.pages[0].tags["PhotometricInterpretation"]
    # A private number in its place: tags stay in order where 262 becomes 261.
    path.write_bytes(raw[: tag.offset] + (261).to_bytes(2, "little") + raw[tag.offset + 2 :])
    np.testing.assert_array_equal(read_image(path).pixels, GREY)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_fourth_sample_of_unstated_use_is_a_channel(tmp_path, dtype):
    pixels = RNG.integers(0, 255, (13, 17, 4)).astype(dtype)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["unspecified"])
    found = read_image(path)
    assert (found.axes, names(found)) == ("CYX", ["samples"])
    np.testing.assert_array_equal(found.pixels, np.moveaxis(pixels, -1, 0))
    for axes, expected in (("YXC", pixels), ("CYX", np.moveaxis(pixels, -1, 0))):
        told = read_image(path, axes=axes)
        assert (told.axes, told.notes) == (axes, ())
        np.testing.assert_array_equal(told.pixels, expected)


def test_a_fourth_sample_without_a_tag_is_a_channel(tmp_path):
    pixels = RNG.integers(0, 255, (13, 17, 4), dtype=np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["unassalpha"], metadata=None)
    raw = path.read_bytes()
    with tifffile.TiffFile(path) as tif:
        tag = tif.pages[0].tags["ExtraSamples"]
    path.write_bytes(raw[: tag.offset] + (337).to_bytes(2, "little") + raw[tag.offset + 2 :])
    found = read_image(path)
    assert (found.axes, names(found)) == ("CYX", ["samples"])


@pytest.mark.parametrize("kind", ["assocalpha", "unassalpha"])
def test_true_alpha_stays_alpha(tmp_path, kind):
    pixels = np.dstack([RGB, GREY])
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=[kind])
    found = read_image(tmp_path / "a.tif")
    assert (found.axes, found.notes) == ("YXC", ())
    np.testing.assert_array_equal(found.pixels, pixels)


@pytest.mark.parametrize("count", [3, 4])
def test_grey_samples_are_no_colour_however_many(tmp_path, count):
    pixels = RNG.integers(0, 255, (13, 17, count), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", planarconfig="contig")
    found = read_image(tmp_path / "a.tif")
    assert (found.axes, names(found)) == ("CYX", ["samples"])
    np.testing.assert_array_equal(found.pixels, np.moveaxis(pixels, -1, 0))


@pytest.mark.parametrize("photometric", ["RGB", "YCBCR"])
def test_jpeg_2000_of_aperio_is_luma_and_differences(tmp_path, photometric):
    y, x = np.mgrid[:32, :32]
    rgb = np.stack([8 * x, 8 * y, 255 - 4 * (x + y)], axis=-1).clip(0, 255).astype(np.uint8)
    matrix = np.array(
        [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    )
    stored = np.clip(np.rint(rgb @ matrix.T + (0, 128, 128)), 0, 255).astype(np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, photometric="rgb", compression="jpeg2000", metadata=None,
                     compressionargs={"mct": False, "reversible": True})  # fmt: skip
    with tifffile.TiffFile(path, mode="r+") as tif:
        tags = tif.pages[0].tags
        tags["Compression"].overwrite(33003)
        tags["PhotometricInterpretation"].overwrite(2 if photometric == "RGB" else 6)
    found = read_image(path)
    assert found.axes == "YXC"
    np.testing.assert_allclose(found.pixels.astype(int), rgb.astype(int), atol=2)


def test_samples_of_a_file_from_the_field(public_data):
    found = read_image(public_data / "field" / "samples" / "extra_unspecified.tif")
    assert (found.axes, found.pixels.shape, names(found)) == ("CYX", (4, 96, 120), ["samples"])
