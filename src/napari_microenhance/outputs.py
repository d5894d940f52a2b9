"""Where an output may go: never onto an input, and over something else only when asked."""

import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from napari_microenhance.errors import OutputError
from napari_microenhance.files import folds_case, is_zarr, read_json

__all__ = [
    "JOB_KEY",
    "STATE_FOLDER",
    "folded",
    "guard_inputs",
    "guard_many",
    "guard_output",
    "is_own_store",
    "job_of",
    "unfinished_words",
]

_OWN: Final = "napari-microenhance"
"""Attribute of the stores that we write, which holds the record of the run."""

JOB_KEY: Final = "napari-microenhance-job"
"""Attribute of a store that is written block by block: what decides its pixels, and whether it is
finished."""

STATE_FOLDER: Final = ".unfinished"
"""In such a store until it is finished: which blocks are done, and the lock of who writes."""


def guard_output(
    target: Path,
    *,
    overwrite: bool,
    resume: bool = False,
    inputs: Mapping[str, Path | None] | None = None,
    name: str = "OUT",
    option: str = "overwrite=True",
    resume_option: str = "resume=True",
) -> None:
    """Raise where writing an output would replace or delete something unasked.

    Parameters
    ----------
    target : Path
        A file, or the folder of a store; links are followed.
    overwrite : bool
        What stands there may go, unless it is an input, or a folder but no store of ours.
    resume : bool
        A store of ours that stands there may go on.
    inputs : mapping of str to (Path or None), optional
        What is read, and the other outputs, by the names that a sentence should use.
    name : str
        Of the output, for the sentence.
    option : str
        How the caller's user asks for a replacement, for the sentence.
    resume_option : str
        How he asks to go on with what is unfinished.

    Raises
    ------
    OutputError
        If the target is, holds or lies in an input; or something is there and `overwrite` is
        false; or it is a folder that is no store of ours, or no ordinary file.
    """
    real = Path(os.path.realpath(target))
    if real.is_dir() and not is_zarr(real):
        raise OutputError(f"{name} is a folder ({target}); choose another name.")
    guard_inputs(target, inputs or {}, name=name)
    if real.is_symlink():  # the real path of a loop is itself
        raise OutputError(f"{name} is a broken link ({target}); choose another name.")
    if not real.exists():
        return
    if real.is_dir() and not is_own_store(real):
        raise OutputError(
            f"{name} exists and was not written by this program ({target}), so it is never "
            "replaced; choose another name."
        )
    if not real.is_dir() and not real.is_file():
        raise OutputError(f"{name} is not an ordinary file ({target}); choose another name.")
    if resume and not overwrite and real.is_dir():
        return
    if not overwrite and (words := unfinished_words(real)):
        raise OutputError(
            f"{name} is unfinished ({target}, {words}); continue it with {resume_option}, or "
            f"replace it with {option}."
        )
    if not overwrite:
        raise OutputError(
            f"{name} already exists ({target}); choose another name, or {option} to replace it."
        )


def guard_inputs(target: Path, inputs: Mapping[str, Path | None], *, name: str = "OUT") -> None:
    """Raise if an output is, holds or lies in something that is read, or another output.

    Parameters
    ----------
    target : Path
        It need not exist.
    inputs : mapping of str to (Path or None)
        As for `guard_output`; an input inside a Zarr store stands for all of the store.
    name : str
        Of the output, for the sentence.

    Raises
    ------
    OutputError
        If so; nothing makes it right but another name.
    """
    for other_name, other in inputs.items():
        if other is None:
            continue
        if _same(target, other):
            raise OutputError(
                f"{name} is the same file as {other_name} ({target}); choose another file."
            )
        if any(_same(place, target) for at in _places(other) for place in at.parents):
            raise OutputError(
                f"{name} ({target}) contains {other_name} ({other}); choose another file."
            )
        store = _store(other)
        if store.is_dir() and any(
            _same(place, store) for place in Path(os.path.realpath(target)).parents
        ):
            raise OutputError(
                f"{name} ({target}) lies inside {other_name} ({store}); choose a file outside it."
            )


def guard_many(
    targets: Iterable[Path], inputs: Mapping[str, Path | None], *, name: str = "The result"
) -> None:
    """Raise if one of many outputs is, holds or lies in one of many inputs.

    As `guard_inputs`, but in a time that grows with their number, not with its square.

    Parameters
    ----------
    targets : iterable of Path
    inputs : mapping of str to (Path or None)
    name : str
        Of an output, for the sentence.

    Raises
    ------
    OutputError
        If so.
    """
    read = [path for path in inputs.values() if path is not None]
    places = {place for path in read for place in _places(path)}
    known = {folded(place) for place in places} | {_number(path) for path in read}
    known |= {folded(above) for place in places for above in place.parents}
    known.discard("")
    stores = {folded(store) for store in map(_store, read) if store.is_dir()}
    for target in targets:
        real = Path(os.path.realpath(target))
        may_be = folded(real) in known or _number(real) in known
        if may_be or not stores.isdisjoint(map(folded, real.parents)):
            guard_inputs(target, inputs, name=name)


def is_own_store(path: Path) -> bool:
    """Tell whether a Zarr folder carries the record of a run of ours.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bool
        False also where its metadata cannot be read.
    """
    return bool({_OWN, JOB_KEY} & _attributes(path).keys())


def job_of(path: Path) -> dict[str, Any] | None:
    """Return what a store that is written block by block says of its run.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict or None
        Plain JSON: ``finished``, ``blocks``, ``memory`` and ``decided``; None where it is no such
        store.
    """
    job = _attributes(path).get(JOB_KEY)
    return job if isinstance(job, dict) else None


def unfinished_words(path: Path) -> str:
    """Return how far an unfinished store is, such as "3 of 12 blocks"; empty for all else.

    Parameters
    ----------
    path : Path
    """
    job = job_of(path)
    if job is None or job.get("finished"):
        return ""
    try:
        log = (path / STATE_FOLDER / "done").read_bytes()
    except OSError:
        log = b""
    done = sum(line.startswith(b"image/0 ") for line in log.splitlines())
    return f"{done} of {job.get('blocks', '?')} blocks"


def _attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of a Zarr group, as far as they can be read."""
    try:
        content: Any = read_json(path / "zarr.json", error=OutputError)
    except OutputError:
        return {}
    attributes = content.get("attributes") if isinstance(content, dict) else None
    return attributes if isinstance(attributes, dict) else {}


def _same(a: Path, b: Path) -> bool:
    """Tell whether two paths lead to one place, through links of either kind."""
    try:
        return a.samefile(b)
    except OSError:
        pass  # one of them is not there yet
    first, second = (Path(os.path.realpath(path)) for path in (a, b))
    if first == second:
        return True
    return folded(first) == folded(second) and folds_case(first.parent)


def folded(path: Path | str) -> str:
    """Return a path or name as a file system sees it for which case and accents' spelling are one.

    Parameters
    ----------
    path : Path or str

    Returns
    -------
    str
    """
    return unicodedata.normalize("NFC", str(path)).casefold()


def _number(path: Path) -> str:
    """Return what is the same for two names of one file; nothing where there is none."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_dev}:{found.st_ino}"


def _places(path: Path) -> Iterator[Path]:
    """Yield where a path leads, and every link on the way there."""
    yield Path(os.path.realpath(path))
    for prefix in (path.absolute(), *path.absolute().parents):
        if prefix.is_symlink():
            yield Path(os.path.realpath(prefix.parent)) / prefix.name


def _store(path: Path) -> Path:
    """Return the outermost Zarr store that a path lies in; itself outside of any."""
    real = Path(os.path.realpath(path))
    stores = [place for place in (real, *real.parents) if is_zarr(place)]
    return stores[-1] if stores else real
