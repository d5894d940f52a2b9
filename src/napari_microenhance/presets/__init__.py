"""Presets: named options as JSON files."""

import json
import os
from pathlib import Path

from napari_microenhance.engine.options import Options
from napari_microenhance.errors import FileMissingError, OptionsError

__all__ = ["list_presets", "load_preset"]

FOLDER = Path(__file__).parent


def list_presets() -> tuple[str, ...]:
    """Return the names of the presets that come with the package."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def load_preset(source: str | os.PathLike[str]) -> Options:
    """Read a preset.

    Parameters
    ----------
    source : str or path
        One of `list_presets`, or a JSON file with option names and values.

    Raises
    ------
    FileMissingError
        If there is no such preset or file.
    OptionsError
        If the file is not JSON or holds an unknown option or value.
    """
    path = FOLDER / f"{source}.json" if str(source) in list_presets() else Path(source)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        known = ", ".join(list_presets())
        raise FileMissingError(
            f"There is no preset {str(source)!r}: neither a file nor one of {known}."
        ) from error
    except (OSError, ValueError) as error:
        raise OptionsError(f"The preset {path.name} is not a readable JSON file.") from error
    if not isinstance(values, dict):
        raise OptionsError(f"The preset {path.name} must hold one JSON object of options.")
    return Options.from_dict(values)
