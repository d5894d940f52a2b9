"""A result as an image file, with what the file of its image said."""

from pathlib import Path
from typing import Any

from napari_microenhance.engine.result import Result
from napari_microenhance.images.changed import changed_pixels
from napari_microenhance.images.composed import ResultPixels
from napari_microenhance.images.image_formats import ImageFile, write_image
from napari_microenhance.images.image_table import format_of_name

__all__ = ["write_result"]


def write_result(target: Path, result: Result, image: ImageFile, record: dict[str, Any]) -> None:
    """Write a result with the resolution and channel names of its image.

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
    # What is written part by part need not be composed as a whole.
    by_parts = format_of_name(target).in_parts
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
