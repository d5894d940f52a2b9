"""Descriptions: what a BioImage.IO description claims, as values of ours.

Reads the objects of bioimageio.spec, format 0.4 and 0.5, by their attributes only; it
imports nothing of it.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

from napari_microenhance.engine.spec import GLOBAL, ModelSpec, SizeRule
from napari_microenhance.engine.steps import processing as steps
from napari_microenhance.engine.steps.processing import Step
from napari_microenhance.errors import ModelError
from napari_microenhance.models.bioimageio.described_steps import LETTERS, read_steps

__all__ = ["Claims", "TensorClaims", "contradictions", "read_claims", "value_range"]

STANDARDISED: Final = (-2.0, 2.0)
"""Where nearly all values of mean zero and variance one lie."""


@dataclasses.dataclass(frozen=True)
class TensorClaims:
    """What a description says about one tensor.

    Parameters
    ----------
    name : str
    axes : str
        Letters of "NCZYX" in the tensor's order.
    dtype : str
    low, high : float or None
        Range of its values.
    classes : bool
        Whether its values are names for something, not amounts.
    channels : int or None
    size : tuple of SizeRule or None
        One per spatial axis in the order Z, Y, X; None where it depends on another tensor.
    scale : tuple of float or None
        Of an output: its pixels per pixel of the input.
    lost : tuple of float or None
        Of an output: input pixels that it is shorter by, after scaling.
    halo : int
        Output pixels at each end that are said to be wrong.
    steps : tuple of Step
    """

    name: str
    axes: str
    dtype: str
    low: float | None = None
    high: float | None = None
    classes: bool = False
    channels: int | None = None
    size: tuple[SizeRule | None, ...] = ()
    scale: tuple[float | None, ...] = ()
    lost: tuple[float | None, ...] = ()
    halo: int = 0
    steps: tuple[Step, ...] = ()


@dataclasses.dataclass(frozen=True)
class Claims:
    """What a description says about the image that goes in and those that come out."""

    input: TensorClaims
    output: TensorClaims
    output_index: int = 0
    input_index: int = 0


def read_claims(described: Any, package: str) -> Claims:  # noqa: ANN401 - of bioimageio.spec
    """Return what a validated description says.

    Parameters
    ----------
    described : ModelDescr
        Of bioimageio.spec, format 0.4 or 0.5.
    package : str
        File name, for error texts.

    Returns
    -------
    Claims

    Raises
    ------
    ModelError
        If the network does not take one image, or a step cannot be applied.
    """
    old = str(described.format_version).startswith("0.4")
    read = _old_tensor if old else _tensor
    images = [i for i, tensor in enumerate(described.inputs) if _is_image(tensor)]
    if len(images) != 1:
        names = ", ".join(_name(tensor) for tensor in described.inputs)
        raise ModelError(
            f"The package {package} takes {len(images)} images ({names}); only models with "
            "one image input are supported."
        )
    image = described.inputs[images[0]]
    given = read(image, image, package)
    outputs = [i for i, tensor in enumerate(described.outputs) if _is_image(tensor)]
    if not outputs:
        names = ", ".join(_name(tensor) for tensor in described.outputs)
        raise ModelError(f"The package {package} outputs no image but {names}.")
    got = read(described.outputs[outputs[0]], image, package)
    return Claims(given, got, outputs[0], images[0])


def contradictions(claims: Claims, spec: ModelSpec) -> tuple[str, ...]:
    """Return a sentence for each claim that the measurements refute.

    Parameters
    ----------
    claims : Claims
    spec : ModelSpec
        Measured.

    Returns
    -------
    tuple of str
    """
    given, got = claims.input, claims.output
    halo = round(got.halo / spec.scale)
    reach = spec.radius if spec.radius == GLOBAL else int(spec.radius)
    pairs = [
        ("axes of the input", given.axes, spec.axes_in),
        ("axes of the output", got.axes, spec.axes_out),
        ("input channels", given.channels, spec.channels_in),
        ("scale", _only(got.scale), spec.scale),
        ("border loss in px", _only(got.lost), float(sum(spec.border_loss))),
    ]
    if not spec.output_channels:
        pairs.append(("output channels", got.channels, spec.channels_out))
    found = [
        f"The package states {said} for the {what}, but {measured} was measured and is used."
        for what, said, measured in pairs
        if said is not None and said != measured
    ]
    letters = [a for a in "ZYX" if a in spec.axes_in]
    found += [
        f"The package states a size of {rule} px along {letter}, but {measured} was measured "
        "and is used."
        for letter, rule, measured in zip(letters, given.size, spec.size, strict=False)
        if rule is not None and not _fits(rule, measured)
    ]
    if got.halo and (reach == GLOBAL or halo < int(reach)):
        far = "the whole tile" if reach == GLOBAL else f"{reach} px"
        found.append(
            f"The package states that a halo of {halo} px is enough, but the receptive field "
            f"is {far}, which is used."
        )
    return tuple(found)


def value_range(given: TensorClaims) -> tuple[float, float] | None:
    """Return the range in which the network sees the image, where its steps tell.

    Parameters
    ----------
    given : TensorClaims
        Of the input.

    Returns
    -------
    tuple of float or None
        (low, high) after the steps.
    """
    low, high = given.low, given.high
    found = None if low is None or high is None else (low, high)
    if found is None and given.dtype in ("uint8", "uint16"):
        found = (0.0, 255.0 if given.dtype == "uint8" else 65535.0)
    for step in given.steps:
        found = _moved(step, found)
    return found if found is not None and found[0] < found[1] else None


def _moved(step: Step, found: tuple[float, float] | None) -> tuple[float, float] | None:
    """Return the range after a step; None where it cannot be told."""
    if isinstance(step, steps.ScaleRange | steps.Sigmoid | steps.Softmax | steps.Binarize):
        return (0.0, 1.0)
    if isinstance(step, steps.ZeroMeanUnitVariance):
        return STANDARDISED
    if isinstance(step, steps.Clip):
        if step.minimum is not None and step.maximum is not None:
            return (step.minimum, step.maximum)
        return found
    if found is None or isinstance(step, steps.ScaleMeanVariance):
        return None
    if isinstance(step, steps.FixedZeroMeanUnitVariance):
        pairs = list(zip(step.mean, step.std, strict=True))
        ends = [(end - mean) / std for end in found for mean, std in pairs]
        return min(ends), max(ends)
    if isinstance(step, steps.ScaleLinear):
        ends = [end * gain + add for end in found for gain in step.gain for add in step.offset]
        return min(ends), max(ends)
    return found


def _only(values: Sequence[float | None]) -> float | None:
    """Return what all values are, or None."""
    return values[0] if values and len(set(values)) == 1 else None


def _fits(claimed: SizeRule, measured: SizeRule) -> bool:
    """Whether the network takes every length that was claimed."""
    if measured.fixed is not None or claimed.fixed is not None:
        length = claimed.fixed
        return length is not None and measured.round_up(length) == length
    start = measured.round_up(claimed.minimum) == claimed.minimum
    return start and claimed.step % measured.step == 0


def _name(tensor: Any) -> str:  # noqa: ANN401 - of bioimageio.spec
    """Return a tensor's name; format 0.5 calls it id."""
    return str(getattr(tensor, "id", None) or tensor.name)


def _is_image(tensor: Any) -> bool:  # noqa: ANN401 - of bioimageio.spec
    """Whether a tensor has an x and a y axis."""
    letters = [getattr(axis, "id", axis) for axis in tensor.axes]
    return "x" in map(str, letters) and "y" in map(str, letters)


def _letters(names: Sequence[Any], tensor: str, package: str) -> str:
    """Return axes as letters of ours."""
    unknown = [str(name) for name in names if str(name) not in LETTERS]
    if unknown:
        raise ModelError(
            f"{tensor} of the package {package} has the axis {unknown[0]!r}; supported are "
            "batch, channel, z, y and x."
        )
    letters = "".join(LETTERS[str(name)] for name in names)
    if missing := [word for word, a in (("batch", "N"), ("channel", "C")) if a not in letters]:
        raise ModelError(
            f"{tensor} of the package {package} has no {missing[0]} axis, which image models need."
        )
    return letters


def _tensor(tensor: Any, image: Any, package: str) -> TensorClaims:  # noqa: ANN401 - of bioimageio.spec
    """Return what format 0.5 says of a tensor; `image`: the input that sizes refer to."""
    name = _name(tensor)
    letters = _letters([axis.id for axis in tensor.axes], name, package)
    axes = dict(zip(letters, tensor.axes, strict=True))
    spatial = [axes[letter] for letter in "ZYX" if letter in axes]
    data = tensor.data[0] if isinstance(tensor.data, Sequence) else tensor.data
    low, high = getattr(data, "range", (None, None))
    references = {str(axis.id): axis for axis in image.axes}
    ratios = [_output_size(axis, references) for axis in spatial] if tensor is not image else []
    raw = tensor.preprocessing if tensor is image else tensor.postprocessing
    return TensorClaims(
        name=name,
        axes=letters,
        dtype=str(data.type),
        low=low,
        high=high,
        classes=bool(getattr(data, "values", ())),
        channels=int(axes["C"].size) if "C" in axes else None,
        size=tuple(_size_rule(axis.size, references) for axis in spatial),
        scale=tuple(scale for scale, _ in ratios),
        lost=tuple(lost for _, lost in ratios),
        halo=max((int(getattr(axis, "halo", 0)) for axis in spatial), default=0),
        steps=read_steps(raw, letters=letters, image=_name(image), package=package),
    )


def _size_rule(size: Any, references: Mapping[str, Any]) -> SizeRule | None:  # noqa: ANN401 - of bioimageio.spec
    """Return the lengths that format 0.5 allows along an axis."""
    if isinstance(size, int):
        return SizeRule(fixed=size)
    if hasattr(size, "step"):
        return SizeRule(int(size.min), int(size.step))
    if hasattr(size, "axis_id") and not size.offset:
        other = references[str(size.axis_id)].size
        return None if hasattr(other, "axis_id") else _size_rule(other, references)
    return None


def _output_size(
    axis: Any,  # noqa: ANN401 - of bioimageio.spec
    references: Mapping[str, Any],
) -> tuple[float | None, float | None]:
    """Return an output axis' scale and loss; None where it has a length of its own."""
    size = axis.size
    if not hasattr(size, "axis_id") or str(size.axis_id) not in references:
        return None, None
    scale = float(references[str(size.axis_id)].scale) / float(axis.scale)
    return scale, -size.offset / scale


def _old_tensor(tensor: Any, image: Any, package: str) -> TensorClaims:  # noqa: ANN401 - of bioimageio.spec
    """Return what format 0.4 says of a tensor."""
    name = _name(tensor)
    letters = _letters(tensor.axes, name, package)
    order = [letters.index(letter) for letter in "ZYX" if letter in letters]
    shape = tensor.shape
    low, high = tensor.data_range or (None, None)
    scale: tuple[float | None, ...] = ()
    lost: tuple[float | None, ...] = ()
    size: tuple[SizeRule | None, ...] = ()
    channels = None
    if hasattr(shape, "offset"):
        scale = tuple(shape.scale[i] and float(shape.scale[i]) for i in order)
        ends = zip([shape.offset[i] for i in order], scale, strict=True)
        lost = tuple(s and -2 * float(offset) / s for offset, s in ends)
    else:
        least = list(getattr(shape, "min", shape))
        step = list(getattr(shape, "step", [0] * len(least)))
        rules = [
            SizeRule(m, s) if s else SizeRule(fixed=m) for m, s in zip(least, step, strict=True)
        ]
        size = tuple(rules[i] for i in order)
        channels = least[letters.index("C")] if "C" in letters else None
    halo = getattr(tensor, "halo", None) or [0] * len(letters)
    # Format 0.4 hands every network float32; no step says so.
    first = (steps.EnsureDtype("float32"),) if tensor is image else ()
    raw = tensor.preprocessing if tensor is image else tensor.postprocessing
    return TensorClaims(
        name=name,
        axes=letters,
        dtype=str(tensor.data_type),
        low=low,
        high=high,
        channels=channels,
        size=size,
        scale=scale,
        lost=lost,
        halo=max(int(halo[i]) for i in order),
        steps=(*first, *read_steps(raw, letters=letters, image=_name(image), package=package)),
    )
