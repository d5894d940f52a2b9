"""What is being written at the moment, so that what a killed process left can be removed.

An output grows under a name of its own beside its target. While it does, its process holds a lock
on it, which the system takes back however the process ends; a note in the user's folder of states
says where it is. A path that is noted and not locked was left.
"""

import contextlib
import functools
import glob
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

if sys.platform != "win32":  # what is open there cannot be deleted, which is as good as a lock
    import fcntl

__all__ = [
    "locked",
    "name_aside",
    "name_beside",
    "noted",
    "noted_stores",
    "remove_left",
    "scratch_folder",
]

_PART: Final = ".part"
"""Ending of what is being written."""

_OLD: Final = ".old"
"""Ending of a folder that is just being replaced."""


def name_beside(target: Path) -> Path:
    """Return a hidden name of its own in the folder of a target.

    Parameters
    ----------
    target : Path

    Returns
    -------
    Path
    """
    return target.with_name(f".{_cut(target.name)}.{os.urandom(4).hex()}{_PART}")


def _cut(name: str) -> str:
    """Return the beginning of a name that leaves room for more; systems count bytes."""
    while len(os.fsencode(name)) > 200:
        name = name[:-1]  # whole characters, in any locale
    return name


def name_aside(part: Path) -> Path:
    """Return the name under which what stands at a target waits while a part takes its place.

    Parameters
    ----------
    part : Path
        As `name_beside` gave it.

    Returns
    -------
    Path
    """
    return part.with_suffix(_OLD)


@contextlib.contextmanager
def noted(part: Path, target: Path) -> Iterator[None]:
    """Hold the lock of what is being written, and keep a note of it meanwhile.

    What killed processes left is removed first: that of this target, and once in a process all.

    Parameters
    ----------
    part : Path
        A file or a folder that exists.
    target : Path
        What it becomes.
    """
    lock = _lock(part)
    note = _note(part, target)
    _remove_left_once()
    for path in target.parent.glob(f".{glob.escape(_cut(target.name))}.????????{_PART}"):
        _remove_if_left(path, target)
    try:
        yield
    finally:
        if note is not None:
            with contextlib.suppress(OSError):
                note.unlink()
        if lock is not None:
            os.close(lock)


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give a folder for files that nobody needs afterwards.

    Yields
    ------
    Path
        It goes with all that is in it, at the latest with the next run.
    """
    with tempfile.TemporaryDirectory(prefix="microenhance-") as name:
        folder = Path(name)
        with noted(folder, folder):
            yield folder


def remove_left() -> tuple[Path, ...]:
    """Remove what killed processes of this user left, wherever it lies.

    A folder that was moved aside to be replaced, and was not, goes back to its name.

    Returns
    -------
    tuple of Path
        What was removed.
    """
    removed: list[Path] = []
    for note in _notes():
        try:
            part, target = _read(note)
        except (OSError, ValueError, KeyError, TypeError):
            part = target = note  # it says nothing
        if part.parent.is_dir():  # a disk that is not there today may be tomorrow
            removed += _remove_if_left(part, target)
            if not part.exists():
                with contextlib.suppress(OSError):
                    note.unlink(missing_ok=True)
    return tuple(path for path in removed if path.parent != _folder())


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock of a file, which the system takes back however the process ends.

    Parameters
    ----------
    path : Path
        Made where it is missing.

    Yields
    ------
    bool
        False where somebody else holds it. True also where a file system knows no locks.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield _try_lock(handle)
    finally:
        os.close(handle)


def note_store(store: Path) -> None:
    """Keep a note of a store that is filled block by block, until `drop_store`.

    Unlike what `noted` holds it is of use to its owner, so nothing but a wish removes it.
    """
    with contextlib.suppress(OSError):
        note = _store_note(store)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(str(store.absolute())), "ascii")


def drop_store(store: Path) -> None:
    """Drop the note of a store that is finished or gone."""
    with contextlib.suppress(OSError):
        _store_note(store).unlink(missing_ok=True)


def noted_stores() -> tuple[Path, ...]:
    """Return the stores of this user that were begun and not finished, as far as they are noted."""
    found = []
    with contextlib.suppress(OSError):
        for note in sorted((_folder() / "stores").glob("*.json")):
            with contextlib.suppress(OSError, ValueError, TypeError):
                found.append(Path(json.loads(note.read_text("ascii"))))
    return tuple(found)


def _store_note(store: Path) -> Path:
    """Return the name of the note of a store."""
    digest = hashlib.sha256(os.fsencode(os.path.realpath(store))).hexdigest()
    return _folder() / "stores" / f"{digest[:32]}.json"


def _try_lock(handle: int) -> bool:
    """Lock an open file unless somebody else has."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


@functools.cache
def _remove_left_once() -> None:
    """Remove what was left, the first time that something is written."""
    remove_left()


def _folder() -> Path:
    """Return the folder of notes; it may not exist."""
    import platformdirs

    return platformdirs.user_state_path("napari-microenhance", appauthor=False) / "unfinished"


def _notes() -> list[Path]:
    """Return the notes that there are."""
    try:
        return sorted(_folder().glob("*.json"))
    except OSError:
        return []


def _note(part: Path, target: Path) -> Path | None:
    """Write a note and return its path, or None where there is no place for notes."""
    path = _folder() / f"{os.urandom(8).hex()}.json"
    text = json.dumps({"part": str(part.absolute()), "target": str(target.absolute())})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "ascii")
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    return path


def _read(note: Path) -> tuple[Path, Path]:
    """Return the part and the target in a note."""
    content = json.loads(note.read_text("ascii"))
    return Path(content["part"]), Path(content["target"])


def _lock(part: Path) -> int | None:
    """Lock a path for this process, as far as its file system can."""
    if sys.platform == "win32":
        return None
    with contextlib.suppress(OSError):
        lock = os.open(part, os.O_RDONLY)
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    return None


def _remove_if_left(part: Path, target: Path) -> list[Path]:
    """Remove what no process writes any more; return what was there."""
    removed: list[Path] = []
    with contextlib.suppress(OSError):
        old = name_aside(part)
        if part.exists() and _in_use(part):
            return []
        if old != part and old.exists() and not target.exists():
            old.rename(target)
        for path in (part, old):
            if path.exists():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                removed.append(path)
    return removed


def _in_use(part: Path) -> bool:
    """Tell whether a process still writes there, or may do so."""
    if sys.platform == "win32":
        return part.is_dir()
    lock = os.open(part, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False
