"""Recipes as YAML: the built-in ones, and a user's own."""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError

from napari_microenhance.errors import FileMissingError, OptionsError
from napari_microenhance.models.catalogue import list_models
from napari_microenhance.training.recipes.recipe import Recipe

__all__ = ["list_recipes", "load_recipe", "parse_recipe"]

_BUILTIN: Final = Path(__file__).parent

_PATHS: Final = (
    ("init",),
    ("data", "pairs", "inputs"),
    ("data", "pairs", "targets"),
    ("data", "pairs", "repeats"),
    ("loss", "perceptual", "features"),
)
"""Where a recipe may name a file or folder."""


class _Loader(yaml.SafeLoader):
    """The safe loader, which also takes 1e-3 for a number as everybody but YAML 1.1 does."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def list_recipes() -> tuple[str, ...]:
    """Return the names of the built-in recipes, sorted.

    Returns
    -------
    tuple of str
    """
    return tuple(sorted(path.stem for path in _BUILTIN.glob("*.yaml")))


def load_recipe(name: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    name : str or Path
        Name of a built-in recipe, or a YAML file.
    changes : sequence of str
        Such as "training.steps=100": a place in the recipe and its new value as YAML.

    Returns
    -------
    Recipe
        Folders and files that a YAML file names relative to itself are now relative to
        the current folder; those in `changes` are so already.

    Raises
    ------
    FileMissingError
        If there is neither such a recipe nor such a file.
    OptionsError
        If it is not YAML, or a key, a type or a combination is wrong.
    """
    built_in = str(name) in list_recipes()
    path = _BUILTIN / f"{name}.yaml" if built_in else Path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileMissingError(_not_found(str(name))) from error
    except (OSError, UnicodeDecodeError) as error:
        raise OptionsError(f"{name} cannot be read as a recipe: {error}.") from error
    given = _mapping(text, str(name))
    # What was typed is relative to where it was typed.
    _locate(given, Path() if built_in else path.parent)
    for change in changes:
        _apply(given, change)
    return parse_recipe(given, str(name))


def parse_recipe(given: Mapping[str, Any], source: str = "the recipe") -> Recipe:
    """Build a recipe from plain values.

    Parameters
    ----------
    given : mapping
        As YAML holds it.
    source : str
        What errors call it.

    Returns
    -------
    Recipe

    Raises
    ------
    OptionsError
        If a key, a type or a combination is wrong; the sentence names it.
    """
    try:
        # As JSON, so that strict types still take a list for a tuple.
        return Recipe.model_validate_json(json.dumps(given))
    except ValidationError as error:
        raise OptionsError(f"{source}: {_sentence(error)}.") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise OptionsError(f"{source} holds what a recipe cannot: {error}.") from error


def _not_found(name: str) -> str:
    """Return the sentence for a recipe that is not there."""
    near = difflib.get_close_matches(name, list_recipes(), 1)
    meant = f"did you mean {near[0]}?" if near else f"built in are {', '.join(list_recipes())}."
    return f"There is no recipe {name}, neither built in nor as a file; {meant}"


def _mapping(text: str, source: str) -> dict[str, Any]:
    """Parse YAML that must be a mapping."""
    try:
        # Its base is yaml.SafeLoader: no tag makes an object.
        given = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where is not None else ""
        reason = getattr(error, "problem", None) or str(error)
        raise OptionsError(f"{source} is not YAML{line}: {reason}.") from error
    if not isinstance(given, dict):
        raise OptionsError(f"{source} is not a recipe; it must hold keys such as task and network.")
    return given


def _apply(given: dict[str, Any], change: str) -> None:
    """Set one value deep in a recipe."""
    place, sign, text = change.partition("=")
    if not sign or not place:
        raise OptionsError(f"{change!r} is not a change; write it as training.batch=8.")
    *sections, last = place.strip().split(".")
    inner = given
    for section in sections:
        found = inner.setdefault(section, {})
        if found is None:
            found = inner[section] = {}
        if not isinstance(found, dict):
            raise OptionsError(f"{change!r} cannot be set: {section} is not a section.")
        inner = found
    inner[last] = _mapping(f"value: {text}", repr(change))["value"]


def _locate(given: dict[str, Any], folder: Path) -> None:
    """Make the paths in a recipe relative to the current folder, not to its own."""
    for *sections, last in _PATHS:
        inner: Any = given
        for section in sections:
            inner = inner.get(section) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and isinstance(inner.get(last), str):
            there = folder / Path(inner[last]).expanduser()
            if last != "init" or there.exists() or not _is_built_in(inner[last]):
                inner[last] = str(there)


def _is_built_in(name: str) -> bool:
    """Return whether a network of this name comes with the plugin."""
    return any(info.name == name and info.source == "built-in" for info in list_models())


def _sentence(error: ValidationError) -> str:
    """Return one mistake in words."""
    # A mistyped key is also a missing one; the typing is what can be mended.
    mistake = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    places = [str(part) for part in mistake["loc"]]
    where = ".".join(places)
    if mistake["type"] == "extra_forbidden":
        known = _keys(places[:-1])
        near = difflib.get_close_matches(places[-1], known, 1, cutoff=0.0)
        return f"{where} is not a key of a recipe; the nearest is {near[0]}"
    if mistake["type"] == "missing":
        return f"{where} is missing"
    message = mistake["msg"].removeprefix("Value error, ")
    if not where:
        return message
    return f"{where} is {mistake['input']!r}, but {message[0].lower()}{message[1:]}"


def _keys(sections: Sequence[str]) -> list[str]:
    """Return the keys of the section at a place of the recipe."""
    model: Any = Recipe
    for section in sections:
        if section.isdigit():
            continue
        annotation = model.model_fields[section].annotation
        inner = [annotation, *getattr(annotation, "__args__", ())]
        model = next(
            part for part in inner if isinstance(part, type) and issubclass(part, BaseModel)
        )
    return list(model.model_fields)
