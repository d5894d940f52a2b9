"""Cache: what the probe measured, so that a known network opens at once.

An entry is named after everything that it depends on: the file, what the user knows
better, and the edition of the measurements. What cannot be read is measured again.
"""

import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import pydantic

from napari_microenhance.engine.probing.probe import EDITION
from napari_microenhance.engine.runtime.session import runtime_version
from napari_microenhance.files import cache_folder
from napari_microenhance.unfinished import noted

__all__ = ["fetch", "keep", "key_of"]

T = TypeVar("T")

ENTRIES_MOST: Final = 500
"""The oldest entries beyond this are deleted."""

ENTRY_BYTES_MOST: Final = 1 << 18


def folder() -> Path:
    """Return where entries are kept."""
    return cache_folder("probes")


def key_of(*parts: object) -> str:
    """Return the name of an entry.

    Parameters
    ----------
    *parts
        What it depends on, beside onnxruntime and the edition of the measurements.

    Returns
    -------
    str
        A SHA-256.
    """
    everything = [*parts, runtime_version(), EDITION]
    text = json.dumps(everything, sort_keys=True, default=_jsonable)
    return hashlib.sha256(text.encode()).hexdigest()


def fetch(key: str, kind: type[T]) -> T | None:
    """Return an entry, or None where there is none, or one that is damaged or foreign.

    Parameters
    ----------
    key : str
    kind : type
        A dataclass; the values are checked against its fields.

    Returns
    -------
    object or None
        Of that type.
    """
    try:
        content = read_json(folder() / f"{key}.json", most=ENTRY_BYTES_MOST)
        if not isinstance(content, dict) or content.get("key") != key:
            return None
        return pydantic.TypeAdapter(kind).validate_python(content.get("value"))
    except (OSError, ValueError):
        return None


def keep(key: str, value: object) -> None:
    """Keep a dataclass; a cache that cannot be written is no mistake of the user's.

    Parameters
    ----------
    key : str
    value : dataclass
    """
    content = {"key": key, "value": _jsonable(value)}
    with suppress(OSError, TypeError):
        write_json(folder() / f"{key}.json", content)
        entries = sorted(folder().glob("*.json"), key=lambda p: p.stat().st_mtime)
        for old in entries[:-ENTRIES_MOST]:
            old.unlink(missing_ok=True)


def read_json(path: Path, *, most: int) -> Any:  # noqa: ANN401 - JSON
    """Return the content of a file.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is too long or no JSON.
    """
    with path.open("rb") as file:
        text = file.read(most + 1)
    if len(text) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not readable JSON") from error


def write_json(path: Path, content: object) -> None:
    """Write a file that appears whole or not at all.

    Raises
    ------
    OSError
        If its folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with noted(Path(partial), path), os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
        os.replace(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)


def _jsonable(value: object) -> object:
    """Return what JSON can hold, for values that it cannot."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
