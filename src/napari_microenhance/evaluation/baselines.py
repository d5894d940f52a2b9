"""The classical methods that networks are measured against, each at its best.

"Best" is the setting out of a small grid whose result is nearest to the truth of that very
image. Nobody who has only the noisy image can choose so well: the comparison leans towards
the classics on purpose.
"""

import dataclasses
import importlib
import importlib.util
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import filters, restoration, transform

from napari_microenhance.evaluation.trials import EvaluationTrial, Noise
from napari_microenhance.measure import metrics
from napari_microenhance.measure.noise import estimate_noise

__all__ = [
    "BM3D_MISSING",
    "SELF_TUNED",
    "Method",
    "TunedResult",
    "best",
    "blind_bm3d",
    "bm3d",
    "denoising_steps",
    "has_bm3d",
    "methods",
    "quality",
]

SELF_TUNED: Final = ("non-local means", "total variation", "wavelets")
"""Denoisers whose setting is chosen for each image."""

_SHIFTS: Final = 4
"""Shifts of a wavelet's grid along each axis."""

AnyImage = npt.NDArray[Any]
FloatImage = npt.NDArray[np.float32]
Make = Callable[[], AnyImage]

BM3D_MISSING: Final = (
    'BM3D is not among the baselines, since the package bm3d is missing: pip install "bm3d".'
)


@dataclasses.dataclass(frozen=True, eq=False)
class Method:
    """A classical method on one trial.

    Parameters
    ----------
    name : str
    variants : mapping of str to callable
        Setting in words -> what makes the result.
    """

    name: str
    variants: Mapping[str, Make]

    @property
    def settings(self) -> tuple[str, ...]:
        """The whole grid in words; another grid is another method."""
        return tuple(self.variants)

    def search(self, trial: EvaluationTrial) -> str:
        """Return the setting whose result is nearest to the truth."""
        if len(self.variants) == 1:
            return next(iter(self.variants))
        return max(self.variants, key=lambda name: quality(trial, self.variants[name]()))

    def make(self, setting: str) -> AnyImage:
        """Return the result of a setting."""
        return self.variants[setting]()


@dataclasses.dataclass(frozen=True, eq=False)
class TunedResult:
    """What a method made of a trial.

    Parameters
    ----------
    setting : str
    output : ndarray, shape (Y, X)
    """

    setting: str
    output: AnyImage


def best(method: Method, trial: EvaluationTrial) -> TunedResult:
    """Return the result of a method at its best setting for a trial.

    Parameters
    ----------
    method : Method
    trial : EvaluationTrial

    Returns
    -------
    TunedResult
    """
    setting = method.search(trial)
    return TunedResult(setting, method.make(setting))


def quality(trial: EvaluationTrial, output: AnyImage) -> float:
    """Return how near an output is to the truth: PSNR in dB, for masks the IoU.

    Of "detail", whose units are relative, the PSNR after the best straight line.

    Parameters
    ----------
    trial : EvaluationTrial
    output : ndarray, shape of the trial's truth

    Returns
    -------
    float
    """
    if trial.task == "foreground":
        return metrics.iou(output, trial.truth)
    if trial.task == "detail":
        output = metrics.on_line(output, trial.truth)
    return metrics.psnr(output, trial.truth)


def methods(trial: EvaluationTrial) -> tuple[Method, ...]:
    """Return the classical methods for a trial, the plainest first.

    Parameters
    ----------
    trial : EvaluationTrial
        Not "detail", whose chains of methods stand in `chains`.

    Returns
    -------
    tuple of Method
    """
    makers: dict[str, Callable[[EvaluationTrial], tuple[Method, ...]]] = {
        "denoise": _denoisers,
        "superres": _enlargers,
        "foreground": _thresholds,
    }
    return makers[trial.task](trial)


def has_bm3d() -> bool:
    """Tell whether the package bm3d is installed.

    Returns
    -------
    bool
    """
    return importlib.util.find_spec("bm3d") is not None


def bm3d(image: FloatImage, sigma: float) -> FloatImage:
    """Denoise with block matching and 3-D filtering.

    Parameters
    ----------
    image : ndarray, shape (Y, X), float32
    sigma : float
        Standard deviation of the noise, in the image's units.

    Returns
    -------
    ndarray, shape (Y, X), float32

    References
    ----------
    .. [1] K. Dabov et al., "Image denoising by sparse 3-D transform-domain collaborative
       filtering", IEEE Trans. Image Process. 16(8), 2007.
       https://doi.org/10.1109/TIP.2007.901238
    """
    package = importlib.import_module("bm3d")
    with warnings.catch_warnings():
        # Its use of NumPy is its own affair.
        warnings.simplefilter("ignore")
        return np.asarray(package.bm3d(image.astype(np.float64), sigma), np.float32)


def denoising_steps(image: FloatImage, sigma: float) -> dict[str, Callable[[], FloatImage]]:
    """Return non-local means, total variation and wavelets over a grid, by setting in words.

    Parameters
    ----------
    image : ndarray, shape (Y, X), float32
    sigma : float
        Standard deviation of the noise; settings are multiples of it.

    Returns
    -------
    dict of str to callable
        "family, setting" -> what makes the result.

    References
    ----------
    .. [1] A. Buades et al., "A non-local algorithm for image denoising", CVPR 2005.
       https://doi.org/10.1109/CVPR.2005.38
    .. [2] A. Chambolle, "An algorithm for total variation minimization and applications",
       J. Math. Imaging Vis. 20, 2004. https://doi.org/10.1023/B:JMIV.0000011325.36760.1e
    .. [3] S. G. Chang et al., "Adaptive wavelet thresholding for image denoising and
       compression", IEEE Trans. Image Process. 9(9), 2000. https://doi.org/10.1109/83.862633
    """
    steps: dict[str, Callable[[], FloatImage]] = {}
    for patch, distance in ((5, 7), (7, 11)):
        for h in (0.4, 0.6, 0.8, 1.0):
            steps[f"non-local means, h = {h} sigma, patch {patch} px"] = partial(
                _non_local_means, image, sigma, h, (patch, distance)
            )
    for weight in (0.5, 0.75, 1.0, 1.5, 2.0):
        steps[f"total variation, weight {weight} sigma"] = partial(_tv, image, sigma * weight)
    for kind in ("db2", "sym8"):
        for factor in (0.75, 1.0, 1.5):
            steps[f"wavelets, {kind}, BayesShrink, {factor} sigma"] = partial(
                _wavelets, image, sigma * factor, kind, "BayesShrink"
            )
        for factor in (0.35, 0.5):
            steps[f"wavelets, {kind}, VisuShrink, {factor} sigma"] = partial(
                _wavelets, image, sigma * factor, kind, "VisuShrink"
            )
    return steps


def _denoisers(trial: EvaluationTrial) -> tuple[Method, ...]:
    """Return the denoisers, all told the true strength of the noise."""
    image, sigma = trial.image, trial.sigma
    steps = denoising_steps(image, sigma)
    found = [Method("input", {"as it is": lambda: image})]
    for family in SELF_TUNED:
        chosen = {name: make for name, make in steps.items() if name.startswith(family)}
        found.append(Method(family, chosen))
    if has_bm3d():
        found.append(Method("BM3D", {"true sigma": partial(bm3d, image, sigma)}))
        if trial.noise.photons:
            found.append(
                Method("Anscombe + BM3D", {"true noise": partial(_stabilised, image, trial.noise)})
            )
    return tuple(found)


def _non_local_means(
    image: FloatImage, sigma: float, h: float, reach: tuple[int, int]
) -> FloatImage:
    """Return non-local means told the strength of the noise."""
    patch, distance = reach
    return np.asarray(
        restoration.denoise_nl_means(
            image, patch_size=patch, patch_distance=distance, h=h * sigma, sigma=sigma
        )
    )


def _tv(image: FloatImage, weight: float) -> FloatImage:
    """Return total-variation denoising."""
    smooth = restoration.denoise_tv_chambolle(image, weight)
    return np.asarray(smooth)


def _wavelets(image: FloatImage, sigma: float, kind: str, rule: str) -> FloatImage:
    """Return wavelet shrinkage, averaged over shifts so that no grid shows.

    References
    ----------
    .. [1] R. R. Coifman and D. L. Donoho, "Translation-invariant de-noising", 1995.
       https://doi.org/10.1007/978-1-4612-2544-7_9
    """
    shifts = [(y, x) for y in range(_SHIFTS) for x in range(_SHIFTS)]
    total = np.zeros(image.shape, np.float64)
    for y, x in shifts:
        shifted = restoration.denoise_wavelet(
            np.roll(image, (y, x), (0, 1)),
            sigma=sigma,
            wavelet=kind,
            method=rule,
            rescale_sigma=False,
        )
        total += np.roll(shifted, (-y, -x), (0, 1))
    return (total / len(shifts)).astype(np.float32)


def blind_bm3d(image: AnyImage) -> FloatImage:
    """Denoise with BM3D, the noise being estimated; shot noise by an Anscombe transform.

    Parameters
    ----------
    image : ndarray, shape (Y, X)
        At least 64 x 64 px.

    Returns
    -------
    ndarray, shape (Y, X), float32
        In the image's units.

    Raises
    ------
    ImageError
        If the noise cannot be estimated.
    """
    noise = estimate_noise(image)
    values = image.astype(np.float64)
    if noise.gain * float(np.ptp(values)) < noise.read**2 / 10:
        span = float(np.ptp(values)) or 1.0
        return bm3d((values / span).astype(np.float32), noise.sigma / span) * np.float32(span)
    found = Noise(sigma=noise.read, photons=1 / noise.gain)
    light = np.asarray(values - noise.offset, np.float32)
    return _stabilised(light, found) + np.float32(noise.offset)


def _stabilised(image: FloatImage, noise: Noise) -> FloatImage:
    """Return BM3D between the generalised Anscombe transform and its exact inverse.

    References
    ----------
    .. [1] M. Makitalo and A. Foi, "Optimal inversion of the generalized Anscombe
       transformation for Poisson-Gaussian noise", IEEE Trans. Image Process. 22(1), 2013.
       https://doi.org/10.1109/TIP.2012.2202675
    """
    photons = noise.photons
    read = noise.sigma * photons
    counts = image.astype(np.float64) * photons
    even = 2 * np.sqrt(np.maximum(counts + 3 / 8 + read**2, 0))
    # bm3d's own thresholds expect values of about [0, 1].
    span = float(np.ptp(even))
    root = np.maximum(bm3d((even / span).astype(np.float32), 1 / span) * span, 1.0)
    exact = (
        root**2 / 4
        + np.sqrt(1.5) / 4 / root
        - 11 / 8 / root**2
        + 5 / 8 * np.sqrt(1.5) / root**3
        - 1 / 8
        - read**2
    )
    return np.asarray(exact / photons, np.float32)


def _enlargers(trial: EvaluationTrial) -> tuple[Method, ...]:
    """Return the enlargers; all know that pixels are means over squares."""
    image, k = trial.image, trial.scale
    return (
        Method("repeated pixels", {"as it is": lambda: image.repeat(k, axis=0).repeat(k, axis=1)}),
        Method("bicubic", {"Keys, a = -0.5": partial(_keys, image, k)}),
        Method("cubic spline", {"order 3": partial(_spline, image, k)}),
        Method("best linear filter", {"7 x 7, fitted to the truth": partial(_fitted, trial)}),
    )


def _keys(image: FloatImage, scale: int) -> FloatImage:
    """Return cubic convolution, its samples at the middle of the squares.

    References
    ----------
    .. [1] R. G. Keys, "Cubic convolution interpolation for digital image processing",
       IEEE Trans. Acoust. Speech Signal Process. 29(6), 1981.
       https://doi.org/10.1109/TASSP.1981.1163711
    """
    phases = (np.arange(scale) + 0.5) / scale - 0.5
    out = image.astype(np.float64)
    for axis in (0, 1):
        parts = [ndimage.correlate1d(out, _cubic(p), axis=axis, mode="reflect") for p in phases]
        shape = list(out.shape)
        shape[axis] *= scale
        out = np.stack(parts, axis=axis + 1).reshape(shape)
    return out.astype(np.float32)


def _cubic(shift: float) -> npt.NDArray[np.float64]:
    """Return the five weights of Keys' kernel around a place between two samples."""
    t = np.abs(np.arange(-2, 3) - shift)
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def _spline(image: FloatImage, scale: int) -> FloatImage:
    """Return interpolation with a cubic B-spline."""
    shape = tuple(length * scale for length in image.shape)
    larger = transform.resize(
        image, shape, order=3, mode="symmetric", anti_aliasing=False, clip=False
    )
    return np.asarray(larger)


def _fitted(trial: EvaluationTrial, reach: int = 3) -> FloatImage:
    """Return the linear filter, one per place in a square, that is nearest to the truth."""
    image, k = trial.image.astype(np.float64), trial.scale
    size = 2 * reach + 1
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(image, reach, mode="reflect"), (size, size)
    ).reshape(image.size, -1)
    design = np.concatenate([windows, np.ones((image.size, 1))], axis=1)
    squares = trial.truth.reshape(image.shape[0], k, image.shape[1], k)
    wanted = squares.transpose(0, 2, 1, 3).reshape(image.size, k * k).astype(np.float64)
    weights = np.linalg.lstsq(design, wanted, rcond=None)[0]
    made = (design @ weights).reshape(*image.shape, k, k).transpose(0, 2, 1, 3)
    return np.asarray(made.reshape(trial.truth.shape), np.float32)


def _thresholds(trial: EvaluationTrial) -> tuple[Method, ...]:
    """Return Otsu's threshold, told which side of it is foreground.

    References
    ----------
    .. [1] N. Otsu, "A threshold selection method from gray-level histograms", IEEE Trans.
       Syst. Man Cybern. 9(1), 1979. https://doi.org/10.1109/TSMC.1979.4310076
    """
    image = trial.image
    level = filters.threshold_otsu(image)
    return (Method("Otsu", {"above": lambda: image > level, "below": lambda: image <= level}),)
