"""Scores of methods on trials: how they are counted, kept and averaged."""

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import OutputError
from napari_microenhance.evaluation.baselines import Method, best, quality
from napari_microenhance.evaluation.trials import EvaluationTrial, Task
from napari_microenhance.measure import metrics
from napari_microenhance.measure.bootstrap import Interval, mean_interval

__all__ = ["Memory", "Score", "gain", "mean_of", "metric_of", "score_output", "spread"]

AnyImage = npt.NDArray[Any]

EDITION: Final = 2
"""To be raised when a method or a metric changes its formula: what is remembered is void."""


@dataclasses.dataclass(frozen=True)
class Score:
    """What one method reached on one trial.

    Parameters
    ----------
    method, task, scene, condition, group : str
    setting : str
        The best one, in words; empty for a network.
    figures : mapping of str to float
        Metric -> value.
    """

    method: str
    task: str
    scene: str
    condition: str
    group: str
    setting: str
    figures: Mapping[str, float]

    @property
    def trial(self) -> tuple[str, str, str]:
        """What names the trial."""
        return self.task, self.scene, self.condition

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return dataclasses.asdict(self)


def figures_of(output: AnyImage, trial: EvaluationTrial) -> dict[str, float]:
    """Return the metrics of an output.

    Parameters
    ----------
    output : ndarray, shape of the trial's truth
        In the truth's units.
    trial : EvaluationTrial

    Returns
    -------
    dict of str to float
        Masks: "iou", "dice". Images: "psnr" in dB, "ssim", "nrmse", "blur" and "noise", the
        last two of the output alone; "mean" and "contrast" too. Of "detail" also
        "psnr_line", after `metrics.on_line`.
    """
    if trial.task == "foreground":
        return {
            "iou": metrics.iou(output, trial.truth),
            "dice": metrics.dice(output, trial.truth),
        }
    found = {
        "psnr": metrics.psnr(output, trial.truth),
        "ssim": metrics.ssim(output, trial.truth),
        "nrmse": metrics.nrmse(output, trial.truth),
        "blur": metrics.blur(output),
        "noise": metrics.noise(output),
        "mean": float(output.mean(dtype=np.float64)),
        "contrast": metrics.contrast(output),
    }
    if trial.task == "detail":
        found["psnr_line"] = quality(trial, output)
    return found


def score_output(name: str, output: AnyImage, trial: EvaluationTrial) -> Score:
    """Return the score of an output on a trial.

    Parameters
    ----------
    name : str
        Of the method.
    output : ndarray, shape of the trial's truth
        In the truth's units.
    trial : EvaluationTrial

    Returns
    -------
    Score
    """
    return _score(name, "", figures_of(output, trial), trial)


class Memory:
    """Scores of classical methods, kept in a file: they never change, and take minutes.

    Parameters
    ----------
    path : Path or None
        None: nothing is kept.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._known: dict[str, Any] = {}
        self._changed = False
        if path is not None:
            # A file that is missing or damaged costs its time again, and nothing else.
            with contextlib.suppress(OSError, ValueError):
                known = json.loads(path.read_text(encoding="utf-8"))
                self._known = known if isinstance(known, dict) else {}

    def score(self, method: Method, trial: EvaluationTrial) -> Score:
        """Return the score of a method at its best setting, computed if it is not known.

        Parameters
        ----------
        method : Method
        trial : EvaluationTrial

        Returns
        -------
        Score
        """
        key = _key(method, trial)
        known = self._known.get(key)
        if known is None:
            tuned = best(method, trial)
            known = {"setting": tuned.setting, "figures": figures_of(tuned.output, trial)}
            self._known[key] = known
            self._changed = True
        return _score(method.name, known["setting"], known["figures"], trial)

    def save(self) -> None:
        """Write what is known, whole or not at all.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        if self.path is None or not self._changed:
            return
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        try:
            part.write_text(json.dumps(self._known, indent=1) + "\n", encoding="utf-8")
            part.replace(self.path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise OutputError(f"{self.path} cannot be written: {error.strerror}.") from error
        self._changed = False


def metric_of(task: Task) -> str:
    """Return the metric that a task is judged by; see `baselines.quality`.

    Parameters
    ----------
    task : {"denoise", "superres", "detail", "foreground"}

    Returns
    -------
    str
        A key of `Score.figures`.
    """
    return {"foreground": "iou", "detail": "psnr_line"}.get(task, "psnr")


def mean_of(scores: Iterable[Score], metric: str) -> Interval:
    """Return the mean of a metric over scenes, with its bootstrap interval.

    Conditions of one scene are averaged first: they are no further evidence.

    Parameters
    ----------
    scores : iterable of Score
    metric : str

    Returns
    -------
    Interval
    """
    return _over_scenes((score.scene, score.figures[metric]) for score in scores)


def gain(scores: Iterable[Score], others: Sequence[Iterable[Score]], metric: str) -> Interval:
    """Return the mean gain of one method over another, scene by scene.

    Parameters
    ----------
    scores : iterable of Score
    others : sequence of iterables of Score
        With several methods, over whichever is best on each trial.
    metric : str
        One of which more is better.

    Returns
    -------
    Interval
    """
    tables = [{score.trial: score.figures[metric] for score in other} for other in others]
    return _over_scenes(
        (s.scene, s.figures[metric] - max(table[s.trial] for table in tables)) for s in scores
    )


def _over_scenes(figures: Iterable[tuple[str, float]]) -> Interval:
    """Return the mean of the means of scenes."""
    scenes: dict[str, list[float]] = {}
    for scene, figure in figures:
        scenes.setdefault(scene, []).append(figure)
    return mean_interval([float(np.mean(values)) for values in scenes.values()])


def spread(scores: Iterable[Score], metric: str) -> float:
    """Return how much a figure depends on the condition: its deviation, averaged over scenes.

    Parameters
    ----------
    scores : iterable of Score
        Of one method.
    metric : str

    Returns
    -------
    float
        Mean over scenes of the standard deviation over conditions.
    """
    figures: dict[str, list[float]] = {}
    for score in scores:
        figures.setdefault(score.scene, []).append(score.figures[metric])
    return float(np.mean([np.std(values) for values in figures.values()]))


def _score(name: str, setting: str, figures: Mapping[str, float], trial: EvaluationTrial) -> Score:
    """Return a score of a trial."""
    return Score(
        name, trial.task, trial.scene, trial.condition, trial.group, setting, dict(figures)
    )


def _key(method: Method, trial: EvaluationTrial) -> str:
    """Return what tells a method on a trial from all others."""
    told = [EDITION, method.name, *method.settings, str(trial.noise), trial.scale]
    digest = hashlib.sha256(json.dumps(told).encode())
    for array in (trial.image, trial.truth):
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]
