"""Steps: the pre- and postprocessing that a BioImage.IO package prescribes.

A step is a value; one that needs statistics gets them once, from the whole image or
stack, before the first tile. After that every step is a function of a pixel (softmax: of
a pixel's channels), so that no tile can change a result.

References
----------
.. [1] BioImage.IO model description 0.5, pre- and postprocessing,
   https://bioimage-io.github.io/spec-bioimage-io/
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "AnyStep",
    "Binarize",
    "Clip",
    "EnsureDtype",
    "FixedZeroMeanUnitVariance",
    "Numbers",
    "ScaleLinear",
    "ScaleMeanVariance",
    "ScaleRange",
    "Sigmoid",
    "Softmax",
    "Step",
    "ZeroMeanUnitVariance",
]

FloatArray = npt.NDArray[np.float32]

Numbers = tuple[float, ...]
"""One number for all channels, or one per channel."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One processing step."""

    id: str = dataclasses.field(default="", kw_only=True)
    """The specification's word for it."""

    measures: ClassVar[bool] = False
    """Whether it needs statistics of the values that reach it."""

    def measure(self, values: FloatArray, reference: FloatArray) -> dict[str, Numbers]:
        """Return what the step needs to know of the whole image.

        Parameters
        ----------
        values : ndarray, shape (B, ...), float32
            What reaches the step.
        reference : ndarray, shape (B, ...), float32
            The unprocessed input image.
        """
        return {}

    def apply(self, values: FloatArray, known: Mapping[str, Numbers]) -> FloatArray:
        """Return the processed values, shape (B, ...), float32; `known`: from `measure`."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Binarize(Step):
    """One above the threshold, else zero."""

    id: Literal["binarize"] = dataclasses.field(default="binarize", kw_only=True)
    threshold: Numbers = (0.5,)

    def apply(self, values: FloatArray, known: Mapping[str, Numbers]) -> FloatArray:
        """Return zeros and ones."""
        return (values > _spread(self.threshold, values)).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Clip(Step):
    """Values below and above are set to the limits, given as numbers or as percentiles."""

    id: Literal["clip"] = dataclasses.field(default="clip", kw_only=True)
    minimum: float | None = None
    maximum: float | None = None
    min_percentile: float | None = None
    max_percentile: float | None = None
    per_channel: bool = False

    def measure(self, values: FloatArray, reference: FloatArray) -> dict[str, Numbers]:
        """Return the percentiles that are limits."""
        limits = {"minimum": self.min_percentile, "maximum": self.max_percentile}
        return {
            name: _percentile(values, percent, self.per_channel)
            for name, percent in limits.items()
            if percent is not None
        }

    def apply(self, values: FloatArray, known: Mapping[str, Numbers]) -> FloatArray:
        """Return values within the limits."""
        for name, given, limit in (
            ("minimum", self.minimum, np.maximum),
            ("maximum", self.maximum, np.minimum),
        ):
            ends = known.get(name, () if given is None else (given,))
            if ends:
                values = np.asarray(limit(values, _spread(ends, values)), np.float32)
        return values


@dataclasses.dataclass(frozen=True)
class EnsureDtype(Step):
    """A cast: to whole numbers it cuts off the fraction; what does not fit is clipped."""

    id: Literal["ensure_dtype"] = dataclasses.field(default="ensure_dtype", kw_only=True)
    dtype: str = "float32"

    def apply(self, values: FloatArray, known: Mapping[str, Numbers]) -> FloatArray:
        """Return numbers that the type can hold, as float32."""
        dtype = np.dtype(self.dtype)
        if dtype.kind == "b":
            return np.asarray(values != 0, np.float32)
        if dtype.kind not in "ui":
            return values
        info = np.iinfo(dtype)
        return np.clip(np.trunc(values), float(info.min), float(info.max)).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class FixedZeroMeanUnitVariance(Step):
    """``(x - mean) / std`` with given numbers."""

    id: Literal["fixed_zero_mean_unit_variance"] = dataclasses.field(
        default="fixed_zero_mean_unit_variance", kw_only=True
    )
    mean: Numbers = (0.0,)
    std: Numbers = (1.0,)

    def apply(self, values: FloatArray, known: Mapping[str, Numbers]) -> FloatArray:
        """Return the scaled values."""
        out = (values - _spread(self.mean, values)) / _spread(self.std, values)
        return np.asarray(out, np.float32)


@dataclasses.dataclass(frozen=True)
class ScaleLinear(Step):
    """``x * gain + offset``."""

    id: Literal["scale_linear"] = dataclasses.field(default="scale_linear", kw_only=True)
    gain: Numbers = (1.0,)
    offset: Numbers = (0.0,)

    def apply(self, values: FloatArray, known: Mapping[str, Numbers]) -> FloatArray:
        """Return the scaled values."""
        out = values * _spread(self.gain, values) + _spread(self.offset, values)
        return np.asarray(out, np.float32)


@dataclasses.dataclass(frozen=True)
class ScaleMeanVariance(Step):
    """``(x - mean) / (std + eps) * (reference_std + eps) + reference_mean``."""

    id: Literal["scale_mean_variance"] = dataclasses.field(
        default="scale_mean_variance", kw_only=True
    )
    per_channel: bool = False
    eps: float = 1e-6
    measures: ClassVar[bool] = True

    def measure(self, values: FloatArray, reference: FloatArray) -> dict[str, Numbers]:
        """Return mean and standard deviation of the values and of the input image."""
        mean, std = _moments(values, self.per_channel)
        reference_mean, reference_std = _moments(reference, self.per_channel)
        return {
            "mean": mean,
            "std": std,
            "reference_mean": reference_mean,
            "reference_std": reference_std,
        }

    def apply(self, values: FloatArray, known: Mapping[str, Numbers]) -> FloatArray:
        """Return values of the input image's mean and spread."""
        mean, std, reference_mean, reference_std = (
            _spread(known[key], values)
            for key in ("mean", "std", "reference_mean", "reference_std")
        )
        out = (values - mean) / (std + self.eps) * (reference_std + self.eps) + reference_mean
        return np.asarray(out, np.float32)


@dataclasses.dataclass(frozen=True)
class ScaleRange(Step):
    """``(x - low) / (high - low + eps)``, low and high being percentiles.

    `of_input`: the percentiles are those of the unprocessed input image.
    """

    id: Literal["scale_range"] = dataclasses.field(default="scale_range", kw_only=True)
    min_percentile: float = 0.0
    max_percentile: float = 100.0
    per_channel: bool = False
    eps: float = 1e-6
    of_input: bool = False
    measures: ClassVar[bool] = True

    def measure(self, values: FloatArray, reference: FloatArray) -> dict[str, Numbers]:
        """Return the two percentiles."""
        sample = reference if self.of_input else values
        return {
            "low": _percentile(sample, self.min_percentile, self.per_channel),
            "high": _percentile(sample, self.max_percentile, self.per_channel),
        }

    def apply(self, values: FloatArray, known: Mapping[str, Numbers]) -> FloatArray:
        """Return values of which most lie in [0, 1]."""
        low, high = (_spread(known[key], values) for key in ("low", "high"))
        return np.asarray((values - low) / (high - low + self.eps), np.float32)


@dataclasses.dataclass(frozen=True)
class Sigmoid(Step):
    """``1 / (1 + exp(-x))``."""

    id: Literal["sigmoid"] = dataclasses.field(default="sigmoid", kw_only=True)

    def apply(self, values: FloatArray, known: Mapping[str, Numbers]) -> FloatArray:
        """Return values in [0, 1]."""
        # Of the two equal forms the one whose exponential cannot overflow.
        small = np.exp(-np.abs(values))
        return np.asarray(np.where(values >= 0, 1, small) / (1 + small), np.float32)


@dataclasses.dataclass(frozen=True)
class Softmax(Step):
    """``exp(x) / sum(exp(x))`` over the channels."""

    id: Literal["softmax"] = dataclasses.field(default="softmax", kw_only=True)

    def apply(self, values: FloatArray, known: Mapping[str, Numbers]) -> FloatArray:
        """Return values in [0, 1] that add up to one."""
        powers = np.exp(values - values.max(axis=0, keepdims=True))
        return np.asarray(powers / powers.sum(axis=0, keepdims=True), np.float32)


@dataclasses.dataclass(frozen=True)
class ZeroMeanUnitVariance(Step):
    """``(x - mean) / (std + eps)``."""

    id: Literal["zero_mean_unit_variance"] = dataclasses.field(
        default="zero_mean_unit_variance", kw_only=True
    )
    per_channel: bool = False
    eps: float = 1e-6
    measures: ClassVar[bool] = True

    def measure(self, values: FloatArray, reference: FloatArray) -> dict[str, Numbers]:
        """Return mean and standard deviation."""
        mean, std = _moments(values, self.per_channel)
        return {"mean": mean, "std": std}

    def apply(self, values: FloatArray, known: Mapping[str, Numbers]) -> FloatArray:
        """Return the scaled values."""
        mean, std = (_spread(known[key], values) for key in ("mean", "std"))
        return np.asarray((values - mean) / (std + self.eps), np.float32)


AnyStep = (
    Binarize
    | Clip
    | EnsureDtype
    | FixedZeroMeanUnitVariance
    | ScaleLinear
    | ScaleMeanVariance
    | ScaleRange
    | Sigmoid
    | Softmax
    | ZeroMeanUnitVariance
)
"""Told apart by `id`, also where they come back from JSON."""


def _spread(numbers: Numbers, values: FloatArray) -> npt.NDArray[np.float64]:
    """Return numbers, one or one per channel, so that they meet axis 0 of the values.

    float64: an offset of 30000 over a spread of 10 would cost float32 four digits.
    """
    return np.array(numbers, np.float64).reshape(-1, *[1] * (values.ndim - 1))


def _moments(values: FloatArray, per_channel: bool) -> tuple[Numbers, Numbers]:
    """Return mean and standard deviation of each channel, or of all together."""
    groups = values if per_channel else values[None]
    means = tuple(float(group.mean(dtype=np.float64)) for group in groups)
    return means, tuple(float(group.std(dtype=np.float64)) for group in groups)


def _percentile(values: FloatArray, percent: float, per_channel: bool) -> Numbers:
    """Return a percentile of each channel, or of all together, interpolated linearly."""
    groups = values if per_channel else values[None]
    return tuple(float(np.percentile(group, percent)) for group in groups)
