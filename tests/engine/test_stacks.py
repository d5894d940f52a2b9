"""Stacks of any axes: each plane, or volume, as if it were alone, and one intensity map for all."""

import numpy as np
import pytest

import toys
from napari_microenhance import Options, enhance, load_model
from napari_microenhance.errors import AxesError

GIVEN = Options(intensity=(0, 4095), no_caution=toys.UNLIKE)
FITTED = Options(intensity="percentile", no_caution=toys.UNLIKE)
BOX = [np.array([(10, 12), (10, 50), (40, 50), (40, 12)])]


@pytest.fixture(scope="module")
def blur(tmp_path_factory):
    """Return a model that takes one plane of one channel."""
    return load_model(toys.plain(tmp_path_factory.mktemp("net") / "plain.onnx", convs=3))


def stack(rng, *shape):
    """Return a stack of which each plane has a brightness of its own."""
    levels = np.linspace(0.1, 1, int(np.prod(shape))).reshape(*shape, 1, 1)
    return (rng.random((*shape, 48, 64)) * levels * 4095).astype(np.uint16)


@pytest.mark.parametrize("roi", [None, BOX], ids=["whole", "roi"])
@pytest.mark.parametrize(
    ("axes", "shape"),
    [("TCYX", (4, 2)), ("CTYX", (2, 4)), ("TZCYX", (2, 2, 2)), ("ZYX", (5,)), ("CZYX", (2, 3))],
)
def test_with_the_intensity_given_a_stack_equals_its_planes(rng, blur, axes, shape, roi):
    image = stack(rng, *shape)
    whole = enhance(image, blur, roi, axes, options=GIVEN)
    planes = dict(zip(axes, shape, strict=False)) | {"C": 1}
    assert whole.report.plan["planes"] == np.prod(list(planes.values()))
    for place in np.ndindex(*shape):
        alone = enhance(image[place], blur, roi, "YX", options=GIVEN)
        np.testing.assert_array_equal(whole.pixels[place], alone.pixels)


def test_a_series_of_colour_images_equals_each_of_them(rng, blur):
    image = rng.integers(0, 256, (3, 48, 64, 3), dtype=np.uint8)
    whole = enhance(image, blur, BOX, "TYXC", options=Options(no_caution=toys.UNLIKE)).pixels
    for time in range(3):
        alone = enhance(image[time], blur, BOX, options=Options(no_caution=toys.UNLIKE)).pixels
        np.testing.assert_array_equal(whole[time], alone)


def test_a_series_of_volumes_equals_each_of_them(rng, tmp_path):
    model = load_model(toys.volume(tmp_path / "volume.onnx"))
    image = stack(rng, 2, 3, 6)
    whole = enhance(image, model, BOX, "TCZYX", options=GIVEN).pixels
    for place in np.ndindex(2, 3):
        alone = enhance(image[place], model, BOX, "ZYX", options=GIVEN).pixels
        np.testing.assert_array_equal(whole[place], alone)


def test_intensity_is_fitted_per_channel_over_all_planes(rng, blur):
    image = stack(rng, 3, 2)
    found = enhance(image, blur, None, "TCYX", options=FITTED).report.intensity
    ends = [np.percentile(image[:, channel], [0.1, 99.9]) for channel in range(2)]
    np.testing.assert_allclose(found["low"], [low for low, _ in ends])
    np.testing.assert_allclose(found["high"], [high for _, high in ends])


def test_what_the_axes_mean_is_asked_for(rng, blur):
    with pytest.raises(AxesError, match="axes"):
        enhance(stack(rng, 2, 2), blur)
