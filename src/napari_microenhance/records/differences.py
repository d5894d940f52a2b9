"""Differences: whether image, network and machine are those that a record was made with."""

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_microenhance.engine.options import Options
from napari_microenhance.engine.reports.report import HASH_BYTES_MOST, fingerprint, versions
from napari_microenhance.records.record import Record
from napari_microenhance.records.recorded import RecordError

if TYPE_CHECKING:
    from napari_microenhance.engine.source import Source
    from napari_microenhance.engine.spec import ModelSpec

__all__ = ["Discrepancy", "RecordMismatchError", "version_remarks"]

DIGITS: Final = 12
"""Of a fingerprint that is shown."""

DECIDING: Final = ("napari-microenhance", "onnxruntime", "machine")
"""What decides the last bit of a result."""

EDITABLE: Final = (
    "task",
    "value_range",
    "output_range",
    "colour_order",
    "units",
    "intensity",
    "shift_step",
    "radius",
    "activation",
    "threshold",
    "input",
    "output",
    "output_channels",
    "constants",
)
"""Fields of a network's spec in which a run can have followed its user."""

MEANINGFUL: Final = (*EDITABLE, "axes_in", "axes_out", "scale", "border_loss", "size")
"""Fields of a network's spec that decide what it does to an image."""


@dataclasses.dataclass(frozen=True)
class Discrepancy:
    """Something that is not what the record names.

    Parameters
    ----------
    what : {"image", "model"}
    recorded, found : str
        What tells them apart.
    """

    what: str
    recorded: str
    found: str

    def __str__(self) -> str:
        return f"the {self.what} ({self.recorded} in the record, {self.found} now)"


class RecordMismatchError(RecordError):
    """The image or the network is not the one that the record was made with.

    Attributes
    ----------
    differs : tuple of Discrepancy
    """

    def __init__(self, differs: tuple[Discrepancy, ...]) -> None:
        self.differs = differs
        what = " and ".join(str(difference) for difference in differs)
        super().__init__(
            f"Not the same as in the record: {what}; to run anyway, add --anyway (in Python: "
            "allow_other=True)."
        )


def check(differs: tuple[Discrepancy, ...], *, allow_other: bool) -> tuple[str, ...]:
    """Raise for differences, or return a sentence for each where they are allowed.

    Raises
    ------
    RecordMismatchError
    """
    if differs and not allow_other:
        raise RecordMismatchError(differs)
    return tuple(f"Not the same as in the record: {difference}." for difference in differs)


def image_difference(record: Record, source: "Source") -> Discrepancy | None:
    """Return how an image differs from the recorded one, or None.

    Very large images have a fingerprint of some of their blocks; where a record has none, they
    are known by shape and number type.
    """
    recorded = record.report.image
    found = source.sha256
    is_small = math.prod(source.shape) * source.dtype.itemsize < HASH_BYTES_MOST
    if recorded.sha256 and found is None and is_small:
        found = fingerprint(np.asarray(source.data))
    if recorded.sha256 and found:
        if recorded.sha256 == found:
            return None
        return Discrepancy("image", _short(recorded.sha256), _short(found))
    if recorded.sampled_sha256 and recorded.shape == source.shape:
        if recorded.sampled_sha256 == source.sampled_sha256:
            return None
        return Discrepancy("image", _short(recorded.sampled_sha256), _short(source.sampled_sha256))
    words = _shape_of(recorded.shape, recorded.dtype)
    now = _shape_of(source.shape, source.dtype)
    return None if words == now else Discrepancy("image", words, now)


def model_difference(record: Record, sha256: str) -> Discrepancy | None:
    """Return how a network's file differs from the recorded one, or None."""
    recorded = str(record.report.model.sha256)
    if recorded == sha256:
        return None
    return Discrepancy("model", _short(recorded), _short(sha256))


def known_better(record: Record, spec: "ModelSpec") -> dict[str, Any]:
    """Return the fields in which the recorded run followed its user and not the file."""
    return {name: then for name, (then, _) in _other(record, spec, EDITABLE).items()}


def other_spec(record: Record, spec: "ModelSpec") -> tuple[str, ...]:
    """Return a sentence for each field in which the network is understood differently now."""
    return tuple(
        f"The model's {name} was {_plain(then)} in the record and is {now} now."
        for name, (then, now) in _other(record, spec, MEANINGFUL).items()
    )


def _other(record: Record, spec: "ModelSpec", names: tuple[str, ...]) -> dict[str, tuple[Any, Any]]:
    """Return the fields of a network's spec that are not as recorded: then and now."""
    recorded = record.kept["model"].get("spec")
    if not isinstance(recorded, Mapping):
        return {}
    now = _plain(spec.to_dict())
    return {
        name: (recorded[name], now[name])
        for name in names
        if name in recorded and _plain(recorded[name]) != now[name]
    }


def unknown_options(record: Record) -> tuple[str, ...]:
    """Return the recorded options that this version does not know."""
    known = {field.name for field in dataclasses.fields(Options)}
    return tuple(sorted(set(record.report.options) - known))


def version_remarks(record: Record, runtime: str) -> tuple[str, ...]:
    """Return a sentence where other software or another kind of machine made the record.

    Parameters
    ----------
    record : Record
    runtime : str
        Version of onnxruntime.
    """
    recorded, now = record.report.versions, versions(onnxruntime=runtime)
    other = [name for name in DECIDING if recorded.get(name) != now[name]]
    if not other:
        return ()
    then = ", ".join(f"{name} {recorded.get(name, 'unknown')}" for name in other)
    today = ", ".join(f"{name} {now[name]}" for name in other)
    return (f"The record was made with {then}; this is {today}, so pixels can differ.",)


def _short(digest: str) -> str:
    """Return the beginning of a fingerprint."""
    return f"SHA-256 {digest[:DIGITS]}"


def _shape_of(shape: tuple[int, ...], dtype: object) -> str:
    """Return shape and number type in words."""
    return f"{' x '.join(map(str, shape))} {dtype}"


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of a spec
    """Return a value as JSON would give it back."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
