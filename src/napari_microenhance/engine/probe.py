"""Probe: measure a network on small inputs and fill in its spec.

Nothing that can be measured is believed: which layout and sizes it accepts, how far
an input pixel reaches, which tile starts and lengths leave the result unchanged.
Reach is measured with equal shapes, where an output that no changed pixel reaches is
equal to the last bit, so no threshold is needed.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import psutil

from napari_microenhance.engine.session import Session, Tensor
from napari_microenhance.engine.spec import GLOBAL, ModelSpec, Radius, SizeRule
from napari_microenhance.errors import ModelError

__all__ = ["Findings", "probe"]

FloatArray = npt.NDArray[np.float32]

BASE_SIZES = (64, 96, 128, 256, 512, 32, 16)
"""Lengths tried until the network accepts one, px."""

STEPS: tuple[int, ...] = (*range(1, 33), 48, 64, 96, 128, 192, 256, 512)
"""Shift and size steps tried, px."""

LONGEST = 1024
"""Longest probe strip, px; a reach of three eighths of it or more counts as global."""

TOLERANCE = 1e-5
"""Largest difference, in parts of the output's range, that counts as none between
inputs of different shape or position (promise 2)."""

HALF_SLAB = 4
"""Half the rows in the middle of a strip that are compared between positions, px."""

MEMORY_PROBE_PX = 320

BYTES_LEAST = 64.0
"""Working memory per pixel below which the measurement is noise."""


@dataclasses.dataclass(frozen=True)
class Findings:
    """What the measurements say: the spec and sentences for the user."""

    spec: ModelSpec
    sentences: tuple[str, ...] = ()


def probe(session: Session, spec: ModelSpec) -> Findings:
    """Measure a network.

    Parameters
    ----------
    session : Session
    spec : ModelSpec
        What is known already: name, value range and the like.

    Returns
    -------
    Findings
        The spec with layout, channels, sizes, radius, shift step and memory measured.

    Raises
    ------
    ModelError
        If the network does not turn one image into one image of the same size.
    """
    call, spec, base = _open(session, spec)
    sentences = []
    image = np.random.default_rng(0).random((spec.channels_in, *base), np.float32)
    low, high = spec.value_range
    network = _Probe(lambda x: call(x * np.float32(high - low) + np.float32(low)))
    if not np.array_equal(network(image), network(image), equal_nan=True):
        sentences.append(
            "It gives another result at every run (dropout or noise left on); "
            "a run cannot be repeated exactly."
        )
        size = tuple(
            rule
            if rule.fixed
            else _size_rule(network, _Strips(spec.channels_in, base, a), base[a], None)
            for a, rule in enumerate(spec.size)
        )
        return Findings(dataclasses.replace(spec, radius=GLOBAL, size=size), tuple(sentences))
    measured = [_measure_axis(network, spec, base, axis) for axis in range(2)]
    radius: Radius = GLOBAL
    if all(m.radius != GLOBAL for m in measured):
        radius = max(int(m.radius) for m in measured)
    else:
        sentences.append(
            "Every output pixel depends on the whole tile, so neighbouring tiles differ; "
            "they are blended and the mismatch is reported."
        )
    return Findings(
        dataclasses.replace(
            spec,
            radius=radius,
            shift_step=math.lcm(*[m.shift for m in measured]) if radius != GLOBAL else 1,
            size=tuple(m.size for m in measured),
            bytes_per_pixel=_working_memory(network, spec, measured),
        ),
        tuple(sentences),
    )


Call = Callable[[FloatArray], FloatArray]


class _Probe:
    """A network as a function of (C, Y, X) images that says None where it refuses a size."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __call__(self, image: FloatArray) -> FloatArray:
        return self._call(image)

    def accepts(self, image: FloatArray) -> FloatArray | None:
        """Return the output if the network takes this size and keeps it."""
        try:
            out = self._call(image)
        except ModelError:
            return None
        return out if out.shape[1:] == image.shape[1:] else None


def _open(session: Session, spec: ModelSpec) -> tuple[Call, ModelSpec, tuple[int, int]]:
    """Find layout, channels and a size that the network takes."""
    name = spec.name
    if len(session.inputs) != 1:
        names = ", ".join(t.name for t in session.inputs)
        raise ModelError(
            f"The network {name} has {len(session.inputs)} inputs ({names}); "
            "one image input is needed."
        )
    tensor = session.inputs[0]
    if len(tensor.shape) != 4:
        raise ModelError(
            f"The network {name} takes an input of {len(tensor.shape)} dimensions; "
            "an image network takes 4 (batch, channel, y, x)."
        )
    if tensor.type != "tensor(float)":
        raise ModelError(f"The network {name} takes {tensor.type}; float32 is needed.")
    failure: Exception | None = None
    shapes: list[tuple[int, ...]] = []
    for axes, channels, base in _candidates(tensor):
        size = tuple(
            SizeRule(fixed=d) if isinstance(d := tensor.shape[axes.index(a)], int) else SizeRule()
            for a in "YX"
        )
        batch = tensor.shape[0] if isinstance(tensor.shape[0], int) else None
        call = _call(session, axes)
        try:
            out = call(np.full((channels, *base), 0.5, np.float32))
        except ModelError as error:
            failure = error
            continue
        if out.ndim == 3 and out.shape[1:] == base and out.shape[0] in (1, 3):
            found = dataclasses.replace(
                spec,
                axes_in=axes,
                axes_out=axes,
                channels_in=channels,
                channels_out=out.shape[0],
                size=size,
                batch=batch,
            )
            return call, found, base
        shapes.append((channels, *base, *out.shape))
    raise _refusal(name, session, failure, shapes)


def _refusal(
    name: str, session: Session, failure: Exception | None, shapes: list[tuple[int, ...]]
) -> ModelError:
    """Return the sentence for a network that does not turn an image into an image."""
    rank = len(session.outputs[0].shape)
    if rank and rank != 4:
        return ModelError(
            f"The network {name} gives an output of {rank} dimensions, so it is no image "
            "network (a classifier or detector?); use one that returns an image."
        )
    if shapes:
        first = shapes[0]
        return ModelError(
            f"The network {name} turns an input of {first[:3]} into {first[3:]}; only networks "
            "that keep the image size, with 1 or 3 channels, can be used."
        )
    if failure is None:
        return ModelError(
            f"The network {name} takes an input of shape {session.inputs[0].shape}; "
            "1 or 3 channels are needed."
        )
    return ModelError(str(failure))


def _candidates(tensor: Tensor) -> list[tuple[str, int, tuple[int, int]]]:
    """Return the layouts, channel counts and sizes that the declared shape leaves open."""
    found = []
    for axes in ("NCYX", "NYXC"):
        declared = tensor.shape[axes.index("C")]
        for channels in (1, 3):
            if isinstance(declared, int) and declared != channels:
                continue
            fixed = [tensor.shape[axes.index(a)] for a in "YX"]
            one_fixed = isinstance(fixed[0], int) != isinstance(fixed[1], int)
            if one_fixed and not isinstance(declared, int):
                continue  # More likely channels in another place than half a fixed size.
            for base in BASE_SIZES:
                y, x = (f if isinstance(f, int) else base for f in fixed)
                if (axes, channels, (y, x)) not in found and min(y, x) > 3:
                    found.append((axes, channels, (y, x)))
    # A declared channel count beats a free one.
    return sorted(found, key=lambda c: not isinstance(tensor.shape[c[0].index("C")], int))


def _call(session: Session, axes: str) -> Call:
    """Return the network as a function of (C, Y, X) images."""
    batch = session.inputs[0].shape[0]

    def call(image: FloatArray) -> FloatArray:
        tensor = image[None] if axes == "NCYX" else np.moveaxis(image, 0, -1)[None]
        if isinstance(batch, int) and batch > 1:
            tensor = np.repeat(tensor, batch, axis=0)
        out = session.run(tensor)
        if not isinstance(out, np.ndarray) or out.ndim != 4:
            return np.zeros((0,), np.float32)
        return np.asarray(out[0] if axes == "NCYX" else np.moveaxis(out[0], -1, 0))

    return call


@dataclasses.dataclass(frozen=True)
class _AxisFacts:
    """What was measured along one axis."""

    radius: Radius
    shift: int
    size: SizeRule


def _measure_axis(network: _Probe, spec: ModelSpec, base: tuple[int, int], axis: int) -> _AxisFacts:
    """Measure reach, shift step and size rule along one axis, on strips."""
    fixed = spec.size[axis].fixed
    unit = base[axis]
    lengths = [fixed] if fixed else [n for m in (2, 4, 8, 16) if (n := m * unit) <= LONGEST]
    strips = _Strips(spec.channels_in, base, axis)
    shift = None
    for length in lengths:
        reach = _reach(network, strips, length)
        if reach is None:
            continue
        if not fixed:
            length = -(-(2 * reach + 2 * 64 + 4 * HALF_SLAB) // unit) * unit
        shift = _shift_step(network, strips, length, reach)
        break
    phases: list[int | None] = [None]
    if shift is not None:
        phases = [_reach(network, strips, length, phase=p, room=shift) for p in range(shift)]
    reached = [p for p in phases if p is not None]
    finite = len(reached) == len(phases)
    size = (
        spec.size[axis] if fixed else _size_rule(network, strips, unit, length if finite else None)
    )
    if shift is None or not finite:
        return _AxisFacts(GLOBAL, 1, size)
    return _AxisFacts(max(reached), shift, size)


class _Strips:
    """Random images, long along one axis and as short as the network allows along the other."""

    def __init__(self, channels: int, base: tuple[int, int], axis: int) -> None:
        self._across = base[1 - axis]
        self._axis = axis
        rng = np.random.default_rng(1)
        self._field = rng.random((2, channels, 2 * LONGEST, self._across), np.float32)

    def cut(self, start: int, length: int) -> FloatArray:
        """Return rows start .. start + length of the field, as a (C, Y, X) image."""
        return self._turn(self._field[0, :, start : start + length])

    def changed_outside(self, length: int, first: int, last: int) -> FloatArray:
        """Return the strip with everything before `first` and from `last` on replaced."""
        strip = self._field[1, :, :length].copy()
        strip[:, first:last] = self._field[0, :, first:last]
        return self._turn(strip)

    def rows(self, output: FloatArray) -> FloatArray:
        """Return an output with the long axis first, shape (length, C * across)."""
        turned = output if self._axis == 0 else output.swapaxes(1, 2)
        return np.asarray(turned.swapaxes(0, 1).reshape(turned.shape[1], -1))

    def _turn(self, strip: FloatArray) -> FloatArray:
        return np.ascontiguousarray(strip if self._axis == 0 else strip.swapaxes(1, 2))


def _reach(
    network: _Probe, strips: _Strips, length: int, *, phase: int = 0, room: int = 0
) -> int | None:
    """Return how far pixels outside a window reach into it, or None if all the way."""
    first = length // 8 + phase
    last = first + 3 * length // 4 - room
    before = strips.rows(network(strips.cut(0, length)))
    after = strips.rows(network(strips.changed_outside(length, first, last)))
    same = np.flatnonzero((before == after).all(axis=1))
    same = same[(same >= first) & (same < last)]
    if not len(same):
        return None
    return max(int(same[0]) - first, last - 1 - int(same[-1]))


def _agree(a: FloatArray, b: FloatArray) -> bool:
    """Whether two outputs are equal within the tolerance."""
    span = max(1.0, float(np.ptp(a))) if a.size else 1.0
    return bool(a.size and np.abs(a - b).max() <= TOLERANCE * span)


def _shift_step(network: _Probe, strips: _Strips, length: int, reach: int) -> int | None:
    """Return the least step of tile starts that leaves a result unchanged."""
    plain = strips.rows(network(strips.cut(0, length)))
    first = length // 2 - HALF_SLAB
    for step in itertools.takewhile(lambda s: reach + 2 * s <= first, STEPS):
        moved = strips.rows(network(strips.cut(step, length)))
        slab = slice(first, first + 2 * HALF_SLAB)
        if _agree(plain[slab], moved[slab.start - step : slab.stop - step]):
            return step
    return None


def _size_rule(network: _Probe, strips: _Strips, unit: int, length: int | None) -> SizeRule:
    """Return which lengths the network takes and, where its reach is finite, answers alike."""
    start = length or unit
    plain = strips.rows(network(strips.cut(0, start)))
    step = start
    for candidate in STEPS:
        longer = network.accepts(strips.cut(0, start + candidate))
        if longer is None:
            continue
        middle = slice(start // 2 - HALF_SLAB, start // 2 + HALF_SLAB)
        if length is None or _agree(plain[middle], strips.rows(longer)[middle]):
            step = candidate
            break
    for minimum in range(start % step or step, start, step):
        if all(network.accepts(strips.cut(0, n)) is not None for n in (minimum, minimum + step)):
            return SizeRule(minimum, step)
    return SizeRule(start, step)


def _working_memory(network: _Probe, spec: ModelSpec, measured: list[_AxisFacts]) -> float:
    """Return the growth of this process, per pixel, when a larger image is run, bytes."""
    process = psutil.Process()
    shape = [m.size.round_up(MEMORY_PROBE_PX) for m in measured]
    image = np.zeros((spec.channels_in, *shape), np.float32)
    before = process.memory_info().rss
    network(image)
    grown = process.memory_info().rss - before
    return max(BYTES_LEAST, float(grown) / math.prod(shape))
