"""Commands that need an extra of the package."""

import contextlib
from collections.abc import Iterator

from napari_microenhance.errors import ModelError

__all__ = ["extra"]


@contextlib.contextmanager
def extra(name: str) -> Iterator[None]:
    """Turn a missing package into one sentence that names the extra which brings it.

    Parameters
    ----------
    name : str
        Of the extra, such as "train".

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
            f'pip install "napari-microenhance[{name}]".'
        ) from error
