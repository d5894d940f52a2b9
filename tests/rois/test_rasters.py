"""Rasters as regions: alpha, classes, backgrounds, and what is no mask at all."""

import numpy as np
import pytest
import tifffile
from PIL import Image

import toys
from napari_microenhance import Options, enhance, load_model
from napari_microenhance.cli import run
from napari_microenhance.errors import RoiError
from napari_microenhance.images.image_formats import read_image, write_image
from napari_microenhance.rois.imagej.imagej_encoding import roi_of
from napari_microenhance.rois.roi_formats import read_roi
from napari_microenhance.rois.shapes import Shape

SHAPE = (40, 50)
y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
DISC = (y - 20) ** 2 + (x - 25) ** 2 < 100
SQUARE = np.array([(3.0, 4.0), (3.0, 9.0), (8.0, 9.0), (8.0, 4.0)])


@pytest.fixture(scope="module")
def invert(tmp_path_factory):
    return load_model(toys.inverse(tmp_path_factory.mktemp("net") / "inverse.onnx"))


def saved(path, pixels):
    Image.fromarray(pixels).save(path)
    return path


def notes(path, **how):
    return " ".join(map(str, read_roi(path, **how).notes))


# --- alpha -------------------------------------------------------------------------


@pytest.mark.parametrize("ground", [0, 255])
@pytest.mark.parametrize("paint", [(255, 0, 0), (0, 0, 0), (255, 255, 255)])
def test_what_is_opaque_is_the_region_where_something_is_transparent(tmp_path, ground, paint):
    rgba = np.full((*SHAPE, 4), ground, np.uint8)
    rgba[..., 3] = 0
    rgba[DISC] = (*paint, 255)
    np.testing.assert_array_equal(read_roi(saved(tmp_path / "a.png", rgba)).mask, DISC)


def test_a_half_transparent_overlay_counts_whole(tmp_path):
    rgba = np.zeros((*SHAPE, 4), np.uint8)
    rgba[DISC] = (9, 9, 9, 90)
    np.testing.assert_array_equal(read_roi(saved(tmp_path / "a.png", rgba)).mask, DISC)


@pytest.mark.parametrize(
    ("numbers", "clear", "region"),
    [
        ((0, 1, 1), {1}, (1, 0, 0)),  # only number 0 shows something
        ((0, 1, 2), {2}, (0, 1, 0)),
        ((0, 1, 2), {0}, (0, 1, 1)),
        ((0, 1, 2), set(), (0, 1, 1)),
    ],
)
def test_what_a_palette_shows_is_the_region(tmp_path, numbers, clear, region):
    raster = np.repeat(np.array(numbers, np.uint8), 8)[None].repeat(6, axis=0)
    image = Image.fromarray(raster)
    image.putpalette([250, 0, 0, 0, 250, 0, 0, 0, 250])
    shown = bytes(0 if number in clear else 255 for number in range(3))
    image.save(tmp_path / "a.png", **({"transparency": shown} if clear else {}))
    with Image.open(tmp_path / "a.png") as saved_image:
        assert saved_image.mode == "P"
    (roi,) = read_roi(tmp_path / "a.png").rois
    np.testing.assert_array_equal(roi.mask[0], np.repeat(np.array(region, bool), 8))


def test_where_all_is_opaque_colour_counts(tmp_path):
    rgba = np.zeros((*SHAPE, 4), np.uint8)
    rgba[..., 3] = 255
    rgba[DISC, 1] = 7
    np.testing.assert_array_equal(read_roi(saved(tmp_path / "a.png", rgba)).mask, DISC)


# --- classes -----------------------------------------------------------------------


def test_classes_without_a_background_are_said_with_their_values(tmp_path, invert, rng):
    classes = np.where(DISC, 1, 2).astype(np.uint8)
    path = saved(tmp_path / "a.png", classes)
    said = notes(path)
    assert "every pixel" in said
    assert f"1 ({DISC.sum()} px)" in said
    assert "2 (1," in said
    image = rng.integers(0, 127, SHAPE, dtype=np.uint8)
    result = enhance(image, invert, path, roi_label=(1,), options=Options(no_caution=toys.UNLIKE))
    np.testing.assert_array_equal(result.pixels != image, DISC)
    assert result.report.warnings == []
    both = enhance(image, invert, classes, roi_label=(1, 2))
    assert (both.pixels != image).all()


def test_labels_are_chosen_on_the_command_line(tmp_path, rng, capsys):
    image = rng.integers(0, 127, SHAPE, dtype=np.uint8)
    write_image(tmp_path / "in.png", image, "YX")
    classes = np.where(DISC, 5, np.where(x < 10, 3, 1)).astype(np.uint8)
    saved(tmp_path / "roi.png", classes)
    model = str(toys.inverse(tmp_path / "inverse.onnx"))
    paths = [str(tmp_path / "in.png"), str(tmp_path / "out.png")]
    how = ["--model", model, "--roi", str(tmp_path / "roi.png")]
    assert run(["enhance", *paths, *how, "--roi-label", "5,3"]) == 0
    found = read_image(tmp_path / "out.png").pixels != image
    np.testing.assert_array_equal(found, np.isin(classes, (3, 5)))
    assert run(["enhance", *paths, *how, "--overwrite", "--roi-label", "8"]) == 2
    assert "no pixels of label 8; its values are 1, 3, 5" in capsys.readouterr().err
    assert run(["enhance", *paths, *how, "--overwrite", "--roi-label", "a"]) == 2
    assert "whole numbers" in capsys.readouterr().err


def test_labels_of_what_has_none(tmp_path, invert, rng):
    image = rng.integers(0, 127, SHAPE, dtype=np.uint8)
    with pytest.raises(RoiError, match="outlines and no labels"):
        enhance(image, invert, [SQUARE], roi_label=(1,))
    with pytest.raises(RoiError, match="binary mask"):
        enhance(image, invert, DISC, roi_label=(3,))
    (tmp_path / "a.csv").write_text("index,shape-type,vertex-index,axis-0,axis-1\n")
    with pytest.raises(RoiError, match="shapes, which have no labels"):
        read_roi(tmp_path / "a.csv", labels=(1,))


@pytest.mark.parametrize("inner", [1, 0])
def test_minus_one_is_the_background(tmp_path, inner):
    labels = np.where(DISC, inner, -1).astype(np.int16)
    write_image(tmp_path / "a.tif", labels, "YX")
    np.testing.assert_array_equal(read_roi(tmp_path / "a.tif").mask, DISC)
    assert "-1" in notes(tmp_path / "a.tif")


def test_void_pixels_belong_to_no_class(tmp_path):
    labels = np.where(DISC, 15, 0).astype(np.uint8)
    labels[10:12] = 255
    path = saved(tmp_path / "a.png", labels)
    np.testing.assert_array_equal(read_roi(path).mask, labels == 15)
    assert "255" in notes(path)
    palette = Image.fromarray(labels).convert("P")
    palette.putdata(labels.ravel().tolist())
    palette.putpalette(list(range(256)) * 3)
    palette.save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_roi(tmp_path / "b.png").mask, labels == 15)


@pytest.mark.parametrize("values", [(0, 255), (0, 1), (0, 128, 255), (0, 200)])
def test_plain_masks_get_no_word(tmp_path, values):
    mask = np.full(SHAPE, values[0], np.uint8)
    mask[DISC] = values[-1]
    mask[2:5, 2:5] = values[len(values) // 2]
    path = saved(tmp_path / "a.png", mask)
    np.testing.assert_array_equal(read_roi(path).mask, mask != 0)
    assert notes(path) == ""


def test_label_images_of_many_objects_get_no_word(tmp_path, public_data):
    labels = np.zeros((90, 90), np.uint16)
    for number, (row, column) in enumerate(np.ndindex(8, 8), start=1):
        labels[row * 11 + 1 : row * 11 + 9, column * 11 + 1 : column * 11 + 10] = number
    write_image(tmp_path / "a.tif", labels, "YX")
    assert notes(tmp_path / "a.tif") == ""
    assert notes(public_data / "images" / "stardist_nuclei_labels.tif") == ""


# --- what is no mask ---------------------------------------------------------------


def test_photographs_and_probabilities_are_said_with_their_values(tmp_path, rng):
    photo = np.clip(100 + 20 * rng.normal(size=SHAPE) + x, 0, 255).astype(np.uint8)
    said = notes(saved(tmp_path / "a.png", photo))
    assert "photograph" in said
    assert f"{len(np.unique(photo))} values" in said
    chances = np.exp(-((y - 20.0) ** 2 + (x - 25.0) ** 2) / 200).astype(np.float32)
    write_image(tmp_path / "a.tif", chances, "YX")
    assert "probability map" in notes(tmp_path / "a.tif")


@pytest.mark.parametrize("bits", [True, False])
def test_masks_that_select_nearly_all_or_look_inverted_are_said(tmp_path, bits, invert, rng):
    kind = bool if bits else np.uint8
    nearly = np.ones(SHAPE, kind)
    nearly[20:22, 20:24] = 0
    path = tmp_path / "a.png"
    Image.fromarray(nearly if bits else nearly * 255).save(path)
    assert "99.6%" in notes(path)
    Image.fromarray(~DISC if bits else (~DISC).astype(np.uint8)).save(path)
    assert "border" in notes(path)
    image = rng.integers(0, 127, SHAPE, dtype=np.uint8)
    result = enhance(image, invert, nearly)
    assert any("99.6%" in text for text in result.report.warnings)
    quiet = enhance(image, invert, nearly, options=Options(no_caution=("roi-mask", *toys.UNLIKE)))
    assert quiet.report.warnings == []


# --- images with an overlay --------------------------------------------------------


def overlaid(path, pixels, *places):
    rois = []
    for place in places:
        roi = roi_of(Shape("polygon", SQUARE + place))
        rois.append(roi.tobytes())
    tifffile.imwrite(path, pixels, imagej=True, metadata={"Overlays": rois})
    return path


def test_an_image_with_imagejs_overlay_is_its_own_roi(tmp_path, rng, invert):
    image = rng.integers(0, 256, SHAPE, dtype=np.uint8)
    path = overlaid(tmp_path / "a.tif", image, 0, 20)
    result = enhance(image, invert, path)
    assert (result.pixels != image).sum() == 72
    assert any("overlay" in text and "2 ROIs" in text for text in result.report.warnings)


def test_the_overlay_of_a_mask_is_not_its_region(tmp_path):
    path = overlaid(tmp_path / "a.tif", DISC.astype(np.uint8) * 255, 0)
    np.testing.assert_array_equal(read_roi(path).mask, DISC)


def test_an_overlay_that_is_damaged_gets_one_sentence(tmp_path, rng):
    image = rng.integers(0, 256, SHAPE, dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, imagej=True, metadata={"Overlays": [b"Iout" * 9]})
    with pytest.raises(RoiError, match=r"a\.tif, ROI 1 is not an ImageJ ROI"):
        read_roi(tmp_path / "a.tif")


def test_a_label_image_may_have_the_planes_of_the_image(tmp_path, rng, invert):
    image = rng.integers(0, 256, (3, *SHAPE), dtype=np.uint8)
    labels = np.zeros(image.shape, np.uint8)
    labels[1] = DISC * 4
    write_image(tmp_path / "a.tif", labels, "ZYX")
    result = enhance(image, invert, tmp_path / "a.tif", "ZYX")
    np.testing.assert_array_equal(result.pixels != image, labels != 0)
    with pytest.raises(RoiError, match="is a stack"):
        enhance(image[0], invert, tmp_path / "a.tif")
    write_image(tmp_path / "b.tif", labels[:2], "ZYX")
    with pytest.raises(RoiError, match=r"shape \(2, 40, 50\)"):
        enhance(image, invert, tmp_path / "b.tif", "ZYX")
