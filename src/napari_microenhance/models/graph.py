"""What stands in an ONNX graph: counts, the ends, and the parts that make tiles differ.

The graph only tells what could happen; whether it does is measured. So a part that
couples a whole tile is a caution where the measured reach is global, and a remark where it
is not.
"""

import dataclasses
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.probing.findings import Finding
from napari_microenhance.engine.probing.ranges import Bounds, Line
from napari_microenhance.engine.spec import GLOBAL, ModelSpec
from napari_microenhance.errors import ModelError
from napari_microenhance.models.colour_order import Order, stated_order
from napari_microenhance.models.ends import output_bounds, preparation
from napari_microenhance.models.hazards import external_files, hazard
from napari_microenhance.models.nodes import all_nodes

if TYPE_CHECKING:
    import onnx

__all__ = ["PREFIX", "Graph", "read_graph"]

COUPLING: Final = {
    "InstanceNormalization": "normalises by the mean and standard deviation of the tile "
    "(instance normalisation)",
    "GroupNormalization": "normalises by the mean and standard deviation of the tile "
    "(group normalisation)",
    "MeanVarianceNormalization": "normalises by the mean and standard deviation of the tile",
    "LpNormalization": "normalises by the length of a row of values",
    "GlobalAveragePool": "averages over the whole tile (global pooling)",
    "GlobalMaxPool": "takes the maximum of the whole tile (global max pooling)",
    "GlobalLpPool": "sums over the whole tile (global pooling)",
    "attention": "relates all parts of a tile to each other (attention)",
    "DynamicQuantizeLinear": "rounds by the range of values in the tile (dynamic quantisation)",
}
"""Parts through which a result depends on the whole tile, and what they do."""

REDUCTIONS: Final = frozenset({"ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceL2"})

ATTENTION: Final = frozenset({"Attention", "MultiHeadAttention", "GroupQueryAttention"})

RANDOM: Final = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli"}
)

PRODUCTS: Final = frozenset({"MatMul", "FusedMatMul", "Gemm", "Einsum"})

BETWEEN_PRODUCTS: Final = frozenset(
    {"Add", "Cast", "Div", "Dropout", "Identity", "Mul", "Reshape", "Sub", "Transpose", "Where"}
)
"""Operators that may stand between a product and the softmax of its attention."""

QUANTISED: Final = frozenset({"QLinearConv", "ConvInteger", "QLinearMatMul", "DequantizeLinear"})

PREFIX: Final = "microenhance."
"""Of our keys in the ONNX metadata."""

LEGACY_DROPOUT: Final = 7
"""Opset from which on Dropout did nothing; with opset 12 it could be live again."""


@dataclasses.dataclass(frozen=True)
class Graph:
    """What a graph holds.

    Parameters
    ----------
    parameters : int
        Numbers that were learned, zero where the file keeps them elsewhere and says no shape.
    opset : int
    metadata : dict
    parts : dict
        How often each key of `COUPLING` occurs.
    dropout, training_norm, noise, quantised : bool
        Live dropout; batch normalisation in training mode; random numbers; whole-number
        arithmetic.
    bounds : dict
        By the name of an output: what its last operators confine it to.
    preparation : Line or None
        What the first operators do with the image's values.
    colour_order : {"rgb", "bgr", "unclear", ""}
        What its texts say of the order of colours.
    external : tuple of Path
        Files beside the network that hold weights.
    """

    parameters: int
    opset: int
    metadata: dict[str, str]
    parts: dict[str, int]
    dropout: bool
    training_norm: bool
    noise: bool
    quantised: bool
    bounds: dict[str, Bounds]
    preparation: Line | None
    colour_order: Order = ""
    external: tuple[Path, ...] = ()

    def findings(self, spec: ModelSpec) -> tuple[Finding, ...]:
        """Return what its user should know, given what was measured.

        Parameters
        ----------
        spec : ModelSpec
            Measured.
        """
        found = []
        for part, count in self.parts.items():
            places = f"in {count} places" if count > 1 else "in one place"
            if spec.coupling == "numbers":
                sentence = f"It {COUPLING[part].replace('tile', 'image')} {places}."
                found.append(Finding("info", sentence))
            elif spec.radius == GLOBAL:
                sentence = f"It {COUPLING[part]} {places}, so neighbouring tiles can differ."
                found.append(Finding("caution", sentence, "seams"))
            else:
                sentence = (
                    f"It {COUPLING[part]} {places}, but its measured receptive field is only "
                    f"{spec.radius} px."
                )
                found.append(Finding("info", sentence))
        if self.training_norm:
            sentence = (
                "Its batch normalisation was exported in training mode, so it uses the "
                f"statistics of {'the image' if spec.coupling == 'numbers' else 'each tile'}; "
                "export it in evaluation mode (PyTorch: model.eval())."
            )
            found.append(Finding("caution", sentence, "training-mode"))
        if self.dropout or self.noise:
            what = "Dropout is active" if self.dropout else "It adds random numbers"
            sentence = f"{what}; export it in evaluation mode (PyTorch: model.eval())."
            found.append(Finding("caution", sentence, "training-mode"))
        found += self._on_colours(spec)
        if self.quantised:
            sentence = "It is quantised (integer arithmetic): faster, and slightly less precise."
            found.append(Finding("info", sentence))
        return tuple(found)

    def _on_colours(self, spec: ModelSpec) -> tuple[Finding, ...]:
        """Return what is to be said of the order of its colours."""
        if 3 not in (spec.channels_in - spec.extra_channels, spec.channels_out):
            return ()
        if spec.colour_order == "bgr":
            sentence = (
                "Its channel order is blue, green, red (BGR), and images are passed in that order."
            )
            return (Finding("info", sentence, "colour-order"),)
        if self.colour_order != "unclear":
            return ()
        sentence = (
            "Its file names both RGB and BGR; RGB is used, so set colour_order to bgr if "
            "colours look wrong."
        )
        return (Finding("caution", sentence, "colour-order"),)


def read_graph(path: Path, name: str) -> Graph:
    """Read a network's file without running or loading it.

    Parameters
    ----------
    path : Path
        Of the ONNX file.
    name : str
        For error texts.

    Returns
    -------
    Graph

    Raises
    ------
    ModelError
        If it is no ONNX file, or one that is never loaded: custom operators, no opset,
        weights missing or outside its folder, more memory than any network needs.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise ModelError(
            f"The model {name} is not an ONNX file, or it is truncated; download it again."
        ) from error
    if found := hazard(model, path.parent, name):
        raise ModelError(found.sentence)
    return _Reader(model, path).graph()


class _Reader:
    """Looks at all nodes of a model, those of functions and branches too."""

    def __init__(self, model: "onnx.ModelProto", path: Path) -> None:
        self._model = model
        self._path = path
        self._nodes = list(all_nodes(model))
        self._maker = {out: node for node in self._nodes for out in node.output}
        self._users: dict[str, list[Any]] = {}
        for node in self._nodes:
            for name in node.input:
                self._users.setdefault(name, []).append(node)
        self._constants = _constants(model, self._nodes)

    def graph(self) -> Graph:
        """Return what the graph holds."""
        model = self._model
        opsets = {o.domain: o.version for o in model.opset_import}
        opset = opsets.get("", opsets.get("ai.onnx", 0))
        kinds = Counter(node.op_type for node in self._nodes)
        return Graph(
            parameters=_parameters(model, self._nodes),
            opset=opset,
            metadata={p.key: p.value for p in model.metadata_props},
            parts=self._parts(kinds),
            dropout=any(self._is_live_dropout(n, opset) for n in self._nodes),
            training_norm=any(
                n.op_type == "BatchNormalization" and _attribute(n, "training_mode", 0)
                for n in self._nodes
            ),
            noise=bool(RANDOM & set(kinds)),
            quantised=bool(QUANTISED & set(kinds)),
            bounds={
                o.name: bounds
                for o in model.graph.output
                if (bounds := output_bounds(o.name, self._maker, self._constants))
            },
            preparation=preparation(_image_input(model), self._users, self._constants),
            colour_order=_stated_order(model),
            external=external_files(model, self._path.parent),
        )

    def _parts(self, kinds: Counter[str]) -> dict[str, int]:
        """Count the parts that couple a whole tile."""
        counts = Counter({kind: count for kind, count in kinds.items() if kind in COUPLING})
        counts["GlobalAveragePool"] += sum(map(self._reduces_tile, self._nodes))
        counts["attention"] += sum(map(self._is_attention, self._nodes))
        return {part: counts[part] for part in COUPLING if counts[part]}

    def _reduces_tile(self, node: "onnx.NodeProto") -> bool:
        """Whether a reduction runs over two axes or more, so over a whole tile."""
        if node.op_type not in REDUCTIONS:
            return False
        axes = _attribute(node, "axes", None)
        if axes is None and len(node.input) > 1 and node.input[1]:
            given = self._constants.get(node.input[1])
            axes = None if given is None else given.ravel().tolist()
        if axes is None:
            return not _attribute(node, "noop_with_empty_axes", 0)
        return len(axes) > 1

    def _is_attention(self, node: "onnx.NodeProto") -> bool:
        """Whether a node is an attention, or the softmax between its two products."""
        if node.op_type in ATTENTION:
            return True
        if node.op_type != "Softmax":
            return False
        before = self._through(node.input[0], lambda name: [self._maker.get(name)], forward=False)
        after = self._through(node.output[0], lambda name: self._users.get(name, []), forward=True)
        return before and after

    def _through(self, name: str, step: Any, *, forward: bool) -> bool:  # noqa: ANN401 - a function
        """Whether a product is met within a few harmless operators."""
        names = [name]
        for _ in range(8):
            nodes = [node for n in names for node in step(n) if node is not None]
            if any(node.op_type in PRODUCTS for node in nodes):
                return True
            nodes = [node for node in nodes if node.op_type in BETWEEN_PRODUCTS]
            names = [n for node in nodes for n in (node.output if forward else node.input)]
        return False

    def _is_live_dropout(self, node: "onnx.NodeProto", opset: int) -> bool:
        """Whether a node drops values at random."""
        if node.op_type != "Dropout":
            return False
        if opset < LEGACY_DROPOUT:
            return not _attribute(node, "is_test", 0)
        live = self._constants.get(node.input[2]) if len(node.input) > 2 else None
        return live is not None and bool(live.any())


def _constants(model: "onnx.ModelProto", nodes: list[Any]) -> dict[str, npt.NDArray[Any]]:
    """Return small constants by name."""
    from onnx import numpy_helper

    tensors = {t.name: t for t in model.graph.initializer}
    for node in nodes:
        if node.op_type == "Constant" and node.output:
            value = next((a.t for a in node.attribute if a.name == "value"), None)
            if value is not None:
                tensors[node.output[0]] = value
    found = {}
    for name, tensor in tensors.items():
        if tensor.data_location == tensor.EXTERNAL or math.prod(tensor.dims) > 4096:
            continue
        try:
            found[name] = np.asarray(numpy_helper.to_array(tensor))
        except (ValueError, TypeError):  # a type that NumPy does not know, or damaged
            continue
    return found


def _parameters(model: "onnx.ModelProto", nodes: list[Any]) -> int:
    """Return how many numbers were learned: all but single ones and whole ones for shapes."""
    from onnx import TensorProto

    counted = {
        TensorProto.FLOAT,
        TensorProto.FLOAT16,
        TensorProto.BFLOAT16,
        TensorProto.DOUBLE,
        TensorProto.INT8,
        TensorProto.UINT8,
    }
    tensors = list(model.graph.initializer)
    tensors += [a.t for n in nodes if n.op_type == "Constant" for a in n.attribute if a.t.dims]
    return sum(math.prod(t.dims) for t in tensors if t.data_type in counted and t.dims)


def _stated_order(model: "onnx.ModelProto") -> Order:
    """Return the order of colours that the file's texts name."""
    graph = model.graph
    texts = [model.doc_string, graph.doc_string]
    texts += [
        text for value in (*graph.input, *graph.output) for text in (value.name, value.doc_string)
    ]
    entries = [(p.key, p.value) for p in model.metadata_props if not p.key.startswith(PREFIX)]
    return stated_order(texts, entries)


def _image_input(model: "onnx.ModelProto") -> str:
    """Return the name of the first input of four or more axes that is no weight."""
    weights = {t.name for t in model.graph.initializer}
    for value in model.graph.input:
        if value.name not in weights and len(value.type.tensor_type.shape.dim) > 3:
            return str(value.name)
    return ""


def _attribute(node: "onnx.NodeProto", name: str, default: Any) -> Any:  # noqa: ANN401 - ONNX
    """Return the value of a node's attribute."""
    from onnx import helper

    for attribute in node.attribute:
        if attribute.name == name:
            return helper.get_attribute_value(attribute)
    return default
