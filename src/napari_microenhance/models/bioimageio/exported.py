"""Exported: a network as the entries of a BioImage.IO description, and as a page of text."""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from napari_microenhance.engine.runtime.classes import Activation
from napari_microenhance.engine.runtime.tensors import is_turned
from napari_microenhance.engine.spec import GLOBAL, ModelSpec
from napari_microenhance.engine.steps.processing import (
    AnyStep,
    EnsureDtype,
    ScaleLinear,
    Sigmoid,
    Softmax,
    Step,
)
from napari_microenhance.models.bioimageio.described_steps import INPUT_ID, step_entries, turned
from napari_microenhance.models.loading import Model

__all__ = ["PROJECT_URL", "describe", "read_me", "with_steps"]

PROJECT_URL: Final = "https://napari-hub.org/plugins/napari-microenhance.html"

OUTPUT_ID: Final = "output"

WHITE: Final = 255.0
"""Image value that meets the upper end of the network's range; black is 0."""

KINDS: Final = {"N": "batch", "C": "channel", "Z": "space", "Y": "space", "X": "space"}

DOI: Final = re.compile(r"10\.\d{4,9}/[^\s\"<>]+[^\s\"<>.,;)]")

ACTIVATIONS: Final[dict[Activation, tuple[AnyStep, ...]]] = {
    "none": (),
    "sigmoid": (Sigmoid(),),
    "softmax": (Softmax(),),
}

DTYPES: Final = ("float32", "float64", "uint8", "uint16")
"""Number types of tensors that the format knows, of those that we run."""


def with_steps(spec: ModelSpec) -> ModelSpec:
    """Return a spec whose steps take values of 0 to 255 to the network's range and back.

    Parameters
    ----------
    spec : ModelSpec

    Returns
    -------
    ModelSpec
        The same where it has steps.
    """
    if spec.preprocessing:
        return spec
    low, high = spec.value_range
    gain = (high - low) / WHITE
    bottom, top = spec.output_range
    back_gain = WHITE / (top - bottom)
    back: tuple[AnyStep, ...] = (ScaleLinear((back_gain,), (0.0 - bottom * back_gain,)),)
    if spec.task == "labels":
        back = ACTIVATIONS[spec.activation]
    return dataclasses.replace(
        spec,
        preprocessing=(EnsureDtype("float32"), ScaleLinear((gain,), (low,))),
        postprocessing=back,
        activation="none",
    )


def describe(
    spec: ModelSpec,
    *,
    shapes: tuple[Sequence[int], Sequence[int]],
    digests: Mapping[str, str],
    prescribed: bool = False,
) -> dict[str, Any]:
    """Return the entries of a description, format 0.5.

    Parameters
    ----------
    spec : ModelSpec
        With steps.
    shapes : tuple of sequence of int
        Of the test input and the test output, (N, C, ..., Y, X).
    digests : mapping of str to str
        SHA-256 of the package's files.
    prescribed : bool
        Whether the steps are those of another package, for which no range of values is known.

    Returns
    -------
    dict
        Plain values; the version of the ONNX operators is left to the caller.
    """
    from bioimageio.spec.model.v0_5 import ModelDescr

    def file(name: str) -> dict[str, str]:
        return {"source": name, "sha256": digests[name]}

    values = {} if prescribed else {"range": [0.0, WHITE]}
    shown = f"{spec.channels_in} channel(s) in, {spec.channels_out} out"
    entry: dict[str, Any] = {
        "type": "model",
        "format_version": ModelDescr.implemented_format_version,
        "name": _name(spec.name),
        "description": f"{spec.name}: a model for microscope images, {shown}.",
        "authors": [{"name": "not stated"}],
        "packaged_by": [{"name": "napari-microenhance"}],
        "cite": _cite(spec.citation),
        "documentation": file("README.md"),
        "covers": [file("cover.png")],
        "tags": [_tag(spec), "napari-microenhance", "onnx"],
        "inputs": [
            {
                "id": INPUT_ID,
                "axes": _input_axes(spec),
                "test_tensor": file("test_input.npy"),
                "data": {"type": "float32", **values},
                "preprocessing": [
                    *step_entries(_as_in_the_file(spec, spec.preprocessing), spec.axes_in),
                    *_cast(spec.dtype),
                ],
            }
        ],
        "outputs": [
            {
                "id": OUTPUT_ID,
                "axes": _output_axes(spec, *shapes),
                "test_tensor": file("test_output.npy"),
                "data": {"type": "float32"},
                "postprocessing": step_entries(
                    _as_in_the_file(spec, spec.postprocessing), spec.axes_out
                ),
            }
        ],
        "weights": {"onnx": file("weights.onnx")},
    }
    if _is_spdx(spec.licence):
        entry["license"] = spec.licence
    return entry


def read_me(model: Model, spec: ModelSpec) -> str:
    """Return the package's documentation, Markdown.

    Parameters
    ----------
    model : Model
    spec : ModelSpec
        With steps.

    Returns
    -------
    str
    """
    reach = "the whole tile" if spec.radius == GLOBAL else f"{spec.radius} px"
    sizes = ", ".join(str(rule) for rule in spec.size)
    card = model.card.strip() or f"# {model.name}"
    lines = [
        card,
        "",
        "## Measured",
        "",
        "| | |",
        "|---|---|",
        f"| input | {spec.axes_in}, {spec.channels_in} channel(s), {spec.dtype} |",
        f"| output | {spec.axes_out}, {spec.channels_out} channel(s), scale {spec.scale:g} |",
        f"| sizes along {', '.join(a for a in 'ZYX' if a in spec.axes_in)} | {sizes} |",
        f"| receptive field (radius) | {reach} |",
        f"| tile starts | multiples of {spec.shift_step} px |",
        f"| values | {_values(model.spec)} |",
        f"| licence | {spec.licence or 'not stated'} |",
        f"| citation | {spec.citation or 'none'} |",
        "",
        "## Validation",
        "",
        "The test tensors were made by running the model in this package with ONNX Runtime on "
        "the CPU. Compare other runtimes with them; compare results on your own images with "
        "references that the model has not seen.",
        "",
    ]
    return "\n".join(lines)


def _values(spec: ModelSpec) -> str:
    """Return what is said of the range of image values."""
    if spec.preprocessing:
        return "as stated by the processing steps of the description"
    low, high = spec.value_range
    bottom, top = spec.output_range
    back = f", which gives {bottom:g} to {top:g}" if (low, high) != (bottom, top) else ""
    return f"0 to {WHITE:g} in the image map to {low:g} to {high:g} in the model{back}"


def _cast(dtype: str) -> list[dict[str, Any]]:
    """Return the step that hands the network its own number type."""
    return [{"id": "ensure_dtype", "kwargs": {"dtype": dtype if dtype in DTYPES else "float32"}}]


def _as_in_the_file(spec: ModelSpec, steps: Sequence[Step]) -> Sequence[Step]:
    """Return steps with their numbers in the order of the file's channels."""
    return turned(steps) if spec.colour_order == "bgr" else steps


def _input_axes(spec: ModelSpec) -> list[dict[str, Any]]:
    """Return the axes of the input; its scale makes that of the output a whole number."""
    halo = _halo(spec)
    found = []
    for letter in spec.axes_in:
        axis: dict[str, Any] = {"type": KINDS[letter]}
        if letter == "N" and spec.batch == 1:
            axis["size"] = 1
        elif letter == "C":
            axis["channel_names"] = _channel_names(spec.channels_in, spec)
        elif letter != "N":
            rule = spec.size["ZYX"[-len(spec.size) :].index(letter)]
            least = rule.round_up(max(rule.minimum, 2 * halo + sum(spec.border_loss) + 1))
            free = {"min": least, "step": rule.step}
            axis |= {"id": letter.lower(), "size": rule.fixed or free}
            axis["scale"] = float(spec.ratio.numerator)
        found.append(axis)
    return found


def _output_axes(spec: ModelSpec, given: Sequence[int], got: Sequence[int]) -> list[dict[str, Any]]:
    """Return the axes of the output, spatial ones relative to those of the input."""
    spatial = [a for a in "ZYX" if a in spec.axes_out]
    halo = math.ceil(_halo(spec) * spec.ratio)
    found = []
    for letter in spec.axes_out:
        axis: dict[str, Any] = {"type": KINDS[letter]}
        if letter == "N" and spec.batch == 1:
            axis["size"] = 1
        elif letter == "C":
            axis["channel_names"] = _channel_names(spec.channels_out, spec)
        elif letter != "N":
            index = 2 + spatial.index(letter)
            offset = got[index] - given[index] * spec.ratio
            reference = {"tensor_id": INPUT_ID, "axis_id": letter.lower(), "offset": int(offset)}
            axis |= {"id": letter.lower(), "size": reference}
            axis["scale"] = float(spec.ratio.denominator)
            if halo and got[index] > 2 * halo:
                axis["halo"] = halo
        found.append(axis)
    return found


def _halo(spec: ModelSpec) -> int:
    """Return how many input pixels at each end make output pixels wrong."""
    if spec.radius == GLOBAL:
        return 0
    return max(0, int(spec.radius) - min(spec.border_loss))


def _channel_names(count: int, spec: ModelSpec) -> list[str]:
    """Return a name for each channel."""
    if is_turned(spec, count - spec.extra_channels if count == spec.channels_in else count):
        return ["blue", "green", "red", *(f"channel{i}" for i in range(3, count))]
    return [f"channel{i}" for i in range(count)]


def _name(name: str) -> str:
    """Return a name of the characters and the length that the format allows."""
    allowed = re.sub(r"[^A-Za-z0-9_+\- ()]+", " ", name).strip()
    return allowed[:128] if len(allowed) >= 5 else f"model {allowed}".strip()


def _cite(citation: str) -> list[dict[str, str]]:
    """Return the citation where it can be looked up, else that of this project."""
    if doi := DOI.search(citation):
        return [{"text": citation, "doi": doi[0]}]
    return [{"text": "Packaged with napari-microenhance", "url": PROJECT_URL}]


def _tag(spec: ModelSpec) -> str:
    """Return what the network does in a word of the BioImage.IO collection."""
    if spec.task == "labels":
        return "semantic-segmentation"
    return "image-super-resolution" if spec.scale > 1 else "image-restoration"


def _is_spdx(licence: str) -> bool:
    """Whether a licence is a name that the format knows."""
    from bioimageio.spec.utils import get_spdx_licenses

    return licence in {entry["licenseId"] for entry in get_spdx_licenses()["licenses"]}
