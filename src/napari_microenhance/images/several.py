"""Files that hold several images: which one is read, and the sentence about the others."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import ImageError

__all__ = ["chosen"]

_NAMED: Final = 6  # images that a sentence names


def chosen(
    path: Path, images: Sequence[str], likely: int, wanted: int | None
) -> tuple[int, tuple[Caution, ...]]:
    """Return the number of the image that is read, and what is said where nobody chose it.

    Parameters
    ----------
    path : Path
        Of the file.
    images : sequence of str
        Each in a few words; at least one.
    likely : int
        Number of the one that is read unless the caller wants another.
    wanted : int or None
        What the caller wants, from 0.

    Raises
    ------
    ImageError
        If there is no such number.
    """
    listed = "; ".join(f"{i}: {text}" for i, text in enumerate(images[:_NAMED]))
    listed += "; ..." if len(images) > _NAMED else ""
    if wanted is not None:
        if not 0 <= wanted < len(images):
            raise ImageError(
                f"{path} has no series {wanted}; it holds {len(images)}, numbered from 0 "
                f"({listed})."
            )
        return wanted, ()
    if len(images) == 1:
        return 0, ()
    text = (
        f"{path.name} holds {len(images)} images ({listed}); series {likely} was read, choose "
        "another one with series."
    )
    return likely, (Caution("several-images", text),)
