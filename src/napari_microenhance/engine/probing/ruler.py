"""Ruler: measure along one axis of a network how far it reaches and which lengths it takes.

Reach is measured with equal shapes, where an output that no changed pixel reaches is equal
to the last bit, so no threshold is needed. Every measurement is a run of the network, and
refused lengths cost one too: strips are as short and narrow as the network allows, and
steps are found by trying numbers with many divisors first.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.probing.attempts import try_run
from napari_microenhance.engine.probing.opening import Opened
from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.spec import GLOBAL, Radius, SizeRule
from napari_microenhance.errors import ModelLimitError

__all__ = ["AxisFacts", "Ruler"]

FloatArray = npt.NDArray[np.float32]

LONGEST: Final = 1024
"""Longest probe strip, px; a reach of three eighths of it or more counts as global."""

NARROWEST: Final = (8, 16, 32)
"""Widths of strips tried before the size that the network was opened with, px."""

MULTIPLES: Final = (
    *(1, 32, 24, 20, 28, 18, 50, 64, 48, 96, 128, 192, 256, 512, 22, 26),
    *(16, 12, 10, 8, 7, 6, 5, 4, 3, 2),
)
"""Steps tried; a later one only matters where the strip has no room for its multiples."""

ROUND: Final = 32
"""Strips are multiples of this where the network takes such, px."""

PRIMES: Final = (2, 3, 5, 7, 11, 13)

SHIFT_ROOM: Final = 64
"""Tile starts up to here are told apart, px."""

TOLERANCES: Final = {
    "float32": 1e-5,
    "float64": 1e-5,
    "float16": 2e-3,
    "uint8": 1e-6,
    "uint16": 1e-6,
}
"""Largest difference, in parts of the output's range, that counts as none between inputs
of different position or length: promise 2 for float32, else the grain of the type."""

HALF_SLAB: Final = 4
"""Half the rows in the middle of a strip that are compared between positions, px."""


@dataclasses.dataclass(frozen=True)
class AxisFacts:
    """What was measured along one axis, and the length of strip that it needed; px."""

    radius: Radius
    shift: int
    size: SizeRule
    length: int = 0


class Ruler:
    """Measures along one axis, on strips as narrow as the network allows along the others.

    Parameters
    ----------
    session : Session
    opened : Opened
    axis : int
        Of the spatial ones.
    """

    def __init__(self, session: Session, opened: Opened, axis: int) -> None:
        self._session = session
        self._spec = opened.spec
        self._axis = axis
        self._fixed = opened.spec.size[axis].fixed
        base = _narrowest(session, opened)
        self._unit = base[axis]
        self._across = tuple(n for a, n in enumerate(base) if a != axis)
        low, high = opened.spec.value_range
        longest = self._fixed + SHIFT_ROOM if self._fixed else 2 * LONGEST
        shape = (2, opened.spec.channels_in, longest, *self._across)
        field = np.random.default_rng(1).random(shape, np.float32)
        self._field = field * np.float32(high - low) + np.float32(low)
        self._changes = [self._field[1]]
        if opened.spec.dtype not in ("float32", "float64"):
            # Coarse outputs round weak influences away: change by as much as there is.
            self._changes += [np.full_like(self._field[0], end) for end in (low, high)]
        self._seen: dict[int, FloatArray | None] = {}
        self._reached: dict[tuple[int, int], tuple[int, int] | None] = {}

    def repeats(self) -> bool:
        """Whether the same input gives the same output twice."""
        first, second = self._plain(self._unit), self._run(self._cut(0, self._unit))
        if first is None or second is None:
            return False
        return np.array_equal(first, second, equal_nan=True)

    def measure(self, *, finite: bool, length: int = 0) -> AxisFacts:
        """Measure reach, shift step and size rule.

        Parameters
        ----------
        finite : bool
            Whether to look for a reach.
        length : int
            Shortest strip to look on, px; what another axis needed.
        """
        grain = 0 if self._fixed else self._grain()
        found = self._finite(grain, length) if finite else None
        if found is None:
            return AxisFacts(GLOBAL, 1, self._size_rule(None, grain))
        reach, shift, length = found
        return AxisFacts(reach, shift, self._size_rule(length, grain), length)

    def _finite(self, grain: int, shortest: int) -> tuple[int, int, int] | None:
        """Return reach, shift step and the length they were measured on, unless global."""
        reaches = None
        length = 0
        for length in self._lengths(grain, shortest):
            reaches = self._reaches(length, 0)
            if reaches is not None:
                break
        if reaches is None:
            return None
        shift, length = self._shift_step(length, max(reaches), grain)
        worst = self._worst_reach(length, shift) if shift else None
        return None if shift is None or worst is None else (worst, shift, length)

    def _shift_step(self, length: int, reach: int, grain: int) -> tuple[int | None, int]:
        """Return the least step of tile starts that leaves a result unchanged, and on what length.

        Most networks start anywhere, or at multiples of what their lengths are multiples of.
        """
        if self._moves(length, reach, 1):
            return 1, length
        for room, steps in ((grain, (grain,)), (SHIFT_ROOM, MULTIPLES)):
            if not self._fixed:
                lost = sum(self._spec.border_loss)
                wanted = 16 * reach // 7 + 5 * room + 2 * HALF_SLAB + lost
                length = max(length, self._longer(min(wanted, LONGEST), grain))
            if room and (shift := least_step(partial(self._moves, length, reach), steps)):
                return shift, length
        return None, length

    def _lengths(self, grain: int, shortest: int) -> list[int]:
        """Return the lengths on which to look for a reach, ascending, px."""
        if self._fixed:
            return [self._fixed]
        lengths = {self._longer(self._unit << n, grain) for n in range(1, LONGEST.bit_length())}
        return sorted(n for n in lengths if shortest <= n <= LONGEST) or [max(lengths)]

    def _longer(self, length: int, grain: int) -> int:
        """Return the next accepted length from here on, or the last one within the field.

        A length with many divisors where there is one: some networks take any, but measure
        pixels by parts of the whole for all others.
        """
        last = self._unit + (LONGEST - self._unit) // grain * grain
        first = self._unit + -(-max(0, length - self._unit) // grain) * grain
        near = range(first, first + math.lcm(grain, ROUND), grain)
        return min(last, next((n for n in near if n % ROUND == 0), first))

    def _grain(self) -> int:
        """Return the least difference between two lengths that it accepts."""
        return least_step(lambda step: self._plain(self._unit + step) is not None) or LONGEST

    def _cut(self, start: int, length: int) -> FloatArray:
        """Return rows start .. start + length of the field, shape (C, ...)."""
        return self._turn(self._field[0, :, start : start + length])

    def _turn(self, strip: FloatArray) -> FloatArray:
        """Return a strip with its long axis where it belongs."""
        return np.ascontiguousarray(np.moveaxis(strip, 1, 1 + self._axis))

    def _run(self, image: FloatArray) -> FloatArray | None:
        """Return the output with the long axis first, shape (length, ...); None if refused."""
        try:
            out = try_run(self._session, self._spec, image)
        except ModelLimitError:
            out = None
        if out is None:
            return None
        turned = np.moveaxis(out, 1 + self._axis, 0)
        return turned.reshape(len(turned), -1)

    def _plain(self, length: int) -> FloatArray | None:
        """Return the output for the field's first rows; run once for each length."""
        if length not in self._seen:
            fits = length <= self._field.shape[2]
            self._seen[length] = self._run(self._cut(0, length)) if fits else None
        return self._seen[length]

    def _reaches(self, length: int, phase: int) -> tuple[int, int] | None:
        """Return how far changes before and after a window reach into it; None: all the way.

        The window begins `phase` px later, and ends as much earlier, than it could.
        """
        key = (length, phase)
        if key not in self._reached:
            self._reached[key] = self._measured_reaches(length, phase)
        return self._reached[key]

    def _measured_reaches(self, length: int, phase: int) -> tuple[int, int] | None:
        """Return what `_reaches` keeps."""
        first = length // 16 + phase
        last = length - first
        before = self._plain(length)
        if before is None:
            return None
        differs = np.zeros(len(before), bool)
        for change in self._changes:
            strip = change[:, :length].copy()
            strip[:, first:last] = self._field[0, :, first:last]
            after = self._run(self._turn(strip))
            if after is None:
                return None
            differs |= (before != after).any(axis=1)
        # What stays the same around the middle: a saturated output may do so elsewhere too.
        changed = np.flatnonzero(differs)
        ratio, lost = self._spec.ratio, self._spec.border_loss[0]
        middle = int((length // 2 - lost) * ratio)
        if middle in changed:
            return None
        start = int(max(changed[changed < middle], default=-1)) + 1
        stop = int(min(changed[changed > middle], default=len(before)))
        # The first and last input pixels all of whose output pixels stay the same.
        low = math.ceil(start / ratio) + lost
        high = math.floor(stop / ratio) - 1 + lost if ratio >= 1 else (stop - 1) / ratio + lost
        return max(low - first, 0), max(last - 1 - int(high), 0)

    def _worst_reach(self, length: int, shift: int) -> int | None:
        """Return the reach over all phases, or None if all the way.

        The first pixel that stays the same never moves back when the window's start moves
        on; so a reach that is known bounds those of the phases before it, and most phases
        need no run.
        """
        worst = 0
        for side in (0, 1):
            spans = [(0, shift)]
            while spans:
                after, until = spans.pop()
                ends = (self._reaches(length, after), self._reaches(length, until % shift))
                if ends[0] is None or ends[1] is None:
                    return None
                worst = max(worst, ends[0][side], ends[1][side])
                if until - after > 1 and ends[1][side] + until - (after + 1) > worst:
                    middle = (after + until) // 2
                    spans += [(after, middle), (middle, until)]
        return worst

    def _agree(self, a: FloatArray, b: FloatArray) -> bool:
        """Whether two outputs are equal within the tolerance."""
        if a.shape != b.shape or not a.size:
            return False
        low, high = self._spec.value_range
        span = max(high - low, float(np.ptp(a)))
        return bool(np.abs(a - b).max() <= TOLERANCES[self._spec.dtype] * span)

    def _moves(self, length: int, reach: int, step: int) -> bool | None:
        """Whether a tile that starts `step` px later gives the same result; None: no room."""
        ratio = self._spec.ratio
        first = (length - sum(self._spec.border_loss)) // 2 - HALF_SLAB
        if (step * ratio).denominator > 1:
            return False
        # What a valid convolution takes away keeps the border out of reach.
        kept_off = first + self._spec.border_loss[0]
        if reach + 2 * step > kept_off or step > min(first, SHIFT_ROOM):
            return None
        plain, moved = self._plain(length), self._run(self._cut(step, length))
        if plain is None or moved is None:
            return False
        start = int((first // ratio.denominator) * ratio.denominator * ratio)
        stop = start + max(1, int(2 * HALF_SLAB * ratio))
        by = int(step * ratio)
        return self._agree(plain[start:stop], moved[start - by : stop - by])

    def _size_rule(self, length: int | None, grain: int) -> SizeRule:
        """Return the lengths it takes and, where its reach is finite, answers alike for."""
        if self._fixed:
            return SizeRule(fixed=self._fixed)
        start = length or self._unit
        step = grain
        if length is not None:
            times = least_step(lambda n: self._answers_alike(start, n * grain))
            step = times * grain if times else start
        for minimum in range(start % step or step, start, step):
            pair = (self._plain(n) for n in (minimum, minimum + step))
            if all(out is not None and len(out) for out in pair):
                return SizeRule(minimum, step)
        return SizeRule(start, step)

    def _answers_alike(self, length: int, more: int) -> bool:
        """Whether the middle of a strip stays the same when the strip grows."""
        plain, longer = self._plain(length), self._plain(length + more)
        if plain is None or longer is None:
            return False
        middle = slice(max(0, len(plain) // 2 - HALF_SLAB), len(plain) // 2 + HALF_SLAB)
        return self._agree(plain[middle], longer[middle])


def _narrowest(session: Session, opened: Opened) -> tuple[int, ...]:
    """Return the least size that it accepts of those tried, per axis, px."""
    for width in NARROWEST:
        base = tuple(r.fixed or width for r in opened.spec.size)
        image = np.zeros((opened.spec.channels_in, *base), np.float32)
        narrower = math.prod(base) < math.prod(opened.base)
        if narrower and try_run(session, opened.spec, image) is not None:
            return base
    return opened.base


def least_step(works: Callable[[int], bool | None], steps: Sequence[int] = MULTIPLES) -> int | None:
    """Return the least step that works, given that its multiples and only they work.

    `works` returns None where it cannot tell.
    """
    failed: list[int] = []

    def tried(step: int) -> bool:
        answer = not any(f % step == 0 for f in failed) and works(step)
        if answer is False:
            failed.append(step)
        return bool(answer)

    found = next((step for step in steps if tried(step)), None)
    if found is None:
        return None
    for prime in PRIMES:
        while found % prime == 0 and tried(found // prime):
            found //= prime
    return found
