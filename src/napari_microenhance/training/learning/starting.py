"""Where a run may start: from a checkpoint, or from a network file that was trained here."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import Tensor, nn

from napari_microenhance.errors import FileMissingError, ModelError
from napari_microenhance.models.catalogue import list_models
from napari_microenhance.training.learning.checkpoints import (
    check_same_network,
    load_weights,
    read_checkpoint,
)
from napari_microenhance.training.networks.folding import folded

__all__ = ["start_from"]

_WRAPPED = "0."
"""What stands before the names of a network that was exported with its last activation."""


def start_from(network: nn.Module, description: dict[str, Any], start: str) -> None:
    """Give a network the weights of another one of its kind.

    Parameters
    ----------
    network : Module
        Changed.
    description : dict
        Its kind and arguments.
    start : str
        A run folder or checkpoint, an ONNX file that this project exported, or the name of a
        built-in network.

    Raises
    ------
    FileMissingError
        If there is no such thing.
    ModelError
        If it is damaged, or of another network.
    """
    named = {info.name: info.path for info in list_models()}
    path = named.get(start, Path(start)) if not Path(start).exists() else Path(start)
    if path.suffix.lower() == ".onnx":
        found = _read(path)
        load_weights(network, _unfolded(network, found, start), start)
        return
    content = read_checkpoint(path)
    check_same_network(start, content, description)
    load_weights(network, content["weights"], start)


def _read(path: Path) -> dict[str, Tensor]:
    """Return the weights in a network file, by name."""
    try:
        graph = onnx.load(path).graph
    except FileNotFoundError as error:
        raise FileMissingError(f"There is no model file {path}.") from error
    except (OSError, DecodeError) as error:
        raise ModelError(f"{path} cannot be read as an ONNX file.") from error
    # Weights stored as float16 are cast to what the layers' names are.
    cast = {node.input[0]: node.output[0] for node in graph.node if node.op_type == "Cast"}
    return {
        cast.get(tensor.name, tensor.name).removeprefix(_WRAPPED): torch.from_numpy(
            numpy_helper.to_array(tensor).astype(np.float32)
        )
        for tensor in graph.initializer
    }


def _unfolded(network: nn.Module, found: dict[str, Tensor], start: str) -> dict[str, Tensor]:
    """Return what folding made of a network's weights as they were before."""
    own = network.state_dict()
    # Folding keeps the order of the layers, and the file their names.
    names = list(folded(network).state_dict())
    if len(names) != len(own) or not set(names) <= set(found):
        raise ModelError(
            f"{start} holds another network than the recipe's, or one with normalisation "
            "folded into its layers; training can only start from the same architecture."
        )
    return {
        key: _unstrided(found[name], value.shape, start)
        for (key, value), name in zip(own.items(), names, strict=True)
    }


def _unstrided(values: Tensor, shape: torch.Size, start: str) -> Tensor:
    """Return weights of unshuffled pixels from those of whole pixels; see `folding`."""
    if values.shape == shape:
        return values
    if values.numel() != shape.numel() or values.ndim != 4:
        raise ModelError(
            f"{start} holds another network: weights of {tuple(values.shape)} where the recipe's "
            f"has {tuple(shape)}."
        )
    out, inside, high, _ = values.shape
    tall, wide = shape[2:]
    step = high // tall
    split = values.reshape(out, inside, tall, step, wide, step)
    return split.permute(0, 1, 3, 5, 2, 4).reshape(shape)
