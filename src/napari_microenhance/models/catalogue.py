"""The networks that can be named: the built-in ones, and those in the user's own folder.

A network can have a twin beside it, NAME.int8.onnx: the same one, computing with whole
numbers of 8 bits. It is run with ``Options.precision="int8"`` and has no name of its own.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import platformdirs

__all__ = ["TWIN", "ModelInfo", "default_model", "list_models", "twin_of", "user_folder"]

FOLDER = Path(__file__).parent / "builtin"

DEFAULT = "detail"

TWIN = ".int8.onnx"
"""How the name of a twin ends, after the stem of the network that it belongs to."""

FILES = (".onnx", ".zip", ".czann")
"""How the names of files that may be networks end, lower case."""

DESCRIPTIONS = ("bioimageio.yaml", "rdf.yaml")
"""One of these makes a folder a package."""


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """A network that can be named.

    Parameters
    ----------
    name : str
    summary : str
        The first sentence of its card.
    path : Path
        Of the ONNX file.
    card : str
        Markdown.
    default : bool
        Whether it is used when no network is named.
    source : {"built-in", "user"}
    int8 : bool
        Whether its twin lies beside it.
    """

    name: str
    summary: str
    path: Path
    card: str
    default: bool
    source: Literal["built-in", "user"] = "built-in"
    int8: bool = False


def twin_of(path: Path) -> Path | None:
    """Return the int8 twin that lies beside a network's file, if there is one.

    Parameters
    ----------
    path : Path
        Of an ONNX file.

    Returns
    -------
    Path or None
    """
    twin = path.with_name(path.stem + TWIN)
    return twin if path.suffix.lower() == ".onnx" and twin.is_file() else None


def is_twin(path: Path) -> bool:
    """Return whether a file is the twin of a network beside it."""
    if not path.name.endswith(TWIN):
        return False
    stem = path.name.removesuffix(TWIN)
    return any(path.with_name(stem + ending).is_file() for ending in (".onnx", ".ONNX"))


def user_folder() -> Path:
    """Return the folder whose networks are offered like built-in ones.

    Returns
    -------
    Path
        It may not exist.
    """
    return Path(platformdirs.user_data_dir("napari-microenhance", appauthor=False)) / "models"


def list_models() -> tuple[ModelInfo, ...]:
    """Return the networks that can be named: the default one first, the user's own last.

    Nothing is opened for it: a file of the user's is a network only once `load_model` says so.

    Returns
    -------
    tuple of ModelInfo
    """
    found = []
    for path in sorted(path for path in FOLDER.glob("*.onnx") if not is_twin(path)):
        page = path.with_suffix(".md")
        card = page.read_text(encoding="utf-8") if page.exists() else ""
        lines = [line for line in card.splitlines() if line and not line.startswith("#")]
        summary = lines[0] if lines else path.stem
        is_default, int8 = path.stem == DEFAULT, twin_of(path) is not None
        found.append(ModelInfo(path.stem, summary, path, card, is_default, int8=int8))
    found.sort(key=lambda info: not info.default)
    taken = {info.name for info in found}
    for path in _user_files():
        # A name that is taken is told apart by its ending.
        name = path.name if path.is_dir() else path.stem
        name = next(n for n in (name, path.name, str(path)) if n not in taken)
        taken.add(name)
        int8 = twin_of(path) is not None
        found.append(
            ModelInfo(name, f"Your own model, {path.name}.", path, "", False, "user", int8)
        )
    return tuple(found)


def _user_files() -> Iterator[Path]:
    """Yield what lies in the user's folder and may be a network."""
    try:
        paths = sorted(user_folder().iterdir())
        for path in paths:
            packaged = any((path / name).is_file() for name in DESCRIPTIONS)
            is_file = path.name.lower().endswith(FILES) and path.is_file()
            if packaged or (is_file and not is_twin(path)):
                yield path
    except OSError:
        # No folder, or one that may not be read: there are none.
        return


def default_model() -> str:
    """Return the name of the network that is used when none is named.

    Returns
    -------
    str
    """
    return DEFAULT
