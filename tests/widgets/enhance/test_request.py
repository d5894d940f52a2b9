"""What the fields of the dock mean for the viewer as it is; no screen, no widget."""

import numpy as np
import pytest
from napari.layers import Image, Shapes

from napari_microenhance.api import Options, load_model
from napari_microenhance.engine.reports.report import RECORD_KEY
from napari_microenhance.errors import ImageError, ModelError, RoiError
from napari_microenhance.widgets.enhance.request import (
    EnhanceRequest,
    batch_of_foreground,
    batch_of_images,
    batch_of_preview,
    batch_of_run,
    resolve,
)
from napari_microenhance.widgets.viewer.view import View

NETWORK = "detail-classic"
SQUARE = np.array([(4.0, 6.0), (4.0, 14.0), (12.0, 14.0), (12.0, 6.0)])


def view_of(ndim=2, *, point=None, centre=(10, 12), size=(8, 10)):
    """Look at a plane of y and x."""
    return View(
        point=np.zeros(ndim) if point is None else np.array(point, float),
        displayed=(ndim - 2, ndim - 1),
        units=None,
        centre=np.array(centre, float),
        size=np.array(size, float),
    )


def request_for(image, **changes):
    return EnhanceRequest(**{"image": image, "key": NETWORK, "model": NETWORK, **changes})


@pytest.fixture
def image():
    return Image(np.zeros((20, 30), np.uint8), name="cells")


@pytest.fixture
def stack():
    return Image(np.zeros((5, 20, 30), np.uint8), name="stack")


def squares(count=1, **kwargs):
    """Return a layer of squares beside each other."""
    moved = [SQUARE + np.array((0, 12 * i)) for i in range(count)]
    return Shapes(moved, shape_type="polygon", **kwargs)


def test_a_run_is_what_the_fields_say(image):
    options = Options(dilate=3)
    task = resolve(request_for(image, roi=squares(), options=options), view_of())
    assert task.source.name == "cells"
    assert task.model == NETWORK
    assert (task.options, task.preview, task.window, task.part) == (options, False, None, "")
    np.testing.assert_array_equal(task.roi.polygons[0], SQUARE)


def test_without_an_roi_the_whole_image_is_meant(image):
    assert resolve(request_for(image), view_of()).roi.is_whole


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"image": None}, ImageError, "No image layer is selected"),
        ({"model": None}, ModelError, "No model is selected"),
    ],
)
def test_what_is_missing_is_said(image, changes, error, words):
    with pytest.raises(error, match=words):
        resolve(request_for(**{"image": image, **changes}), view_of())


def test_a_preview_is_of_what_is_in_sight(image):
    task = resolve(request_for(image), view_of(), preview=True)
    assert task.preview
    assert task.window == ((6, 15), (7, 18))
    with pytest.raises(RoiError, match="Nothing of image layer 'cells' is visible"):
        resolve(request_for(image), view_of(centre=(500, 500)), preview=True)


@pytest.mark.parametrize(
    ("only_current", "preview", "planes"),
    [(False, False, "all"), (True, False, (3,)), (False, True, (3,)), (True, True, (3,))],
)
def test_the_plane_in_sight_is_meant_where_one_is(stack, only_current, preview, planes):
    request = request_for(stack, only_current=only_current)
    task = resolve(request, view_of(3, point=(3, 0, 0)), preview=preview)
    assert task.options.planes == planes


def test_an_image_without_planes_has_no_current_one(image):
    assert resolve(request_for(image, only_current=True), view_of()).options.planes == "all"


def test_a_network_of_volumes_takes_all_planes(stack):
    model = load_model(NETWORK)
    flat = resolve(request_for(stack, model=model, only_current=True), view_of(3, point=(2, 0, 0)))
    assert flat.options.planes == (2,)


def test_each_shape_is_a_run_of_its_own_where_that_is_asked(image):
    batch = batch_of_run(request_for(image, roi=squares(2), each_shape=True), view_of())
    assert len(batch) == 2
    assert [batch.begin().task.part for _ in range(2)] == ["shape 1", "shape 2"]
    together = batch_of_run(request_for(image, roi=squares(2)), view_of())
    assert len(together) == 1
    assert len(together.begin().task.roi.polygons) == 2
    alone = batch_of_run(request_for(image, roi=squares(), each_shape=True), view_of())
    assert alone.begin().task.part == ""


def test_a_run_that_cannot_be_read_is_refused_at_once(image):
    lines = Shapes([SQUARE[:2]], shape_type="line", name="lines")
    with pytest.raises(RoiError, match="'lines' has no shape with an area"):
        batch_of_run(request_for(image, roi=lines), view_of())


def test_of_several_images_what_is_wrong_with_one_goes_with_it(image):
    six = Image(np.zeros((1, 1, 1, 1, 8, 8), np.uint8), name="six")
    ours = Image(np.zeros((8, 8), np.uint8), metadata={RECORD_KEY: {}})
    batch = batch_of_images(request_for(image), [image, six, ours], view_of(6))
    assert len(batch) == 2
    assert batch.keeps
    assert batch.begin().task.source.name == "cells"
    broken = batch.begin()
    assert broken.task is None
    assert "six" in str(broken.error)
    with pytest.raises(ImageError, match="All image layers are results"):
        batch_of_images(request_for(image), [ours], view_of())
    with pytest.raises(ModelError, match="No model"):
        batch_of_images(request_for(image, model=None), [image], view_of())


def test_the_foreground_is_looked_for_everywhere_with_few_options(image):
    options = Options(dilate=9, background="white", threads=2)
    request = request_for(image, roi=squares(), options=options)
    batch = batch_of_foreground(request, view_of())
    task = batch.begin().task
    assert batch.as_roi
    assert task.roi.is_whole
    assert task.options == Options(threads=2)


def test_a_preview_says_that_it_is_one(image):
    batch = batch_of_preview(request_for(image), view_of())
    assert batch.preview
    assert batch.begin().task.preview
