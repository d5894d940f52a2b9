"""Agreement: whether a result is what a run would give now, so that it need not run again."""

import dataclasses
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.options import Options
from napari_microenhance.engine.reports.report import fingerprint
from napari_microenhance.engine.runtime.session import runtime_version
from napari_microenhance.engine.selection import Selection
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import MicroEnhanceError
from napari_microenhance.images.image_formats import read_image
from napari_microenhance.models import Model
from napari_microenhance.records.differences import (
    image_difference,
    model_difference,
    other_spec,
    version_remarks,
)
from napari_microenhance.records.record import Record
from napari_microenhance.records.recorded import RecordedPatch

__all__ = ["disagreements", "holds_recorded_pixels"]

_HARMLESS: Final = frozenset({"threads", "memory", "no_caution"})
"""Options about the machine and the talk, not about the pixels."""


def disagreements(
    record: Record, source: Source, selection: Selection, model: Model, options: Options
) -> tuple[str, ...]:
    """Return in what a recorded run differs from one that is asked for now.

    Parameters
    ----------
    record : Record
    source : Source
        The image.
    selection : Selection
        The region, before it is dilated.
    model : Model
    options : Options

    Returns
    -------
    tuple of str
        Words for each difference, such as "the option tile"; empty where there is none.
    """
    found = [f"the option {name}" for name in _other_options(record, options)]
    network = model.at(options.precision)
    if model_difference(record, network.sha256) or other_spec(record, network.spec):
        found.append("the model")
    if record.axes != source.axes or image_difference(record, source):
        found.append("the image")
    elif _shown(selection.to_dict()) != _shown(record.kept["roi"]):
        found.append("the ROI")
    if version_remarks(record, runtime_version()):
        found.append("the software")
    return tuple(found)


def holds_recorded_pixels(path: Path, record: Record) -> bool:
    """Tell whether a result's file can be read and still holds the pixels of its record.

    Parameters
    ----------
    path : Path
        Of the result.
    record : Record
        As the file carries it.

    Returns
    -------
    bool
        True also where the record has no fingerprint, and the shape is right.
    """
    patch = record.report.result
    try:
        file = read_image(path)
        if patch is None or patch.sha256 is None:
            return True
        pixels = _patch_in(np.asarray(file.pixels), file.axes, record, patch)
    except (MicroEnhanceError, OSError, ValueError):
        return False
    return pixels is not None and fingerprint(pixels) == patch.sha256


def _other_options(record: Record, options: Options) -> list[str]:
    """Return the names of options that are not as recorded."""
    recorded, now = record.report.options, json.loads(json.dumps(options.to_dict()))
    names = [field.name for field in dataclasses.fields(Options) if field.name not in _HARMLESS]
    other = [name for name in names if recorded.get(name) != now[name]]
    if "provider" in other and options.provider == record.report.provider.got:
        other.remove("provider")
    return other


def _patch_in(
    pixels: npt.NDArray[Any], axes: str, record: Record, patch: RecordedPatch
) -> npt.NDArray[Any] | None:
    """Return the part of a result that was computed; None where it has another shape."""
    for letter in axes:
        if letter not in patch.axes:  # a file may have an axis of length one more, or one less
            pixels = pixels.take(0, axes.index(letter))
            axes = axes.replace(letter, "")
    for letter in patch.axes:
        if letter not in axes:
            pixels, axes = pixels[np.newaxis], letter + axes
    pixels = pixels.transpose([axes.index(letter) for letter in patch.axes])
    if pixels.shape != patch.shape or record.options().background != "crop":
        starts = [
            round(start * (patch.scale if letter in "YX" else 1))
            for letter, start in zip(patch.axes, patch.start, strict=True)
        ]
        spans = [slice(a, a + n) for a, n in zip(starts, patch.shape, strict=True)]
        pixels = pixels[tuple(spans)]
    if pixels.shape != patch.shape:
        return None
    return pixels.astype(patch.dtype or pixels.dtype, copy=False)


def _shown(region: object) -> Any:  # noqa: ANN401 - JSON
    """Return a region as its record has it, without what a run adds."""
    kept = json.loads(json.dumps(region))
    return {name: value for name, value in kept.items() if name != "pixels"}
