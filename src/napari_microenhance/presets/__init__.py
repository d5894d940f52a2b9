"""Presets: named options as JSON files, those of the package and those of the user."""

import dataclasses
import json
import os
import re
from pathlib import Path

from napari_microenhance.engine.options import Options
from napari_microenhance.errors import FileMissingError, OptionsError, OutputError

__all__ = ["list_presets", "load_preset", "save_preset"]

FOLDER = Path(__file__).parent

_OF_AN_IMAGE = ("planes",)
"""Options that say something about one image; a preset is for all."""

# A name is a file's name too, on every system.
_NAME = re.compile(r"[\w][\w .+-]{0,59}")


def list_presets() -> tuple[str, ...]:
    """Return the names of all presets: the package's first, then the user's own."""
    ours = sorted(path.stem for path in FOLDER.glob("*.json"))
    yours = sorted(path.stem for path in _users_folder().glob("*.json"))
    return (*ours, *(name for name in yours if name not in ours))


def load_preset(source: str | os.PathLike[str]) -> Options:
    """Read a preset.

    Parameters
    ----------
    source : str or path
        One of `list_presets`, or a JSON file with option names and values.

    Raises
    ------
    FileMissingError
        If it is neither a preset's name nor a file.
    OptionsError
        If the file is not JSON or holds an unknown option or value.
    """
    if not isinstance(source, str | os.PathLike):
        raise OptionsError(
            f"A preset is a name or a file, not of type {type(source).__name__}; use one of "
            f"{', '.join(list_presets())}."
        )
    from napari_microenhance.files import check_reachable

    check_reachable(FOLDER / f"{source}.json", error=OptionsError)
    path = _path_of(source)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        known = ", ".join(list_presets())
        raise FileMissingError(
            f"There is no preset {str(source)!r}: neither a file nor one of {known}."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise OptionsError(f"The preset {path.name} is not a readable JSON file.") from error
    if not isinstance(values, dict):
        raise OptionsError(f"The preset {path.name} must hold one JSON object of options.")
    return Options.from_dict(values)


def save_preset(
    target: str | os.PathLike[str], options: Options, *, overwrite: bool = False
) -> Path:
    """Keep options, but for what they say about one image's planes.

    Parameters
    ----------
    target : str or path
        A name, for a preset of the user's own that `load_preset` and ``--preset`` then know;
        or a file that ends in ".json", to be given to others.
    options : Options
        Only what differs from the defaults is written.
    overwrite : bool
        Replace an older preset, or what else the file is.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    OptionsError
        If it cannot be a name, or is that of a preset of the package.
    OutputError
        If it exists already and `overwrite` is false, or the file cannot be written.
    """
    from napari_microenhance.engine.arguments import check_kind
    from napari_microenhance.files import replacing
    from napari_microenhance.outputs import guard_output

    check_kind(Options, options=options)
    path = Path(target) if str(target).lower().endswith(".json") else _own_path(str(target))
    guard_output(path, overwrite=overwrite, name="The preset")
    text = json.dumps(_said(options), indent=2)
    with replacing(path) as file:
        file.write(f"{text}\n".encode())
    return path


def _said(options: Options) -> dict[str, object]:
    """Return what differs from the defaults, but for what only one image has."""
    defaults, values = Options().to_dict(), options.to_dict()
    kept = [f.name for f in dataclasses.fields(Options) if f.name not in _OF_AN_IMAGE]
    return {name: values[name] for name in kept if values[name] != defaults[name]}


def _path_of(source: str | os.PathLike[str]) -> Path:
    """Return the file of a preset's name, or of a file."""
    for folder in (FOLDER, _users_folder()):
        path = folder / f"{source}.json"
        if path.parent == folder and path.is_file():
            return path
    return Path(source)


def _own_path(name: str) -> Path:
    """Return where a preset of the user's own is kept."""
    name = name.strip()
    if not _NAME.fullmatch(name) or name.endswith("."):
        raise OptionsError(
            f"{name!r} cannot be used as the name of a preset; "
            "use up to 60 letters, digits, spaces, dots, plus and minus signs."
        )
    if (FOLDER / f"{name}.json").exists():
        raise OptionsError(f"{name!r} is a built-in preset; choose another name.")
    folder = _users_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The preset folder {folder} cannot be created.") from error
    return folder / f"{name}.json"


def _users_folder() -> Path:
    """Return the folder of the user's own presets; it may not exist."""
    import platformdirs

    return Path(platformdirs.user_data_dir("napari-microenhance", appauthor=False)) / "presets"
