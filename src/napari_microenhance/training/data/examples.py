"""Pairs to learn from: a bank of clean fields, and what each task makes of them.

The bank holds simulated fields (`simulate`) and pieces of the pictures that come with
scikit-image; the latter have no labels.  A batch is drawn with a generator of its own, so
batch k of a run is the same whether or not the run was interrupted before it.
"""

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_microenhance.engine.intensity import PERCENTILES
from napari_microenhance.simulation.camera_noise import clipped_mean, expose
from napari_microenhance.simulation.optics import Degradation, bin_pixels, degrade
from napari_microenhance.simulation.specimens import FAMILIES, simulate
from napari_microenhance.training.data.cameras import draw_shot

__all__ = ["PICTURES", "TASKS", "Bank", "build_bank", "draw_examples", "white_count"]

FloatImage = npt.NDArray[np.float32]
Pair = tuple[FloatImage, FloatImage]

PICTURES = (
    "astronaut", "brick", "camera", "cat", "cell", "coffee", "coins", "grass", "gravel",
    "hubble_deep_field", "immunohistochemistry", "microaneurysms", "moon", "page", "retina",
    "rocket",
)  # fmt: skip
"""The pictures that come inside scikit-image, without a download."""


@dataclasses.dataclass(frozen=True)
class Bank:
    """Clean fields to draw examples from.

    Parameters
    ----------
    images : ndarray, shape (N, Y, X), float16
        Values in [0, 1].
    masks : ndarray, shape (N, Y, X), bool
        Pixels of cells, nuclei or particles.
    labelled : ndarray, shape (N,), bool
        Whether the mask of a field says anything.
    """

    images: npt.NDArray[np.float16]
    masks: npt.NDArray[np.bool_]
    labelled: npt.NDArray[np.bool_]


def build_bank(
    count: int,
    *,
    size: int = 256,
    families: Sequence[str] = FAMILIES,
    real_share: float = 0.3,
    seed: int = 0,
    workers: int = 2,
) -> Bank:
    """Simulate and cut the clean fields of a run.

    Parameters
    ----------
    count : int
    size : int
        Edge, px.
    families : sequence of str
        Of the simulated fields, taken in turn.
    real_share : float
        Share of the fields that is cut from `PICTURES`, 0 to 1.
    seed : int
        Field k depends on it and on k alone.
    workers : int
        Processes.

    Returns
    -------
    Bank
    """
    real = round(count * real_share)
    jobs = [(families[k % len(families)], size, seed, k) for k in range(count - real)]
    if workers > 1:
        with ProcessPoolExecutor(workers) as pool:
            fields = list(pool.map(_simulated, jobs, chunksize=32))
    else:
        fields = [_simulated(job) for job in jobs]
    pictures = _pictures() if real else []
    pieces = [_piece(pictures, size, np.random.default_rng([seed, 1, k])) for k in range(real)]
    nothing = np.zeros((size, size), bool)
    images = np.stack([*(image for image, _ in fields), *pieces]).astype(np.float16)
    masks = np.stack([*(mask for _, mask in fields), *[nothing] * real])
    return Bank(images, masks, np.asarray(masks.any(axis=(1, 2))))


def _simulated(
    job: tuple[str, int, int, int],
) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.bool_]]:
    """Return one simulated field and its mask."""
    family, size, seed, number = job
    field = simulate(family, size, np.random.default_rng([seed, 0, number]))
    return field.image.astype(np.float16), field.labels > 0


def _pictures() -> list[FloatImage]:
    """Return the bundled pictures, every channel on its own, values in [0, 1]."""
    from skimage import data, util

    found: list[FloatImage] = []
    for name in PICTURES:
        picture = util.img_as_float32(getattr(data, name)())
        channels = np.moveaxis(picture[..., :3], -1, 0) if picture.ndim == 3 else [picture]
        found.extend(np.ascontiguousarray(channel) for channel in channels)
    return found


def _piece(pictures: list[FloatImage], size: int, rng: np.random.Generator) -> FloatImage:
    """Return a piece of a picture, made smaller at random, which also lowers its own noise."""
    picture = pictures[rng.integers(len(pictures))]
    most = min(picture.shape) / size
    shrink = min(rng.choice([1.0, 1.5, 2.0, 3.0]), most)
    edge = int(size * max(shrink, min(1, most)))
    y, x = (int(rng.integers(0, length - edge + 1)) for length in picture.shape)
    piece = picture[y : y + edge, x : x + edge]
    if edge != size:
        smooth = ndimage.gaussian_filter(piece, max(edge / size, 1) * 0.4)
        piece = ndimage.zoom(smooth, size / edge, order=1, grid_mode=True, mode="nearest")
    low, high = np.percentile(piece, PERCENTILES)
    stretched = np.clip((piece - low) / max(high - low, 1e-3), 0, 1)
    return np.asarray(stretched[:size, :size], np.float32)


def draw_examples(
    bank: Bank,
    task: str,
    *,
    count: int,
    patch: int,
    rng: np.random.Generator,
    scale: int = 1,
    cameras: float = 0.0,
) -> Pair:
    """Draw a batch.

    Parameters
    ----------
    bank : Bank
    task : str
        A key of `TASKS`.
    count : int
        Examples.
    patch : int
        Edge of the target, px; at most that of the bank's fields.
    rng : numpy.random.Generator
        Everything random comes from it.
    scale : int
        Of super-resolution.
    cameras : float
        Share of the examples of "denoise" with the noise of real cameras (`data.cameras`);
        the first `white_count` have white noise. Above 0, the target of noise that was cut off
        at black and white is the mean of many exposures, else the clean field.

    Returns
    -------
    inputs : ndarray, shape (count, 1, patch // scale, patch // scale), float32
    targets : ndarray, shape (count, 1, patch, patch), float32
    """
    white = white_count(count, cameras)
    first = _denoise_white if cameras else TASKS[task]
    makers = [first] * white + [_denoise_camera] * (count - white)
    numbers = np.flatnonzero(bank.labelled) if task == "foreground" else len(bank.images)
    pairs = [make(bank, int(rng.choice(numbers)), patch, scale, rng) for make in makers]
    inputs = np.stack([given for given, _ in pairs])[:, None]
    targets = np.stack([wanted for _, wanted in pairs])[:, None]
    return inputs.astype(np.float32), targets.astype(np.float32)


def white_count(count: int, cameras: float) -> int:
    """Return how many of some examples have white noise.

    Parameters
    ----------
    count : int
        Of all.
    cameras : float
        Share with the noise of real cameras.

    Returns
    -------
    int
    """
    return round(count * (1 - cameras))


def _turned(image: npt.NDArray[Any], turn: int) -> FloatImage:
    """Return one of the eight positions of a square."""
    placed = np.rot90(image[::-1] if turn >= 4 else image, turn % 4)
    return np.ascontiguousarray(placed, dtype=np.float32)


def _window(size: int, patch: int, rng: np.random.Generator, step: int = 1) -> tuple[slice, slice]:
    """Return a random place of a patch."""
    y, x = (int(rng.integers(0, (size - patch) // step + 1)) * step for _ in range(2))
    return slice(y, y + patch), slice(x, x + patch)


def _clean(bank: Bank, number: int, patch: int, rng: np.random.Generator) -> FloatImage:
    """Return a patch of a field, turned at random, and mostly on the full range."""
    window = _window(bank.images.shape[1], patch, rng)
    image = _turned(bank.images[number][window], int(rng.integers(8)))
    if rng.random() < 0.15:
        image = 1 - image
    if rng.random() < 0.3:
        gain = rng.uniform(0.3, 1.2)
        image = gain * image + rng.uniform(0, max(0.05, 1 - gain))
    return np.asarray(image, np.float32)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a number whose logarithm is spread evenly."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _white(
    bank: Bank, number: int, patch: int, rng: np.random.Generator
) -> tuple[FloatImage, FloatImage, FloatImage]:
    """Return a field with white noise, the field, and the noise's standard deviation."""
    clean = _clean(bank, number, patch, rng)
    if rng.random() < 0.6:
        camera = Degradation(read_noise=_log_uniform(rng, 0.012, 0.18))
        sigma = np.full_like(clean, camera.read_noise)
    else:
        photons = _log_uniform(rng, 12, 2000)
        read = _log_uniform(rng, 0.3, 6) if rng.random() < 0.7 else 0.0
        camera = Degradation(photons=photons, read_noise=read)
        sigma = np.sqrt(np.maximum(clean, 0) / photons + (read / photons) ** 2)
    return degrade(clean, camera, rng), clean, np.asarray(sigma, np.float32)


def _denoise(bank: Bank, number: int, patch: int, _: int, rng: np.random.Generator) -> Pair:
    """Add Gaussian or Poisson-Gaussian noise, sometimes cut off by the camera."""
    noisy, clean = _white(bank, number, patch, rng)[:2]
    if rng.random() < 0.5:
        # Integers hold nothing below black and above white, so dark noise has a mean above 0.
        noisy = np.clip(noisy, 0, 1)
    return noisy, clean


def _denoise_white(bank: Bank, number: int, patch: int, _: int, rng: np.random.Generator) -> Pair:
    """Add white noise; of limited noise, what the mean of many exposures shows is wanted."""
    noisy, clean, sigma = _white(bank, number, patch, rng)
    limited = rng.random() < 0.5
    return (np.clip(noisy, 0, 1), clipped_mean(clean, sigma)) if limited else (noisy, clean)


def _denoise_camera(bank: Bank, number: int, patch: int, _: int, rng: np.random.Generator) -> Pair:
    """Take a field with a real camera."""
    shot = draw_shot(rng)
    window = _window(bank.images.shape[1], patch, rng)
    clean = _turned(bank.images[number][window], int(rng.integers(8)))
    signal = np.asarray(shot.offset + shot.peak * clean, np.float32)
    taken, wanted = expose(signal, shot.noise, rng)
    if shot.stretched:
        low, high = np.percentile(taken, PERCENTILES)
        width = max(float(high - low), 1e-2)
        return np.asarray((taken - low) / width), np.asarray((wanted - low) / width)
    return taken, wanted


def _superres(bank: Bank, number: int, patch: int, scale: int, rng: np.random.Generator) -> Pair:
    """Bin pixels, mostly those of a camera: what is enlarged is its noise, too.

    A network that knows clean images alone takes noise for detail and sharpens it.
    """
    wanted = _clean(bank, number, patch, rng)
    if rng.random() < 0.7:
        photons = _log_uniform(rng, 100, 30_000)
        camera = Degradation(photons=photons, read_noise=_log_uniform(rng, 0.3, 6))
        wanted = degrade(wanted, camera, rng)
    return bin_pixels(wanted, scale), wanted


def _random_exposure(rng: np.random.Generator, *, fewest: float) -> Degradation:
    """Draw how a field is badly taken: exposure, light, focus and noise, down to few photons."""
    stray = _log_uniform(rng, 0.03, 1.0) if rng.random() < 0.5 else 0.0
    exposure = _log_uniform(rng, 0.1, 1.6) / (1 + stray)
    return Degradation(
        blur=rng.uniform(0, 2.2) if rng.random() < 0.85 else 0.0,
        spot=("gaussian", "airy", "defocus")[rng.integers(3)] if rng.random() < 0.3 else "gaussian",
        vignette=rng.uniform(0, 0.75),
        centre=(rng.uniform(-0.3, 1.3), rng.uniform(-0.3, 1.3)),
        tilt=(rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5)),
        exposure=exposure,
        stray=stray,
        offset=rng.uniform(0, 0.15),
        gamma=_log_uniform(rng, 0.7, 1.5) if rng.random() < 0.25 else 1.0,
        # Light that is missing is missing photons, too.
        photons=_log_uniform(rng, fewest, 6000) / exposure,
        read_noise=_log_uniform(rng, 0.5, 5),
        bits=8 if rng.random() < 0.8 else 12,
    )


def _stretched(image: FloatImage) -> FloatImage:
    """Return an image whose percentiles lie at 0 and 1, as the engine maps it."""
    low, high = np.percentile(image, PERCENTILES)
    return np.asarray((image - low) / max(float(high - low), 1e-3), np.float32)


def _detail(bank: Bank, number: int, patch: int, _: int, rng: np.random.Generator) -> Pair:
    """Take a whole field badly; it should look as it was."""
    clean = _turned(bank.images[number], int(rng.integers(8)))
    clean = np.clip(_stretched(clean), 0, 1)
    if rng.random() < 0.15:
        clean = 1 - clean
    taken = _stretched(degrade(clean, _random_exposure(rng, fewest=60), rng))
    window = _window(clean.shape[0], patch, rng)
    return taken[window], clean[window]


def _foreground(bank: Bank, number: int, patch: int, _: int, rng: np.random.Generator) -> Pair:
    """Take a field of either contrast badly; the mask is of what is in it."""
    turn = int(rng.integers(8))
    clean = _turned(bank.images[number], turn)
    mask = _turned(bank.masks[number], turn)
    if rng.random() < 0.3:
        ground = rng.uniform(0.5, 1)
        clean = np.asarray(ground * (1 - rng.uniform(0.3, 1) * clean), np.float32)
    taken = _stretched(degrade(clean, _random_exposure(rng, fewest=5), rng))
    window = _window(clean.shape[0], patch, rng)
    return taken[window], mask[window]


TASKS: dict[str, Callable[[Bank, int, int, int, np.random.Generator], Pair]] = {
    "denoise": _denoise,
    "superres": _superres,
    "detail": _detail,
    "foreground": _foreground,
}
"""What makes (input, target) of a field, by the name of the task."""
