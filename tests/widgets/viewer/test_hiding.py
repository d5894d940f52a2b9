"""An image that a result spans is hidden, and shown again when the result goes."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_microenhance.widgets.viewer.hiding import cover, mark_made_of, place_over


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def image(viewer):
    return viewer.add_image(np.zeros((8, 8), np.uint8), name="cells")


def made(viewer, image, name, *, spans=True):
    layer = Image(np.ones((8, 8), np.uint8), name=name)
    mark_made_of(image, layer)
    viewer.layers.insert(place_over(viewer.layers, image), layer)
    if spans:
        cover(viewer.layers, image, layer)
    return layer


def seen(viewer):
    return [layer.name for layer in viewer.layers if layer.visible]


def test_an_image_is_shown_again_when_its_result_goes(viewer, image):
    layer = made(viewer, image, "first")
    assert seen(viewer) == ["first"]
    viewer.layers.remove(layer)
    assert seen(viewer) == ["cells"]


@pytest.mark.parametrize(
    ("order", "after"),
    [
        (("second", "first"), [["first"], ["cells"]]),
        (("first", "second"), [["second"], ["cells"]]),
    ],
)
def test_results_give_way_in_any_order(viewer, image, order, after):
    made(viewer, image, "first")
    made(viewer, image, "second")
    assert seen(viewer) == ["second"]
    for name, expected in zip(order, after, strict=True):
        del viewer.layers[name]
        assert seen(viewer) == expected


def test_what_the_user_hid_stays_hidden(viewer, image):
    image.visible = False
    layer = made(viewer, image, "first")
    viewer.layers.remove(layer)
    assert seen(viewer) == []


def test_a_copy_of_a_result_does_not_show_what_the_result_hides(viewer, image):
    layer = made(viewer, image, "first")
    state = layer.as_layer_data_tuple()
    copy = Image(state[0], **{**state[1], "name": "copy"})
    viewer.add_layer(copy)
    viewer.layers.remove(copy)
    assert seen(viewer) == ["first"]


def test_a_result_lies_directly_above_its_image_and_above_older_ones(viewer, image):
    viewer.add_image(np.zeros((8, 8)), name="other channel")
    made(viewer, image, "patch", spans=False)
    made(viewer, image, "first")
    made(viewer, image, "second")
    names = [layer.name for layer in viewer.layers]
    assert names == ["cells", "patch", "first", "second", "other channel"]
    assert image.visible is False
    assert viewer.layers["patch"].visible


def test_an_image_that_is_gone_leaves_its_result_on_top(viewer, image):
    viewer.layers.remove(image)
    other = viewer.add_image(np.zeros((8, 8)), name="other")
    layer = made(viewer, image, "late")
    assert list(viewer.layers) == [other, layer]
