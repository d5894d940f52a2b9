"""Recipes that train in seconds."""

from typing import Any

from napari_microenhance.training.recipes.recipe import Recipe
from napari_microenhance.training.recipes.recipe_files import parse_recipe

VALUES: dict[str, Any] = {
    "name": "small",
    "task": "denoise",
    "network": {"kind": "dncnn", "width": 4, "depth": 3, "norm": "none"},
    "data": {"families": ["nuclei", "puncta"], "fields": 4, "size": 48, "real": 0.0},
    "loss": {"l1": 1.0},
    "training": {
        "steps": 6,
        "batch": 2,
        "patch": 32,
        "epoch_steps": 3,
        "validation": 1,
        "workers": 0,
        "rate": 1e-3,
    },
}


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe's values with changes put in, section by section."""
    result = dict(base)
    for key, value in changes.items():
        inner = result.get(key)
        both = isinstance(inner, dict) and isinstance(value, dict) and "kind" not in value
        result[key] = merged(inner, value) if both and isinstance(inner, dict) else value
    return result


def recipe(**changes: Any) -> Recipe:
    """Return the recipe with sections or parts of them replaced."""
    return parse_recipe(merged(VALUES, changes))
