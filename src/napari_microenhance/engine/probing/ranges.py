"""Value ranges: what a network's graph and answers say about the values it wants.

Only a suggestion, with its evidence: the range that is used is the one that the file or
the user gives, else [0, 1].
"""

import dataclasses
import time
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.probing.attempts import try_run
from napari_microenhance.engine.probing.findings import Finding, Severity
from napari_microenhance.engine.probing.levels import USUAL, Levels
from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.spec import ModelSpec, Range

__all__ = ["CLIP", "Bounds", "Line", "RangeHint", "range_findings", "suggest_range"]

FloatArray = npt.NDArray[np.float32]
CLIP: Final = "a clip"
"""The cause of bounds that say nothing of the input."""

PREPARED: Final[tuple[Range, ...]] = ((0.0, 1.0), (-1.0, 1.0), (-0.5, 0.5), (-2.1, 2.5))
"""What the first learned layer sees; the last one is ImageNet's mean and spread."""

PREPARED_OFF: Final = 0.6
"""How far both ends may be off one of these."""

EDGE_PX: Final = 32
"""Of the test image, where the network takes it."""

SLOW_SECONDS: Final = 0.03
"""A network that takes longer for the test image is judged by its graph alone."""

CLOSE: Final = 0.35
"""Difference between answer and image, in its standard deviation, of a network that gives
nearly the same image back."""

APART: Final = 3.0
"""How many times worse the next range must be."""

ALIKE: Final = 0.02
"""Difference up to which one range is no better than another."""


@dataclasses.dataclass(frozen=True)
class Line:
    """The line ``x * gain + offset`` that the first operators put on the image's values."""

    gain: float = 1.0
    offset: float = 0.0

    def then(self, gain: float, offset: float) -> "Line":
        """Return the line that applies another one after this.

        Parameters
        ----------
        gain, offset : float
            Of the other one.

        Returns
        -------
        Line
        """
        return Line(self.gain * gain, self.offset * gain + offset)

    def at(self, value: float) -> float:
        """Return the value on the line.

        Parameters
        ----------
        value : float

        Returns
        -------
        float
        """
        return value * self.gain + self.offset

    def __str__(self) -> str:
        spread = f" / {1 / self.gain:g}" if self.gain != 1 else ""
        if not self.offset:
            return f"x{spread}"
        return f"(x {'-' if self.offset / self.gain < 0 else '+'} " + (
            f"{abs(self.offset / self.gain):g}){spread}"
        )


@dataclasses.dataclass(frozen=True)
class Bounds:
    """What the last operators confine an output to; `cause` names them."""

    cause: str
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class RangeHint:
    """What values a network probably wants.

    Parameters
    ----------
    values : tuple of float or None
        (low, high); None: nothing tells, or any will do.
    output : tuple of float or None
        (low, high) of what it gives, where that tells; None: nothing does.
    any_scale : bool
        Whether k times the image gives k times the answer.
    evidence : str
        A clause, such as "its output ends in tanh (-1 to 1)".
    """

    values: Range | None
    output: Range | None = None
    any_scale: bool = False
    evidence: str = ""


def suggest_range(
    session: Session,
    spec: ModelSpec,
    levels: Levels,
    *,
    bounds: Bounds | None,
    preparation: Line | None,
) -> RangeHint:
    """Return what values a network probably wants and gives, and why.

    Parameters
    ----------
    session : Session
    spec : ModelSpec
        Measured.
    levels : Levels
        What it gives for images of several levels.
    bounds, preparation
        What the last and the first operators of its graph do, where that is certain.

    Returns
    -------
    RangeHint
    """
    used = spec.value_range
    measured = levels.output_for(used)
    if measured is not None and measured != used:
        return RangeHint(used, measured, evidence=_belong(used, measured))
    if hint := _prepared(preparation):
        return dataclasses.replace(hint, output=levels.output_for(hint.values or used))
    wanted = levels.others[0] if measured is None and levels.others else None
    if wanted and (bounds is None or bounds.cause == CLIP):
        return RangeHint(*wanted, evidence=_belong(*wanted))
    if bounds is not None and spec.task == "image" and (hint := _bounded(bounds, used)):
        return hint
    if wanted:
        return RangeHint(*wanted, evidence=_belong(*wanted))
    with np.errstate(all="ignore"):  # half precision overflows where others do not
        return _measured(session, spec)


def range_findings(hint: RangeHint, spec: ModelSpec, levels: Levels) -> tuple[Finding, ...]:
    """Return the sentences for the user.

    Parameters
    ----------
    hint : RangeHint
    spec : ModelSpec
        With the ranges that are used.
    levels : Levels

    Returns
    -------
    tuple of Finding
        Cautions where a range that is used is probably wrong.
    """
    severity, sentence = _sentence(hint, spec)
    found = [Finding(severity, sentence, "value-range")]
    given = _words(spec.output_range)
    measured = levels.output_for(spec.value_range)
    if spec.output_range_source == "measured":
        sentence = (
            f"Input range {_words(spec.value_range)}, output range {given} (measured at "
            f"{levels.count} levels); results are mapped back to the image's units "
            "accordingly."
        )
        found.append(Finding("info", sentence, "output-range"))
    elif measured is None and hint.values is None and hint.output not in (None, spec.output_range):
        sentence = (
            f"Its output is read as {given}, but {hint.evidence}; if results look wrong, set "
            "output_range to that."
        )
        found.append(Finding("caution", sentence, "output-range"))
    elif severity == "info" and spec.output_range == spec.value_range and measured is None:
        found += _far(spec, levels)
    return tuple(found)


def _far(spec: ModelSpec, levels: Levels) -> list[Finding]:
    """Return the caution for a network whose answers cannot be in the range that is used."""
    if not levels.are_far(spec.value_range):
        return []
    sentence = (
        f"For an input range of {_words(spec.value_range)} the output range is "
        f"{_words((levels.low, levels.high))}, but its output is read as "
        f"{_words(spec.output_range)}; set output_range to the actual range, such as 0,255."
    )
    return [Finding("caution", sentence, "output-range")]


def _sentence(hint: RangeHint, spec: ModelSpec) -> tuple[Severity, str]:
    """Return how much a hint matters, and the sentence."""
    used = _words(spec.value_range)
    declared = spec.value_range_source != "default"
    if hint.any_scale:
        return "info", f"Values may have any scale: {hint.evidence}."
    if hint.values is None:
        if declared:
            return "info", f"Input range {used}, as its description states."
        return (
            "info",
            f"The range of its training data is unknown; {used} is assumed, so set "
            "value_range if that is wrong.",
        )
    if hint.values == tuple(spec.value_range):
        return "info", f"Input range {used}, which fits: {hint.evidence}."
    wanted = _pair(hint.values)
    gives = (
        f" with an output range of {_words(hint.output)}"
        if hint.output not in (None, hint.values)
        else ""
    )
    if declared:
        return (
            "caution",
            f"Input range {used}, as its description states, but {hint.evidence}; if results "
            f"look wrong, set value_range to {wanted}.",
        )
    return (
        "caution",
        f"Its file states no input range; {hint.evidence}, so it probably expects "
        f"{_words(hint.values)}{gives}: set value_range to {wanted} ({used} is used now).",
    )


def _belong(given: Range, got: Range) -> str:
    """Return the evidence that two ranges belong together."""
    return f"input levels of {_words(given)} become output levels of {_words(got)}"


def _bounded(bounds: Bounds, used: Range) -> RangeHint | None:
    """Return what the bounds of an output tell: of a clip nothing about the input."""
    for usual in USUAL:
        if np.allclose(usual, (bounds.low, bounds.high), atol=0.02 * usual[1]):
            evidence = f"its output ends in {bounds.cause} ({_words(usual)})"
            of_input = bounds.cause != CLIP or usual == used
            return RangeHint(usual if of_input else None, usual, evidence=evidence)
    return None


def _prepared(line: Line | None) -> RangeHint | None:
    """Return the range that the first operators are made for."""
    if line is None:
        return None
    off = {usual: min(_off(line, usual, ends) for ends in PREPARED) for usual in USUAL}
    best = min(off, key=lambda usual: off[usual])
    if off[best] > PREPARED_OFF:
        return None
    return RangeHint(best, evidence=f"its first operation is {line}")


def _off(line: Line, usual: Range, ends: Range) -> float:
    """Return how far a range that went through a line is off another one."""
    return max(abs(line.at(v) - w) for v, w in zip(usual, ends, strict=True))


def _measured(session: Session, spec: ModelSpec) -> RangeHint:
    """Return what the answers to a test image in several ranges tell."""
    image = _texture(spec)
    started = time.perf_counter()
    plain = try_run(session, spec, image)
    too_slow = time.perf_counter() - started > SLOW_SECONDS
    if plain is None or too_slow or not np.isfinite(plain).all():
        return RangeHint(None)
    kind = np.dtype(spec.dtype).kind
    if kind == "f" and (hint := _scales_along(session, spec, image, plain)):
        return hint
    if hint := _saturated(session, spec, image):
        return hint
    return _gives_back(session, spec, image)


def _scales_along(
    session: Session, spec: ModelSpec, image: FloatArray, plain: FloatArray
) -> RangeHint | None:
    """Return that any range will do, if twice the image gives twice the answer."""
    for factor in (2.0, 64.0):
        out = try_run(session, spec, image * np.float32(factor))
        limit = 1e-3 * max(float(np.abs(plain).max()), 1e-6)
        if out is None or not np.abs(out / factor - plain).max() <= limit:
            return None
    evidence = "doubling the input doubles the output"
    return RangeHint(None, any_scale=True, evidence=evidence)


def _saturated(session: Session, spec: ModelSpec, image: FloatArray) -> RangeHint | None:
    """Return the range that no answer leaves, whatever the network is given."""
    if spec.task != "image":
        return None
    outputs = []
    for factor in (1e3, -1e3):
        out = try_run(session, spec, (image - np.float32(0.3)) * np.float32(factor))
        if out is None or not np.isfinite(out).all():
            return None
        outputs.append(out)
    low, high = min(float(o.min()) for o in outputs), max(float(o.max()) for o in outputs)
    for usual in USUAL[:3]:
        span = usual[1] - usual[0]
        if abs(low - usual[0]) < 0.05 * span and abs(high - usual[1]) < 0.05 * span:
            evidence = f"its output is {_words(usual)} whatever the input"
            # It may be a clip, which says nothing of the input.
            values = usual if usual == spec.value_range else None
            return RangeHint(values, usual, evidence=evidence)
    return None


def _gives_back(session: Session, spec: ModelSpec, image: FloatArray) -> RangeHint:
    """Return the range in which it gives the image back best, if one stands out."""
    if spec.channels_in != spec.channels_out or spec.ratio != 1 or spec.task != "image":
        return RangeHint(None)
    before = spec.border_loss[0]
    off: dict[Range, float] = {}
    for low, high in USUAL:
        given = image * np.float32(high - low) + np.float32(low)
        out = try_run(session, spec, given)
        if out is None or not np.isfinite(out).all():
            continue
        inner = tuple(slice(before, before + n) for n in out.shape[1:])
        part = given[(slice(None), *inner)]
        off[low, high] = float(np.sqrt(np.mean((out - part) ** 2)) / max(part.std(), 1e-9))
    ranked = sorted(off, key=lambda r: off[r])
    if (
        len(ranked) < 2
        or off[ranked[0]] > CLOSE
        or off[ranked[1]] < APART * max(off[ranked[0]], ALIKE)
    ):
        return RangeHint(None)
    best, second = ranked[:2]
    evidence = (
        f"it reproduces a test image of {_words(best)} with {off[best]:.0%} deviation, but "
        f"one of {_words(second)} with {off[second]:.0%}"
    )
    return RangeHint(best, evidence=evidence)


def _texture(spec: ModelSpec) -> FloatArray:
    """Return slow waves that fill [0, 1], shape (C, ..., Y, X), float32; no denoiser minds them."""
    shape = [spec.channels_in, *(rule.round_up(EDGE_PX) for rule in spec.size)]
    channel, *axes = np.meshgrid(*map(np.arange, shape), indexing="ij", sparse=True)
    waves = sum(np.sin(x / (4.0 + n) + channel + n) for n, x in enumerate((*axes, sum(axes))))
    image = np.asarray(waves, np.float32)
    return np.asarray((image - image.min()) / np.ptp(image), np.float32)


def _words(values: Range) -> str:
    """Return a range in words."""
    return f"{values[0]:.4g} to {values[1]:.5g}"


def _pair(values: Range) -> str:
    """Return a range as an option takes it."""
    return f"{values[0]:g},{values[1]:g}"
