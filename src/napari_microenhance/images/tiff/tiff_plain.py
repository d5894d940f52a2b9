"""Grey and colour of TIFF pixels that stay in their file, as they are meant."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.images.lazy import LazyPixels
from napari_microenhance.images.tiff.tiff_colour import PageColour, PlainValues, plain_values

__all__ = ["PlainPixels", "plain_lazily"]


def plain_lazily(
    path: Path, pixels: LazyPixels, axes: str, colour: PageColour, *, palette_indices: bool
) -> PlainValues:
    """Turn the file's way of storing grey and colour into plain values where they are read.

    Parameters
    ----------
    path : Path
    pixels : LazyPixels
    axes : str
        tifffile's letters, samples last.
    colour : PageColour
        Not of real numbers whose white is zero: those need all pixels.
    palette_indices : bool
        Give the numbers of a palette image, not its colours.

    Raises
    ------
    ImageError
        If its colours are stored in a way that is not read.
    """
    samples = pixels.shape[-1:] if axes.endswith("S") else ()
    one = np.zeros((1,) * (pixels.ndim - len(samples)) + samples, pixels.dtype)
    plain = plain_values(path, one, axes, colour, palette_indices=palette_indices)
    if plain.pixels is one:
        found = pixels
    else:
        found = PlainPixels(pixels, axes, colour, plain, palette_indices=palette_indices)
    return PlainValues(found, plain.axes, plain.is_colour, plain.cautions)


class PlainPixels(LazyPixels):
    """Lazy pixels whose stored values are turned into plain ones.

    Parameters
    ----------
    pixels : LazyPixels
    axes : str
        tifffile's letters, samples last.
    colour : PageColour
    plain : PlainValues
        What becomes of one of the pixels.
    palette_indices : bool
        Give the numbers of a palette image, not its colours.
    """

    def __init__(
        self,
        pixels: LazyPixels,
        axes: str,
        colour: PageColour,
        plain: PlainValues,
        *,
        palette_indices: bool,
    ) -> None:
        count = len(axes) - axes.endswith("S")
        shape = (*pixels.shape[:count], *plain.pixels.shape[count:])
        super().__init__(pixels.path, shape, np.dtype(plain.pixels.dtype))
        self._pixels = pixels
        self._axes = axes
        self._count = count
        self._colour = colour
        self._palette_indices = palette_indices

    def read(self, box: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Return the pixels of a box."""
        samples = [slice(0, n) for n in self._pixels.shape[self._count :]]
        stored = self._pixels.read((*box[: self._count], *samples))
        plain = plain_values(
            self.path, stored, self._axes, self._colour, palette_indices=self._palette_indices
        )
        chosen: tuple[Any, ...] = (Ellipsis, *box[self._count :])
        return np.asarray(plain.pixels[chosen])
