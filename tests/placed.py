"""What tests of layers and ROIs share: transforms of every kind, and views of layers."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_microenhance.widgets.viewer.view import read_view

TURNED = {
    "plain": {},
    "scaled": {"scale": (0.5, 2.0)},
    "moved": {"translate": (-31.0, 12.5)},
    "rotated": {"rotate": 30.0},
    "sheared": {"shear": (0.4,)},
    "sheared the other way": {"shear": np.array([[1.0, 0.0], [0.3, 1.0]])},
    "mirrored": {"scale": (-1.0, 1.5)},
    "affine": {"affine": np.array([[1.1, 0.2, 5.0], [-0.3, 0.9, -7.0], [0, 0, 1]])},
    "all": {
        "scale": (0.65, 0.7),
        "translate": (100.0, -40.0),
        "rotate": -21.0,
        "shear": (0.15,),
        "affine": np.array([[0.0, -1.0, 3.0], [1.0, 0.0, 8.0], [0, 0, 1]]),
        "units": ("um", "um"),
        "axis_labels": ("y", "x"),
    },
}
every_turn = pytest.mark.parametrize("turn", TURNED.values(), ids=TURNED.keys())
POLYGON = np.array([(10.2, 8.0), (12.0, 31.5), (30.7, 26.0), (22.0, 15.0), (33.3, 9.1)])


def to_world(layer, points):
    return np.array([layer.data_to_world(p) for p in points])


def to_data(layer, points):
    return np.array([layer.world_to_data(p) for p in points])


def seen_by(*layers):
    viewer = ViewerModel()
    for layer in layers:
        viewer.add_layer(layer)
    return viewer, read_view(viewer)
