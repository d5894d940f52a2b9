"""Networks from their recipes, and checkpoint files."""

import difflib
import inspect
import io
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from napari_microenhance.errors import FileMissingError, ModelError
from napari_microenhance.files import replacing
from napari_microenhance.training.networks.architectures import NETWORKS
from napari_microenhance.training.recipes.recipe import Architecture

__all__ = [
    "BEST",
    "FORMAT",
    "LAST",
    "build",
    "check_same_network",
    "load_weights",
    "read_checkpoint",
    "resolved",
    "write_checkpoint",
]

FORMAT: Final = 1
LAST: Final = "last.pt"
BEST: Final = "best.pt"

_NEEDED: Final = {"recipe": dict, "network": dict, "weights": dict, "step": int}


def resolved(network: Architecture, *, inputs: int, outputs: int, scale: int) -> dict[str, Any]:
    """Return a network's kind and every argument of its constructor.

    Parameters
    ----------
    network : Architecture
        As the recipe has it.
    inputs, outputs : int
        Channels.
    scale : int

    Returns
    -------
    dict
        "kind", and what `build` passes on; plain values.

    Raises
    ------
    ModelError
        If there is no such kind or argument, or one contradicts the data.
    """
    if network.kind not in NETWORKS:
        raise ModelError(
            f"network.kind is {network.kind!r}, which is not one of {', '.join(sorted(NETWORKS))}."
        )
    parameters = inspect.signature(NETWORKS[network.kind]).parameters
    given = network.options
    for name in given:
        if name not in parameters:
            near = difflib.get_close_matches(name, parameters, 1, cutoff=0.0)
            raise ModelError(
                f"network.{name} is not an argument of {network.kind}; the nearest is {near[0]}."
            )
    facts = {"in_channels": inputs, "out_channels": outputs, "scale": scale}
    if inputs == outputs:
        facts["channels"] = inputs
    options = {name: p.default for name, p in parameters.items()}
    options |= {name: value for name, value in facts.items() if name in parameters}
    for name in given.keys() & facts.keys():
        if given[name] != facts[name]:
            raise ModelError(
                f"network.{name} is {given[name]}, but the examples have {facts[name]}; leave it "
                "out."
            )
    options |= given
    return {"kind": network.kind} | {
        name: list(value) if isinstance(value, tuple) else value for name, value in options.items()
    }


def build(description: dict[str, Any]) -> nn.Module:
    """Make a network from what `resolved` returned.

    Parameters
    ----------
    description : dict
        "kind" and the arguments of its constructor.

    Returns
    -------
    nn.Module
        With random weights.

    Raises
    ------
    ModelError
        If its constructor refuses an argument.
    """
    options = dict(description)
    kind = options.pop("kind", None)
    try:
        return NETWORKS[kind](**options)
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
        raise ModelError(f"The network {kind} cannot be made from {options}: {error}.") from error


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    path : Path
    content : dict
        Tensors, numbers, texts, and lists and dictionaries of them.

    Raises
    ------
    OutputError
        If there is no room, or the folder cannot be written to.
    """
    # torch's own writer turns a full disk into an error that does not say so.
    memory = io.BytesIO()
    torch.save({"format": FORMAT, **content}, memory)
    with replacing(path) as handle:
        handle.write(memory.getbuffer())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, or the last one of a run folder; no code in it is run.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
        With at least "recipe", "network", "weights" and "step".

    Raises
    ------
    FileMissingError
        If nothing is there.
    ModelError
        If it is not a checkpoint of ours, or damaged.
    """
    file = path / LAST if path.is_dir() else path
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise FileMissingError(f"There is no checkpoint {file}.") from error
    except Exception as error:  # unpickling a damaged file raises whatever it likes
        raise ModelError(
            f"{file} is not a checkpoint, or is damaged; choose another one or train again."
        ) from error
    if not isinstance(content, dict) or not all(
        isinstance(content.get(key), kind) for key, kind in _NEEDED.items()
    ):
        raise ModelError(f"{file} holds weights, but is not a checkpoint of `microenhance train`.")
    if content.get("format") != FORMAT:
        raise ModelError(
            f"{file} has checkpoint format {content.get('format')}, but only {FORMAT} is read here."
        )
    return content


def _defaults(description: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that a network's constructor has values for."""
    known = NETWORKS.get(str(description.get("kind")))
    if known is None:
        return {}
    parameters = inspect.signature(known).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def check_same_network(name: str, content: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise if a checkpoint is of another network than the recipe's.

    Parameters
    ----------
    name : str
        What the sentence calls the checkpoint.
    content : dict
        As `read_checkpoint` returns it.
    wanted : dict
        As `resolved` returns it.

    Raises
    ------
    ModelError
        With the first difference.
    """
    # A checkpoint may be older than an argument, and then has its default.
    found = _defaults(content["network"]) | content["network"]
    for key in sorted(found.keys() | wanted.keys(), key=lambda key: key != "kind"):
        if found.get(key) != wanted.get(key):
            raise ModelError(
                f"{name} holds another network: its {key} is {found.get(key)}, the recipe's is "
                f"{wanted.get(key)}."
            )


def load_weights(network: nn.Module, weights: dict[str, Any], name: str | Path) -> None:
    """Put weights into a network of the same architecture.

    Parameters
    ----------
    network : nn.Module
        Changed.
    weights : dict of str to Tensor
    name : str or Path
        What the sentence calls them.

    Raises
    ------
    ModelError
        If names or shapes differ.
    """
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ModelError(
            f"The weights of {name} do not fit the network they are loaded into."
        ) from error
