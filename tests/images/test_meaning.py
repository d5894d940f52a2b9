"""What files mean is read: polarity, samples, orientation, the right image, all of its chunks."""

import shutil
import uuid

import numpy as np
import pytest
import tifffile
import zarr

from napari_microenhance.errors import ImageError
from napari_microenhance.images.image_formats import read_image, write_image
from napari_microenhance.images.lazy import LazyPixels
from napari_microenhance.images.tiff import tiff_pages, tiff_reading

RNG = np.random.default_rng(11)
GREY = RNG.integers(0, 256, (13, 17), dtype=np.uint8)
RGB = RNG.integers(0, 256, (13, 17, 3), dtype=np.uint8)


def names(file):
    return [note.name for note in file.notes]


# --- polarity ----------------------------------------------------------------------


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


# --- samples -----------------------------------------------------------------------


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


# --- orientation ---------------------------------------------------------------------


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


# --- which image is the picture -----------------------------------------------------


def ome_set(folder, positions, *, padding):
    """Write a multi-file OME-TIFF as Micro-Manager does, each file with the XML of all.

    Planes of a file begin behind `padding` bytes more in each further file.
    """
    ids = [f"urn:uuid:{uuid.UUID(int=i + 1)}" for i in range(len(positions))]
    images = ""
    for i, planes in enumerate(positions):
        blocks = "".join(
            f'<TiffData FirstZ="{z}" IFD="{z}" PlaneCount="1">'
            f'<UUID FileName="p{i}.ome.tif">{ids[i]}</UUID></TiffData>'
            for z in range(len(planes))
        )
        images += (
            f'<Image ID="Image:{i}" Name="Pos{i}"><Pixels ID="Pixels:{i}" DimensionOrder="XYZCT" '
            f'Type="uint16" SizeX="{planes.shape[2]}" SizeY="{planes.shape[1]}" SizeC="1" '
            f'SizeT="1" SizeZ="{len(planes)}" PhysicalSizeX="0.{i + 1}" PhysicalSizeY="0.{i + 1}">'
            f'<Channel ID="Channel:{i}:0" Name="channel {i}"/>{blocks}</Pixels></Image>'
        )
    for i, planes in enumerate(positions):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/'
            f'Schemas/OME/2016-06" UUID="{ids[i]}">{images}</OME>'
        )
        tags = [(65000, 1, padding * i, b"x" * padding * i, True)] if i and padding else []
        with tifffile.TiffWriter(folder / f"p{i}.ome.tif", ome=False) as tif:
            for z, plane in enumerate(planes):
                tif.write(plane, description=xml.encode() if z == 0 else None, metadata=None,
                          contiguous=False, extratags=tags)  # fmt: skip
    return [folder / f"p{i}.ome.tif" for i in range(len(positions))]


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("padding", [0, 500])
def test_a_file_of_a_set_is_its_own_position(tmp_path, depth, padding):
    positions = [RNG.integers(0, 9999, (depth, 8, 9 + i), dtype=np.uint16) for i in range(3)]
    for i, path in enumerate(ome_set(tmp_path, positions, padding=padding)):
        found = read_image(path)
        np.testing.assert_array_equal(found.pixels, positions[i].squeeze())
        assert found.pixel_size["X"] == (pytest.approx((i + 1) / 10), "µm")
        assert found.notes == ()
        other = read_image(path, series=(i + 1) % 3)
        np.testing.assert_array_equal(other.pixels, positions[(i + 1) % 3].squeeze())
        with pytest.raises(ImageError, match="no series 3; it holds 3"):
            read_image(path, series=3)


def test_a_position_of_a_set_keeps_its_channel(tmp_path):
    images = [np.zeros((2, 8, 9), np.uint16), np.ones((2, 8, 9), np.uint16)]
    path = ome_set(tmp_path, images, padding=0)[1]
    shutil.move(tmp_path / "p0.ome.tif", tmp_path / "elsewhere")
    np.testing.assert_array_equal(read_image(path).pixels, images[1])


def test_positions_of_a_set_from_the_field(public_data):
    folder = public_data / "field" / "first_is_not_it" / "one_plane"
    for number, size in (("0", 0.1), ("1", 0.65)):
        found = read_image(folder / f"demo_MMStack_Pos00{number}.ome.tif")
        np.testing.assert_array_equal(found.pixels, np.load(folder / f"truth_Pos00{number}.npy"))
        assert found.pixel_size["X"] == (size, "µm")


def test_images_of_one_ome_tiff_are_chosen_by_number(tmp_path):
    path = tmp_path / "a.ome.tif"
    pictures = [RNG.integers(0, 99, (2, 8, 9 + i), dtype=np.uint8) for i in range(3)]
    with tifffile.TiffWriter(path, ome=True) as tif:
        for i, picture in enumerate(pictures):
            tif.write(picture, photometric="minisblack", metadata={
                "axes": "CYX", "Name": f"field {i}", "PhysicalSizeX": i + 1.0,
                "PhysicalSizeXUnit": "µm", "Channel": {"Name": [f"a{i}", f"b{i}"]},
            })  # fmt: skip
    first = read_image(path)
    assert names(first) == ["several-images"]
    assert '1: "field 1"' in first.notes[0].text
    for i, picture in enumerate(pictures):
        found = read_image(path, series=i)
        np.testing.assert_array_equal(found.pixels, picture)
        assert found.pixel_size["X"] == (i + 1.0, "µm")
        assert found.channel_names == (f"a{i}", f"b{i}")
        assert found.notes == ()


@pytest.mark.parametrize("flag", [0, 1])
def test_a_preview_before_the_picture_is_not_the_picture(tmp_path, flag):
    picture = RNG.integers(0, 255, (40, 60, 3), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(picture[::4, ::4], photometric="rgb", subfiletype=flag)
        tif.write(picture, photometric="rgb")
    found = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels, picture)
    assert names(found) == ["several-images"]
    assert "series 1 was read" in found.notes[0].text
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.tif", series=0).pixels[0], picture[0, ::4]
    )


@pytest.mark.parametrize("kind", ["dng", "below", "beside"])
def test_camera_raw_is_refused_by_name(tmp_path, kind):
    path = tmp_path / "a.dng"
    with tifffile.TiffWriter(path) as tif:
        tags = [(50706, 1, 4, bytes([1, 4, 0, 0]), True)] if kind == "dng" else []
        tif.write(RGB, photometric="rgb", subfiletype=1, extratags=tags, metadata=None,
                  subifds=1 if kind == "below" else 0)  # fmt: skip
        if kind != "dng":
            tif.write(GREY, photometric=32803, metadata=None)
    with pytest.raises(ImageError, match=r"a\.dng is a camera raw file"):
        read_image(path)


# --- levels and images of OME-Zarr ------------------------------------------------------


def ome_zarr(path, images, *, zarr_format=2, chunks=(16, 16), **array):
    """Write multiscale images, each a list of (path, pixels, scale)."""
    group = zarr.create_group(str(path), zarr_format=zarr_format)
    scales = []
    for number, levels in enumerate(images):
        datasets = []
        for name, pixels, scale in levels:
            group.create_array(name, data=pixels, chunks=chunks[-pixels.ndim :], **array)
            transforms = [] if scale is None else [{"type": "scale", "scale": [scale] * 2}]
            datasets.append({"path": name, "coordinateTransformations": transforms})
        axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"]
        scales.append({"name": f"image {number}", "version": "0.4", "axes": axes,
                       "datasets": datasets})  # fmt: skip
    own = {"multiscales": scales}
    group.update_attributes(own if zarr_format == 2 else {"ome": {"version": "0.5", **own}})
    return path


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_levels_listed_coarse_first_are_put_in_order(tmp_path, scaled, zarr_format):
    full = RNG.integers(1, 255, (64, 80), dtype=np.uint8)
    levels = [(f"s{k}", full[::k, ::k], 0.5 * k if scaled else None) for k in (4, 2, 1)]
    found = read_image(ome_zarr(tmp_path / "a.zarr", [levels], zarr_format=zarr_format))
    np.testing.assert_array_equal(found.pixels, full)
    assert [level.shape for level in found.levels] == [(32, 40), (16, 20)]
    assert found.pixel_size["X"] == ((0.5 if scaled else 1.0), "µm")
    assert found.notes == ()


def test_several_multiscale_images_are_said_and_chosen(tmp_path):
    pictures = [RNG.integers(1, 255, (20, 30 + i), dtype=np.uint8) for i in range(2)]
    path = ome_zarr(tmp_path / "a.zarr", [[(f"s{i}", p, i + 1.0)] for i, p in enumerate(pictures)])
    found = read_image(path)
    assert names(found) == ["several-images"]
    assert '1: "image 1"' in found.notes[0].text
    second = read_image(path, series=1)
    np.testing.assert_array_equal(second.pixels, pictures[1])
    assert (second.pixel_size["X"], second.notes) == ((2.0, "µm"), ())


# --- chunks that are not there ------------------------------------------------------------

FULL = RNG.integers(100, 4000, (64, 80), dtype=np.uint16)


def rename_chunks(folder, old, new):
    """Store the chunks of an array under names with another separator."""
    chunks = [p for p in folder.rglob("*") if p.is_file() and p.name not in
              (".zarray", ".zattrs", "zarr.json")]  # fmt: skip
    for chunk in chunks:
        name = chunk.relative_to(folder).as_posix().replace(old, new)
        target = folder / "new" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(chunk, target)
        chunk.unlink()
    for entry in list(folder.iterdir()):
        if entry.is_dir() and entry.name != "new":
            shutil.rmtree(entry)
    for entry in list((folder / "new").iterdir()):
        shutil.move(entry, folder / entry.name)
    (folder / "new").rmdir()


@pytest.mark.parametrize(("zarr_format", "said"), [(2, "."), (2, "/"), (3, "."), (3, "/")])
def test_chunks_named_otherwise_than_the_metadata_say_are_read(tmp_path, zarr_format, said):
    path = tmp_path / "a.zarr"
    kind = "v2" if zarr_format == 2 else "default"
    ome_zarr(path, [[("s0", FULL, 1.0), ("s1", FULL[::2, ::2], 2.0)]], zarr_format=zarr_format,
             chunk_key_encoding={"name": kind, "separator": said})  # fmt: skip
    for name in ("s0", "s1"):
        rename_chunks(path / name, said, "/" if said == "." else ".")
    found = read_image(path)
    assert names(found) == ["chunk-names"]
    np.testing.assert_array_equal(found.pixels, FULL)
    np.testing.assert_array_equal(found.levels[0], FULL[::2, ::2])


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_absent_chunks_of_a_copy_are_counted(tmp_path, zarr_format):
    path = ome_zarr(tmp_path / "a.zarr", [[("s0", FULL, 1.0)]], zarr_format=zarr_format)
    assert read_image(path).notes == ()
    for at in ((0, 1), (3, 4), (2, 2)):
        name = ".".join(map(str, at)) if zarr_format == 2 else "c/" + "/".join(map(str, at))
        (path / "s0" / name).unlink()
    found = read_image(path)
    assert names(found) == ["absent-chunks"]
    assert "3 of 20 chunks are absent" in found.notes[0].text


def test_a_store_without_any_chunk_is_said(tmp_path):
    path = ome_zarr(tmp_path / "a.zarr", [[("s0", FULL, 1.0)]])
    for chunk in (path / "s0").glob("[0-9]*"):
        chunk.unlink()
    assert "20 of 20 chunks are absent" in read_image(path).notes[0].text


def test_shards_count_as_chunks(tmp_path):
    path = ome_zarr(tmp_path / "a.zarr", [[("s0", FULL, 1.0)]], zarr_format=3, shards=(32, 80))
    (path / "s0" / "c" / "1" / "0").unlink()
    assert "1 of 2 chunks are absent" in read_image(path).notes[0].text


@pytest.mark.parametrize("fill", [0, 7])
def test_a_sparse_array_is_silent(tmp_path, fill):
    labels = np.full((64, 80), fill, np.int32)
    labels[18:30, 20:30] = 5
    labels[50:62, 66:78] = 6
    path = ome_zarr(tmp_path / "a.zarr", [[("s0", labels, 1.0)]], fill_value=fill,
                    config={"write_empty_chunks": False})  # fmt: skip
    assert len(list((path / "s0").glob("[0-9]*"))) == 2
    found = read_image(path)
    assert found.notes == ()
    np.testing.assert_array_equal(found.pixels, labels)


def test_results_of_ours_leave_out_chunks_of_zeros(tmp_path):
    pixels = np.zeros((1500, 1400), np.uint8)
    pixels[:1024, :1024] = 200
    write_image(tmp_path / "a.ome.zarr", pixels, "YX", record={"model": {}})
    assert read_image(tmp_path / "a.ome.zarr").notes == ()


def test_a_store_from_the_field_is_read(public_data):
    folder = public_data / "field" / "absent_chunks"
    found = read_image(folder / "meta_slash_files_dot.zarr")
    np.testing.assert_array_equal(found.pixels, np.load(folder / "truth.npy"))


# --- names and sentences --------------------------------------------------------------


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
    with pytest.raises(ImageError, match="damaged or cut short") as caught:
        read_image(path)
    text = str(caught.value).replace(str(tmp_path), "")
    assert not [word for word in ("index", "object", "0x", "_", "lzw:") if word in text]


def test_damaged_pictures_are_said_in_plain_words(tmp_path):
    for name, head in (("a.png", b"\x89PNG\r\n\x1a\n"), ("a.jpg", b"\xff\xd8\xff")):
        (tmp_path / name).write_bytes(head + b"nothing more")
        with pytest.raises(ImageError, match="damaged or cut short") as caught:
            read_image(tmp_path / name)
        assert "object" not in str(caught.value)


# --- large TIFF --------------------------------------------------------------------------

LAYOUTS = [
    {"photometric": "minisblack"},
    {"photometric": "minisblack", "compression": "zlib", "predictor": True, "rowsperstrip": 7},
    {"photometric": "minisblack", "compression": "lzw", "tile": (32, 16)},
    {"photometric": "minisblack", "byteorder": ">", "tile": (16, 48)},
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(50, 70), (3, 50, 70)])
def test_a_large_tiff_is_read_where_it_is_sliced(tmp_path, monkeypatch, layout, shape):
    monkeypatch.setattr(tiff_reading, "_LAZY_BYTES", 100)
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
    monkeypatch.setattr(tiff_reading, "_LAZY_BYTES", 100)
    pixels = RNG.integers(0, 255, (50, 70, samples), dtype=np.uint8)
    extra = {"extrasamples": ["unassalpha"]} if samples == 4 else {}
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", compression="zlib", tile=tile,
                     **extra)  # fmt: skip
    found = read_image(tmp_path / "a.tif")
    assert (found.axes, isinstance(found.pixels, LazyPixels)) == ("YXC", True)
    np.testing.assert_array_equal(found.pixels[7:33, 2:68], pixels[7:33, 2:68])
    np.testing.assert_array_equal(found.pixels[..., 1], pixels[..., 1])


def test_jpeg_tiles_give_what_tifffile_gives(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_reading, "_LAZY_BYTES", 100)
    y, x = np.mgrid[:100, :120]
    pixels = np.stack([x, y, x + y], axis=-1).astype(np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="ycbcr", compression="jpeg", tile=(32, 32),
                     subsampling=(2, 2))  # fmt: skip
    found = read_image(path).pixels[3:77, 40:99]
    np.testing.assert_array_equal(found, tifffile.imread(path)[3:77, 40:99])


def test_a_large_tiff_that_was_cut_is_refused_where_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_reading, "_LAZY_BYTES", 100)
    pixels = RNG.integers(0, 255, (64, 64), dtype=np.uint8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, compression="zlib", tile=(16, 16))
    found = read_image(path).pixels
    path.write_bytes(path.read_bytes()[:-1500])
    with pytest.raises(ImageError, match="damaged or cut short"):
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
    monkeypatch.setattr(tiff_reading, "_LAZY_BYTES", 10)
    monkeypatch.setattr(tiff_pages, "_common", bug)
    with pytest.raises(TypeError, match="a bug"):
        np.asarray(read_image(tmp_path / "a.tif").pixels)
