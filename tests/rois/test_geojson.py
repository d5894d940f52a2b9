"""GeoJSON files: QuPath's shapes in, our shapes out, holes and ellipses whole."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import points_in_poly

from napari_microenhance.engine.region import Region
from napari_microenhance.errors import OutputError, RoiError
from napari_microenhance.rois import roi_document
from napari_microenhance.rois.outlines import ellipse_in_box, mask_outline
from napari_microenhance.rois.rings import group_rings, join_rings, split_rings
from napari_microenhance.rois.roi_formats import read_roi, read_shapes, write_shapes
from napari_microenhance.rois.shapes import Shape, shape_outline

SQUARE = [[10, 20], [30, 20], [30, 40], [10, 40], [10, 20]]
HOLE = [[15, 25], [15, 30], [20, 30], [20, 25], [15, 25]]

coordinate = st.floats(-1e5, 1e5).map(lambda value: round(value, 9))
side = st.floats(0.5, 1e4)


def _write(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def _feature(kind, coordinates, properties=None, **geometry):
    geometry = {"type": kind, "coordinates": coordinates, **geometry}
    return {"type": "Feature", "id": "x", "geometry": geometry, "properties": properties}


def _collection(*features):
    return {"type": "FeatureCollection", "features": list(features)}


def _inside(polygon, shape=(60, 60)):
    """Return the pixels whose centres lie in a polygon, by the even-odd rule."""
    y, x = np.indices(shape)
    points = np.stack([y.ravel(), x.ravel()], axis=1)
    return points_in_poly(points, polygon).reshape(shape)


def _box(y, x, height, width, degrees=0.0):
    """Return the corners of a box around a place."""
    corners = np.array([(-1.0, -1.0), (-1.0, 1.0), (1.0, 1.0), (1.0, -1.0)])
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (corners * (height / 2, width / 2)) @ turn.T + (y, x)


# --- reading ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        _collection(_feature("Polygon", [SQUARE])),
        _feature("Polygon", [SQUARE]),
        {"type": "Polygon", "coordinates": [SQUARE]},
        [_feature("Polygon", [SQUARE])],
        {"type": "GeometryCollection", "geometries": [_feature("Polygon", [SQUARE])["geometry"]]},
        _feature("MultiPolygon", [[SQUARE]]),
        _feature("Polygon", [SQUARE[:-1]]),
        _feature("Polygon", [[[x, y, 0] for x, y in SQUARE]]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a.geojson", "a.json"])
def test_every_wrapping_gives_the_same_rectangle(tmp_path, content, name):
    roi = read_roi(_write(tmp_path / name, content), (60, 60))
    assert (roi.mask, roi.notes) == (None, ())
    np.testing.assert_array_equal(
        roi.polygons[0], [[19.5, 9.5], [19.5, 29.5], [39.5, 29.5], [39.5, 9.5]]
    )


def test_a_pixel_aligned_polygon_selects_whole_pixels(tmp_path):
    (polygon,) = read_roi(_write(tmp_path / "a.geojson", _feature("Polygon", [SQUARE]))).polygons
    expected = np.zeros((60, 60), dtype=bool)
    expected[20:40, 10:30] = True
    np.testing.assert_array_equal(_inside(polygon), expected)


def test_holes_are_not_selected(tmp_path):
    content = _feature("Polygon", [SQUARE, HOLE, [[22, 22], [24, 22], [24, 38], [22, 22]]])
    (polygon,) = read_roi(_write(tmp_path / "a.geojson", content)).polygons
    assert not _inside(polygon)[25:30, 15:20].any()
    assert np.count_nonzero(_inside(polygon)) == 400 - 25 - np.count_nonzero(
        _inside(np.array([[21.5, 21.5], [21.5, 23.5], [37.5, 23.5]]))
    )


def test_parts_of_a_multipolygon_and_points_and_lines(tmp_path):
    far = [[x + 30, y] for x, y in HOLE]
    content = _collection(
        _feature("MultiPolygon", [[SQUARE], [far]], {"name": "two"}),
        _feature("LineString", [[1, 2], [3, 4], [5, 9]]),
        _feature("Point", [3, 4]),
        _feature("MultiPoint", [[3, 4], [5, 6]]),
        _feature("MultiLineString", [[[1, 2], [3, 4]]]),
        {"type": "Feature", "geometry": None, "properties": None},
    )
    path = _write(tmp_path / "a.geojson", content)
    roi = read_roi(path)
    assert len(roi.polygons) == 2
    assert roi.labels == ("two", "two")
    assert tuple(map(str, roi.notes)) == (
        "a.geojson: 1 line, 1 path, 3 point enclosing no pixels left out.",
    )  # fmt: skip
    kinds = [shape.kind for shape in read_shapes(path)]
    assert kinds == ["rectangle", "rectangle", "path", "point", "point", "point", "line"]


def test_qupath_marks_its_ellipses(tmp_path):
    # QuPath rounds to two decimals, and tells an ellipse only by this word.
    outline = np.round(ellipse_in_box(_box(30, 20, 10, 16)) + 0.5, 2)[:, ::-1].tolist()
    content = _feature("Polygon", [[*outline, outline[0]]], isEllipse=True)
    (shape,) = read_shapes(_write(tmp_path / "a.geojson", content))
    assert shape.kind == "ellipse"
    np.testing.assert_allclose(shape.points, _box(30, 20, 10, 16), atol=1e-12)


@pytest.mark.parametrize(
    ("properties", "label", "classification", "colour"),
    [
        (None, "", "", None),
        ({"name": "a", "classification": {"name": "Tumor", "color": [200, 0, 0]}}, "a", "Tumor",
         (200, 0, 0)),
        ({"classification": {"names": ["CD3", "CD8"]}}, "", "CD3: CD8", None),
        ({"classification": "Stroma", "color": [1, 2, 3]}, "", "Stroma", (1, 2, 3)),
        ({"name": 5, "classification": {"name": None, "color": [1, 2, 300]}}, "", "", None),
        ("text", "", "", None),
    ],
)  # fmt: skip
def test_names_and_classes_are_kept(tmp_path, properties, label, classification, colour):
    content = _feature("Polygon", [SQUARE], properties)
    path = _write(tmp_path / "a.geojson", content)
    (shape,) = read_shapes(path)
    assert (shape.label, shape.classification, shape.colour) == (label, classification, colour)
    assert read_roi(path).labels == (label or classification,)
    write_shapes(tmp_path / "b.geojson", [shape])
    (again,) = read_shapes(tmp_path / "b.geojson")
    assert (again.label, again.classification, again.colour) == (label, classification, colour)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (_collection(_feature("Polygon", [[[0, 0], [1, 1]]])), "shape 1: it needs 3 points"),
        (_feature("Polygon", [[[0, 0], [1, 1], [0, 0]]]), "a polygon needs 3 points, but has 2"),
        (_feature("Polygon", [[[0, 0], [1, "a"], [2, 2]]]), "not pairs of numbers"),
        (_feature("Polygon", [[[0, 0], [1], [2, 2]]]), "not pairs of numbers"),
        (_feature("Polygon", [[0, 1, 2]]), "not pairs of numbers"),
        (_feature("Polygon", [[[0, 0], [1, float("nan")], [2, 2]]]), "not pairs of finite"),
        (_feature("Polygon", [[[0, 0], [1, None], [2, 2]]]), "not pairs of"),
        (_feature("Polygon", [[[0, 0], [1, 10**400], [2, 2]]]), "not pairs of"),
        (_feature("Polygon", []), "a Polygon without coordinates"),
        (_feature("Polygon", "x"), "a Polygon without coordinates"),
        (_feature("Polygon", {}), "a Polygon without coordinates"),
        (_feature("MultiPolygon", [5]), "a Polygon without coordinates"),
        (_feature("Curve", []), '"Curve" is not supported'),
        ({"type": "Feature", "geometry": 5}, '"None" is not supported'),
        ({"type": "FeatureCollection", "features": 5}, 'without a list of "features"'),
        ({"type": "FeatureCollection", "features": [5]}, "not a GeoJSON feature"),
        (_feature("LineString", [[1, 2], [3, 4]]), "holds only 1 line; draw a polygon"),
        (_collection(), "holds no shapes"),
    ],
)
def test_damaged_shapes_are_named(tmp_path, content, match):
    path = _write(tmp_path / "a.geojson", content)
    with pytest.raises(RoiError, match=match) as caught:
        read_roi(path)
    assert "\n" not in str(caught.value)
    assert "a.geojson" in str(caught.value)


def test_collections_in_collections_end_somewhere(tmp_path):
    geometry = {"type": "Point", "coordinates": [1, 2]}
    for _ in range(50):
        geometry = {"type": "GeometryCollection", "geometries": [geometry]}
    with pytest.raises(RoiError, match="is not supported"):
        read_shapes(_write(tmp_path / "a.geojson", geometry))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_cut_short_file_is_refused(tmp_path, share):
    path = _write(tmp_path / "a.geojson", _collection(_feature("Polygon", [SQUARE])))
    path.write_text(path.read_text()[: int(len(path.read_text()) * share)])
    with pytest.raises(RoiError, match="not valid JSON"):
        read_roi(path)


def test_a_file_of_gigabytes_is_refused_unread(tmp_path, monkeypatch):
    path = _write(tmp_path / "a.geojson", _feature("Polygon", [SQUARE]))
    monkeypatch.setattr(roi_document, "LARGEST_ROI", 10)
    with pytest.raises(RoiError, match="too large"):
        read_roi(path)


# --- round trips -----------------------------------------------------------------


def _same(found, shape):
    """Assert that two shapes are one: same kind, same outline within a millionth of a pixel."""
    assert (found.kind, found.label) == (shape.kind, shape.label)
    a, b = shape_outline(found.kind, found.points), shape_outline(shape.kind, shape.points)
    a, b = (found.points, shape.points) if a is None else (a, b)
    if shape.kind in ("rectangle", "ellipse"):  # a box may begin at another corner
        distances = np.hypot(*(found.points[:, None] - shape.points[None]).T)
        assert distances.min(axis=0).max() <= 1e-6
    else:
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


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
    path = tmp_path_factory.mktemp("geojson") / "a.geojson"
    shape = Shape(kind, _box(y, x, height, width, degrees), "ä")
    write_shapes(path, [shape])
    (found,) = read_shapes(path)
    _same(found, shape)


@pytest.mark.slow
@given(vertices=st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=15, unique=True))
def test_polygons_and_paths_come_back(tmp_path_factory, vertices):
    path = tmp_path_factory.mktemp("geojson") / "a.geojson"
    points = np.array(vertices)
    shapes = [Shape(kind, points, kind) for kind in ("polygon", "path")]
    shapes.append(Shape("line", points[:2]))
    shapes.append(Shape("point", points[:1]))
    write_shapes(path, shapes)
    for found, shape in zip(read_shapes(path), shapes, strict=True):
        np.testing.assert_allclose(found.points, shape.points, rtol=0, atol=1e-6)
        assert found.kind == shape.kind or (shape.kind, found.kind) == ("polygon", "rectangle")


@pytest.mark.slow
@given(seed=st.integers(0, 200))
def test_painted_regions_with_holes_and_islands_come_back(tmp_path_factory, seed):
    mask = np.random.default_rng(seed).random((9, 11)) > 0.4
    path = tmp_path_factory.mktemp("geojson") / "a.geojson"
    write_shapes(path, [Shape("polygon", mask_outline(mask, (3, 4)))])
    shapes = read_shapes(path)
    found = sum(_inside(shape.points, (20, 20)).astype(int) for shape in shapes)
    np.testing.assert_array_equal(found, np.pad(mask, ((3, 8), (4, 5))))
    # What was read once comes back as it is, vertex for vertex.
    write_shapes(path, shapes)
    for again, shape in zip(read_shapes(path), shapes, strict=True):
        np.testing.assert_allclose(again.points, shape.points, rtol=0, atol=1e-6)


def test_a_polygon_with_holes_is_written_as_one(tmp_path):
    content = _collection(_feature("Polygon", [SQUARE, HOLE]))
    shapes = read_shapes(_write(tmp_path / "a.geojson", content))
    write_shapes(tmp_path / "b.geojson", shapes)
    (feature,) = json.loads((tmp_path / "b.geojson").read_text())["features"]
    assert feature["geometry"] == {"type": "Polygon", "coordinates": [SQUARE, HOLE]}
    assert feature["properties"]["objectType"] == "annotation"


def test_upright_ellipses_are_marked_for_qupath(tmp_path):
    write_shapes(
        tmp_path / "a.geojson",
        [Shape("ellipse", _box(30, 20, 10, 16)), Shape("ellipse", _box(30, 20, 10, 16, 30))],
    )
    upright, turned = json.loads((tmp_path / "a.geojson").read_text())["features"]
    assert upright["geometry"]["isEllipse"] is True
    ring = np.array(upright["geometry"]["coordinates"][0])
    np.testing.assert_allclose([ring.min(axis=0), ring.max(axis=0)], [[12.5, 25.5], [28.5, 35.5]])
    assert "isEllipse" not in turned["geometry"]


def test_a_shape_without_area_is_refused(tmp_path):
    flat = Shape("polygon", np.array([[0.0, 0], [0, 5], [0, 0]]))
    with pytest.raises(OutputError, match="encloses nothing"):
        write_shapes(tmp_path / "a.geojson", [flat])
    with pytest.raises(OutputError, match="not finite"):
        write_shapes(tmp_path / "a.geojson", [Shape("point", np.array([[np.nan, 0]]))])
    with pytest.raises(OutputError, match=r"written as \.json"):
        write_shapes(tmp_path / "a.xyz", [])
    assert list(tmp_path.iterdir()) == []


# --- rings -----------------------------------------------------------------------


@given(seed=st.integers(0, 100))
def test_a_path_over_holes_that_was_drawn_elsewhere_is_cut_alike(seed):
    mask = np.random.default_rng(seed).random((9, 11)) > 0.4
    outline = mask_outline(mask)[1:]  # begins and ends elsewhere: not as we join rings
    rings = split_rings(outline)
    found = sum(_inside(ring, mask.shape).astype(int) for ring in rings) % 2
    np.testing.assert_array_equal(found, mask)


@given(seed=st.integers(0, 50), rings=st.integers(1, 5))
def test_joined_rings_come_apart_again(seed, rings):
    rng = np.random.default_rng(seed)
    parts = [rng.random((rng.integers(3, 9), 2)) * 9 for _ in range(rings)]
    found = split_rings(join_rings(parts))
    assert len(found) == len(parts)
    for a, b in zip(found, parts, strict=True):
        np.testing.assert_array_equal(a, b)


@given(
    holes=st.lists(
        st.tuples(st.integers(1, 15), st.integers(1, 15), st.integers(1, 4), st.integers(1, 4)),
        max_size=4,
    ),
    shift=st.sampled_from([0.0, 0.5, 0.25]),
)
def test_bridges_select_no_pixel(holes, shift):
    """Vertices on centres are the hard case: a bridge between them may meet other centres."""
    y, x = np.indices((24, 24))
    outer = np.array([(0.0, 0), (0, 20), (20, 20), (20, 0)]) + shift
    expected = (y >= shift) & (y <= 20 + shift) & (x >= shift) & (x <= 20 + shift)
    taken = np.zeros((24, 24), int)
    rings = [outer]
    for top, left, height, width in holes:
        if taken[top : top + height + 1, left : left + width + 1].any():
            continue  # holes of a valid polygon do not overlap
        taken[top : top + height + 1, left : left + width + 1] = 1
        ring = np.array([(top, left), (top, left + width), (top + height, left + width),
                         (top + height, left)]) + shift  # fmt: skip
        rings.append(np.roll(ring, top, axis=0))
        low, high = ring[0], ring[2]
        expected &= ~((y > low[0]) & (y < high[0]) & (x > low[1]) & (x < high[1]))
    region = Region.from_polygons([join_rings(rings)], (24, 24))
    np.testing.assert_array_equal(region.crop(((0, 24), (0, 24))), expected)


def test_a_ring_through_the_corner_of_its_bridge_stays_whole():
    outer = np.array([[0.5, 0.5], [0.5, 9.5], [9.5, 9.5], [9.5, 0.5]])
    corner = (np.floor(outer[0, 0]) + 0.41421, np.floor(5.5) + 0.57721)
    inner = np.array([[5.5, 5.5], [7.5, 5.5], [7.5, 0.5], corner])
    assert corner in map(tuple, join_rings([outer, inner])[5:8])
    found = split_rings(join_rings([outer, inner]))
    np.testing.assert_array_equal(found[0], outer)
    np.testing.assert_array_equal(found[1], inner)
    assert len(found) == 2


def test_islands_in_holes_are_polygons_of_their_own():
    nested = [_box(20, 20, size, size) for size in (20, 16, 12, 8)]
    beside = _box(20, 60, 9, 9)
    found = group_rings([*nested, beside])
    assert [len(polygon) for polygon in found] == [2, 2, 1]
    np.testing.assert_array_equal(found[0][1], nested[1])
    np.testing.assert_array_equal(found[1][0], nested[2])
