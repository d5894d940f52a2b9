"""What commands that write results share: the report beside one, and what is named."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["default_model", "named_file", "writing_report"]


@contextlib.contextmanager
def writing_report(path: Path | None, record: dict[str, Any]) -> Iterator[None]:
    """Write a record as JSON if what is done meanwhile goes well.

    Parameters
    ----------
    path : Path or None
        None: nothing is written.
    record : dict
        Plain JSON.
    """
    from napari_microenhance.files import replacing

    if path is None:
        yield
        return
    with replacing(path) as handle:
        handle.write(json.dumps(record, indent=2).encode() + b"\n")
        handle.flush()  # a full disk shows before the result stands there
        os.fsync(handle.fileno())
        yield


def named_file(text: str | None) -> Path | None:
    """Return the path that a text names, if a file or a folder is there.

    Parameters
    ----------
    text : str or None

    Returns
    -------
    Path or None
    """
    return Path(text) if text and Path(text).exists() else None


def default_model() -> str:
    """Return the name of the network that is used when none is named."""
    from napari_microenhance.models import list_models

    return next(info.name for info in list_models() if info.default)
