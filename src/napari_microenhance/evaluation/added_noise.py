"""Clean images with noise added: white as in the published tables, and correlated.

The correlated noise is a recursive filter's, so that k px apart its correlation is the k-th power
of that between neighbours. The simulator that models learn from has no such filter.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from scipy.signal import lfilter

from napari_microenhance.errors import FileMissingError
from napari_microenhance.evaluation.clean_pictures import SEED, planes_of
from napari_microenhance.evaluation.real_pairs import RealPair, image_files
from napari_microenhance.images.image_formats import read_image
from napari_microenhance.types import AnyArray, Float64Array

__all__ = ["CORRELATIONS", "PUBLISHED", "WHITE", "correlated_noise", "noisy_pairs", "published"]

WHITE: Final = (15, 25, 50)
"""Standard deviations of white noise out of 255; not limited, as in the published tables."""

CORRELATIONS: Final = (0.3, 0.6, 0.8)
"""Of neighbours, along either axis."""

_STRENGTH: Final = 13
"""Of correlated noise, out of 255: 5 % of the range, as in wide-field frames."""

_RUN_IN: Final = 64
"""Pixels after which a recursive filter has forgotten how it began."""

PUBLISHED: Final[Mapping[str, Mapping[str, tuple[float, float, float]]]] = {
    "BSD68": {
        "BM3D (told the noise)": (31.08, 28.57, 25.60),
        "DnCNN-B (blind)": (31.61, 29.16, 26.23),
        "DRUNet (told the noise)": (31.91, 29.48, 26.59),
    },
    "Set12": {
        "BM3D (told the noise)": (32.37, 29.97, 26.72),
        "DnCNN-S (told the noise)": (32.86, 30.44, 27.18),
    },
}
"""PSNR at `WHITE`, dB, by the name of the set's folder.

References
----------
.. [1] K. Zhang et al., "Beyond a Gaussian denoiser: residual learning of deep CNN for image
   denoising", IEEE Trans. Image Process. 26(7), 2017. https://doi.org/10.1109/TIP.2017.2662206
.. [2] K. Zhang et al., "Plug-and-play image restoration with deep denoiser prior", IEEE TPAMI
   44(10), 2022. https://doi.org/10.1109/TPAMI.2021.3088914
"""


def noisy_pairs(folder: Path) -> list[RealPair]:
    """Read clean images, and add noise to each.

    Parameters
    ----------
    folder : Path
        Of 8-bit images; those of other number types are mapped to 0 to 255 by their ends.

    Returns
    -------
    list of RealPair
        Of every channel of every image six: groups "white 15" and so on are float32, "correlated
        0.3" and so on whole numbers, as a camera gives them.

    Raises
    ------
    FileMissingError
        If there is no image.
    ImageError
        If an image cannot be read.
    """
    found = []
    for number, path in enumerate(image_files(folder)):
        image = read_image(path)
        for name, plane in planes_of(path.stem, image.pixels, image.axes):
            found += list(_exposures(name, _eight_bits(plane), number))
    if not found:
        raise FileMissingError(f"There is no image in {folder}.")
    # By group, so that a table's rows have the order of the strengths.
    return sorted(found, key=lambda pair: _GROUPS.index(pair.group))


_GROUPS: Final = (
    *(f"white {sigma}" for sigma in WHITE),
    *(f"correlated {lag}" for lag in CORRELATIONS),
)


def _exposures(name: str, truth: AnyArray, number: int) -> Iterator[RealPair]:
    """Yield an image with noise of every kind, from random numbers of its own."""
    rng = np.random.default_rng([SEED, number])
    for sigma in WHITE:
        taken = truth + rng.normal(0, sigma, truth.shape)
        yield RealPair(name, f"white {sigma}", taken.astype(np.float32), truth)
    for lag in CORRELATIONS:
        taken = truth + _STRENGTH * correlated_noise(truth.shape, lag, rng)
        limited = np.clip(np.rint(taken), 0, 255).astype(np.uint8)
        yield RealPair(name, f"correlated {lag}", limited, truth)


def correlated_noise(shape: tuple[int, ...], lag: float, rng: np.random.Generator) -> Float64Array:
    """Return normal noise of standard deviation 1 that is alike in neighbours.

    Parameters
    ----------
    shape : tuple of int
        (Y, X), px.
    lag : float
        Correlation of neighbours, 0 to below 1.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (Y, X), float64
    """
    noise = rng.standard_normal([n + _RUN_IN for n in shape])
    for axis in range(noise.ndim):
        noise = lfilter([np.sqrt(1 - lag**2)], [1, -lag], noise, axis=axis)
    return np.asarray(noise[_RUN_IN:, _RUN_IN:], np.float64)


def published(folder: Path) -> str:
    """Return the published figures of a known set, as Markdown; empty for other folders.

    Parameters
    ----------
    folder : Path
    """
    rows = PUBLISHED.get(folder.resolve().name, {})
    if not rows:
        return ""
    ends = " | ".join(f"white {sigma}" for sigma in WHITE)
    lines = [f"| published, PSNR | {ends} |", f"| --- |{' ---: |' * len(WHITE)}"]
    lines += [f"| {name} | {' | '.join(f'{v:.2f}' for v in row)} |" for name, row in rows.items()]
    return "\n".join(lines)


def _eight_bits(plane: AnyArray) -> AnyArray:
    """Return a plane from 0 to 255."""
    if plane.dtype == np.uint8:
        return plane
    low, high = float(plane.min()), float(plane.max())
    scaled = (plane.astype(np.float64) - low) * (255 / max(high - low, 1e-12))
    return np.rint(scaled).astype(np.uint8)
