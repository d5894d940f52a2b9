"""Write one denoiser from two: ``python tools/join_denoisers.py WHITE CAMERA OUT``.

WHITE learnt white noise (recipe `denoise`), CAMERA the correlated noise of cameras (recipe
`denoise-camera`); both are bias-free networks of the same sizes, exported by `microenhance export`,
or their int8 versions. Both run, and every pixel takes from either as the noise there asks for:

1. The noise is estimated as d = x - CAMERA(x), its correlation as the mean of d times the mean of
   its right and lower neighbours, over the mean of its square, over 5 x 5 blocks of 8 x 8 pixels.
2. The share of CAMERA is a sigmoid of that correlation: 0.02 at 0, a half at 0.13, 0.96 at 0.24,
   interpolated linearly between the blocks.

A ratio of means stays the same when the image's gain changes, and its reach is finite, so one
model still serves every gain and tiles exactly. The weights of WHITE keep their names, so that
`--init` finds them. What the metadata says of the reach has to be measured again afterwards.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, compose, helper, numpy_helper

PREFIX = "microenhance."
BLOCK = 8  # pixels, the grid that tile starts keep to
BLOCKS = 5
MIDDLE = 0.13
STEEPNESS = 30.0


def gate(image: str, white: str, camera: str, result: str) -> list[NodeProto]:
    """Return the nodes that weigh two results, by names of tensors."""
    node = helper.make_node
    half = BLOCKS // 2
    return [
        node("Sub", [image, camera], ["gate.noise"]),
        node("Conv", ["gate.noise", "gate.neighbours"], ["gate.beside"], pads=[1, 1, 1, 1]),
        node("Mul", ["gate.noise", "gate.beside"], ["gate.products"]),
        node("Mul", ["gate.noise", "gate.noise"], ["gate.squares"]),
        node("Concat", ["gate.products", "gate.squares"], ["gate.both"], axis=1),
        node(
            "AveragePool",
            ["gate.both"],
            ["gate.blocks"],
            kernel_shape=[BLOCK] * 2,
            strides=[BLOCK] * 2,
        ),
        node(
            "AveragePool",
            ["gate.blocks"],
            ["gate.means"],
            kernel_shape=[BLOCKS] * 2,
            pads=[half] * 4,
            count_include_pad=0,
        ),
        node("Split", ["gate.means"], ["gate.covariance", "gate.variance"], axis=1),
        node("Add", ["gate.variance", "gate.least"], ["gate.variance.some"]),
        node("Div", ["gate.covariance", "gate.variance.some"], ["gate.correlation"]),
        node("Sub", ["gate.correlation", "gate.middle"], ["gate.over"]),
        node("Mul", ["gate.over", "gate.steepness"], ["gate.steep"]),
        node("Sigmoid", ["gate.steep"], ["gate.share.blocks"]),
        node(
            "Resize",
            ["gate.share.blocks", "", "gate.scales"],
            ["gate.share"],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        ),
        node("Sub", [camera, white], ["gate.difference"]),
        node("Mul", ["gate.share", "gate.difference"], ["gate.change"]),
        node("Add", [white, "gate.change"], [result]),
    ]


def constants() -> list[onnx.TensorProto]:
    """Return the numbers of the gate."""
    neighbours = np.zeros((1, 1, 3, 3), np.float32)
    neighbours[0, 0, 1, 2] = neighbours[0, 0, 2, 1] = 0.5
    values = {
        "gate.neighbours": neighbours,
        "gate.least": np.float32(1e-12),
        "gate.middle": np.float32(MIDDLE),
        "gate.steepness": np.float32(STEEPNESS),
        "gate.scales": np.array([1, 1, BLOCK, BLOCK], np.float32),
    }
    return [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]


def metadata(white: onnx.ModelProto, camera: onnx.ModelProto) -> dict[str, str]:
    """Return the keys of the first, with what either has learnt."""
    kept = {entry.key: entry.value for entry in white.metadata_props}
    one, other = (
        json.loads({e.key: e.value for e in model.metadata_props}[f"{PREFIX}trained_on"])
        for model in (white, camera)
    )

    def both(a: list[float], b: list[float]) -> list[float]:
        return [min(a[0], b[0]), max(a[1], b[1])]

    learnt = {
        "images": one["images"],
        "noise": both(one["noise"], other["noise"]),
        "blur": both(one["blur"], other["blur"]),
        "percentiles": {k: both(v, other["percentiles"][k]) for k, v in one["percentiles"].items()},
        "correlation": other["correlation"],
    }
    return {**kept, f"{PREFIX}trained_on": json.dumps(learnt)}


def joined(white: onnx.ModelProto, camera: onnx.ModelProto) -> onnx.ModelProto:
    """Return one network from two that take and give images of the same kind."""
    said = metadata(white, camera)
    camera = compose.add_prefix(camera, "camera.")
    image, result = white.graph.input[0].name, white.graph.output[0].name
    nodes = []
    for node in white.graph.node:
        node.output[:] = ["white.result" if name == result else name for name in node.output]
        nodes.append(node)
    for node in camera.graph.node:
        node.input[:] = [
            image if name == camera.graph.input[0].name else name for name in node.input
        ]
        nodes.append(node)
    nodes += gate(image, "white.result", camera.graph.output[0].name, result)
    graph = helper.make_graph(
        nodes,
        "denoise",
        list(white.graph.input),
        list(white.graph.output),
        [*white.graph.initializer, *camera.graph.initializer, *constants()],
    )
    model = helper.make_model(
        graph, opset_imports=list(white.opset_import), ir_version=white.ir_version
    )
    helper.set_model_props(model, said)
    onnx.checker.check_model(model)
    return model


def main(white: str, camera: str, out: str) -> None:
    """Read two files, write one."""
    Path(out).write_bytes(joined(onnx.load(white), onnx.load(camera)).SerializeToString())


if __name__ == "__main__":
    main(*sys.argv[1:4])
