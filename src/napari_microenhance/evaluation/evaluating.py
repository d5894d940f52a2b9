"""Networks against the classics, on pictures that none of them was made with."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.evaluation.baselines import Method, methods
from napari_microenhance.evaluation.classical_chains import chains
from napari_microenhance.evaluation.clean_pictures import CleanPicture, Scene
from napari_microenhance.evaluation.scores import Memory, Score, score_output
from napari_microenhance.evaluation.trials import (
    EvaluationTrial,
    Task,
    denoise_trials,
    superres_trials,
    trials_of,
)

__all__ = [
    "EDGES",
    "QUICK_EDGES",
    "Candidate",
    "Evaluation",
    "compared",
    "evaluate",
    "evaluate_denoise",
    "evaluate_superres",
    "pace",
    "runner",
    "task_of",
]

AnyImage = npt.NDArray[Any]
Run = Callable[[AnyImage], AnyImage]
Enhance = Callable[[AnyImage, Mapping[str, Any]], AnyImage]
"""From an image and options by name to the pixels of the result."""

EDGES: Final[Mapping[Task, tuple[int, int]]] = {
    "denoise": (320, 192),
    "superres": (512, 384),
    "detail": (320, 256),
    "foreground": (512, 384),
}
"""Longest edge of real and of simulated scenes, px; where BM3D runs they are smaller."""

QUICK_EDGES: Final = (96, 96)
_PACE_EDGE: Final = 1024


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """A network to evaluate.

    Parameters
    ----------
    name, sha256 : str
    task : {"denoise", "superres", "detail", "foreground"}
    scale : int
    size : int
        Of its file, bytes.
    radius : int or str
        px
    run : callable
        From a trial's image to what is compared with its truth.
    twin : callable or None
        The same with its int8 twin, where it has one.
    """

    name: str
    sha256: str
    task: Task
    scale: int
    size: int
    radius: int | str
    run: Run
    twin: Run | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """What came out.

    Parameters
    ----------
    candidate : Candidate
    trials : tuple of EvaluationTrial
    scores : tuple of Score
        The network's on every trial.
    classics : tuple of Score
        The classical methods' on every trial.
    agreement : float or None
        PSNR of the int8 twin's results against its own, over all pixels of all trials, dB.
    """

    candidate: Candidate
    trials: tuple[EvaluationTrial, ...]
    scores: tuple[Score, ...]
    classics: tuple[Score, ...]
    agreement: float | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the classical methods, the plainest first."""
        return tuple(dict.fromkeys(score.method for score in self.classics))

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "model": self.candidate.name,
            "sha256": self.candidate.sha256,
            "task": self.candidate.task,
            "scale": self.candidate.scale,
            "int8_psnr": self.agreement,
            "scores": [score.to_dict() for score in (*self.scores, *self.classics)],
        }


def task_of(name: str, spec: ModelSpec) -> Task:
    """Return what a network is for: its name says it, else what it takes and gives.

    Parameters
    ----------
    name : str
    spec : ModelSpec

    Returns
    -------
    {"denoise", "superres", "detail", "foreground"}
    """
    tasks: tuple[Task, ...] = ("denoise", "superres", "detail", "foreground")
    for task in tasks:
        if name.startswith(task):
            return task
    if spec.task == "labels":
        return "foreground"
    if spec.scale > 1:
        return "superres"
    return "detail" if spec.units == "relative" else "denoise"


def runner(task: Task, enhance: Enhance) -> Run:
    """Return what takes a trial's image to an output that is compared with its truth.

    Parameters
    ----------
    task : {"denoise", "superres", "detail", "foreground"}
    enhance : callable

    Returns
    -------
    callable
    """

    def run(image: AnyImage) -> AnyImage:
        if task == "foreground":
            return np.asarray(enhance(image, {}) != 0)
        if task == "detail":
            return np.asarray(enhance(image, {}) / np.float32(255), np.float32)
        # Scenes are numbers with black at 0 and white at 1, wherever their pixels lie.
        return enhance(image, {"intensity": (0.0, 1.0)})

    return run


def compared(trial: EvaluationTrial) -> tuple[Method, ...]:
    """Return the classical methods that a trial is given to.

    Parameters
    ----------
    trial : EvaluationTrial

    Returns
    -------
    tuple of Method
    """
    return chains(trial) if trial.task == "detail" else methods(trial)


def evaluate(
    candidate: Candidate,
    pictures: Sequence[CleanPicture],
    *,
    memory: Memory,
    edges: tuple[int, int] | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> Evaluation:
    """Score a network and the classical methods on all trials of its task.

    Parameters
    ----------
    candidate : Candidate
    pictures : sequence of CleanPicture
    memory : Memory
        Of the classics' scores; saved after every trial.
    edges : tuple of int, optional
        Longest edge of real and of simulated scenes, px.
    on_progress : callable, optional
        Called with a line of text before every trial.

    Returns
    -------
    Evaluation
    """
    trials = trials_of(
        candidate.task, pictures, edges or EDGES[candidate.task], scale=candidate.scale
    )
    own, classics, errors = [], [], []
    for number, trial in enumerate(trials, 1):
        if on_progress:
            on_progress(
                f"{candidate.name} {number}/{len(trials)}: {trial.scene}, {trial.condition}"
            )
        output = candidate.run(trial.image)
        own.append(score_output(candidate.name, output, trial))
        classics.extend(_classics(trial, memory))
        if candidate.twin is not None:
            gap = candidate.twin(trial.image).astype(np.float64) - output
            errors.append(float(np.mean(gap**2)))
    agreement = -10 * float(np.log10(max(float(np.mean(errors)), 1e-12))) if errors else None
    return Evaluation(candidate, tuple(trials), tuple(own), tuple(classics), agreement)


def evaluate_denoise(
    run: Run, scenes: Iterable[Scene], *, memory: Memory | None = None, name: str = "network"
) -> list[Score]:
    """Score a denoiser that is no file yet, and the classics beside it.

    Parameters
    ----------
    run : callable
        From a noisy image, shape (Y, X), float32, black 0 and white 1 and not clipped, to
        the denoised one.
    scenes : iterable of Scene
    memory : Memory, optional
        Of the classics' scores.
    name : str

    Returns
    -------
    list of Score
    """
    trials = [trial for scene in scenes for trial in denoise_trials(scene)]
    return _scores(name, run, trials, memory)


def evaluate_superres(
    run: Run,
    scenes: Iterable[Scene],
    *,
    scale: int,
    memory: Memory | None = None,
    name: str = "network",
) -> list[Score]:
    """Score an enlarger that is no file yet, and the classics beside it.

    Parameters
    ----------
    run : callable
        From an image, shape (Y, X), float32, black 0 and white 1 and not clipped, to one
        `scale` times as high and wide.
    scenes : iterable of Scene
    scale : int
    memory : Memory, optional
        Of the classics' scores.
    name : str

    Returns
    -------
    list of Score
    """
    trials = [trial for scene in scenes for trial in superres_trials(scene, scale)]
    return _scores(name, run, trials, memory)


def pace(
    run: Run, task: Task, *, scale: int = 1, edge: int = _PACE_EDGE, repeats: int = 5
) -> float:
    """Return how fast a network is, all that surrounds it included.

    Parameters
    ----------
    run : callable
    task : {"denoise", "superres", "detail", "foreground"}
    scale : int
    edge : int
        Of the output, px.
    repeats : int

    Returns
    -------
    float
        Megapixels of output a second: the median, after one run that does not count.
    """
    length = edge // scale
    values = np.random.default_rng(0).random((length, length), np.float32)
    image = (values * 255).astype(np.uint8) if task == "detail" else values
    run(image)
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        run(image)
        seconds.append(time.perf_counter() - started)
    return (length * scale) ** 2 / 1e6 / statistics.median(seconds)


def _scores(
    name: str, run: Run, trials: Sequence[EvaluationTrial], memory: Memory | None
) -> list[Score]:
    """Return the scores of a network and of the classics."""
    memory = memory or Memory(None)
    found = [score_output(name, run(trial.image), trial) for trial in trials]
    for trial in trials:
        found.extend(_classics(trial, memory))
    return found


def _classics(trial: EvaluationTrial, memory: Memory) -> list[Score]:
    """Return the classical methods' scores on a trial; remembered at once."""
    found = [memory.score(method, trial) for method in compared(trial)]
    memory.save()
    return found
