"""Networks that never end, or take more memory than there is use for, get one sentence."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import toys
from napari_microenhance import load_model
from napari_microenhance.cli import run
from napari_microenhance.engine.probing import attempts
from napari_microenhance.engine.runtime.limits import Limits, watched
from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.errors import ModelError, ModelLimitError


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def write(path, nodes, weights):
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", TensorProto.FLOAT, ["n", 1, "h", "w"])],
        [value("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


def endless(path):
    """A loop of 2^62 turns."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Relu", ["v"], ["w"])],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("c", TensorProto.BOOL, []),
            value("v", TensorProto.FLOAT, None),
        ],
        [value("d", TensorProto.BOOL, []), value("w", TensorProto.FLOAT, None)],
    )
    loop = helper.make_node("Loop", ["turns", "true", "x"], ["y"], body=body)
    return write(path, [loop], {"turns": np.int64(2**62), "true": np.array(True)})


def endless_in_a_branch(path):
    """The same, once there is an image of more than one row."""
    model = onnx.load(endless(path))
    inner = helper.make_graph(
        list(model.graph.node), "then", [], [value("y", TensorProto.FLOAT, None)]
    )
    other = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["z"])],
        "else",
        [],
        [value("z", TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("Size", ["x"], ["size"]),
        helper.make_node("Greater", ["size", "one"], ["many"]),
        helper.make_node("If", ["many"], ["y"], then_branch=inner, else_branch=other),
    ]
    weights = {"turns": np.int64(2**62), "true": np.array(True), "one": np.int64(1)}
    return write(path, nodes, weights)


def swollen(path, times=200_000):
    """It repeats its input many times, twice over, and gives the mean."""
    nodes, name = [], "x"
    for i in range(2):
        nodes += [
            helper.make_node("Tile", [name, "times"], [f"t{i}"]),
            helper.make_node("ReduceMean", [f"t{i}"], [f"m{i}"], axes=[1], keepdims=1),
        ]
        name = f"m{i}"
    nodes.append(helper.make_node("Identity", [name], ["y"]))
    return write(path, nodes, {"times": np.int64([1, times, 1, 1])})


@pytest.mark.slow
@pytest.mark.parametrize("build", [endless, endless_in_a_branch])
def test_a_network_that_never_ends_is_ended_from_outside(tmp_path, monkeypatch, build):
    monkeypatch.setattr(attempts, "SECONDS", 1.0)
    monkeypatch.setattr(attempts, "SECONDS_PER_PX", 0.0)
    with pytest.raises(ModelLimitError, match="net did not finish within 1 s for an input") as told:
        load_model(build(tmp_path / "net.onnx"))
    assert "\n" not in str(told.value)
    assert isinstance(told.value, ModelError)


@pytest.mark.slow
def test_a_network_that_swells_is_ended_too(tmp_path, monkeypatch):
    monkeypatch.setattr(attempts, "BYTES", 1 << 26)
    monkeypatch.setattr(attempts, "BYTES_PER_PX", 0)
    with pytest.raises(ModelLimitError, match=r"used more than 0\.067 GB of memory for an input"):
        load_model(swollen(tmp_path / "net.onnx"))


def test_the_command_line_says_it_in_one_line(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(attempts, "SECONDS", 1.0)
    monkeypatch.setattr(attempts, "SECONDS_PER_PX", 0.0)
    assert run(["inspect", str(endless(tmp_path / "net.onnx"))]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "did not finish" in err


def test_larger_images_may_take_more(monkeypatch):
    small, large = attempts.limits_for((32, 32)), attempts.limits_for((512, 512))
    assert small.seconds < large.seconds
    assert small.bytes <= large.bytes
    monkeypatch.setattr(attempts.psutil, "virtual_memory", lambda: type("M", (), {"available": 10}))
    assert attempts.limits_for((512, 512)).bytes == 8


def test_a_usual_network_is_not_touched(tmp_path):
    path = toys.plain(tmp_path / "net.onnx")
    image = np.random.default_rng(0).random((1, 1, 20, 20), np.float32)
    limits = Limits(seconds=60, bytes=1 << 40)
    out = Session(path, name="net").run_within(limits, image, ModelSpec(name="net"))
    np.testing.assert_allclose(out[0], toys.run_whole(path, image[0]), atol=1e-6)


def test_what_is_passed_is_named_once():
    ended = []
    with watched(Limits(seconds=-1, bytes=1 << 40), lambda: ended.append(True)) as passed:
        while not ended:
            pass
    assert passed == ["did not finish within -1 s"]
    assert ended == [True]
