"""What networks and classical methods are tried on: scenes with something done to them.

A trial is a scene with something done to it that a network should undo, always with the same
random numbers. None of this is shared with the simulator's forward model, which networks are
trained with: who passes here has not merely learned its own formulas.
"""

import dataclasses
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_microenhance.evaluation.clean_pictures import SEED, CleanPicture, Group, Scene

__all__ = [
    "NOISES",
    "EvaluationTrial",
    "Noise",
    "denoise_trials",
    "detail_trials",
    "foreground_trials",
    "superres_trials",
    "trials_of",
]

FloatImage = npt.NDArray[np.float32]
Task = Literal["denoise", "superres", "detail", "foreground"]

_TOP: Final = 65_535


@dataclasses.dataclass(frozen=True, kw_only=True)
class Noise:
    """Poisson-Gaussian noise on an image whose white is 1.

    Parameters
    ----------
    sigma : float
        Standard deviation of the Gaussian part, in the image's units.
    photons : float
        Photons of a white pixel; 0: no Poisson part.
    """

    sigma: float = 0.0
    photons: float = 0.0

    def add(self, image: FloatImage, rng: np.random.Generator) -> FloatImage:
        """Return the image with noise; what is below black has no photons."""
        noisy = image.astype(np.float64)
        if self.photons:
            light = np.maximum(noisy, 0)
            noisy += rng.poisson(light * self.photons) / self.photons - light
        return (noisy + rng.normal(0, self.sigma, image.shape)).astype(np.float32)

    def mean_sigma(self, image: FloatImage) -> float:
        """Return the root of the mean noise variance over an image."""
        light = float(np.maximum(image, 0).mean(dtype=np.float64))
        return float(np.sqrt(self.sigma**2 + (light / self.photons if self.photons else 0.0)))


_NO_NOISE: Final = Noise()

_READ: Final = 2.0
"""Read noise of the simulated camera, photons."""

NOISES: Final[Mapping[str, Noise]] = {
    "Gaussian 0.03": Noise(sigma=0.03),
    "Gaussian 0.06": Noise(sigma=0.06),
    "Gaussian 0.12": Noise(sigma=0.12),
    "400 photons": Noise(sigma=_READ / 400, photons=400),
    "100 photons": Noise(sigma=_READ / 100, photons=100),
    "30 photons": Noise(sigma=_READ / 30, photons=30),
}
"""By name: noise of one strength everywhere, and three exposures of a camera."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class EvaluationTrial:
    """A scene with something done to it.

    Parameters
    ----------
    task : {"denoise", "superres", "detail", "foreground"}
    scene, condition : str
        Which picture, and what was done to it.
    group : {"real", "simulated"}
    image : ndarray, shape (Y, X)
        What every method is given: float32 for "denoise" and "superres", uint8 for "detail",
        any type for "foreground".
    truth : ndarray, shape (Y * scale, X * scale), float32 or bool
        What it should give.
    noise : Noise
        What was added, for methods that are told.
    scale : int
    """

    task: Task
    scene: str
    condition: str
    group: Group
    image: npt.NDArray[Any]
    truth: npt.NDArray[Any]
    noise: Noise = dataclasses.field(default_factory=Noise)
    scale: int = 1

    @property
    def sigma(self) -> float:
        """Root of the mean variance of the noise that was added."""
        return self.noise.mean_sigma(self.truth)


def denoise_trials(source: Scene) -> Iterator[EvaluationTrial]:
    """Yield a scene with every noise of `NOISES`, Gaussian noise also clipped to [0, 1].

    What is kept as whole numbers, as most images are, holds nothing below black and above
    white, so that noise in the dark has a mean above 0; a method must know that, or it
    returns a grey background.

    Parameters
    ----------
    source : Scene

    Yields
    ------
    EvaluationTrial
    """
    for condition, noise in NOISES.items():
        image = noise.add(source.image, _rng(source, "denoise", condition))
        yield _trial(source, "denoise", condition, image, source.image, noise=noise)
        if not noise.photons:
            words = f"{condition}, clipped"
            truth = np.clip(source.image, 0, 1)
            image = np.clip(noise.add(truth, _rng(source, "denoise", words)), 0, 1)
            yield _trial(source, "denoise", words, image, truth, noise=noise)


def superres_trials(source: Scene, scale: int) -> Iterator[EvaluationTrial]:
    """Yield a scene whose pixels were averaged over squares of `scale` x `scale`.

    Parameters
    ----------
    source : Scene
    scale : int

    Yields
    ------
    EvaluationTrial
    """
    height, width = (length // scale * scale for length in source.image.shape)
    truth = source.image[:height, :width]
    blocks = truth.reshape(height // scale, scale, width // scale, scale)
    image = blocks.mean(axis=(1, 3), dtype=np.float64).astype(np.float32)
    yield _trial(source, "superres", f"x{scale}", image, truth, scale=scale)


def trials_of(
    task: Task, pictures: Iterable[CleanPicture], edges: tuple[int, int], *, scale: int = 1
) -> list[EvaluationTrial]:
    """Return all trials of a task.

    Parameters
    ----------
    task : {"denoise", "superres", "detail", "foreground"}
    pictures : iterable of CleanPicture
    edges : tuple of int
        Longest edge of real and of simulated scenes, px.
    scale : int
        Of "superres".

    Returns
    -------
    list of EvaluationTrial
    """
    makers: dict[Task, Callable[[Scene], Iterator[EvaluationTrial]]] = {
        "denoise": denoise_trials,
        "superres": partial(superres_trials, scale=scale),
        "detail": detail_trials,
        "foreground": foreground_trials,
    }
    return [
        trial
        for picture in pictures
        for trial in makers[task](picture.scene(edges[picture.group == "simulated"]))
    ]


@dataclasses.dataclass(frozen=True)
class _Exposure:
    """What a camera makes of light in [0, 1]: ``offset + gain * light``, and its noise."""

    offset: float
    gain: float
    noise: Noise

    def expose(self, light: FloatImage, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
        """Return an eight-bit image."""
        noisy = self.noise.add(np.float32(self.offset) + np.float32(self.gain) * light, rng)
        return np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8)


_EXPOSURES: Final[Mapping[str, _Exposure]] = {
    "dark": _Exposure(0.02, 0.28, Noise(sigma=0.006, photons=2000)),
    "bright": _Exposure(0.35, 0.6, Noise(sigma=0.006, photons=1000)),
}
_LOSS: Final = 0.5
"""Part of the light that is missing in the darkest corner."""
_DEFOCUS: Final = 1.2
"""Standard deviation of the Gaussian blur, px."""


def detail_trials(source: Scene) -> Iterator[EvaluationTrial]:
    """Yield a scene unevenly lit, blurred, and exposed too little and too much.

    Parameters
    ----------
    source : Scene

    Yields
    ------
    EvaluationTrial
    """
    truth = np.clip(source.image, 0, 1)
    light = ndimage.gaussian_filter(truth * _vignette(truth.shape), _DEFOCUS, mode="reflect")
    for condition, exposure in _EXPOSURES.items():
        image = exposure.expose(light, _rng(source, "detail", condition))
        yield _trial(source, "detail", condition, image, truth)


def foreground_trials(source: Scene) -> Iterator[EvaluationTrial]:
    """Yield a scene whose foreground is known, as it is and made difficult; nothing without.

    Parameters
    ----------
    source : Scene

    Yields
    ------
    EvaluationTrial
    """
    if source.mask is None or source.original is None:
        return
    yield _trial(source, "foreground", "original", source.original, source.mask)
    for condition, spoil in _SPOILERS.items():
        values = spoil(source.image, _rng(source, "foreground", condition))
        image = np.rint(np.clip(values, 0, 1) * _TOP).astype(np.uint16)
        yield _trial(source, "foreground", condition, image, source.mask)


def _dim(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Return a tenth of the light, and noise that stays."""
    return Noise(sigma=0.008).add(0.1 + 0.1 * image, rng)


def _uneven(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Return less light towards a corner, over a haze that rises across the field."""
    across = np.linspace(0, 1, image.shape[1], dtype=np.float32)
    lit = 0.6 * image * (_vignette(image.shape) - 0.2)
    return Noise(sigma=0.01).add((0.05 + 0.3 * across + lit).astype(np.float32), rng)


def _noisy(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Return noise as strong as most of the signal."""
    return Noise(sigma=0.12).add(0.4 + 0.5 * image, rng)


def _brightfield(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Return dark objects on a bright, unevenly lit ground."""
    lamp = 0.45 + 0.5 * _vignette(image.shape)
    return Noise(sigma=0.02).add((lamp * (1 - 0.4 * image)).astype(np.float32), rng)


_SPOILERS: Final[Mapping[str, Callable[[FloatImage, np.random.Generator], FloatImage]]] = {
    "dim": _dim,
    "uneven": _uneven,
    "noisy": _noisy,
    "brightfield": _brightfield,
}


def _vignette(shape: tuple[int, ...]) -> FloatImage:
    """Return the share of light: 1 near the middle, ``1 - _LOSS`` in the darkest corner."""
    y, x = (np.linspace(-1, 1, length, dtype=np.float32) for length in shape)
    # Off the middle, as real lamps are: a filter must not find it by symmetry.
    square = (y[:, None] + 0.15) ** 2 + (x[None, :] - 0.1) ** 2
    return np.asarray(1 - _LOSS * square / square.max(), np.float32)


def _trial(
    source: Scene,
    task: Task,
    condition: str,
    image: npt.NDArray[Any],
    truth: npt.NDArray[Any],
    *,
    noise: Noise = _NO_NOISE,
    scale: int = 1,
) -> EvaluationTrial:
    """Return a trial of a scene."""
    return EvaluationTrial(
        task=task,
        scene=source.name,
        group=source.group,
        condition=condition,
        image=image,
        truth=truth,
        noise=noise,
        scale=scale,
    )


def _rng(source: Scene, *words: str) -> np.random.Generator:
    """Return random numbers of their own for every trial, the same in every run."""
    return np.random.default_rng([SEED, zlib.crc32(" ".join((source.name, *words)).encode())])
