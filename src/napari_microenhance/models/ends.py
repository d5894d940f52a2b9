"""The first and last operators of a graph: what they do with values, exactly.

A chain of additions and multiplications by constants is one straight line; an activation
confines what follows it. Both are evidence of the values that a network was trained on.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.probing.ranges import CLIP, Bounds, Line

if TYPE_CHECKING:
    import onnx

__all__ = ["output_bounds", "preparation"]

Constants = Mapping[str, npt.NDArray[Any]]

TRANSPARENT: Final = frozenset(
    {"Cast", "DepthToSpace", "Identity", "Pad", "Reshape", "Slice", "Squeeze", "Transpose"}
    | {"Crop", "Flatten", "SpaceToDepth", "Split", "Unsqueeze"}
)
"""Operators that move values but do not change them."""

CONFINED: Final = {
    "Sigmoid": ("a sigmoid", 0.0, 1.0),
    "HardSigmoid": ("a sigmoid", 0.0, 1.0),
    "Softmax": ("a softmax", 0.0, 1.0),
    "Tanh": ("tanh", -1.0, 1.0),
}
"""What an activation is called, and the least and largest value it gives."""

LONGEST: Final = 32
"""Operators looked at from an end."""


def output_bounds(name: str, maker: Mapping[str, Any], constants: Constants) -> Bounds | None:
    """Return what the last operators confine an output to, or None.

    Parameters
    ----------
    name : str
        Of the output.
    maker : mapping of str to NodeProto
        Which node gives a value.
    constants : mapping of str to ndarray

    Returns
    -------
    Bounds or None
        In the units of the output.
    """
    after = Line()
    for _ in range(LONGEST):
        node = maker.get(name)
        if node is None or not node.input:
            return None
        if node.op_type in CONFINED:
            cause, *ends = CONFINED[node.op_type]
        elif node.op_type == "Clip" and (limits := _limits(node, constants)):
            cause, ends = CLIP, list(limits)
        elif node.op_type in TRANSPARENT:
            name = node.input[0]
            continue
        else:
            step = _line(node, constants)
            if step is None:
                return None
            name, line = step
            after = line.then(after.gain, after.offset)
            continue
        low, high = sorted(float(end) * after.gain + after.offset for end in ends)
        return Bounds(cause, low, high)
    return None


def preparation(name: str, users: Mapping[str, Any], constants: Constants) -> Line | None:
    """Return what the first operators do with the image's values, or None if nothing.

    Parameters
    ----------
    name : str
        Of the image input.
    users : mapping of str to list of NodeProto
        Which nodes read a value.
    constants : mapping of str to ndarray
        Of one number per channel the mean is taken.

    Returns
    -------
    Line or None
    """
    total = Line()
    for _ in range(LONGEST):
        readers = users.get(name, [])
        if len(readers) != 1:
            break
        node = readers[0]
        if node.op_type not in TRANSPARENT:
            step = _line(node, constants)
            if step is None or step[0] != name:
                break
            total = total.then(step[1].gain, step[1].offset)
        name = node.output[0]
    return None if total == Line() else total


def _line(node: "onnx.NodeProto", constants: Constants) -> tuple[str, Line] | None:
    """Return the value that a node reads and its line, if it is one with constants."""
    if node.op_type not in ("Add", "Sub", "Mul", "Div") or len(node.input) != 2:
        return None
    first, second = (_number(constants.get(n)) for n in node.input)
    if (first is None) == (second is None):
        return None
    if second is None:
        lines = {"Add": Line(1, first or 0.0), "Mul": Line(first or 0.0, 0)}
        lines["Sub"] = Line(-1, first or 0.0)
        return (node.input[1], lines[node.op_type]) if node.op_type in lines else None
    lines = {"Add": Line(1, second), "Sub": Line(1, -second), "Mul": Line(second, 0)}
    if second:
        lines["Div"] = Line(1 / second, 0)
    return (node.input[0], lines[node.op_type]) if node.op_type in lines else None


def _number(constant: npt.NDArray[Any] | None) -> float | None:
    """Return one number for a constant of one number, or of one per channel."""
    if constant is None or constant.size > 16 or constant.dtype.kind not in "fiu":
        return None
    return float(np.mean(constant)) if constant.size else None


def _limits(node: "onnx.NodeProto", constants: Constants) -> tuple[float, float] | None:
    """Return the two limits of a Clip, if it has both."""
    from onnx import helper

    given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    for place, name in ((1, "min"), (2, "max")):
        if len(node.input) > place:
            given[name] = _number(constants.get(node.input[place]))
    low, high = given.get("min"), given.get("max")
    return None if low is None or high is None else (float(low), float(high))
