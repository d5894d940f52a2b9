"""The forward model: what a microscope and its camera make of a specimen.

Light goes one way, and so does the code::

    specimen -> point spread function -> illumination -> exposure -> pixels -> photons
             -> read-out noise -> digital numbers

The Poisson-Gaussian camera is that of [1]_: a pixel that expects p photons gives
``(Poisson(p) + Normal(0, read_noise)) / photons``.  The in-focus spot of a lens is the
Airy pattern, for which a Gaussian of 0.21 wavelengths over the numerical aperture is the
usual stand-in [2]_; a defocused one is close to a disc.

References
----------
.. [1] A. Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for
   single-image raw-data", IEEE Trans. Image Process. 17(10), 2008.
   https://doi.org/10.1109/TIP.2008.2001399
.. [2] B. Zhang, J. Zerubia, J.-C. Olivo-Marin, "Gaussian approximations of fluorescence
   microscope point-spread function models", Applied Optics 46(10), 2007.
   https://doi.org/10.1364/AO.46.001819
"""

import dataclasses
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy import ndimage, special

__all__ = ["Degradation", "bin_pixels", "degrade"]

FloatImage = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Degradation:
    """How an image is taken; the default is a perfect microscope.

    Parameters
    ----------
    blur : float
        Size of the spot, px: standard deviation ("gaussian"), radius of the first dark
        ring ("airy") or radius of the disc ("defocus").
    spot : {"gaussian", "airy", "defocus"}
    vignette : float
        Share of the light that is missing in the darkest corner, 0 to 1.
    centre : tuple of float
        (y, x) of the brightest point, in parts of the image.
    tilt : tuple of float
        (y, x) slope of the illumination from edge to edge, in parts of its mean.
    exposure : float
        Factor on the light; above 1, highlights leave the range of the camera.
    stray : float
        Light that does not come from the specimen, such as that of the room or the glass, in
        the specimen's units; unlike an offset it has photon noise.
    offset : float
        Added to every pixel, in parts of the camera's range.
    gamma : float
        Power of the response of a camera that is not linear.
    tint : tuple of float
        Factors on the channels of a colour image; empty: none.
    binning : int
        Pixels of the specimen per camera pixel and axis.
    photons : float
        Photons that a pixel of value 1 collects; 0: no shot noise.
    read_noise : float
        Standard deviation of the read-out, in photons; without `photons`, in parts of the
        range.
    bits : int
        Of the digital numbers, which are limited to the camera's range; 0: floats.
    """

    blur: float = 0.0
    spot: Literal["gaussian", "airy", "defocus"] = "gaussian"
    vignette: float = 0.0
    centre: tuple[float, float] = (0.5, 0.5)
    tilt: tuple[float, float] = (0.0, 0.0)
    exposure: float = 1.0
    stray: float = 0.0
    offset: float = 0.0
    gamma: float = 1.0
    tint: tuple[float, ...] = ()
    binning: int = 1
    photons: float = 0.0
    read_noise: float = 0.0
    bits: int = 0


def degrade(
    image: npt.NDArray[np.floating], degradation: Degradation, rng: np.random.Generator
) -> FloatImage:
    """Take an image of a specimen.

    Parameters
    ----------
    image : ndarray, shape (Y, X) or (Y, X, C)
        The specimen, values in [0, 1]; not modified.
    degradation : Degradation
    rng : numpy.random.Generator
        Of the noise.

    Returns
    -------
    ndarray, shape (Y // binning, X // binning) or with C, float32
        In parts of the camera's range: [0, 1] with `bits`, else also beyond it.
    """
    values = _blurred(image.astype(np.float32), degradation)
    light = np.float32(degradation.exposure) * _illumination(values.shape[:2], degradation)
    values = values * (light if values.ndim == 2 else light[..., None])
    if degradation.tint:
        values = values * np.asarray(degradation.tint, np.float32)
    values = bin_pixels(values, degradation.binning)
    values = values + np.float32(degradation.exposure * degradation.stray)
    values = _noisy(values, degradation, rng) + np.float32(degradation.offset)
    if degradation.gamma != 1:
        values = np.sign(values) * np.abs(values) ** np.float32(degradation.gamma)
    if degradation.bits:
        steps = 2**degradation.bits - 1
        values = np.rint(np.clip(values, 0, 1) * steps) / np.float32(steps)
    return values.astype(np.float32)


def bin_pixels(image: FloatImage, factor: int) -> FloatImage:
    """Average `factor` x `factor` pixels; what does not fill a last one is left out.

    Parameters
    ----------
    image : ndarray, shape (Y, X) or (Y, X, C), float32
    factor : int

    Returns
    -------
    ndarray, float32
    """
    if factor == 1:
        return image
    height, width = (length // factor for length in image.shape[:2])
    whole = image[: height * factor, : width * factor]
    parts = whole.reshape(height, factor, width, factor, *image.shape[2:])
    return np.asarray(parts.mean(axis=(1, 3), dtype=np.float32))


def _blurred(image: FloatImage, degradation: Degradation) -> FloatImage:
    """Return the image through the lens, mirrored at its border."""
    size = degradation.blur
    if size <= 0:
        return image
    if degradation.spot == "gaussian":
        sigma = (size, size, 0)[: image.ndim]
        return np.asarray(ndimage.gaussian_filter(image, sigma, mode="reflect"), np.float32)
    kernel = _spot(degradation)
    reach = kernel.shape[0] // 2
    border = ((reach, reach), (reach, reach), (0, 0))[: image.ndim]
    padded = np.pad(image, border, mode="symmetric")
    shape = tuple(scipy.fft.next_fast_len(length, real=True) for length in padded.shape[:2])
    spectrum = scipy.fft.rfft2(kernel, shape)
    if image.ndim == 3:
        spectrum = spectrum[..., None]
    product = scipy.fft.rfft2(padded, shape, axes=(0, 1)) * spectrum
    full = scipy.fft.irfft2(product, shape, axes=(0, 1))
    height, width = image.shape[:2]
    return np.asarray(full[2 * reach :, 2 * reach :][:height, :width], np.float32)


def _spot(degradation: Degradation) -> FloatImage:
    """Return the spot of a lens, sum 1."""
    size = degradation.blur
    reach = int(np.ceil(size * (3.3 if degradation.spot == "airy" else 1) + 1))
    down, along = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    distance = np.hypot(down, along)
    if degradation.spot == "airy":
        # The first zero of J1 is at 3.8317.
        way = np.maximum(distance * (3.8317 / size), 1e-6)
        kernel = (2 * special.j1(way) / way) ** 2
    else:
        kernel = np.clip(size + 0.5 - distance, 0, 1)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _illumination(shape: tuple[int, ...], degradation: Degradation) -> FloatImage:
    """Return the light on every pixel, at most 1 where nothing is tilted."""
    down = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None]
    along = np.linspace(0, 1, shape[1], dtype=np.float32)[None, :]
    y, x = degradation.centre
    far = max(np.hypot(a - y, b - x) for a in (0, 1) for b in (0, 1))
    fall = degradation.vignette * ((down - y) ** 2 + (along - x) ** 2) / far**2
    slope = degradation.tilt[0] * (down - 0.5) + degradation.tilt[1] * (along - 0.5)
    return np.asarray(np.clip((1 - fall) * (1 + slope), 0.02, None), np.float32)


def _noisy(values: FloatImage, degradation: Degradation, rng: np.random.Generator) -> FloatImage:
    """Return what the camera reads."""
    read = np.float32(degradation.read_noise)
    if degradation.photons:
        counts = rng.poisson(np.maximum(values, 0) * degradation.photons).astype(np.float32)
        values, read = (
            counts / np.float32(degradation.photons),
            read / np.float32(degradation.photons),
        )
    if read:
        values = values + read * rng.standard_normal(values.shape, dtype=np.float32)
    return values
