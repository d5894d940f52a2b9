"""ROI files over a stack: planes are kept from file to layer, to run, and back to a file."""

import numpy as np
import pytest
from napari.layers import Image, Layer

from napari_microenhance.contributions.layer_data import layer_shapes, planes_from, shape_layers
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import RoiError
from napari_microenhance.rois.roi_formats import read_shapes as shapes_in
from napari_microenhance.rois.roi_formats import write_shapes
from napari_microenhance.rois.shapes import Shape
from napari_microenhance.widgets.roi.drawn_roi import read_shapes
from napari_microenhance.widgets.roi.roi_files import read_roi_file, write_roi_file
from placed import seen_by

POLYGON = np.array([(4.0, 5.0), (4.0, 20.0), (18.0, 20.0), (15.0, 5.0)])
BOX = np.array([(6.0, 7.0), (6.0, 15.0), (12.0, 15.0), (12.0, 7.0)])
STACK = {"Z": 6}


def drawn(*planes, kind="polygon"):
    """Return a shape for each of several places."""
    points = BOX if kind == "rectangle" else POLYGON
    return [Shape(kind, points + i, planes=place) for i, place in enumerate(planes)]


def opened(path, shape):
    """Open a file over an image, and return what that layer is as an ROI."""
    image = Image(np.zeros(shape, np.uint8), scale=(4, 1, 1)[-len(shape) :])
    layer = read_roi_file(path, image)
    _, view = seen_by(image, layer)
    return image, layer, view, read_shapes(layer, image, view)


@pytest.mark.parametrize("suffix", [".csv", ".zip", ".geojson"])
@pytest.mark.parametrize("kind", ["polygon", "rectangle"])
def test_planes_go_from_file_to_layer_and_back(tmp_path, suffix, kind):
    path = tmp_path / f"rois{suffix}"
    write_shapes(path, drawn({"Z": (1,)}, {"Z": (4,)}, kind=kind))
    image, layer, view, roi = opened(path, (6, 40, 40))
    assert [one.planes for one in roi.shapes] == [{"Z": (1,)}, {"Z": (4,)}]
    again = tmp_path / f"again{suffix}"
    write_roi_file(again, layer, image, view)
    # CSV counts axes from the last.
    axis = "-3" if suffix == ".csv" else "Z"
    assert [shape.planes for shape in shapes_in(again)] == [{axis: (1,)}, {axis: (4,)}]


def test_a_shape_without_a_plane_among_others_counts_for_all(tmp_path):
    path = tmp_path / "rois.zip"
    write_shapes(path, drawn({}, {"Z": (3,)}))
    *_, roi = opened(path, (6, 40, 40))
    assert [one.planes["Z"] for one in roi.shapes] == [(0, 1, 2, 3, 4, 5), (3,)]


def test_planes_apart_from_each_other_become_shapes_of_their_own(tmp_path):
    path = tmp_path / "rois.geojson"
    write_shapes(path, drawn({"Z": (1,)}))
    *_, roi = opened(path, (6, 40, 40))
    assert [one.planes["Z"] for one in roi.shapes] == [(1,)]


def test_over_a_single_plane_planes_are_ignored(tmp_path):
    path = tmp_path / "rois.zip"
    write_shapes(path, drawn({"Z": (1,)}, {"Z": (4,)}))
    _, layer, _, roi = opened(path, (40, 40))
    assert layer.ndim == 2
    assert [one.planes for one in roi.shapes] == [{}, {}]


def test_shapes_beyond_the_stack_are_left_out_aloud(tmp_path):
    path = tmp_path / "rois.zip"
    write_shapes(path, drawn({"Z": (1,)}, {"Z": (9,)}))
    *_, roi = opened(path, (6, 40, 40))
    assert [one.planes["Z"] for one in roi.shapes] == [(1,)]
    assert any("1 of 2 shapes" in str(remark) for remark in roi.remarks)
    write_shapes(path, drawn({"Z": (9,)}))
    with pytest.raises(RoiError, match="planes that the image does not have"):
        opened(path, (6, 40, 40))


def test_flat_files_stay_flat(tmp_path):
    path = tmp_path / "rois.zip"
    write_shapes(path, drawn({}, {}))
    _, layer, _, roi = opened(path, (6, 40, 40))
    assert layer.ndim == 2
    assert [one.planes for one in roi.shapes] == [{}, {}]


@pytest.mark.parametrize("suffix", [".csv", ".zip", ".geojson"])
def test_what_napari_opens_and_saves_keeps_its_planes(tmp_path, suffix):
    path, again = tmp_path / f"rois{suffix}", tmp_path / "again.geojson"
    write_shapes(path, drawn({"Z": (1,)}, {"Z": (4,)}))
    ((data, meta, kind),) = shape_layers("rois", shapes_in(path))
    layer = Layer.create(data, meta, kind)
    image = Image(np.zeros((6, 40, 40), np.uint8))
    _, view = seen_by(image, layer)
    roi = read_shapes(layer, image, view)
    source = Source(image.data, "ZYX")
    assert [len(roi.on_plane(source, (z,)).shapes) for z in range(6)] == [0, 1, 0, 0, 1, 0]
    assert "2 of 2 shapes apply to the planes in the layer's column" in str(roi.remarks[0])
    write_shapes(again, layer_shapes(layer.data, {**meta, "features": layer.features}))
    assert [set(shape.planes.values()) for shape in shapes_in(again)] == [{(1,)}, {(4,)}]


def test_a_layer_of_a_stack_is_saved_with_its_planes(tmp_path):
    lying = [np.insert(POLYGON, 0, z, axis=1) for z in (2, 5)]
    shapes = layer_shapes(lying, {"shape_type": "polygon"})
    write_shapes(tmp_path / "rois.geojson", shapes)
    assert [shape.planes for shape in shapes] == [{"-3": (2,)}, {"-3": (5,)}]
    found = shapes_in(tmp_path / "rois.geojson")
    assert [set(shape.planes.values()) for shape in found] == [{(2,)}, {(5,)}]


@pytest.mark.parametrize("text", ["Z", "Z=", "Z=a", "Q=1", "Z=-1"])
def test_a_column_of_planes_that_means_nothing_is_refused(text):
    with pytest.raises(RoiError, match="planes="):
        planes_from(text)
