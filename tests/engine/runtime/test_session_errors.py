"""What onnxruntime says when it fails, without what only its authors can use."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from napari_microenhance import load_model
from napari_microenhance.errors import ModelError


def write(path, nodes, weights, **change):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    for name, value in change.items():
        setattr(model, name, value)
    onnx.save(model, path)
    return path


def reshaped(path):
    nodes = [helper.make_node("Reshape", ["x", "s"], ["y"])]
    return write(path, nodes, {"s": np.int64([7, 13, 5, 3])})


def gathered(path):
    nodes = [helper.make_node("Gather", ["x", "i"], ["y"], axis=1)]
    return write(path, nodes, {"i": np.int64([7])})


def divided(path):
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=TensorProto.INT64),
        helper.make_node("Div", ["a", "zero"], ["b"]),
        helper.make_node("Cast", ["b"], ["y"], to=TensorProto.FLOAT),
    ]
    return write(path, nodes, {"zero": np.int64([0])})


def too_new(path):
    return write(path, [helper.make_node("Relu", ["x"], ["y"])], {}, ir_version=99)


FAILING = {
    reshaped: "Reshape failed: The input tensor cannot be reshaped",
    gathered: "Gather failed: indices element out of data bounds, idx=7",
    divided: "Integer division by zero",
    too_new: "Unsupported model IR version: 99",
}


@pytest.mark.parametrize("build", FAILING, ids=lambda build: build.__name__)
def test_an_error_says_what_is_wrong_and_not_where(tmp_path, build):
    with pytest.raises(ModelError) as told:
        load_model(build(tmp_path / "net.onnx"))
    text = str(told.value)
    assert FAILING[build] in text
    for word in ("onnxruntime_src", "was false", "Non-zero", "Status Message", "\n", "::"):
        assert word not in text


@pytest.mark.parametrize("build", [reshaped, too_new], ids=lambda build: build.__name__)
def test_one_line_reaches_the_screen(tmp_path, build):
    """Seen from outside: onnxruntime writes to the process's stderr, not to Python's."""
    path = build(tmp_path / "net.onnx")
    command = [sys.executable, "-m", "napari_microenhance", "inspect", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
