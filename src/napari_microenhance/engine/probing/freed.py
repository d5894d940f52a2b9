"""Freed: declared lengths that a network does not need are left free."""

import dataclasses

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.probing.attempts import try_run
from napari_microenhance.engine.probing.axes import Probed, measure_axes
from napari_microenhance.engine.probing.findings import Finding
from napari_microenhance.engine.probing.opening import Opened
from napari_microenhance.engine.probing.ruler import TOLERANCES
from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.spec import GLOBAL, ModelSpec, SizeRule
from napari_microenhance.engine.statistics.coupling import find_coupling
from napari_microenhance.errors import MemoryBudgetError, ModelError

__all__ = ["freed_of"]

FloatArray = npt.NDArray[np.float32]


def freed_of(session: Session, opened: Opened, fixed: Probed) -> tuple[Session, Probed] | None:
    """Return what is measured when declared lengths are left free, if nothing else changes.

    Only for networks whose reach lies within the declared lengths, that answer alike from
    every tile start, or that couple the image through a few numbers only: others were trained to
    see just that much, from just there.

    Parameters
    ----------
    session : Session
    opened : Opened
        Of fixed lengths.
    fixed : Probed
        What was measured at these.

    Returns
    -------
    tuple of Session and Probed, or None
        The network with its lengths free; None where it needs those that it declares.
    """
    lengths = opened.base
    anywhere = fixed.spec.radius == GLOBAL
    spec = dataclasses.replace(opened.spec, size=tuple(SizeRule() for _ in lengths), freed=True)
    try:
        loose = session.with_free_lengths()
        if anywhere and try_run(loose, spec, _field(spec, [2 * n for n in lengths])) is None:
            return None
        found = measure_axes(loose, Opened(spec, lengths))
        if found.spec.radius == GLOBAL:
            # Its groups give what one call does, at a size that is not the declared one.
            same = find_coupling(session.model, found.spec)[0] == "numbers"
        else:
            starts = not anywhere or found.spec.shift_step == 1
            same = starts and _is_same(session, opened.spec, loose, found.spec)
        if not same:
            return None
    except (ModelError, MemoryBudgetError):
        return None
    declared = " x ".join(map(str, lengths))
    claim = (
        "normalises over any image that it is given"
        if found.spec.radius == GLOBAL
        else "gives the same result at other sizes"
    )
    sentence = (
        f"The file declares images of {declared} px, but the model {claim}, so any size that it "
        "accepts is used."
    )
    return loose, Probed(found.spec, (*found.findings, Finding("info", sentence, "size")))


def _is_same(session: Session, declared: ModelSpec, loose: Session, free: ModelSpec) -> bool:
    """Whether it gives the same at its own size, and there as a part of a larger image."""
    own = [rule.fixed or 1 for rule in declared.size]
    larger = [rule.round_up(n + 1) for rule, n in zip(free.size, own, strict=True)]
    field = _field(free, larger)
    part = np.ascontiguousarray(field[(slice(None), *(slice(n) for n in own))])
    before = try_run(session, declared, part)
    alone, within = try_run(loose, free, part), try_run(loose, free, field)
    if before is None or alone is None or within is None:
        return False
    # Pixels that the far borders of the part do not reach.
    beyond = int(free.radius) + sum(free.border_loss)
    kept = [int((n - beyond) * free.ratio) for n in own]
    if min(kept) < 1:
        return False
    inner = (slice(None), *(slice(n) for n in kept))
    return _agree(before, alone, free) and _agree(before[inner], within[inner], free)


def _agree(a: FloatArray, b: FloatArray, spec: ModelSpec) -> bool:
    """Whether two outputs are equal within the tolerance of the number type."""
    low, high = spec.value_range
    span = max(high - low, float(np.ptp(a)))
    return a.shape == b.shape and bool(np.abs(a - b).max() <= TOLERANCES[spec.dtype] * span)


def _field(spec: ModelSpec, lengths: list[int]) -> FloatArray:
    """Return random values of the network's range, shape (C, ..., Y, X)."""
    low, high = spec.value_range
    field = np.random.default_rng(5).random((spec.channels_in, *lengths), np.float32)
    return np.asarray(field * np.float32(high - low) + np.float32(low))
