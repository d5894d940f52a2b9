"""ROI files over a stack: planes are kept from file to layer, to run, and back to a file."""

import numpy as np
import pytest
from napari.layers import Image

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
