"""Axes: what is measured along all axes of a network, put together."""

import dataclasses
import math

from napari_microenhance.engine.probing.findings import Finding
from napari_microenhance.engine.probing.opening import Opened
from napari_microenhance.engine.probing.ruler import AxisFacts, Ruler
from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.spec import GLOBAL, ModelSpec, Radius

__all__ = ["Probed", "measure_axes"]


@dataclasses.dataclass(frozen=True)
class Probed:
    """What the measurements say: the spec, and remarks for the user."""

    spec: ModelSpec
    findings: tuple[Finding, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """The remarks as text."""
        return tuple(map(str, self.findings))


def measure_axes(session: Session, opened: Opened) -> Probed:
    """Measure reach, shift step and size rule along all axes.

    Parameters
    ----------
    session : Session
    opened : Opened

    Returns
    -------
    Probed
        With cautions where tiles differ, or repetitions do.
    """
    findings = []
    rulers = [Ruler(session, opened, axis) for axis in range(len(opened.base))]
    repeatable = rulers[0].repeats()
    if not repeatable:
        sentence = (
            "The result differs from run to run (dropout or noise is active), so a run cannot "
            "be repeated exactly."
        )
        findings.append(Finding("caution", sentence, "random"))
    facts: list[AxisFacts] = []
    for ruler in rulers:
        finite = repeatable and all(f.radius != GLOBAL for f in facts)
        length = max((f.length for f in facts), default=0)
        facts.append(ruler.measure(finite=finite, length=length))
    radius: Radius = GLOBAL
    if all(f.radius != GLOBAL for f in facts):
        radius = max(int(f.radius) for f in facts)
    elif repeatable:
        sentence = (
            "Every output pixel depends on the whole tile, so neighbouring tiles differ; "
            "they are blended and the mismatch is reported."
        )
        findings.append(Finding("caution", sentence, "seams"))
    spec = dataclasses.replace(
        opened.spec,
        radius=radius,
        shift_step=math.lcm(*[f.shift for f in facts]) if radius != GLOBAL else 1,
        size=tuple(f.size for f in facts),
    )
    return Probed(spec, tuple(findings))
