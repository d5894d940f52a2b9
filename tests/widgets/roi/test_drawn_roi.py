"""Layers that mark a region: shapes and labels in the pixels and planes of an image."""

import itertools

import numpy as np
import pytest
from napari.layers import Image, Labels, Shapes

from napari_microenhance.engine.region import Region
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import OptionsError, RoiError
from napari_microenhance.widgets.roi.drawn_roi import read_labels, read_shapes
from napari_microenhance.widgets.roi.labels_roi import parse_labels
from napari_microenhance.widgets.viewer.view import read_view
from placed import POLYGON, every_turn, seen_by, to_world


def test_units_of_one_kind_are_converted():
    image = Image(np.zeros((40, 30)), scale=(500, 500), units=("nm", "nm"))
    shapes = Shapes([POLYGON * 0.0005], shape_type="polygon", units=("mm", "mm"))
    _, view = seen_by(image, shapes)
    roi = read_shapes(shapes, image, view)
    np.testing.assert_allclose(roi.polygons[0], POLYGON, atol=1e-4)


def test_units_count_for_nothing_where_napari_ignores_them(recwarn):
    image = Image(np.zeros((40, 30)), units=("um", "um"))
    shapes = Shapes([POLYGON], shape_type="polygon", units=("mm", "mm"))
    pixels = Image(np.zeros((4, 4)))
    _, view = seen_by(image, shapes, pixels)
    assert view.units is None
    np.testing.assert_allclose(read_shapes(shapes, image, view).polygons[0], POLYGON, atol=1e-4)
    recwarn.clear()


@every_turn
def test_a_polygon_selects_the_pixels_that_it_covers_on_screen(turn):
    image = Image(np.zeros((40, 36)), **turn)
    corners = to_world(image, POLYGON)
    # napari draws a layer that knows nothing of the image's transforms.
    shapes = Shapes([corners], shape_type="polygon", units=image.units)
    _, view = seen_by(image, shapes)
    roi = read_shapes(shapes, image, view)
    got = Region.from_polygons(roi.polygons, (40, 36)).crop(((0, 40), (0, 36)))
    expected = Region.from_polygons([POLYGON], (40, 36)).crop(((0, 40), (0, 36)))
    np.testing.assert_array_equal(got, expected)


def test_an_ellipse_is_round_and_a_rectangle_is_not():
    box = np.array([(10.0, 20.0), (10.0, 60.0), (50.0, 60.0), (50.0, 20.0)])
    image = Image(np.zeros((80, 80)))
    shapes = Shapes([box, box], shape_type=["ellipse", "rectangle"])
    _, view = seen_by(image, shapes)
    round_one, square = read_shapes(shapes, image, view).polygons
    radii = np.hypot(*((round_one - (30, 40)) / (20, 20)).T)
    np.testing.assert_allclose(radii, 1, atol=1e-9)
    np.testing.assert_allclose(np.sort(square, axis=0), np.sort(box, axis=0))
    area = Region.from_polygons([round_one], (80, 80)).pixels
    assert area == pytest.approx(np.pi * 400, rel=0.01)


def test_lines_and_paths_are_skipped_aloud():
    shapes = Shapes(
        [POLYGON[:2], POLYGON, POLYGON], shape_type=["line", "path", "polygon"], name="drawn"
    )
    image = Image(np.zeros((40, 40)))
    _, view = seen_by(image, shapes)
    roi = read_shapes(shapes, image, view)
    assert len(roi.polygons) == 1
    assert [*map(str, roi.remarks)] == ["Skipped 2 line(s) or path(s): they have no area."]
    only_lines = Shapes([POLYGON[:2]], shape_type="line", name="lines")
    with pytest.raises(RoiError, match="'lines' has no shape with an area"):
        read_shapes(only_lines, image, view)


def test_an_empty_layer_means_the_whole_image_aloud():
    image, shapes = Image(np.zeros((40, 40))), Shapes(name="nothing")
    _, view = seen_by(image, shapes)
    roi = read_shapes(shapes, image, view)
    assert roi.is_whole
    assert "'nothing' is empty: the whole image" in str(roi.remarks[0])


SOURCE = Source(np.zeros((5, 40, 40)), "ZYX")


def on_plane(z, corners):
    return np.insert(corners, 0, z, axis=1)


def test_shapes_of_a_stack_count_for_the_planes_they_are_drawn_on():
    image = Image(np.zeros((5, 40, 40)), scale=(3, 1, 1))
    shapes = Shapes(
        [on_plane(2, POLYGON), on_plane(4, POLYGON + 2)], shape_type="polygon", scale=(3, 1, 1)
    )
    _, view = seen_by(image, shapes)
    roi = read_shapes(shapes, image, view)
    assert [one.planes for one in roi.shapes] == [{"Z": (2,)}, {"Z": (4,)}]
    assert not roi.remarks
    here = roi.on_plane(SOURCE, (4,))
    np.testing.assert_allclose(here.polygons, [POLYGON + 2], atol=1e-4)
    assert roi.on_plane(SOURCE, (0,)).shapes == ()


def test_the_axes_of_planes_have_their_names():
    image = Image(np.zeros((3, 5, 40, 40)), axis_labels=("t", "c", "y", "x"))
    shapes = Shapes([np.insert(on_plane(4, POLYGON), 0, 1, axis=1)], shape_type="polygon")
    _, view = seen_by(image, shapes)
    (one,) = read_shapes(shapes, image, view).shapes
    assert one.planes == {"T": (1,), "C": (4,)}


def test_the_plane_of_a_shape_goes_through_world_space():
    image = Image(np.zeros((5, 40, 40)), scale=(3, 1, 1), translate=(6, 0, 0))
    shapes = Shapes([on_plane(5, POLYGON)], shape_type="polygon", scale=(3, 1, 1))
    _, view = seen_by(image, shapes)
    assert read_shapes(shapes, image, view).shapes[0].planes == {"Z": (3,)}


def test_shapes_that_span_planes_count_for_each_of_them_aloud():
    image = Image(np.zeros((9, 40, 40)))
    slanted = on_plane(2, POLYGON)
    slanted[2:, 0] = 5
    shapes = Shapes([slanted, on_plane(7, POLYGON)], shape_type="polygon")
    _, view = seen_by(image, shapes)
    roi = read_shapes(shapes, image, view)
    assert [one.planes["Z"] for one in roi.shapes] == [(2, 3, 4, 5), (7,)]
    (remark,) = roi.remarks
    assert str(remark) == "1 of 2 shapes span several planes and apply to each of them."


def test_shapes_before_the_first_plane_are_left_out_aloud():
    image = Image(np.zeros((5, 40, 40)))
    shapes = Shapes([on_plane(-2, POLYGON), on_plane(1, POLYGON)], shape_type="polygon")
    _, view = seen_by(image, shapes)
    roi = read_shapes(shapes, image, view)
    assert len(roi.shapes) == 1
    assert "1 shape(s) that lie before the first plane" in str(roi.remarks[0])


def test_shapes_of_a_stack_over_one_plane_count_for_it():
    image = Image(np.zeros((40, 40)))
    shapes = Shapes([on_plane(3, POLYGON), on_plane(1, POLYGON + 2)], shape_type="polygon")
    _, view = seen_by(image, shapes)
    assert [one.planes for one in read_shapes(shapes, image, view).shapes] == [{}, {}]


def test_shapes_of_another_view_are_skipped_aloud():
    image = Image(np.zeros((30, 40, 40)))
    standing = np.insert(POLYGON[:, ::-1], 1, 6.0, axis=1)
    shapes = Shapes([standing, on_plane(1, POLYGON)], shape_type="polygon")
    _, view = seen_by(image, shapes)
    roi = read_shapes(shapes, image, view)
    assert len(roi.polygons) == 1
    assert "not drawn in the y-x plane" in str(roi.remarks[0])


def test_flat_shapes_over_a_stack_need_no_remark():
    image, shapes = Image(np.zeros((5, 40, 40))), Shapes([POLYGON], shape_type="polygon")
    _, view = seen_by(image, shapes)
    roi = read_shapes(shapes, image, view)
    np.testing.assert_allclose(roi.polygons, [POLYGON], atol=1e-4)
    assert not roi.remarks


def naive_mask(labels, image, shape):
    """Ask napari for the label under the centre of every image pixel."""
    found = np.zeros(shape, bool)
    for pixel in itertools.product(*map(range, shape)):
        at = np.floor(labels.world_to_data(image.data_to_world(pixel)) + 0.5).astype(int)
        if (at >= 0).all() and (at < labels.data.shape).all():
            found[pixel] = labels.data[tuple(at)] != 0
    return found


@every_turn
def test_labels_on_another_grid_mark_what_they_cover(turn, rng):
    image = Image(np.zeros((24, 20)), **turn)
    data = (rng.random((15, 17)) > 0.6).astype(np.uint8)
    # An odd angle and size: no pixel centre falls on a border between labels.
    labels = Labels(
        data,
        scale=(1.37, 1.21),
        rotate=13.3,
        translate=image.data_to_world((3.1, 2.2)),
        units=image.units,
    )
    _, view = seen_by(image, labels)
    roi = read_labels(labels, image, view)
    expected = naive_mask(labels, image, (24, 20))
    assert expected.any()
    np.testing.assert_array_equal(roi.labels.mask(), expected)


def test_labels_on_the_same_grid_are_taken_as_they_are(rng):
    data = rng.integers(0, 3, (24, 20))
    image, labels = Image(np.zeros((24, 20)), scale=(2, 2)), Labels(data, scale=(2, 2))
    _, view = seen_by(image, labels)
    np.testing.assert_array_equal(read_labels(labels, image, view).labels.mask(), data != 0)


def test_labels_of_a_stack_count_plane_by_plane(rng):
    data = rng.integers(0, 2, (4, 24, 20))
    image, labels = Image(np.zeros((4, 24, 20)), scale=(5, 1, 1)), Labels(data, scale=(5, 1, 1))
    _, view = seen_by(image, labels)
    roi = read_labels(labels, image, view)
    np.testing.assert_array_equal(roi.labels.mask(), data != 0)
    np.testing.assert_array_equal(roi.on_plane(SOURCE, (2,)).labels.mask(), data[2] != 0)
    assert not roi.remarks


def test_labels_of_a_stack_with_a_grid_of_its_own_are_moved_plane_by_plane(rng):
    data = rng.integers(0, 2, (4, 12, 10))
    image = Image(np.zeros((4, 24, 20)), scale=(5, 1, 1))
    labels = Labels(data, scale=(5, 2, 2), translate=(0, 0.5, 0.5))
    _, view = seen_by(image, labels)
    mask = read_labels(labels, image, view).labels.mask()
    np.testing.assert_array_equal(mask, data.repeat(2, axis=1).repeat(2, axis=2) != 0)


def test_labels_of_other_planes_are_those_on_screen(rng):
    data = rng.integers(0, 2, (7, 24, 20))
    image, labels = Image(np.zeros((4, 24, 20)), scale=(5, 1, 1)), Labels(data, scale=(3, 1, 1))
    viewer, _ = seen_by(image, labels)
    viewer.dims.set_point(0, 15)
    roi = read_labels(labels, image, read_view(viewer))
    np.testing.assert_array_equal(roi.labels.mask(), data[5] != 0)
    assert "The labels of plane 5 are used for every plane." in map(str, roi.remarks)


def test_some_labels_are_the_roi(rng):
    data = rng.integers(0, 5, (24, 20))
    image, labels = Image(np.zeros((24, 20))), Labels(data)
    _, view = seen_by(image, labels)
    roi = read_labels(labels, image, view, classes=(1, 3))
    np.testing.assert_array_equal(roi.labels.mask(), np.isin(data, (1, 3)))
    with pytest.raises(RoiError, match="has no pixels of label 9"):
        read_labels(labels, image, view, classes=(9,)).labels.mask()


@pytest.mark.parametrize(
    ("text", "classes"), [("", ()), ("1,3", (1, 3)), (" 4 , 4 2 ", (4, 2)), ("-1", (-1,))]
)
def test_labels_are_named_as_whole_numbers(text, classes):
    assert parse_labels(text) == classes


@pytest.mark.parametrize("text", ["one", "1.5", "1;2", "--1"])
def test_what_is_no_label_is_refused(text):
    with pytest.raises(OptionsError, match="ROI labels are whole numbers"):
        parse_labels(text)


def test_labels_elsewhere_or_empty():
    image = Image(np.zeros((24, 20)))
    away = Labels(np.ones((5, 5), np.uint8), translate=(100, 100))
    _, view = seen_by(image, away)
    with pytest.raises(RoiError, match="outside the image"):
        read_labels(away, image, view).labels.mask()
    empty = Labels(np.zeros((24, 20), np.uint8))
    assert read_labels(empty, image, view).labels.mask() is None


def test_a_polygon_that_is_still_being_drawn_says_how_to_finish_it():
    image, shapes = Image(np.zeros((40, 40))), Shapes(name="drawn")
    _, view = seen_by(image, shapes)
    shapes.mode = "add_polygon"
    # As napari keeps it meanwhile.
    shapes.add(POLYGON, shape_type="path")
    with pytest.raises(RoiError, match="still being drawn; double-click or press Escape"):
        read_shapes(shapes, image, view)
    shapes.add_polygons([POLYGON])
    shapes.add(POLYGON, shape_type="path")
    (remark,) = (str(r) for r in read_shapes(shapes, image, view).remarks if "still" in str(r))
    assert remark.startswith("Skipped 1 shape that is still being drawn")


def test_what_looks_wrong_about_labels_is_said(rng):
    image = Image(np.zeros((24, 20)))
    full = Labels(rng.integers(1, 3, (24, 20)), name="classes")
    _, view = seen_by(image, full)
    read = read_labels(full, image, view).read()
    assert read.rois[0].mask.all()
    assert any("'classes'" in str(note) and "every pixel" in str(note) for note in read.notes)
    void = np.zeros((24, 20), np.int16)
    void[:4], void[4:] = 2, -1
    read = read_labels(Labels(void, name="void"), image, view).read()
    np.testing.assert_array_equal(read.rois[0].mask, void == 2)
    assert any("-1" in str(note) for note in read.notes)
    good = np.zeros((24, 20), np.uint8)
    good[5:15, 5:15] = 1
    assert read_labels(Labels(good), image, view).read().notes == ()
