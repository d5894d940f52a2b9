"""Repeated exposures: one is the input, the mean of the others the target.

Noise of the target that has nothing to do with that of the input changes no minimum, so that no
clean image is needed [1]_.

References
----------
.. [1] J. Lehtinen et al., "Noise2Noise: learning image restoration without clean data", ICML
   2018. https://arxiv.org/abs/1803.04189
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.intensity import PERCENTILES
from napari_microenhance.errors import FileMissingError, ImageError
from napari_microenhance.images.image_formats import read_image
from napari_microenhance.training.data.image_pairs import images_of, unit
from napari_microenhance.training.recipes.recipe import PairFolders, Recipe

__all__ = ["RepeatSource", "Repeats", "read_repeats"]

FloatArray = npt.NDArray[np.float32]

_FEWEST: Final = 2


@dataclasses.dataclass(frozen=True, eq=False)
class Repeats:
    """Exposures of one field, as stored, and the range that is mapped to [0, 1].

    Parameters
    ----------
    name : str
    frames : ndarray, shape (N, Y, X), any dtype
    limits : tuple of float
    """

    name: str
    frames: npt.NDArray[Any]
    limits: tuple[float, float]


class RepeatSource:
    """Patches of repeated exposures.

    Parameters
    ----------
    stacks : sequence of Repeats
    """

    def __init__(self, stacks: Sequence[Repeats]) -> None:
        self.stacks = tuple(stacks)

    def draw(
        self, count: int, patch: int, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        """Return inputs and targets, (N, 1, Y, X), `patch` px wide."""
        chosen = [self._piece(patch, rng) for _ in range(count)]
        given, wanted = (np.stack(part)[:, None] for part in zip(*chosen, strict=True))
        return given, wanted

    def _piece(self, patch: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Return one exposure of a place, and the mean of the others."""
        stack = self.stacks[rng.integers(len(self.stacks))]
        y, x = (int(rng.integers(n - patch + 1)) for n in stack.frames.shape[1:])
        seen = unit(stack.frames[:, y : y + patch, x : x + patch], stack.limits)
        one = int(rng.integers(len(seen)))
        return seen[one], np.delete(seen, one, axis=0).mean(axis=0)


def read_repeats(recipe: Recipe) -> tuple[RepeatSource, RepeatSource]:
    """Read the stacks of a recipe.

    Parameters
    ----------
    recipe : Recipe
        With `repeats` of `data.pairs`.

    Returns
    -------
    training, validation : RepeatSource
        No field is in both; of a single stack, no row.

    Raises
    ------
    FileMissingError
        If there is no such file or folder, or no image in it.
    ImageError
        If an image is no stack of one field, or too small; the sentence names it.
    """
    plan = recipe.data.pairs
    assert plan is not None
    assert plan.repeats is not None
    place = Path(plan.repeats)
    files = images_of(place) if place.is_dir() else {place.stem: place}
    if not files:
        raise FileMissingError(f"There is no stack in {place}.")
    training = recipe.training
    patch = max([training.patch, *(stage.patch for stage in training.patch_growth)])
    stacks = [_read_stack(name, path, plan, patch) for name, path in files.items()]
    if len(stacks) == 1:
        return tuple(RepeatSource([part]) for part in _cut(stacks[0], plan, patch))  # type: ignore[return-value]
    held_out = min(max(1, round(plan.validation * len(stacks))), len(stacks) - 1)
    order = np.random.default_rng(recipe.data.seed).permutation(len(stacks))
    learnt, checked = (
        RepeatSource([stacks[k] for k in sorted(share)])
        for share in (order[held_out:], order[:held_out])
    )
    return learnt, checked


def _cut(stack: Repeats, plan: PairFolders, patch: int) -> tuple[Repeats, Repeats]:
    """Return the upper rows of a stack, and the lower ones to check with."""
    height = stack.frames.shape[1]
    rows = max(patch, round(plan.validation * height))
    if height - rows < patch:
        raise ImageError(
            f"{stack.name} is {height} px high, too small to learn from and to check with patches "
            f"of {patch} px; lower training.patch, or give several stacks."
        )
    upper, lower = stack.frames[:, : height - rows], stack.frames[:, height - rows :]
    return dataclasses.replace(stack, frames=upper), dataclasses.replace(stack, frames=lower)


def _read_stack(name: str, path: Path, plan: PairFolders, patch: int) -> Repeats:
    """Read a stack, and raise unless it holds exposures of one field."""
    image = read_image(path)
    frames = image.pixels
    if len(image.axes) != 3 or not image.axes.endswith("YX") or len(frames) < _FEWEST:
        raise ImageError(
            f"{path} has axes {image.axes} and shape {frames.shape}; a stack of {_FEWEST} or more "
            "exposures of one field is needed."
        )
    if min(frames.shape[1:]) < patch:
        raise ImageError(
            f"{path} is {frames.shape[1]} x {frames.shape[2]} px, too small for patches of "
            f"{patch} px; lower training.patch."
        )
    if frames.dtype.kind not in "uif":
        raise ImageError(f"{path} has pixels of type {frames.dtype}, which cannot be learnt from.")
    if frames.dtype.kind == "f" and not np.isfinite(frames).all():
        raise ImageError(f"{path} holds values that are not numbers; replace them first.")
    if plan.intensity == "percentile":
        low, high = (float(v) for v in np.percentile(frames, PERCENTILES))
        return Repeats(name, frames, (low, high if high > low else low + 1))
    top = float(np.iinfo(frames.dtype).max) if frames.dtype.kind in "ui" else 1.0
    return Repeats(name, frames, (0.0, top))
