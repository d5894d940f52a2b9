"""Reversible intensity and colour maps, fitted once per run.

A lane is what the network sees of one plane at a time: a `Palette` picks the image's
channels and turns them into base channels (one grey, or several), an `IntensityMap`
per base channel takes them to the network's range and back.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Final, Literal, Self

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.engine.luma import luma
from napari_microenhance.engine.options import Options
from napari_microenhance.engine.source import Source
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.engine.steps.fitting import in_input_units
from napari_microenhance.errors import ModelError

__all__ = [
    "PERCENTILES",
    "IntensityMap",
    "Palette",
    "fit",
    "palettes",
    "rounding_cautions",
    "to_dtype",
]

FloatArray = npt.NDArray[np.float32]

SAMPLE = 1 << 16
"""Pixels that tell about where a percentile lies."""

EXACT = 1 << 20
"""Image values up to here keep at least 4 bits behind the point in float32."""

FLOAT32_WHOLE: Final = 2**24
"""Up to here float32 holds every whole number."""

PERCENTILES: Final = (0.1, 99.9)
"""Of an image's values: what counts as its black and its white."""

UNCHANGED = ("none", "package")
"""Sources of maps that leave values as they are."""


@dataclasses.dataclass(frozen=True)
class IntensityMap:
    """A straight line from image values to the network's range.

    Parameters
    ----------
    low, high : float
        Image values that meet the ends of the network's range.
    net_low, net_high : float
        The range of the network's input.
    out_low, out_high : float
        The range of its output.
    back_low, back_high : float
        Image values that the ends of the output's range come back to; other than
        `low` and `high` only for a network with ``units: relative``.
    source : str
        The rule that gave the numbers.
    """

    low: float
    high: float
    net_low: float
    net_high: float
    out_low: float
    out_high: float
    back_low: float
    back_high: float
    source: str

    @property
    def gain(self) -> float:
        """Steps of the network's input per grey level of the image."""
        if self.source in UNCHANGED:
            return 1.0
        return (self.net_high - self.net_low) / (self.high - self.low)

    def forward(self, values: npt.NDArray[Any]) -> FloatArray:
        """Return values in the network's range, float32; nothing is clipped."""
        if self.source in UNCHANGED:
            return values.astype(np.float32)
        gain = self.gain
        # 32-bit integers do not fit a float32: take the offset off in float64 first.
        fits = values.dtype.itemsize <= 2 or values.dtype == np.float32
        out = values.astype(np.float32 if fits else np.float64)
        np.subtract(out, out.dtype.type(self.low), out=out)
        np.multiply(out, out.dtype.type(gain), out=out)
        np.add(out, out.dtype.type(self.net_low), out=out)
        return out.astype(np.float32, copy=False)

    def backward(self, values: FloatArray) -> npt.NDArray[Any]:
        """Return image values of the network's output, neither rounded nor clipped.

        float32, or float64 where the image's values need more than its 24 bits.
        """
        if self.source in UNCHANGED:
            return values
        gain = (self.back_high - self.back_low) / (self.out_high - self.out_low)
        offset = self.back_low - self.out_low * gain
        if max(abs(self.back_low), abs(self.back_high)) > EXACT:
            return np.asarray(values.astype(np.float64) * gain + offset)
        return np.asarray(values * np.float32(gain) + np.float32(offset))

    def limits(self, dtype: np.dtype[Any]) -> tuple[float, float] | None:
        """Return the network's output at the ends of a whole-number type; None for floats."""
        if dtype.kind not in "ui":
            return None
        info = np.iinfo(dtype)
        if self.source in UNCHANGED:
            return float(info.min), float(info.max)
        gain = (self.back_high - self.back_low) / (self.out_high - self.out_low)
        offset = self.back_low - self.out_low * gain
        return (info.min - offset) / gain, (info.max - offset) / gain

    def white(self, dtype: np.dtype[Any]) -> float:
        """Return what is white in an image of this type: its maximum, for floats the high."""
        return float(np.iinfo(dtype).max) if dtype.kind in "ui" else self.high

    def black(self, dtype: np.dtype[Any]) -> float:
        """Return what is black in an image of this type: zero, for floats the low."""
        return 0.0 if dtype.kind in "ui" else self.low


@dataclasses.dataclass(frozen=True)
class Palette:
    """How image channels meet the network's channels.

    Parameters
    ----------
    channels : tuple of int
        Image channels that are read, and written where `kind` is not "grey".
    kind : {"direct", "reduced", "luminance", "grey"}
        "direct": the channels are the base. "reduced": so they are, and the result is one
        grey channel. "luminance": their Rec.601 grey is, and the
        change in grey is added to each channel, which keeps the chroma. "grey": the
        Rec.601 grey is the base and the result.
    repeat : int
        A base of one channel is shown to the network so often; its outputs are made
        grey again.
    extra : tuple of float
        What further channels of the network hold: grey levels of the image, once fitted
        values of the network's input.
    gain, offset : float
        What takes an image value to where a network that changes nothing leaves it; other
        than 1 and 0 only for a network with ``units: relative``.
    """

    channels: tuple[int, ...]
    kind: Literal["direct", "luminance", "grey", "reduced"]
    repeat: int = 1
    extra: tuple[float, ...] = ()
    gain: float = 1.0
    offset: float = 0.0

    def fitted(self, maps: Sequence[IntensityMap]) -> Self:
        """Return the palette for a run whose base channels are mapped so."""
        found = self
        if self.extra:
            # A noise level is a difference of grey levels: it is spread, never shifted.
            spread = sum(line.gain for line in maps) / len(maps)
            found = dataclasses.replace(found, extra=tuple(e * spread for e in self.extra))
        if self.kind != "luminance" or maps[0].source in UNCHANGED:
            return found
        line = maps[0]
        gain = (line.back_high - line.back_low) / (line.high - line.low)
        return dataclasses.replace(found, gain=gain, offset=line.back_low - gain * line.low)

    def base(self, raw: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the base channels, shape (B, ...), in image units."""
        if self.kind in ("direct", "reduced"):
            return raw
        grey = luma(raw)[None]
        # A grey image of whole numbers is one: the luma is rounded as any converter does.
        whole = self.kind == "grey" and raw.dtype.kind in "ui"
        return to_dtype(grey, raw.dtype)[0] if whole else grey.astype(np.float32)

    def expand(self, base: FloatArray) -> FloatArray:
        """Return what the network reads, shape (C, Y, X)."""
        seen = np.repeat(base, self.repeat, axis=0) if self.repeat > 1 else base
        if not self.extra:
            return seen
        return np.concatenate([seen, *(np.full_like(seen[:1], value) for value in self.extra)])

    @property
    def makes_grey(self) -> bool:
        """Whether the result of a colour image has one channel."""
        return self.kind in ("grey", "reduced")

    def collapse(self, output: FloatArray) -> FloatArray:
        """Return base channels from what the network gave, shape (B, Y, X)."""
        if self.repeat == 1 or len(output) == 1:
            return output
        return luma(output)[None]

    def merge(self, raw: npt.NDArray[Any], new: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the enhanced channels from the raw ones and the enhanced base, image units."""
        if self.kind != "luminance":
            return new
        base = self.base(raw)
        if (self.gain, self.offset) != (1.0, 0.0):
            # Where grey is stretched, chroma is by as much: colours would pale otherwise.
            gain, offset = np.float32(self.gain), np.float32(self.offset)
            raw, base = raw * gain + offset, base * gain + offset
        return np.asarray(raw + (new - base))


def palettes(source: Source, spec: ModelSpec, options: Options) -> tuple[Palette, ...]:
    """Decide how the channels of an image meet those of a network.

    Parameters
    ----------
    source : Source
    spec : ModelSpec
    options : Options
        `colour` and `extra_channel` are used.

    Returns
    -------
    tuple of Palette
        The channels of each run on their own.

    Raises
    ------
    ModelError
        If the choice does not fit the network.
    """
    extra = _extra(spec, options)
    found = _palettes(source, spec, options.colour)
    return tuple(dataclasses.replace(palette, extra=extra) for palette in found)


def _extra(spec: ModelSpec, options: Options) -> tuple[float, ...]:
    """Return what fills the network's further channels."""
    if not spec.extra_channels:
        return ()
    if options.extra_channel == "auto":
        image = spec.channels_in - spec.extra_channels
        raise ModelError(
            f"The model {spec.name} takes {spec.channels_in} channels: {image} of the image "
            f"and {'one' if spec.extra_channels == 1 else spec.extra_channels} more, such as "
            "a noise map; set extra_channel (--extra-channel NUMBER), for a noise map to the "
            "noise in grey levels, such as 25."
        )
    return (float(options.extra_channel),) * spec.extra_channels


def _palettes(source: Source, spec: ModelSpec, colour: str) -> tuple[Palette, ...]:
    """Return what `palettes` does, but for the further channel."""
    wants, has = spec.channels_in - spec.extra_channels, source.channels
    repeat = wants if wants == 3 else 1
    if not source.is_colour:
        if has == wants > 1:
            if spec.channels_out != wants:
                raise ModelError(
                    f"The model {spec.name} turns {wants} channels into {spec.channels_out}, "
                    f"so its result cannot replace the {has} of the "
                    f"image{'; use an RGB image' if wants == 3 else ''}."
                )
            return (Palette(tuple(range(has)), "direct"),)
        if wants not in (1, 3):
            raise ModelError(
                f"The model {spec.name} takes {wants} channels, but the image has {has}."
            )
        return tuple(Palette((c,), "direct", repeat) for c in range(has))
    if wants not in (1, 3):
        raise ModelError(f"The model {spec.name} takes {wants} channels, but the image is RGB.")
    rule = _automatic(spec) if colour == "auto" else colour
    if spec.task == "labels" and rule != "joint":
        rule = "grey"
    if rule == "joint":
        if wants != 3:
            raise ModelError(
                f"colour=joint needs a model with 3 channels; {spec.name} takes {wants}, so "
                "use luminance or per-channel."
            )
        return (Palette((0, 1, 2), "reduced" if spec.channels_out == 1 else "direct"),)
    if rule == "per-channel":
        return tuple(Palette((c,), "direct", repeat) for c in range(3))
    return (Palette((0, 1, 2), "grey" if rule == "grey" else "luminance", repeat),)


def _automatic(spec: ModelSpec) -> str:
    """Return how a network meets a colour image where nobody says."""
    if spec.channels_in - spec.extra_channels == 3:
        return "joint"
    # The change in grey can be added to colours only if it is in their units.
    same = in_input_units(spec.preprocessing, spec.postprocessing)
    return "luminance" if same else "per-channel"


def fit(
    source: Source, palette: Palette, spec: ModelSpec, options: Options
) -> tuple[IntensityMap, ...]:
    """Fit one intensity map per base channel on the whole image or stack.

    Parameters
    ----------
    source : Source
    palette : Palette
    spec : ModelSpec
    options : Options
        `intensity`, `value_range` and `output_range` are used.

    Returns
    -------
    tuple of IntensityMap
        One per base channel. A constant image gets a range of one. Where the network has
        steps of its own, the maps change nothing; they tell the image's own range. What a
        network with ``units: relative`` gives comes back to the range of the image's number
        type, in a float image to the range that was fitted.
    """
    net = spec.value_range if options.value_range == "auto" else options.value_range
    out = spec.output_for(net) if options.output_range == "auto" else options.output_range
    rule = options.intensity
    if rule == "auto":
        rule = spec.intensity or ("dtype" if source.dtype == np.uint8 else "percentile")
    if spec.preprocessing:
        rule = "package"
    bases = len(palette.channels) if palette.kind in ("direct", "reduced") else 1
    if rule == "none":
        lows, highs = [net[0]] * bases, [net[1]] * bases
    elif not isinstance(rule, str):
        lows, highs = [rule[0]] * bases, [rule[1]] * bases
        rule = "given"
    elif rule == "dtype" and source.dtype.kind in "ui":
        info = np.iinfo(source.dtype)
        lows, highs = [float(info.min)] * bases, [float(info.max)] * bases
    elif rule == "dtype":
        lows, highs = [0.0] * bases, [1.0] * bases
    else:
        percent = PERCENTILES if rule == "percentile" else (0.0, 100.0)
        pairs = _ends(source, palette, percent)
        lows, highs = [p[0] for p in pairs], [p[1] for p in pairs]
    maps = []
    for low, high in zip(lows, highs, strict=True):
        top = high if high > low else low + 1.0
        back = (low, top)
        if spec.units == "relative" and source.dtype.kind in "ui" and rule != "none":
            info = np.iinfo(source.dtype)
            back = (float(info.min), float(info.max))
        maps.append(IntensityMap(low, top, *net, *out, *back, rule))
    return tuple(maps)


def sample_base(source: Source, palette: Palette) -> npt.NDArray[Any]:
    """Return the base channels of an image's sample, shape (B, N), image units."""
    return np.concatenate([palette.base(b) for b in source.sample(palette.channels)], axis=1)


def _ends(
    source: Source, palette: Palette, percent: tuple[float, float]
) -> tuple[tuple[float, float], ...]:
    """Return two percentiles of each base channel; an image is read once for them."""
    key = (palette.channels, palette.kind, percent)
    if key not in source.known:
        sample = sample_base(source, palette)
        source.known[key] = tuple(percentiles(channel, percent) for channel in sample)
    found: tuple[tuple[float, float], ...] = source.known[key]
    return found


def rounding_cautions(source: Source, spec: ModelSpec, options: Options) -> tuple[Caution, ...]:
    """Say where a network's float32 cannot tell the image's whole numbers apart.

    Parameters
    ----------
    source : Source
        Only whole numbers of more than 16 bits are looked at.
    spec : ModelSpec
    options : Options
        `intensity`, `value_range` and `colour` are used.
    """
    if source.dtype.kind not in "ui" or source.dtype.itemsize <= 2:
        return ()
    span = 0.0
    for palette in palettes(source, spec, options):
        maps = fit(source, palette, spec, options)
        if maps[0].source in UNCHANGED:
            for block in source.sample(palette.channels):
                span = max(span, abs(int(block.min())), abs(int(block.max())))
        else:
            span = max(span, *(line.high - line.low for line in maps))
    step = math.ceil(span / FLOAT32_WHOLE)
    if step <= 1:
        return ()
    said = (
        f"The model computes in float32, which holds {FLOAT32_WHOLE:,} distinct integers, but "
        f"the image's {source.dtype} values span {span:,.0f}: inside the ROI they are rounded "
        f"to about {step:,}; outside they are unchanged."
    )
    return (Caution("rounding", said),)


def percentiles(values: npt.NDArray[Any], percent: Sequence[float]) -> tuple[float, float]:
    """Return two percentiles of the finite values, exactly as numpy.percentile does.

    Sorting all pixels would delay the first tile. A thinned sample says about where the
    two lie, and only the few pixels beyond are sorted.
    """
    flat = values.ravel()
    if flat.dtype.kind == "f":
        flat = flat[np.isfinite(flat)]
    if not flat.size:
        return 0.0, 1.0
    thinned = flat[:: max(1, flat.size // SAMPLE)]
    guess = np.percentile(thinned, [2 * percent[0], 2 * percent[1] - 100])
    ranks = [p / 100 * (flat.size - 1) for p in (percent[0], 100 - percent[1])]
    low = _rank(flat[flat <= guess[0]], ranks[0])
    if low is None:
        low = float(np.percentile(flat, percent[0]))
    high = _rank(-flat[flat >= guess[1]].astype(np.float64), ranks[1])
    return low, float(np.percentile(flat, percent[1])) if high is None else 0.0 - high


def _rank(tail: npt.NDArray[Any], rank: float) -> float | None:
    """Return the value at a fractional rank of a tail; None if the tail is too short."""
    below = int(rank)
    if below + 1 >= tail.size:
        return None
    first, second = np.partition(tail, [below, below + 1])[below : below + 2].astype(np.float64)
    return float(first + (second - first) * (rank - below))


def to_dtype(
    values: npt.NDArray[Any], dtype: np.dtype[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """Round and clip values to a number type.

    Parameters
    ----------
    values : ndarray, float32 or float64
        Image units.
    dtype : dtype

    Returns
    -------
    tuple of ndarray
        The values as `dtype`, and which of them were clipped.
    """
    if dtype.kind == "f":
        return values.astype(dtype), np.zeros(values.shape, bool)
    info = np.iinfo(dtype)
    # float64 holds both ends of every integer type up to 53 bits; float32 does not.
    wide = values if dtype.itemsize <= 2 else values.astype(np.float64)
    rounded = np.rint(wide)
    clipped = (rounded < info.min) | (rounded > info.max)
    top = info.max if dtype.itemsize < 8 else np.nextafter(float(info.max), 0)
    return np.clip(rounded, info.min, top).astype(dtype), clipped
