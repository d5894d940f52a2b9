"""ImageJ ROI files: corners and centres, every kind of ROI, and what 32 bits cannot hold."""

import io
import struct
import sys
import zipfile

import numpy as np
import pytest
import roifile
from hypothesis import given
from hypothesis import strategies as st
from roifile import ROI_OPTIONS, ROI_SUBTYPE, ROI_TYPE, ImagejRoi
from skimage.measure import points_in_poly

from napari_microenhance.errors import OutputError, RoiError
from napari_microenhance.rois.imagej import imagej_files
from napari_microenhance.rois.imagej.imagej_path import flattened
from napari_microenhance.rois.outlines import ellipse_in_box, mask_outline
from napari_microenhance.rois.rings import split_rings
from napari_microenhance.rois.roi_formats import read_roi, read_shapes, write_shapes
from napari_microenhance.rois.shapes import Shape

TRIANGLE = np.array([[2.0, 3], [2, 12], [11, 3]])

coordinate = st.floats(-4000, 60_000)
side = st.floats(0.5, 4000)


def _box(y, x, height, width, degrees=0.0):
    """Return the corners of a box around a place."""
    corners = np.array([(-1.0, -1.0), (-1.0, 1.0), (1.0, 1.0), (1.0, -1.0)])
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (corners * (height / 2, width / 2)) @ turn.T + (y, x)


def _inside(polygon, shape=(20, 20)):
    """Return the pixels whose centres lie in a polygon, by the even-odd rule."""
    y, x = np.indices(shape)
    points = np.stack([y.ravel(), x.ravel()], axis=1)
    return points_in_poly(points, polygon).reshape(shape)


def _same_corners(found, points, atol=1e-6):
    distances = np.hypot(*(found[:, None] - points[None]).T)
    assert distances.min(axis=0).max() <= atol
    assert distances.min(axis=1).max() <= atol


# --- reading what ImageJ writes --------------------------------------------------


@pytest.mark.parametrize("kind", [ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED])
def test_whole_coordinates_of_areas_are_pixel_corners(tmp_path, kind):
    roi = ImagejRoi.frompoints(np.array([[3, 2], [7, 2], [7, 5], [3, 5]], dtype=np.int32))
    roi.roitype, roi.options, roi.name = kind, ROI_OPTIONS.NONE, "cell"
    (tmp_path / "a.roi").write_bytes(roi.tobytes())
    found = read_roi(tmp_path / "a.roi", (20, 20))
    assert (found.labels, found.notes) == (("cell",), ())
    expected = np.zeros((20, 20), dtype=bool)
    expected[2:5, 3:7] = True
    np.testing.assert_array_equal(_inside(found.polygons[0]), expected)


@pytest.mark.parametrize(
    ("kind", "name"), [(ROI_TYPE.RECT, "rectangle"), (ROI_TYPE.OVAL, "ellipse")]
)
def test_boxes_in_whole_pixels(tmp_path, kind, name):
    roi = ImagejRoi(roitype=kind, top=2, left=3, bottom=5, right=7)
    (tmp_path / "a.roi").write_bytes(roi.tobytes())
    (shape,) = read_shapes(tmp_path / "a.roi")
    assert shape.kind == name
    _same_corners(shape.points, np.array([[1.5, 2.5], [1.5, 6.5], [4.5, 6.5], [4.5, 2.5]]), 0)


def test_boxes_in_parts_of_pixels(tmp_path):
    roi = ImagejRoi(roitype=ROI_TYPE.RECT, options=ROI_OPTIONS.SUB_PIXEL_RESOLUTION, top=2, left=3,
                    bottom=5, right=7, xd=3.25, yd=2.5, widthd=4.5, heightd=3)  # fmt: skip
    (tmp_path / "a.roi").write_bytes(roi.tobytes())
    (shape,) = read_shapes(tmp_path / "a.roi")
    _same_corners(shape.points, np.array([[2, 2.75], [2, 7.25], [5, 7.25], [5, 2.75]]), 0)


def test_lines_and_points_count_from_the_centre_and_enclose_nothing(tmp_path):
    points = ImagejRoi.frompoints(np.array([[3, 2], [7, 5]], dtype=np.int32))
    points.roitype, points.options = ROI_TYPE.POINT, ROI_OPTIONS.NONE
    polyline = ImagejRoi.frompoints([[3.5, 2.0], [7, 5], [9, 9]])
    polyline.roitype = ROI_TYPE.POLYLINE
    line = ImagejRoi(roitype=ROI_TYPE.LINE, x1=1, y1=2, x2=3, y2=4)
    text = ImagejRoi(roitype=ROI_TYPE.RECT, subtype=ROI_SUBTYPE.TEXT, bottom=9, right=9, text="a")
    roifile.roiwrite(
        tmp_path / "a.zip", [points, polyline, line, text], name=["a", "b", "c", "d"], mode="w"
    )
    shapes = read_shapes(tmp_path / "a.zip")
    assert [s.kind for s in shapes] == ["point", "point", "path", "line", "path"]
    np.testing.assert_array_equal(shapes[1].points, [[5, 7]])
    np.testing.assert_array_equal(shapes[2].points[0], [2, 3.5])
    np.testing.assert_array_equal(shapes[3].points, [[2, 1], [4, 3]])
    with pytest.raises(RoiError, match="holds only 1 line, 2 path, 2 point; draw"):
        read_roi(tmp_path / "a.zip")


def test_curves_of_a_composite_are_followed(tmp_path):
    # A circle of radius 5 around (10, 10) as four cubic curves, and a square hole.
    k = 5 * 0.5522847498
    path = [0, 15, 10]
    path += [3, 15, 10 + k, 10 + k, 15, 10, 15, 3, 10 - k, 15, 5, 10 + k, 5, 10]
    path += [3, 5, 10 - k, 10 - k, 5, 10, 5, 3, 10 + k, 5, 15, 10 - k, 15, 10, 4]
    path += [0, 9, 9, 1, 11, 9, 1, 11, 11, 1, 9, 11, 4]
    roi = ImagejRoi(roitype=ROI_TYPE.RECT, bottom=15, right=15, shape_roi_size=len(path))
    roi.multi_coordinates = np.array(path, dtype=np.float32)
    (tmp_path / "a.roi").write_bytes(roi.tobytes())
    (shape,) = read_shapes(tmp_path / "a.roi")
    y, x = np.indices((20, 20)) + 0.5
    expected = np.hypot(y - 10, x - 10) < 5
    expected[9:11, 9:11] = False
    np.testing.assert_array_equal(_inside(shape.points), expected)


@pytest.mark.slow
@given(numbers=st.lists(st.floats(-1e3, 1e3), min_size=6, max_size=6))
def test_a_quadratic_curve_is_followed_closely(numbers):
    start, control, stop = np.array(numbers).reshape(3, 2)
    (ring,) = flattened(np.array([0, *start, 2, *control, *stop, 1, 2000, 0, 1, 2000, 1, 4]))
    drawn = ring[:-2]
    t = np.linspace(0, 1, 4 * len(drawn) + 1)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * stop
    a, b = drawn[:-1, None], drawn[1:, None]
    along = b - a
    length = np.maximum((along**2).sum(-1), 1e-30)
    share = np.clip(((curve[None] - a) * along).sum(-1) / length, 0, 1)
    distance = np.hypot(*np.moveaxis(a + share[..., None] * along - curve[None], -1, 0))
    assert distance.min(axis=0).max() <= 0.005 + 1e-9


# --- round trips -----------------------------------------------------------------


@pytest.mark.slow
@given(
    y=coordinate,
    x=coordinate,
    height=side,
    width=side,
    degrees=st.sampled_from([0.0, 90.0, 30.0, -71.5]),
    kind=st.sampled_from(["rectangle", "ellipse"]),
)
def test_boxes_come_back(tmp_path_factory, y, x, height, width, degrees, kind):
    path = tmp_path_factory.mktemp("imagej") / "a.roi"
    points = _box(y, x, height, width, degrees)
    write_shapes(path, [Shape(kind, points, "µ 7", group=300)])
    (found,) = read_shapes(path)
    assert (found.kind, found.label, found.group) == (kind, "µ 7", 300)
    _same_corners(found.points, points)


@pytest.mark.slow
@given(
    vertices=st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=15, unique=True),
    suffix=st.sampled_from([".zip", ".roi"]),
)
def test_vertices_come_back(tmp_path_factory, vertices, suffix):
    path = tmp_path_factory.mktemp("imagej") / f"a{suffix}"
    points = np.array(vertices)
    shapes = [Shape("polygon", points, "a"), Shape("path", points, "b"), Shape("line", points[:2]),
              Shape("point", points[:1], "a")]  # fmt: skip
    shapes = shapes if suffix == ".zip" else shapes[:1]
    write_shapes(path, shapes)
    found = read_shapes(path)
    assert [(s.kind, s.label) for s in found] == [(s.kind, s.label) for s in shapes]
    for a, b in zip(found, shapes, strict=True):
        np.testing.assert_allclose(a.points, b.points, rtol=0, atol=1e-6)


@pytest.mark.slow
@given(seed=st.integers(0, 50))
def test_painted_regions_with_holes_come_back(tmp_path_factory, seed):
    mask = np.random.default_rng(seed).random((9, 11)) > 0.4
    path = tmp_path_factory.mktemp("imagej") / "a.roi"
    write_shapes(path, [Shape("polygon", mask_outline(mask, (3, 4)) + 0.123456789)])
    shapes = read_shapes(path)
    found = sum(_inside(shape.points - 0.123456789).astype(int) for shape in shapes)
    np.testing.assert_array_equal(found, np.pad(mask, ((3, 8), (4, 5))))
    rings = [ring for shape in shapes for ring in split_rings(shape.points)]
    corners = np.concatenate(rings) - 0.123456789 + 0.5
    np.testing.assert_allclose(corners, np.round(corners), rtol=0, atol=1e-6)


def test_the_format_itself_holds_32_bits(tmp_path):
    """What another program reads is right to half a unit of the last place of a float32."""
    rng = np.random.default_rng(5)
    worst = {}
    for place in (10, 1000, 50_000):
        points = rng.random((100, 2)) * place
        write_shapes(tmp_path / "a.roi", [Shape("polygon", points)])
        roi = ImagejRoi.fromfile(tmp_path / "a.roi")
        worst[place] = np.abs(roi.coordinates() - 0.5 - points[:, ::-1]).max()
        assert worst[place] <= np.spacing(np.float32(place)) / 2
    assert worst[10] < 1e-6 < worst[1000] < 1e-4 < worst[50_000] < 4e-3


def test_an_roi_that_was_changed_in_imagej_is_read_as_it_is_now(tmp_path):
    write_shapes(tmp_path / "a.roi", [Shape("polygon", TRIANGLE + 0.1)])
    roi = ImagejRoi.fromfile(tmp_path / "a.roi")
    roi.subpixel_coordinates = roi.subpixel_coordinates + np.float32(1)
    (tmp_path / "a.roi").write_bytes(roi.tobytes())
    (shape,) = read_shapes(tmp_path / "a.roi")
    np.testing.assert_allclose(shape.points, TRIANGLE + 1.1, atol=1e-5)


def test_turned_shapes_are_imagejs_own_kinds(tmp_path):
    box = _box(30, 20, 10, 16, 30)
    write_shapes(tmp_path / "a.zip", [Shape("ellipse", box), Shape("rectangle", box)])
    ellipse, rectangle = roifile.roiread(tmp_path / "a.zip")
    assert (ellipse.subtype, rectangle.subtype) == (ROI_SUBTYPE.ELLIPSE, ROI_SUBTYPE.ROTATED_RECT)
    axis = np.hypot(ellipse.x2 - ellipse.x1, ellipse.y2 - ellipse.y1)
    assert axis == pytest.approx(16, abs=1e-5)  # the longer one
    fourth = struct.pack(">BBh", ellipse.arrow_style_or_aspect_ratio, ellipse.arrow_head_size,
                         ellipse.rounded_rect_arc_size)  # fmt: skip
    assert struct.unpack(">f", fourth)[0] == pytest.approx(10 / 16)
    # Programs that know neither kind follow the vertices.
    np.testing.assert_allclose(ellipse.coordinates()[:, ::-1] - 0.5, ellipse_in_box(box), atol=1e-5)


def test_sheared_shapes_become_polygons(tmp_path):
    sheared = np.array([[0.0, 0], [0, 10], [5, 15], [5, 5]])
    write_shapes(tmp_path / "a.zip", [Shape("rectangle", sheared), Shape("ellipse", sheared)])
    first, second = read_shapes(tmp_path / "a.zip")
    assert (first.kind, second.kind) == ("polygon", "polygon")
    np.testing.assert_allclose(first.points, sheared)
    np.testing.assert_allclose(second.points, ellipse_in_box(sheared), atol=1e-6)


def test_names_in_a_zip_are_safe_and_unlike(tmp_path):
    labels = ["../a", "a", "a", "", "\U0001f52c", "b:?*"]
    write_shapes(tmp_path / "a.zip", [Shape("polygon", TRIANGLE, label) for label in labels])
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = archive.namelist()
    assert len(set(names)) == len(labels)
    assert all("/" not in name and name.endswith(".roi") for name in names)
    assert [s.label for s in read_shapes(tmp_path / "a.zip")] == ["../a", "a", "a", "", "?", "b:?*"]
    before = (tmp_path / "a.zip").read_bytes()
    write_shapes(tmp_path / "a.zip", [Shape("polygon", TRIANGLE, label) for label in labels])
    assert (tmp_path / "a.zip").read_bytes() == before


def test_a_roi_holds_one_shape(tmp_path):
    with pytest.raises(OutputError, match=r"holds one shape, not 2; save a \.zip"):
        write_shapes(tmp_path / "a.roi", [Shape("polygon", TRIANGLE)] * 2)
    with pytest.raises(OutputError, match="encloses nothing"):
        write_shapes(tmp_path / "a.roi", [Shape("polygon", TRIANGLE[[0, 1, 0]])])
    assert list(tmp_path.iterdir()) == []


# --- damage ----------------------------------------------------------------------


def _polygon_bytes():
    roi = ImagejRoi.frompoints(TRIANGLE)
    roi.name = "a name that lies behind the second header"
    return roi.tobytes()


@pytest.mark.parametrize("size", [1, 20, 63, 64, 80, 110, 140, 200])
def test_a_cut_short_roi_is_refused(tmp_path, size):
    whole = _polygon_bytes()
    assert size < len(whole)
    (tmp_path / "a.roi").write_bytes(whole[:size])
    with pytest.raises(RoiError) as caught:
        read_roi(tmp_path / "a.roi")
    assert "a.roi" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@given(st.data())
def test_any_changed_byte_gives_shapes_or_one_sentence(tmp_path_factory, data):
    content = bytearray(_polygon_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(4, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("imagej") / "a.roi"
    path.write_bytes(bytes(content))
    try:
        shapes = read_shapes(path)
    except RoiError as error:
        shapes, said = (), str(error)
    else:
        said = ""
    assert "\n" not in said
    assert all(np.isfinite(shape.points).all() for shape in shapes)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none(tmp_path, value):
    roi = ImagejRoi.frompoints(TRIANGLE)
    roi.subpixel_coordinates[1, 0] = value
    (tmp_path / "a.roi").write_bytes(roi.tobytes())
    with pytest.raises(RoiError, match="not pairs of finite numbers"):
        read_roi(tmp_path / "a.roi")
    composite = ImagejRoi(roitype=ROI_TYPE.RECT, shape_roi_size=3)
    composite.multi_coordinates = np.array([0, value, 1], dtype=np.float32)
    (tmp_path / "a.roi").write_bytes(composite.tobytes())
    with pytest.raises(RoiError, match="not finite"):
        read_roi(tmp_path / "a.roi")


@pytest.mark.parametrize("path", [[5, 1, 1], [1, 1, 1], [0, 1], [0, 1, 1, 3, 1, 1]])
def test_paths_that_cannot_be_drawn(tmp_path, path):
    roi = ImagejRoi(roitype=ROI_TYPE.RECT, shape_roi_size=len(path))
    roi.multi_coordinates = np.array(path, dtype=np.float32)
    (tmp_path / "a.roi").write_bytes(roi.tobytes())
    with pytest.raises(RoiError, match=r"unknown|incomplete"):
        read_roi(tmp_path / "a.roi")


def test_zips_that_hold_no_rois(tmp_path):
    def write(name, content):
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content)
        return tmp_path / "a.zip"

    with pytest.raises(RoiError, match="without ImageJ ROIs"):
        read_roi(write("a.txt", "x"))
    with pytest.raises(RoiError, match=r"a\.zip, a\.roi is not an ImageJ ROI"):
        read_roi(write("a.roi", "x" * 100))
    path = write("a.roi", _polygon_bytes())
    assert len(read_roi(path).polygons) == 1
    whole = path.read_bytes()
    for share in (0.3, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(RoiError, match="damaged or truncated"):
            read_roi(path)
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    path.write_bytes(empty.getvalue())
    with pytest.raises(RoiError, match="without ImageJ ROIs"):
        read_roi(path)


def test_a_zip_that_unpacks_to_too_much_is_refused_unread(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.roi", b"Iout" + bytes(1_000_000))
    monkeypatch.setattr(imagej_files, "LARGEST_ROI", 100_000)
    monkeypatch.setattr(zipfile.ZipFile, "read", None)
    with pytest.raises(RoiError, match=r"too large: it unpacks to 1 ROIs of 1 MiB"):
        read_roi(tmp_path / "a.zip")


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "a.roi").write_bytes(_polygon_bytes())
    monkeypatch.setitem(sys.modules, "roifile", None)
    with pytest.raises(RoiError, match=r'pip install "napari-microenhance\[roi\]"'):
        read_roi(tmp_path / "a.roi")
    with pytest.raises(OutputError, match=r'pip install "napari-microenhance\[roi\]"'):
        write_shapes(tmp_path / "b.zip", [Shape("polygon", TRIANGLE)])
    assert not (tmp_path / "b.zip").exists()
