"""What is remembered from one opening of the widget to the next, in napari's own settings."""

import json
from typing import Any

from napari_microenhance.api import Options
from napari_microenhance.errors import OptionsError

__all__ = ["last_used"]

_PLUGIN = "napari-microenhance"


def section(name: str) -> Any:  # noqa: ANN401 - made by napari from the manifest
    """Return a part of our settings; None where napari does not know this plugin."""
    try:
        # New in napari 0.9; and it reads the manifests of all plugins.
        from napari.settings import get_plugin_settings

        return getattr(get_plugin_settings(_PLUGIN), name, None)
    except (ImportError, KeyError):
        return None


def last_used() -> tuple[Options, str]:
    """Return the options and the network's key of the last run.

    Returns
    -------
    tuple of Options and str
        The defaults, and nothing, where none are known. Of options that another version
        wrote, those that still mean something count.
    """
    kept = section("last_used")
    if kept is None:
        return Options(), ""
    try:
        values = json.loads(kept.options or "{}")
    except ValueError:
        values = {}
    return _still_valid(values if isinstance(values, dict) else {}), str(kept.network)


def remember(options: Options, network: str) -> None:
    """Keep what a run used; napari saves its settings whenever they change."""
    kept = section("last_used")
    if kept is None:
        return
    defaults = Options().to_dict()
    # Which plane, and which cautions need not be said, are of one image.
    passing = ("planes", "no_caution")
    said = {n: v for n, v in options.to_dict().items() if v != defaults[n] and n not in passing}
    text = json.dumps(said) if said else ""
    for name, value in {"options": text, "network": network}.items():
        if getattr(kept, name) != value:
            setattr(kept, name, value)


def _still_valid(values: dict[str, Any]) -> Options:
    """Return options with every value that is taken one by one."""
    options: dict[str, Any] = {}
    for name, value in values.items():
        try:
            Options.from_dict({name: value})
        except OptionsError:
            continue
        options[name] = value
    return Options.from_dict(options)
