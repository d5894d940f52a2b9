"""Planes of a stack that ROI files say, from the file to the pixels that change."""

import json

import numpy as np
import pytest
import roifile

import toys
from napari_microenhance import Options, Roi, compare, enhance, load_model
from napari_microenhance.api import raw_consistency, variability
from napari_microenhance.engine.region import Region
from napari_microenhance.errors import OutputError, RoiError
from napari_microenhance.images.image_formats import read_image
from napari_microenhance.rois.labelme import LabelmeShape, write_labelme
from napari_microenhance.rois.roi_formats import read_roi, read_shapes, write_shapes
from napari_microenhance.rois.shapes import Shape

SQUARE = np.array([(3.0, 4.0), (3.0, 9.0), (8.0, 9.0), (8.0, 4.0)])
SHAPE = (20, 30)


@pytest.fixture(scope="module")
def invert(tmp_path_factory):
    return load_model(toys.inverse(tmp_path_factory.mktemp("net") / "inverse.onnx"))


def planes_that_change(image, model, roi, axes):
    result = enhance(image, model, roi, axes, options=Options(no_caution=toys.UNLIKE))
    differ = (result.pixels != image).any(axis=(-2, -1))
    return [tuple(map(int, i)) for i in np.argwhere(differ)], result.report.warnings


def imagej(path, *places):
    """Write ROIs with their places in a stack."""
    rois = []
    for number, place in enumerate(places):
        roi = roifile.ImagejRoi.frompoints(np.array([[4, 3], [9, 3], [9, 8], [4, 8]]) + number)
        roi.name = f"cell {number}"
        for name, value in place.items():
            setattr(roi, name, value)
        rois.append(roi)
    roifile.roiwrite(path, rois, mode="w")
    return path


def test_positions_of_imagej_count_from_one_and_mix_with_none(tmp_path, rng, invert):
    image = rng.integers(0, 256, (4, *SHAPE), dtype=np.uint8)
    path = imagej(tmp_path / "a.zip", {"position": 2}, {"position": 4})
    assert planes_that_change(image, invert, path, "ZYX") == ([(1,), (3,)], [])
    path = imagej(tmp_path / "b.zip", {"position": 2}, {})
    assert planes_that_change(image, invert, path, "TYX")[0] == [(0,), (1,), (2,), (3,)]
    found = read_roi(path)
    assert [roi.planes for roi in found.rois] == [{"stack": (1,)}, {}]


def test_hyperstack_positions_of_imagej(tmp_path, rng, invert):
    image = rng.integers(0, 256, (2, 3, *SHAPE), dtype=np.uint8)
    path = imagej(tmp_path / "a.zip", {"t_position": 2, "z_position": 3}, {"z_position": 1})
    assert planes_that_change(image, invert, path, "TZYX")[0] == [(0, 0), (1, 0), (1, 2)]
    channels = rng.integers(0, 256, (3, *SHAPE), dtype=np.uint8)
    path = imagej(tmp_path / "b.zip", {"c_position": 3})
    found, warnings = planes_that_change(channels, invert, path, "CYX")
    assert found == [(2,)]
    assert any("channel" in text for text in warnings)


def test_a_position_in_a_flat_stack_counts_channels_first(tmp_path, rng, invert):
    image = rng.integers(0, 256, (2, 3, *SHAPE), dtype=np.uint8)  # C, Z
    path = imagej(tmp_path / "a.zip", {"position": 4})
    assert planes_that_change(image, invert, path, "CZYX")[0] == [(1, 1)]


def test_a_single_plane_takes_no_notice_of_positions(tmp_path, rng, invert):
    image = rng.integers(0, 256, SHAPE, dtype=np.uint8)
    path = imagej(tmp_path / "a.zip", {"position": 7}, {"z_position": 3, "t_position": 9})
    result = enhance(image, invert, path, options=Options(no_caution=toys.UNLIKE))
    assert (result.pixels != image).sum() == (Region.from_polygons(
        read_roi(path).polygons, SHAPE
    )).pixels  # fmt: skip
    assert result.report.warnings == []


def test_a_position_beyond_the_stack_is_said(tmp_path, rng, invert):
    image = rng.integers(0, 256, (3, *SHAPE), dtype=np.uint8)
    path = imagej(tmp_path / "a.zip", {"position": 2}, {"position": 9})
    found, warnings = planes_that_change(image, invert, path, "ZYX")
    assert found == [(1,)]
    assert any("1 of 2 ROIs" in text for text in warnings)


def test_a_slice_in_a_name_is_no_position_and_is_said(tmp_path, rng, invert):
    image = rng.integers(0, 256, (3, *SHAPE), dtype=np.uint8)
    path = imagej(tmp_path / "a.zip", {"name": "0002-0005-0006"}, {"name": "cell"})
    found, warnings = planes_that_change(image, invert, path, "ZYX")
    assert found == [(0,), (1,), (2,)]
    assert any("1 ROI without a position" in text for text in warnings)
    assert planes_that_change(image[0], invert, path, "YX")[1] == []
    path = imagej(tmp_path / "b.zip", {"name": "0002-0005-0006", "position": 2})
    assert planes_that_change(image, invert, path, "ZYX") == ([(1,)], [])


CSV = "index,shape-type,vertex-index,axis-0,axis-1,axis-2"


def rows(number, places, kind="polygon"):
    points = [(3, 4), (3, 9), (8, 9)]
    return [
        f"{number},{kind},{vertex},{place},{y},{x}"
        for vertex, (place, (y, x)) in enumerate(zip(places, points, strict=True))
    ]


def test_a_table_of_napari_has_planes_and_shapes_that_span_some(tmp_path, rng, invert):
    image = rng.integers(0, 256, (6, *SHAPE), dtype=np.uint8)
    lines = [CSV, *rows(0, (3, 3, 3)), *rows(1, (0.6, 0.6, 0.6)), *rows(2, (4, 5, 4))]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    found, warnings = planes_that_change(image, invert, tmp_path / "a.csv", "ZYX")
    assert found == [(1,), (3,), (4,), (5,)]
    assert any("1 shape" in text and "spans" in text for text in warnings)


def test_a_table_has_the_axis_of_channels_or_not(tmp_path, rng, invert):
    image = rng.integers(0, 256, (2, 2, 3, *SHAPE), dtype=np.uint8)
    (tmp_path / "a.csv").write_text("\n".join([CSV, *rows(0, (1, 1, 1))]))
    found, _ = planes_that_change(image[0], invert, tmp_path / "a.csv", "CZYX")
    assert found == [(0, 1), (1, 1)]
    lines = [f"{CSV},axis-3,axis-4"]
    lines += [f"0,polygon,{n},1,0,2,{y},{x}" for n, (y, x) in enumerate([(3, 4), (3, 9), (8, 9)])]
    (tmp_path / "b.csv").write_text("\n".join(lines))
    assert planes_that_change(image, invert, tmp_path / "b.csv", "TCZYX")[0] == [(1, 0, 2)]


def geojson(path, *planes, **properties):
    ring = [[4, 3], [9, 3], [9, 8], [4, 8], [4, 3]]
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring]}
            | ({} if plane is None else {"plane": plane}),
            "properties": properties,
        }
        for plane in planes
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_planes_of_qupath_count_from_zero(tmp_path, rng, invert):
    image = rng.integers(0, 256, (2, 4, *SHAPE), dtype=np.uint8)
    path = geojson(tmp_path / "a.geojson", {"c": -1, "z": 3, "t": 1}, {"c": -1, "z": 0, "t": 0})
    assert planes_that_change(image, invert, path, "TZYX")[0] == [(0, 0), (1, 3)]
    path = geojson(tmp_path / "b.geojson", {"c": 1, "z": 2, "t": 0})
    assert planes_that_change(image, invert, path, "CZYX")[0] == [(1, 2)]


def test_a_geometry_without_a_plane_counts_for_all_and_qupath_means_its_first(
    tmp_path, rng, invert
):
    image = rng.integers(0, 256, (3, *SHAPE), dtype=np.uint8)
    every = [(0,), (1,), (2,)]
    plain = geojson(tmp_path / "a.geojson", None)
    assert planes_that_change(image, invert, plain, "ZYX") == (every, [])
    plane = {"c": -1, "z": 2, "t": 0}
    mixed = geojson(tmp_path / "b.geojson", plane, None, objectType="annotation")
    found, warnings = planes_that_change(image, invert, mixed, "ZYX")
    assert found == every
    assert any("1 of 2" in text and "first plane" in text for text in warnings)


@pytest.mark.parametrize("plane", [{"z": "a"}, {"z": 1.5}, {"t": -3}])
def test_a_plane_that_is_none_is_named(tmp_path, plane):
    with pytest.raises(RoiError, match='shape 1: its "plane"'):
        read_roi(geojson(tmp_path / "a.geojson", plane))


def test_axes_of_a_table_are_called_as_the_user_knows_them(tmp_path, rng, invert):
    """Those of the image where they are its own, else as the table's columns."""
    lines = ["index,shape-type,vertex-index,axis-0,axis-1,axis-2,axis-3"]
    for number, (t, z) in enumerate([(1, 0), (1, 2), (0, 1)]):
        corners = [(3, 4), (3, 9), (8, 9), (8, 4)]
        lines += [f"{number},polygon,{i},{t},{z},{y},{x}" for i, (y, x) in enumerate(corners)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines))
    stack = rng.integers(0, 256, (2, 2, *SHAPE), dtype=np.uint8)
    found, (beyond,) = planes_that_change(stack, invert, path, "TZYX")
    assert found == [(0, 1), (1, 0)]
    assert "(T=1 Z=2; it has T 0 to 1, Z 0 to 1)" in beyond
    deeper = rng.integers(0, 256, (3, *SHAPE), dtype=np.uint8)
    found, warnings = planes_that_change(deeper, invert, path, "ZYX")
    assert found == [(0,), (1,), (2,)]
    assert any("along axis-0, which the image does not have" in said for said in warnings)


@pytest.mark.parametrize("name", ["a.zip", "a.geojson", "a.json", "a.csv"])
def test_every_writer_keeps_planes(tmp_path, rng, invert, name):
    image = rng.integers(0, 256, (3, 4, *SHAPE), dtype=np.uint8)
    shapes = [
        Shape("polygon", SQUARE, planes={"T": (1,), "Z": (2, 3)}),
        Shape("rectangle", SQUARE + 6, planes={"T": (0,), "Z": (0,)}),
        Shape("ellipse", SQUARE + np.array([0, 9]), planes={"T": (2,), "Z": (1, 3)}),
    ]
    write_shapes(tmp_path / name, shapes)
    found, _ = planes_that_change(image, invert, tmp_path / name, "TZYX")
    assert found == [(0, 0), (1, 2), (1, 3), (2, 1), (2, 3)]


@pytest.mark.parametrize("name", ["a.zip", "a.geojson", "a.json"])
def test_shapes_with_and_without_planes_are_written_together(tmp_path, name):
    shapes = [Shape("polygon", SQUARE, planes={"Z": (2,)}), Shape("polygon", SQUARE + 3)]
    write_shapes(tmp_path / name, shapes)
    assert [shape.planes for shape in read_shapes(tmp_path / name)] == [{"Z": (2,)}, {}]
    with pytest.raises(OutputError, match="shape 2 applies to every plane of axis Z"):
        write_shapes(tmp_path / "a.csv", shapes)


def test_a_position_in_the_stack_is_written_as_imagej_keeps_it(tmp_path):
    imagej(tmp_path / "a.zip", {"position": 5})
    write_shapes(tmp_path / "b.zip", read_shapes(tmp_path / "a.zip"))
    (roi,) = roifile.roiread(tmp_path / "b.zip")
    assert (roi.position, roi.z_position) == (5, 0)


def test_labelme_keeps_planes_as_a_key_of_ours(tmp_path):
    write_labelme(tmp_path / "a.json", [LabelmeShape("polygon", SQUARE, planes={"Z": (1,)})], None)
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["shapes"][0]["planes"] == {"Z": [1]}
    content["shapes"][0]["planes"] = {"Z": "x"}
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(RoiError, match="shape 1: planes="):
        read_roi(tmp_path / "a.json")


def test_the_table_of_changes_counts_the_planes_of_a_region(rng, invert):
    image = rng.integers(0, 100, (2, 4, *SHAPE), dtype=np.uint8)
    rois = [Roi(SQUARE, planes={"T": 1, "Z": 2}), Roi(SQUARE + 5, planes={"Z": 0})]
    result = enhance(image, invert, rois, "TZYX")
    found = compare(image, result, rois, "TZYX")
    assert found.total.pixels == 36 * 3
    assert found.different_outside == 0
    assert [plane.name for plane in found.planes] == ["T=0 Z=0", "T=1 Z=0", "T=1 Z=2"]
    assert [(part.name, part.figures.pixels) for part in found.parts] == [("1", 36), ("2", 72)]
    mask = result.pixels != image
    assert compare(image, result, mask, "TZYX").total.pixels == 36 * 3


def test_files_for_a_stack_of_imagej(public_data, invert):
    folder = public_data / "field" / "roi_planes"
    image = read_image(folder / "stack.tif")
    result = enhance(image.pixels, invert, folder / "RoiSet_stack.zip", image.axes)
    expected = read_image(folder / "expected_region.tif", axes="ZYX").pixels != 0
    np.testing.assert_array_equal(result.pixels != image.pixels, expected)
    found, _ = planes_that_change(image.pixels, invert, folder / "shapes.csv", image.axes)
    assert found == [(1,), (3,)]


def test_trust_maps_know_nothing_of_planes_without_a_region(rng, invert):
    image = rng.integers(0, 100, (3, 40, 50), dtype=np.uint8)
    rois = [Roi(SQUARE + 9, planes={"Z": 1})]
    result = enhance(image, invert, rois, "ZYX")
    found = variability(image, invert, rois, "ZYX")
    assert found.values.shape == (1, 6, 6)
    assert np.isfinite(found.values).all()
    wider = [*rois, Roi(SQUARE + 20, planes={"Z": 2})]
    values = variability(image, invert, wider, "ZYX").values
    assert np.isfinite(values).sum() == 72
    blurred = raw_consistency(image, result, rois, "ZYX").values
    assert np.flatnonzero(np.isfinite(blurred).any(axis=(1, 2))).tolist() == [1]
