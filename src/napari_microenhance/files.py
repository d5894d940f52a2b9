"""Files on disk: what they hold, and outputs that appear whole or not at all."""

import contextlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from napari_microenhance.errors import (
    FileMissingError,
    ImageError,
    MicroEnhanceError,
    OutputError,
)
from napari_microenhance.unfinished import name_aside, name_beside, noted

__all__ = [
    "LARGEST_ROI",
    "Kind",
    "check_reachable",
    "check_room",
    "check_target",
    "complaints",
    "folds_case",
    "is_zarr",
    "kind_of",
    "plain_reason",
    "read_json",
    "reason",
    "replacing",
    "replacing_folder",
    "unusable",
]

_INNER_WORDS: Final = re.compile(r"<[\w.]+ object|\b0x[0-9a-f]|\bindex\b|out of range|\w_\w|\w\(\)")
"""What shows that a text is about a program's own objects, not about the file."""

Kind = Literal[
    "tiff", "png", "jpeg", "zarr", "imagej", "zip", "json", "html", "lfs", "text", "binary"
]

LARGEST_ROI: Final = 2**30
"""Bytes of an ROI file, unpacked: a million outlines, and too few to fill the memory."""

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"Iout", "imagej"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"version https://git-lfs", "lfs"),
)

_ZARR_FILES: Final = ("zarr.json", ".zgroup", ".zarray", ".zattrs")

_NOT_DATA = {
    "html": "holds a web page; download the file itself and try again",
    "lfs": "is only a git-lfs pointer; run `git lfs pull` to get the file itself",
}


def cache_folder(name: str) -> Path:
    """Return the folder of a kind of files that can be made again; it need not exist."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("napari-microenhance", appauthor=False)) / name


def kind_of(path: Path, *, error: type[MicroEnhanceError]) -> Kind:
    """Say what a file or a Zarr folder holds, from its contents and not from its name.

    Parameters
    ----------
    path : Path
    error : type of MicroEnhanceError
        Raised when the file cannot be used at all.

    Returns
    -------
    str
        A word of `Kind`.

    Raises
    ------
    FileMissingError
        If nothing is there.
    MicroEnhanceError
        Of type `error`, if it is another folder, empty or not readable.
    """
    check_reachable(path, error=error)
    if is_zarr(path):
        return "zarr"
    try:
        with path.open("rb") as handle:
            head = handle.read(512)
    except FileNotFoundError as missing:
        raise FileMissingError(
            f"{path} does not exist; check the name and the folder."
        ) from missing
    except IsADirectoryError as folder:
        raise error(f"{path} is a folder; choose a file in it.") from folder
    except (OSError, ValueError) as problem:
        raise error(f"{path} cannot be opened: {reason(problem)}.") from problem
    if not head:
        raise error(f"{path} is empty (0 bytes); copy it again.")
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "html"
    if start.startswith((b"{", b"[")):
        return "json"
    return "binary" if b"\x00" in head else "text"


def check_reachable(path: Path, *, error: type[MicroEnhanceError]) -> None:
    """Raise where no file can be: a name too long, a zero byte, a folder that may not be entered.

    Parameters
    ----------
    path : Path
        Nothing may be there.
    error : type of MicroEnhanceError
        What is raised.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as problem:
        raise error(f"{path} cannot be opened: {reason(problem)}.") from problem


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a Zarr group or array.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bool
        False also where there is no folder.
    """
    return path.is_dir() and any((path / name).is_file() for name in _ZARR_FILES)


def read_json(path: Path, *, error: type[MicroEnhanceError]) -> Any:  # noqa: ANN401 - any JSON
    """Return what a JSON file of usual size holds.

    Parameters
    ----------
    path : Path
    error : type of MicroEnhanceError

    Raises
    ------
    MicroEnhanceError
        Of type `error`, if it is no JSON or far too large.
    """
    try:
        if (size := path.stat().st_size) > LARGEST_ROI:
            raise error(f"{path} is too large: {size / 2**20:.0f} MiB of JSON.")
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as problem:
        if isinstance(problem, MicroEnhanceError):
            raise
        raise error(f"{path} is not valid JSON ({reason(problem)}); save it again.") from problem
    except OSError as problem:
        raise error(f"{path} cannot be opened: {reason(problem)}.") from problem


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
    import psutil

    free = psutil.virtual_memory().available
    if size > free:
        raise ImageError(
            f"{path} holds {size / 2**30:.1f} GiB of pixels, but only {free / 2**30:.1f} GiB "
            "of memory are free; crop it first."
        )


def check_target(path: Path, *, folder: bool = False) -> None:
    """Raise unless a file can be written at `path`; nothing is left behind.

    Parameters
    ----------
    path : Path
    folder : bool
        A Zarr folder is to be written, not a file; it may replace one.

    Raises
    ------
    OutputError
        If the folder is missing or not writable, or something else stands at `path`.
    """
    target = _real(path)
    check_reachable(target, error=OutputError)
    if folder and target.exists() and not is_zarr(target):
        raise OutputError(f"{path} exists and is not a Zarr folder; choose another name.")
    if target.is_dir() and not folder:
        raise OutputError(f"{path} is a folder; choose a file name in it.")
    if target.exists() and not folder and not target.is_file():
        raise OutputError(f"{path} is not an ordinary file; choose another name.")
    if not target.parent.is_dir():
        raise OutputError(f"The folder {target.parent} does not exist; create it first.")
    # Asking the permission bits would be wrong on network drives and read-only
    # mounts; trying is the only answer that holds.
    handle, temporary = _open_beside(path, target)
    with noted(temporary, target):
        handle.close()
        temporary.unlink()


def folds_case(folder: Path) -> bool:
    """Tell whether a folder takes names that differ only in case for one.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    bool
        False also where nothing can be written.
    """
    # It is the folder's own property, not the system's, so a file in it is what tells.
    probe = name_beside(folder / "case")
    try:
        probe.touch(exist_ok=False)
    except OSError:
        return False
    try:
        return probe.with_name(probe.name.upper()).exists()
    finally:
        probe.unlink()


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
        with noted(temporary, target):
            with handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(target)
    except BaseException as problem:
        temporary.unlink(missing_ok=True)
        if isinstance(problem, OSError) and not isinstance(problem, MicroEnhanceError):
            raise OutputError(f"{path} cannot be written: {reason(problem)}.") from problem
        raise


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give a folder to fill that becomes `path` only when all went well.

    As `replacing`, for formats that are a folder of files. An older Zarr folder at `path`
    is replaced; it stays as it was when something goes wrong.

    Parameters
    ----------
    path : Path

    Yields
    ------
    Path
        An empty folder beside the target.

    Raises
    ------
    OutputError
        If it cannot be written, or something that is no Zarr folder stands there.
    """
    check_target(path, folder=True)
    target = _real(path)
    temporary = name_beside(target)
    old = name_aside(temporary)
    try:
        temporary.mkdir()
        with noted(temporary, target):
            yield temporary
            if target.exists():
                target.rename(old)
            temporary.rename(target)
            shutil.rmtree(old, ignore_errors=True)
    except BaseException as problem:
        if old.exists() and not target.exists():
            old.rename(target)
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(problem, OSError) and not isinstance(problem, MicroEnhanceError):
            raise OutputError(f"{path} cannot be written: {reason(problem)}.") from problem
        raise


def _open_beside(path: Path, target: Path) -> tuple[BinaryIO, Path]:
    """Create an empty file with a name of its own next to the target."""
    # Not `tempfile`: its files are private to their owner, and the mode would stay.
    temporary = name_beside(target)
    try:
        return temporary.open("xb"), temporary
    except OSError as problem:
        raise OutputError(f"{path} cannot be written: {reason(problem)}.") from problem


def _real(path: Path) -> Path:
    """Return where writing to the path ends up, links followed."""
    return Path(os.path.realpath(path))


def reason(problem: BaseException) -> str:
    """Return what went wrong on one line, without a last stop.

    Parameters
    ----------
    problem : exception

    Returns
    -------
    str
    """
    text = getattr(problem, "strerror", None) or str(problem)
    return " ".join(str(text).split()).rstrip(".")


def plain_reason(problem: BaseException) -> str:
    """Return what a decoder says was wrong with a file, in brackets, where a user can follow it.

    Parameters
    ----------
    problem : BaseException
        Texts about its own indices, keys and objects say nothing to whoever owns the file.
    """
    text = reason(problem)
    inner = isinstance(problem, LookupError | AttributeError | TypeError | AssertionError)
    if inner or not text or _INNER_WORDS.search(text):
        return ""
    return f" ({text})"


@contextlib.contextmanager
def complaints(library: str, level: int) -> Iterator[list[str]]:
    """Collect what a library says of damage that it reads over.

    Parameters
    ----------
    library : str
        Name of its logger.
    level : int
        From which on a remark counts.

    Yields
    ------
    list of str
        Grows while the library reads.
    """
    logger, messages = logging.getLogger(library), list[str]()
    handler = logging.Handler(level)
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
