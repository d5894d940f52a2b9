"""Scaling: how much a network enlarges, and how much its valid convolutions take away first.

One size cannot tell the two apart: 48 px of 64 are a scale of one less 16 px, or a scale of
two less 40. A second size can, or the place in the output of what changed in the input.
"""

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

import numpy as np

from napari_microenhance.engine.probing.attempts import output_shape, run_once
from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.errors import ModelError, ModelLimitError

__all__ = ["scale_and_loss"]

LONGER: Final = (8, 16, 32, 48, 40, 36, 28, 64, *range(1, 32), 128, 256)
"""How much longer a second size is, px; those with many divisors are seldom refused."""

SCALES: Final = tuple(map(Fraction, ("1", "2", "3", "4", "8", "1/2", "1/4", "1/8", "1/3")))

MOVED_PX: Final = 8
"""How far the image is moved; a multiple of the usual steps of tile starts."""

CLOSE: Final = 0.5
"""How much the moved output may differ from the first one, in its standard deviation."""


def scale_and_loss(
    session: Session, spec: ModelSpec, base: tuple[int, ...], spatial: tuple[int, ...]
) -> tuple[Fraction, int] | None:
    """Return the scale and the border loss that explain an output's size, on all axes alike.

    Parameters
    ----------
    session : Session
    spec : ModelSpec
        With the layout of both ends.
    base : tuple of int
        Lengths of an image that the network takes, px.
    spatial : tuple of int
        Lengths of what it gives, px.

    Returns
    -------
    tuple of Fraction and int, or None
        Output pixels per input pixel, and the input pixels that both borders lose together;
        None where nothing explains the size.
    """
    if 0 in spatial:
        return None
    free = [axis for axis, rule in enumerate(spec.size) if not rule.fixed]
    if free:
        return _by_a_second_size(session, spec, base, spatial, free[0])
    fits = {scale: _loss(scale, base, spatial) for scale in SCALES}
    losses = {scale: lost for scale, lost in fits.items() if lost is not None}
    if not losses:
        return None
    # 64 px of 64 can be nothing at all, or twice as much less 32.
    best = _moving_along(session, spec, base, losses) if len(losses) > 1 else None
    if best is None:
        unchanged = [s for s, lost in losses.items() if lost == 0]
        best = unchanged[0] if unchanged else min(losses, key=lambda s: abs(math.log(s)))
    return best, losses[best]


def _loss(scale: Fraction, base: tuple[int, ...], spatial: tuple[int, ...]) -> int | None:
    """Return what all axes lose before they are scaled, px, if that is one whole number."""
    losses = {n - out / scale for n, out in zip(base, spatial, strict=True)}
    lost = losses.pop()
    fits = not losses and lost.denominator == 1 and 0 <= lost < min(base)
    return int(lost) if fits else None


def _by_a_second_size(
    session: Session,
    spec: ModelSpec,
    base: tuple[int, ...],
    spatial: tuple[int, ...],
    axis: int,
) -> tuple[Fraction, int] | None:
    """Return scale and loss by how much longer the output is for a longer image."""
    order = spec.axes_out.replace("N", "")
    place = order.index([a for a in "ZYX" if a in order][axis])
    for step in LONGER:
        longer = tuple(n + step if a == axis else n for a, n in enumerate(base))
        try:
            shape = output_shape(session, spec, longer)
        except ModelLimitError:
            raise
        except ModelError:
            continue
        scale = Fraction(shape[place] - spatial[axis], step)
        if scale not in SCALES:
            continue
        lost = _loss(scale, base, spatial)
        return None if lost is None else (scale, lost)
    return None


def _moving_along(
    session: Session, spec: ModelSpec, base: tuple[int, ...], scales: Iterable[Fraction]
) -> Fraction | None:
    """Return the scale by which the output moves when the image does, if one stands out."""
    low, high = spec.value_range
    shape = (spec.channels_in, base[0] + MOVED_PX, *base[1:])
    field = np.random.default_rng(7).random(shape, np.float32) * np.float32(high - low)
    field += np.float32(low)
    first, second = (
        np.nan_to_num(run_once(session, spec, np.ascontiguousarray(field[:, s : s + base[0]])))
        for s in (0, MOVED_PX)
    )
    spread = float(first.std())
    off = {}
    for scale in scales:
        by = MOVED_PX * scale
        if by.denominator == 1 and by < first.shape[1]:
            apart = np.abs(first[:, int(by) :] - second[:, : -int(by)])
            off[scale] = float(apart.mean())
    best = min(off, key=lambda s: off[s], default=None)
    return best if best is not None and off[best] < CLOSE * spread else None
