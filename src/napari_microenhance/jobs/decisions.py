"""Decisions: what decides the pixels of a run, fixed before its first block, as plain JSON."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from napari_microenhance.engine.blocks.block_canvas import Prepared
from napari_microenhance.engine.feed import Lane
from napari_microenhance.engine.planning import RunPlan
from napari_microenhance.engine.reports.report import versions
from napari_microenhance.engine.run import Job
from napari_microenhance.engine.runtime.session import runtime_version
from napari_microenhance.engine.selection import Selection
from napari_microenhance.engine.source import Source
from napari_microenhance.records.differences import DECIDING, MEANINGFUL
from napari_microenhance.types import JsonObject

__all__ = ["decisions", "differences", "identity_of"]

SAMPLES: Final = 8
"""Blocks of a large image, evenly along each of its two longest axes, that are hashed."""

SAMPLE_PX: Final = 16

SILENT: Final = ("no_caution", "threads", "memory")
"""Options that decide no pixel, or are recorded as what they came to."""

SAID_MOST: Final = 3
"""Differences that a sentence names."""

WORDS: Final = {
    "image": "the image",
    "model": "the model",
    "roi": "the ROI",
    "options": "the option",
    "versions": "the version of",
    "provider": "the provider",
    "plan": "the tiles",
    "intensity": "the intensity range",
    "result": "the result",
}


def of_job(job: Job) -> JsonObject:
    """Return what decides the pixels and is known before anything is planned."""
    spec = job.spec.to_dict()
    found = versions(onnxruntime=runtime_version())
    return {
        "model": {
            "sha256": job.model.sha256,
            "precision": job.model.precision,
            **{name: spec[name] for name in MEANINGFUL if name in spec},
        },
        "roi": roi_digest(job.selection),
        "options": {k: v for k, v in job.options.to_dict().items() if k not in SILENT},
        "versions": {name: found[name] for name in DECIDING},
    }


def decisions(prepared: Prepared, known: Mapping[str, Any]) -> JsonObject:
    """Return all that decides the pixels of a run.

    Parameters
    ----------
    prepared : Prepared
    known : mapping
        Of the image, as `identity_of` gives it, and as `of_job` does.
    """
    grid = prepared.grid
    found = {
        **known,
        "provider": prepared.provider,
        "plan": _plan_digest(prepared.plan),
        "intensity": [_maps(lane) for lane in prepared.lanes],
        "result": {
            "shape": grid.shape,
            "axes": grid.axes,
            "dtype": str(prepared.page.dtype),
            "blocks": grid.lengths,
        },
    }
    plain: JsonObject = json.loads(json.dumps(found, default=str))
    return plain


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return in words what is not as it was; empty where all is.

    Parameters
    ----------
    then, now : mapping
        As `decisions` gives it.
    """
    found = list(_differ(then, now))
    if any(name.startswith("the image") for name in found):
        found = [name for name in found if not name.startswith("the intensity")]
    more = f" and {len(found) - SAID_MOST} more" if len(found) > SAID_MOST else ""
    return ", ".join(found[:SAID_MOST]) + more


def identity_of(source: Source) -> JsonObject:
    """Return what tells an image from others: all of its pixels, or those of sample blocks.

    Parameters
    ----------
    source : Source
    """
    found: JsonObject = {
        "shape": source.shape,
        "axes": source.axes,
        "dtype": str(source.dtype),
    }
    if source.sha256 is not None:
        return {**found, "sha256": source.sha256}
    digest = hashlib.sha256()
    height, width = source.shape[source.axes.index("Y")], source.shape[source.axes.index("X")]
    planes = source.planes
    for number in range(SAMPLES):
        plane = planes[number * len(planes) // SAMPLES]
        for other in range(SAMPLES):
            starts = {
                "Y": max(0, height - SAMPLE_PX) * number // (SAMPLES - 1),
                "X": max(0, width - SAMPLE_PX) * other // (SAMPLES - 1),
            }
            key: list[int | slice] = [slice(0, n) for n in source.shape]
            for axis, index in zip(source.plane_axes, plane, strict=True):
                key[axis] = index
            for axis, letter in enumerate(source.axes):
                if letter in starts:
                    key[axis] = slice(starts[letter], starts[letter] + SAMPLE_PX)
                elif axis in source.spatial_axes:
                    key[axis] = slice(source.shape[axis] // 2, source.shape[axis] // 2 + 1)
            digest.update(source.take(_inside(key, source.shape)).tobytes())
    return {**found, "sample_sha256": digest.hexdigest()}


def _inside(key: list[int | slice], shape: tuple[int, ...]) -> tuple[int | slice, ...]:
    """Return slices cut to an array."""
    return tuple(
        slice(part.start, min(part.stop, length)) if isinstance(part, slice) else part
        for part, length in zip(key, shape, strict=True)
    )


def roi_digest(selection: Selection) -> str:
    """Return a fingerprint of the pixels of a selection, before it is dilated."""
    cells = [] if selection.cells is None else sorted(map(repr, selection.cells.items()))
    parts = [*(region.digest for region in selection.regions), *cells]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def _plan_digest(plan: RunPlan) -> str:
    """Return a fingerprint of the tiles of all planes."""
    digest = hashlib.sha256()
    for part in plan.parts:
        said = (part.passes, part.layout.blend, part.layout.tiles, plan.kept)
        digest.update(repr(said).encode())
    return digest.hexdigest()


def _maps(lane: Lane) -> JsonObject:
    """Return the straight lines and steps of a lane."""
    found: JsonObject = {"lines": [dataclasses.asdict(line) for line in lane.maps]}
    return {**found, "steps": lane.steps.to_dict()} if lane.steps else found


def _differ(then: Any, now: Any, path: tuple[str, ...] = ()) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Yield the differences of two JSON values in words."""
    if then == now:
        return
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*now, *then]):
            if key in then or key in now:
                yield from _differ(then.get(key), now.get(key), (*path, key))
        return
    words = WORDS.get(path[0], path[0]) if path else "the run"
    if len(path) > 1 and path[0] in ("options", "versions"):
        words += f" {path[1]}"
    elif len(path) > 1 and path[0] in ("image", "result", "model"):
        words += f"'s {path[1].replace('sample_sha256', 'pixels').replace('sha256', 'fingerprint')}"
    if path and path[0] in ("plan", "roi", "intensity"):
        yield words
    else:
        yield f"{words} ({_short(then)} then, {_short(now)} now)"


def _short(value: object) -> str:
    """Return a value on a few characters."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 24 else f"{text[:12]}..."
