"""Batches by number: batch k of a run is the same whenever and wherever it is made."""

from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from napari_microenhance.training.data.augment import augmented
from napari_microenhance.training.data.border_weights import border_weights
from napari_microenhance.training.data.examples import white_count
from napari_microenhance.training.recipes.recipe import Recipe, Training

__all__ = ["Batch", "Batches", "ExampleSource", "loader", "patch_and_batch"]

FloatArray = npt.NDArray[np.float32]

Batch = dict[str, Tensor]
"""`input`, `target` and, for a weighted cross-entropy, `weight`; each (N, C, Y, X), float32.

For distillation also `known`, (N,), bool: examples with white noise.
"""

_AHEAD: Final = 4  # batches that a worker has ready


class ExampleSource(Protocol):
    """Something that examples can be drawn from."""

    def draw(
        self, count: int, patch: int, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        """Return inputs and targets, (N, C, Y, X), the targets `patch` px wide."""
        ...


class Batches(Dataset[Batch]):
    """The batches of a run, or of its validation.

    Parameters
    ----------
    source : ExampleSource
    recipe : Recipe
    stream : {"training", "validation"}
        Validation has other random numbers, and no augmentation but the source's own.
    """

    def __init__(self, source: ExampleSource, recipe: Recipe, stream: str = "training") -> None:
        self._source = source
        self._recipe = recipe
        self._stream = ("training", "validation").index(stream)

    def __getitem__(self, index: int) -> Batch:
        recipe = self._recipe
        rng = np.random.default_rng([recipe.training.seed, self._stream, index])
        patch, count = patch_and_batch(recipe.training, 0 if self._stream else index)
        inputs, targets = self._source.draw(count, patch, rng)
        if not self._stream:
            mask, follow = recipe.task == "foreground", recipe.export.units == "input"
            inputs, targets = augmented(
                inputs, targets, recipe.augment, rng, mask=mask, follow=follow
            )
        batch = {"input": _tensor(inputs), "target": _tensor(targets)}
        if recipe.loss.weighted_ce:
            weights = np.stack([border_weights(mask[0] > 0.5) for mask in targets])
            batch["weight"] = _tensor(weights[:, None])
        if recipe.loss.distillation:
            batch["known"] = torch.arange(count) < white_count(count, recipe.data.cameras)
        return batch


def patch_and_batch(training: Training, step: int) -> tuple[int, int]:
    """Return the patch's edge, px, and the number of examples at a step.

    Parameters
    ----------
    training : Training
    step : int
        From 0.

    Returns
    -------
    patch, batch : int
    """
    patch, batch = training.patch, training.batch
    for stage in sorted(training.patch_growth, key=lambda stage: stage.step):
        if step >= stage.step:
            patch, batch = stage.patch, stage.batch or batch
    return patch, batch


def loader(batches: Batches, start: int, stop: int, workers: int) -> DataLoader[Batch]:
    """Give the batches from `start` to `stop`, in order, made ahead by other processes.

    Parameters
    ----------
    batches : Batches
    start, stop : int
        Numbers of the first batch and of the one after the last.
    workers : int
        Processes; 0 makes each batch when it is asked for.

    Returns
    -------
    DataLoader
    """
    options: dict[str, Any] = {}
    if workers:
        options = {"num_workers": workers, "prefetch_factor": _AHEAD}
    # Without automatic batching a sampler's item is the index of a whole batch.
    return DataLoader(batches, batch_size=None, sampler=range(start, stop), **options)


def _tensor(values: FloatArray) -> Tensor:
    """Return an array as a tensor that the network reads without another copy."""
    tensor = torch.from_numpy(np.ascontiguousarray(values, np.float32))
    return tensor.contiguous(memory_format=torch.channels_last)
