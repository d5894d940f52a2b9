"""The recorded run once more, and what is told apart; worker threads."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from napari_microenhance.api import Record, repeat
from napari_microenhance.types import LazyArray
from napari_microenhance.widgets.inspect.inspected_result import InspectedResult
from napari_microenhance.widgets.inspect.maps import NetworkSearch, recorded_run
from napari_microenhance.widgets.viewer.layer_values import RECORD_KEY
from napari_microenhance.widgets.viewer.results import LayerPlan, plan_layer

if TYPE_CHECKING:
    from napari_microenhance.widgets.background.hooks import JobHooks

__all__ = ["Again", "run_again"]


@dataclasses.dataclass(frozen=True, eq=False)
class Again:
    """A repeated run: its layer in the making, and how its pixels compare.

    Parameters
    ----------
    plan : LayerPlan
    outcome : str
        One sentence.
    remarks : tuple of str
    """

    plan: LayerPlan
    outcome: str
    remarks: tuple[str, ...]


def run_again(
    inspected: InspectedResult,
    network: NetworkSearch,
    hooks: "JobHooks",
    *,
    allow_other: bool = False,
) -> Again:
    """Repeat the recorded run on the image layer's pixels.

    Parameters
    ----------
    inspected : InspectedResult
    network : NetworkSearch
    hooks : JobHooks
    allow_other : bool
        Run even if image or network is not the recorded one.

    Raises
    ------
    RecordMismatchError
        If they are not, and may not be.
    MicroEnhanceError
        If the run is not possible.
    """
    again = recorded_run(inspected, network, allow_other=allow_other)
    hooks.enter("Running again", "tiles")
    result = repeat(again, on_progress=hooks.show, should_stop=hooks.should_stop)
    hooks.enter("Comparing with the layer")
    # A layer that showed the patch alone does so again.
    alone = inspected.record.patch_under(inspected.pixels.shape) is not None
    plan = plan_layer(inspected.image, result, again.model, preview=alone)
    record = Record.of(result.report).with_image_name(inspected.record.image_name)
    plan.meta.update(name=f"{inspected.name} (again)", metadata={RECORD_KEY: record.to_dict()})
    pixels = plan.data[0] if isinstance(plan.data, list) else plan.data
    repetition = record.report.rerun
    identical = repetition.identical if repetition else None
    outcome = _outcome(identical, inspected.pixels, pixels)
    return Again(plan, outcome, record.report.warnings)


def _outcome(identical: bool | None, before: LazyArray, now: LazyArray) -> str:
    """Return how the pixels compare with the record and with the layer."""
    recorded = {
        True: "The pixels are identical to the recorded ones",
        False: "The pixels differ from the recorded ones",
        None: "The record has no checksum of the pixels",
    }[identical]
    if tuple(before.shape) != tuple(now.shape):
        return f"{recorded}; the layer has another shape."
    old, new = np.asarray(before), np.asarray(now)
    other = old != new
    if old.dtype.kind == "f" and new.dtype.kind == "f":
        other &= ~(np.isnan(old) & np.isnan(new))
    count = int(np.count_nonzero(other))
    if not count:
        return (
            f"{recorded}, and so is the whole layer."
            if identical
            else f"{recorded}; those of the layer are the same."
        )
    largest = float(np.abs(old[other].astype(float) - new[other].astype(float)).max())
    return (
        f"{recorded}; {count:,} of {old.size:,} values of the layer differ, by at most {largest:g}."
    )
