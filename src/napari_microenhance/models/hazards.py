"""What in a graph is refused before onnxruntime sees it."""

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_microenhance.engine.probing.findings import Finding
from napari_microenhance.models.nodes import all_graphs, all_nodes, all_tensors

if TYPE_CHECKING:
    import onnx

__all__ = ["external_files", "hazard"]

CONSTANT_BYTES_MOST: Final = 2_000_000_000
"""Of all constants together that are not stored but made: as much as an ONNX file can hold."""

BYTES_MOST: Final = 8_000_000_000
"""Of one tensor that depends on the image."""

SMALL_EDGE: Final = 64
"""Free lengths of the image input are taken to be this when tensors are sized, px."""

DATA_KEPT: Final = 1024
"""Elements up to which a constant's values are looked at: they may be shapes."""

DOMAINS: Final = frozenset(
    {"", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview.training", "ai.onnx.training"}
    | {"com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc"}
)
"""Of operators that onnxruntime itself brings."""


def hazard(model: "onnx.ModelProto", folder: Path, name: str) -> Finding | None:
    """Return why a network is not even loaded, or None.

    Parameters
    ----------
    model : ModelProto
        Without its external data.
    folder : Path
        That the file is in.
    name : str
        For the sentence.

    Returns
    -------
    Finding or None
        Of severity "stop".
    """
    for look in (_opset, _custom_operators, _external, _damaged, _size):
        if sentence := look(model, folder):
            return Finding("stop", f"The model {name} {sentence}")
    return None


def external_files(model: "onnx.ModelProto", folder: Path) -> tuple[Path, ...]:
    """Return the files beside a network that hold weights, each once.

    Parameters
    ----------
    model : ModelProto
    folder : Path
        That the network's file is in.

    Returns
    -------
    tuple of Path
        They may be missing.
    """
    places = dict.fromkeys(_external_info(t).get("location", "") for t in all_tensors(model))
    return tuple(folder / place for place in places if place)


def _opset(model: "onnx.ModelProto", folder: Path) -> str:
    """Refuse a graph of which nobody knows what its operators mean."""
    if not model.graph.node:
        return "contains no operators; it is not a model, or it is truncated."
    if not any(o.domain in ("", "ai.onnx") for o in model.opset_import):
        return "does not state its opset, so its operators are ambiguous; export it again."
    return ""


def _custom_operators(model: "onnx.ModelProto", folder: Path) -> str:
    """Refuse operators that only a library of somebody else's code would know."""
    known = {(f.domain, f.name) for f in model.functions}
    custom = {
        f"{node.domain}.{node.op_type}"
        for node in all_nodes(model)
        if node.domain not in DOMAINS and (node.domain, node.op_type) not in known
    }
    if not custom:
        return ""
    names = ", ".join(sorted(custom)[:3])
    return (
        f"needs custom operators ({names}), and code that comes with a model is never loaded; "
        "export it with standard ONNX operators."
    )


def _external(model: "onnx.ModelProto", folder: Path) -> str:
    """Refuse weights that lie outside the network's folder, or nowhere."""
    home = folder.resolve()
    for tensor in all_tensors(model):
        info = _external_info(tensor)
        if not info:
            continue
        place = info.get("location", "")
        path = (home / place).resolve()
        if not path.is_relative_to(home) or path == home:
            return f"stores weights in {place!r}, outside its own folder; such files are not read."
        if not path.is_file():
            return f"stores weights in {place!r} beside it, which is missing; copy that file too."
        try:
            end = int(info.get("offset", 0)) + int(info.get("length", 0))
        except ValueError:
            return f"has an unreadable entry for the weights in {place!r}; export it again."
        if end > path.stat().st_size:
            return f"stores weights in {place!r} beside it, which is truncated; download it again."
    return ""


def _damaged(model: "onnx.ModelProto", folder: Path) -> str:
    """Refuse weights that hold fewer numbers than they say."""
    for tensor in all_tensors(model):
        held = _payload(tensor)
        wanted = math.prod(tensor.dims)
        if min(tensor.dims, default=0) < 0 or (held is not None and held < wanted):
            size = " x ".join(map(str, tensor.dims))
            return (
                f"should contain {size} numbers in {tensor.name!r}, but does not; download "
                "it again."
            )
    return ""


def _size(model: "onnx.ModelProto", folder: Path) -> str:
    """Refuse tensors that no network needs: they would be allocated when it is loaded or run."""
    total = 0
    for tensor in _sized(model):
        total += tensor.bytes if tensor.is_constant else 0
        if tensor.bytes > BYTES_MOST or total > CONSTANT_BYTES_MOST:
            most, what = (BYTES_MOST, "such a tensor")
            if total > CONSTANT_BYTES_MOST:
                most, what = (CONSTANT_BYTES_MOST, "constants that its file does not contain")
            return (
                f"would create a tensor of {tensor} numbers ({tensor.name}, "
                f"{tensor.bytes / 1e9:.1f} GB on a small image); for {what} more than "
                f"{most / 1e9:.0f} GB is refused."
            )
    return ""


@dataclasses.dataclass(frozen=True)
class _Sized:
    """A tensor that comes into being, as large as it is on a small image."""

    name: str
    dims: tuple[int, ...]
    data_type: int
    is_constant: bool

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return math.prod(self.dims) * _width(self.data_type)

    def __str__(self) -> str:
        return " x ".join(map(str, self.dims))


def _sized(model: "onnx.ModelProto") -> Iterator[_Sized]:
    """Yield the tensors whose shapes can be told without running the network."""
    import onnx
    from onnx import inliner, shape_inference

    for sparse in model.graph.sparse_initializer:
        values = sparse.values
        yield _Sized(values.name, tuple(sparse.dims), values.data_type, is_constant=True)
    filled = list(_filled(model))
    yield from filled
    light = _light(model)
    try:
        if light.functions:
            light = inliner.inline_local_functions(light)
        light = shape_inference.infer_shapes(light, data_prop=True)
    except (shape_inference.InferenceError, onnx.checker.ValidationError, RuntimeError, ValueError):
        return  # onnxruntime will say what is wrong with it
    varying = _varying(light)
    held = {name for node in all_nodes(light) if node.op_type == "Constant" for name in node.output}
    held.update(tensor.name for tensor in filled)
    for graph in all_graphs(light.graph):
        for value in (*graph.value_info, *graph.output):
            tensor = value.type.tensor_type
            dims = tuple(d.dim_value for d in tensor.shape.dim)
            if value.name not in held and dims and min(dims) > 0:
                yield _Sized(value.name, dims, tensor.elem_type, value.name not in varying)


def _filled(model: "onnx.ModelProto") -> Iterator[_Sized]:
    """Yield tensors of one value and a stored shape; shape inference misses those in branches."""
    from onnx import TensorProto, numpy_helper

    stored = {t.name: t for t in all_tensors(model) if t.data_type == TensorProto.INT64}
    for node in all_nodes(model):
        shape = stored.get(node.input[0]) if node.op_type == "ConstantOfShape" else None
        if shape is None or _external_info(shape) or math.prod(shape.dims) > DATA_KEPT:
            continue
        dims = tuple(int(n) for n in numpy_helper.to_array(shape).ravel())
        if dims and min(dims) > 0:
            yield _Sized(node.output[0], dims, TensorProto.FLOAT, is_constant=True)


def _varying(model: "onnx.ModelProto") -> set[str]:
    """Return the names of values that depend on the image."""
    varying = {v.name for v in model.graph.input} - {t.name for t in model.graph.initializer}
    for node in all_nodes(model):
        if varying.intersection(node.input):
            varying.update(node.output)
    return varying


def _light(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """Return a copy without weights, with small numbers for the free lengths of the inputs."""
    import onnx

    light = onnx.ModelProto(ir_version=model.ir_version)
    light.opset_import.extend(model.opset_import)
    light.functions.extend(model.functions)
    light.graph.name = model.graph.name
    light.graph.node.extend(model.graph.node)
    light.graph.output.extend(model.graph.output)
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) <= DATA_KEPT and not _external_info(tensor):
            light.graph.initializer.append(tensor)
        else:
            light.graph.initializer.add(
                name=tensor.name, dims=tensor.dims, data_type=tensor.data_type
            )
    weights = {t.name for t in model.graph.initializer}
    for value in model.graph.input:
        copy = light.graph.input.add()
        copy.CopyFrom(value)
        if value.name not in weights:
            for place, dim in enumerate(copy.type.tensor_type.shape.dim):
                if not dim.dim_value:
                    dim.dim_value = SMALL_EDGE if place else 1
    return light


def _external_info(tensor: "onnx.TensorProto") -> dict[str, str]:
    """Return where a tensor's data lie outside the file, or nothing."""
    if tensor.data_location != tensor.EXTERNAL:
        return {}
    return {"location": "", **{e.key: e.value for e in tensor.external_data}}


def _payload(tensor: "onnx.TensorProto") -> float | None:
    """Return how many numbers a tensor holds; None where they are packed or elsewhere."""
    from onnx import TensorProto

    if _external_info(tensor) or tensor.data_type == TensorProto.STRING:
        return None
    if tensor.HasField("raw_data"):
        packed = _width(tensor.data_type) == 1 and tensor.data_type not in (
            TensorProto.INT8,
            TensorProto.UINT8,
            TensorProto.BOOL,
        )
        return None if packed else len(tensor.raw_data) / _width(tensor.data_type)
    fields: tuple[Any, ...] = (
        tensor.float_data,
        tensor.int32_data,
        tensor.int64_data,
        tensor.double_data,
        tensor.uint64_data,
    )
    packed = any(tensor.int32_data) and tensor.data_type > TensorProto.BFLOAT16
    return None if packed else max(len(field) for field in fields)


def _width(data_type: int) -> int:
    """Return the bytes of one number."""
    from onnx import helper

    try:
        return int(helper.tensor_dtype_to_np_dtype(data_type).itemsize)
    except (KeyError, ValueError, TypeError):
        return 4
