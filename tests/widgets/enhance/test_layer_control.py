"""What the dock chooses among the viewer's layers, and what it never offers."""

import numpy as np
import pytest

from napari_microenhance.engine.reports.report import RECORD_KEY
from napari_microenhance.widgets.enhance.layer_control import offered_images, offered_rois
from napari_microenhance.widgets.viewer.layer_values import HELPER_KEY
from napari_microenhance.widgets.viewer.live import LIVE_KEY

PIXELS = np.zeros((16, 16), np.uint8)
SQUARE = np.array([(2.0, 2.0), (2.0, 9.0), (9.0, 9.0)])


@pytest.mark.parametrize("key", [HELPER_KEY, LIVE_KEY])
def test_helpers_are_neither_offered_nor_chosen(widget, viewer, image, key):
    roi = viewer.add_shapes([SQUARE], shape_type="polygon")
    helpers = [
        viewer.add_image(PIXELS, metadata={key: True}),
        viewer.add_labels(PIXELS, metadata={key: True}),
        viewer.add_shapes([SQUARE], shape_type="polygon", metadata={key: True}),
    ]
    for layer in helpers:
        viewer.layers.selection.active = layer
        assert widget.image.value is image
        assert widget.roi.value is roi
    assert [layer for _, layer in offered_images(viewer.layers)] == [image]
    assert [layer for _, layer in offered_rois(viewer.layers)] == [roi]


def test_a_choice_of_the_user_is_kept_when_layers_come_and_go(widget, viewer, image):
    second = viewer.add_image(PIXELS, name="second")
    third = viewer.add_image(PIXELS, name="third")
    widget.image.value = second
    viewer.layers.selection.active = image
    viewer.layers.selection.active = third
    viewer.layers.remove(image)
    assert widget.image.value is second
    viewer.layers.remove(third)
    assert widget.image.value is second


def test_choosing_what_is_shown_already_is_a_choice(widget, viewer, image):
    box = widget.image.native
    box.activated.emit(box.currentIndex())
    viewer.layers.selection.active = viewer.add_image(PIXELS, name="second")
    assert widget.image.value is image


def test_in_the_place_of_a_chosen_image_that_is_gone_comes_the_topmost_one(widget, viewer, image):
    second = viewer.add_image(PIXELS, name="second")
    third = viewer.add_image(PIXELS, name="third")
    viewer.add_image(PIXELS, name="result", metadata={RECORD_KEY: {}})
    widget.image.value = second
    viewer.layers.remove(second)
    assert widget.image.value is third


def test_previews_are_no_choice_for_a_run(qtbot, widget, viewer, image):
    heard = []
    widget.previewed.connect(heard.append)
    widget.preview.native.click()
    qtbot.waitUntil(lambda: bool(heard), timeout=20_000)
    assert heard[0] in viewer.layers
    assert [layer for _, layer in offered_images(viewer.layers)] == [image]
