"""Quantise: a network's twin that computes with whole numbers of 8 bits, judged before it is kept.

Weights are int8 with a scale per output channel, activations uint8 with a scale per tensor,
both fixed by calibration, so that a result does not depend on the tile.  The first and the
last layer stay in float32: the image enters and leaves with all its grey levels.

References
----------
.. [1] B. Jacob et al., "Quantization and training of neural networks for efficient
   integer-arithmetic-only inference", CVPR 2018. https://arxiv.org/abs/1712.05877
"""

import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

from napari_microenhance.engine.runtime.session import RUNTIME_ERRORS, Session
from napari_microenhance.engine.runtime.tensors import feeds
from napari_microenhance.engine.spec import GLOBAL, ModelSpec
from napari_microenhance.errors import ModelError
from napari_microenhance.files import replacing
from napari_microenhance.measure.domain import KEY
from napari_microenhance.models.loading import Model
from napari_microenhance.models.measuring import PREFIX
from napari_microenhance.training.shipping.calibration import calibration_images
from napari_microenhance.training.shipping.measured import probe_apart
from napari_microenhance.training.shipping.metadata import DESCRIBING, metadata
from napari_microenhance.unfinished import scratch_folder

__all__ = ["Quantised", "quantise"]

FloatArray = npt.NDArray[np.float32]

PSNR_LEAST: Final = 40.0
"""Of int8 against float32 results, dB."""

HELD_OUT: Final = 3
"""Every so many-th image is not calibrated with, but judged by."""

TIMED_PX: Final = 256
"""Edge of the image whose runs are timed."""

TIMED_RUNS: Final = 7

CONVOLUTIONS: Final = ("Conv", "ConvTranspose")


@dataclasses.dataclass(frozen=True)
class Quantised:
    """A written twin.

    Parameters
    ----------
    path : Path
    spec : ModelSpec
        As measured on the file.
    psnr, worst : float
        Of its results against those in float32 on images that it was not calibrated with:
        of all pixels together, and of the worst image; dB of the network's value range.
    images : int
        How many these are.
    seconds : tuple of float
        Median time of a run on `timed_px` px, in float32 and in int8.
    timed_px : tuple of int
    sentences : tuple of str
        What its user should know.
    """

    path: Path
    spec: ModelSpec
    psnr: float
    worst: float
    images: int
    seconds: tuple[float, float]
    timed_px: tuple[int, ...]
    sentences: tuple[str, ...]

    @property
    def speed(self) -> float:
        """How many times as fast it is."""
        return self.seconds[0] / self.seconds[1]


class _CalibrationReader(quantization.CalibrationDataReader):
    """Gives the calibration images one by one, as onnxruntime asks for them."""

    def __init__(self, images: Sequence[FloatArray], spec: ModelSpec, names: list[str]) -> None:
        self._feeds: Iterator[dict[str, Any]] = iter(
            [
                feeds(np.repeat(image[None], spec.batch or 1, axis=0), spec, names)
                for image in images
            ]
        )

    def get_next(self) -> dict[str, Any] | None:
        """Return the next image's tensors, or None at the end."""
        return next(self._feeds, None)


def quantise(model: Model, target: Path, calibration: Sequence[Path] = ()) -> Quantised:
    """Write the int8 twin of a network.

    Parameters
    ----------
    model : Model
        In float32, of planes.
    target : Path
    calibration : sequence of Path
        Images and folders of them; none: simulated fields.

    Returns
    -------
    Quantised

    Raises
    ------
    ModelError
        If the network cannot be quantised, or its twin would be less than 40 dB from it.
    FileMissingError, ImageError
        If a calibration image cannot be read.
    OutputError
        If the file cannot be written; then nothing is.
    """
    _check_kind(model)
    spec = model.spec
    images = calibration_images(spec, calibration)
    held_out = images[::HELD_OUT]
    used = [image for k, image in enumerate(images) if k % HELD_OUT]
    session = Session(model.path, name=model.name)
    with scratch_folder() as folder:
        twin = _twin(
            model, _CalibrationReader(used, spec, [t.name for t in session.inputs]), Path(folder)
        )
    content = twin.SerializeToString()
    int8 = Session(content, name=model.name)
    psnr, worst = _psnr(session, int8, spec, held_out)
    if not psnr >= PSNR_LEAST:
        raise ModelError(
            f"In int8 the network {model.name} gives only {psnr:.1f} dB of its float32 results "
            f"({worst:.1f} dB on the worst of {len(held_out)} images; at least {PSNR_LEAST:g} are "
            "wanted), so nothing was written."
        )
    found = probe_apart(content, {field: getattr(spec, field) for field in DESCRIBING})
    if found.spec.radius == GLOBAL != spec.radius:
        raise ModelError(
            f"In int8 the network {model.name} depends on the whole tile, so nothing was written."
        )
    timed = tuple(rule.fixed or rule.round_up(TIMED_PX) for rule in spec.size)
    seconds = _times(session, int8, spec, timed)
    measured = dataclasses.replace(found.spec, precision="int8")
    said = {**metadata(measured), f"{PREFIX}psnr": f"{psnr:.1f}"}
    helper.set_model_props(twin, {**_other_entries(model.path), **said})
    with replacing(target) as handle:
        handle.write(twin.SerializeToString(deterministic=True))
    return Quantised(target, measured, psnr, worst, len(held_out), seconds, timed, found.sentences)


def _check_kind(model: Model) -> None:
    """Raise for networks that have no twin."""
    spec = model.spec
    reason = ""
    if spec.preprocessing:
        reason = "comes with steps of its own; give its ONNX file"
    elif spec.precision != "float32" or spec.dtype != "float32":
        reason = f"computes in {spec.precision} on {spec.dtype} images, not in float32"
    elif "Z" in spec.axes_in:
        reason = "takes volumes; only networks of planes are quantised"
    elif model.graph.external:
        reason = "keeps its weights in files beside it; only networks of one file are quantised"
    if reason:
        raise ModelError(f"The network {model.name} {reason}.")


def _twin(model: Model, reader: _CalibrationReader, folder: Path) -> onnx.ModelProto:
    """Return the quantised graph."""
    named, prepared, done = (folder / f"{stage}.onnx" for stage in ("named", "prepared", "done"))
    onnx.save(_with_names(onnx.load(model.path)), named)
    try:
        quant_pre_process(named, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared,
            done,
            reader,
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            # The only pair of types that onnxruntime computes fast on every x86.
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=_ends(onnx.load(prepared).graph),
        )
    except (*RUNTIME_ERRORS, AttributeError, KeyError, TypeError) as error:
        raise ModelError(
            f"onnxruntime cannot quantise the network {model.name}: {str(error).splitlines()[0]}"
        ) from error
    twin = onnx.load(done)
    if not any(node.op_type == "DequantizeLinear" for node in twin.graph.node):
        raise ModelError(
            f"The network {model.name} has nothing to quantise between its first and last layer."
        )
    twin.producer_name, twin.producer_version = "napari-microenhance", ""
    return twin


def _with_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with a name for each node, by which it can be left out."""
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{number}"
    return model


def _ends(graph: onnx.GraphProto) -> list[str]:
    """Return the names of the first and last convolutions and of all nodes after the last."""
    images = {value.name for value in graph.input}
    maker = {name: node for node in graph.node for name in node.output}
    found = {n.name for n in graph.node if n.op_type in CONVOLUTIONS and n.input[0] in images}
    waiting = [value.name for value in graph.output]
    seen = set(waiting)
    while waiting:
        node = maker.get(waiting.pop())
        if node is None:
            continue
        found.add(node.name)
        if node.op_type not in CONVOLUTIONS:
            further = set(node.input) - seen
            seen |= further
            waiting += further
    return sorted(found)


def _psnr(
    before: Session, after: Session, spec: ModelSpec, images: Sequence[FloatArray]
) -> tuple[float, float]:
    """Return the PSNR of one network's results against another's: of all images, of the worst."""
    low, high = spec.value_range
    errors = []
    for image in images:
        batch = np.repeat(image[None], spec.batch or 1, axis=0)
        difference = after.run(batch, spec).astype(np.float64) - before.run(batch, spec)
        errors.append(float(np.mean((difference / (high - low)) ** 2)))
    return _decibels(float(np.mean(errors))), _decibels(max(errors))


def _decibels(error: float) -> float:
    """Return the PSNR of a mean squared error in parts of the range."""
    return -10 * math.log10(error) if error else math.inf


def _times(
    before: Session, after: Session, spec: ModelSpec, shape: Sequence[int]
) -> tuple[float, float]:
    """Return the median times of two networks, run in turn, s."""
    low, high = spec.value_range
    image = np.random.default_rng(0).random(
        (spec.batch or 1, spec.channels_in, *shape), np.float32
    ) * np.float32(high - low) + np.float32(low)
    found: tuple[list[float], list[float]] = ([], [])
    for turn in range(TIMED_RUNS + 1):
        for session, times in zip((before, after), found, strict=True):
            started = time.perf_counter()
            session.run(image, spec)
            if turn:  # the first run plans its memory
                times.append(time.perf_counter() - started)
    return float(np.median(found[0])), float(np.median(found[1]))


def _other_entries(path: Path) -> dict[str, str]:
    """Return what no measurement tells: what it was trained on, and the entries of others."""
    entries = onnx.load(path, load_external_data=False).metadata_props
    return {e.key: e.value for e in entries if not e.key.startswith(PREFIX) or e.key == KEY}
