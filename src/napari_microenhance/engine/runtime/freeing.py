"""Freeing: a network's file without the lengths that it only declares."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_microenhance.errors import ModelError

if TYPE_CHECKING:
    import onnx

__all__ = ["with_free_lengths"]

LEAST_RANK: Final = 4
"""Axes of an image tensor: batch, channels and two lengths or more."""

LONGEST_CHANNELS: Final = 16
"""A longer axis than this is a length."""


def with_free_lengths(model: Path | bytes) -> bytes:
    """Return a network's file with every declared length of images left free.

    Whether the network runs at other lengths, and gives the same at its own, is for the
    caller to try.

    Parameters
    ----------
    model : Path or bytes
        An ONNX file; weights beside it stay there.

    Returns
    -------
    bytes

    Raises
    ------
    ModelError
        If it is too large to be changed in memory.
    """
    import onnx

    if isinstance(model, bytes):
        found = onnx.load_model_from_string(model)
    else:
        found = onnx.load(model, load_external_data=False)
    weights = {tensor.name for tensor in found.graph.initializer}
    for value in found.graph.input:
        if value.name not in weights:
            _free(value)
    for value in found.graph.output:
        value.type.tensor_type.ClearField("shape")
    # What was inferred from the declared lengths would contradict the others.
    del found.graph.value_info[:]
    try:
        return bytes(found.SerializeToString())
    except ValueError as error:
        raise ModelError("The model is too large to be loaded from memory.") from error


def _free(value: "onnx.ValueInfoProto") -> None:
    """Leave the lengths of one input free."""
    dims = value.type.tensor_type.shape.dim
    if len(dims) < LEAST_RANK:
        return
    for place, dim in enumerate(dims):
        if place and dim.dim_value > LONGEST_CHANNELS:
            dim.dim_param = f"{value.name}_{place}"
