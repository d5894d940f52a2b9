"""An image as a caller may give it - array, file, result - with what its file says of it."""

import dataclasses
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.engine.result import Result
from napari_microenhance.engine.source import Source
from napari_microenhance.images.imagefile import ImageFile, PixelSize, to_um
from napari_microenhance.images.omezarr.zarr_chunks import absent_count, known_chunks
from napari_microenhance.images.omezarr.zarr_reading import ZarrPixels

if TYPE_CHECKING:
    from napari_microenhance.types import Box, ImageLike

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
    pixel_size : mapping of str to (float, str)
        As its file says: axis letter -> (step, unit).
    channel_names : tuple of str
        As its file says, or empty.
    """

    source: Source
    notes: tuple[Caution | str, ...] = ()
    name: str | None = None
    pixel_size_um: float | None = None
    pixel_size: PixelSize = dataclasses.field(default_factory=dict)
    channel_names: tuple[str, ...] = ()

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
            pixel_size=dict(file.pixel_size),
            channel_names=tuple(file.channel_names),
        )

    def notes_in(self, footprint: "Box") -> tuple[Caution | str, ...]:
        """Return the notes; that on absent chunks says how many of them a region touches.

        Parameters
        ----------
        footprint : Box
            (start, stop) per spatial axis of the source, px.
        """
        spans = dict(zip(self.source.spatial_axes, footprint, strict=True))
        whole = enumerate(self.source.shape)
        box = tuple(slice(*spans.get(axis, (0, length))) for axis, length in whole)
        return tuple(self._in_region(note, box) for note in self.notes)

    def _in_region(self, note: Caution | str, box: tuple[slice, ...]) -> Caution | str:
        """Return a note with what it means for a box of the image."""
        if isinstance(note, str) or note.name != "absent-chunks":
            return note
        pixels: Any = self.source.data
        is_file = isinstance(pixels, ZarrPixels)
        absent, total = pixels.absent_in(box) if is_file else absent_count(pixels, box)
        text = f"{note.text.removesuffix('.')}; the ROI lacks {absent} of its {total}."
        return Caution(note.name, text)
