"""Domain check: whether an image is like those that a network was trained on.

What a network's file says of them, as JSON under ``microenhance.trained_on``, all optional::

    {"images": "simulated fluorescence, 1 to 30 photons",
     "dtypes": ["uint8", "uint16"],
     "noise": [0.01, 0.12],
     "blur": [0.2, 0.5],
     "correlation": [0.0, 0.15],
     "percentiles": {"1": [0.0, 0.1], "50": [0.05, 0.4], "99": [0.5, 1.0]},
     "pixel_size_um": [0.05, 0.5]}

Each pair holds the smallest and the largest value that occurred. Noise and percentiles are
those of the network's input, in parts of its range: 0 is the low end, 1 the high one. Noise is
`metrics.noise`, blur `metrics.blur`, correlation that of the noise of neighbouring pixels,
`noise.NoiseEstimate.lag`.
"""

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.engine.intensity import fit, palettes
from napari_microenhance.engine.options import Options
from napari_microenhance.engine.source import Source
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.errors import ModelError
from napari_microenhance.measure import metrics
from napari_microenhance.measure.seen_noise import grey, is_sure, middle_plane, noise_of

__all__ = ["CAUTION", "KEY", "Look", "TrainedOn", "cautions", "check", "look"]

KEY: Final = "microenhance.trained_on"
"""Of the ONNX metadata."""

CAUTION: Final = "domain"
"""Name of the cautions."""

NOISE_PX: Final = 3

BLUR_PX: Final = 11

FAINT: Final = 0.0075
"""Noise below this part of the range harms nobody, however correlated."""

ALIKE: Final = 0.15
"""How far beyond the highest correlation is not worth a word."""

WHITE: Final = (0.0, 0.1)
"""Correlations found in white noise."""

SIMULATED: Final = "simulated fields"
"""How `images` begins where training simulated them."""

PERCENTS: Final = (1, 50, 99)

SLACK: Final = 0.15
"""How far outside a range, in parts of its length, an image is not worth a word."""

FACTOR: Final = 1.25
"""The same for noise and pixel size, as a factor."""

QUIET: Final = 4.0
"""The same below the least noise: a little less harms no network."""

Range = tuple[float, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedOn:
    """What the images of a network's training had in common.

    Parameters
    ----------
    images : str
        In words, for the sentences.
    dtypes : tuple of str
    noise, blur : tuple of float, or None
        Smallest and largest; noise in parts of the network's range.
    percentiles : dict of int to tuple of float
        Smallest and largest of each, in parts of the network's range.
    correlation : tuple of float, or None
        Smallest and largest, of the noise of neighbouring pixels.
    pixel_size_um : tuple of float, or None
        Smallest and largest, micrometres.
    """

    images: str = ""
    dtypes: tuple[str, ...] = ()
    noise: Range | None = None
    blur: Range | None = None
    percentiles: Mapping[int, Range] = dataclasses.field(default_factory=dict)
    correlation: Range | None = None
    pixel_size_um: Range | None = None

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what a network's metadata says.

        Raises
        ------
        ModelError
            If it is not what this module's head describes.
        """
        try:
            kept = json.loads(text)
            names = ("noise", "blur", "correlation", "pixel_size_um")
            ranges = {name: _range(kept.get(name)) for name in names}
            percentiles = {
                int(name): (float(low), float(high))
                for name, (low, high) in kept.get("percentiles", {}).items()
            }
            dtypes = tuple(str(np.dtype(name)) for name in kept.get("dtypes", ()))
            return cls(
                images=str(kept.get("images", "")),
                dtypes=dtypes,
                percentiles=percentiles,
                **ranges,
            )
        except (AttributeError, TypeError, ValueError, RecursionError) as error:
            raise ModelError(f"The model's {KEY} cannot be read: {error}.") from error

    @property
    def noise_correlation(self) -> Range | None:
        """What `correlation` says; fields that were simulated without a word had white noise."""
        return self.correlation or (WHITE if self.images.startswith(SIMULATED) else None)

    def to_text(self) -> str:
        """Return it as the metadata of a network keeps it."""
        kept = {name: value for name, value in dataclasses.asdict(self).items() if value}
        return json.dumps(kept)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Look:
    """What an image looks like to a network.

    Parameters
    ----------
    dtype : str
    noise : float or None
        In parts of the network's range; None for tiny images.
    blur : float or None
        0 is sharp, 1 is blurred; None for small images.
    percentiles : dict of int to float
        In parts of the network's range.
    pixel_size_um : float or None
        Micrometres.
    correlation : float or None
        Of the noise of neighbouring pixels, along the axis where it is larger; None where it
        was not asked for, or cannot be told.
    """

    dtype: str
    noise: float | None
    blur: float | None
    percentiles: Mapping[int, float]
    pixel_size_um: float | None = None
    correlation: float | None = None


def look(
    source: Source,
    low: float,
    high: float,
    *,
    channels: Sequence[int] = (0,),
    pixel_size_um: float | None = None,
    correlated: bool = False,
) -> Look:
    """Measure what some channels of an image look like to a network.

    Parameters
    ----------
    source : Source
        Of a stack the middle plane counts for noise and blur.
    low, high : float
        Image values that meet the ends of the network's range.
    channels : sequence of int
        Those that the network sees at once; several count as their Rec.601 grey.
    pixel_size_um : float, optional
        Micrometres.
    correlated : bool
        Measure how alike the noise of neighbouring pixels is, which takes half a second.

    Returns
    -------
    Look
    """
    span = high - low
    picture = middle_plane(source, channels)
    values = grey(source.look(channels))
    values = values[np.isfinite(values)]
    shares = (np.percentile(values, PERCENTS) - low) / span if values.size else ()
    edge = min(picture.shape)
    return Look(
        dtype=str(source.dtype),
        noise=metrics.noise(picture) / span if edge >= NOISE_PX else None,
        blur=metrics.blur(picture) if edge >= BLUR_PX else None,
        percentiles={p: float(v) for p, v in zip(PERCENTS, shares, strict=False)},
        pixel_size_um=pixel_size_um,
        correlation=_correlation(picture, span) if correlated else None,
    )


def check(
    source: Source,
    spec: ModelSpec,
    options: Options,
    trained: TrainedOn,
    *,
    name: str,
    pixel_size_um: float | None = None,
) -> tuple[Caution, ...]:
    """Return in what an image, as a run would show it to a network, is unlike its training.

    Parameters
    ----------
    source : Source
    spec : ModelSpec
    options : Options
        `intensity`, `value_range` and `colour` are used.
    trained : TrainedOn
    name : str
        Of the network.
    pixel_size_um : float, optional
        Micrometres.

    Returns
    -------
    tuple of Caution
        A sentence each, of each group of channels that runs apart.
    """
    found: list[Caution] = []
    lanes = palettes(source, spec, options)
    for palette in lanes:
        line = fit(source, palette, spec, options)[0]
        seen = look(
            source,
            line.low,
            line.high,
            channels=palette.channels,
            pixel_size_um=pixel_size_um,
            correlated=trained.noise_correlation is not None,
        )
        where = f"Channel {palette.channels[0]}: " * (len(lanes) > 1)
        found += [Caution(CAUTION, where + text) for text in cautions(seen, trained, name)]
    return tuple(found)


def cautions(seen: Look, trained: TrainedOn, name: str) -> tuple[str, ...]:
    """Return a sentence for everything in which an image is unlike those of the training.

    Parameters
    ----------
    seen : Look
    trained : TrainedOn
    name : str
        Of the network.

    Returns
    -------
    tuple of str
        Empty where nothing stands out, or nothing is known.
    """
    found = tuple(_differences(seen, trained))
    if not found:
        return ()
    what = f" ({trained.images})" if trained.images else ""
    return tuple(
        f"{sentence} than the training data of {name}{what}: {say}." for sentence, say in found
    )


def _differences(seen: Look, trained: TrainedOn) -> Iterator[tuple[str, str]]:
    """Yield what stands out, and the numbers that say so."""
    if trained.dtypes and seen.dtype not in trained.dtypes:
        yield "The image has a different data type", f"{seen.dtype}, not {_words(trained.dtypes)}"
    if side := _beyond(seen.noise, trained.noise, below=QUIET):
        word = "The image is noisier" if side > 0 else "The image is less noisy"
        yield word, f"noise {seen.noise:.1%} of the range, {_span(trained.noise, '.1%')} there"
    limits = trained.noise_correlation
    most = limits[1] if limits else math.inf
    if seen.correlation is not None and seen.correlation > most + ALIKE:
        yield (
            "The noise is more correlated between neighbouring pixels",
            f"correlation {seen.correlation:.2f}, {_span(limits, '.2f')} there",
        )
    if side := _outside(seen.blur, trained.blur):
        word = "The image is more blurred" if side > 0 else "The image is sharper"
        yield word, f"blur {seen.blur:.2f}, {_span(trained.blur, '.2f')} there"
    for percent, limits in trained.percentiles.items():
        value = seen.percentiles.get(percent)
        if side := _outside(value, limits):
            word = "The image is brighter" if side > 0 else "The image is darker"
            yield (
                word,
                f"its percentile {percent} lies at {value:.0%} of the range, "
                f"{_span(limits, '.0%')} there",
            )
            break  # one sentence on brightness is enough
    if side := _beyond(seen.pixel_size_um, trained.pixel_size_um):
        word = "The pixels are larger" if side > 0 else "The pixels are smaller"
        there = _span(trained.pixel_size_um, ".3g")
        yield word, f"{seen.pixel_size_um:.3g} \u00b5m, {there} \u00b5m there"


def _correlation(picture: npt.NDArray[np.float64], span: float) -> float | None:
    """Return how alike the noise of neighbouring pixels is, where that can be told."""
    found = noise_of(picture) if np.isfinite(picture).all() else None
    if found is None or not is_sure(found) or found.sigma < FAINT * abs(span):
        return None
    return max(found.lag)


def _range(value: Sequence[float] | None) -> Range | None:
    """Return two ascending finite numbers, or None where there are none."""
    if value is None:
        return None
    low, high = (float(number) for number in value)
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"{list(value)} is not a range")
    return low, high


def _outside(value: float | None, limits: Range | None) -> int:
    """Return -1 below a range, 1 above it, 0 inside, about, or where nothing is known."""
    if value is None or limits is None:
        return 0
    low, high = limits
    slack = SLACK * (high - low)
    return int(value > high + slack) - int(value < low - slack)


def _beyond(value: float | None, limits: Range | None, below: float = FACTOR) -> int:
    """Do the same for what is told apart by factors."""
    if value is None or limits is None:
        return 0
    low, high = limits
    return int(value > high * FACTOR) - int(value < low / below)


def _span(limits: Range | None, form: str) -> str:
    """Return a range in words."""
    low, high = limits or (0.0, 0.0)
    return f"{low:{form}} to {high:{form}}"


def _words(names: Sequence[str]) -> str:
    """Return names as a list of alternatives."""
    return " or ".join(names)
