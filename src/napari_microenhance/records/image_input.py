"""An image as a caller may give it - array, file, result - with what its file says of it."""

import dataclasses
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.engine.result import Result
from napari_microenhance.engine.source import Source
from napari_microenhance.images.imagefile import ImageFile, to_um
from napari_microenhance.images.omezarr.zarr_chunks import known_chunks

if TYPE_CHECKING:
    from napari_microenhance.types import ImageLike

__all__ = ["ImageInput"]


@dataclasses.dataclass(frozen=True, eq=False)
class ImageInput:
    """An image that was given.

    Parameters
    ----------
    source : Source
    notes : tuple of Caution or str
        What should be known of its file.
    name : str or None
        Of its file, without folders.
    pixel_size_um : float or None
        Edge of a pixel, micrometres, where its file says.
    """

    source: Source
    notes: tuple[Caution | str, ...] = ()
    name: str | None = None
    pixel_size_um: float | None = None

    @classmethod
    def of(
        cls,
        image: "ImageLike | Source | Result | ImageFile | ImageInput",
        axes: str | None = None,
        spatial: str | None = None,
    ) -> "ImageInput":
        """Open an image.

        Parameters
        ----------
        image : array-like, str, path, Result, Source, ImageFile or ImageInput
        axes : str, optional
            Where the image does not say.
        spatial : {"YX", "ZYX"}
            What a network sees at once. Default: planes, or what the source has.

        Raises
        ------
        ImageError
            If it is no image; `AxesError` if its axes must be given.
        FileMissingError
            If there is no such file.
        """
        if isinstance(image, ImageInput):
            seen = image.source if spatial is None else image.source.seen_as(spatial)
            return dataclasses.replace(image, source=seen)
        if isinstance(image, Source):
            return cls(image if spatial is None else image.seen_as(spatial))
        spatial = spatial or "YX"
        if isinstance(image, Result):
            return cls(Source(image.pixels, image.axes, spatial))
        if isinstance(image, ImageFile):
            return cls._of_file(image, spatial)
        if not isinstance(image, str | os.PathLike):
            pixels, notes = known_chunks(image)
            return cls(Source(pixels, axes, spatial), notes)
        from napari_microenhance.images.image_formats import read_image

        path = Path(image)
        given = cls._of_file(read_image(path, axes=axes), spatial)
        return dataclasses.replace(given, name=path.name)

    @classmethod
    def _of_file(cls, file: ImageFile, spatial: str) -> "ImageInput":
        """Return an image that was read from a file, with what that says."""
        sizes = [to_um(*file.pixel_size[letter]) for letter in "YX" if letter in file.pixel_size]
        known = [size for size in sizes if size]
        return cls(
            Source(file.pixels, file.axes, spatial),
            tuple(file.notes),
            pixel_size_um=math.prod(known) ** 0.5 if len(known) == 2 else None,
        )
