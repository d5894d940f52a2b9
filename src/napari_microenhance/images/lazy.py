"""Pixels that stay on the disk until they are asked for."""

import abc
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.files import check_room
from napari_microenhance.types import Box, LazyArray

__all__ = ["ChannelPixels", "LazyPixels", "StackedPixels", "WindowPixels", "moved"]


class LazyPixels(abc.ABC):
    """An array that is read where it is indexed; what numpy, dask and napari ask of one.

    Parameters
    ----------
    path : Path
        For error messages.
    shape : tuple of int
    dtype : numpy.dtype
        Native byte order.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.path = path
        self.shape = shape
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        """Return the length of the first axis."""
        return self.shape[0]

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - ints, slices, an ellipsis
        """Return the pixels that ints and slices name.

        Raises
        ------
        ImageError
            If they cannot be read.
        """
        keys = self._full(key if isinstance(key, tuple) else (key,))
        spans, inner = [], []
        for part, length in zip(keys, self.shape, strict=True):
            span, rest = _span(part, length)
            spans.append(span)
            inner.append(rest)
        return np.asarray(self.read(tuple(spans))[tuple(inner)])

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """Return all pixels, if they fit into memory."""
        check_room(self.path, self.size * self.dtype.itemsize)
        return np.asarray(self[...], dtype=dtype)

    @abc.abstractmethod
    def read(self, box: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Return the pixels of a box.

        Parameters
        ----------
        box : tuple of slice
            One per axis, with start and stop inside the image, without step.

        Returns
        -------
        ndarray
            As many dimensions as the image; of its `dtype`.

        Raises
        ------
        ImageError
            If they cannot be read.
        """

    def _full(self, key: tuple[Any, ...]) -> list[Any]:
        """Return one int or slice per axis."""
        at = next((i for i, part in enumerate(key) if part is Ellipsis), len(key))
        missing = self.ndim - sum(part is not Ellipsis for part in key)
        if missing < 0:
            raise IndexError(f"{len(key)} indices for an image of {self.ndim} dimensions")
        return [*key[:at], *[slice(None)] * missing, *key[at + 1 :]]


class ChannelPixels(LazyPixels):
    """One channel of lazy pixels.

    Parameters
    ----------
    pixels : LazyPixels
    axis : int
        Of its channels.
    channel : int
    """

    def __init__(self, pixels: LazyPixels, axis: int, channel: int) -> None:
        shape = (*pixels.shape[:axis], *pixels.shape[axis + 1 :])
        super().__init__(pixels.path, shape, pixels.dtype)
        self._pixels = pixels
        self._axis = axis
        self._channel = channel

    def read(self, box: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Return the pixels of a box of the channel."""
        one = slice(self._channel, self._channel + 1)
        block = self._pixels.read((*box[: self._axis], one, *box[self._axis :]))
        return block.squeeze(self._axis)


class WindowPixels(LazyPixels):
    """A box of lazy pixels.

    Parameters
    ----------
    pixels : LazyPixels
    box : Box
        One (start, stop) per axis, inside them.
    """

    def __init__(self, pixels: LazyPixels, box: Box) -> None:
        super().__init__(pixels.path, tuple(b - a for a, b in box), pixels.dtype)
        self._pixels = pixels
        self._start = tuple(a for a, _ in box)

    def read(self, box: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Return the pixels of a box of it."""
        pairs = zip(box, self._start, strict=True)
        return self._pixels.read(tuple(slice(s.start + a, s.stop + a) for s, a in pairs))


class MovedPixels(LazyPixels):
    """Lazy pixels with their axes in another order.

    Parameters
    ----------
    pixels : LazyPixels
    order : sequence of int
        Which axis of them comes first here, second, and so on.
    """

    def __init__(self, pixels: LazyPixels, order: Sequence[int]) -> None:
        super().__init__(pixels.path, tuple(pixels.shape[axis] for axis in order), pixels.dtype)
        self._pixels = pixels
        self._order = tuple(order)

    def read(self, box: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Return the pixels of a box."""
        stored = tuple(box[self._order.index(axis)] for axis in range(self.ndim))
        return self._pixels.read(stored).transpose(self._order)


class StackedPixels(LazyPixels):
    """Images of one shape along a new first axis.

    Parameters
    ----------
    images : sequence of array-like
        Of one shape and dtype; at least one. They stay where they are.
    path : Path
        For error messages.
    """

    def __init__(self, images: Sequence[LazyArray], path: Path) -> None:
        first = images[0]
        super().__init__(path, (len(images), *first.shape), np.dtype(first.dtype))
        self._images = tuple(images)

    def read(self, box: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Return the pixels of a box."""
        block = np.empty([part.stop - part.start for part in box], self.dtype)
        for target, image in zip(block, self._images[box[0]], strict=True):
            target[...] = image[box[1:]]
        return block


def moved(
    pixels: npt.NDArray[Any] | LazyPixels, source: int, target: int
) -> npt.NDArray[Any] | LazyPixels:
    """Return pixels with one axis at another place; lazy ones stay where they are.

    Parameters
    ----------
    pixels : array-like
    source, target : int
        From where to where, as `numpy.moveaxis` takes them.
    """
    if not isinstance(pixels, LazyPixels):
        return np.moveaxis(pixels, source, target)
    order = list(range(pixels.ndim))
    axis = order.pop(source)
    order.insert(target % pixels.ndim, axis)
    return pixels if order == sorted(order) else MovedPixels(pixels, order)


def _span(part: Any, length: int) -> tuple[slice, Any]:  # noqa: ANN401 - int or slice
    """Return what is read along an axis, and what of that is asked for."""
    if isinstance(part, slice):
        start, stop, step = part.indices(length)
        count = len(range(start, stop, step))
        if count == 0:
            return slice(0, 0), slice(None)
        last = start + (count - 1) * step
        low, high = min(start, last), max(start, last)
        return slice(low, high + 1), slice(None, None, step)
    at = int(part)
    if not -length <= at < length:
        raise IndexError(f"index {at} is out of range for an axis of {length}")
    at %= length
    return slice(at, at + 1), 0
