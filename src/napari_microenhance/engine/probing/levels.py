"""Levels: which range of a network's output belongs to a range of its input, measured.

A network gets images that are nearly even, at several levels of a range. Where its answers
lie at the same levels of another usual range, the two belong together: one that takes 0 to 1
and gives 0 to 255 would turn every image white otherwise.
"""

import dataclasses
import time
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.probing.attempts import try_run
from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.spec import ModelSpec, Range

__all__ = ["USUAL", "Levels", "measure_levels"]

FloatArray = npt.NDArray[np.float32]

USUAL: Final[tuple[Range, ...]] = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (0.0, 65535.0))
"""What networks are trained on."""

SHARES: Final = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Levels, in parts of the range."""

FEW_SHARES: Final = (0.1, 0.5, 0.9)
"""The same for a slow network."""

SLOW_SECONDS: Final = 0.1

WAVES: Final = 0.05
"""How far the image swings around its level, in parts of the range."""

OFF: Final = 0.15
"""How far every answer may be off its level, in parts of the output's range."""

FAR: Final = 16.0
"""Answers so many times larger than the input's range cannot be in it."""

EDGE_PX: Final = 32
"""Of the test images, where the network takes it."""

LARGEST_FLOAT16: Final = 65504.0


@dataclasses.dataclass(frozen=True)
class Levels:
    """What a network gives for images of several levels.

    Parameters
    ----------
    pairs : tuple of (tuple of float, tuple of float)
        Ranges of input and output that belong together, equal ones among them.
    low, high : float
        The least and the largest mean answer for the range that it is used with; equal where
        nothing was measured.
    count : int
        How many levels were tried.
    """

    pairs: tuple[tuple[Range, Range], ...] = ()
    low: float = 0.0
    high: float = 0.0
    count: int = 0

    def output_for(self, value_range: Range) -> Range | None:
        """Return the range of the output that was measured for one of the input, if any.

        Parameters
        ----------
        value_range : tuple of float

        Returns
        -------
        tuple of float or None
        """
        return dict(self.pairs).get(value_range)

    @property
    def others(self) -> tuple[tuple[Range, Range], ...]:
        """Pairs of which the output is not in the input's range."""
        return tuple(pair for pair in self.pairs if pair[0] != pair[1])

    def are_far(self, value_range: Range) -> bool:
        """Whether the answers cannot be in the range of the input.

        Parameters
        ----------
        value_range : tuple of float
            That it is used with.

        Returns
        -------
        bool
        """
        return max(abs(self.low), abs(self.high)) > FAR * max(map(abs, value_range))


def measure_levels(session: Session, spec: ModelSpec) -> Levels:
    """Measure which ranges of input and output belong together.

    Parameters
    ----------
    session : Session
    spec : ModelSpec
        Measured. The range that it is used with is tried first, others only where the network
        is fast.

    Returns
    -------
    Levels
        Without pairs for networks whose output is not in units of the input: labels, relative
        units, or a package's own steps.
    """
    if spec.task != "image" or spec.units == "relative" or spec.preprocessing:
        return Levels()
    own = spec.value_range
    started = time.perf_counter()
    first = _answer(session, spec, own, SHARES[0])
    slow = time.perf_counter() - started > SLOW_SECONDS
    if first is None:
        return Levels()
    shares = FEW_SHARES if slow else SHARES
    pairs: list[tuple[Range, Range]] = []
    answers: list[float] = []
    for value_range in (own,) if slow else dict.fromkeys((own, *_candidates(spec))):
        found = [_answer(session, spec, value_range, share) for share in shares]
        if any(answer is None for answer in found):
            continue
        means = [float(answer) for answer in found if answer is not None]
        if value_range == own:
            answers = means
        if explained := _explained(means, shares, value_range):
            pairs.append((value_range, explained))
    if not answers:
        return Levels(tuple(pairs))
    return Levels(tuple(pairs), min(answers), max(answers), len(shares))


def _candidates(spec: ModelSpec) -> tuple[Range, ...]:
    """Return the usual ranges that the network's number type can hold."""
    if np.dtype(spec.dtype).kind in "ui":
        return ()
    most = LARGEST_FLOAT16 if spec.dtype == "float16" else np.inf
    return tuple(usual for usual in USUAL if usual[1] <= most)


def _answer(session: Session, spec: ModelSpec, value_range: Range, share: float) -> float | None:
    """Return the mean answer to an image of one level, if it is a number."""
    low, high = value_range
    shape = (spec.channels_in, *(rule.round_up(EDGE_PX) for rule in spec.size))
    rows = np.arange(shape[1], dtype=np.float32).reshape(-1, *[1] * (len(shape) - 2))
    waves = np.sin(rows / 3)
    swing = share + WAVES * (waves - waves.mean())
    image = np.full(shape, swing * (high - low) + low, np.float32)
    if spec.extra_channels:
        image[-spec.extra_channels :] = 0
    with np.errstate(all="ignore"):  # half precision overflows where others do not
        out = try_run(session, spec, image)
        mean = np.nan if out is None else float(out.mean(dtype=np.float64))
    return mean if np.isfinite(mean) else None


def _explained(means: Sequence[float], shares: Sequence[float], given: Range) -> Range | None:
    """Return the range at whose levels the answers lie: that of the input, or a usual one."""
    for low, high in dict.fromkeys((given, *USUAL)):
        span = high - low
        off = [abs(m - low - share * span) for m, share in zip(means, shares, strict=True)]
        if max(off) <= OFF * span:
            return low, high
    return None
