"""Metrics that need no truth: how natural the fine statistics of a picture are.

Both count how far a picture is from photographs. A good micrograph is not a photograph:
compare their values between versions of one picture, never between pictures.
"""

import dataclasses
import functools
import importlib
import warnings
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.special import gamma
from skimage import color
from skimage import data as bundled

from napari_microenhance.errors import ImageError, ModelError

__all__ = [
    "SHARP",
    "Asymmetric",
    "Naturalness",
    "asymmetric_fit",
    "brisque",
    "brisque_missing",
    "niqe",
    "photographs",
]

AnyImage = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]

SHARP: Final = (
    "astronaut",
    "brick",
    "camera",
    "cat",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "rocket",
)
"""Pictures of scikit-image whose statistics count as natural."""

_PATCH: Final = 96
_SHARPNESS: Final = 0.75
"""Patches with less than this share of the sharpest one's local deviation are left out."""
_SPREAD: Final = 7 / 6
"""Standard deviation of the local window, which ends at 3 px."""

_SHAPES: Final = np.arange(0.2, 10, 0.001)
_RATIOS: Final = gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))
"""Square of the mean magnitude over the mean square, of each shape; it rises with the shape."""


@dataclasses.dataclass(frozen=True, eq=False)
class Naturalness:
    """The statistics of a set of patches, as one multivariate Gaussian.

    Parameters
    ----------
    mean : ndarray, shape (36,), float64
    covariance : ndarray, shape (36, 36), float64
    """

    mean: FloatArray
    covariance: FloatArray


@dataclasses.dataclass(frozen=True)
class Asymmetric:
    """A generalised Gaussian whose sides differ in width.

    Parameters
    ----------
    shape : float
        2 is normal, 1 is Laplace.
    mean : float
    left, right : float
        Widths of the sides.
    """

    shape: float
    mean: float
    left: float
    right: float


def niqe(image: AnyImage, *, data_range: float = 1.0) -> float:
    """Return the naturalness image quality evaluator; lower is more natural.

    The reference statistics are fitted on the pictures of `SHARP`, not on the photographs
    of the paper, which cannot be passed on: values are not comparable with published ones.

    Parameters
    ----------
    image : ndarray, shape (Y, X)
        At least 96 x 96 px; evaluated in patches of that size and at half of it.
    data_range : float
        What counts as full range, in the image's units.

    Returns
    -------
    float

    Raises
    ------
    ImageError
        If the image is smaller than a patch or not 2-D.

    References
    ----------
    .. [1] A. Mittal, R. Soundararajan and A. C. Bovik, "Making a 'completely blind' image
       quality analyzer", IEEE Signal Process. Lett. 20(3), 2013.
       https://doi.org/10.1109/LSP.2012.2227726
    """
    if image.ndim != 2 or min(image.shape) < _PATCH:
        raise ImageError(f"NIQE needs an image of {_PATCH} x {_PATCH} px or more.")
    features, _ = _features(image.astype(np.float64) * (255 / data_range))
    ours, natural = _fit(features), photographs()
    gap = ours.mean - natural.mean
    shared = np.linalg.pinv((ours.covariance + natural.covariance) / 2)
    return float(np.sqrt(max(0.0, float(gap @ shared @ gap))))


@functools.cache
def photographs() -> Naturalness:
    """Return the statistics of the sharp patches of scikit-image's own pictures."""
    kept = []
    for picture in _pictures():
        features, sharpness = _features(picture)
        kept.append(features[sharpness > _SHARPNESS * sharpness.max()])
    return _fit(np.concatenate(kept))


def _pictures() -> Iterator[FloatArray]:
    """Yield the sharp pictures in grey, 0 to 255."""
    for name in SHARP:
        pixels = getattr(bundled, name)()
        grey = color.rgb2gray(pixels) * 255 if pixels.ndim == 3 else pixels
        yield grey.astype(np.float64)


def _fit(features: FloatArray) -> Naturalness:
    """Return the Gaussian of a set of features, shape (patches, 36)."""
    if len(features) == 1:
        return Naturalness(features[0], np.zeros((features.shape[1],) * 2))
    return Naturalness(features.mean(axis=0), np.cov(features, rowvar=False))


def _features(image: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the features of all whole patches, (patches, 36), and their sharpness."""
    height, width = (length // _PATCH * _PATCH for length in image.shape)
    image = image[:height, :width]
    half = image.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    parts = []
    sharpness: FloatArray = np.empty(0)
    for level, patch in ((image, _PATCH), (half, _PATCH // 2)):
        normal, deviation = _normalised(level)
        parts.append(np.array([_statistics(p) for p in _patches(normal, patch)]))
        if patch == _PATCH:
            sharpness = np.array([p.mean() for p in _patches(deviation, patch)])
    return np.concatenate(parts, axis=1), sharpness


def _normalised(image: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the image less its local mean over its local deviation, and the deviation."""
    mean, square = (
        ndimage.gaussian_filter(values, _SPREAD, mode="nearest", truncate=3 / _SPREAD)
        for values in (image, image**2)
    )
    deviation = np.sqrt(np.abs(square - mean**2))
    return (image - mean) / (deviation + 1), deviation


def _patches(image: FloatArray, edge: int) -> Iterator[FloatArray]:
    """Yield the squares that an image is made of, row by row."""
    for y in range(0, image.shape[0], edge):
        for x in range(0, image.shape[1], edge):
            yield image[y : y + edge, x : x + edge]


def _statistics(patch: FloatArray) -> list[float]:
    """Return the 18 numbers of a patch: its own distribution, and that of four neighbours."""
    own = asymmetric_fit(patch)
    found = [own.shape, (own.left + own.right) / 2]
    for down, along in ((0, 1), (1, 0), (1, 1), (1, -1)):
        beside = np.roll(patch, (down, along), (0, 1))
        found.extend(dataclasses.astuple(asymmetric_fit(patch * beside)))
    return found


def asymmetric_fit(values: FloatArray) -> Asymmetric:
    """Fit an asymmetric generalised Gaussian by its moments.

    Parameters
    ----------
    values : ndarray

    Returns
    -------
    Asymmetric

    References
    ----------
    .. [1] N.-E. Lasmar, Y. Stitou and Y. Berthoumieu, "Multiscale skewed heavy tailed model
       for texture analysis", ICIP 2009. https://doi.org/10.1109/ICIP.2009.5414404
    """
    squares = values**2
    left = _root_mean(squares[values < 0])
    right = _root_mean(squares[values > 0])
    total = float(squares.mean())
    if not total:
        return Asymmetric(float(_SHAPES[-1]), 0.0, 0.0, 0.0)
    skew = left / right if right else 1e6
    ratio = float(np.abs(values).mean()) ** 2 / total
    ratio *= (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    at = min(int(np.searchsorted(_RATIOS, ratio)), len(_SHAPES) - 1)
    shape = float(_SHAPES[at])
    width = float(np.sqrt(gamma(1 / shape) / gamma(3 / shape)))
    mean = (right - left) * width * float(gamma(2 / shape) / gamma(1 / shape))
    return Asymmetric(shape, mean, left * width, right * width)


def _root_mean(squares: FloatArray) -> float:
    """Return the root of a mean; of nothing it is 0."""
    return float(np.sqrt(squares.mean())) if squares.size else 0.0


def brisque_missing() -> str:
    """Return the sentence that says why BRISQUE is not at hand; empty where it is."""
    try:
        _brisque()
    except ModelError as error:
        return str(error)
    return ""


def brisque(image: AnyImage, *, data_range: float = 1.0) -> float:
    """Return the blind image spatial quality evaluator; lower is better, about 0 to 100.

    Parameters
    ----------
    image : ndarray, shape (Y, X)
    data_range : float
        What counts as full range, in the image's units.

    Returns
    -------
    float

    Raises
    ------
    ModelError
        If the package `brisque` is not installed; its network of support vectors comes
        with it.

    References
    ----------
    .. [1] A. Mittal, A. K. Moorthy and A. C. Bovik, "No-reference image quality assessment in
       the spatial domain", IEEE Trans. Image Process. 21(12), 2012.
       https://doi.org/10.1109/TIP.2012.2214050
    """
    evaluator = _brisque()
    shown = np.rint(np.clip(image / data_range, 0, 1) * 255).astype(np.uint8)
    with warnings.catch_warnings():
        # Its use of SciPy is its own affair.
        warnings.simplefilter("ignore")
        return float(evaluator.score(np.stack([shown] * 3, axis=-1)))


@functools.cache
def _brisque() -> Any:  # noqa: ANN401 - a class of an optional package
    """Return the evaluator of the optional package."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            evaluator = importlib.import_module("brisque").BRISQUE(url=False)
    except ImportError as error:
        raise ModelError(
            "BRISQUE is left out, since it needs two packages that are not both installed; "
            "pip install brisque opencv-python-headless."
        ) from error
    scale = evaluator.scale_features

    def scale_features(features: Any) -> Any:  # noqa: ANN401 - whatever it hands itself
        """Scale features that are arrays of one number, which NumPy 2.4 takes for no number."""
        return scale([np.asarray(feature).item() for feature in features])

    evaluator.scale_features = scale_features
    return evaluator
