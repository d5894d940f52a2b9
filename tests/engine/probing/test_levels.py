"""Ranges of input and output that differ: measured and undone, or said."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import toys
from napari_microenhance import Options, enhance, load_model
from napari_microenhance.errors import OptionsError


def between(path: Path, given, got, *, kind="float32", out="float32", clip=False, keys=None):
    """Write a network that takes an image of one range and gives it back in another one."""
    gain = (got[1] - got[0]) / (given[1] - given[0])
    weights = {
        "gain": np.float32(gain),
        "offset": np.float32(got[0] - given[0] * gain),
        "low": np.float32(got[0]),
        "high": np.float32(got[1]),
    }
    kinds = [helper.np_dtype_to_tensor_dtype(np.dtype(k)) for k in (kind, out)]
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "gain"], ["m"]),
        helper.make_node("Add", ["m", "offset"], ["a"]),
        helper.make_node("Clip", ["a", "low", "high"], ["c"]),
        helper.make_node("Cast", ["c" if clip else "a"], ["y"], to=kinds[1]),
    ]
    if not clip:
        del nodes[3]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kinds[0], ["n", 1, "h", "w"])],
        [helper.make_tensor_value_info("y", kinds[1], ["n", 1, "h", "w"])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {f"microenhance.{k}": v for k, v in (keys or {}).items()})
    onnx.save(model, path)
    return path


UNIT, BYTES, SIGNED = (0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)
MEASURED = {
    "0..1 to 0..255": (UNIT, BYTES, {}),
    "0..1 to 0..255, clipped": (UNIT, BYTES, {"clip": True}),
    "0..1 to -1..1": (UNIT, SIGNED, {}),
    "0..1 to -1..1, clipped": (UNIT, SIGNED, {"clip": True}),
    "0..1 to 16 bit": (UNIT, (0.0, 65535.0), {}),
    "bytes to 0..1": (BYTES, UNIT, {"kind": "uint8"}),
    "bytes to -1..1": (BYTES, SIGNED, {"kind": "uint8", "clip": True}),
    "0..1 to bytes": (UNIT, BYTES, {"out": "uint8", "clip": True}),
    "16 bit to 0..1": ((0.0, 65535.0), UNIT, {"kind": "uint16"}),
    "half": (UNIT, BYTES, {"kind": "float16", "out": "float16"}),
    "declared -1..1 to 0..1": (SIGNED, UNIT, {"keys": {"value_range": "-1,1"}}),
    "declared 0..255 to 0..1": (BYTES, UNIT, {"keys": {"value_range": "0,255"}}),
}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("name", MEASURED)
def test_the_image_comes_back_in_its_own_units(tmp_path, rng, name, dtype):
    given, got, how = MEASURED[name]
    model = load_model(between(tmp_path / "net.onnx", given, got, **how))
    assert (model.spec.value_range, model.spec.output_range) == (given, got)
    assert model.spec.output_range_source == "measured"
    assert model.findings == ()
    assert any("levels" in str(f) for f in model.details if f.name == "output-range")
    most = 1.0 if dtype is np.float32 else np.iinfo(dtype).max
    image = (rng.random((40, 50)) * most).astype(dtype)
    result = enhance(image, model, options=Options(intensity=(0, most)))
    # As fine as the coarsest numbers on the way: bytes, or halves.
    coarse = "uint8" in (how.get("kind"), how.get("out")) or how.get("kind") == "float16"
    grain = (1 / 255 if coarse else 2e-5) * most
    assert np.abs(result.pixels.astype(float) - image).max() <= max(grain, 0.5 * (most > 1))


def test_what_nobody_declares_is_said_and_the_option_gives_the_image_back(tmp_path, rng):
    """A range of the input is never applied on evidence alone."""
    image = rng.integers(0, 256, (40, 50), dtype=np.uint8)
    for given, got, words in ((SIGNED, UNIT, "-1,1"), (BYTES, UNIT, "0,255")):
        model = load_model(between(tmp_path / f"{words}.onnx", given, got))
        assert (model.spec.value_range, model.spec.output_range) == (UNIT, UNIT)
        (sentence,) = model.findings
        assert f"set value_range to {words} " in sentence
        assert sentence in enhance(image, model).report.warnings
        told = enhance(image, model, options=Options(value_range=given))
        assert sentence not in told.report.warnings
        np.testing.assert_allclose(told.pixels, image, atol=1)
        edited = load_model(between(tmp_path / "b.onnx", given, got), value_range=given)
        assert edited.spec.output_range == got
        np.testing.assert_allclose(enhance(image, edited).pixels, image, atol=1)


def test_levels_tell_more_than_a_clip_to_the_range_that_is_used(tmp_path):
    """The output ends in a clip to 0..1, as the input would be; but the levels say -1..1."""
    model = load_model(between(tmp_path / "net.onnx", SIGNED, UNIT, clip=True))
    assert (model.hint.values, model.hint.output) == (SIGNED, UNIT)
    (sentence,) = model.findings
    assert "set value_range to -1,1 " in sentence


def test_a_clip_at_the_output_is_no_evidence_for_the_input(tmp_path):
    """Of a network that is nothing like the identity, with an output of 0 to 255."""
    g = toys.Graph(1)
    x = g.node("Mul", g.conv(g.relu(g.conv("x", 1, 4)), 4, 1), g.constant(np.float32(-300)))
    ends = [g.constant(np.float32(v)) for v in BYTES]
    model = load_model(g.save(tmp_path / "net.onnx", g.node("Clip", x, *ends)))
    assert model.hint.values is None
    assert model.hint.output == BYTES
    (sentence,) = model.findings
    assert "its output ends in a clip (0 to 255)" in sentence
    assert "output_range" in sentence
    assert "value_range" not in sentence
    image = np.zeros((20, 20), np.uint8)
    told = Options(output_range=BYTES)
    assert sentence not in enhance(image, model, options=told).report.warnings


def test_answers_that_cannot_be_in_the_range_are_said(tmp_path):
    g = toys.Graph(1)
    x = g.node("Sub", g.constant(np.float32(255)), g.node("Mul", "x", g.constant(np.float32(255))))
    model = load_model(g.save(tmp_path / "net.onnx", x))
    (sentence,) = model.findings
    assert "For an input range of 0 to 1 the output range is 25.5 to 229.5" in sentence
    assert "set output_range" in sentence
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    result = enhance(image, model, options=Options(output_range=(0, 255)))
    np.testing.assert_array_equal(result.pixels, 255 - image)


def test_a_measured_output_goes_before_what_the_file_says_and_after_the_user(tmp_path):
    keys = {"value_range": "0,1", "output_range": "0,1"}
    path = between(tmp_path / "net.onnx", UNIT, BYTES, keys=keys)
    model = load_model(path)
    assert model.spec.output_range == BYTES
    assert model.findings == (
        "Its file states an output range of 0 to 1, but 0 to 255 was measured and is used.",
    )
    assert load_model(path, output_range=(0, 100)).spec.output_range == (0, 100)
    right = {"value_range": "0,1", "output_range": "0,255"}
    said = load_model(between(tmp_path / "b.onnx", UNIT, BYTES, keys=right))
    assert (said.spec.output_range, said.spec.output_range_source) == (BYTES, "metadata")
    assert said.findings == ()


@pytest.mark.parametrize("value", ["wide", (1, 0), (0, float("nan")), 5])
def test_an_output_range_is_two_ascending_numbers(value):
    with pytest.raises(OptionsError, match="output_range"):
        Options(output_range=value)


@pytest.mark.parametrize(
    "build",
    [
        toys.plain,
        toys.unet,
        toys.espcn,
        toys.valid,
        toys.instance_norm,
        lambda p: toys.residual(p, blocks=2, width=4),
        lambda p: toys.pix2pix(p, size=64, depth=3),
    ],
)
def test_networks_of_random_weights_raise_no_alarm(tmp_path, build):
    model = load_model(build(tmp_path / "net.onnx"))
    assert model.spec.output_range == model.spec.value_range
    assert not [f for f in model.details if f.name == "output-range"]


def test_the_public_network_gives_the_image_back(public_data):
    folder = public_data / "field" / "units_differ"
    model = load_model(folder / "unit_to_255.onnx")
    assert (model.spec.value_range, model.spec.output_range) == (UNIT, BYTES)
    image = np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)
    np.testing.assert_array_equal(enhance(image, model).pixels, image)
