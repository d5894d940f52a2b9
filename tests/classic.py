"""The filter of `detail-classic`, written once more with NumPy and SciPy, whole images only.

Nothing here reads the network or the script that builds it: the numbers are
those of the network's card.
"""

import itertools

import numpy as np
import numpy.typing as npt
from scipy import ndimage

RADIUS = 40
Image = npt.NDArray[np.float64]

_STEPS = ((3, 5, 0.6, 0.5), (5, 7, 0.9, 0.6), (13, 13, 0.6, 0.8))


def enhance_classic(image: npt.ArrayLike) -> Image:
    """Filter one (Y, X) image in double precision."""
    x = np.asarray(image, np.float64)
    limited = np.clip(x, -1, 2)
    scales = [limited]
    for window, *_ in _STEPS:
        scales.append(mean(mean(scales[-1], window), window))
    base = np.clip(scales[-1], 0, 1)
    light = mean(mean(limited, 17), 65)
    gain = _gain(base, light)
    # How much brighter the surroundings become when their odds are multiplied.
    lift = np.maximum(1, gain / (gain * base + 1 - base))
    sigma = noise(limited)
    change = np.zeros_like(x)
    for k, ((_, window, boost, keep), share) in enumerate(zip(_STEPS, _shares(), strict=True)):
        detail = scales[k] - scales[k + 1]
        power = mean(detail**2, window)
        threshold = (2 * share * sigma) ** 2 + 0.004**2
        shown = 1 / (1 + (threshold / np.maximum(power, 1e-30)) ** 2)
        change += detail * (shown * (1 + boost) + (1 - shown) * keep / lift - 1)
    inside = np.clip(x, 0, 1)
    most = 0.02 + 0.35 * np.where(change > 0, 1 - inside, inside)
    sharp = x + change / (1 + np.abs(change) / most)
    level = np.maximum(np.clip(sharp, 0, 1), base)
    return sharp * gain / (1 + (gain - 1) * level)


def mean(image: Image, window: int) -> Image:
    """Average over window x window pixels, leaving out those beyond the border."""
    weights = np.ones_like(image)
    for axis in (0, 1):
        total = ndimage.uniform_filter1d(image, window, axis=axis, mode="constant")
        image = total / ndimage.uniform_filter1d(weights, window, axis=axis, mode="constant")
    return image


def noise(image: Image) -> Image:
    """Estimate the standard deviation of the noise around each pixel."""
    for axis in (0, 1):
        padded = np.pad(image, [(1, 1) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        before, after = (np.take(padded, k, axis) for k in _neighbours(image.shape[axis]))
        ones = np.pad(np.ones(image.shape[axis]), 1)
        count = 1 + ones[:-2] + ones[2:]
        count = count[:, None] if axis == 0 else count
        # At the border the one neighbour counts half as much again.
        image = (before + after - 2 * image) * np.where(count == 3, 1.0, 1.5)
    return np.sqrt(np.pi / 2) / 6 * mean(np.abs(image), 13)


def _neighbours(length: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the indices of both neighbours in an axis padded by one."""
    return np.arange(length), np.arange(2, length + 2)


def _gain(base: Image, light: Image) -> Image:
    """Return the factor on the odds, between 0.9 and 2.5."""
    light_inside = np.clip(light, 0.005, 0.995)
    fade = base**2 / (base**2 + 0.06**2) * (1 - np.clip(1.5 * (base - light), 0, 1))
    ratio = 2 * (1 - light_inside) / light_inside
    return np.clip(ratio ** (0.4 * fade), 0.9, 2.5)


def _shares() -> list[float]:
    """Return the deviation of each detail for noise of deviation 1, from an impulse."""
    impulse = np.zeros((129, 129))
    impulse[64, 64] = 1
    scales = [impulse]
    for window, *_ in _STEPS:
        scales.append(mean(mean(scales[-1], window), window))
    return [round(float(np.linalg.norm(a - b)), 4) for a, b in itertools.pairwise(scales)]
