"""Cameras drawn at random: what a denoiser shall know of real noise."""

import dataclasses
from typing import Final

import numpy as np

from napari_microenhance.simulation.camera_noise import CameraNoise, Correlation

__all__ = ["Shot", "draw_shot"]

_CORRELATED: Final = 0.8
"""Share of cameras whose noise is alike in neighbours; white noise alone is drawn elsewhere."""
_EIGHT_BITS: Final = 0.7


@dataclasses.dataclass(frozen=True)
class Shot:
    """A camera, and how brightly it sees a specimen.

    Parameters
    ----------
    noise : CameraNoise
    offset, peak : float
        What black and white of the specimen are, in parts of the camera's range.
    stretched : bool
        The image is mapped to its own percentiles before it is denoised.
    """

    noise: CameraNoise
    offset: float
    peak: float
    stretched: bool


def draw_shot(rng: np.random.Generator) -> Shot:
    """Draw a camera and an exposure.

    Parameters
    ----------
    rng : numpy.random.Generator
        Everything random comes from it.

    Returns
    -------
    Shot
        White of the specimen at 6 to 100 % of the range, noise of 1 to 30 % of that.
    """
    peak = _log_uniform(rng, 0.06, 0.9) if rng.random() < 0.6 else 1.0
    offset = float(rng.uniform(0, 0.1)) if rng.random() < 0.5 else 0.0
    peak = min(peak, 1 - offset)
    # Of a pixel half as bright as white; shot noise has a part of the variance.
    sigma = peak * _log_uniform(rng, 0.01, 0.3)
    shot = float(rng.random()) if rng.random() < 0.8 else 0.0
    photons = (offset + peak / 2) / (shot * sigma**2) if shot else 0.0
    patterned = rng.random() < 0.25
    bits = 8 if rng.random() < _EIGHT_BITS else 0
    noise = CameraNoise(
        photons=photons,
        read=float(np.sqrt(1 - shot)) * sigma,
        correlation=_correlation(rng) if rng.random() < _CORRELATED else None,
        filters_signal=bool(rng.random() < 0.35),
        rows=float(rng.uniform(0, 0.3)) * sigma if patterned else 0.0,
        columns=float(rng.uniform(0, 0.3)) * sigma if patterned else 0.0,
        hot=_log_uniform(rng, 1e-5, 1e-3) if rng.random() < 0.1 else 0.0,
        bits=bits,
        jpeg=int(rng.integers(75, 96)) if bits and rng.random() < 0.1 else 0,
    )
    return Shot(noise, offset, peak, stretched=bool(rng.random() < 0.3))


def _correlation(rng: np.random.Generator) -> Correlation:
    """Draw how neighbours came to be alike: lag-1 from about 0.05 to 0.85."""
    kind = rng.choice(6, p=(0.5, 0.1, 0.1, 0.1, 0.15, 0.05))
    if kind == 0:
        falloff = 2.0 if rng.random() < 0.3 else _log_uniform(rng, 0.7, 12)
        return Correlation("smoothing", _log_uniform(rng, 0.35, 2.2), falloff)
    if kind == 1:
        return Correlation("shift", float(rng.uniform(0.1, 0.5)))
    if kind == 2:
        return Correlation("mosaic")
    if kind == 3:
        return Correlation("checkered")
    if kind == 4:
        return Correlation("resize", float(rng.uniform(1.15, 2.5)))
    return Correlation("line", float(rng.uniform(0.4, 1.5)))


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a number whose logarithm is spread evenly."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
