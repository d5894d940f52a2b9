"""What napari's manifest names: readers and writers, through npe2 and real layers."""

import json
import subprocess
import sys
import zipfile

import npe2
import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points, Shapes
from skimage.measure import points_in_poly

from napari_microenhance.contributions.layer_data import layer_shapes
from napari_microenhance.contributions.layer_look import look_from, look_of
from napari_microenhance.contributions.readers import get_labelme_reader, get_shapes_reader
from napari_microenhance.contributions.result_reader import read_result
from napari_microenhance.contributions.writers import write_geojson, write_labelme, write_ome_tiff
from napari_microenhance.errors import ImageError, OutputError
from napari_microenhance.images.image_formats import read_image, read_record, write_image
from napari_microenhance.rois.labelme import LabelmeShape, read_labelme
from napari_microenhance.rois.labelme import write_labelme as write_labelme_file
from napari_microenhance.rois.rings import join_rings
from napari_microenhance.rois.roi_formats import read_shapes, write_shapes
from napari_microenhance.rois.shapes import Shape

MASK = np.array([[1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0], [0, 0, 0, 1]], dtype=bool)
SHAPES = [
    LabelmeShape("polygon", np.array([[1.0, 2], [3, 30], [20, 8]]), "cell", None, 3),
    LabelmeShape("rectangle", np.array([[1.0, 2], [5, 9]]), "box"),
    LabelmeShape("circle", np.array([[10.0, 20], [13, 24]]), "ring"),
    LabelmeShape("line", np.array([[1.0, 2], [3, 4]]), "line"),
    LabelmeShape("linestrip", np.array([[1.0, 2], [3, 4], [3, 9]]), "strip"),
    LabelmeShape("point", np.array([[5.0, 6]]), "dot"),
    LabelmeShape("points", np.array([[5.0, 6], [7, 8]]), "dots"),
    LabelmeShape("mask", np.array([[6.0, 7], [9, 10]]), "painted", MASK),
]


@pytest.fixture
def labelme_path(tmp_path):
    path = tmp_path / "cells.json"
    write_labelme_file(path, SHAPES, (40, 50), "cells.png")
    return path


@pytest.fixture
def plugin(root, npe2pm):
    manifest = npe2.PluginManifest.from_file(root / "napari.yaml")
    with npe2pm.tmp_plugin(manifest=manifest) as plugin:
        yield plugin


def test_the_reader_wants_labelme_only(tmp_path, labelme_path):
    assert get_labelme_reader(str(labelme_path)) is not None
    assert get_labelme_reader([str(labelme_path)] * 2) is not None
    other = tmp_path / "other.json"
    for content in ('{"type": "FeatureCollection"}', "{", '{"shapes": [1]}', ""):
        other.write_text(content)
        assert get_labelme_reader(str(other)) is None
    assert get_labelme_reader(str(tmp_path / "missing.json")) is None
    assert get_labelme_reader(str(tmp_path)) is None
    assert get_labelme_reader([str(labelme_path), str(other)]) is None
    assert get_labelme_reader([]) is None


def test_every_shape_type_becomes_a_layer(labelme_path):
    layers = get_labelme_reader(str(labelme_path))(str(labelme_path))
    viewer = ViewerModel()
    for data, attributes, kind in layers:
        viewer.add_layer(Layer.create(data, attributes, kind))
    shapes, points = viewer.layers
    assert isinstance(shapes, Shapes)
    assert shapes.shape_type == [
        "polygon", "rectangle", "ellipse", "line", "path", "polygon"
    ]  # fmt: skip
    assert list(shapes.features["label"]) == ["cell", "box", "ring", "line", "strip", "painted"]
    assert shapes.features["group_id"][0] == 3
    np.testing.assert_allclose(shapes.data[0], SHAPES[0].points)
    np.testing.assert_allclose(shapes.data[2], [[5, 15], [5, 25], [15, 25], [15, 15]])
    y, x = np.indices((4, 4))
    centres = np.stack([y.ravel() + 6, x.ravel() + 7], axis=1)
    inside = points_in_poly(centres, shapes.data[5]).reshape(4, 4)
    np.testing.assert_array_equal(inside, MASK)
    assert isinstance(points, Points)
    np.testing.assert_array_equal(points.data, [[5, 6], [5, 6], [7, 8]])
    assert shapes.name == "cells"


def test_an_empty_labelme_file_is_an_empty_layer(tmp_path):
    write_labelme_file(tmp_path / "a.json", [], (4, 5), "a.png")
    ((data, attributes, kind),) = get_labelme_reader(str(tmp_path / "a.json"))(
        str(tmp_path / "a.json")
    )
    assert kind == "shapes"
    assert Shapes(data, **attributes).nshapes == 0


def test_reading_and_writing_through_npe2_keeps_shapes(plugin, labelme_path, tmp_path):
    layers = npe2.read([str(labelme_path)], stack=False, plugin_name="napari-microenhance")
    shapes = Shapes(layers[0][0], **layers[0][1])
    target = str(tmp_path / "out.json")
    written = npe2.write(target, [shapes], plugin_name="napari-microenhance")
    assert written == [target]
    found = read_labelme(target)
    assert (found.image_shape, found.image_path) == ((40, 50), "cells.png")
    kinds = [s.kind for s in found.shapes]
    assert kinds == ["polygon", "rectangle", "circle", "line", "linestrip", "polygon"]
    assert [s.label for s in found.shapes] == ["cell", "box", "ring", "line", "strip", "painted"]
    assert [s.group for s in found.shapes] == [3, None, None, None, None, None]
    for a, b in zip(found.shapes[:2], SHAPES[:2], strict=True):
        np.testing.assert_allclose(a.points, b.points, rtol=0, atol=1e-6)
    ring, original = found.shapes[2].points, SHAPES[2].points
    np.testing.assert_allclose(ring[0], original[0], atol=1e-6)
    assert np.hypot(*(ring[1] - ring[0])) == pytest.approx(5, abs=1e-6)


def test_shapes_that_labelme_does_not_know_become_polygons(tmp_path):
    ellipse = np.array([[0.0, 0], [0, 20], [10, 20], [10, 0]])
    turned = np.array([[0.0, 5], [5, 10], [10, 5], [5, 0]])
    in_a_stack = np.array([[7.0, 1, 1], [7, 1, 9], [7, 9, 9]])
    path = str(tmp_path / "a.json")
    kinds = ["ellipse", "rectangle", "polygon"]
    assert write_labelme(path, [ellipse, turned, in_a_stack], {"shape_type": kinds}) == [path]
    found = read_labelme(path).shapes
    assert [s.kind for s in found] == ["polygon"] * 3
    y, x = (found[0].points - (5, 10)).T
    np.testing.assert_allclose((y / 5) ** 2 + (x / 10) ** 2, 1)
    np.testing.assert_allclose(found[1].points, turned)
    np.testing.assert_allclose(found[2].points, in_a_stack[:, 1:])


def test_points_layers_are_written_as_points(tmp_path):
    layer = Points([[1.0, 2.0], [3.0, 4.0]], features={"label": ["a", "b"]})
    data, attributes, _ = layer.as_layer_data_tuple()
    write_labelme(str(tmp_path / "a.json"), data, attributes)
    found = read_labelme(tmp_path / "a.json").shapes
    assert [(s.kind, s.label, s.points.tolist()) for s in found] == [
        ("point", "a", [[1.0, 2.0]]),
        ("point", "b", [[3.0, 4.0]]),
    ]


# --- GeoJSON and ImageJ ------------------------------------------------------------

RING = np.array([[0.5, 0.5], [0.5, 20.5], [20.5, 20.5], [20.5, 0.5]])
BOX = np.array([[2.0, 3.0], [2, 9], [7, 9], [7, 3]])


def _drawing():
    """Return a Shapes layer with one shape of each kind."""
    holed = join_rings([RING, RING / 2 + 1.25])
    turned = BOX @ np.array([[0.8, -0.6], [0.6, 0.8]])
    return Shapes(
        [BOX, turned, BOX + 30, turned + 50, holed, RING[:3], RING[:2], RING[:3] * 1.7],
        shape_type=["rectangle", "rectangle", "ellipse", "ellipse", "polygon", "path", "line",
                    "polygon"],
        features={"label": ["a", "b", "c", "d", "e", "f", "g", "h"]},
    )  # fmt: skip


@pytest.mark.parametrize("suffix", [".geojson", ".zip"])
def test_every_shape_comes_back_through_npe2(plugin, tmp_path, suffix):
    layer, path = _drawing(), str(tmp_path / f"cells{suffix}")
    assert npe2.write(path, [layer], plugin_name="napari-microenhance") == [path]
    ((data, attributes, kind),) = npe2.read([path], stack=False, plugin_name="napari-microenhance")
    again = Shapes(data, **attributes)
    assert (kind, again.name) == ("shapes", "cells")
    assert again.shape_type == layer.shape_type
    assert list(again.features["label"]) == list(layer.features["label"])
    for kind, a, b in zip(again.shape_type, again.data, layer.data, strict=True):
        if kind in ("rectangle", "ellipse"):  # may begin at another corner
            assert np.hypot(*(a[:, None] - b[None]).T).min(axis=0).max() <= 1e-6
        else:
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


@pytest.mark.parametrize("suffix", [".geojson", ".roi", ".zip"])
def test_points_come_back_as_points(plugin, tmp_path, suffix):
    points = [[1.25, 2.0], [3.0, 4.0]][: 1 if suffix == ".roi" else 2]
    layer, path = Points(points, features={"label": ["a", "b"][: len(points)]}), tmp_path / "a"
    assert npe2.write(f"{path}{suffix}", [layer], plugin_name="napari-microenhance")
    ((data, attributes, kind),) = get_shapes_reader(f"{path}{suffix}")(f"{path}{suffix}")
    assert kind == "points"
    np.testing.assert_allclose(data, points, rtol=0, atol=1e-6)
    assert attributes["features"]["label"] == ["a", "b"][: len(points)]


def test_colours_of_qupath_show_and_come_back(tmp_path):
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 5], [0, 0]]]},
        "properties": {"classification": {"name": "Tumor", "color": [200, 0, 10]}},
    }
    plain = {**feature, "properties": {}}
    path = str(tmp_path / "a.json")
    with open(path, "w") as handle:
        json.dump([feature, plain], handle)
    assert get_labelme_reader(path) is None
    ((data, attributes, _),) = get_shapes_reader(path)(path)
    layer = Shapes(data, **attributes)
    np.testing.assert_allclose(layer.edge_color[0][:3], [200 / 255, 0, 10 / 255], atol=1e-6)
    np.testing.assert_allclose(layer.edge_color[1][:3], [1, 1, 0], atol=1e-6)
    data, attributes, _ = layer.as_layer_data_tuple()
    write_geojson(str(tmp_path / "b.geojson"), data, attributes)
    first, second = json.loads((tmp_path / "b.geojson").read_text())["features"]
    assert first["properties"]["classification"] == {"name": "Tumor", "color": [200, 0, 10]}
    assert second["properties"] == {"objectType": "annotation"}


def test_the_shapes_reader_wants_its_own_files_only(tmp_path, labelme_path):
    assert get_shapes_reader(str(labelme_path)) is None
    assert get_shapes_reader([]) is None
    assert get_shapes_reader(str(tmp_path / "missing.roi")) is None
    assert get_shapes_reader(str(tmp_path)) is None
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("rdf.yaml", "x")
    assert get_shapes_reader(str(tmp_path / "model.zip")) is None
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    assert get_shapes_reader(str(tmp_path / "broken.zip")) is None
    (tmp_path / "a.geojson").write_text("{")
    assert get_shapes_reader(str(tmp_path / "a.geojson")) is None


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_labelme_and_napari_keep_the_same_outlines(tmp_path, suffix):
    data, attributes, _ = _drawing().as_layer_data_tuple()
    shapes = layer_shapes(data, attributes)
    write_shapes(tmp_path / f"a{suffix}", shapes)
    for found, shape in zip(read_shapes(tmp_path / f"a{suffix}"), shapes, strict=True):
        assert found.kind == shape.kind
        assert np.hypot(*(found.points[:, None] - shape.points[None]).T).min(axis=0).max() <= 1e-6


def test_a_table_of_ours_is_napari_own(tmp_path):
    from napari_builtins.io import csv_to_layer_data

    layer = _drawing()
    data, attributes, _ = layer.as_layer_data_tuple()
    write_shapes(tmp_path / "a.csv", layer_shapes(data, attributes))
    found, kinds, what = csv_to_layer_data(str(tmp_path / "a.csv"))
    assert what == "shapes"
    again = Shapes(found, **kinds)
    assert again.shape_type == layer.shape_type
    for a, b in zip(again.data, layer.data, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(OutputError, match="points in a table of their own"):
        write_shapes(tmp_path / "b.csv", [Shape("point", np.zeros((1, 2)))])


# --- OME-TIFF --------------------------------------------------------------------


def test_an_image_layer_keeps_scale_units_axes_and_record(plugin, tmp_path):
    record = {"model": {"name": "x"}, "image": {"axes": "ZYX"}}
    pixels = np.arange(2 * 5 * 6, dtype=np.uint16).reshape(2, 5, 6)
    layer = Image(
        pixels,
        scale=(2, 0.5, 0.25),
        units=("um", "um", "um"),
        axis_labels=("z", "y", "x"),
        metadata={"napari-microenhance": record},
    )
    path = str(tmp_path / "a.ome.tif")
    assert npe2.write(path, [layer], plugin_name="napari-microenhance") == [path]
    found = read_image(path)
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.axes == "ZYX"
    assert found.pixel_size == {"Z": (2.0, "µm"), "Y": (0.5, "µm"), "X": (0.25, "µm")}
    assert read_record(path) == record


@pytest.mark.parametrize("colormap", ["magenta", "#00ff80", "viridis", "HiLo"])
def test_a_look_is_what_it_was(colormap):
    layer = Image(np.zeros((5, 6)), colormap=colormap, contrast_limits=(-2, 7.5), gamma=0.4)
    kept = json.loads(json.dumps(look_of(layer.as_layer_data_tuple()[1])))
    again = Image(np.zeros((5, 6)), **look_from(kept))
    assert again.colormap.name == layer.colormap.name
    values = np.linspace(0, 1, 99)
    np.testing.assert_allclose(again.colormap.map(values), layer.colormap.map(values), atol=1e-4)
    assert tuple(again.contrast_limits) == (-2, 7.5)
    assert again.gamma == 0.4


@pytest.mark.parametrize(
    "kept",
    [
        None,
        [1],
        {"contrast_limits": [3, 3], "gamma": -1, "blending": "loud"},
        {"contrast_limits": [float("nan"), 1], "gamma": "1", "colormap": "viridis"},
        {"colormap": {"colors": [[0, 0, 0, 1]], "controls": [0], "interpolation": "linear"}},
        {"colormap": {"colors": [[0, 0, 0, 9]] * 2, "controls": [0, 1], "interpolation": "zero"}},
    ],
)
def test_what_no_layer_can_take_is_left_out(kept):
    assert look_from(kept) == {}


def test_a_name_without_suffix_gets_one(plugin, tmp_path):
    layer = Image(np.zeros((5, 6), np.uint8))
    (path,) = npe2.write(
        str(tmp_path / "a"), [layer], plugin_name="napari-microenhance.write_ome_tiff"
    )
    assert path.endswith("a.ome.tif")
    assert read_record(path) is None


SECTIONS = ("model", "provider", "versions", "roi", "options", "plan", "intensity")
EMPTY = {name: {} for name in SECTIONS}


@pytest.mark.parametrize(
    ("layer", "axes"),
    [
        (Image(np.zeros((5, 6, 3), np.uint8), rgb=True), "YXC"),
        (Image(np.zeros((2, 5, 6, 3), np.uint8), rgb=True), "ZYXC"),
        (Image(np.zeros((2, 5, 6), np.float32)), "ZYX"),
        (Image(np.zeros((2, 5, 6), np.uint8), axis_labels=("t", "y", "x")), "TYX"),
        (Image(np.zeros((2, 3, 4, 5, 6), np.uint8)), "TCZYX"),
        (
            Image(
                np.zeros((2, 5, 6), np.uint8),
                metadata={"napari-microenhance": {**EMPTY, "image": {"axes": "CYX"}}},
            ),
            "CYX",
        ),
    ],
)
def test_axes_come_from_labels_then_record_then_count(tmp_path, layer, axes):
    data, attributes, _ = layer.as_layer_data_tuple()
    path = str(tmp_path / "a.ome.tiff")
    write_ome_tiff(path, data, attributes)
    found = read_image(path)
    assert (found.axes, found.pixels.shape) == (axes, layer.data.shape)
    assert found.pixel_size == {}


def test_a_multiscale_layer_is_written_at_full_resolution(tmp_path):
    levels = [np.ones((40, 50), np.uint8), np.ones((20, 25), np.uint8)]
    data, attributes, _ = Image(levels, multiscale=True).as_layer_data_tuple()
    write_ome_tiff(str(tmp_path / "a.ome.tif"), data, attributes)
    assert read_image(tmp_path / "a.ome.tif").pixels.shape == (40, 50)


def test_sixty_four_bit_labels_are_written_small_enough(tmp_path):
    layer = Labels(np.array([[0, 1], [70_000, 2]], dtype=np.int64))
    data, attributes, _ = layer.as_layer_data_tuple()
    write_ome_tiff(str(tmp_path / "a.ome.tif"), data, attributes)
    found = read_image(tmp_path / "a.ome.tif").pixels
    np.testing.assert_array_equal(found, layer.data)
    with pytest.raises(OutputError, match="32 bits"):
        write_ome_tiff(str(tmp_path / "b.ome.tif"), np.array([[2**40]]), {})
    assert not (tmp_path / "b.ome.tif").exists()


def test_other_names_are_refused(tmp_path):
    with pytest.raises(OutputError, match=r"\.ome\.tif"):
        write_ome_tiff(str(tmp_path / "a.tif"), np.zeros((4, 5)), {})


def test_other_readers_see_a_valid_ome_tiff(tmp_path):
    path = str(tmp_path / "a.ome.tif")
    write_ome_tiff(path, np.zeros((4, 5), np.uint8), {"metadata": {}})
    with tifffile.TiffFile(path) as tif:
        assert tif.is_ome
        assert tif.series[0].axes == "YX"


def test_contributions_need_no_napari():
    code = (
        "import sys, napari_microenhance.contributions.readers;"
        "import napari_microenhance.contributions.writers;"
        "heavy = ('napari', 'qtpy', 'onnxruntime', 'dask', 'zarr', 'roifile');"
        "print([m for m in heavy if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_the_layers_of_a_file_know_their_image(labelme_path):
    ((_, attributes, _), _) = get_labelme_reader(str(labelme_path))(str(labelme_path))
    assert json.loads(json.dumps(attributes["metadata"])) == {
        "labelme": {"image_shape": [40, 50], "image_path": "cells.png"}
    }


@pytest.mark.parametrize(
    "record", [{"result": {"scale": 0}}, {"model": {"spec": "none"}}, {"result": {"scale": "x"}}]
)
def test_a_damaged_record_is_said_when_its_file_is_opened(tmp_path, record):
    path = tmp_path / "result.ome.tif"
    write_image(path, np.zeros((8, 9), np.uint8), "YX", record=record)
    with pytest.raises(ImageError, match="damaged record"):
        read_result(path)
