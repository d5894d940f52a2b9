"""Parameters of a shape that are more than its vertices."""

import zipfile

import numpy as np
import pytest
from roifile import ROI_OPTIONS, ROI_SUBTYPE, ROI_TYPE, ImagejRoi

from napari_microenhance.engine.region import Region
from napari_microenhance.images.image_formats import read_image
from napari_microenhance.rois.outlines import closed_spline, rounded_rectangle
from napari_microenhance.rois.roi_formats import read_roi


def pixels(path, shape=(160, 200)):
    return Region.from_polygons(read_roi(path).polygons, shape).crop(tuple((0, n) for n in shape))


def rectangle(path, arc, *, width=120, height=90):
    roi = ImagejRoi(roitype=ROI_TYPE.RECT, top=30, left=20, bottom=30 + height, right=20 + width)
    roi.rounded_rect_arc_size = arc
    path.write_bytes(roi.tobytes())
    return path


@pytest.mark.parametrize(("arc", "width", "height"), [(60, 120, 90), (31, 80, 100), (500, 70, 40)])
def test_corners_of_rounded_rectangles_are_round(tmp_path, arc, width, height):
    found = pixels(rectangle(tmp_path / "a.roi", arc, width=width, height=height))
    y, x = np.indices(found.shape) + 0.5
    ry, rx = min(arc, height) / 2, min(arc, width) / 2
    dy = np.maximum(0, np.abs(y - 30 - height / 2) - (height / 2 - ry)) / ry
    dx = np.maximum(0, np.abs(x - 20 - width / 2) - (width / 2 - rx)) / rx
    expected = dy**2 + dx**2 <= 1
    assert np.count_nonzero(found != expected) <= 4  # centres on the edge to a hair
    assert not found[30, 20]
    assert found[30 + height // 2, 20]


def test_the_rounded_rectangle_of_imagej(public_data):
    folder = public_data / "field" / "shape_parameters"
    expected = np.asarray(read_image(folder / "expected_region.png").pixels) != 0
    np.testing.assert_array_equal(pixels(folder / "rounded.roi"), expected)


def test_a_rounded_rectangle_reaches_its_box():
    box = np.array([(0.0, 0.0), (0.0, 30.0), (20.0, 30.0), (20.0, 0.0)])
    outline = rounded_rectangle(box, 8)
    np.testing.assert_allclose([outline.min(axis=0), outline.max(axis=0)], [(0, 0), (20, 30)])
    assert {(0.0, 4.0), (0.0, 26.0), (4.0, 0.0), (16.0, 30.0)} <= {
        (round(y, 9), round(x, 9)) for y, x in outline.tolist()
    }


def line(path, kind, width, subtype=ROI_SUBTYPE.UNDEFINED):
    if kind == ROI_TYPE.LINE:
        roi = ImagejRoi(roitype=kind, subtype=subtype, x1=20.0, y1=40.0, x2=80.0, y2=40.0)
        roi.top, roi.left, roi.bottom, roi.right = 40, 20, 41, 81
    else:
        roi = ImagejRoi.frompoints(np.array([[20, 40], [60, 40], [80, 90]], np.float32))
        roi.roitype = kind
    roi.stroke_width = int(width)
    roi.float_stroke_width = width
    path.write_bytes(roi.tobytes())
    return path


@pytest.mark.parametrize("width", [6.0, 9.0])
def test_a_straight_line_of_some_width_is_the_area_it_covers(tmp_path, width):
    path = line(tmp_path / "a.roi", ROI_TYPE.LINE, width)
    found = pixels(path)
    reach = int(width / 2)
    expected = np.zeros(found.shape, bool)
    expected[40 - reach : 41 + reach, 20:81] = True
    np.testing.assert_array_equal(found, expected)
    assert "1 line has a width" in str(read_roi(path).notes[0])


@pytest.mark.parametrize("kind", [ROI_TYPE.POLYLINE, ROI_TYPE.FREELINE])
def test_the_width_of_a_bent_line_is_left_out_and_said(tmp_path, kind):
    rectangle(tmp_path / "b.roi", 0)
    line(tmp_path / "a.roi", kind, 8.0)
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        for name in ("a.roi", "b.roi"):
            archive.write(tmp_path / name, name)
    file = read_roi(tmp_path / "c.zip")
    assert len(file.rois) == 1
    assert any("1 bent line has a width" in str(note) for note in file.notes)
    assert any("1 path enclosing no pixels" in str(note) for note in file.notes)


def test_arrows_and_thin_lines_enclose_nothing(tmp_path):
    for width, subtype in ((8.0, ROI_SUBTYPE.ARROW), (1.0, ROI_SUBTYPE.UNDEFINED)):
        path = line(tmp_path / "a.roi", ROI_TYPE.LINE, width, subtype)
        with pytest.raises(ValueError, match="only 1 line"):
            read_roi(path)


def test_a_polygon_that_was_fitted_with_a_spline_is_read_as_the_curve(tmp_path):
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    knots = np.stack([100 + 40 * np.cos(angle), 80 + 40 * np.sin(angle)], axis=1)
    roi = ImagejRoi.frompoints(knots.astype(np.float32))
    (tmp_path / "a.roi").write_bytes(roi.tobytes())
    straight = pixels(tmp_path / "a.roi").sum()
    roi.options = ROI_OPTIONS(roi.options | ROI_OPTIONS.SPLINE_FIT)
    (tmp_path / "a.roi").write_bytes(roi.tobytes())
    curved = pixels(tmp_path / "a.roi").sum()
    assert straight == pytest.approx(6 * 40**2 * np.sin(2 * np.pi / 12), rel=0.01)
    assert curved == pytest.approx(np.pi * 40**2, rel=0.003)


def test_a_spline_goes_through_its_vertices_and_stays_close_to_its_curve():
    knots = np.random.default_rng(2).uniform(0, 200, (9, 2))
    outline = closed_spline(knots)
    gaps = np.hypot(*(knots[:, None] - outline[None]).T).min(axis=0)
    assert gaps.max() < 1e-9
    finer = closed_spline(knots * 100) / 100
    areas = [abs(y @ np.roll(x, -1) - x @ np.roll(y, -1)) / 2 for y, x in (outline.T, finer.T)]
    assert areas[0] == pytest.approx(areas[1], rel=1e-4)
