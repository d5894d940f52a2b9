"""How a layer is shown, as a file keeps it with the record of a run."""

import math
import re
import sys
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

__all__ = ["look_from", "look_of"]

_BLENDINGS: Final = frozenset(
    ("translucent", "translucent_no_depth", "additive", "minimum", "multiplicative", "opaque")
)
_INTERPOLATIONS: Final = frozenset(("linear", "zero"))


def look_of(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return how an Image layer is shown, as plain JSON.

    Parameters
    ----------
    meta : mapping
        The layer's attributes; of Labels, and of what is missing, nothing is kept.

    Returns
    -------
    dict
        "colormap" (not of colour images), "contrast_limits", "gamma", "blending".
    """
    found: dict[str, Any] = {}
    if "contrast_limits" not in meta:
        return found
    colormap: Any = meta.get("colormap")
    if hasattr(colormap, "model_dump"):
        colormap = colormap.model_dump()
    if isinstance(colormap, Mapping) and not meta.get("rgb"):
        found["colormap"] = {
            "name": str(colormap["name"]),
            "colors": np.asarray(colormap["colors"], float).round(5).tolist(),
            "controls": np.asarray(colormap["controls"], float).round(7).tolist(),
            "interpolation": str(colormap["interpolation"]),
        }
    found["contrast_limits"] = [float(v) for v in meta["contrast_limits"]]
    if "gamma" in meta:
        found["gamma"] = float(meta["gamma"])
    if "blending" in meta:
        found["blending"] = str(meta["blending"])
    return found


def look_from(kept: object) -> dict[str, Any]:
    """Return the attributes of an Image layer from what a file keeps.

    Parameters
    ----------
    kept : object
        As `look_of` gives it. A file may say anything; what no layer can take is left out.
    """
    if not isinstance(kept, Mapping):
        return {}
    found: dict[str, Any] = {}
    limits = _numbers(kept.get("contrast_limits"))
    if len(limits) == 2 and limits[0] < limits[1]:
        found["contrast_limits"] = tuple(limits)
    (gamma,) = _numbers([kept.get("gamma")]) or (0.0,)
    if 0 < gamma <= 10:
        found["gamma"] = gamma
    if kept.get("blending") in _BLENDINGS:
        found["blending"] = kept["blending"]
    colormap = _colormap(kept.get("colormap"))
    if not colormap:
        return found
    return {**found, "colormap": colormap["name"] if _is_known(colormap) else colormap}


def _is_known(colormap: Mapping[str, Any]) -> bool:
    """Return whether napari knows a colormap by its name, or makes it of that."""
    name = colormap["name"]
    if re.fullmatch("#[0-9a-fA-F]{6}", name):
        return True
    # Where layers are made, this is loaded; a file can be read without it.
    napari = sys.modules.get("napari.utils.colormaps")
    known = None if napari is None else napari.AVAILABLE_COLORMAPS.get(name)
    if known is None or np.shape(known.colors) != colormap["colors"].shape:
        return False
    return bool(np.allclose(known.colors, colormap["colors"], atol=1e-4))


def _colormap(kept: object) -> dict[str, Any]:
    """Return a colormap as napari takes it, or nothing."""
    if not isinstance(kept, Mapping) or not isinstance(kept.get("colors"), list):
        return {}
    colours = [_numbers(colour) for colour in kept["colors"]]
    controls = _numbers(kept.get("controls"))
    steps = np.diff(controls)
    fits = (
        len(colours) >= 1
        and all(len(c) == 4 and min(c) >= 0 and max(c) <= 1 for c in colours)
        and kept.get("interpolation") in _INTERPOLATIONS
        and len(controls) == len(colours) + (kept["interpolation"] == "zero")
        and len(controls) > 1
        and (controls[0], controls[-1]) == (0.0, 1.0)
        and bool((steps >= 0).all())
    )
    if not fits:
        return {}
    return {
        "name": str(kept.get("name", ""))[:80] or "saved",
        "colors": np.array(colours, np.float32),
        "controls": np.array(controls, np.float32),
        "interpolation": kept["interpolation"],
    }


def _numbers(values: object) -> list[float]:
    """Return finite numbers; nothing where one is none."""
    if not isinstance(values, list):
        return []
    fine = all(isinstance(v, int | float) and math.isfinite(v) for v in values)
    return [float(v) for v in values] if fine else []
