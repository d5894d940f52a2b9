"""What values a network probably wants: a suggestion with its evidence, never applied."""

import re

import numpy as np
import pytest

import toys
from napari_microenhance import Options, enhance, load_model


def scaled(g, x, gain, offset):
    """Add x * gain + offset."""
    return g.node(
        "Add", g.node("Mul", x, g.constant(np.float32(gain))), g.constant(np.float32(offset))
    )


def identity(g, x):
    """A convolution that gives a grey image back."""
    kernel = np.zeros((1, 1, 3, 3), np.float32)
    kernel[0, 0, 1, 1] = 1
    return g.node("Conv", x, g.constant(kernel), pads=[1] * 4)


def ends_in(kind):
    def build(g):
        return g.node(kind, g.conv("x", 1, 1))

    return build


def prepared(gain, offset):
    def build(g):
        return g.conv(g.relu(g.conv(scaled(g, "x", gain, offset), 1, 4)), 4, 1)

    return build


def divided(g):
    x = g.node("Div", "x", g.constant(np.float32(255)))
    return g.conv(g.relu(g.conv(x, 1, 4)), 4, 1)


def clipped_in_a_branch(g):
    """A clip that the graph's last operators do not show: x + (clip(x) - x)."""
    low, high = g.constant(np.float32(0)), g.constant(np.float32(1))
    clipped = g.node("Clip", identity(g, "x"), low, high)
    return g.node("Add", "x", g.node("Sub", clipped, "x"))


def without_bias(g):
    kernel = np.random.default_rng(0).normal(0, 1, (1, 1, 3, 3)).astype(np.float32)
    return g.relu(g.node("Conv", "x", g.constant(kernel), pads=[1] * 4))


def trained_on_bytes(g):
    """Gives images of 0 to 255 back, but not small values: none below 3."""
    below = g.relu(scaled(g, identity(g, "x"), 1, -3))
    return scaled(g, below, 1, 3)


WANTS = {
    "tanh": (ends_in("Tanh"), (-1, 1), "its output ends in tanh"),
    "sigmoid": (ends_in("Sigmoid"), (0, 1), "its output ends in a sigmoid"),
    "tanh of bytes": (
        lambda g: scaled(g, g.node("Tanh", g.conv("x", 1, 1)), 127.5, 127.5),
        (0, 255),
        r"ends in tanh \(0 to 255\)",
    ),
    "divided": (divided, (0, 255), r"its first operation is x / 255"),
    "pix2pix": (prepared(1 / 127.5, -1), (0, 255), r"operation is \(x - 127\.5\) / 127\.5"),
    "centred": (prepared(2, -1), (0, 1), r"operation is \(x - 0\.5\) / 0\.5"),
    "imagenet": (prepared(1 / 0.22, -0.45 / 0.22), (0, 1), r"\(x - 0\.45\) / 0\.22"),
    "16 bit": (prepared(1 / 65535, 0), (0, 65535), "x / 65535"),
    "saturated": (clipped_in_a_branch, (0, 1), "its output is 0 to 1 whatever the input"),
}


@pytest.mark.parametrize("name", WANTS)
def test_what_a_network_wants_is_found_with_the_evidence(tmp_path, name):
    build, values, evidence = WANTS[name]
    g = toys.Graph(1)
    model = load_model(g.save(tmp_path / "a.onnx", build(g)))
    assert model.hint.values == values
    assert not model.hint.any_scale
    said = [f for f in model.details if f.name == "value-range"]
    assert len(said) == 1
    assert re.search(evidence, str(said[0]))
    # Never applied.
    assert model.spec.value_range == (0, 1)
    assert said[0].severity == ("info" if values == (0, 1) else "caution")
    if values != (0, 1):
        assert f"set value_range to {values[0]},{values[1]} " in str(said[0])


def test_the_range_in_which_an_image_comes_back(tmp_path):
    g = toys.Graph(1)
    model = load_model(g.save(tmp_path / "a.onnx", trained_on_bytes(g)))
    # 0 to 65535 comes back as well, so that nothing stands out.
    assert model.hint.values is None
    g = toys.Graph(1)
    top = g.constant(np.float32(300))
    path = g.save(tmp_path / "b.onnx", g.node("Min", trained_on_bytes(g), top))
    model = load_model(path)
    assert model.hint.values == (0, 255)
    assert "reproduces a test image of 0 to 255" in model.hint.evidence


def test_a_network_without_offsets_takes_any_scale(tmp_path):
    g = toys.Graph(1)
    model = load_model(g.save(tmp_path / "a.onnx", without_bias(g)))
    assert model.hint.any_scale
    assert "doubles the output" in str(model.details[-1])
    assert model.findings == ()


def test_where_nothing_tells_that_is_said(tmp_path):
    model = load_model(toys.plain(tmp_path / "a.onnx"))
    assert (model.hint.values, model.hint.any_scale) == (None, False)
    assert "training data is unknown" in str(model.details[-1])
    assert model.findings == ()


def test_a_declared_range_is_kept_and_contradicted_once(tmp_path):
    keys = {"microenhance.value_range": "0,255"}
    g = toys.Graph(1)
    path = g.save(tmp_path / "a.onnx", g.node("Tanh", g.conv("x", 1, 1)), metadata=keys)
    model = load_model(path)
    assert model.spec.value_range == (0, 255)
    assert model.spec.value_range_source == "metadata"
    sentence = "as its description states, but its output ends in tanh"
    assert any(sentence in s for s in model.findings)
    right = load_model(path, value_range=(-1, 1))
    assert right.spec.value_range_source == "user"
    assert right.findings == ()


def test_the_caution_is_not_repeated_to_those_who_set_the_option(tmp_path, rng):
    g = toys.Graph(1)
    model = load_model(g.save(tmp_path / "a.onnx", g.node("Tanh", g.conv("x", 1, 1))))
    image = rng.random((30, 30))
    warned = enhance(image, model).report.warnings
    assert any("set value_range to -1,1" in w for w in warned)
    quiet = enhance(image, model, options=Options(value_range=(-1, 1))).report.warnings
    assert not any("value_range" in w for w in quiet)


def test_labels_are_no_evidence_of_the_values_that_are_wanted(tmp_path):
    g = toys.Graph(1)
    path = g.save(tmp_path / "a.onnx", g.node("Tanh", g.conv("x", 1, 1)))
    assert load_model(path, task="labels").hint.values is None


def test_a_slow_network_is_judged_by_its_graph_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_microenhance.engine.probing.ranges.SLOW_SECONDS", 0.0)
    g = toys.Graph(1)
    assert not load_model(g.save(tmp_path / "a.onnx", without_bias(g)), name="slow").hint.any_scale
    g = toys.Graph(1)
    path = g.save(tmp_path / "b.onnx", g.node("Tanh", without_bias(g)))
    assert load_model(path).hint.values == (-1, 1)
