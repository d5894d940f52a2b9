"""What the command line says when something goes wrong: one line, and an exit status."""

import contextlib
import datetime
import importlib.metadata
import platform
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import typer

from napari_microenhance.cli.terminal import one_line

__all__ = [
    "EXIT_CANCELLED",
    "EXIT_MENDABLE",
    "EXIT_UNEXPECTED",
    "fail",
    "fail_unexpectedly",
    "log_failure",
]

EXIT_MENDABLE: Final = 2
EXIT_UNEXPECTED: Final = 70
EXIT_CANCELLED: Final = 130

LARGEST_LOG: Final = 2**20
"""Bytes; a longer log begins anew."""


def fail(message: str, status: int = EXIT_MENDABLE) -> int:
    """Say what went wrong on one line of stderr.

    Parameters
    ----------
    message : str
    status : int

    Returns
    -------
    int
        The status, for the process to leave with.
    """
    with contextlib.suppress(OSError):  # stderr may be a full disk; the status still tells
        typer.echo(one_line(message), err=True)
    return status


def fail_unexpectedly(error: Exception, arguments: Sequence[str], *, debug: bool) -> int:
    """Keep the traceback of a fault of ours in the log, and say where on one line.

    Parameters
    ----------
    error : Exception
    arguments : sequence of str
        As typed, without the program's own name.
    debug : bool
        Also show the traceback.

    Returns
    -------
    int
        `EXIT_UNEXPECTED`.
    """
    text = "".join(traceback.format_exception(error))
    if debug:
        with contextlib.suppress(OSError):
            typer.echo(text, err=True, nl=False)
    what = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":")
    log = log_failure(text, arguments)
    where = "run it again with --debug to see where" if log is None else f"see {log}"
    return fail(f"Error: something unexpected went wrong ({what[:200]}); {where}.", EXIT_UNEXPECTED)


def log_failure(text: str, arguments: Sequence[str] = ()) -> Path | None:
    """Add a traceback to the log file.

    Parameters
    ----------
    text : str
        Nothing is written where it is empty.
    arguments : sequence of str
        As typed, without the program's own name.

    Returns
    -------
    Path or None
        Of the log; None where nothing was written.
    """
    if not text:
        return None
    import platformdirs

    folder = platformdirs.user_log_path("napari-microenhance", appauthor=False)
    path = folder / "microenhance.log"
    now = datetime.datetime.now(tz=datetime.UTC).isoformat(timespec="seconds")
    system = f"Python {platform.python_version()} on {platform.platform()}"
    entry = f"{now} {_version()}, {system}\nmicroenhance {' '.join(arguments)}\n{text}\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        too_long = path.exists() and path.stat().st_size > LARGEST_LOG
        with path.open(
            "w" if too_long else "a", encoding="utf-8", errors="backslashreplace"
        ) as log:
            log.write(entry)
    except OSError:
        return None
    return path


def _version() -> str:
    """Return name and version of the package, as installed."""
    try:
        return f"napari-microenhance {importlib.metadata.version('napari-microenhance')}"
    except importlib.metadata.PackageNotFoundError:
        return "napari-microenhance"
