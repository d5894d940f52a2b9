"""Weights stored as float16: half the file, the same speed, nearly the same numbers.

A runtime turns them back into float32 once, when it loads the file (constant folding), and
computes as ever. Rounding a weight to 11 binary digits changes it by at most 0.05 %.
"""

from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["stored_as_half"]

HALF: Final = ".half"
"""Behind the names of weights that are stored as float16."""

FEWEST: Final = 256
"""Smaller tensors, such as biases, stay as they are."""


def stored_as_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose large float32 weights are kept as float16.

    Parameters
    ----------
    model : ModelProto
        Not changed.

    Returns
    -------
    ModelProto
        Each such weight is cast back where the graph begins. One that float16 cannot hold
        stays as it is.
    """
    small = onnx.ModelProto()
    small.CopyFrom(model)
    casts = []
    largest = np.finfo(np.float16).max
    for weight in small.graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or values.size < FEWEST:
            continue
        if np.abs(values).max() > largest:
            continue
        name, stored = weight.name, weight.name + HALF
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], name=name, to=TensorProto.FLOAT))
    nodes = [*casts, *small.graph.node]
    del small.graph.node[:]
    small.graph.node.extend(nodes)
    return small
