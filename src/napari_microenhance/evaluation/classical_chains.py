"""Chains of classical filters for pictures that were badly exposed, lit, focused and noisy.

A chain denoises, stretches the percentiles, evens the illumination and sharpens; each part
may be left out but the stretch. All combinations of methods are tried, and of each method a
few settings; what is nearest to the truth of that image wins, as in `baselines`.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import exposure, filters

from napari_microenhance.evaluation import baselines
from napari_microenhance.evaluation.baselines import Method, quality
from napari_microenhance.evaluation.trials import EvaluationTrial
from napari_microenhance.measure import metrics

__all__ = ["Chain", "chains", "richardson_lucy"]

FloatImage = npt.NDArray[np.float32]
Filter = Callable[[FloatImage], FloatImage]
Filters = Mapping[str, Filter]

_NONE: Final = "none"
_BREAK: Final = " > "


def chains(trial: EvaluationTrial) -> tuple[Method, ...]:
    """Return what a "detail" trial is compared with.

    Parameters
    ----------
    trial : EvaluationTrial

    Returns
    -------
    tuple of Method
        The input, the stretch alone, flat-field and unsharp mask, and the best of all chains,
        after a straight line and without one.
    """
    image = _light(trial)
    stretches = _stretches()
    parts = _parts(trial)
    return (
        Method("input", {"as it is": lambda: image}),
        Method(
            "percentile stretch",
            {name: functools.partial(_made, (step,), image) for name, step in stretches.items()},
        ),
        Method(
            "flat-field + unsharp",
            {
                _BREAK.join(names): functools.partial(_made, steps, image)
                for names, steps in _products(stretches, _flat_fields(trial), _unsharp())
            },
        ),
        Chain("best chain", image, parts, quality),
        Chain("best chain without matching", image, parts, _plain_quality),
    )


def _parts(trial: EvaluationTrial) -> tuple[Filters, ...]:
    """Return the filters of each part of a chain, by setting."""
    return (
        _denoisers(_light(trial)),
        _stretches(),
        {_NONE: _same, **_flat_fields(trial), **_equalisers(trial)},
        {_NONE: _same, **_unsharp(), **_deconvolutions()},
    )


def _plain_quality(trial: EvaluationTrial, output: npt.NDArray[Any]) -> float:
    """Return the PSNR of an output as it is."""
    return metrics.psnr(output, trial.truth)


class Chain(Method):
    """The best of all chains; it finds its settings part by part.

    All pairs of a denoiser and an illumination filter are tried with all their settings;
    the best settings of each pair of methods go on to be sharpened in every way.

    Parameters
    ----------
    name : str
    image : ndarray, shape (Y, X), float32
        In [0, 1].
    parts : tuple of mappings of str to callable
        Denoisers, stretches, illumination filters and sharpeners.
    judge : callable
        From a trial and an output to how near that is to the truth; more is better.
    """

    def __init__(
        self,
        name: str,
        image: FloatImage,
        parts: tuple[Filters, ...],
        judge: Callable[[EvaluationTrial, npt.NDArray[Any]], float],
    ) -> None:
        super().__init__(name, {})
        self._image, self._parts, self._judge = image, parts, judge

    @property
    def settings(self) -> tuple[str, ...]:
        """The settings of every part."""
        return tuple(itertools.chain.from_iterable(self._parts))

    def search(self, trial: EvaluationTrial) -> str:
        """Return the setting whose result is nearest to the truth."""
        denoisers, stretches, lights, sharpeners = self._parts
        winners: dict[tuple[str, str], tuple[float, str, FloatImage]] = {}
        for first, denoise in denoisers.items():
            quiet = denoise(self._image)
            for names, steps in _products(stretches, lights):
                made = _apply(steps, quiet)
                reached = self._judge(trial, np.clip(made, 0, 1))
                pair = (_family(first), _family(names[1]))
                if reached > winners.get(pair, (-np.inf,))[0]:
                    winners[pair] = (reached, _BREAK.join((first, *names)), made)
        found = {
            f"{label}{_BREAK}{last}": self._judge(trial, np.clip(sharpen(made), 0, 1))
            for _, label, made in winners.values()
            for last, sharpen in sharpeners.items()
        }
        return max(found, key=lambda label: found[label])

    def make(self, setting: str) -> FloatImage:
        """Return the result of a setting."""
        names = setting.split(_BREAK)
        return _made(
            tuple(part[name] for part, name in zip(self._parts, names, strict=True)), self._image
        )


def _light(trial: EvaluationTrial) -> FloatImage:
    """Return the image of a trial in [0, 1]."""
    return np.asarray(trial.image / np.float32(255), np.float32)


def _made(steps: tuple[Filter, ...], image: FloatImage) -> FloatImage:
    """Return what filters make of an image, in [0, 1]."""
    return np.clip(_apply(steps, image), 0, 1)


def _apply(steps: tuple[Filter, ...], image: FloatImage) -> FloatImage:
    """Return what filters make of an image."""
    for step in steps:
        image = step(image)
    return image


def _products(*parts: Filters) -> Iterator[tuple[tuple[str, ...], tuple[Filter, ...]]]:
    """Yield every choice of one filter per part: their names, and they."""
    for choice in itertools.product(*(part.items() for part in parts)):
        yield tuple(name for name, _ in choice), tuple(step for _, step in choice)


def _family(name: str) -> str:
    """Return the method that a setting belongs to."""
    return name.partition(",")[0]


def _same(image: FloatImage) -> FloatImage:
    """Return the image."""
    return image


def _denoisers(image: FloatImage) -> Filters:
    """Return a few settings of each denoiser; nobody tells them the strength of the noise."""
    sigma = max(metrics.noise(image), 1e-4)
    steps = baselines.denoising_steps(image, sigma)
    makers: dict[str, Callable[[], FloatImage]] = {_NONE: lambda: image}
    makers |= {name: steps[name] for name in _SETTINGS}
    if baselines.has_bm3d():
        for factor in (1.0, 1.5):
            makers[f"BM3D, {factor} sigma"] = functools.partial(
                baselines.bm3d, image, sigma * factor
            )
    # Each is asked for again by the chain that wins.
    return {name: functools.partial(_given, functools.cache(make)) for name, make in makers.items()}


_SETTINGS: Final = (
    "non-local means, h = 0.6 sigma, patch 5 px",
    "non-local means, h = 1.0 sigma, patch 5 px",
    "total variation, weight 0.75 sigma",
    "total variation, weight 1.5 sigma",
    "wavelets, db2, BayesShrink, 1.0 sigma",
    "wavelets, db2, BayesShrink, 1.5 sigma",
)


def _given(make: Callable[[], FloatImage], _image: FloatImage) -> FloatImage:
    """Return what a denoiser makes, which holds its image already."""
    return make()


def _stretches() -> Filters:
    """Return percentile stretches, by setting."""
    return {f"stretch, {low}%": functools.partial(_stretch, percent=low) for low in (0.1, 1.0)}


def _stretch(image: FloatImage, percent: float) -> FloatImage:
    """Return the image with its percentiles taken to 0 and 1; not clipped."""
    low, high = (float(v) for v in np.percentile(image, (percent, 100 - percent)))
    return ((image - low) / max(high - low, 1e-6)).astype(np.float32)


def _flat_fields(trial: EvaluationTrial) -> Filters:
    """Return divisions by a blurred image, by setting."""
    edge = min(trial.image.shape)
    return {
        f"flat-field, {edge // part} px": functools.partial(_flat_field, sigma=edge / part)
        for part in (8, 4, 2)
    }


def _flat_field(image: FloatImage, sigma: float) -> FloatImage:
    """Return the image over its own large-scale light, stretched again."""
    light = ndimage.gaussian_filter(image, sigma, mode="reflect", truncate=2)
    return _stretch(np.asarray(image / np.maximum(light, 0.02), np.float32), 0.1)


def _equalisers(trial: EvaluationTrial) -> Filters:
    """Return contrast-limited adaptive histogram equalisation, by setting.

    References
    ----------
    .. [1] K. Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems
       IV, 1994. https://doi.org/10.1016/B978-0-12-336156-1.50061-6
    """
    edge = min(trial.image.shape)
    return {
        f"CLAHE, limit {limit}, {edge // 6} px": functools.partial(
            _equalise, limit=limit, window=edge // 6
        )
        for limit in (0.002, 0.01)
    }


def _equalise(image: FloatImage, limit: float, window: int) -> FloatImage:
    """Return CLAHE."""
    return np.asarray(
        exposure.equalize_adapthist(np.clip(image, 0, 1), kernel_size=window, clip_limit=limit),
        np.float32,
    )


def _unsharp() -> Filters:
    """Return unsharp masks, by setting."""
    return {
        f"unsharp, {radius} px x {amount}": functools.partial(
            filters.unsharp_mask, radius=radius, amount=amount, preserve_range=True
        )
        for radius in (1.0, 2.0)
        for amount in (0.5, 1.5)
    }


def _deconvolutions() -> Filters:
    """Return Richardson-Lucy deconvolutions with Gaussian spots, by setting.

    References
    ----------
    .. [1] W. H. Richardson, "Bayesian-based iterative method of image restoration", J. Opt.
       Soc. Am. 62(1), 1972. https://doi.org/10.1364/JOSA.62.000055
    .. [2] L. B. Lucy, "An iterative technique for the rectification of observed
       distributions", Astron. J. 79(6), 1974. https://doi.org/10.1086/111605
    """
    return {
        f"Richardson-Lucy, {sigma} px x {rounds}": functools.partial(
            richardson_lucy, sigma=sigma, rounds=rounds
        )
        for sigma in (1.0, 1.4)
        for rounds in (4, 10)
    }


def richardson_lucy(image: FloatImage, sigma: float, rounds: int) -> FloatImage:
    """Deconvolve a Gaussian blur; separable, which scikit-image's version is not.

    Parameters
    ----------
    image : ndarray, shape (Y, X), float32
        Values below 1e-4 count as that.
    sigma : float
        Of the blur, px.
    rounds : int
        Iterations.

    Returns
    -------
    ndarray, shape (Y, X), float32

    References
    ----------
    .. [1] W. H. Richardson, "Bayesian-based iterative method of image restoration", J. Opt.
       Soc. Am. 62(1), 1972. https://doi.org/10.1364/JOSA.62.000055
    """
    blurred = functools.partial(ndimage.gaussian_filter, sigma=sigma, mode="reflect", truncate=3)
    seen = np.maximum(image, np.float32(1e-4))
    guess = seen
    for _ in range(rounds):
        guess = np.asarray(guess * blurred(seen / np.maximum(blurred(guess), 1e-4)), np.float32)
    return guess
