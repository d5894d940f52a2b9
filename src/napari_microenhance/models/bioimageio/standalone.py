"""Standalone: a network's file made to take one image, give one, and need no other file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_microenhance.engine.runtime.freeing import with_free_lengths
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.errors import ModelError
from napari_microenhance.models.hazards import external_files

if TYPE_CHECKING:
    import onnx

__all__ = ["standalone"]

CHOSEN = "microenhance_image"
"""Name of the output where only some channels of one are the image."""


def standalone(path: Path, spec: ModelSpec) -> bytes:
    """Return a network's file without what a description has no words for.

    Weights beside the file move into it, further inputs become constants, lengths that it only
    declares are left free, and of its outputs and their channels the image stays.

    Parameters
    ----------
    path : Path
    spec : ModelSpec

    Returns
    -------
    bytes
        Those of the file itself where there is nothing to change.

    Raises
    ------
    ModelError
        If the weights do not fit in one file.
    """
    content = _with_one_image(path, spec)
    return with_free_lengths(content) if spec.freed else content


def _with_one_image(path: Path, spec: ModelSpec) -> bytes:
    """Return a network's file with its weights, one input and one output."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path, load_external_data=False)
    outputs = [output.name for output in model.graph.output]
    image = spec.output or outputs[0]
    apart = external_files(model, path.parent)
    if not (apart or spec.constants or spec.output_channels or outputs != [image]):
        return path.read_bytes()
    if apart:
        model = onnx.load(path)
    for name, value, dtype, shape in spec.constants:
        _remove(model.graph.input, name)
        constant = np.full(shape, value, dtype)
        model.graph.initializer.append(numpy_helper.from_array(constant, name))
    for name in outputs:
        if name != image:
            _remove(model.graph.output, name)
    if spec.output_channels:
        _keep_channels(model, image, spec)
    try:
        return bytes(model.SerializeToString())
    except ValueError as error:
        raise ModelError(
            f"The model {spec.name} cannot be packaged: with the weights in the files beside "
            "it, it is too large for one file."
        ) from error


def opset_of(content: bytes) -> int:
    """Return the version of ONNX's own operators that a network uses."""
    import onnx

    model = onnx.load_model_from_string(content)
    return next(int(o.version) for o in model.opset_import if o.domain in ("", "ai.onnx"))


def _keep_channels(model: "onnx.ModelProto", image: str, spec: ModelSpec) -> None:
    """Let the only output be some channels of the one that it is now."""
    from onnx import helper, numpy_helper

    channels = numpy_helper.from_array(np.array(spec.output_channels), f"{CHOSEN}_channels")
    model.graph.initializer.append(channels)
    axis = spec.axes_out.index("C")
    model.graph.node.append(helper.make_node("Gather", [image, channels.name], [CHOSEN], axis=axis))
    kind = model.graph.output[0].type.tensor_type.elem_type
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(CHOSEN, kind, None))


def _remove(values: Any, name: str) -> None:  # noqa: ANN401 - a list of protobuf's
    """Take a value out of a graph's list of inputs or outputs."""
    for value in list(values):
        if value.name == name:
            values.remove(value)
