"""The page that says how good the networks are, as Markdown."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from napari_microenhance.evaluation.baselines import SELF_TUNED
from napari_microenhance.evaluation.evaluating import Evaluation
from napari_microenhance.evaluation.scores import Score, gain, mean_of, metric_of, spread
from napari_microenhance.evaluation.trials import Task
from napari_microenhance.measure.bootstrap import Interval

__all__ = ["Circumstances", "write_page"]

TITLE: Final = "# The built-in models, measured"

INTRODUCTION: Final = """\
This page is written by the command below, never by hand.

- **Pictures.** None was used in training. Real pictures are sample images of other projects;
  simulated ones use random seeds reserved for this page. A picture with its 0.1 and 99.9
  percentiles mapped to 0 and 1 is the ground truth; it is degraded by formulas that the training
  does not share. Only the middle is evaluated, the same part for every method. Real pictures
  have noise of their own, which counts as ground truth here and limits what any method can reach.
- **Classical methods run at their best.** Each has a small grid of settings, and the one closest
  to the ground truth is chosen *for each image*, which is impossible in practice. BM3D is given
  the true noise level.
- **Means** are given with their 95 % bootstrap confidence interval over images; gains are computed
  image by image. The images are few, so the true uncertainty is at least as large as the interval.
- **PSNR** (dB) and **SSIM** use the range from 0 to 1; **NRMSE** is relative to the root mean
  square of the ground truth. **Blur** (0 sharp, 1 blurred) and **noise** (standard deviation) are
  estimated from the result alone.
"""

ABOUT: Final[Mapping[Task, str]] = {
    "denoise": (
        "Gaussian noise of three strengths (standard deviation, white is 1), both unclipped and "
        "clipped to [0, 1] as in integer images, and Poisson-Gaussian noise at three exposures "
        "(photons of a white pixel; read noise 2 photons)."
    ),
    "superres": (
        "Images are downsampled by averaging squares of pixels, then upsampled again. Bicubic is "
        "Keys' cubic convolution; the best linear filter is fitted to the ground truth of each "
        "image by least squares."
    ),
    "detail": (
        "A field with uneven illumination (half the light in the darkest corner), blur (Gaussian, "
        "1.2 px), under- or overexposure and noise, in eight bits. The best chain is the best of "
        "all chains of a denoiser (non-local means, total variation, wavelets, BM3D), percentile "
        "stretch, flat-field or CLAHE, and unsharp mask or Richardson-Lucy. Brightness and "
        "contrast of results in relative units carry no information, so each result is compared "
        "with the ground truth after linear matching; the table below it omits the matching."
    ),
    "foreground": (
        "The original image and four variants: a tenth of the light with the same noise; uneven "
        "illumination over a haze; strong noise; dark objects on a bright, uneven background. Otsu "
        "is given the side of its threshold on which the foreground lies."
    ),
}

_METRICS: Final = ("psnr_line", "psnr", "ssim", "nrmse", "blur", "noise")
_HEADS: Final = {
    "psnr_line": "PSNR after linear matching",
    "iou": "IoU",
    "dice": "Dice",
    "blur": "blur",
    "noise": "noise",
}
_DIGITS: Final = {
    "psnr_line": 2,
    "psnr": 2,
    "ssim": 3,
    "nrmse": 3,
    "noise": 4,
    "iou": 3,
    "dice": 3,
}
_ALL: Final = "all"
_GROUPS: Final = {"real": "Real pictures", "simulated": "Simulated pictures"}


@dataclasses.dataclass(frozen=True)
class Circumstances:
    """What a reader needs to repeat a measurement.

    Parameters
    ----------
    command : str
    versions : mapping of str to str
    remarks : tuple of str
        Sentences on what was left out, and why.
    speeds, twin_speeds : mapping of str to float
        Megapixels of output a second, by network; of it and of its int8 twin.
    threads : int
        With which the speeds were measured.
    """

    command: str
    versions: Mapping[str, str]
    remarks: tuple[str, ...] = ()
    speeds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    twin_speeds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    threads: int = 2


def write_page(
    evaluations: Sequence[Evaluation],
    circumstances: Circumstances,
    pictures: Mapping[str, str],
    *,
    yardstick: str = "detail-classic",
) -> str:
    """Return the page.

    Parameters
    ----------
    evaluations : sequence of Evaluation
    circumstances : Circumstances
    pictures : mapping of str to str
        Network -> its panel's path, seen from the page.
    yardstick : str
        The network that speeds are compared with, where it was measured too.

    Returns
    -------
    str
        Markdown.
    """
    versions = ", ".join(f"{name} {text}" for name, text in circumstances.versions.items())
    lines = [
        TITLE,
        "",
        INTRODUCTION,
        "```sh",
        circumstances.command,
        "```",
        "",
        f"Versions: {versions}.",
        *circumstances.remarks,
        "",
        *_overview(evaluations, circumstances, yardstick),
    ]
    for evaluation in evaluations:
        lines += ["", *_section(evaluation, pictures.get(evaluation.candidate.name))]
    return "\n".join(lines) + "\n"


def _overview(
    evaluations: Sequence[Evaluation], circumstances: Circumstances, yardstick: str
) -> Iterator[str]:
    """Yield the table of all networks."""
    speeds = circumstances.speeds
    yield (
        f"Speed: megapixels of output per second with {circumstances.threads} threads, "
        "overhead included. Int8: speed relative to the float32 model, and PSNR between the two."
    )
    yield ""
    yield from _header(
        ("model", "Mpx/s", f"x {yardstick}", "int8", "file", "receptive field", "SHA-256")
    )
    for evaluation in evaluations:
        candidate = evaluation.candidate
        speed = speeds.get(candidate.name)
        relative = speed / speeds[yardstick] if speed and yardstick in speeds else None
        reach = f"{candidate.radius} px" if isinstance(candidate.radius, int) else candidate.radius
        yield _row(
            (
                f"[{candidate.name}](#{candidate.name})",
                f"{speed:.2f}" if speed else "-",
                f"{relative:.2f}" if relative else "-",
                _twin(evaluation, speed, circumstances.twin_speeds.get(candidate.name)),
                f"{candidate.size / 1e6:.2f} MB",
                reach,
                f"`{candidate.sha256[:16]}`",
            )
        )


def _twin(evaluation: Evaluation, speed: float | None, twin: float | None) -> str:
    """Return how much faster an int8 twin is, and how near to its elder."""
    if evaluation.agreement is None or not speed or not twin:
        return "none"
    return f"x {twin / speed:.2f}, {evaluation.agreement:.1f} dB"


def _section(evaluation: Evaluation, picture: str | None) -> Iterator[str]:
    """Yield what is said about one network."""
    candidate = evaluation.candidate
    yield f"## {candidate.name}"
    yield ""
    yield ABOUT[candidate.task]
    if picture:
        yield ""
        yield f"![{candidate.name} beside the best classical method]({picture})"
    for group, title in _GROUPS.items():
        own = [s for s in evaluation.scores if s.group == group]
        if not own:
            continue
        tables = {candidate.name: own} | {
            name: [s for s in evaluation.classics if s.method == name and s.group == group]
            for name in evaluation.methods
        }
        count = len({score.scene for score in own})
        yield ""
        yield f"### {candidate.name}: {title.lower()} ({count})"
        yield ""
        yield from _figures(candidate.name, tables, metric_of(candidate.task))
        if candidate.task == "detail":
            yield ""
            yield from _figures(candidate.name, tables, "psnr")
            yield ""
            yield from _spreads(tables)
        if candidate.task != "foreground":
            yield ""
            yield from _further(tables)
        yield ""
        yield from _each(candidate.name, tables, metric_of(candidate.task))


def _figures(name: str, tables: Mapping[str, Sequence[Score]], metric: str) -> Iterator[str]:
    """Yield the main metric of every method in every condition, and the gains."""
    conditions = _conditions(tables[name])
    yield from _header((_head(metric), *conditions))
    for method, scores in sorted(tables.items(), key=lambda item: item[0] == name):
        cells = []
        for condition in conditions:
            chosen = _under(scores, condition)
            if len(chosen) < len(_under(tables[name], condition)):
                cells.append("-")  # a method for some kinds of noise only
            elif method == name:
                cells.append(f"**{_mean(mean_of(chosen, metric), metric)}**")
            else:
                cells.append(f"{mean_of(chosen, metric).mean:.{_DIGITS[metric]}f}")
        yield _row((f"**{method}**" if method == name else method, *cells))
    for label, rivals in _rivals(tables, name):
        cells = []
        for condition in conditions:
            own = _under(tables[name], condition)
            others = [_under(tables[rival], condition) for rival in rivals]
            complete = all(len(other) == len(own) for other in others)
            cells.append(_mean(gain(own, others, metric), metric, sign="+") if complete else "-")
        yield _row((f"gain over {label}", *cells))


def _rivals(
    tables: Mapping[str, Sequence[Score]], name: str
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield whom a network is compared with: every method, and the best of the self-tuned."""
    for method in tables:
        if method not in (name, "input"):
            yield method, (method,)
    if set(SELF_TUNED) <= set(tables):
        yield "the best of " + ", ".join(SELF_TUNED), SELF_TUNED


def _spreads(tables: Mapping[str, Sequence[Score]]) -> Iterator[str]:
    """Yield how much a field's result depends on its exposure."""
    yield (
        "Standard deviation between the two exposures of a field, and reduction relative to the "
        "input:"
    )
    yield ""
    yield from _header(("method", "of the mean", "reduction", "of the contrast", "reduction"))
    for method, scores in tables.items():
        cells = []
        for metric in ("mean", "contrast"):
            value, before = spread(scores, metric), spread(tables["input"], metric)
            cells += [f"{value:.4f}", f"{before / value:.1f} x" if value else "-"]
        yield _row((method, *cells))


def _further(tables: Mapping[str, Sequence[Score]]) -> Iterator[str]:
    """Yield the means of all metrics over all conditions."""
    longest = max(len(scores) for scores in tables.values())
    complete = {name: scores for name, scores in tables.items() if len(scores) == longest}
    known = [m for m in _METRICS if all(m in s.figures for t in complete.values() for s in t)]
    yield "Means over all pictures and conditions:"
    yield ""
    yield from _header(("method", *map(_head, known)))
    for method, scores in complete.items():
        values = (mean_of(scores, m).mean for m in known)
        yield _row(
            (
                method,
                *(f"{v:.{_DIGITS.get(m, 2)}f}" for m, v in zip(known, values, strict=True)),
            )
        )


def _each(name: str, tables: Mapping[str, Sequence[Score]], metric: str) -> Iterator[str]:
    """Yield the network on every picture, beside the best classical method."""
    yield "<details><summary>Every picture</summary>"
    yield ""
    conditions = [c for c in _conditions(tables[name]) if c != _ALL]
    yield from _header(("picture", *conditions))
    digits = _DIGITS[metric]
    for scene in dict.fromkeys(score.scene for score in tables[name]):
        cells = []
        for condition in conditions:
            found = {
                method: score.figures[metric]
                for method, scores in tables.items()
                for score in scores
                if (score.scene, score.condition) == (scene, condition)
            }
            if name not in found:
                cells.append("-")
                continue
            own = found.pop(name)
            best = max(found, key=lambda method: found[method])
            cells.append(f"**{own:.{digits}f}**, {found[best]:.{digits}f} ({best})")
        yield _row((scene, *cells))
    yield ""
    yield "</details>"


def _conditions(scores: Iterable[Score]) -> tuple[str, ...]:
    """Return the conditions in order; with several, also all together."""
    found = tuple(dict.fromkeys(score.condition for score in scores))
    return (*found, _ALL) if len(found) > 1 else found


def _under(scores: Iterable[Score], condition: str) -> list[Score]:
    """Return the scores in a condition."""
    return [s for s in scores if condition in (_ALL, s.condition)]


def _mean(interval: Interval, metric: str, sign: str = "") -> str:
    """Return a mean with its interval."""
    digits = _DIGITS[metric]
    mean, low, high = (
        f"{v:{sign}.{digits}f}" for v in (interval.mean, interval.low, interval.high)
    )
    return mean if interval.count == 1 else f"{mean} [{low}, {high}]"


def _head(metric: str) -> str:
    """Return how a metric is written."""
    return _HEADS.get(metric, metric.upper())


def _header(cells: Sequence[str]) -> Iterator[str]:
    """Yield the two lines on top of a table: the first column is text."""
    yield _row(cells)
    yield _row(("---", *["---:"] * (len(cells) - 1)))


def _row(cells: Iterable[str]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |"
