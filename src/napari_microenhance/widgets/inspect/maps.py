"""Trust maps of a result, laid out as layers exactly over its image; worker threads."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.api import (
    Record,
    list_models,
    mismatch_map,
    raw_consistency,
    repeat,
    variability,
)
from napari_microenhance.records.repeating import Repetition, find_model, prepare
from napari_microenhance.widgets.inspect.inspected_result import InspectedResult, kept_axes
from napari_microenhance.widgets.viewer.layer_values import mixes, part_of, place
from napari_microenhance.widgets.viewer.live import LIVE_KEY
from napari_microenhance.widgets.viewer.results import LayerPlan

if TYPE_CHECKING:
    from napari_microenhance.api import TrustMap
    from napari_microenhance.widgets.background.hooks import JobHooks

__all__ = ["MAPS", "MAP_KEY", "MapOutcome", "NetworkSearch", "make_map"]

MAP_KEY: Final = "napari-microenhance-map"
"""Key of what a map says, in the metadata of its layer."""

MAPS: Final = ("tile mismatch", "variability", "raw consistency")

_COLORMAP: Final = "inferno"
_HIGH: Final = 99.9
"""Percentile at which the colours end: one odd pixel does not make a map dark."""


@dataclasses.dataclass(frozen=True)
class NetworkSearch:
    """Where the network of a record may be.

    Parameters
    ----------
    known : tuple of Path
        Files that were opened lately.
    chosen : Path or None
        What the user named in its stead.
    """

    known: tuple[Path, ...] = ()
    chosen: Path | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class MapOutcome:
    """A map, the layer in the making that shows it, and remarks on the run behind it."""

    found: "TrustMap"
    plan: LayerPlan
    remarks: tuple[str, ...] = ()


def make_map(
    name: str,
    inspected: InspectedResult,
    network: NetworkSearch,
    hooks: "JobHooks",
    *,
    allow_other: bool = False,
) -> MapOutcome:
    """Make one of `MAPS`.

    Parameters
    ----------
    name : str
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
        If the map cannot be made.
    """
    if name == "raw consistency":
        return _consistency(inspected, hooks)
    hooks.enter("Opening the model")
    again = recorded_run(inspected, network, allow_other=allow_other)
    hooks.enter("Running again", "tiles")
    if name == "variability":
        found = variability(
            again.source.data,
            again.model,
            again.roi,
            again.source.axes,
            options=again.options,
            on_progress=hooks.show,
            should_stop=hooks.should_stop,
            window=again.record.window,
        )
        return MapOutcome(found, _plan(inspected, found), again.remarks)
    result = repeat(again, on_progress=hooks.show, should_stop=hooks.should_stop)
    found = mismatch_map(result)
    remarks = (
        []
        if result.seams
        else ["There are no seams: the run used one tile, or tiles that do not touch."]
    )
    repetition = Record.of(result.report).report.rerun
    if repetition is not None and repetition.identical is False:
        remarks.append("The repeated run gave different pixels from the recorded one.")
    return MapOutcome(found, _plan(inspected, found), (*again.remarks, *remarks))


def recorded_run(
    inspected: InspectedResult, network: NetworkSearch, *, allow_other: bool
) -> Repetition:
    """Return the recorded run, ready to be run again on the layer's pixels.

    Raises
    ------
    RecordMismatchError
        If image or network is not the recorded one, and may not be.
    MicroEnhanceError
        If one of them cannot be used.
    """
    own = tuple(info.path for info in list_models() if info.source == "user")
    model = network.chosen or find_model(inspected.record, (*network.known, *own))
    return prepare(inspected.record, inspected.image.data, model, allow_other=allow_other)


def _consistency(inspected: InspectedResult, hooks: "JobHooks") -> MapOutcome:
    """Put the result back through a blur."""
    pair = inspected.pair()
    hooks.enter("Fitting the blur")
    found = raw_consistency(
        pair.before,
        pair.after,
        pair.roi,
        planes=pair.planes,
        on_progress=hooks.show,
        should_stop=hooks.should_stop,
    )
    begin = tuple(pair.start[a] + n for a, n in zip(found.axes, found.start, strict=True))
    found = dataclasses.replace(found, start=begin)
    return MapOutcome(found, _plan(inspected, found), pair.notes)


def _plan(inspected: InspectedResult, found: "TrustMap") -> LayerPlan:
    """Lay a map over the image that it is about."""
    source = inspected.image
    values, axes, start = found.values, found.axes, found.start
    if axes.endswith("YXC"):
        # Colours change together; the layer has one value per pixel.
        values, axes, start = _over_colours(values), axes[:-1], start[:-1]
    kept = kept_axes(source, axes)
    if mixes(source.placement, kept):
        lead = [n for a, n in zip(source.axes, source.data.shape, strict=True) if a not in axes]
        lead = lead[: source.ndim - len(kept)]
        values = np.broadcast_to(values, (*lead, *values.shape))
        start, kept = (0,) * len(lead) + tuple(start), list(range(source.ndim))
    factor = [found.scale if source.axes[i] in inspected.record.spatial else 1.0 for i in kept]
    first = [s / f for s, f in zip(start, factor, strict=True)]
    meta: dict[str, Any] = {
        **place(part_of(source.placement, kept), first, factor).to_kwargs(),
        "name": f"{inspected.name} · {found.name}",
        "metadata": {
            MAP_KEY: {"name": found.name, "result": inspected.name, **found.to_dict()},
            LIVE_KEY: True,
        },
        "colormap": _COLORMAP,
        "contrast_limits": (0.0, max(_top(values), _least(inspected, found))),
        "rgb": False,
        "multiscale": False,
    }
    return LayerPlan(values, meta, "image")


def _over_colours(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the root mean square over the colours; NaN where one is unknown."""
    mean = np.mean(np.square(values[..., :3]), axis=-1)
    return np.asarray(np.sqrt(mean), np.float32)


def _least(inspected: InspectedResult, found: "TrustMap") -> float:
    """Return the value below which nobody sees a difference: it is not to look like one."""
    if found.unit == "image units":
        return 1.0 if np.dtype(inspected.image.data.dtype).kind in "iu" else 0.0
    if found.name == "tile mismatch":
        low, high = inspected.record.report.intensity.network_range
        return (high - low) / 255
    return 0.0


def _top(values: npt.NDArray[np.float32]) -> float:
    """Return the value at which the colours end."""
    finite = values[np.isfinite(values)]
    top = float(np.percentile(finite, _HIGH)) if finite.size else 0.0
    top = top or float(finite.max(initial=0))
    return top or 1.0
