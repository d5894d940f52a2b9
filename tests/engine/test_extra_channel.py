"""Networks with a further channel: refused by the name of the option, then filled with it."""

import numpy as np
import pytest

import toys
from napari_microenhance import Options, enhance, load_model
from napari_microenhance.errors import ModelError, OptionsError


def mixing(path, *, channels=3, **save):
    """``x * (1 - s) + mean(x) * s``: the last channel says how much is blurred."""
    g = toys.Graph(channels + 1)
    axis = g.constant(np.array([1], np.int64))
    ends = [g.constant(np.array([n], np.int64)) for n in (0, channels, channels + 1)]
    image = g.node("Slice", "x", ends[0], ends[1], axis)
    level = g.node("Slice", "x", ends[1], ends[2], axis)
    kernel = g.constant(np.full((channels, 1, 3, 3), 1 / 9, np.float32))
    blurred = g.node("Conv", image, kernel, pads=[1] * 4, group=channels)
    change = g.node("Mul", level, g.node("Sub", blurred, image))
    return g.save(path, g.node("Add", image, change), channels_out=channels, **save)


def expected(image, share):
    """The same on (C, Y, X) by hand, zeros around."""
    padded = np.pad(image, [(0, 0), (1, 1), (1, 1)])
    height, width = image.shape[1:]
    shifts = [padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return image + share * (sum(shifts) / 9 - image)


def inner(array):
    """Leave out the border, where the run mirrors and the network pads."""
    return array[2:-2, 2:-2]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_refusal_offers_the_option(tmp_path, channels):
    model = load_model(mixing(tmp_path / "net.onnx", channels=channels))
    assert (model.spec.channels_in, model.spec.extra_channels) == (channels + 1, 1)
    assert model.findings == ()
    image = np.zeros((20, 20, 3)[: 2 + (channels == 3)], np.uint8)
    words = rf"takes {channels + 1} channels: {channels} of the image and one more.*--extra-channel"
    with pytest.raises(ModelError, match=words):
        enhance(image, model)


@pytest.mark.parametrize("nhwc", [False, True])
def test_the_constant_is_in_grey_levels_of_the_image(tmp_path, rng, nhwc):
    model = load_model(mixing(tmp_path / "net.onnx", nhwc=nhwc))
    image = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    result = enhance(image, model, options=Options(extra_channel=51))
    wanted = expected(image.transpose(2, 0, 1) / 255, 51 / 255).transpose(1, 2, 0) * 255
    assert np.abs(inner(result.pixels) - inner(wanted)).max() <= 0.51


def test_grey_images_of_many_bits(tmp_path, rng):
    model = load_model(mixing(tmp_path / "net.onnx", channels=1))
    image = rng.integers(1000, 3000, (40, 50), dtype=np.uint16)
    options = Options(extra_channel=500, intensity=(1000, 3000))
    result = enhance(image, model, options=options)
    wanted = expected((image[None] - 1000.0) / 2000, 0.25)[0] * 2000 + 1000
    assert np.abs(inner(result.pixels) - inner(wanted)).max() <= 0.51
    plain = image.astype(np.float32)
    raw = enhance(plain, model, options=Options(extra_channel=0.25, intensity="none"))
    assert np.abs(inner(raw.pixels) - inner(expected(plain[None], 0.25)[0])).max() <= 1e-3


def test_grey_meets_a_colour_network_and_tiles_agree(tmp_path, rng):
    model = load_model(mixing(tmp_path / "net.onnx"))
    image = rng.integers(0, 256, (90, 100), dtype=np.uint8)
    whole = enhance(image, model, options=Options(extra_channel=128))
    tiled = enhance(image, model, options=Options(extra_channel=128, tile=40))
    np.testing.assert_array_equal(whole.pixels, tiled.pixels)
    assert whole.report.options["extra_channel"] == 128
    wanted = expected(image[None] / 255, 128 / 255)[0] * 255
    assert np.abs(inner(whole.pixels) - inner(wanted)).max() <= 0.51


def test_other_numbers_of_channels_are_refused_with_what_would_help(tmp_path):
    g = toys.Graph(5)
    path = g.save(tmp_path / "net.onnx", g.conv("x", 5, 3), channels_out=3)
    with pytest.raises(ModelError, match=r"outputs 3 channels for 5.*extra_channels=2"):
        load_model(path)
    model = load_model(path, extra_channels=2)
    image = np.zeros((20, 20, 3), np.uint8)
    assert enhance(image, model, options=Options(extra_channel=0)).pixels.shape == image.shape


@pytest.mark.parametrize("value", ["many", float("inf"), (1, 2), None])
def test_the_option_is_one_finite_number(value):
    with pytest.raises(OptionsError, match="extra_channel"):
        Options(extra_channel=value)


def test_the_public_network(public_data, rng):
    model = load_model(public_data / "field" / "refusals" / "drunet_like_4ch.onnx")
    image = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    with pytest.raises(ModelError, match="--extra-channel"):
        enhance(image, model)
    # Without noise there is nothing to take away.
    same = enhance(image, model, options=Options(extra_channel=0)).pixels
    np.testing.assert_array_equal(same, image)
    assert (enhance(image, model, options=Options(extra_channel=25)).pixels != image).any()
