"""A result and its record as files, both or neither."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_microenhance.api import Result
    from napari_microenhance.images.image_formats import ImageFile

__all__ = ["default_model", "named_file", "write_result", "writing_report"]


def write_result(
    target: Path, result: "Result", image: "ImageFile", record: dict[str, Any]
) -> None:
    """Write the result with what the image's file said about it.

    Parameters
    ----------
    target : Path
    result : Result
    image : ImageFile
    record : dict
        Plain JSON.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from napari_microenhance.images.changed import changed_pixels
    from napari_microenhance.images.composed import ResultPixels
    from napari_microenhance.images.image_formats import write_image

    # A Zarr result is written part by part, so it need not be composed as a whole.
    by_parts = target.name.lower().endswith(".zarr")
    size = {
        axis: (step / result.scale if axis in "YX" else step, unit)
        for axis, (step, unit) in image.pixel_size.items()
    }
    write_image(
        target,
        ResultPixels(result) if by_parts else result.pixels,
        result.axes,
        pixel_size=size,
        channel_names=image.channel_names,
        record=record,
        changed=changed_pixels(result),
    )


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
