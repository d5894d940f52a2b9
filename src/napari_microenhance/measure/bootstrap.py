"""How far a mean of a few figures can be trusted."""

import dataclasses
from collections.abc import Sequence
from typing import Self

import numpy as np

from napari_microenhance.errors import OptionsError

__all__ = ["Interval", "mean_interval"]


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean and the interval in which the mean of other such figures would lie.

    Parameters
    ----------
    mean, low, high : float
    count : int
        How many figures it is the mean of.
    """

    mean: float
    low: float
    high: float
    count: int

    def to_dict(self) -> dict[str, float | int]:
        """Return it as plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def of_one(cls, value: float) -> Self:
        """Return the interval of a single figure, which says nothing about others."""
        return cls(value, value, value, 1)


def mean_interval(
    values: Sequence[float], *, level: float = 0.95, resamples: int = 4000, seed: int = 0
) -> Interval:
    """Return a mean with its percentile bootstrap interval.

    Parameters
    ----------
    values : sequence of float
        Finite; one per image. For a gain over another method the differences, image by
        image, so that easy and hard images cancel.
    level : float
        Share of resampled means inside the interval, between 0 and 1.
    resamples : int
        How often as many figures are drawn, with replacement.
    seed : int
        Of the draws: the same figures give the same interval.

    Returns
    -------
    Interval
        Few figures give too narrow an interval; with fewer than about ten, read it as a
        lower bound of the uncertainty.

    Raises
    ------
    OptionsError
        If there are no figures, one is not finite, or the level is not between 0 and 1.

    References
    ----------
    .. [1] B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993,
       section 13.3. https://doi.org/10.1201/9780429246593
    """
    figures = np.asarray(values, np.float64)
    if not figures.size or not np.isfinite(figures).all():
        raise OptionsError(f"A mean with its interval needs finite numbers, not {list(values)}.")
    if not 0 < level < 1:
        raise OptionsError(f"level={level} must lie between 0 and 1.")
    if figures.size == 1:
        return Interval.of_one(float(figures[0]))
    rng = np.random.default_rng(seed)
    draws = rng.integers(figures.size, size=(resamples, figures.size))
    tail = (1 - level) / 2
    low, high = np.quantile(figures[draws].mean(axis=1), (tail, 1 - tail))
    return Interval(float(figures.mean()), float(low), float(high), int(figures.size))
