"""Pictures of networks beside the classics."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from napari_microenhance.engine.intensity import PERCENTILES
from napari_microenhance.evaluation.baselines import quality
from napari_microenhance.evaluation.evaluating import Evaluation, compared
from napari_microenhance.evaluation.scores import Score, metric_of
from napari_microenhance.evaluation.trials import EvaluationTrial

__all__ = ["draw_panel"]

_SHOWN: Final = 192  # px of the truth
_EDGE: Final = 240  # px of the picture
_GAP: Final = 8
_CAPTION: Final = 20
_ROWS: Final = 3
_PAPER: Final = 255
_INK: Final = 30


def draw_panel(evaluation: Evaluation) -> npt.NDArray[np.uint8]:
    """Draw some trials: what was given, the best classical method, the network, the truth.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    ndarray, shape (Y, X), uint8
    """
    rows = [_row(evaluation, trial) for trial in _chosen(evaluation.trials)]
    height, width = _CAPTION + _EDGE + _GAP, 4 * (_EDGE + _GAP) + _GAP
    page = Image.new("L", (width, len(rows) * height + _GAP), _PAPER)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for number, row in enumerate(rows):
        for column, (caption, picture) in enumerate(row):
            left, top = _GAP + column * (_EDGE + _GAP), _GAP + number * height
            draw.text((left, top), caption, _INK, font)
            page.paste(picture, (left, top + _CAPTION))
    return np.asarray(page)


def _chosen(trials: Sequence[EvaluationTrial]) -> list[EvaluationTrial]:
    """Return a few trials: other pictures and other conditions in every row."""
    real = [t for t in trials if t.group == "real"] or list(trials)
    scenes = list(dict.fromkeys(t.scene for t in real))
    conditions = list(dict.fromkeys(t.condition for t in real))
    if len(scenes) == 1:
        return real
    rows = min(_ROWS, len(scenes))
    found = []
    for row in range(rows):
        scene = scenes[row * len(scenes) // rows]
        # The middle of each third: neither the easiest condition nor always the same one.
        condition = conditions[(2 * row + 1) * len(conditions) // (2 * rows)]
        found += [t for t in real if (t.scene, t.condition) == (scene, condition)]
    return found


def _row(evaluation: Evaluation, trial: EvaluationTrial) -> list[tuple[str, Image.Image]]:
    """Return the four pictures of a trial with their captions."""
    rival = _best_classic(evaluation.classics, trial)
    method = next(m for m in compared(trial) if m.name == rival.method)
    classic = method.make(rival.setting)
    own = evaluation.candidate.run(trial.image)
    given = trial.image.repeat(trial.scale, axis=0).repeat(trial.scale, axis=1)
    return [
        (f"{trial.scene}, {trial.condition}", _picture(_visible(given, trial))),
        (_caption(rival.method, classic, trial), _picture(classic)),
        (_caption(evaluation.candidate.name, own, trial), _picture(own)),
        ("truth", _picture(trial.truth)),
    ]


def _best_classic(scores: Sequence[Score], trial: EvaluationTrial) -> Score:
    """Return the best score of a classical method on a trial."""
    name = (trial.task, trial.scene, trial.condition)
    metric = metric_of(trial.task)
    return max((s for s in scores if s.trial == name), key=lambda s: s.figures[metric])


def _caption(name: str, output: npt.NDArray[Any], trial: EvaluationTrial) -> str:
    """Return a name with how near its output is to the truth."""
    reached = quality(trial, output)
    return (
        f"{name}: IoU {reached:.2f}" if trial.task == "foreground" else f"{name}: {reached:.1f} dB"
    )


def _visible(image: npt.NDArray[Any], trial: EvaluationTrial) -> npt.NDArray[Any]:
    """Return a trial's image in [0, 1]."""
    if trial.task == "detail":
        return np.asarray(image / np.float32(255))
    if trial.task != "foreground":
        return image
    low, high = np.percentile(image, PERCENTILES)
    return np.asarray((image - low) / max(high - low, 1e-12))


def _picture(values: npt.NDArray[Any]) -> Image.Image:
    """Return the middle of an image in [0, 1], enlarged without interpolation."""
    y, x = ((length - min(length, _SHOWN)) // 2 for length in values.shape)
    part = np.clip(values[y : y + _SHOWN, x : x + _SHOWN].astype(np.float32), 0, 1)
    picture = Image.fromarray(np.rint(part * 255).astype(np.uint8))
    return picture.resize((_EDGE, _EDGE), Image.Resampling.NEAREST)
