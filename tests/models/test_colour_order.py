"""The order of a network's colours: read from words, set by the user, honoured in tensors."""

import numpy as np
import onnx
import pytest
from onnx import helper

import toys
from handmade import Package
from napari_microenhance import Options, enhance, load_model
from napari_microenhance.errors import OptionsError
from napari_microenhance.models.colour_order import named_order, stated_order


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("Super-resolution; expects BGR input as OpenCV reads it.", "bgr"),
        ("input: float32 NCHW, channels blue, green, red", "bgr"),
        ("input_bgr", "bgr"),
        ("B, G, R in 0..255", "bgr"),
        ("Trained on RGB images", "rgb"),
        ("RGB, not BGR", "rgb"),
        ("BGR instead of RGB!", "bgr"),
        ("RGB (convert with cv2.COLOR_BGR2RGB first)", "rgb"),
        ("red, green and blue", "rgb"),
        ("BGR at the input, RGB at the output", "unclear"),
        ("a denoiser for bgru files", ""),
        ("", ""),
    ],
)
def test_what_a_description_says(text, order):
    assert stated_order([text]) == order


@pytest.mark.parametrize(
    ("key", "value", "order"),
    [
        ("color_format", "BGR", "bgr"),
        ("is_bgr", "false", "rgb"),
        ("bgr", "1", "bgr"),
        ("channel_order", "rgb", "rgb"),
        ("author", "B. Green", ""),
    ],
)
def test_what_metadata_say(key, value, order):
    assert stated_order([], [(key, value)]) == order


def test_channels_by_their_names():
    assert named_order(["Blue", "green", "red"]) == "bgr"
    assert named_order(["R", "G", "B"]) == "rgb"
    assert named_order(["c0", "c1", "c2"]) == ""


def first_brighter(path, *, change=lambda model: None, **save):
    """A network that doubles its first channel: that is blue where the order is BGR."""
    g = toys.Graph(3)
    gains = g.constant(np.array([2, 1, 1], np.float32).reshape(1, 3, 1, 1))
    g.save(path, g.node("Mul", "x", gains), **save)
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)
    return path


def changed_channel(image, model, **options):
    """Return which of the image's channels was doubled."""
    result = enhance(image, model, options=Options(intensity="none", **options)).pixels
    return [c for c in range(3) if np.array_equal(result[..., c], 2 * image[..., c])]


def say(where, text):
    def change(model):
        if where == "model":
            model.doc_string = text
        elif where == "graph":
            model.graph.doc_string = text
        elif where == "input":
            model.graph.input[0].doc_string = text
        else:
            helper.set_model_props(model, {where: text})

    return change


@pytest.fixture
def image(rng):
    return rng.random((20, 24, 3), np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("nhwc", [False, True])
@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("model", "expects BGR"),
        ("graph", "channels: blue, green, red"),
        ("input", "BGR image"),
        ("color_space", "bgr"),
        ("microenhance.colour_order", "bgr"),
    ],
)
def test_a_file_that_says_bgr_gets_it(tmp_path, image, where, text, nhwc):
    path = first_brighter(tmp_path / "net.onnx", change=say(where, text), nhwc=nhwc)
    model = load_model(path)
    assert model.spec.colour_order == "bgr"
    assert model.findings == ()
    assert changed_channel(image, model) == [2]
    # What the user says goes before.
    assert changed_channel(image, model, colour_order="rgb") == [0]
    assert changed_channel(image, load_model(path, colour_order="rgb")) == [0]


def test_a_file_that_says_nothing_gets_rgb(tmp_path, image):
    model = load_model(first_brighter(tmp_path / "net.onnx"))
    assert model.spec.colour_order == "rgb"
    assert changed_channel(image, model) == [0]
    assert changed_channel(image, model, colour_order="bgr") == [2]
    with pytest.raises(OptionsError, match="colour_order='gbr' is not one of"):
        Options(colour_order="gbr")


def test_a_file_that_names_both_is_told_once_and_answered_by_the_option(tmp_path, image):
    change = say("model", "BGR in, RGB out")
    model = load_model(first_brighter(tmp_path / "net.onnx", change=change))
    (sentence,) = model.findings
    assert "set colour_order to bgr" in sentence
    assert sentence in enhance(image, model).report.warnings
    told = enhance(image, model, options=Options(colour_order="bgr")).report.warnings
    assert sentence not in told
    silent = enhance(image, model, options=Options(no_caution=("colour-order",))).report.warnings
    assert sentence not in silent


def test_a_grey_network_has_no_order(tmp_path):
    path = toys.plain(tmp_path / "net.onnx")
    model = onnx.load(path)
    model.doc_string = "BGR in, RGB out"
    onnx.save(model, path)
    assert load_model(path).findings == ()


def test_a_package_whose_channels_are_named_bgr(tmp_path, image):
    """Its steps are in the order of its channels, too."""
    path = first_brighter(tmp_path / "net.onnx")
    steps = [
        {
            "id": "scale_linear",
            "kwargs": {"gain": [1.0, 1.0, 3.0], "offset": [0.0, 0.0, 0.0], "axis": "channel"},
        }
    ]
    tensors = [np.zeros((1, 3, 32, 32), np.float32)] * 2
    package = Package(path, tensors).new(before=steps)
    for side in ("inputs", "outputs"):
        axes = package.entry[side][0]["axes"]
        axes[1]["channel_names"] = ["blue", "green", "red"]
    model = load_model(package.zip(tmp_path / "package.zip"))
    assert model.spec.colour_order == "bgr"
    result = enhance(image, model).pixels
    np.testing.assert_allclose(result[..., 2], 2 * image[..., 2], rtol=1e-6)  # blue: the first
    np.testing.assert_allclose(result[..., 0], 3 * image[..., 0], rtol=1e-6)  # red: the last


def test_a_network_with_whole_image_statistics_honours_the_order_too(tmp_path, image):
    g = toys.Graph(3)
    one, zero = (g.constant(np.full(4, v, np.float32)) for v in (1.0, 0.0))
    x = g.node("InstanceNormalization", g.conv("x", 3, 4), one, zero, epsilon=1e-5)
    model = load_model(g.save(tmp_path / "net.onnx", g.conv(g.relu(x), 4, 3)))
    options = Options(intensity="none", colour_order="bgr")
    turned = enhance(image, model, options=options).pixels
    plain = enhance(image[..., ::-1].copy(), model, options=Options(intensity="none")).pixels
    np.testing.assert_allclose(turned, plain[..., ::-1], atol=1e-5)
    # And the network is not changed for the next run.
    again = enhance(image[..., ::-1].copy(), model, options=Options(intensity="none")).pixels
    np.testing.assert_array_equal(again, plain)
