"""What a run leaves in its folder, and what it says while it goes."""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Self

import torch

from napari_microenhance.errors import ModelError
from napari_microenhance.training.data.batches import Batch
from napari_microenhance.training.learning.checkpoints import BEST, LAST, write_checkpoint
from napari_microenhance.training.learning.journal import Journal, read_table
from napari_microenhance.training.learning.learner import Learner
from napari_microenhance.training.learning.pictures import draw_curves, draw_samples
from napari_microenhance.training.learning.validation import Validation, figure_names, validate
from napari_microenhance.training.recipes.recipe import Recipe

__all__ = ["CURVES", "LOSSES", "VALIDATION", "RunRecorder", "TrainingProgress"]

LOSSES: Final = "losses.csv"
VALIDATION: Final = "validation.csv"
CURVES: Final = "curves.png"


@dataclasses.dataclass(frozen=True)
class TrainingProgress:
    """How far a run is.

    Parameters
    ----------
    done, total : int
        Steps.
    losses : dict of str to float
        The terms of the last step, and their sum as "loss".
    seconds_left : float or None
    """

    done: int
    total: int
    losses: dict[str, float]
    seconds_left: float | None


class RunRecorder:
    """Writes losses at every step, and everything else once an epoch.

    Parameters
    ----------
    folder : Path
    learner : Learner
    facts : dict
        As `prepare` returns them; they go into every checkpoint.
    examples : list of Batch
        For validation.
    checkpoint : dict or None
        That the run goes on from; the learner takes up its state.

    Attributes
    ----------
    on_progress : callable
        Gets a `TrainingProgress` after every step.
    should_stop : callable
        Asked after every step but the last.
    stopped : bool
        It said so.
    figures : dict of str to float
        Of the last validation.
    """

    def __init__(
        self,
        folder: Path,
        learner: Learner,
        facts: dict[str, Any],
        examples: Sequence[Batch],
        checkpoint: dict[str, Any] | None,
    ) -> None:
        self.on_progress: Callable[[TrainingProgress], None] = lambda _: None
        self.should_stop: Callable[[], bool] = lambda: False
        self.stopped = False
        self.figures: dict[str, float] = {} if checkpoint is None else checkpoint["figures"]
        self._folder = folder
        self._learner = learner
        self._recipe = learner.recipe
        self._facts = facts
        self._examples = examples
        if checkpoint is not None:
            learner.restore(checkpoint["state"])
        self._best = -math.inf if checkpoint is None else float(checkpoint["best"])
        self._start = learner.step
        self._began = time.monotonic()
        self._losses = Journal(folder / LOSSES, loss_names(self._recipe), learner.step)
        names = figure_names(mask=self._mask)
        self._validations = Journal(folder / VALIDATION, names, learner.step)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._losses.close()
        self._validations.close()

    @property
    def _mask(self) -> bool:
        """Whether the network gives logits of a mask."""
        return self._recipe.task == "foreground"

    def note_step(self) -> None:
        """Note the step that the learner took; end an epoch, or the run.

        Raises
        ------
        ModelError
            If weights are no longer numbers.
        OutputError
            If there is no room for what is written.
        """
        learner, training = self._learner, self._recipe.training
        self._losses.add({"step": learner.step} | learner.losses)
        self.on_progress(self._progress())
        last = learner.step == training.steps
        if last or learner.step % training.epoch_steps == 0:
            self._end_epoch()
        if not last and self.should_stop():
            self.stopped = True
            self._save(LAST)

    def _progress(self) -> TrainingProgress:
        """Return how far the run is."""
        done, total = self._learner.step, self._recipe.training.steps
        pace = (time.monotonic() - self._began) / (done - self._start)
        return TrainingProgress(done, total, self._learner.losses, pace * (total - done))

    def _end_epoch(self) -> None:
        """Validate, and write checkpoint, curves and samples."""
        learner = self._learner
        found = self._validate()
        self.figures = found.figures
        self._validations.add({"step": learner.step} | found.figures)
        # Of two images a discriminator prefers another than these figures do.
        plain = self._recipe.loss.adversarial is None and self._recipe.loss.perceptual is None
        if plain and found.score > self._best:
            self._best = found.score
            self._save(BEST)
        self._save(LAST)
        self._losses.flush()
        self._validations.flush()
        draw_curves(
            self._folder / CURVES, read_table(self._losses.path), read_table(self._validations.path)
        )
        draw_samples(self._folder / f"samples-{learner.step:07}.png", found.samples)

    def _validate(self) -> Validation:
        """Measure the averaged network."""
        learner = self._learner
        there = [learner.placed(batch) for batch in self._examples]
        return validate(learner.average, learner.criterion, there, mask=self._mask)

    def _save(self, name: str) -> None:
        """Write a checkpoint."""
        learner = self._learner
        weights = learner.average.state_dict()
        if not all(bool(torch.isfinite(tensor).all()) for tensor in weights.values()):
            raise ModelError(
                f"Weights are not numbers at step {learner.step}; the checkpoint before stays."
            )
        content = {
            "recipe": self._recipe.to_dict(),
            **self._facts,
            "weights": weights,
            "step": learner.step,
            "best": self._best,
            "figures": self.figures,
            "state": learner.state(),
        }
        self._losses.flush()
        write_checkpoint(self._folder / name, content)


def loss_names(recipe: Recipe) -> tuple[str, ...]:
    """Return the columns of the table of losses."""
    names = ["loss", *recipe.loss.terms]
    names += ["perceptual"] * (recipe.loss.perceptual is not None)
    names += ["adversarial", "discriminator"] * (recipe.loss.adversarial is not None)
    return tuple(names)
