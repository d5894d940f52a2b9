"""What the images that a network learns from have in common, for the domain check."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.source import Source
from napari_microenhance.measure.domain import SIMULATED, Look, Range, TrainedOn, look
from napari_microenhance.training.data.batches import Batches
from napari_microenhance.training.recipes.recipe import Recipe

__all__ = ["survey"]

IMAGES: Final = 96
"""So many inputs are looked at."""


def survey(batches: Batches, recipe: Recipe) -> TrainedOn:
    """Look at some of the inputs that a run draws.

    Parameters
    ----------
    batches : Batches
        The first ones count.
    recipe : Recipe
        Says in words what they are.

    Returns
    -------
    TrainedOn
        Noise, blur and percentiles; in simulated fields neither a number type nor a pixel
        size means anything.
    """
    seen: list[Look] = []
    index = 0
    while len(seen) < IMAGES:
        inputs = batches[index]["input"].numpy()
        seen += [_look(image) for image in inputs]
        index += 1
    percentiles = {
        percent: found
        for percent in seen[0].percentiles
        if (found := _span([one.percentiles[percent] for one in seen]))
    }
    return TrainedOn(
        images=_words(recipe),
        noise=_span([one.noise for one in seen]),
        blur=_span([one.blur for one in seen]),
        percentiles=percentiles,
        correlation=_span([one.correlation for one in seen]),
    )


def _look(image: npt.NDArray[np.float32]) -> Look:
    """Return what an input, shape (C, Y, X), looks like."""
    return look(Source(image, "CYX"), 0.0, 1.0, channels=range(len(image)), correlated=True)


def _span(values: Sequence[float | None]) -> Range | None:
    """Return the smallest and the largest value to four digits, where there are any."""
    known = [float(f"{value:.4g}") for value in values if value is not None and np.isfinite(value)]
    return (min(known), max(known)) if known else None


def _words(recipe: Recipe) -> str:
    """Return what the images are."""
    if recipe.data.pairs is not None:
        return "pairs of images"
    what = f"{SIMULATED} of {', '.join(dict.fromkeys(recipe.data.families)) or 'all families'}"
    return f"{what}, and photographs" if recipe.data.real else what
