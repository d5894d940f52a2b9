"""Orientation tags of EXIF and TIFF: pixels as they are meant to be seen.

References
----------
.. [1] TIFF Revision 6.0, section 8, "Orientation".
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.images.imagefile import PixelSize
from napari_microenhance.images.lazy import LazyPixels

__all__ = ["TAG", "TurnedPixels", "turned", "turned_caution", "turned_size"]

TAG: Final = 274
"""Of the orientation, in EXIF and in TIFF."""

# (exchange rows and columns first, mirror rows, mirror columns)
_TURNS: Final = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def turned(pixels: npt.NDArray[Any], orientation: object, *, rows: int) -> npt.NDArray[Any]:
    """Return pixels with their first row at the top and their first column at the left.

    Parameters
    ----------
    pixels : ndarray
    orientation : object
        Value of the tag; 1, and whatever is not defined, changes nothing.
    rows : int
        Axis of the rows; that of the columns follows.
    """
    exchange, up, left = _turn(orientation)
    if exchange:
        pixels = np.swapaxes(pixels, rows, rows + 1)
    if up:
        pixels = np.flip(pixels, rows)
    if left:
        pixels = np.flip(pixels, rows + 1)
    return np.ascontiguousarray(pixels) if exchange or up or left else pixels


class TurnedPixels(LazyPixels):
    """Lazy pixels, upright.

    Parameters
    ----------
    pixels : LazyPixels
    orientation : object
        Value of the tag.
    rows : int
        Axis of the rows; that of the columns follows.
    """

    def __init__(self, pixels: LazyPixels, orientation: object, *, rows: int) -> None:
        shape = list(pixels.shape)
        if _turn(orientation)[0]:
            shape[rows], shape[rows + 1] = shape[rows + 1], shape[rows]
        super().__init__(pixels.path, tuple(shape), pixels.dtype)
        self._pixels = pixels
        self._orientation = orientation
        self._rows = rows

    def read(self, box: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Return the pixels of a box."""
        exchange, up, left = _turn(self._orientation)
        stored = list(box)
        for axis, mirrored in ((self._rows, up), (self._rows + 1, left)):
            if mirrored:
                length, part = self.shape[axis], box[axis]
                stored[axis] = slice(length - part.stop, length - part.start)
        if exchange:
            first, second = stored[self._rows : self._rows + 2]
            stored[self._rows : self._rows + 2] = second, first
        return turned(self._pixels.read(tuple(stored)), self._orientation, rows=self._rows)


def turned_size(pixel_size: PixelSize, orientation: object) -> PixelSize:
    """Return the pixel size of turned pixels.

    Parameters
    ----------
    pixel_size : mapping of str to (float, str)
    orientation : object
        Value of the tag.
    """
    if not _turn(orientation)[0]:
        return pixel_size
    other = {"Y": "X", "X": "Y"}
    return {other.get(axis, axis): step for axis, step in pixel_size.items()}


def turned_caution(name: str, orientation: object) -> tuple[Caution, ...]:
    """Return the sentence for an image that was turned; nothing for one that was not.

    Parameters
    ----------
    name : str
        Of the file.
    orientation : object
        Value of the tag.
    """
    if not any(_turn(orientation)):
        return ()
    return (
        Caution(
            "orientation",
            f"{name} was turned upright as its orientation tag ({orientation}) says; "
            "an ROI drawn on the stored pixels does not fit it.",
        ),
    )


def _turn(orientation: object) -> tuple[bool, bool, bool]:
    """Return what an orientation asks for."""
    return _TURNS.get(orientation if isinstance(orientation, int) else 1, (False,) * 3)
