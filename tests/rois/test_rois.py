"""ROI files: (y, x), pixel centres at integers, every shape type, one sentence for the rest."""

import base64
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from napari.layers import Shapes
from PIL import Image
from skimage.measure import points_in_poly

from napari_microenhance.errors import FileMissingError, RoiError
from napari_microenhance.images.image_formats import write_image
from napari_microenhance.rois.labelme import LabelmeShape, read_labelme, write_labelme
from napari_microenhance.rois.outlines import circle, ellipse_in_box, mask_outline
from napari_microenhance.rois.roi_formats import read_roi

HEAD = "index,shape-type,vertex-index,axis-0,axis-1"


def _png_text(mask):
    png = io.BytesIO()
    Image.fromarray(mask).save(png, "PNG")
    return base64.b64encode(png.getvalue()).decode()


def _labelme(path, *shapes, version="5.4.1", **more):
    """Write a labelme file; a shape is (type, points in x, y) and more keys."""
    entries = [
        {"label": f"s{n}", "points": points, "group_id": None, "flags": {}}
        | ({} if kind is None else {"shape_type": kind})
        | extra
        for n, (kind, points, *rest) in enumerate(shapes)
        for extra in [rest[0] if rest else {}]
    ]
    content = {"version": version, "flags": {}, "shapes": entries, "imagePath": "a.png",
               "imageData": None, "imageHeight": 40, "imageWidth": 50} | more  # fmt: skip
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def _inside(polygon, shape):
    """Return the pixels whose centres lie in a polygon, by the even-odd rule."""
    y, x = np.indices(shape)
    points = np.stack([y.ravel(), x.ravel()], axis=1)
    return points_in_poly(points, polygon).reshape(shape)


# --- labelme ---------------------------------------------------------------------


@pytest.mark.parametrize("version", ["3.16.7", "4.5.6", "5.4.1"])
def test_polygon_is_turned_to_y_x_and_pixel_centres(tmp_path, version):
    path = _labelme(
        tmp_path / "a.json", ("polygon", [[10, 20], [30.5, 20], [30, 35.25]]), version=version
    )
    roi = read_roi(path, (40, 50))
    assert roi.mask is None
    assert roi.labels == ("s0",)
    assert roi.notes == ()
    np.testing.assert_array_equal(roi.polygons[0], [[19.5, 9.5], [19.5, 30], [34.75, 29.5]])


def test_version_three_without_shape_type_is_a_polygon(tmp_path):
    path = _labelme(tmp_path / "a.json", (None, [[0, 0], [4, 0], [4, 4]]), version="3.3.5",
                    lineColor=[0, 255, 0, 128], fillColor=[255, 0, 0, 128])  # fmt: skip
    assert len(read_roi(path).polygons) == 1


@pytest.mark.parametrize(
    "points",
    [
        [[10, 5], [20, 15]],
        [[20, 15], [10, 5]],
        [[10, 15], [20, 5]],
        [[10, 5], [20, 5], [20, 15], [10, 15]],
        [[10, 5], [20, 15], [20, 5], [10, 15]],
    ],
)
def test_rectangle_corners_come_in_any_order(tmp_path, points):
    roi = read_roi(_labelme(tmp_path / "a.json", ("rectangle", points)))
    expected = np.zeros((40, 50), dtype=bool)
    expected[5:15, 10:20] = True
    np.testing.assert_array_equal(_inside(roi.polygons[0], (40, 50)), expected)


def test_circle_is_round_to_a_hundredth_of_a_pixel(tmp_path):
    roi = read_roi(_labelme(tmp_path / "a.json", ("circle", [[25, 20], [28, 24]])))
    distance = np.hypot(*(roi.polygons[0] - (19.5, 24.5)).T)
    np.testing.assert_allclose(distance, 5, atol=1e-9)
    middles = (roi.polygons[0] + np.roll(roi.polygons[0], 1, axis=0)) / 2
    np.testing.assert_allclose(np.hypot(*(middles - (19.5, 24.5)).T), 5, atol=0.01)


@given(radius=st.floats(0.001, 5000))
def test_chords_stay_within_a_hundredth_of_a_pixel(radius):
    polygon = circle(np.array([3.0, 4.0]), radius)
    middles = (polygon + np.roll(polygon, 1, axis=0)) / 2
    np.testing.assert_allclose(np.hypot(*(middles - (3, 4)).T), radius, atol=0.01)


def test_ellipse_fills_a_rotated_box():
    angle = np.deg2rad(30)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array([[-10, -20], [-10, 20], [10, 20], [10, -20]]) @ turn.T + (50, 60)
    y, x = ((ellipse_in_box(corners) - (50, 60)) @ turn).T
    np.testing.assert_allclose((y / 10) ** 2 + (x / 20) ** 2, 1)


def test_mask_counts_in_pixels_not_corners(tmp_path):
    mask = np.array([[1, 0, 1], [1, 1, 1]], dtype=bool)
    path = _labelme(tmp_path / "a.json", ("mask", [[7, 3], [9, 4]], {"mask": _png_text(mask)}))
    expected = np.zeros((40, 50), dtype=bool)
    expected[3:5, 7:10] = mask
    np.testing.assert_array_equal(_inside(read_roi(path).polygons[0], (40, 50)), expected)


@pytest.mark.slow
@given(mask=hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_outline_encloses_exactly_its_mask(mask):
    outline = mask_outline(mask, (2, 3))
    expected = np.pad(mask, ((2, 1), (3, 1)))
    if mask.any():
        np.testing.assert_array_equal(_inside(outline, expected.shape), expected)
        np.testing.assert_array_equal(outline[0], outline[-1])
        Shapes([outline], shape_type="polygon")  # napari can draw it
    else:
        assert outline.shape == (0, 2)


def test_outline_of_a_box_has_only_its_corners():
    assert len(mask_outline(np.ones((30, 40), dtype=bool))) == 5


def test_shapes_without_area_are_left_out_and_counted(tmp_path):
    path = _labelme(
        tmp_path / "a.json",
        ("point", [[1, 1]]),
        ("polygon", [[0, 0], [4, 0], [4, 4]]),
        ("line", [[1, 1], [2, 2]]),
        ("linestrip", [[1, 1], [2, 2], [3, 3]]),
        ("points", [[1, 1], [2, 2]]),
    )
    roi = read_roi(path)
    assert len(roi.polygons) == 1
    assert roi.labels == ("s1",)
    assert "1 line, 1 linestrip, 1 point, 1 points" in str(roi.notes[0])


def test_another_image_size_is_said(tmp_path):
    path = _labelme(tmp_path / "a.json", ("polygon", [[0, 0], [4, 0], [4, 4]]))
    assert read_roi(path, (40, 50)).notes == ()
    assert "50 x 40 px" in read_roi(path, (41, 50)).notes[0].text


@pytest.mark.parametrize(
    ("shape", "match"),
    [
        (("polygon", [[0, 0], [1, 1]]), "shape 1: a polygon needs 3 points, but has 2"),
        (("polygon", []), "but has 0"),
        (("circle", [[0, 0]]), "a circle needs 2 points"),
        (("rectangle", [[0, 0], [1, 1], [2, 2]]), "2 or 4 points"),
        (("polygon", [[0, 0], [1, "a"], [2, 2]]), "not pairs of numbers"),
        (("polygon", [[0, 0], [1], [2, 2]]), "not pairs of numbers"),
        (("polygon", [[0, 0, 1], [1, 1, 1], [2, 2, 1]]), "not pairs of finite numbers"),
        (("polygon", [[0, 0], [1, float("nan")], [2, 2]]), "not pairs of finite numbers"),
        (("polygon", 5), "not pairs"),
        (("star", [[0, 0]]), '"star" is not supported'),
        (("mask", [[0, 0], [1, 1]], {"mask": "%%%"}), "mask is damaged"),
        (("mask", [[0, 0], [1, 1]], {"mask": base64.b64encode(b"x").decode()}), "mask is damaged"),
        (("mask", [[0, 0], [1, 1]]), "mask is damaged"),
        (("line", [[0, 0], [1, 1]]), "holds only 1 line; draw a polygon"),
    ],
)
def test_damaged_shapes_are_named(tmp_path, shape, match):
    path = _labelme(tmp_path / "a.json", shape)
    with pytest.raises(RoiError, match=match) as caught:
        read_roi(path)
    assert "\n" not in str(caught.value)


# --- napari's CSV ----------------------------------------------------------------


def test_napari_csv_is_taken_as_it_is(tmp_path):
    rows = ["0,polygon,0.0,1.5,2", "0,polygon,1,1.5,8", "0,polygon,2,7,8"]
    (tmp_path / "a.csv").write_text("\n".join([HEAD, *rows]))
    roi = read_roi(tmp_path / "a.csv", (40, 50))
    np.testing.assert_array_equal(roi.polygons[0], [[1.5, 2], [1.5, 8], [7, 8]])


def test_napari_csv_of_a_stack_uses_its_last_two_axes(tmp_path):
    head = HEAD + ",axis-2"
    rows = ["0,rectangle,0,9,1,2", "0,rectangle,1,9,1,8", "0,rectangle,2,9,7,8",
            "0,rectangle,3,9,7,2"]  # fmt: skip
    (tmp_path / "a.csv").write_text("\n".join([head, *rows]))
    (polygon,) = read_roi(tmp_path / "a.csv").polygons
    np.testing.assert_array_equal(polygon, [[1, 2], [1, 8], [7, 8], [7, 2]])


def test_napari_csv_ellipse_is_round_and_paths_are_left_out(tmp_path):
    rows = ["0,ellipse,0,0,0", "0,ellipse,1,0,20", "0,ellipse,2,10,20", "0,ellipse,3,10,0",
            "1,path,0,1,1", "1,path,1,2,2"]  # fmt: skip
    (tmp_path / "a.csv").write_text("\n".join([HEAD, *rows]))
    roi = read_roi(tmp_path / "a.csv")
    y, x = (roi.polygons[0] - (5, 10)).T
    np.testing.assert_allclose((y / 5) ** 2 + (x / 10) ** 2, 1)
    assert "1 path" in str(roi.notes[0])


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a,b,c\n1,2,3\n", "not a supported ROI file"),
        ("index,axis-0,axis-1\n0,1,2\n", "napari points"),
        (f"{HEAD}\n", "holds no shapes"),
        (f"{HEAD}\n0,path,0,1,1\n", "holds only 1 path"),
        (f"{HEAD}\n0,polygon,0,1,x\n", "line 2: its last two axes"),
        (f"{HEAD}\n0,polygon,0,1\n", "line 2: its last two axes"),
        (f"{HEAD}\n0,polygon,0,1,nan\n", "line 2: 1.0, nan is not a place"),
        (f"{HEAD}\n0,polygon,0,1,1\n", '"polygon" with 1 points'),
        (f"{HEAD}\n0,blob,0,1,1\n", '"blob" with 1 points'),
        ("\n\n", "not a supported ROI file"),
    ],
)
def test_bad_csv_gets_one_sentence(tmp_path, text, match):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(RoiError, match=match):
        read_roi(tmp_path / "a.csv")


# --- label images ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_label_image_selects_its_nonzero_pixels(tmp_path, name, dtype):
    labels = np.zeros((6, 7), dtype)
    labels[2:4, 3:] = 200
    labels[5, 0] = 1
    write_image(tmp_path / name, labels, "YX")
    roi = read_roi(tmp_path / name, (6, 7))
    assert roi.polygons == ()
    np.testing.assert_array_equal(roi.mask, labels > 0)


def test_palette_and_one_bit_and_coloured_masks(tmp_path):
    labels = np.zeros((6, 7), np.uint8)
    labels[1, 2] = 1
    palette = Image.fromarray(labels).convert("P")
    palette.putdata(labels.ravel().tolist())
    palette.putpalette([255, 255, 255, 0, 0, 0])  # 0 is white: the index counts, not the colour
    palette.save(tmp_path / "palette.png")
    Image.fromarray(labels > 0).save(tmp_path / "bit.png")
    rgba = np.dstack([labels * 0, labels * 9, labels * 0, labels * 0 + 255])
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    for name in ("palette.png", "bit.png", "rgba.png"):
        np.testing.assert_array_equal(read_roi(tmp_path / name).mask, labels > 0)


def test_label_images_that_cannot_be_used(tmp_path):
    write_image(tmp_path / "zero.png", np.zeros((6, 7), np.uint8), "YX")
    write_image(tmp_path / "stack.tif", np.ones((2, 6, 7), np.uint8), "ZYX")
    write_image(tmp_path / "nan.tif", np.full((6, 7), np.nan, np.float32), "YX")
    write_image(tmp_path / "ones.png", np.ones((6, 7), np.uint8), "YX")
    Image.fromarray(np.ones((6, 7), np.uint8)).save(tmp_path / "a.jpg")
    for name, match in {
        "zero.png": "selects nothing",
        "stack.tif": "is a stack",
        "nan.tif": "NaN",
        "a.jpg": "JPEG, whose compression blurs",
    }.items():
        with pytest.raises(RoiError, match=match):
            read_roi(tmp_path / name)
    with pytest.raises(RoiError, match="7 x 6 px, but the image has 8 x 6 px"):
        read_roi(tmp_path / "ones.png", (6, 8))


# --- other files -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.json", b"", "is empty"),
        ("a.json", b"{", "not valid JSON"),
        ("a.json", b"nonsense", "not valid JSON"),
        ("a.json", b"[" * 100_000, "not valid JSON"),
        ("a.json", b'{"a": 1}', "neither labelme .* nor GeoJSON"),
        ("a.json", b'{"shapes": []}', "neither labelme .* nor GeoJSON"),
        ("a.json", b"[1, 2]", "neither labelme .* nor GeoJSON"),
        ("a.json", b'{"type": "FeatureCollection", "features": []}', "holds no shapes"),
        ("a.json", b'{"shapes": [], "imagePath": "a", "imageData": null}', "holds no shapes"),
        ("a.json", '{"shapes": "ä"}'.encode("latin-1"), "not valid JSON"),
        ("a.json", b"<html></html>", "web page"),
        ("a.bin", b"\x00\x01\x02", "not a supported ROI file"),
        ("a.tif", b"II*\x00\x08\x00\x00\x00", "no image|damaged"),
    ],
)
def test_other_files_get_one_sentence(tmp_path, name, content, match):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RoiError, match=match) as caught:
        read_roi(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(FileMissingError, match="does not exist"):
        read_roi(tmp_path / "a.json")
    with pytest.raises(RoiError, match="is a folder"):
        read_roi(tmp_path)


def test_a_byte_order_mark_is_no_reason_to_refuse(tmp_path):
    path = _labelme(tmp_path / "a.json", ("polygon", [[0, 0], [4, 0], [4, 4]]))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_roi(path).polygons) == 1


# --- writing labelme -------------------------------------------------------------

points = hnp.arrays(
    np.float64, st.tuples(st.integers(3, 9), st.just(2)), elements=st.floats(-1e4, 1e4)
)


@pytest.mark.slow
@given(points=points, label=st.text(max_size=8), group=st.none() | st.integers(0, 9))
def test_labelme_round_trip(tmp_path_factory, points, label, group):
    path = tmp_path_factory.mktemp("labelme") / "a.json"
    label = label.encode("utf-8", "ignore").decode()
    written = [
        LabelmeShape("polygon", points, label, None, group),
        LabelmeShape("rectangle", points[:2], label),
        LabelmeShape("circle", points[:2]),
        LabelmeShape("linestrip", points),
        LabelmeShape("line", points[:2]),
        LabelmeShape("point", points[:1]),
        LabelmeShape("points", points),
    ]
    write_labelme(path, written, (40, 50), "ä.png")
    found = read_labelme(path)
    assert (found.image_shape, found.image_path) == ((40, 50), "ä.png")
    assert [s.kind for s in found.shapes] == [s.kind for s in written]
    assert (found.shapes[0].label, found.shapes[0].group) == (label, group)
    for a, b in zip(found.shapes, written, strict=True):
        np.testing.assert_allclose(a.points, b.points, rtol=0, atol=1e-6)


def test_labelme_mask_round_trip(tmp_path):
    mask = np.array([[True, False], [True, True], [False, True]])
    shape = LabelmeShape("mask", np.array([[4.0, 5.0], [6.0, 6.0]]), "m", mask)
    write_labelme(tmp_path / "a.json", [shape], None)
    (found,) = read_labelme(tmp_path / "a.json").shapes
    np.testing.assert_array_equal(found.points, shape.points)
    np.testing.assert_array_equal(found.mask, mask)


def test_written_labelme_has_the_keys_that_labelme_wants(tmp_path):
    write_labelme(tmp_path / "a.json", [LabelmeShape("point", np.zeros((1, 2)))], (4, 5), "a.png")
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["version"].startswith("5.")
    assert {"flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"} <= set(
        content
    )
    assert set(content["shapes"][0]) == {
        "label", "points", "group_id", "description", "shape_type", "flags", "mask"
    }  # fmt: skip
    assert content["shapes"][0]["points"] == [[0.5, 0.5]]
