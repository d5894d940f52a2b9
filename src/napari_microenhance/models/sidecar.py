"""Sidecars: what the user knows better about a network, kept in a file beside it.

An edit is a field of `ModelSpec`. It goes before what the file says, but not before what
was measured: a reach or a scale that is not the network's own would only make a result wrong.
"""

import dataclasses
import functools
import hashlib
import math
import os
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import platformdirs
import pydantic

from napari_microenhance.engine.arguments import check_kind
from napari_microenhance.engine.options import quoted
from napari_microenhance.engine.probing.findings import Finding
from napari_microenhance.engine.spec import GLOBAL, ModelSpec, Radius
from napari_microenhance.errors import ModelError, OptionsError, OutputError
from napari_microenhance.files import check_reachable
from napari_microenhance.models.cache import read_json, write_json
from napari_microenhance.types import PathLike

__all__ = ["checked_edits", "load_edits", "reconciled", "save_edits", "sidecar_path"]

ENDING: Final = ".microenhance.json"

MEASURED: Final = {
    "axes_in": "axis order of the input",
    "axes_out": "axis order of the output",
    "channels_in": "number of input channels",
    "channels_out": "number of output channels",
    "dtype": "data type",
    "size": "size rule",
    "scale": "scale",
    "border_loss": "border loss",
    "batch": "number of tiles per call",
    "bytes_per_pixel": "memory per pixel",
}
"""Fields of which only the measured value can be right, in words."""

NOT_EDITABLE: Final = frozenset(
    {"freed", "measured_ranges", "precision", "preprocessing", "postprocessing"}
)

BYTES_MOST: Final = 1 << 20


def sidecar_path(path: Path) -> Path:
    """Return the file of edits beside a network's file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Path
        It may not exist.
    """
    return path.with_name(path.name + ENDING)


def save_edits(path: PathLike, edits: Mapping[str, Any]) -> Path:
    """Keep what the user knows better about a network; replaces earlier edits.

    Parameters
    ----------
    path : str or path
        Of the network's file or package, as it is given to `load_model`.
    edits : mapping
        Fields of `ModelSpec`; none: what was kept is deleted.

    Returns
    -------
    Path
        Of the sidecar: beside the network, or in the user's own folder where that one may
        not be written.

    Raises
    ------
    OptionsError
        If a name or a value is not one of `ModelSpec`.
    OutputError
        If neither folder can be written.
    """
    path = _checked_path(path)
    content = {"microenhance": 1, "edits": _plain(checked_edits(edits))}
    beside, elsewhere = places = (sidecar_path(path), _elsewhere(path))
    refusal: OSError | None = None
    for place in places:
        try:
            if edits:
                write_json(place, content)
            else:
                place.unlink(missing_ok=True)
        except OSError as error:
            refusal = error
            continue
        if place == beside and edits:
            elsewhere.unlink(missing_ok=True)
        if edits:
            return place
    if refusal is not None:
        raise OutputError(
            f"The edits of {path.name} cannot be changed beside it or in {elsewhere.parent}: "
            f"{refusal.strerror}."
        ) from refusal
    return beside


def load_edits(path: PathLike) -> dict[str, Any]:
    """Return what was kept for a network; empty where nothing was.

    Parameters
    ----------
    path : str or path
        Of the network's file or package.

    Returns
    -------
    dict
        Fields of `ModelSpec`, checked.

    Raises
    ------
    ModelError
        If there is a sidecar that cannot be used: to leave it out would change results.
    """
    path = _checked_path(path)
    for place in (sidecar_path(path), _elsewhere(path)):
        if not os.path.isfile(place):
            continue
        try:
            return checked_edits(_edits_in(read_json(place, most=BYTES_MOST)))
        except (OSError, ValueError) as error:
            raise ModelError(
                f"The edits of {path.name} in {place.name} cannot be used: "
                f"{str(error).rstrip('.')}; correct or delete that file."
            ) from error
    return {}


def _checked_path(path: object) -> Path:
    """Return the path of a network's file, or raise."""
    if not isinstance(path, str | os.PathLike) or not Path(path).name:
        raise OptionsError(f"path={quoted(path)} is not the file of a model.")
    check_reachable(Path(path), error=ModelError)
    return Path(path)


def checked_edits(edits: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields of `ModelSpec` with values of the right types.

    Parameters
    ----------
    edits : mapping
        Names and values, as JSON or Python gives them.

    Returns
    -------
    dict

    Raises
    ------
    OptionsError
        If a name or a value is not one of `ModelSpec`.
    """
    check_kind(Mapping, edits=edits)
    adapters = _adapters()
    found = {}
    for name, value in edits.items():
        if name not in adapters:
            raise OptionsError(f"{name!r} is not a property of a model.")
        try:
            found[name] = adapters[name].validate_python(value)
        except pydantic.ValidationError as error:
            said = error.errors()[0]["msg"]
            raise OptionsError(f"{name}={value!r} cannot be used: {said}.") from error
    _check_numbers(found)
    return found


def reconciled(measured: ModelSpec, edits: Mapping[str, Any]) -> tuple[ModelSpec, list[Finding]]:
    """Return the spec with the user's edits, and a sentence for each that measuring refutes.

    Parameters
    ----------
    measured : ModelSpec
    edits : mapping
        Checked.

    Returns
    -------
    tuple of ModelSpec and list of Finding
    """
    kept: dict[str, Any] = {}
    findings = []
    for name, wanted in edits.items():
        found = getattr(measured, name)
        # The probe was given the constants, and has completed them by their type and shape.
        if name == "constants" or found == wanted:
            continue
        words = MEASURED.get(name)
        if name == "radius" and not _covers(wanted, found):
            words = "receptive field in px"
        if name == "shift_step" and wanted % found:
            words = "shift step of tiles in px"
        if words is None:
            kept[name] = wanted
            continue
        findings.append(
            Finding(
                "caution",
                f"The {words} was set to {_shown(wanted)}, but {_shown(found)} was measured and "
                "is used.",
                name="edits",
            )
        )
    if "value_range" in edits:
        kept["value_range_source"] = "user"
        # The range of the output belongs to that of the input.
        kept["output_range"] = measured.output_for(edits["value_range"])
    if "output_range" in edits:
        kept |= {"output_range": edits["output_range"], "output_range_source": "user"}
    return dataclasses.replace(measured, **kept), findings


def _edits_in(content: object) -> dict[str, Any]:
    """Return the edits that a sidecar holds."""
    edits = content.get("edits") if isinstance(content, dict) else None
    if not isinstance(edits, dict):
        raise ModelError("it contains no edits")
    return edits


def _covers(wanted: Radius, found: Radius) -> bool:
    """Whether a reach is at least as long as the measured one."""
    return bool(wanted == GLOBAL or (found != GLOBAL and wanted >= found))


def _shown(value: object) -> str:
    """Return a field's value as a user reads it."""
    if isinstance(value, tuple):
        return " x ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


@functools.cache
def _adapters() -> dict[str, pydantic.TypeAdapter[Any]]:
    """Return what checks the type of each field."""
    hints = typing.get_type_hints(ModelSpec)
    # The probe completes the constants by their type and shape.
    hints["constants"] = tuple[tuple[str, float] | tuple[str, float, str, tuple[int, ...]], ...]
    names = [f.name for f in dataclasses.fields(ModelSpec) if f.name not in NOT_EDITABLE]
    return {name: pydantic.TypeAdapter(hints[name]) for name in names}


def _check_numbers(edits: Mapping[str, Any]) -> None:
    """Raise for numbers that no network can have."""
    wrong = {
        **{name: not _is_range(edits.get(name)) for name in ("value_range", "output_range")},
        "radius": isinstance(edits.get("radius"), int) and edits["radius"] < 0,
        "shift_step": edits.get("shift_step", 1) < 1,
        "scale": not 0 < edits.get("scale", 1.0) < math.inf,
        "threshold": not math.isfinite(edits.get("threshold", 0.5)),
        "name": not edits.get("name", "x").strip(),
    }
    for name, is_wrong in wrong.items():
        if is_wrong:
            raise OptionsError(f"{name}={edits[name]!r} is not valid for a model.")


def _is_range(value: tuple[float, float] | None) -> bool:
    """Whether there is no range, or one from a number to a larger one."""
    return value is None or -math.inf < value[0] < value[1] < math.inf


def _plain(edits: Mapping[str, Any]) -> dict[str, Any]:
    """Return edits as JSON values."""
    adapters = _adapters()
    return {name: adapters[name].dump_python(value, mode="json") for name, value in edits.items()}


def _elsewhere(path: Path) -> Path:
    """Return the file of edits in the user's own folder, for networks in folders of others."""
    folder = Path(platformdirs.user_data_dir("napari-microenhance", appauthor=False)) / "edits"
    digest = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()
    return folder / f"{path.name[:100]}-{digest[:16]}.json"
