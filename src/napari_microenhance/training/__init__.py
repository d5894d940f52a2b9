"""How the networks are made: simulated examples, recipes, training, export (extra `train`)."""

import contextlib
from collections.abc import Iterator

from napari_microenhance.errors import ModelError

__all__ = ["extra"]


@contextlib.contextmanager
def extra() -> Iterator[None]:
    """Turn a missing package of the extra into one sentence that names the extra.

    Raises
    ------
    ModelError
        If a package that is not ours cannot be found.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = error.name or "a package"
        if missing.startswith("napari_microenhance"):
            raise
        raise ModelError(
            f"This needs {missing.partition('.')[0]}, which is not installed; "
            'pip install "napari-microenhance[train]".'
        ) from error
