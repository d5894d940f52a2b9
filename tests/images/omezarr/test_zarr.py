"""OME-Zarr: read where it is sliced, written whole or not at all, valid for others."""

import json
import shutil
import sys

import numpy as np
import pytest
import yaozarrs
import zarr
from hypothesis import given
from hypothesis import strategies as st

import toys
from napari_microenhance import Options, enhance
from napari_microenhance.cli import run
from napari_microenhance.contributions.writers import write_ome_zarr
from napari_microenhance.errors import AxesError, ImageError, OutputError
from napari_microenhance.files import replacing_folder
from napari_microenhance.images.changed import changed_pixels
from napari_microenhance.images.composed import ResultPixels
from napari_microenhance.images.image_formats import (
    check_output,
    read_changed,
    read_image,
    read_record,
    write_image,
)
from napari_microenhance.images.omezarr import zarr_pyramid, zarr_writing
from napari_microenhance.images.omezarr.zarr_reading import ZarrPixels
from napari_microenhance.rois.roi_formats import read_roi

RNG = np.random.default_rng(7)
RECORD = {"model": {"name": 'naïve "<&>"'}, "options": {"planes": [1, 2]}, "none": None}
SIZES = {"T": (30.0, "s"), "Z": (2.0, "µm"), "Y": (0.5, "µm"), "X": (250.0, "nm")}
PLAIN = Options(intensity="none")


def _other(path, pixels, axes, *, version="0.4", zarr_format=2, **more):
    """Write an OME-Zarr image as other programs do."""
    group = zarr.create_group(str(path), zarr_format=zarr_format)
    group.create_array("s0", data=pixels, chunks=tuple(min(n, 16) for n in pixels.shape))
    group.create_array("s1", data=pixels[..., ::2, ::2])
    scale = [1.0] * (len(axes) - 2) + [0.5, 0.25]
    kinds = {"t": ("time", "second"), "c": ("channel", None)}
    own = {
        "multiscales": [
            {
                "version": version,
                "axes": [
                    {"name": a, "type": kinds.get(a, ("space", "micrometer"))[0]}
                    | ({} if a == "c" else {"unit": kinds.get(a, ("space", "micrometer"))[1]})
                    for a in axes
                ],
                "datasets": [
                    {"path": p, "coordinateTransformations": [{"type": "scale", "scale": s}]}
                    for p, s in (("s0", scale), ("s1", [*scale[:-2], 1.0, 0.5]))
                ],
                "coordinateTransformations": [{"type": "scale", "scale": [1.0] * len(axes)}],
            }
        ],
        **more,
    }
    group.update_attributes(own if version == "0.4" else {"ome": {"version": version, **own}})
    return path


# --- reading ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("version", "zarr_format"), [("0.4", 2), ("0.5", 3)])
@pytest.mark.parametrize("axes", ["yx", "zyx", "cyx", "tczyx"])
def test_both_versions_are_read_at_full_resolution(tmp_path, version, zarr_format, axes):
    pixels = RNG.integers(0, 60_000, (2, 3, 4, 30, 40)[5 - len(axes) :], dtype=np.uint16)
    found = read_image(
        _other(tmp_path / "a.zarr", pixels, axes, version=version, zarr_format=zarr_format)
    )
    assert (found.axes, found.pixels.dtype, found.notes) == (axes.upper(), np.uint16, ())
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.pixel_size["Y"] == (0.5, "µm")
    assert found.pixel_size["X"] == (0.25, "µm")
    assert found.pixel_size.get("T") == ((1.0, "s") if "t" in axes else None)
    assert read_record(tmp_path / "a.zarr") is None
    assert read_changed(tmp_path / "a.zarr") is None


def test_other_byte_orders_come_native(tmp_path):
    pixels = RNG.integers(0, 60_000, (30, 40)).astype(">u2")
    found = read_image(_other(tmp_path / "a.zarr", pixels, "yx")).pixels
    assert found.dtype.isnative
    assert found[3:5].dtype.isnative
    np.testing.assert_array_equal(found, pixels)


def test_channel_names_are_read(tmp_path):
    channels = [{"label": "DAPI", "color": "0000FF"}, {"label": "GFP", "color": "00FF00"}]
    path = _other(tmp_path / "a.zarr", np.zeros((2, 9, 9), np.uint8), "cyx",
                  omero={"channels": channels})  # fmt: skip
    assert read_image(path).channel_names == ("DAPI", "GFP")


@pytest.mark.slow
def test_only_what_a_run_needs_is_read(tmp_path, monkeypatch):
    pixels = RNG.random((200, 300), np.float32)
    path = _other(tmp_path / "a.zarr", pixels, "yx")
    model = toys.plain(tmp_path / "toy.onnx", convs=2)
    roi = [np.array([(20.0, 30), (20, 60), (50, 60), (50, 30)])]
    expected = enhance(pixels, model, roi=roi, options=PLAIN)
    read = []
    whole = ZarrPixels.__getitem__

    def count(self, key):
        block = whole(self, key)
        read.append(block.size)
        return block

    monkeypatch.setattr(ZarrPixels, "__getitem__", count)
    image = read_image(path)
    result = enhance(image.pixels, model, roi=roi, axes=image.axes, options=PLAIN)
    np.testing.assert_array_equal(result.patch, expected.patch)
    # A small image is known by all of its pixels, and its noise is looked for in its middle; the
    # run itself reads the region and its halo.
    assert read.count(pixels.size) <= 2
    assert 0 < max(size for size in read if size < pixels.size) < 60 * 60


@pytest.mark.slow
@given(data=st.data())
def test_slices_are_those_of_the_whole(tmp_path_factory, data):
    axes = data.draw(st.sampled_from(["ZYX", "ZYXC", "YXC", "TCZYX"]))
    pixels = np.arange(3 * 4 * 5 * 4 * 3).reshape(3, 4, 5, 4, 3)[(0,) * (5 - len(axes))]
    pixels = pixels.astype(np.uint16)
    path = tmp_path_factory.mktemp("zarr") / "a.ome.zarr"
    write_image(path, pixels, axes)
    found = read_image(path)
    assert found.axes == axes
    part = st.builds(slice, st.integers(0, 2), st.integers(3, 5), st.sampled_from([1, 2, None]))
    key = data.draw(st.lists(part | st.integers(0, 2), min_size=1, max_size=pixels.ndim))
    if data.draw(st.booleans()):
        key = [..., *key]
    np.testing.assert_array_equal(found.pixels[tuple(key)], pixels[tuple(key)])


def test_channels_become_colour_where_the_caller_says_so(tmp_path):
    pixels = RNG.integers(0, 255, (3, 20, 30), dtype=np.uint8)
    path = _other(tmp_path / "a.zarr", pixels, "cyx")
    assert read_image(path).axes == "CYX"
    found = read_image(path, axes="YXC")
    assert found.axes == "YXC"
    np.testing.assert_array_equal(found.pixels, np.moveaxis(pixels, 0, -1))
    assert read_image(path, axes="ZYX").axes == "ZYX"
    with pytest.raises(AxesError, match="names 2 axes, but the image has 3"):
        read_image(path, axes="YX")


def test_a_collection_gives_its_first_image_and_a_plate_none(tmp_path):
    group = zarr.create_group(str(tmp_path / "a.zarr"), zarr_format=2)
    group.update_attributes({"bioformats2raw.layout": 3})
    _other(tmp_path / "a.zarr" / "0", np.ones((9, 8), np.uint8), "yx")
    assert read_image(tmp_path / "a.zarr").notes == ()
    _other(tmp_path / "a.zarr" / "1", np.ones((5, 6), np.uint8), "yx")
    found = read_image(tmp_path / "a.zarr")
    assert (found.axes, found.pixels.shape) == ("YX", (9, 8))
    assert "holds 2 images" in found.notes[0].text
    chosen = read_image(tmp_path / "a.zarr", series=1)
    assert (chosen.pixels.shape, chosen.notes) == ((5, 6), ())
    with pytest.raises(ImageError, match="no series 2; it holds 2"):
        read_image(tmp_path / "a.zarr", series=2)
    zarr.create_group(str(tmp_path / "p.zarr")).update_attributes({"ome": {"plate": {}}})
    with pytest.raises(ImageError, match="is a plate; open one of the images"):
        read_image(tmp_path / "p.zarr")
    zarr.create_group(str(tmp_path / "g.zarr"))
    with pytest.raises(ImageError, match="not an OME-Zarr image"):
        read_image(tmp_path / "g.zarr")


def test_a_plain_array_needs_its_axes(tmp_path):
    zarr.create_array(str(tmp_path / "a.zarr"), data=np.ones((9, 8), np.uint8))
    assert read_image(tmp_path / "a.zarr").axes == "YX"
    zarr.create_array(str(tmp_path / "b.zarr"), data=np.ones((2, 9, 8), np.uint8))
    assert read_image(tmp_path / "b.zarr", axes="zyx").axes == "ZYX"
    with pytest.raises(AxesError, match="does not state its axes"):
        read_image(tmp_path / "b.zarr")


def test_a_label_image_is_a_region(tmp_path):
    mask = np.zeros((20, 30), dtype=bool)
    mask[3:9, 4:20] = True
    write_image(tmp_path / "a.ome.zarr", np.ones((20, 30, 3), np.uint8), "YXC", changed=mask)
    found = read_roi(tmp_path / "a.ome.zarr" / "labels" / "changed", (20, 30))
    np.testing.assert_array_equal(found.mask, mask)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda own: own.update(multiscales=[]), "not an OME-Zarr image"),
        (lambda own: own.update(multiscales=5), "not an OME-Zarr image"),
        (lambda own: own["multiscales"][0].update(datasets=[]), "not an OME-Zarr image"),
        (lambda own: own["multiscales"][0]["datasets"][0].update(path="9"), '"9" is missing'),
        (lambda own: own["multiscales"][0]["datasets"][0].update(path="../b"), "is missing"),
        (lambda own: own["multiscales"][0]["datasets"][0].update(path=""), "is not an array"),
        (lambda own: own["multiscales"][0]["axes"].pop(), "2 axes for 3 dimensions"),
        (lambda own: own["multiscales"][0]["axes"][0].update(name="q"), "does not state its axes"),
        (lambda own: own["multiscales"][0]["axes"].reverse(), "does not state its axes"),
    ],
)
def test_metadata_that_lie_get_one_sentence(tmp_path, change, match):
    path = _other(tmp_path / "a.zarr", np.ones((2, 9, 8), np.uint8), "zyx")
    own = json.loads((path / ".zattrs").read_text())
    change(own)
    (path / ".zattrs").write_text(json.dumps(own))
    with pytest.raises(ImageError, match=match) as caught:
        read_image(path)
    assert "\n" not in str(caught.value)
    assert "a.zarr" in str(caught.value)


def test_odd_scales_are_left_out(tmp_path):
    path = _other(tmp_path / "a.zarr", np.ones((9, 8), np.uint8), "yx")
    own = json.loads((path / ".zattrs").read_text())
    scale = own["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]
    for odd in (["a", 1], [1], "x", [0, -1], [None, None]):
        scale["scale"] = odd
        (path / ".zattrs").write_text(json.dumps(own))
        assert read_image(path).pixel_size["Y"][0] == 1.0


@pytest.mark.parametrize("name", [".zattrs", ".zgroup", "s0/.zarray"])
def test_damaged_metadata_get_one_sentence(tmp_path, name):
    path = _other(tmp_path / "a.zarr", np.ones((9, 8), np.uint8), "yx")
    (path / name).write_text((path / name).read_text()[:9])
    with pytest.raises(ImageError, match="damaged") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_cut_short_chunk_is_said_where_it_is_read(tmp_path, zarr_format):
    noise = RNG.integers(0, 99, (40, 40), dtype=np.uint16)
    version = "0.4" if zarr_format == 2 else "0.5"
    path = _other(tmp_path / "a.zarr", noise, "yx", version=version, zarr_format=zarr_format)
    chunk = path / ("s0/0.0" if zarr_format == 2 else "s0/c/0/0")
    chunk.write_bytes(chunk.read_bytes()[:-9])
    pixels = read_image(path).pixels
    assert pixels[16:32, 16:32].shape == (16, 16)
    with pytest.raises(ImageError, match="damaged or truncated"):
        pixels[:4, :4]


# --- writing ---------------------------------------------------------------------

SHAPES = {"YX": (5, 7), "YXC": (5, 7, 3), "CYX": (2, 5, 7), "TZCYX": (2, 3, 2, 5, 7),
          "ZYXC": (3, 5, 7, 4), "CZYX": (2, 3, 5, 7), "TYX": (4, 5, 7)}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "bool"])
def test_round_trip_and_validity(tmp_path, axes, dtype):
    pixels = (RNG.random(SHAPES[axes]) * 200).astype(dtype)
    changed = RNG.random([n for n, a in zip(pixels.shape, axes, strict=True) if a != "C"]) > 0.5
    size = {axis: step for axis, step in SIZES.items() if axis in axes}
    names = ("DAPI", "µ-catenin") if "C" in axes.removesuffix("YXC") else ()
    path = tmp_path / "a.ome.zarr"
    write_image(path, pixels, axes, pixel_size=size, channel_names=names, record=RECORD,
                changed=changed)  # fmt: skip
    yaozarrs.validate_zarr_store(str(path))
    found = read_image(path)
    assert found.axes == {"TZCYX": "TCZYX"}.get(axes, axes)
    order = [axes.index(axis) for axis in found.axes]
    assert (found.pixels.dtype, found.notes) == (pixels.dtype, ())
    np.testing.assert_array_equal(found.pixels, pixels.transpose(order))
    assert dict(found.pixel_size) == size
    assert found.channel_names == names
    assert read_record(path) == RECORD
    plain = [axis for axis in axes if axis != "C"]
    order = [plain.index(axis) for axis in found.axes if axis != "C"]
    np.testing.assert_array_equal(read_changed(path), changed.transpose(order))


def test_the_same_image_gives_the_same_bytes(tmp_path):
    pixels = RNG.integers(0, 60_000, (3, 1100, 600), dtype=np.uint16)
    contents = []
    for name in ("a.ome.zarr", "b.ome.zarr"):
        write_image(tmp_path / name, pixels, "CYX", channel_names="abc", record=RECORD,
                    changed=pixels[0] > 9)  # fmt: skip
        files = sorted(p for p in (tmp_path / name).rglob("*") if p.is_file())
        contents.append([(p.relative_to(tmp_path / name), p.read_bytes()) for p in files])
    assert contents[0] == contents[1]
    codecs = zarr.open_group(str(tmp_path / name), mode="r")["0"].metadata.codecs
    assert [codec.to_dict()["name"] for codec in codecs] == ["bytes", "zstd"]


@pytest.mark.slow
def test_lower_resolutions_are_means_and_lie_where_they_belong(tmp_path):
    pixels = RNG.integers(0, 60_000, (1301, 2047), dtype=np.uint16)
    path = tmp_path / "a.ome.zarr"
    write_image(path, pixels, "YX", pixel_size={"Y": (0.5, "µm"), "X": (0.5, "µm")})
    group = zarr.open_group(str(path), mode="r")
    assert sorted(group.array_keys()) == ["0", "1", "2"]
    assert [group[k].shape for k in "012"] == [(1301, 2047), (651, 1024), (326, 512)]
    padded = np.pad(pixels, ((0, 1), (0, 1)), mode="edge").astype(float)
    mean = padded.reshape(651, 2, 1024, 2).mean(axis=(1, 3))
    np.testing.assert_array_equal(group["1"][:], np.rint(mean))
    (scales,) = group.attrs["ome"]["multiscales"]
    third = scales["datasets"][2]["coordinateTransformations"]
    # Its first pixel stands for the first 4 x 4, whose middle lies 1.5 px from the first centre.
    assert third == [
        {"type": "scale", "scale": [2.0, 2.0]},
        {"type": "translation", "translation": [0.75, 0.75]},
    ]


def test_one_changed_pixel_shows_at_every_resolution(tmp_path):
    changed = np.zeros((1200, 1300), dtype=bool)
    changed[777, 333] = True
    path = tmp_path / "a.ome.zarr"
    write_image(path, np.zeros((1200, 1300), np.uint8), "YX", changed=changed)
    group = zarr.open_group(str(path / "labels" / "changed"), mode="r")
    assert [np.count_nonzero(group[k][:]) for k in "012"] == [1, 1, 1]
    assert group["2"][777 // 4, 333 // 4] == 1
    assert group.attrs["ome"]["image-label"]["source"] == {"image": "../../"}


def test_classes_are_not_averaged(tmp_path):
    pixels = RNG.integers(0, 2, (1100, 600), dtype=np.uint8) * 9
    record = {"model": {"spec": {"task": "labels"}}}
    write_image(tmp_path / "a.ome.zarr", pixels, "YX", record=record)
    write_image(tmp_path / "b.ome.zarr", pixels.astype(np.int64), "YX")
    for name in ("a.ome.zarr", "b.ome.zarr"):
        lower = zarr.open_group(str(tmp_path / name), mode="r")["1"][:]
        np.testing.assert_array_equal(lower, pixels[::2, ::2])


def test_an_image_is_written_block_by_block(tmp_path, monkeypatch):
    monkeypatch.setattr(zarr_writing, "BLOCK", 64)
    monkeypatch.setattr(zarr_pyramid, "CHUNK", 32)
    monkeypatch.setattr(zarr_pyramid, "SMALLEST", 40)
    pixels = RNG.integers(0, 255, (2, 150, 170, 3), dtype=np.uint8)
    changed = RNG.random((2, 150, 170)) > 0.5

    class Lazy:
        shape, dtype = pixels.shape, pixels.dtype
        largest = 0

        def __getitem__(self, key):
            block = pixels[key]
            self.largest = max(self.largest, block.size)
            return block

    lazy = Lazy()
    write_image(tmp_path / "a.ome.zarr", lazy, "ZYXC", changed=changed)
    assert 0 < lazy.largest <= 64 * 64
    np.testing.assert_array_equal(read_image(tmp_path / "a.ome.zarr").pixels, pixels)
    np.testing.assert_array_equal(read_changed(tmp_path / "a.ome.zarr"), changed)
    whole = np.pad(pixels, ((0, 0), (0, 0), (0, 0), (0, 0))).astype(float)
    mean = np.rint(whole.reshape(2, 75, 2, 85, 2, 3).mean(axis=(2, 4)))
    lower = zarr.open_group(str(tmp_path / "a.ome.zarr"), mode="r")["1"][:]
    np.testing.assert_array_equal(np.moveaxis(lower, 0, -1), mean)


def test_channels_have_a_range_that_shows_them(tmp_path):
    pixels = np.stack([np.full((9, 9), np.nan), np.full((9, 9), 3.0)]).astype(np.float32)
    pixels[0, 0, 0] = -2
    write_image(tmp_path / "a.ome.zarr", pixels, "CYX", channel_names=("a", "b"))
    channels = zarr.open_group(str(tmp_path / "a.ome.zarr")).attrs["ome"]["omero"]["channels"]
    assert [c["label"] for c in channels] == ["a", "b"]
    assert channels[0]["window"] == {"min": -2.0, "max": 3.0, "start": -2.0, "end": 3.0}


# --- whole or not at all ---------------------------------------------------------


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), ValueError("x"), OSError(28, "No space")])
def test_a_failed_write_leaves_the_old_folder_alone(tmp_path, problem):
    path = tmp_path / "a.ome.zarr"
    write_image(path, np.ones((5, 6), np.uint8), "YX", record=RECORD)

    class Failing:
        shape, dtype = (5, 6), np.dtype(np.uint8)

        def __getitem__(self, key):
            raise problem

    expected = OutputError if isinstance(problem, OSError) else type(problem)
    with pytest.raises(expected):
        write_image(path, Failing(), "YX")
    np.testing.assert_array_equal(read_image(path).pixels, np.ones((5, 6)))
    assert read_record(path) == RECORD
    assert list(tmp_path.iterdir()) == [path]


def test_an_older_result_is_replaced(tmp_path):
    path = tmp_path / "a.ome.zarr"
    write_image(path, np.ones((5, 6), np.uint8), "YX", changed=np.ones((5, 6), bool))
    write_image(path, np.zeros((4, 3), np.uint8), "YX")
    assert read_image(path).pixels.shape == (4, 3)
    assert read_changed(path) is None
    assert list(tmp_path.iterdir()) == [path]


def test_a_target_that_fails_to_move_is_put_back(tmp_path, monkeypatch):
    path = tmp_path / "a.zarr"
    write_image(path, np.ones((5, 6), np.uint8), "YX")
    rename = type(path).rename

    def refuse(self, target):
        if self.name.endswith(".part"):
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(type(path), "rename", refuse)
    with pytest.raises(OutputError, match="Permission denied"), replacing_folder(path) as folder:
        (folder / "new").touch()
    assert read_image(path).pixels.shape == (5, 6)
    assert list(tmp_path.iterdir()) == [path]


def test_other_folders_and_files_are_never_replaced(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "thesis.docx").touch()
    (tmp_path / "b.zarr").touch()
    for name in ("a.zarr", "b.zarr"):
        with pytest.raises(OutputError, match="exists and is not a Zarr folder"):
            check_output(tmp_path / name, "uint8", "YX")
        with pytest.raises(OutputError, match="exists and is not a Zarr folder"):
            write_image(tmp_path / name, np.ones((5, 6), np.uint8), "YX")
    assert (tmp_path / "a.zarr" / "thesis.docx").exists()
    with pytest.raises(OutputError, match="does not exist; create it first"):
        check_output(tmp_path / "no" / "a.zarr", "uint8", "YX")
    with pytest.raises(OutputError, match=r"support float128 pixels|support longdouble"):
        check_output(tmp_path / "c.zarr", np.longdouble, "YX")


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    write_image(tmp_path / "a.zarr", np.ones((5, 6), np.uint8), "YX")
    monkeypatch.setitem(sys.modules, "yaozarrs", None)
    with pytest.raises(OutputError, match="zarr and yaozarrs"):
        check_output(tmp_path / "b.zarr", "uint8", "YX")
    monkeypatch.setitem(sys.modules, "zarr", None)
    for do in (
        lambda: read_image(tmp_path / "a.zarr"),
        lambda: read_record(tmp_path / "a.zarr"),
        lambda: check_output(tmp_path / "b.zarr", "uint8", "YX"),
        lambda: write_image(tmp_path / "b.zarr", np.ones((5, 6), np.uint8), "YX"),
    ):
        with pytest.raises(
            (ImageError, OutputError), match=r'pip install "napari-microenhance\[zarr\]"'
        ):
            do()
    assert not (tmp_path / "b.zarr").exists()


# --- with a run ------------------------------------------------------------------


def test_the_command_line_reads_and_writes_it(tmp_path, capfd):
    pixels = RNG.integers(0, 60_000, (70, 90), dtype=np.uint16)
    source, target = tmp_path / "in.ome.zarr", tmp_path / "out.ome.zarr"
    write_image(source, pixels, "YX", pixel_size={"Y": (0.5, "µm"), "X": (0.5, "µm")})
    write_image(tmp_path / "in.tif", pixels, "YX")
    for image, result in ((source, target), (tmp_path / "in.tif", tmp_path / "out.tif")):
        arguments = ["enhance", str(image), str(result), "--model", "detail-classic"]
        assert run(arguments) == 0, capfd.readouterr().err
    found = read_image(target)
    np.testing.assert_array_equal(found.pixels, read_image(tmp_path / "out.tif").pixels)
    assert found.pixel_size == {"Y": (0.5, "µm"), "X": (0.5, "µm")}
    assert read_record(target)["model"]["name"] == "detail-classic"
    assert yaozarrs.validate_zarr_store(str(target)) is not None


@pytest.mark.parametrize("background", ["original", "white", "crop"])
@pytest.mark.parametrize("axes", ["YX", "YXC", "CYX"])
def test_changed_pixels_are_those_that_differ(tmp_path, axes, background):
    shape = {"Y": 40, "X": 50, "C": 3}
    pixels = RNG.integers(0, 255, [shape[a] for a in axes], dtype=np.uint8)
    roi = [np.array([(5.0, 8), (5, 30), (25, 20)])]
    model = toys.plain(tmp_path / "toy.onnx", convs=1)
    result = enhance(
        pixels, model, roi=roi, axes=axes, options=Options(background=background, intensity="none")
    )
    changed = changed_pixels(result)
    before = pixels
    if background == "crop":
        (y, x), (height, width) = result.offset, [result.pixels.shape[axes.index(a)] for a in "YX"]
        cut = {"Y": slice(y, y + height), "X": slice(x, x + width), "C": slice(None)}
        before = pixels[tuple(cut[a] for a in axes)]
    differ = result.pixels != before
    expected = differ.any(axis=axes.index("C")) if "C" in axes else differ
    changed = np.asarray(changed)
    np.testing.assert_array_equal(changed, expected)
    assert 0 < np.count_nonzero(changed) < changed.size or background == "white"


@pytest.mark.slow
@pytest.mark.parametrize("background", ["original", "white", "crop"])
@pytest.mark.parametrize("axes", ["YX", "YXC", "TYX"])
@pytest.mark.parametrize("scale", [1, 2])
def test_a_result_is_composed_where_it_is_sliced(tmp_path, monkeypatch, axes, background, scale):
    monkeypatch.setattr(zarr_writing, "BLOCK", 16)
    monkeypatch.setattr(zarr_pyramid, "CHUNK", 16)
    shape = {"Y": 40, "X": 50, "C": 3, "T": 2}
    pixels = RNG.integers(0, 255, [shape[a] for a in axes], dtype=np.uint8)
    roi = [np.array([(5.0, 8), (5, 30), (25, 20)])]
    kind = toys.plain if scale == 1 else toys.espcn
    model = kind(tmp_path / "toy.onnx")
    options = Options(
        background=background, intensity="none", planes=(1,) if "T" in axes else "all"
    )
    result = enhance(pixels, model, roi=roi, axes=axes, options=options)
    lazy = ResultPixels(result)
    assert (lazy.shape, lazy.dtype) == (result.pixels.shape, result.pixels.dtype)
    write_image(tmp_path / "a.ome.zarr", lazy, result.axes, changed=changed_pixels(result))
    np.testing.assert_array_equal(read_image(tmp_path / "a.ome.zarr").pixels, result.pixels)


def test_changed_pixels_of_a_larger_result(tmp_path):
    pixels = RNG.integers(1, 255, (20, 24), dtype=np.uint8)
    mask = np.zeros((20, 24), dtype=bool)
    mask[5:9, 6:14] = True
    model = toys.espcn(tmp_path / "toy.onnx", scale=2)
    result = enhance(pixels, model, roi=mask, options=PLAIN)
    changed = np.asarray(changed_pixels(result))
    expected = result.pixels != np.repeat(np.repeat(pixels, 2, axis=0), 2, axis=1)
    np.testing.assert_array_equal(changed, expected)
    assert not changed[~np.repeat(np.repeat(mask, 2, axis=0), 2, axis=1)].any()


def test_a_layer_is_written_with_its_scale_and_record(tmp_path):
    data = [np.ones((2, 30, 40), np.uint16), np.ones((2, 15, 20), np.uint16)]
    meta = {
        "multiscale": True,
        "scale": (2.0, 0.5, 0.5),
        "units": ("um", "um", "um"),
        "axis_labels": ("z", "y", "x"),
        "metadata": {"napari-microenhance": RECORD},
    }
    path = str(tmp_path / "a.ome.zarr")
    assert write_ome_zarr(path, data, meta) == [path]
    found = read_image(path)
    assert (found.axes, found.pixels.shape) == ("ZYX", (2, 30, 40))
    assert found.pixel_size == {"Z": (2.0, "µm"), "Y": (0.5, "µm"), "X": (0.5, "µm")}
    assert read_record(path) == RECORD
    shutil.rmtree(path)
