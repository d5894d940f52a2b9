"""Image files: what is read is what was stored, and a file appears whole or not at all."""

import io
import json
import re
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import imagecodecs
import numpy as np
import ome_types
import psutil
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageOps

from napari_microenhance.cli.panel import before_after
from napari_microenhance.errors import AxesError, FileMissingError, ImageError, OutputError
from napari_microenhance.files import replacing
from napari_microenhance.images.image_formats import (
    check_output,
    read_changed,
    read_image,
    read_record,
    write_image,
)
from napari_microenhance.images.tiff import tiff_writing

RNG = np.random.default_rng(7)
GREY = RNG.integers(0, 256, (13, 17), dtype=np.uint8)
RGB = RNG.integers(0, 256, (13, 17, 3), dtype=np.uint8)
RECORD = {"model": {"name": 'naïve "<&>"'}, "options": {"planes": [1, 2]}, "none": None}


# --- reading -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "pixels", "axes"),
    [
        ("L", GREY, "YX"),
        ("RGB", RGB, "YXC"),
        ("RGBA", np.dstack([RGB, GREY]), "YXC"),
        ("1", GREY > 99, "YX"),
        ("I;16", GREY.astype(np.uint16) * 257, "YX"),
    ],
)
def test_png_modes_give_their_stored_values(tmp_path, mode, pixels, axes):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png")
    assert found.axes == axes
    assert found.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.notes == ()


@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_colour_png_keeps_its_low_bits(tmp_path, channels):
    pixels = RNG.integers(0, 65536, (9, 8, channels), dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels))
    found = read_image(tmp_path / "a.png")
    assert found.pixels.dtype == np.uint16
    np.testing.assert_array_equal(found.pixels, pixels)


def test_grey_with_alpha_becomes_colour_with_alpha(tmp_path):
    Image.fromarray(np.dstack([GREY, 255 - GREY])).save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png")
    assert found.axes == "YXC"
    np.testing.assert_array_equal(found.pixels, np.dstack([GREY, GREY, GREY, 255 - GREY]))
    assert "alpha" in found.notes[0].text


def _palette_image(colours):
    indices = (GREY % 4).astype(np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette(np.asarray(colours, np.uint8).ravel().tolist())
    return indices, image


def test_palette_png_shows_its_colours(tmp_path):
    colours = [(0, 0, 0), (250, 10, 20), (30, 240, 50), (60, 70, 230)]
    indices, image = _palette_image(colours)
    image.save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(found.pixels, np.asarray(colours, np.uint8)[indices])
    raw = read_image(tmp_path / "a.png", palette_indices=True)
    np.testing.assert_array_equal(raw.pixels, indices)


def test_palette_png_of_greys_is_grey(tmp_path):
    indices, image = _palette_image([(0,) * 3, (90,) * 3, (10,) * 3, (255,) * 3])
    image.save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png")
    assert found.axes == "YX"
    np.testing.assert_array_equal(found.pixels, np.array([0, 90, 10, 255])[indices])


def test_palette_png_with_a_transparent_colour_has_alpha(tmp_path):
    indices, image = _palette_image([(0, 0, 0), (9, 9, 9), (5, 6, 7), (1, 2, 3)])
    image.save(tmp_path / "a.png", transparency=0)
    found = read_image(tmp_path / "a.png")
    assert found.axes == "YXC"
    np.testing.assert_array_equal(found.pixels[..., 3], np.where(indices == 0, 0, 255))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_upright_with_a_word_about_it(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(RGB).save(path, exif=exif, dpi=(300, 150))
    found = read_image(path)
    with Image.open(path) as picture:
        np.testing.assert_array_equal(found.pixels, np.asarray(ImageOps.exif_transpose(picture)))
    assert found.axes == "YXC"
    across = 150 if orientation > 4 else 300
    assert found.pixel_size["X"] == (pytest.approx(1 / across, rel=1e-3), "in")
    assert [note.name for note in found.notes] == ["orientation"] * (orientation > 1)
    write_image(tmp_path / "b.png", found.pixels, found.axes)
    np.testing.assert_array_equal(read_image(tmp_path / "b.png").pixels, found.pixels)


def test_jpeg_is_turned_with_its_pixel_size(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=exif, dpi=(300, 300))
    found = read_image(tmp_path / "a.jpg")
    assert (found.pixels.shape, found.axes) == ((17, 13, 3), "YXC")
    assert "orientation" in found.notes[0].text
    assert found.pixel_size["X"] == (pytest.approx(1 / 300), "in")


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    Image.fromarray(RGB).convert("CMYK").save(tmp_path / "a.jpg")
    found = read_image(tmp_path / "a.jpg")
    assert found.pixels.shape == RGB.shape
    assert "CMYK" in found.notes[0].text


def test_what_a_file_is_shows_in_its_contents_not_its_name(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, GREY)


@pytest.mark.parametrize("bits", [8, 16])
def test_palette_tiff_shows_its_colours(tmp_path, bits):
    table = RNG.integers(0, 256, (3, 2**bits), dtype=np.uint16)
    indices = GREY.astype(f"uint{bits}")
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=table * 257)
    found = read_image(tmp_path / "a.tif")
    assert (found.axes, found.pixels.dtype) == ("YXC", np.uint8)
    np.testing.assert_array_equal(found.pixels, np.moveaxis(table[:, GREY], 0, -1))


def test_grey_palette_tiff_is_grey(tmp_path):
    table = np.tile(np.arange(255, -1, -1, dtype=np.uint16) * 257, (3, 1))
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="palette", colormap=table)
    found = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels, 255 - GREY)


def test_display_palette_of_an_imagej_file_is_no_palette(tmp_path):
    table = np.zeros((3, 256), np.uint16)
    table[0] = np.arange(256) * 257
    stack = np.stack([GREY, GREY])
    tifffile.imwrite(
        tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "CYX"}, colormap=table
    )
    found = read_image(tmp_path / "a.tif")
    assert found.axes == "CYX"
    np.testing.assert_array_equal(found.pixels, stack)


def test_big_endian_pixels_come_in_native_order(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY.astype(">u2"), byteorder=">")
    found = read_image(tmp_path / "a.tif")
    assert found.pixels.dtype.isnative
    np.testing.assert_array_equal(found.pixels, GREY)


def test_planar_rgb_has_its_colours_last(tmp_path):
    planar = np.moveaxis(RGB, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", planar, photometric="rgb", planarconfig="separate")
    found = read_image(tmp_path / "a.tif")
    assert found.axes == "YXC"
    np.testing.assert_array_equal(found.pixels, RGB)


def test_white_is_zero_is_turned_round(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="miniswhite")
    found = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels, 255 - GREY)
    assert "inverted" in found.notes[0].text


def test_cmyk_tiff_becomes_rgb(tmp_path):
    ink = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255]]], np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", ink, photometric="separated")
    found = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels, [[[255, 255, 255], [0, 255, 255], [0, 0, 0]]])


def test_one_bit_tiff_stays_bool(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY > 9)
    assert read_image(tmp_path / "a.tif").pixels.dtype == bool


def test_many_samples_side_by_side_are_channels(tmp_path):
    pixels = RNG.integers(0, 99, (6, 7, 5), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", planarconfig="contig")
    found = read_image(tmp_path / "a.tif")
    assert found.axes == "CYX"
    np.testing.assert_array_equal(found.pixels, np.moveaxis(pixels, -1, 0))


def test_unnamed_pages_are_read_as_z_and_said(tmp_path):
    stack = np.stack([GREY, GREY, GREY])
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    found = read_image(tmp_path / "a.tif")
    assert found.axes == "ZYX"
    assert "3 pages" in found.notes[0].text
    told = read_image(tmp_path / "a.tif", axes="tyx")
    assert (told.axes, told.notes) == ("TYX", ())


def test_two_unnamed_axes_are_asked_for(tmp_path):
    stack = np.zeros((2, 3, 5, 6), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    with pytest.raises(AxesError, match="axes="):
        read_image(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif", axes="TZYX").axes == "TZYX"


@pytest.mark.parametrize("axes", ["YX", "XY", "QYX", "YYX", ""])
def test_axes_that_do_not_fit_are_refused(tmp_path, axes):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([GREY, GREY]), metadata={"axes": "ZYX"})
    with pytest.raises(AxesError, match="axes"):
        read_image(tmp_path / "a.tif", axes=axes)


def test_axes_of_a_png_cannot_be_something_else(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png")
    with pytest.raises(AxesError, match="does not fit"):
        read_image(tmp_path / "a.png", axes="ZYX")


def test_ome_metadata_are_read(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        np.zeros((2, 3, 8, 9), np.uint16),
        metadata={
            "axes": "ZCYX",
            "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": 250, "PhysicalSizeYUnit": "nm",
            "PhysicalSizeZ": 2.0,
            "Channel": {"Name": ["DAPI", "GFP", "µ"]},
        },
    )  # fmt: skip
    found = read_image(tmp_path / "a.ome.tif")
    assert found.axes == "ZCYX"
    assert found.channel_names == ("DAPI", "GFP", "µ")
    assert found.pixel_size == {"X": (0.25, "µm"), "Y": (250.0, "nm"), "Z": (2.0, "µm")}


def test_imagej_metadata_are_read(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.zeros((4, 2, 8, 9), np.uint16),
        imagej=True,
        resolution=(4.0, 4.0),
        metadata={"axes": "TCYX", "unit": "micron", "finterval": 2.5, "Labels": ["a", "b"] * 4},
    )
    found = read_image(tmp_path / "a.tif")
    assert found.pixel_size == {"X": (0.25, "µm"), "Y": (0.25, "µm"), "T": (2.5, "s")}
    assert found.channel_names == ("a", "b")


def test_more_images_in_a_file_are_mentioned(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(GREY)
        tif.write(RGB, photometric="rgb")
    found = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels, GREY)
    assert "2 images" in found.notes[0].text


# --- files that are no images --------------------------------------------------


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs pointer"),
        (b"hello", "not a supported image"),
        (b"BM\x00\x00\x00\x00 a bitmap", "not a supported image"),
        (b"II*\x00\x08\x00\x00\x00", "no image|damaged"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "damaged"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "damaged"),
    ],
)
def test_a_file_that_is_no_image_gets_one_sentence(tmp_path, content, match):
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(ImageError, match=match) as caught:
        read_image(tmp_path / "a.tif")
    assert "\n" not in str(caught.value)
    assert "a.tif" in str(caught.value)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(FileMissingError, match="does not exist"):
        read_image(tmp_path / "a.tif")
    with pytest.raises(ImageError, match="is a folder"):
        read_image(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ome.tif", ".jpg"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_every_cut_short_file_is_refused(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    noise = RNG.integers(0, 256, (90, 80), dtype=np.uint8)
    if suffix == ".jpg":
        Image.fromarray(noise).save(path)
    else:
        write_image(path, noise, "YX")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ImageError, match=r"truncated|no image"):
        read_image(path)


def test_a_cut_short_uncompressed_stack_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    write_image(path, np.ones((4, 20, 30), np.uint16), "ZYX")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ImageError, match="truncated"):
        read_image(path)


def test_missing_planes_of_a_set_are_no_zeros(tmp_path):
    path = tmp_path / "a.ome.tif"
    write_image(path, np.ones((2, 8, 9), np.uint16), "ZYX")
    with tifffile.TiffFile(path) as tif:
        xml = tif.ome_metadata
    two_files = re.sub(
        r"<TiffData .*?/>",
        '<TiffData IFD="0" FirstZ="0" PlaneCount="1"/>'
        '<TiffData IFD="0" FirstZ="1" PlaneCount="1"><UUID FileName="b.ome.tif">'
        "urn:uuid:00000000-0000-0000-0000-000000000000</UUID></TiffData>",
        xml,
    )
    tifffile.imwrite(path, np.ones((8, 9), np.uint16), description=two_files, metadata=None)
    with pytest.raises(ImageError, match="lacks 1 of its 2 planes"):
        read_image(path)


def _png_chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def test_a_png_without_pixels_is_refused(tmp_path):
    header = struct.pack(">IIBBBBB", 0, 5, 8, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IHDR", header)
    content += _png_chunk(b"IDAT", zlib.compress(b"")) + _png_chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageError, match=r"no pixels|damaged"):
        read_image(tmp_path / "a.png")


def test_an_image_that_cannot_fit_is_refused_before_it_is_read(tmp_path, monkeypatch):
    write_image(tmp_path / "a.tif", GREY, "YX")
    write_image(tmp_path / "a.png", GREY, "YX")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=100))
    for name in ("a.tif", "a.png"):
        with pytest.raises(ImageError, match="GiB of pixels"):
            read_image(tmp_path / name)


def test_missing_strips_are_no_zeros(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, compression="zlib", rowsperstrip=4, metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[0].tags["ImageLength"].overwrite(130)
    with pytest.raises(ImageError, match="4 of its 33 tiles or strips"):
        read_image(path)


# --- writing -------------------------------------------------------------------

SHAPES = {"YX": (5, 7), "YXC": (5, 7, 3), "CYX": (2, 5, 7), "TZCYX": (2, 3, 2, 5, 7),
          "ZYXC": (3, 5, 7, 3), "CZYX": (2, 3, 5, 7), "TYX": (4, 5, 7)}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize("suffix", [".tif", ".ome.tif"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_tiff_round_trip(tmp_path, axes, suffix, dtype):
    pixels = (RNG.random(SHAPES[axes]) * 200).astype(dtype)
    size = {a: s for a, s in {"Y": (0.5, "µm"), "X": (0.5, "µm"), "Z": (2.0, "µm"),
                              "T": (30.0, "s")}.items() if a in axes}  # fmt: skip
    names = ("DAPI", "µ-catenin") if "C" in axes.removesuffix("YXC") else ()
    path = tmp_path / f"a{suffix}"
    write_image(path, pixels, axes, pixel_size=size, channel_names=names, record=RECORD)
    found = read_image(path)
    assert (found.axes, found.pixels.dtype, found.notes) == (axes, pixels.dtype, ())
    np.testing.assert_array_equal(found.pixels, pixels)
    assert dict(found.pixel_size) == size
    assert found.channel_names == names
    assert read_record(path) == RECORD


@pytest.mark.parametrize("axes", ["YX", "YXC"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_round_trip(tmp_path, axes, dtype):
    pixels = RNG.integers(0, np.iinfo(dtype).max, SHAPES[axes], dtype=dtype)
    size = {"Y": (0.5, "µm"), "X": (0.25, "µm")}
    write_image(tmp_path / "a.png", pixels, axes, pixel_size=size, record=RECORD)
    found = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.pixels.dtype == dtype
    steps = [found.pixel_size[axis][0] * 25_400 for axis in "YX"]
    assert steps == [pytest.approx(0.5), pytest.approx(0.25)]
    assert read_record(tmp_path / "a.png") == RECORD
    with Image.open(tmp_path / "a.png") as other:
        assert json.loads(other.text["napari-microenhance"]) == RECORD


def test_alpha_survives_a_round_trip(tmp_path):
    pixels = np.dstack([RGB, GREY])
    for name in ("a.png", "a.tif", "a.ome.tif"):
        write_image(tmp_path / name, pixels, "YXC")
        np.testing.assert_array_equal(read_image(tmp_path / name).pixels, pixels)


@pytest.mark.slow
@given(
    pixels=hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.float32]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=40),
        elements=st.integers(0, 255),
    )
)
def test_any_plane_survives_every_format(tmp_path_factory, pixels):
    folder = tmp_path_factory.mktemp("plane")
    for name in ("a.tif", "a.ome.tif", *(["a.png"] if pixels.dtype.kind == "u" else [])):
        write_image(folder / name, pixels, "YX")
        found = read_image(folder / name)
        assert found.axes == "YX"
        np.testing.assert_array_equal(found.pixels, pixels)


@pytest.mark.parametrize("unit", ["INCH", "CENTIMETER"])
def test_resolution_tags_are_kept_as_they_were(tmp_path, unit):
    tifffile.imwrite(tmp_path / "a.tif", GREY, resolution=(150, 151), resolutionunit=unit)
    found = read_image(tmp_path / "a.tif")
    write_image(tmp_path / "b.tif", found.pixels, found.axes, pixel_size=found.pixel_size)
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        tags = tif.pages[0].tags
        assert tags["XResolution"].value == (150, 1)
        assert tags["YResolution"].value == (151, 1)
        assert tags["ResolutionUnit"].value.name == unit


def test_a_channel_stack_is_an_imagej_hyperstack(tmp_path):
    write_image(tmp_path / "a.tif", np.zeros((2, 5, 7), np.uint16), "CYX", channel_names="ab")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_imagej
        assert tif.imagej_metadata["channels"] == 2
        assert tif.imagej_metadata["Labels"] == ["a", "b"]


def test_the_record_is_a_comment_annotation_of_ours(tmp_path):
    write_image(tmp_path / "a.ome.tif", GREY, "YX", record=RECORD)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        root = ElementTree.fromstring(tif.ome_metadata)
    (note,) = root.iterfind("{*}StructuredAnnotations/{*}CommentAnnotation")
    assert note.get("Namespace") == "napari-microenhance"
    assert json.loads(note.findtext("{*}Value")) == RECORD
    reference = root.find("{*}Image/{*}AnnotationRef")
    assert reference.get("ID") == note.get("ID")


@pytest.mark.slow
@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_an_ome_tiff_is_valid_and_says_what_it_is(tmp_path, axes, dtype):
    pixels = (RNG.random(SHAPES[axes]) * 200).astype(dtype)
    size = {a: s for a, s in {"Y": (0.5, "µm"), "X": (250.0, "nm"), "Z": (2.0, "µm"),
                              "T": (30.0, "s")}.items() if a in axes}  # fmt: skip
    names = ("DAPI", "µ\x07") if "C" in axes.removesuffix("YXC") else ()
    changed = RNG.random([n for n, a in zip(pixels.shape, axes, strict=True) if a != "C"]) > 0.5
    path = tmp_path / "a.ome.tif"
    write_image(path, pixels, axes, pixel_size=size, channel_names=names, record=RECORD,
                changed=changed)  # fmt: skip
    with tifffile.TiffFile(path) as tif:
        xml = tif.ome_metadata
        assert [series.name for series in tif.series] == ["Image0", "Changed pixels"]
    ome_types.validate_xml(xml)
    ome = ome_types.from_xml(xml)
    (note,) = ome.structured_annotations
    assert (note.namespace, json.loads(note.value)) == ("napari-microenhance", RECORD)
    first, second = (image.pixels for image in ome.images)
    for found in (first, second):
        assert (found.physical_size_x, found.physical_size_x_unit.value) == (250, "nm")
        assert (found.physical_size_y, found.physical_size_y_unit.value) == (0.5, "µm")
        assert found.physical_size_z == (2 if "Z" in axes else None)
        assert found.time_increment == (30 if "T" in axes else None)
        for letter in axes.replace("C", ""):
            assert getattr(found, f"size_{letter.lower()}") == pixels.shape[axes.index(letter)]
    assert first.size_c == (pixels.shape[axes.index("C")] if "C" in axes else 1)
    assert second.size_c == 1
    found = read_image(path)
    assert (found.axes, found.notes) == (axes, ())
    np.testing.assert_array_equal(found.pixels, pixels)
    np.testing.assert_array_equal(read_changed(path), changed)
    # Readers that take one image take the result.
    np.testing.assert_array_equal(tifffile.imread(path), pixels)


def test_files_without_a_mask_of_changed_pixels_say_none(tmp_path):
    for name in ("a.png", "a.tif", "a.ome.tif"):
        mask = None if name == "a.ome.tif" else np.ones((13, 17), bool)
        write_image(tmp_path / name, GREY, "YX", changed=mask)
        assert read_changed(tmp_path / name) is None
    write_image(tmp_path / "b.ome.tif", GREY, "YX", changed=np.ones((13, 17), bool))
    whole = (tmp_path / "b.ome.tif").read_bytes()
    (tmp_path / "b.ome.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match="truncated"):
        read_changed(tmp_path / "b.ome.tif")


def test_a_file_without_record_says_none(tmp_path):
    for name in ("a.png", "a.tif", "a.ome.tif"):
        write_image(tmp_path / name, GREY, "YX")
        assert read_record(tmp_path / name) is None
    Image.fromarray(GREY).save(tmp_path / "a.jpg")
    assert read_record(tmp_path / "a.jpg") is None


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.ome.tif"])
def test_the_same_image_gives_the_same_bytes(tmp_path, name):
    contents = set()
    for _ in range(2):
        write_image(tmp_path / name, GREY, "YX", record=RECORD)
        contents.add((tmp_path / name).read_bytes())
    assert len(contents) == 1


def test_large_files_are_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_writing, "CLASSIC_LIMIT", 100)
    write_image(tmp_path / "a.tif", GREY, "YX")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_bigtiff
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, GREY)


def test_wide_planes_are_tiled(tmp_path):
    pixels = np.arange(3 * 3000, dtype=np.uint16).reshape(3, 3000)
    write_image(tmp_path / "a.ome.tif", pixels, "YX")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert tif.pages[0].is_tiled
    np.testing.assert_array_equal(read_image(tmp_path / "a.ome.tif").pixels, pixels)


@pytest.mark.parametrize(
    ("name", "dtype", "axes", "match"),
    [
        ("a.png", "float32", "YX", r"float32; use \.tif"),
        ("a.png", "uint32", "YX", r"uint32; use \.tif"),
        ("a.png", "uint8", "CYX", r"single plane.*use \.tif"),
        ("a.ome.tif", "float16", "YX", r"not support float16.*use \.tif"),
        ("a.tif", "bool", "YXC", "not support colour of one bit"),
        ("a.ome.tif", "bool", "ZYXC", "not support colour of one bit"),
        ("a.jpg", "uint8", "YX", "JPEG compression changes pixels"),
        ("a.bmp", "uint8", "YX", r'"\.bmp", which is not supported; results are written as \.png'),
        ("a", "uint8", "YX", "no suffix"),
    ],
)
def test_what_a_format_cannot_hold_is_said_before_the_run(tmp_path, name, dtype, axes, match):
    with pytest.raises(OutputError, match=match):
        check_output(tmp_path / name, dtype, axes)
    with pytest.raises(OutputError, match=match):
        write_image(tmp_path / name, np.ones([2] * len(axes), dtype), axes)
    assert list(tmp_path.iterdir()) == []


def test_masked_pixels_are_not_written_as_if_they_counted(tmp_path):
    masked = np.ma.masked_less(GREY, 9)
    for name in ("a.tif", "a.ome.zarr"):
        with pytest.raises(OutputError, match="masked pixels"):
            write_image(tmp_path / name, masked, "YX")
    write_image(tmp_path / "a.tif", np.ma.masked_less(GREY, -1), "YX")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, GREY)


def test_check_output_leaves_nothing_behind(tmp_path):
    check_output(tmp_path / "a.tif", "uint8", "YX")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_and_a_folder_as_target_are_said(tmp_path):
    with pytest.raises(OutputError, match="does not exist; create it first"):
        check_output(tmp_path / "no" / "a.tif", "uint8", "YX")
    (tmp_path / "b.tif").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path / "b.tif", "uint8", "YX")


def test_a_folder_that_takes_no_files_is_said(tmp_path, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        check_output(tmp_path / "a.tif", "uint8", "YX")


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), ValueError("x"), OSError(28, "No space")])
def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch, problem):
    path = tmp_path / "a.tif"
    write_image(path, GREY, "YX")
    before = path.read_bytes()

    def fail(handle, *args, **kwargs):
        handle.write(b"half a file")
        raise problem

    monkeypatch.setattr(tifffile, "imwrite", fail)
    expected = OutputError if isinstance(problem, OSError) else type(problem)
    with pytest.raises(expected):
        write_image(path, RGB, "YXC")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "real.tif").write_bytes(b"old")
    (tmp_path / "link.tif").symlink_to(tmp_path / "real.tif")
    write_image(tmp_path / "link.tif", GREY, "YX")
    assert (tmp_path / "link.tif").is_symlink()
    np.testing.assert_array_equal(read_image(tmp_path / "real.tif").pixels, GREY)


def test_new_files_have_the_usual_permissions(tmp_path):
    (tmp_path / "usual").write_bytes(b"")
    with replacing(tmp_path / "ours") as handle:
        handle.write(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_images_beyond_pillows_limit_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    png = io.BytesIO()
    Image.fromarray(GREY).save(png, "PNG")
    (tmp_path / "a.png").write_bytes(png.getvalue())
    assert read_image(tmp_path / "a.png").pixels.shape == GREY.shape
    assert Image.MAX_IMAGE_PIXELS == 10


@pytest.mark.parametrize("pixels", [GREY, RGB, GREY.astype(np.float32), GREY * np.uint16(99)])
@pytest.mark.parametrize("outlines", [[], [np.array([[-3.0, 2], [5, 30], [9, 1]])]])
def test_the_panel_shows_both_images_alike(pixels, outlines):
    same = before_after(pixels, pixels, outlines, panel_px=200)
    assert (same.dtype, same.shape[1:]) == (np.uint8, (2 * 200 + 3 * 12, 3))
    below_captions = same[36 : 36 + 150]
    np.testing.assert_array_equal(below_captions[:, 12:212], below_captions[:, 224:424])
    changed = before_after(pixels, pixels * 0, outlines, panel_px=200)[36 : 36 + 150]
    assert (changed[:, 12:212] != changed[:, 224:424]).any()
