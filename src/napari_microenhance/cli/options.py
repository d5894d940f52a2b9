"""Every field of `Options` as an option of the command line, from its own metadata."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from napari_microenhance.engine.option_text import parse, takes
from napari_microenhance.engine.options import Options

__all__ = ["options_from", "with_options"]


def options_from(preset: str | None, texts: Mapping[str, str | None]) -> Options:
    """Build the options: what was typed, over the preset, over the defaults."""
    from napari_microenhance.api import load_preset

    base = load_preset(preset) if preset else Options()
    typed = {name: parse(name, text) for name, text in texts.items() if text is not None}
    return dataclasses.replace(base, **typed)


def _flag(name: str) -> str:
    """Return an option's name as it is typed."""
    return "--" + name.replace("_", "-")


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for every field of `Options`."""
    signature = inspect.signature(function)
    named = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    for field in dataclasses.fields(Options):
        option = typer.Option(
            _flag(field.name),
            metavar=takes(field.name),
            help=f"{field.metadata['help']} Default: {field.default}.",
            show_default=False,
        )
        named.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[str | None, option],
            )
        )
    # Typer reads the signature and nothing else.
    function.__signature__ = signature.replace(parameters=named)  # type: ignore[attr-defined]
    return function
