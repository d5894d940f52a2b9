"""Which of the images in a TIFF file is the picture."""

import shutil
import uuid

import numpy as np
import pytest
import tifffile

from napari_microenhance.errors import ImageError
from napari_microenhance.images.image_formats import read_image

RNG = np.random.default_rng(11)
GREY = RNG.integers(0, 256, (13, 17), dtype=np.uint8)
RGB = RNG.integers(0, 256, (13, 17, 3), dtype=np.uint8)


def names(file):
    return [note.name for note in file.notes]


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


def stack_across_files(folder, planes, layouts):
    """Write a stack as a set of files of one plane each, which are not laid out alike."""
    ids = [f"urn:uuid:{uuid.UUID(int=i + 1)}" for i in range(len(planes))]
    blocks = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="z{z}.ome.tif">{ids[z]}</UUID></TiffData>'
        for z in range(len(planes))
    )
    height, width = planes[0].shape
    for z, (plane, layout) in enumerate(zip(planes, layouts, strict=True)):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/'
            f'Schemas/OME/2016-06" UUID="{ids[z]}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
            f'DimensionOrder="XYZCT" Type="uint16" SizeX="{width}" SizeY="{height}" SizeC="1" '
            f'SizeT="1" SizeZ="{len(planes)}"><Channel ID="Channel:0:0"/>{blocks}'
            "</Pixels></Image></OME>"
        )
        tifffile.imwrite(folder / f"z{z}.ome.tif", plane, description=xml.encode(), ome=False,
                         metadata=None, photometric="minisblack", **layout)  # fmt: skip
    return [folder / f"z{z}.ome.tif" for z in range(len(planes))]


def test_planes_in_files_of_several_layouts_are_each_read_as_they_lie(tmp_path):
    planes = RNG.integers(0, 9999, (4, 40, 50), dtype=np.uint16)
    layouts = [
        {"rowsperstrip": 40},
        {"rowsperstrip": 8},
        {"tile": (16, 16), "compression": "zlib", "predictor": True},
        {"byteorder": ">", "rowsperstrip": 7},
    ]
    for path in stack_across_files(tmp_path, planes, layouts):
        found = read_image(path)
        assert found.axes == "ZYX"
        np.testing.assert_array_equal(found.pixels, planes)


def test_a_plane_of_another_number_type_in_a_set_is_refused(tmp_path):
    planes = [np.zeros((8, 9), np.uint16), np.zeros((8, 9), np.uint8)]
    path, other = stack_across_files(tmp_path, planes, [{}, {}])
    with pytest.raises(ImageError, match="holds a plane of 8 x 9 uint8") as caught:
        read_image(path)
    assert other.name in str(caught.value)


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
    assert names(found) == ["several-images"] * (1 - flag)
    assert all("series 1 was read" in note.text for note in found.notes)
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.tif", series=0).pixels[0], picture[0, ::4]
    )


def test_lower_resolutions_and_masks_are_no_other_pictures(tmp_path):
    picture = RNG.integers(0, 255, (64, 96, 3), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(picture, photometric="rgb", tile=(32, 32), metadata=None)
        tif.write(picture[..., 0] > 9, subfiletype=4, metadata=None)
        for step in (2, 4):
            tif.write(picture[::step, ::step], photometric="rgb", tile=(32, 32), subfiletype=1,
                      metadata=None)  # fmt: skip
    found = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels, picture)
    assert found.notes == ()


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
