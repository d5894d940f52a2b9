"""The noise of real cameras: signal-dependent, correlated, with patterns, cut off and rounded.

`optics` has the light and an ideal sensor. What reaches a file has gone on from there: colour
filters were interpolated, frames registered or resized, lines filtered by an amplifier, and each
of these leaves noise that is alike in neighbouring pixels. Benchmarks of wide-field frames show a
correlation of 0.6 between neighbours, confocal ones 0.05 to 0.15.

References
----------
.. [1] A. Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image
   raw-data", IEEE Trans. Image Process. 17(10), 2008. https://doi.org/10.1109/TIP.2008.2001399
.. [2] A. Foi, "Clipped noisy images: heteroskedastic modeling and practical denoising", Signal
   Processing 89(12), 2009. https://doi.org/10.1016/j.sigpro.2009.04.035
"""

import dataclasses
import io
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage, special

__all__ = ["CameraNoise", "Correlation", "clipped_mean", "expose"]

FloatImage = npt.NDArray[np.float32]

_BAYER = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 4
_CHECKED = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.float32) / 4

_FINE = 5
"""Points along a pixel's side over which a kernel is averaged."""


@dataclasses.dataclass(frozen=True)
class Correlation:
    """What a camera or a program did to neighbouring pixels.

    Parameters
    ----------
    kind : {"smoothing", "shift", "mosaic", "checkered", "resize", "line"}
        A Gaussian filter; linear interpolation between pixels, as registration does; a colour of
        a Bayer pattern that one pixel in four, or in two, has seen; enlargement; a Gaussian
        filter along x, as an amplifier is one.
    size : float
        Standard deviation of the filters, px; of "shift" the way, 0 to 0.5 px; of "resize" the
        factor, above 1; of the patterns nothing.
    falloff : float
        Of "smoothing", exp(-(r / r0)^falloff): 2 is a Gaussian, 1 has long tails, large ones are
        discs. Standard deviations stay `size` along either axis.
    """

    kind: Literal["smoothing", "shift", "mosaic", "checkered", "resize", "line"]
    size: float = 0.0
    falloff: float = 2.0

    def apply(self, image: FloatImage) -> FloatImage:
        """Return an image, (Y, X), after it; what is flat stays as it is."""
        if self.kind == "smoothing" and self.falloff != 2:
            made = self._spread(image)
        elif self.kind == "smoothing":
            made = ndimage.gaussian_filter(image, self.size, mode="reflect")
        elif self.kind == "line":
            made = ndimage.gaussian_filter1d(image, self.size, axis=1, mode="reflect")
        elif self.kind == "shift":
            kernel = np.array([1 - self.size, self.size], np.float32)
            made = ndimage.correlate1d(image, kernel, axis=0, mode="reflect")
            made = ndimage.correlate1d(made, kernel, axis=1, mode="reflect")
        elif self.kind == "resize":
            made = self._enlarged(image)
        else:
            made = self._interpolated(image)
        return np.asarray(made, np.float32)

    def _spread(self, image: FloatImage) -> npt.NDArray[np.floating]:
        """Return an image after a filter of any falloff."""
        from scipy.signal import fftconvolve  # takes long to import

        kernel = _smoothing(self.size, self.falloff)
        wide = np.pad(image, len(kernel) // 2, mode="symmetric")
        return np.asarray(fftconvolve(wide, kernel, mode="valid"))

    def _enlarged(self, image: FloatImage) -> npt.NDArray[np.floating]:
        """Return the first part of an image, made as large as all of it by cubic interpolation."""
        down, along = (np.arange(length, dtype=np.float32) / self.size for length in image.shape)
        places = np.meshgrid(down, along, indexing="ij")
        return np.asarray(ndimage.map_coordinates(image, places, order=3, mode="reflect"))

    def _interpolated(self, image: FloatImage) -> npt.NDArray[np.floating]:
        """Return what one colour of a Bayer pattern has seen, interpolated."""
        seen = np.zeros_like(image)
        if self.kind == "mosaic":
            seen[::2, ::2] = image[::2, ::2]
            return np.asarray(ndimage.convolve(seen, _BAYER, mode="mirror"))
        seen[::2, ::2], seen[1::2, 1::2] = image[::2, ::2], image[1::2, 1::2]
        return np.asarray(ndimage.convolve(seen, _CHECKED, mode="mirror"))


def _smoothing(size: float, falloff: float) -> FloatImage:
    """Return the kernel exp(-(r / r0)^falloff) of a standard deviation, (N, N), its sum 1."""
    # The variance along an axis is r0^2 / 2 times a ratio of gamma functions.
    ratio = special.gamma(4 / falloff) / special.gamma(2 / falloff)
    unit = size * np.sqrt(2 / ratio)
    edge = int(np.ceil(4 * size * max(1.0, 2 / falloff)))
    # Pixels are means over their area.
    fine = (np.arange(-edge * _FINE - _FINE // 2, edge * _FINE + _FINE // 2 + 1)) / _FINE
    values = np.exp(-((np.hypot(fine[:, None], fine[None]) / unit) ** falloff))
    width = 2 * edge + 1
    kernel = values.reshape(width, _FINE, width, _FINE).mean(axis=(1, 3))
    return np.asarray(kernel / kernel.sum(), np.float32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CameraNoise:
    """What a camera adds to a signal; the default adds nothing.

    Parameters
    ----------
    photons : float
        Photons of a pixel of value 1; 0: no shot noise.
    read : float
        Standard deviation of the read-out, in parts of the range.
    correlation : Correlation or None
        Of the noise. Its strength stays what `photons` and `read` say.
    filters_signal : bool
        The signal went the same way, and is what can be known of it.
    rows, columns : float
        Standard deviation of the offsets of whole rows and columns, in parts of the range.
    hot : float
        Share of pixels that read up to half the range too much.
    bits : int
        Of whole numbers, which end at 0 and 1; 0: floats without an end.
    jpeg : int
        Quality of a JPEG file, 1 to 95; 0: none. Needs 8 bits.
    """

    photons: float = 0.0
    read: float = 0.0
    correlation: Correlation | None = None
    filters_signal: bool = False
    rows: float = 0.0
    columns: float = 0.0
    hot: float = 0.0
    bits: int = 0
    jpeg: int = 0

    def sigma(self, level: npt.NDArray[np.floating]) -> FloatImage:
        """Return the standard deviation of noise, before numbers end, at levels in [0, 1]."""
        shot = np.maximum(level, 0) / self.photons if self.photons else np.zeros_like(level)
        pattern = self.rows**2 + self.columns**2
        return np.sqrt(shot + self.read**2 + pattern).astype(np.float32)


def expose(
    signal: FloatImage, noise: CameraNoise, rng: np.random.Generator
) -> tuple[FloatImage, FloatImage]:
    """Take one exposure of a signal, and say what the mean of very many would show.

    Parameters
    ----------
    signal : ndarray, shape (Y, X), float32
        In parts of the camera's range; not modified.
    noise : CameraNoise
    rng : numpy.random.Generator
        Everything random comes from it.

    Returns
    -------
    taken, mean : ndarray, shape (Y, X), float32
        Where numbers end at black and white, noise cannot go below and above, so that the mean is
        nearer to the middle than the signal is: `clipped_mean`.
    """
    if noise.correlation is not None and noise.filters_signal:
        signal = noise.correlation.apply(signal)
    values = signal + _random(signal, noise, rng)
    if noise.rows:
        values = values + _normal(rng, (signal.shape[0], 1), noise.rows)
    if noise.columns:
        values = values + _normal(rng, (1, signal.shape[1]), noise.columns)
    if noise.hot:
        hot = rng.random(signal.shape, np.float32) < noise.hot
        values = values + hot * rng.uniform(0.1, 0.5, signal.shape).astype(np.float32)
    if not noise.bits:
        return values.astype(np.float32), signal
    steps = np.float32(2**noise.bits - 1)
    values = np.rint(np.clip(values, 0, 1) * steps) / steps
    if noise.jpeg:
        values = _jpeg(values, noise.jpeg)
    return values.astype(np.float32), clipped_mean(signal, noise.sigma(signal))


def clipped_mean(signal: FloatImage, sigma: FloatImage) -> FloatImage:
    """Return the mean of normal noise around a signal, after it was limited to [0, 1].

    Parameters
    ----------
    signal : ndarray, float32
        In parts of the range.
    sigma : ndarray of the same shape, float32
        Standard deviation of the noise.

    Returns
    -------
    ndarray, float32

    References
    ----------
    .. [1] A. Foi, "Clipped noisy images: heteroskedastic modeling and practical denoising",
       Signal Processing 89(12), 2009. https://doi.org/10.1016/j.sigpro.2009.04.035
    """
    spread = np.maximum(sigma, 1e-6).astype(np.float64)
    low, high = -signal / spread, (1 - signal) / spread
    inside = special.ndtr(high) - special.ndtr(low)
    tails = (np.exp(-(low**2) / 2) - np.exp(-(high**2) / 2)) / np.sqrt(2 * np.pi)
    return np.asarray(signal * inside + spread * tails + special.ndtr(-high), np.float32)


def _random(signal: FloatImage, noise: CameraNoise, rng: np.random.Generator) -> FloatImage:
    """Return what varies from pixel to pixel, correlated."""
    found = np.zeros_like(signal)
    if noise.photons:
        light = np.maximum(signal, 0)
        found += rng.poisson(light * noise.photons) / np.float32(noise.photons) - light
    if noise.read:
        found += _normal(rng, signal.shape, noise.read)
    if noise.correlation is None:
        return found
    alike = noise.correlation.apply(found)
    # A filter takes strength away; how much, the field itself says.
    return alike * np.float32(found.std() / max(float(alike.std()), 1e-12))


def _normal(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> FloatImage:
    """Return normal noise."""
    return np.float32(sigma) * rng.standard_normal(shape, dtype=np.float32)


def _jpeg(values: FloatImage, quality: int) -> FloatImage:
    """Return an image in [0, 1] as a JPEG file gives it back."""
    memory = io.BytesIO()
    Image.fromarray(np.rint(values * 255).astype(np.uint8)).save(memory, "JPEG", quality=quality)
    return np.asarray(Image.open(memory), np.float32) / np.float32(255)
