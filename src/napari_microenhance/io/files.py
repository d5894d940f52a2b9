"""Files on disk: what they hold, and outputs that appear whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import psutil

from napari_microenhance.errors import (
    FileMissingError,
    ImageError,
    MicroEnhanceError,
    OutputError,
)

__all__ = ["Kind", "check_room", "check_target", "kind_of", "replacing", "unusable"]

Kind = Literal["tiff", "png", "jpeg", "json", "html", "lfs", "text", "binary"]

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"version https://git-lfs", "lfs"),
)

_NOT_DATA = {
    "html": "holds a web page; download the file itself and try again",
    "lfs": "is only a git-lfs pointer; run `git lfs pull` to get the file itself",
}


def kind_of(path: Path, *, error: type[MicroEnhanceError]) -> Kind:
    """Say what a file holds, from its first bytes and not from its name.

    Parameters
    ----------
    path : Path
    error : type of MicroEnhanceError
        Raised when the file cannot be used at all.

    Returns
    -------
    str
        One of "tiff", "png", "jpeg", "json", "html", "lfs", "text", "binary".

    Raises
    ------
    FileMissingError
        If nothing is there.
    MicroEnhanceError
        Of type `error`, if it is a folder, empty or not readable.
    """
    try:
        with path.open("rb") as handle:
            head = handle.read(512)
    except FileNotFoundError as missing:
        raise FileMissingError(
            f"{path} does not exist; check the name and the folder."
        ) from missing
    except IsADirectoryError as folder:
        raise error(f"{path} is a folder; give a file in it.") from folder
    except (OSError, ValueError) as problem:
        raise error(f"{path} cannot be opened: {_reason(problem)}.") from problem
    if not head:
        raise error(f"{path} is empty (0 bytes); make or copy it again.")
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "html"
    if start.startswith((b"{", b"[")):
        return "json"
    return "binary" if b"\x00" in head else "text"


def unusable(path: Path, kind: Kind, otherwise: str) -> str:
    """Return the sentence for a file that holds something else than was asked for.

    Parameters
    ----------
    path : Path
    kind : str
        As `kind_of` says.
    otherwise : str
        The rest of the sentence where the kind has no better explanation.
    """
    return f"{path} {_NOT_DATA.get(kind, otherwise)}."


def check_room(path: Path, size: int) -> None:
    """Raise if the pixels of a file, or what a damaged header says of them, cannot fit.

    Parameters
    ----------
    path : Path
    size : int
        Bytes.

    Raises
    ------
    ImageError
        If less than that is free.
    """
    free = psutil.virtual_memory().available
    if size > free:
        raise ImageError(
            f"{path} holds {size / 2**30:.1f} GiB of pixels, but {free / 2**30:.1f} GiB of memory "
            "are free; cut a part out of it."
        )


def check_target(path: Path) -> None:
    """Raise unless a file can be written at `path`; nothing is left behind.

    Raises
    ------
    OutputError
        If the folder is missing or not writable, or `path` is a folder.
    """
    target = _real(path)
    if target.is_dir():
        raise OutputError(f"{path} is a folder; give the name of a file in it.")
    if not target.parent.is_dir():
        raise OutputError(f"The folder {target.parent} does not exist; make it first.")
    # Asking the permission bits would be wrong on network drives and read-only
    # mounts; trying is the only answer that holds.
    handle, temporary = _open_beside(path, target)
    handle.close()
    temporary.unlink()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write into that becomes `path` only when all went well.

    A link is followed. On any exception, `KeyboardInterrupt` too, the unfinished
    file is removed and what stood at `path` before stays as it was.

    Parameters
    ----------
    path : Path

    Yields
    ------
    binary file
        In the same folder, since only a rename inside one file system is atomic.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    target = _real(path)
    handle, temporary = _open_beside(path, target)
    try:
        with handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(target)
    except BaseException as problem:
        temporary.unlink(missing_ok=True)
        if isinstance(problem, OSError) and not isinstance(problem, MicroEnhanceError):
            raise OutputError(f"{path} cannot be written: {_reason(problem)}.") from problem
        raise


def _open_beside(path: Path, target: Path) -> tuple[BinaryIO, Path]:
    """Create an empty file with a name of its own next to the target."""
    # Not `tempfile`: its files are private to their owner, and the mode would stay.
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        return temporary.open("xb"), temporary
    except OSError as problem:
        raise OutputError(f"{path} cannot be written: {_reason(problem)}.") from problem


def _real(path: Path) -> Path:
    """Return where writing to the path ends up, links followed."""
    return Path(os.path.realpath(path))


def _reason(problem: BaseException) -> str:
    """Return the operating system's words for what went wrong."""
    return getattr(problem, "strerror", None) or str(problem)
