"""Metrics of images, nearly all against a known truth.

Every function takes float or whole-number arrays of shape (Y, X), changes none of them and
returns a plain float. Where a metric depends on what counts as full range, the caller says
it: a range taken from the pixels would reward the noisier image.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import metrics as sk_metrics

from napari_microenhance.errors import ImageError

__all__ = ["blur", "contrast", "dice", "iou", "noise", "nrmse", "on_line", "psnr", "ssim"]

AnyImage = npt.NDArray[Any]

_SSIM_REACH: Final = 11
"""Edge of the Gaussian window of SSIM: 3.5 standard deviations of 1.5 px to both sides."""

_BLUR_PX: Final = 11
"""Length of the mean that a sharp image changes much."""

_LEAST_SLOPE: Final = float(np.spacing(1.0))
_BAND_PX: Final = 128


def psnr(image: AnyImage, truth: AnyImage, *, data_range: float = 1.0) -> float:
    """Return the peak signal-to-noise ratio.

    Parameters
    ----------
    image, truth : ndarray, shape (Y, X)
    data_range : float
        What counts as full range, in the images' units.

    Returns
    -------
    float
        ``10 log10(data_range^2 / mean squared error)``, dB; infinite for equal images.

    Raises
    ------
    ImageError
        If the shapes differ.
    """
    a, b = _pair(image, truth)
    if np.array_equal(a, b):
        return float("inf")
    ratio = sk_metrics.peak_signal_noise_ratio(b, a, data_range=data_range)  # type: ignore[no-untyped-call]
    return float(ratio)


def on_line(image: AnyImage, truth: AnyImage) -> npt.NDArray[np.float64]:
    """Return an image after the straight line that brings its values nearest to the truth's.

    What a result in relative units says lies in the differences of its values, not in their
    level and contrast; restored images are compared so since CARE [1]_.

    Parameters
    ----------
    image, truth : ndarray, shape (Y, X)

    Returns
    -------
    ndarray, shape (Y, X), float64
        ``a * image + b`` with the least squared error.

    Raises
    ------
    ImageError
        If the shapes differ.

    References
    ----------
    .. [1] M. Weigert et al., "Content-aware image restoration: pushing the limits of
       fluorescence microscopy", Nature Methods 15, 2018.
       https://doi.org/10.1038/s41592-018-0216-7
    """
    a, b = _pair(image, truth)
    apart = a - a.mean()
    spread = float(np.mean(apart**2))
    slope = float(np.mean(apart * b)) / spread if spread else 0.0
    return np.asarray(slope * apart + b.mean(), np.float64)


def ssim(image: AnyImage, truth: AnyImage, *, data_range: float = 1.0) -> float:
    """Return the mean structural similarity, with the window and constants of its authors.

    Parameters
    ----------
    image, truth : ndarray, shape (Y, X)
        At least 11 x 11 px.
    data_range : float
        What counts as full range, in the images' units.

    Returns
    -------
    float
        At most 1, which only equal images reach.

    Raises
    ------
    ImageError
        If the shapes differ, or the images are smaller than the window.

    References
    ----------
    .. [1] Z. Wang et al., "Image quality assessment: from error visibility to structural
       similarity", IEEE Trans. Image Process. 13(4), 2004.
       https://doi.org/10.1109/TIP.2003.819861
    """
    a, b = _pair(image, truth)
    if min(a.shape) < _SSIM_REACH:
        raise ImageError(
            f"SSIM needs images of at least {_SSIM_REACH} x {_SSIM_REACH} px, not {a.shape}."
        )
    mean = sk_metrics.structural_similarity(  # type: ignore[no-untyped-call]
        b,
        a,
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(mean)


def nrmse(image: AnyImage, truth: AnyImage) -> float:
    """Return the root mean squared error over the root mean square of the truth.

    Parameters
    ----------
    image, truth : ndarray, shape (Y, X)

    Returns
    -------
    float
        0 for equal images; infinite where the truth is black everywhere and the image is not.

    Raises
    ------
    ImageError
        If the shapes differ.
    """
    a, b = _pair(image, truth)
    if not b.any():
        return float("inf") if a.any() else 0.0
    return float(sk_metrics.normalized_root_mse(b, a, normalization="euclidean"))


def blur(image: AnyImage) -> float:
    """Return the perceptual blur of an image; it needs no truth.

    Parameters
    ----------
    image : ndarray, shape (Y, X)

    Returns
    -------
    float
        0 is sharp, 1 is maximally blurred. Noise counts as sharpness, so read it together
        with `noise`.

    References
    ----------
    .. [1] F. Crete et al., "The blur effect: perception and estimation with a new
       no-reference perceptual blur metric", Proc. SPIE 6492, 2007.
       https://doi.org/10.1117/12.702790
    """
    plain = image.astype(np.float64)
    if not np.ptp(plain):
        return 1.0  # nothing is left that could be blurred further
    found = []
    for axis in range(2):
        blurred = ndimage.uniform_filter1d(plain, _BLUR_PX, axis=axis)
        sharp = left = np.float64(0)
        # In bands that stay in the processor's cache; the outermost pixels do not count.
        for top in range(2, len(plain) - 1, _BAND_PX):
            rows = slice(top - 1, min(top + _BAND_PX, len(plain) - 1) + 1)
            slope, lost = _slope(plain[rows, 1:], axis), _slope(blurred[rows, 1:], axis)
            sharp += slope.sum()
            slope -= lost
            left += np.maximum(slope, 0, out=slope).sum()
        found.append(np.abs(sharp - left) / sharp)
    return float(max(found))


def _slope(pixels: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
    """Return how steep Sobel's filter finds pixels along an axis; the border is left out."""
    if axis:
        steps = pixels[:, 2:] - pixels[:, :-2]
        sums = steps[:-2] + steps[2:]
        sums += 2 * steps[1:-1]
    else:
        steps = pixels[2:] - pixels[:-2]
        sums = steps[:, :-2] + steps[:, 2:]
        sums += 2 * steps[:, 1:-1]
    sums /= 8
    return np.maximum(np.abs(sums, out=sums), _LEAST_SLOPE, out=sums)


def noise(image: AnyImage) -> float:
    """Return the standard deviation of the noise in an image, estimated from the image.

    Parameters
    ----------
    image : ndarray, shape (Y, X)
        At least 3 x 3 px.

    Returns
    -------
    float
        In the image's units. Fine texture is taken for noise, so it is an upper estimate.

    Raises
    ------
    ImageError
        If the image is smaller than 3 x 3 px.

    References
    ----------
    .. [1] J. Immerkaer, "Fast noise variance estimation", Computer Vision and Image
       Understanding 64(2), 1996. https://doi.org/10.1006/cviu.1996.0060
    """
    if image.ndim != 2 or min(image.shape) < 3:
        raise ImageError(
            f"A noise estimate needs an image of at least 3 x 3 px, not {image.shape}."
        )
    # A difference of two Laplacians: planes and edges cancel, white noise grows sixfold.
    plain = image.astype(np.float64)
    total = 0.0
    for top in range(0, len(plain) - 2, _BAND_PX):
        band = plain[top : top + _BAND_PX + 2]
        rows = band[2:] - 2 * band[1:-1] + band[:-2]
        response = rows[:, 2:] - 2 * rows[:, 1:-1] + rows[:, :-2]
        total += float(np.abs(response, out=response).sum())
    count = (plain.shape[0] - 2) * (plain.shape[1] - 2)
    return float(np.sqrt(np.pi / 2) / 6 * total / count)


def contrast(image: AnyImage) -> float:
    """Return the RMS contrast: the standard deviation of the pixel values.

    Parameters
    ----------
    image : ndarray, shape (Y, X)

    Returns
    -------
    float
        In the image's units.

    References
    ----------
    .. [1] E. Peli, "Contrast in complex images", J. Opt. Soc. Am. A 7(10), 1990.
       https://doi.org/10.1364/JOSAA.7.002032
    """
    return float(image.std(dtype=np.float64))


def iou(mask: AnyImage, truth: AnyImage) -> float:
    """Return the intersection over union of two masks, also known as the Jaccard index.

    Parameters
    ----------
    mask, truth : ndarray, shape (Y, X)
        Non-zero is inside, so label images will do.

    Returns
    -------
    float
        0 for masks that do not meet, 1 for equal ones, two empty ones included.

    Raises
    ------
    ImageError
        If the shapes differ.
    """
    both, either, _ = _areas(mask, truth)
    return both / either if either else 1.0


def dice(mask: AnyImage, truth: AnyImage) -> float:
    """Return the Dice coefficient of two masks: twice the common area over both areas.

    Parameters
    ----------
    mask, truth : ndarray, shape (Y, X)
        Non-zero is inside, so label images will do.

    Returns
    -------
    float
        0 for masks that do not meet, 1 for equal ones, two empty ones included.

    Raises
    ------
    ImageError
        If the shapes differ.
    """
    both, _, total = _areas(mask, truth)
    return 2 * both / total if total else 1.0


def _areas(mask: AnyImage, truth: AnyImage) -> tuple[int, int, int]:
    """Return the common area, the joint area and the sum of the areas of two masks, px."""
    _check_shapes(mask, truth)
    a, b = mask != 0, truth != 0
    both = int(np.count_nonzero(a & b))
    total = int(np.count_nonzero(a)) + int(np.count_nonzero(b))
    return both, total - both, total


def _pair(image: AnyImage, truth: AnyImage) -> tuple[AnyImage, AnyImage]:
    """Return two images of one shape in float64."""
    _check_shapes(image, truth)
    return image.astype(np.float64), truth.astype(np.float64)


def _check_shapes(image: AnyImage, truth: AnyImage) -> None:
    """Raise unless two images can be compared."""
    if image.shape != truth.shape:
        raise ImageError(
            f"An image of shape {image.shape} cannot be compared with one of {truth.shape}."
        )
