"""A network's graph as plain values: nodes in order, constants, who makes and uses a tensor."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import MicroEnhanceError

if TYPE_CHECKING:
    import onnx

__all__ = ["CutError", "Layer", "NetworkGraph", "read_graph"]

STANDARD_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
NESTED = frozenset({"If", "Loop", "Scan", "SequenceMap"})
Array = npt.NDArray[Any]


class CutError(MicroEnhanceError):
    """A graph that cannot be cut; the text names the operator and why."""


@dataclasses.dataclass(frozen=True)
class Layer:
    """One operator.

    Parameters
    ----------
    op : str
    inputs, outputs : tuple of str
        Names of tensors; an empty name is an input that is left out.
    attributes : mapping
        Python values by name.
    domain : str
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    domain: str = ""

    def input(self, index: int) -> str:
        """Return the name of an input, empty where there is none."""
        return self.inputs[index] if index < len(self.inputs) else ""


@dataclasses.dataclass(frozen=True)
class NetworkGraph:
    """A graph without nesting.

    Parameters
    ----------
    layers : tuple of Layer
        Each after those whose outputs it uses.
    constants : mapping of str to ndarray
    image, output : str
        The tensors that the engine feeds and reads.
    types : mapping of str to int
        ONNX element types of the graph's own inputs.
    opsets : mapping of str to int
        Version per domain.
    """

    layers: tuple[Layer, ...]
    constants: Mapping[str, Array]
    image: str
    output: str
    types: Mapping[str, int]
    opsets: Mapping[str, int]

    def makers(self) -> dict[str, Layer]:
        """Return the layer that makes each tensor."""
        return {name: layer for layer in self.layers for name in layer.outputs if name}

    def users(self) -> dict[str, list[Layer]]:
        """Return the layers that use each tensor."""
        found: dict[str, list[Layer]] = {}
        for layer in self.layers:
            for name in dict.fromkeys(layer.inputs):
                if name:
                    found.setdefault(name, []).append(layer)
        return found

    def model(
        self, layers: Iterable[Layer], inputs: Mapping[str, int], outputs: Iterable[str]
    ) -> bytes:
        """Return a part of the graph as an ONNX file.

        Parameters
        ----------
        layers : iterable of Layer
            In order; not necessarily of this graph.
        inputs : mapping of str to int
            ONNX element type of each tensor that is fed.
        outputs : iterable of str
            Tensors that are read.
        """
        import onnx
        from onnx import helper, numpy_helper

        chosen = list(layers)
        made = {name for layer in chosen for name in layer.outputs}
        used = dict.fromkeys(name for layer in chosen for name in layer.inputs if name)
        initializers = [
            numpy_helper.from_array(np.asarray(self.constants[name], order="C"), name)
            for name in used
            if name in self.constants and name not in made and name not in inputs
        ]
        nodes = [
            helper.make_node(
                layer.op, layer.inputs, layer.outputs, domain=layer.domain, **layer.attributes
            )
            for layer in chosen
        ]
        graph = helper.make_graph(
            nodes,
            "group",
            [helper.make_tensor_value_info(name, kind, None) for name, kind in inputs.items()],
            [helper.make_empty_tensor_value_info(name) for name in outputs],
            initializers,
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in self.opsets.items()]
        made_model = helper.make_model(graph, opset_imports=opsets)
        made_model.ir_version = min(made_model.ir_version, onnx.IR_VERSION, 10)
        found: bytes = made_model.SerializeToString()
        return found


def read_graph(source: Path | bytes, image: str = "", output: str = "") -> NetworkGraph:
    """Read a network whose file was found harmless already.

    Parameters
    ----------
    source : Path or bytes
        An ONNX file.
    image, output : str
        The tensors that matter; empty: the first ones.

    Raises
    ------
    CutError
        If it has control flow or operators of its own.
    """
    import onnx
    from onnx import inliner, numpy_helper

    model = onnx.load_from_string(source) if isinstance(source, bytes) else onnx.load(source)
    if model.functions:
        model = inliner.inline_local_functions(model)
    graph = model.graph
    constants: dict[str, Array] = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    if graph.sparse_initializer:
        raise CutError("it contains sparse tensors")
    inputs = [value for value in graph.input if value.name not in constants]
    layers = []
    for node in graph.node:
        if node.op_type in NESTED:
            raise CutError(f"it contains control flow ({node.op_type})")
        if node.domain not in STANDARD_DOMAINS:
            raise CutError(f"it contains a custom operator ({node.domain}.{node.op_type})")
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Constant":
            constants[node.output[0]] = _constant(node)
            continue
        layers.append(
            Layer(node.op_type, tuple(node.input), tuple(node.output), attributes, node.domain)
        )
    return NetworkGraph(
        _needed(layers, output or graph.output[0].name),
        constants,
        image or inputs[0].name,
        output or graph.output[0].name,
        {value.name: value.type.tensor_type.elem_type for value in inputs},
        {o.domain: o.version for o in model.opset_import if o.domain in STANDARD_DOMAINS},
    )


def _constant(node: "onnx.NodeProto") -> Array:
    """Return the value of a Constant node."""
    from onnx import helper, numpy_helper

    (attribute,) = node.attribute
    value = helper.get_attribute_value(attribute)
    if attribute.name == "value":
        return numpy_helper.to_array(value)
    kind = np.float32 if attribute.name.startswith("value_float") else np.int64
    return np.asarray(value, kind)


def _needed(layers: list[Layer], output: str) -> tuple[Layer, ...]:
    """Return the layers that an output is made of."""
    wanted = {output}
    kept = []
    for layer in reversed(layers):
        if wanted.intersection(layer.outputs):
            kept.append(layer)
            wanted.update(layer.inputs)
    return tuple(reversed(kept))
