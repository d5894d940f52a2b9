"""Where a run may put a store: on nothing that it reads, and on nothing of the user's."""

import os
from collections.abc import Mapping
from pathlib import Path

from napari_microenhance.engine.result import Result
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import OptionsError, OutputError
from napari_microenhance.files import check_target
from napari_microenhance.images.imagefile import ImageFile
from napari_microenhance.models import Model
from napari_microenhance.outputs import guard_output
from napari_microenhance.records.image_input import ImageInput
from napari_microenhance.types import PathLike

__all__ = ["guarded", "inputs_of"]


def guarded(
    out: PathLike, *, overwrite: bool, resume: bool, inputs: Mapping[str, Path | None]
) -> Path:
    """Return the place of a store that may be written.

    Parameters
    ----------
    out : str or path
    overwrite, resume : bool
        As for `enhance`.
    inputs : mapping of str to (Path or None)
        What is read, by the names that a sentence should use.

    Raises
    ------
    OptionsError
        If it is no name of a store, or both are asked for.
    OutputError
        If something else stands there, or nothing can be written.
    """
    if not isinstance(out, str | os.PathLike):
        raise OptionsError(f"out={out!r} is not a path; use the name of an .ome.zarr folder.")
    path = Path(out)
    if not path.name.lower().endswith(".zarr"):
        raise OptionsError(
            f"out={path} is not an OME-Zarr folder; use a name that ends in .ome.zarr."
        )
    if overwrite and resume:
        raise OptionsError("overwrite and resume are mutually exclusive; use one of them.")
    guard_output(path, overwrite=overwrite, resume=resume, inputs=inputs, name="out")
    if not path.exists():
        check_target(path, folder=True)
    elif resume and not os.access(path, os.W_OK):
        raise OutputError(f"{path} cannot be written; its folder is read-only.")
    return path


def inputs_of(image: object, model: object, roi: object) -> dict[str, Path | None]:
    """Return the files and folders that a run reads, as far as they can be told.

    Parameters
    ----------
    image, model, roi
        As for `enhance`.
    """
    return {
        "the image": _place_of(image),
        "the model": model.path if isinstance(model, Model) else _path(model),
        "the ROI": _path(roi),
    }


def _path(given: object) -> Path | None:
    """Return the path that was given, if something is there."""
    if not isinstance(given, str | os.PathLike):
        return None
    path = Path(given)
    return path if path.exists() else None


def _place_of(image: object) -> Path | None:
    """Return the file or folder that an image is read from."""
    if isinstance(image, ImageInput):
        image = image.source
    if isinstance(image, Source):
        image = image.data
    elif isinstance(image, ImageFile | Result):
        image = image.pixels
    place = getattr(image, "path", None)  # of lazy pixels
    root = getattr(getattr(image, "store", None), "root", None)  # of a Zarr array in a folder
    return _path(image) or (root if root is not None and _path(root) else _path(place))
