"""Random changes of examples that leave the relation of input and target as it is."""

from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_microenhance.training.recipes.recipe import Augment

__all__ = ["augmented"]

FloatArray = npt.NDArray[np.float32]

_GRID_PX: Final = 32  # between the points whose displacement is drawn
_ERASED_AREA: Final = (0.02, 0.15)  # share of the input
_ERASED_ASPECT: Final = (0.3, 3.3)


def augmented(
    inputs: FloatArray,
    targets: FloatArray,
    augment: Augment,
    rng: np.random.Generator,
    *,
    mask: bool = False,
    follow: bool = True,
) -> tuple[FloatArray, FloatArray]:
    """Change the examples of a batch, each in its own way.

    Quarter turns, mirror images and elastic deformation [1]_ move input and target alike.
    Jitter changes the exposure, of each colour on its own to a smaller part; where the
    target follows it is a gain and an offset for both, else the input gets a gamma, too.
    Erasing [2]_ puts one value over a rectangle of the input.

    Parameters
    ----------
    inputs : ndarray, shape (N, C, Y, X), float32
        Not modified.
    targets : ndarray, shape (N, D, Y * scale, X * scale), float32
        Not modified.
    augment : Augment
    rng : numpy.random.Generator
        Everything random comes from it.
    mask : bool
        Targets are masks: they stay 0 and 1, and keep their values.
    follow : bool
        The target has the exposure of the input, and shall keep it.

    Returns
    -------
    inputs, targets : ndarray
        New arrays of the same shapes.

    References
    ----------
    .. [1] O. Ronneberger et al., "U-Net: convolutional networks for biomedical image
       segmentation", MICCAI 2015. https://doi.org/10.1007/978-3-319-24574-4_28
    .. [2] Z. Zhong et al., "Random erasing data augmentation", AAAI 2020.
       https://doi.org/10.1609/aaai.v34i07.7000
    """
    pairs = []
    for given, wanted in zip(inputs, targets, strict=True):
        pair = _turned(given, wanted, augment, rng)
        if augment.elastic:
            pair = _bent(*pair, augment.elastic, rng, mask=mask)
        if augment.jitter:
            pair = _exposed(*pair, augment.jitter, rng, follow=follow and not mask)
        if rng.random() < augment.erasing:
            pair = _erased(pair[0], rng), pair[1]
        pairs.append(pair)
    return np.stack([given for given, _ in pairs]), np.stack([wanted for _, wanted in pairs])


def _turned(
    given: FloatArray, wanted: FloatArray, augment: Augment, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Turn and mirror a pair."""
    if augment.rotations:
        turns = int(rng.integers(4))
        given, wanted = (np.rot90(image, turns, axes=(1, 2)) for image in (given, wanted))
    if augment.flips and rng.random() < 0.5:
        # With quarter turns this one mirror reaches all eight positions of a square.
        given, wanted = given[:, :, ::-1], wanted[:, :, ::-1]
    if augment.flips and not augment.rotations and rng.random() < 0.5:
        given, wanted = given[:, ::-1], wanted[:, ::-1]
    return given, wanted


def _bent(
    given: FloatArray,
    wanted: FloatArray,
    most: float,
    rng: np.random.Generator,
    *,
    mask: bool,
) -> tuple[FloatArray, FloatArray]:
    """Displace the pixels of a pair along one smooth random field."""
    shape = given.shape[1:]
    points = [max(2, length // _GRID_PX) + 1 for length in shape]
    # Input px; both images look up the same field, each at its own pixel centres.
    field = rng.uniform(-most, most, (2, *points))
    return _displaced(given, field, shape, order=1), _displaced(
        wanted, field, shape, order=0 if mask else 1
    )


def _displaced(
    image: FloatArray, field: npt.NDArray[np.float64], shape: tuple[int, ...], order: Literal[0, 1]
) -> FloatArray:
    """Return an image (C, Y, X) whose pixels come from where a coarse field points."""
    scale = image.shape[1] / shape[0]
    centres = np.meshgrid(
        *((np.arange(length) + 0.5) / length for length in image.shape[1:]), indexing="ij"
    )
    points = np.stack([c * (n - 1) for c, n in zip(centres, field.shape[1:], strict=True)])
    moved = [
        centre * length
        - 0.5
        + scale * ndimage.map_coordinates(part, points, order=3, mode="nearest")
        for centre, length, part in zip(centres, image.shape[1:], field, strict=True)
    ]
    places = np.stack(moved)
    bent = [ndimage.map_coordinates(c, places, order=order, mode="mirror") for c in image]
    return np.stack(bent).astype(np.float32)


def _exposed(
    given: FloatArray,
    wanted: FloatArray,
    strength: float,
    rng: np.random.Generator,
    *,
    follow: bool,
) -> tuple[FloatArray, FloatArray]:
    """Change the exposure of a pair, or of its input alone."""
    gain, gamma = np.exp(rng.uniform(-strength, strength, 2))
    offset = rng.uniform(-0.2, 0.2) * strength
    tint = np.exp(rng.uniform(-0.3, 0.3, (len(given), 1, 1)) * strength)
    if len(given) != len(wanted) or len(given) == 1:
        tint = np.ones((1, 1, 1))  # a colour cast has no meaning across other channels
    if follow:
        given, wanted = (tint * gain * image + offset for image in (given, wanted))
    else:
        # Beyond the sensor's black, as noise is, a power has no real value.
        given = np.sign(given) * np.abs(given) ** gamma
        given = tint * gain * given + offset
    return np.asarray(given, np.float32), np.asarray(wanted, np.float32)


def _erased(image: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return an image with one value over a rectangle."""
    height, width = image.shape[1:]
    area = rng.uniform(*_ERASED_AREA) * height * width
    aspect = np.exp(rng.uniform(*np.log(_ERASED_ASPECT)))
    tall = int(np.clip(round(np.sqrt(area * aspect)), 1, height))
    wide = int(np.clip(round(np.sqrt(area / aspect)), 1, width))
    top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
    image = image.copy()
    image[:, top : top + tall, left : left + wide] = rng.random()
    return image
