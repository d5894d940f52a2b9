"""Export: from a checkpoint to an ONNX file that is measured, compared and describes itself."""

import copy
import dataclasses
import io
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import checker, helper
from torch import Tensor, nn

from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.errors import ModelError
from napari_microenhance.files import replacing
from napari_microenhance.measure.domain import KEY
from napari_microenhance.training.learning.checkpoints import (
    BEST,
    build,
    load_weights,
    read_checkpoint,
)
from napari_microenhance.training.networks.folding import folded
from napari_microenhance.training.shipping.compacting import stored_as_half
from napari_microenhance.training.shipping.measured import probe_apart
from napari_microenhance.training.shipping.metadata import metadata

__all__ = ["Description", "Exported", "export_checkpoint", "export_network", "load_network"]

FloatArray = npt.NDArray[np.float32]

OPSET: Final = 17
"""The first with all that our networks need; files of it run everywhere."""

PARITY: Final = 1e-4
"""Largest difference from torch, in parts of the value range."""

PSNR_LEAST: Final = 40.0
"""Of float16 against float32, dB."""

PSNR_ROUNDED: Final = 60.0
"""Of weights rounded to float16 against the same in float32, dB."""

LENGTHS: Final = ((48, 48), (75, 131), (130, 64))
"""Images that both are compared on, px; rounded up to what the network takes."""

TRACED_PX: Final = 64

LONGER_PX: Final = 256
"""A multiple of every step that a network's lengths may have."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Description:
    """What no measurement can tell of a network; the fields are those of `ModelSpec`."""

    name: str
    task: str = "image"
    units: str = "input"
    intensity: str = ""
    threshold: float = 0.5
    licence: str = ""
    citation: str = ""


@dataclasses.dataclass(frozen=True)
class Exported:
    """A written network.

    Parameters
    ----------
    path : Path
    spec : ModelSpec
        As measured on the file.
    difference : float
        Largest one from torch's float32 results, in parts of the value range.
    psnr : float
        Of its results against those, dB; infinite where all are equal.
    sentences : tuple of str
        What its user should know.
    """

    path: Path
    spec: ModelSpec
    difference: float
    psnr: float
    sentences: tuple[str, ...]


class _Half(nn.Module):
    """A network that computes in float16, between ends in float32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.half()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.network(x.half())
        return result.float()


def load_network(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network that a checkpoint holds.

    Parameters
    ----------
    path : Path
        Of the file, or of a run's folder: then its best checkpoint, else its last.

    Returns
    -------
    tuple of Module and dict
        In evaluation mode, with the averaged weights; and the checkpoint's other entries.

    Raises
    ------
    FileMissingError
        If nothing is there.
    ModelError
        If it is no checkpoint, or its weights are of another network.
    """
    best = path / BEST
    file = best if best.is_file() else path
    content = read_checkpoint(file)
    network = build(content["network"])
    load_weights(network, content["weights"], file)
    return network.eval(), {name: value for name, value in content.items() if name != "weights"}


def export_checkpoint(
    source: Path, target: Path, *, fp16: bool = False, half_weights: bool = False, **changes: str
) -> Exported:
    """Write the network of a checkpoint as an ONNX file.

    Parameters
    ----------
    source : Path
        A checkpoint, or a run's folder.
    target : Path
    fp16 : bool
        Whether it is to compute in float16.
    half_weights : bool
        Whether its weights are to be stored in float16, and computed with in float32.
    **changes : str
        Fields of `Description` in place of what the recipe says.

    Returns
    -------
    Exported

    Raises
    ------
    FileMissingError, ModelError
        If the checkpoint cannot be used, or the file would differ from it.
    OutputError
        If the file cannot be written; then nothing is.
    """
    network, content = load_network(source)
    recipe = content["recipe"]
    said = recipe.get("export", {})
    known = {field.name for field in dataclasses.fields(Description)}
    given = {key: value for key, value in said.items() if key in known}
    given["name"] = recipe.get("name", target.stem)
    given["task"] = "labels" if recipe.get("task") == "foreground" else "image"
    return export_network(
        network,
        target,
        Description(**{**given, **changes}),
        channels=_channels_in(content["network"]),
        fp16=fp16,
        half_weights=half_weights,
        trained_on=content.get("trained_on", ""),
    )


def export_network(
    network: nn.Module,
    target: Path,
    description: Description,
    *,
    channels: int = 1,
    fp16: bool = False,
    half_weights: bool = False,
    trained_on: str = "",
) -> Exported:
    """Write a network as an ONNX file that says of itself what was measured on it.

    Parameters
    ----------
    network : Module
        Maps (N, C, Y, X), float32 in [0, 1], to the same or to a whole multiple of it in
        size; one for ``task="labels"`` gives logits. Not changed.
    target : Path
    description : Description
    channels : int
        Of its input.
    fp16 : bool
        Whether it is to compute in float16.
    half_weights : bool
        Whether its weights are to be stored in float16, and computed with in float32.
    trained_on : str
        Text of a `measure.domain.TrainedOn`; empty where nothing is known.

    Returns
    -------
    Exported

    Raises
    ------
    ModelError
        If the file does not give what the network gives, or is none that can be used.
    OutputError
        If the file cannot be written; then nothing is.
    """
    if not all(values.isfinite().all() for values in network.state_dict().values()):
        raise ModelError(f"The model {description.name} has weights that are NaN or infinite.")
    network = copy.deepcopy(network).eval()
    image, result = _example(network, channels)
    if description.task == "labels":
        network = nn.Sequential(network, nn.Sigmoid() if result.shape[1] == 1 else nn.Softmax(1))
    whole = folded(network)
    model = _traced(_Half(whole) if fp16 else whole, image)
    content = model.SerializeToString()
    known = {**dataclasses.asdict(description), "value_range": (0.0, 1.0), "activation": "none"}
    found = probe_apart(content, known)
    spec = dataclasses.replace(found.spec, precision="float16" if fp16 else "float32")
    difference, psnr = _compared(network, Session(content, name=spec.name), spec)
    _check_parity(spec, difference, psnr)
    if half_weights:
        model = stored_as_half(model)
        session = Session(model.SerializeToString(), name=spec.name)
        difference, psnr = _compared(network, session, spec)
        _check_rounding(spec, psnr)
    helper.set_model_props(model, metadata(spec) | ({KEY: trained_on} if trained_on else {}))
    checker.check_model(model, full_check=True)
    with replacing(target) as handle:
        handle.write(model.SerializeToString(deterministic=True))
    return Exported(target, spec, difference, psnr, found.sentences)


def _channels_in(network: Mapping[str, Any]) -> int:
    """Return the channels of the input, from a checkpoint's description of a network."""
    return int(network.get("in_channels", network.get("channels", 1)))


def _traced(network: nn.Module, image: Tensor) -> onnx.ModelProto:
    """Return the graph of a network, with free batch and size."""
    memory: Any = io.BytesIO()  # the exporter declares a path, and takes a file too
    ends = {"image": ("N", "Y", "X"), "result": ("N", "Y_out", "X_out")}
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter that torch prefers needs a package more, and sizes spelled out that
        # the probe measures.
        warnings.filterwarnings("ignore", "You are using the legacy", DeprecationWarning)
        warnings.filterwarnings("ignore", "The feature will be removed", DeprecationWarning)
        # Whether a trace holds for other sizes, and what couples a tile, is measured below.
        warnings.filterwarnings("ignore", ".*might cause the trace to be incorrect")
        warnings.filterwarnings("ignore", "ONNX export mode is set to TrainingMode.EVAL")
        torch.onnx.export(
            network,
            (image,),
            memory,
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["result"],
            dynamic_axes={
                name: dict(zip((0, 2, 3), axes, strict=True)) for name, axes in ends.items()
            },
        )
    model = onnx.load_from_string(memory.getvalue())
    _drop_copies(model.graph)
    model.graph.name = "network"
    model.producer_name, model.producer_version = "napari-microenhance", ""
    return model


def _example(network: nn.Module, channels: int) -> tuple[Tensor, Tensor]:
    """Return an image that a network takes, and what it makes of it."""
    failure: Exception | None = None
    # Valid convolutions take few lengths: the published U-Net 140 + 16 n.
    for length in (TRACED_PX, *range(2 * TRACED_PX, 2 * TRACED_PX + 64), 8 * TRACED_PX):
        image = torch.rand((1, channels, length, length))
        try:
            result = _result(network, image)
        except (RuntimeError, ValueError) as error:
            failure = failure or error
            continue
        try:
            _result(network, torch.rand((1, channels, length + LONGER_PX, length)))
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"The model accepts only images of {length} x {length} px; one that can be "
                "tiled accepts larger ones, too."
            ) from error
        return image, result
    reason = str(failure).splitlines()[0]
    raise ModelError(
        f"The model accepts none of the images that it was tried on: {reason}"
    ) from failure


def _result(network: nn.Module, image: Tensor) -> Tensor:
    """Return what a network makes of an image."""
    with torch.no_grad():
        result: Tensor = network(image)
    return result


def _drop_copies(graph: onnx.GraphProto) -> None:
    """Leave out nodes that only give a value a second name."""
    ends = {value.name for value in graph.output}
    names: dict[str, str] = {}
    kept = []
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = names.get(name, name)
        if node.op_type == "Identity" and node.output[0] not in ends:
            names[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def _compared(network: nn.Module, session: Session, spec: ModelSpec) -> tuple[float, float]:
    """Return the largest difference from torch, and the PSNR, in parts of the value range."""
    largest, squares, count = 0.0, 0.0, 0
    rng = np.random.default_rng(0)
    for lengths in LENGTHS:
        shape = [rule.round_up(n) for rule, n in zip(spec.size, lengths, strict=True)]
        images = np.concatenate([_noise(rng, spec, shape), _slope(rng, spec, shape)])
        with torch.no_grad():
            wanted = network(torch.from_numpy(images)).numpy()
        got = session.run(images, spec)
        error = np.abs(got.astype(np.float64) - wanted)
        largest = max(largest, float(error.max()))
        squares, count = squares + float((error**2).sum()), count + error.size
    mean = squares / count
    return largest, -10 * math.log10(mean) if mean else math.inf


def _noise(rng: np.random.Generator, spec: ModelSpec, shape: list[int]) -> FloatArray:
    """Return an image of noise over the whole value range."""
    return rng.random((1, spec.channels_in, *shape), np.float32)


def _slope(rng: np.random.Generator, spec: ModelSpec, shape: list[int]) -> FloatArray:
    """Return a dim, even image with a little noise."""
    slope = np.linspace(0, 0.3, shape[-1], dtype=np.float32)
    noise = rng.normal(0, 0.02, (1, spec.channels_in, *shape)).astype(np.float32)
    return np.asarray(slope + noise, np.float32)


def _check_rounding(spec: ModelSpec, psnr: float) -> None:
    """Raise where rounded weights change the results visibly."""
    if not psnr >= PSNR_ROUNDED:
        raise ModelError(
            f"With float16 weights the model {spec.name} reproduces its results to only "
            f"{psnr:.1f} dB (at least {PSNR_ROUNDED:g} are required), so nothing was written."
        )


def _check_parity(spec: ModelSpec, difference: float, psnr: float) -> None:
    """Raise where the file does not give what torch gives."""
    if spec.precision == "float16" and not psnr >= PSNR_LEAST:
        raise ModelError(
            f"In float16 the model {spec.name} reproduces its float32 results to only "
            f"{psnr:.1f} dB (at least {PSNR_LEAST:g} are required), so nothing was written."
        )
    if spec.precision != "float16" and not difference <= PARITY:
        raise ModelError(
            f"The file differs from the model {spec.name} by {difference:.1e} of the value "
            f"range (at most {PARITY:.0e} is allowed), so nothing was written."
        )
