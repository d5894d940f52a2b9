"""Options as text: what a user types on a command line or in a field."""

import dataclasses
import re
import types
import typing
from typing import Any

from napari_microenhance.engine.options import CHOICES, Options
from napari_microenhance.errors import OptionsError

__all__ = ["parse"]

KIB = 1024


def parse(name: str, text: str) -> Any:  # noqa: ANN401 - of the type its field has
    """Turn the text of an option into its value.

    Parameters
    ----------
    name : str
        Of a field of `Options`.
    text : str
        One of its words, a number (px may follow), numbers or names with commas, or a size such
        as 1.5 GiB. Upper and lower case are the same.

    Raises
    ------
    OptionsError
        If it is none of these.
    """
    text = text.strip().lower()
    kinds = _kinds(name)
    if text in CHOICES.get(name, ()) or text in kinds or kinds == (str,):
        return text
    try:
        if tuple[float, float] in kinds:
            low, high = (float(part) for part in text.strip("()[] ").split(","))
            return low, high
        if tuple[int, ...] in kinds:
            return tuple(int(part) for part in text.split(","))
        if tuple[str, ...] in kinds:
            parts = (part.strip(" '\"") for part in text.strip("()[] ").split(","))
            return tuple(part for part in parts if part)
        if float in kinds:
            return float(text)
        return _bytes(text) if name == "memory" else int(text.removesuffix("px"))
    except ValueError as error:
        raise OptionsError(f"{name} {text!r} is not understood; use {takes(name)}.") from error


def takes(name: str) -> str:
    """Return what an option takes, for help texts: ``auto|dtype|LOW,HIGH``."""
    kinds = _kinds(name)
    words = list(CHOICES.get(name, ())) or [k for k in kinds if isinstance(k, str)]
    if tuple[float, float] in kinds:
        words.append("LOW,HIGH")
    elif tuple[int, ...] in kinds:
        words.append("N,N,...")
    elif tuple[str, ...] in kinds:
        words.append("NAME,NAME,...")
    elif float in kinds:
        words.append("NUMBER")
    elif int in kinds:
        words.append("BYTES" if name == "memory" else "N")
    return "|".join(words)


def show(name: str, value: object) -> str:
    """Return the text that `parse` turns into a value again."""
    if isinstance(value, tuple):
        return ", ".join(v if isinstance(v, str) else f"{v:.15g}" for v in value)
    if name == "memory" and isinstance(value, int):
        units = ((KIB**3, "GB"), (KIB**2, "MB"), (KIB, "kB"))
        return next((f"{value // u} {n}" for u, n in units if value % u == 0), str(value))
    return str(value)


def _kinds(name: str) -> tuple[Any, ...]:
    """Return what an option can be: types, and words for what has no number."""
    annotation = next(f.type for f in dataclasses.fields(Options) if f.name == name)
    found: list[Any] = []
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    for part in typing.get_args(annotation) if union else (annotation,):
        literal = typing.get_origin(part) is typing.Literal
        found += typing.get_args(part) if literal else [part]
    return tuple(found)


def _bytes(text: str) -> int:
    """Read a size such as 800000000, 800MB or 1.5GiB; a K is 1024, as memory is counted."""
    match = re.fullmatch(r"([0-9.]+)\s*(?:([kmgt])i?)?b?", text.lower())
    if match is None:
        raise ValueError(text)
    number, prefix = match.groups()
    return int(float(number) * KIB ** " kmgt".index(prefix or " "))
