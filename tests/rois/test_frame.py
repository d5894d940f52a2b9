"""Where regions lie, compared with the image they are used for."""

import json

import numpy as np
import pytest

import toys
from napari_microenhance import Options, enhance, load_model
from napari_microenhance.errors import RoiError
from napari_microenhance.images.image_formats import read_image
from napari_microenhance.rois.frame import frame_caution, size_caution
from napari_microenhance.rois.roi_formats import read_roi

SQUARE = np.array([(3.0, 4.0), (3.0, 9.0), (8.0, 9.0), (8.0, 4.0)])


def moved(down, right):
    return SQUARE + np.array([down, right])


@pytest.fixture(scope="module")
def invert(tmp_path_factory):
    return load_model(toys.inverse(tmp_path_factory.mktemp("net") / "inverse.onnx"))


def said(polygons, shape):
    caution, _ = frame_caution(polygons, shape)
    return str(caution or "")


def test_shapes_outside_and_partly_outside_are_counted(rng, invert):
    image = rng.integers(0, 256, (40, 50), dtype=np.uint8)
    rois = [
        SQUARE,
        moved(0, 44),
        moved(60, 0),
        moved(0, 70),
    ]
    result = enhance(image, invert, rois)
    assert any(
        "2 of 4 ROIs lie outside the image of 50 x 40 px and 1 partly" in text
        for text in result.report.warnings
    )
    assert said([SQUARE, moved(0, 44)], (40, 50)).startswith("1 of 2 ROIs lies partly")


def test_shapes_inside_or_along_the_border_get_no_word():
    whole = np.array([(-0.5, -0.5), (-0.5, 49.5), (39.5, 49.5), (39.5, -0.5)])
    for polygon in (SQUARE, whole, whole * 1.02, SQUARE - np.array([4.3, 0])):
        assert said([polygon], (40, 50)) == ""


def test_where_all_lie_outside_there_is_a_reason(rng, invert):
    image = rng.integers(0, 256, (40, 50), dtype=np.uint8)
    with pytest.raises(RoiError, match=r"selects no pixel of the image: 2 of 2 .* cropped from"):
        enhance(image, invert, [moved(1000, 2000), moved(1020, 2030)])


def test_likely_reasons():
    wide = moved(5, 60)
    assert "x and y were swapped" in said([wide[:, ::-1]], (40, 100))
    assert "at 2 times the resolution" in said([SQUARE, moved(70, 80)], (40, 50))
    assert "between x 160 and 204, y 68 and 104" in said([moved(100, 200)], (40, 50))
    beyond = said([SQUARE, moved(0, 44)], (40, 50)), said([SQUARE, SQUARE, moved(0, 70)], (40, 50))
    assert not any("as if" in text for text in beyond)
    far = [SQUARE, moved(40 * 90, 0)]
    assert "a larger image that this one was cropped from" in said(far, (40, 50))
    assert "times" not in said(far, (40, 50))


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ((80, 100), "2 times as large"),
        ((20, 25), "2 times as small"),
        ((50, 40), "rotated by 90 degrees"),
        ((41, 50), "50 x 41 px, but this one has 50 x 40 px; its"),
    ],
)
def test_an_image_of_another_size(frame, words):
    assert words in str(size_caution("a.json", frame, (40, 50)))


def test_no_word_where_the_sizes_agree_or_are_unknown():
    assert size_caution("a.json", (40, 50), (40, 50)) is None
    assert size_caution("a.json", None, (40, 50)) is None
    assert size_caution("a.json", (40, 50), None) is None


def test_labelme_says_the_size_of_its_image(tmp_path):
    shape = {"label": "a", "points": [[4, 3], [9, 3], [9, 8]], "shape_type": "polygon"}
    content = {"shapes": [shape], "imagePath": "a.png", "imageData": None}
    content |= {"imageHeight": 80, "imageWidth": 100}
    (tmp_path / "a.json").write_text(json.dumps(content))
    (note,) = read_roi(tmp_path / "a.json", (40, 50)).notes
    assert (note.name, "2 times as large" in note.text) == ("roi-frame", True)


def test_files_in_other_frames(public_data, invert):
    folder = public_data / "field" / "other_frame"
    crop = read_image(folder / "crop.png").pixels
    result = enhance(crop, invert, folder / "slide_coordinates.geojson")
    assert any("5 of 6 ROIs" in text for text in result.report.warnings)
    photo = read_image(folder / "square_180.jpg").pixels
    how = Options(no_caution=toys.UNLIKE)
    result = enhance(photo, invert, folder / "square_180.json", options=how)
    expected = np.asarray(read_image(folder / "expected_upright_frame.png").pixels) != 0
    np.testing.assert_array_equal(result.pixels != photo, expected)
    assert result.report.warnings == []
