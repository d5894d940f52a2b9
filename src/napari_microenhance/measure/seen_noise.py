"""The noise of an image as a run meets it: group of channels by group, in parts of its range."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.luma import luma
from napari_microenhance.engine.reports.report_sections import NoiseSection
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import ImageError
from napari_microenhance.measure.alignment import middle
from napari_microenhance.measure.autocovariance import LAGS
from napari_microenhance.measure.noise import NoiseEstimate, estimate_noise, noise_in_words

__all__ = ["SeenNoise", "middle_plane", "seen_noise"]

MIDDLE_PX: Final = 512
"""Noise is found in so much of the image's middle."""

_QUIET_SHARE: Final = 0.15
"""Share of an image that must hold noise alone before its correlation is believed."""

_KEPT: Final = 4
"""Estimates that are kept, of the images last asked for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeenNoise:
    """The noise of the channels that a network sees at once.

    Parameters
    ----------
    channels : tuple of int
    estimate : NoiseEstimate
        In the image's units; of several channels that of their Rec.601 grey.
    span : float or None
        Image units that the network's range spans; None where it has none.
    """

    channels: tuple[int, ...]
    estimate: NoiseEstimate
    span: float | None

    @property
    def sure(self) -> bool:
        """Whether it surely is noise, and no fine structure."""
        return is_sure(self.estimate)

    def __str__(self) -> str:
        return noise_in_words(
            self.estimate.sigma, self.span, reach_px=self.estimate.reach_px, sure=self.sure
        )

    def section(self) -> NoiseSection:
        """Return it as a report keeps it."""
        found = self.estimate
        return NoiseSection(
            channels=self.channels,
            sigma=found.sigma,
            span=self.span,
            correlation=found.lag,
            reach_px=found.reach_px,
            sure=self.sure,
            offset=found.offset,
            gain=found.gain,
            read=found.read,
            rows=found.rows,
            columns=found.columns,
            clipped=found.clipped,
            step=found.step,
        )


def seen_noise(
    source: Source, groups: Sequence[Sequence[int]], spans: Sequence[float | None]
) -> tuple[SeenNoise, ...]:
    """Find the noise of an image.

    Parameters
    ----------
    source : Source
        The middle of its middle plane is looked at.
    groups : sequence of sequence of int
        Channels that a network sees at once.
    spans : sequence of float or None
        Image units that the network's range spans, one of each group.

    Returns
    -------
    tuple of SeenNoise
        Of the groups whose noise can be found; none of images below 64 x 64 px.
    """
    found = []
    for channels, span in zip(groups, spans, strict=True):
        estimate = noise_of(middle_plane(source, channels))
        if estimate is not None:
            found.append(SeenNoise(channels=tuple(channels), estimate=estimate, span=span))
    return tuple(found)


def middle_plane(source: Source, channels: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return the middle of the middle plane of some channels.

    Parameters
    ----------
    source : Source
    channels : sequence of int
        Several count as their Rec.601 grey.

    Returns
    -------
    ndarray, shape (Y, X), float64
        512 px high and wide at most, in the image's units.
    """
    *depth, height, width = ((0, n) for n in source.spatial_shape)
    flat = middle((height, width), MIDDLE_PX)
    plane = source.planes[len(source.planes) // 2]
    box = (*((n // 2, n // 2 + 1) for _, n in depth), *flat)
    return grey(source.read(plane, channels, box)).reshape([b - a for a, b in flat])


def is_sure(estimate: NoiseEstimate) -> bool:
    """Tell whether what was found surely is noise.

    Enough of the image held noise alone; and what is alike as far as can be seen, as in a smooth
    image, may be structure.
    """
    return estimate.quiet >= _QUIET_SHARE and estimate.reach_px < LAGS


def noise_of(picture: npt.NDArray[np.float64]) -> NoiseEstimate | None:
    """Return the noise in one plane, (Y, X), or None where it cannot be found.

    The cautions, the dock and the record ask for the same image one after the other, so the
    last estimates are kept.
    """
    return _estimated(picture.shape, picture.tobytes())


@functools.lru_cache(maxsize=_KEPT)
def _estimated(shape: tuple[int, ...], values: bytes) -> NoiseEstimate | None:
    """Return the noise of float64 values in C order."""
    try:
        return estimate_noise(np.frombuffer(values, np.float64).reshape(shape))
    except ImageError:
        return None


def grey(pixels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the Rec.601 grey of three channels, the mean of others, without their axis."""
    if len(pixels) == 3:
        return luma(pixels.astype(np.float64))
    return np.asarray(pixels.mean(axis=0, dtype=np.float64))
