"""Origin: from a name or a path to the file of a network, and what came with it."""

import dataclasses
from pathlib import Path

from napari_microenhance.errors import FileMissingError, ModelError
from napari_microenhance.files import check_reachable
from napari_microenhance.models.bioimageio.package_file import (
    PackagedModel,
    is_package,
    read_package,
)
from napari_microenhance.models.catalogue import ModelInfo, list_models
from napari_microenhance.models.czann import CzannModel, is_czann, read_czann
from napari_microenhance.models.packages import sha256_of

__all__ = ["Origin", "find_origin"]

FIRST_BYTES = 512
"""What shows that a file is something else."""


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a network comes from.

    Parameters
    ----------
    path : Path
        Of the ONNX file.
    named : Path
        Of the file or folder that the user named.
    source : str
        "built-in" or the name of what was named.
    sha256 : str
        Of that file.
    card : str
        Markdown; empty where there is none.
    package : PackagedModel, CzannModel or None
        What a description says.
    """

    path: Path
    named: Path
    source: str
    sha256: str
    card: str = ""
    package: PackagedModel | CzannModel | None = None

    @property
    def is_builtin(self) -> bool:
        """Whether it came with this program."""
        return self.source == "built-in"


def find_origin(path: Path, builtin: ModelInfo | None) -> Origin:
    """Return what a built-in network, an ONNX file or a package gives.

    Parameters
    ----------
    path : Path
    builtin : ModelInfo or None
        That the path belongs to.

    Returns
    -------
    Origin

    Raises
    ------
    FileMissingError
        If nothing is there.
    ModelError
        If it is not what it looks like.
    """
    if builtin:
        return Origin(path, path, "built-in", sha256_of(path), builtin.card)
    check_reachable(path, error=ModelError)
    if is_czann(path) or is_package(path):
        package = read_czann(path) if is_czann(path) else read_package(path)
        _check_kind(package.onnx_path)
        return Origin(
            package.onnx_path, path, path.name, package.sha256, package.card, package=package
        )
    _check_kind(path)
    return Origin(path, path, path.name, sha256_of(path))


def _check_kind(path: Path) -> None:
    """Raise unless a file's first bytes can be those of a network."""
    try:
        with path.open("rb") as file:
            start = file.read(FIRST_BYTES)
    except FileNotFoundError as error:
        names = sorted(info.name for info in list_models())
        raise FileMissingError(
            f"There is no model {str(path)!r}: neither a file nor one of {', '.join(names)}."
        ) from error
    except OSError as error:
        raise ModelError(f"The model {path.name} cannot be read: {error.strerror}.") from error
    text = start.lstrip().lower()
    reason = ""
    if not start:
        reason = "is empty"
    elif text.startswith(b"version https://git-lfs"):
        reason = "is a git-lfs pointer, not the model itself; fetch it with: git lfs pull"
    elif text.startswith((b"<!doctype", b"<html", b"<?xml")):
        reason = "is a web page, not a model; download the file itself"
    elif text.startswith((b"{", b"pk")):
        reason = "is not an ONNX file"
    if reason:
        raise ModelError(f"The model {path.name} {reason}.")
