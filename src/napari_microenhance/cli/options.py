"""Every field of `Options` as an option of the command line, from its own metadata."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from napari_microenhance.engine.option_text import parse, takes
from napari_microenhance.engine.options import Options
from napari_microenhance.errors import OptionsError

__all__ = ["OVERWRITE", "Typed", "labels_from", "options_from", "with_options"]

OVERWRITE = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]


Typed = str | list[str] | None
"""What is typed for an option: once, as often as one likes, or not at all."""


def options_from(preset: str | None, texts: Mapping[str, Typed]) -> Options:
    """Build the options: what was typed, over the preset, over the defaults.

    Parameters
    ----------
    preset : str or None
        Name of a preset, or a file.
    texts : mapping of str to (str, list of str or None)
        What was typed for each field of `Options`.

    Returns
    -------
    Options

    Raises
    ------
    OptionsError
        If a text is not understood, or a value is outside its range.
    """
    from napari_microenhance.api import load_preset

    base = load_preset(preset) if preset else Options()
    typed = {
        name: parse(name, text if isinstance(text, str) else ",".join(text))
        for name, text in texts.items()
        if text is not None and text != []
    }
    return dataclasses.replace(base, **typed)


def labels_from(text: str) -> tuple[int, ...]:
    """Return the labels that a comma list names.

    Parameters
    ----------
    text : str
        Such as "1,3".

    Returns
    -------
    tuple of int

    Raises
    ------
    OptionsError
        If one of them is no whole number.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise OptionsError(
            f"--roi-label {text} is not understood; use whole numbers, such as 1,3."
        ) from error


def _flag(name: str) -> str:
    """Return an option's name as it is typed."""
    return "--" + name.replace("_", "-")


def _default(field: "dataclasses.Field[Any]") -> str:
    """Return what an option is where nothing is typed, as the end of its help text."""
    return "Default: none." if field.default == () else f"Default: {field.default}."


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for every field of `Options`.

    Parameters
    ----------
    function : callable
        Takes what is typed for them as further keywords.

    Returns
    -------
    callable
        The same function, with the signature that typer reads.
    """
    signature = inspect.signature(function)
    named = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    for field in dataclasses.fields(Options):
        repeatable = field.type == tuple[str, ...]
        option = typer.Option(
            _flag(field.name),
            metavar=takes(field.name),
            help=f"{field.metadata['help']} {_default(field)}",
            show_default=False,
        )
        named.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[list[str] | None if repeatable else str | None, option],
            )
        )
    # Typer reads the signature and nothing else.
    function.__signature__ = signature.replace(parameters=named)  # type: ignore[attr-defined]
    return function
