"""A training run: from a recipe to a folder with checkpoints, curves and samples."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import torch

from napari_microenhance.errors import MemoryBudgetError, ModelError, OutputError
from napari_microenhance.files import replacing
from napari_microenhance.training.data.batches import Batches, loader
from napari_microenhance.training.data.sources import open_sources
from napari_microenhance.training.learning.checkpoints import LAST, read_checkpoint
from napari_microenhance.training.learning.learner import Diverged, Learner
from napari_microenhance.training.learning.preparing import prepare
from napari_microenhance.training.learning.recorder import RunRecorder, TrainingProgress
from napari_microenhance.training.learning.surveying import survey
from napari_microenhance.training.recipes.recipe import Recipe

__all__ = ["TrainingOutcome", "TrainingProgress", "train"]

RECIPE: Final = "recipe.yaml"


@dataclasses.dataclass(frozen=True)
class TrainingOutcome:
    """What a run came to.

    Parameters
    ----------
    folder : Path
    step : int
        Steps done, earlier parts of a resumed run included.
    stopped : bool
        `should_stop` ended it before the last step.
    figures : dict of str to float
        Of the last validation.
    """

    folder: Path
    step: int
    stopped: bool
    figures: dict[str, float]


def train(
    recipe: Recipe,
    folder: Path,
    *,
    on_progress: Callable[[TrainingProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    resume: bool = False,
    threads: int | None = None,
) -> TrainingOutcome:
    """Train a network.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        For checkpoints, losses, curves and samples; made where it is missing.
    on_progress : callable or None
        Gets a `TrainingProgress` after every step.
    should_stop : callable or None
        Asked after every step; true writes a checkpoint and ends the run.
    resume : bool
        Go on from the folder's last checkpoint.
    threads : int or None
        For computing; None leaves the choice to torch.

    Returns
    -------
    TrainingOutcome

    Raises
    ------
    OutputError
        If the folder holds a run already, or there is no room in it.
    ModelError
        If a checkpoint is of another network, or the loss stops being a number.
    MicroEnhanceError
        If the recipe, or an image it names, cannot be used.
    """
    folder = Path(folder)
    checkpoint = _checkpoint(folder, resume=resume)
    with _threads(threads):
        training, validation = open_sources(recipe, folder)
        held_out = Batches(validation, recipe, "validation")
        examples = [held_out[k] for k in range(recipe.training.validation)]
        learner, facts = prepare(recipe, examples[0], checkpoint)
        facts["trained_on"] = (checkpoint or {}).get("trained_on") or (
            survey(held_out, recipe).to_text()
        )
        with replacing(folder / RECIPE) as handle:
            handle.write(recipe.to_yaml().encode())
        with RunRecorder(folder, learner, facts, examples, checkpoint) as recorder:
            recorder.on_progress = on_progress or recorder.on_progress
            recorder.should_stop = should_stop or recorder.should_stop
            if learner.step < recipe.training.steps:
                _fit(learner, Batches(training, recipe), recorder, folder)
        return TrainingOutcome(folder, learner.step, recorder.stopped, recorder.figures)


def _checkpoint(folder: Path, *, resume: bool) -> dict[str, Any] | None:
    """Return the checkpoint to go on from, or make the folder of a new run."""
    if resume:
        found = read_checkpoint(folder)
        if not all(key in found for key in ("state", "figures", "best")):
            raise ModelError(f"{folder / LAST} holds weights alone; name it as init instead.")
        return found
    if (folder / LAST).exists():
        raise OutputError(
            f"{folder} holds a run already; add --resume to go on with it, or give another --out."
        )
    if folder.is_dir() and any(folder.iterdir()):
        raise OutputError(
            f"{folder} is not empty, and training never overwrites; choose another --out."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be created: {error.strerror}.") from error
    return None


def _fit(learner: Learner, batches: Batches, recorder: RunRecorder, folder: Path) -> None:
    """Take the steps that are left."""
    training = learner.recipe.training
    kept = f"the last good checkpoint stays in {folder}"
    learner.network.train()
    try:
        for batch in loader(batches, learner.step, training.steps, training.workers):
            learner.learn(batch)
            recorder.note_step()
            if recorder.stopped:
                break
    except Diverged as error:
        raise ModelError(
            f"{error.what} is not a number at step {error.step}; {kept}; resume with a lower "
            "training.rate."
        ) from error
    except torch.OutOfMemoryError as error:
        raise MemoryBudgetError(
            f"The device has not enough memory; {kept}; make training.batch or training.patch "
            "smaller."
        ) from error


@contextlib.contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Compute with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
