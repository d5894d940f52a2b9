"""Source: an array-like image read plane by plane and box by box, never whole."""

import hashlib
import itertools
import operator
import os
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.large.sample_grid import SampleGrid
from napari_microenhance.engine.reports.report import fingerprint
from napari_microenhance.errors import (
    AxesError,
    ImageError,
    MemoryBudgetError,
    MicroEnhanceError,
)
from napari_microenhance.files import reason
from napari_microenhance.types import AnyArray, Box, ImageLike, LazyArray

__all__ = ["Source", "as_array", "shape_of"]

T = TypeVar("T")

LETTERS = "TCZYX"
LOOK_PX = 1 << 20
"""As many pixels tell about where an image's values lie."""

HASHED_EVERY = 5
"""Of the blocks of a large image; a number that no grid's rows have as their length."""


def reflect(start: int, stop: int, length: int) -> npt.NDArray[np.int64]:
    """Return the indices that mirror an axis at its ends, the end pixels not repeated.

    Equals ``numpy.pad(mode="reflect")`` for any width.
    """
    if length == 1:
        return np.zeros(stop - start, np.int64)
    period = 2 * (length - 1)
    index = np.arange(start, stop) % period
    return np.asarray(np.where(index < length, index, period - index), np.int64)


class Source:
    """An image with named axes.

    Parameters
    ----------
    data : array-like
        With ``shape``, ``dtype`` and slicing: numpy, dask, zarr. Not copied.
    axes : str, optional
        One letter of "TCZYX" per dimension, Y before X. Default: two dimensions are YX,
        three with a last length of 3 or 4 are YXC.
    spatial : {"YX", "ZYX"}
        What the network sees at once: planes or volumes.

    Raises
    ------
    AxesError
        If the axes are unknown, do not fit, or must be given.
    ImageError
        If the image is empty, boolean, complex, masked or not of numbers.
    """

    def __init__(self, data: ImageLike, axes: str | None = None, spatial: str = "YX") -> None:
        self.data = as_array(data)
        self.shape = shape_of(self.data)
        self.dtype = np.dtype(self.data.dtype)
        _check_numbers(self.shape, self.dtype)
        self.axes = _check_axes(axes, self.shape)
        self.is_colour = self.axes.endswith("C") and self.shape[-1] in (3, 4)
        if spatial == "ZYX" and not 0 <= self.axes.find("Z") < self.axes.index("Y"):
            raise AxesError(
                f"The model takes volumes, but the image has the axes {self.axes}; use a "
                "stack with Z before Y."
            )
        self.spatial = spatial
        self.spatial_axes = tuple(self.axes.index(a) for a in spatial)
        self.channel_axis = self.axes.find("C")
        self.plane_axes = tuple(i for i, a in enumerate(self.axes) if a not in "C" + spatial)
        self.plane_shape = tuple(self.shape[i] for i in self.plane_axes)
        self.known: dict[Hashable, Any] = {}
        """What was found out about the image, so that it is read once."""

    def seen_as(self, spatial: str) -> "Source":
        """Return the same image for a network that sees planes ("YX") or volumes ("ZYX").

        Raises
        ------
        AxesError
            If it has no volumes.
        """
        if spatial == self.spatial:
            return self
        other = Source(self.data, self.axes, spatial)
        other.known = self.known
        if "sha256" in self.__dict__:
            other.__dict__["sha256"] = self.sha256
        return other

    @cached_property
    def sha256(self) -> str | None:
        """Fingerprint of the pixels, taken once; None for lazy or very large images."""
        return fingerprint(self.data)

    @cached_property
    def sampled_sha256(self) -> str:
        """Fingerprint of fixed blocks, the same for an array and a file of the same pixels.

        A small image's blocks are all of it.
        """
        height, width = (self.shape[self.axes.index(axis)] for axis in "YX")
        lengths = tuple(self.shape[axis] for axis in self._sampled_axes)
        grid = SampleGrid.of(lengths, height, width, LOOK_PX)
        digest = hashlib.sha256(f"{self.shape} {self.axes} {self.dtype.name}".encode())
        every = 1 if grid.is_whole else HASHED_EVERY
        for plane, rows, columns in itertools.islice(grid.blocks(), 0, None, every):
            part = self.take(tuple(self._block(plane, rows, columns)))
            digest.update(np.ascontiguousarray(part, self.dtype.newbyteorder("=")).data)
        return digest.hexdigest()

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """(Y, X) or (Z, Y, X), px."""
        return tuple(self.shape[a] for a in self.spatial_axes)

    @property
    def channels(self) -> int:
        """Number of channels; 1 without a channel axis."""
        return self.shape[self.channel_axis] if self.channel_axis >= 0 else 1

    @property
    def planes(self) -> tuple[tuple[int, ...], ...]:
        """Index of each plane along the plane axes, in C order."""
        return tuple(np.ndindex(*self.plane_shape))

    def read(self, plane: Sequence[int], channels: Sequence[int], box: Box) -> npt.NDArray[Any]:
        """Return pixels of one plane or volume, mirrored where the box leaves the image.

        Parameters
        ----------
        plane : sequence of int
            One index per plane axis.
        channels : sequence of int
        box : Box
            Spatial ranges, px.

        Returns
        -------
        ndarray, shape (C, *box shape), dtype of the image
        """
        inner: list[slice] = []
        picks: list[npt.NDArray[np.int64] | None] = []
        for (start, stop), length in zip(box, self.spatial_shape, strict=True):
            if start >= 0 and stop <= length:
                inner.append(slice(start, stop))
                picks.append(None)
            else:
                index = reflect(start, stop, length)
                low = int(index.min())
                inner.append(slice(low, int(index.max()) + 1))
                picks.append(index - low)
        pixels = self._slice(plane, channels, tuple(inner))
        for axis, pick in enumerate(picks, start=1):
            if pick is not None:
                pixels = pixels.take(pick, axis=axis)
        return pixels

    def take(self, key: tuple[int | slice, ...]) -> AnyArray:
        """Return a part of the image; the one place where its array is read.

        Parameters
        ----------
        key : tuple of int or slice
            One per axis, inside the image.

        Returns
        -------
        ndarray, dtype of the image
            Not a copy where the array is in memory.

        Raises
        ------
        ImageError
            If the array cannot give it, or gives another shape or number type than it said.
        MemoryBudgetError
            If there is no memory for it.
        """
        part: AnyArray = _answer(lambda: np.asanyarray(self.data[key]))
        part = _unmasked(part) if isinstance(part, np.ma.MaskedArray) else np.asarray(part)
        wanted = tuple(
            len(range(*k.indices(n)))
            for k, n in zip(key, self.shape, strict=True)
            if isinstance(k, slice)
        )
        if part.shape != wanted or part.dtype != self.dtype:
            raise ImageError(
                f"The image declares {self.dtype} in {_by(self.shape)}, but reading "
                f"{_by(wanted)} of it returned {part.dtype} in {_by(part.shape)}; check the "
                "array behind it."
            )
        return part

    def _slice(
        self, plane: Sequence[int], channels: Sequence[int], window: tuple[slice, ...]
    ) -> npt.NDArray[Any]:
        """Return (C, ...) pixels of slices inside the image."""
        key: list[int | slice] = [slice(None)] * len(self.shape)
        for axis, index in zip(self.plane_axes, plane, strict=True):
            key[axis] = index
        for axis, part in zip(self.spatial_axes, window, strict=True):
            key[axis] = part
        return self._channels(key, channels, self.spatial)

    def _channels(
        self, key: list[int | slice], channels: Sequence[int], spatial: str
    ) -> npt.NDArray[Any]:
        """Return (C, ...) pixels; the key holds slices along the spatial axes."""
        if self.channel_axis < 0:
            return self.take(tuple(key))[None]
        first, last = min(channels), max(channels) + 1
        key[self.channel_axis] = slice(first, last)
        pixels = self.take(tuple(key))
        position = [a for a in self.axes if a in "C" + spatial].index("C")
        moved: npt.NDArray[Any] = np.moveaxis(pixels, position, 0)
        return moved[[c - first for c in channels]]

    @cached_property
    def sample_grid(self) -> SampleGrid:
        """Which pixels stand for the image: all, or blocks of a large one."""
        lengths = tuple(self.shape[axis] for axis in self._sampled_axes)
        height, width = (self.shape[self.axes.index(axis)] for axis in "YX")
        return SampleGrid.of(lengths, height, width)

    @property
    def _sampled_axes(self) -> tuple[int, ...]:
        """Axes along which the planes of the sample lie, those of depth included."""
        return tuple(i for i, axis in enumerate(self.axes) if axis not in "CYX")

    def _block(
        self, plane: Sequence[int], rows: tuple[int, int], columns: tuple[int, int]
    ) -> list[int | slice]:
        """Return the key of a block of the sample grid, all channels of it."""
        key: list[int | slice] = [slice(None)] * len(self.shape)
        for axis, index in zip(self._sampled_axes, plane, strict=True):
            key[axis] = index
        key[self.axes.index("Y")], key[self.axes.index("X")] = slice(*rows), slice(*columns)
        return key

    def tries(self, count: int, edge: int) -> Iterator[npt.NDArray[Any]]:
        """Yield corners of some blocks that stand for the image, axes (Y, X, ...).

        Parameters
        ----------
        count : int
            Of the blocks, about.
        edge : int
            px, at most.
        """
        blocks = tuple(self.sample_grid.blocks())
        for plane, (top, bottom), (left, right) in blocks[:: max(1, len(blocks) // count)]:
            rows, columns = (top, min(bottom, top + edge)), (left, min(right, left + edge))
            part = self.take(tuple(self._block(plane, rows, columns)))
            kept = [axis for axis in self.axes if axis in "CYX"]
            yield np.moveaxis(part, [kept.index("Y"), kept.index("X")], [0, 1])

    def sample(self, channels: Sequence[int]) -> Iterator[npt.NDArray[Any]]:
        """Yield pixels of the whole image or stack block by block, at most 16 Mpx of it.

        Parameters
        ----------
        channels : sequence of int

        Yields
        ------
        ndarray, shape (C, N), dtype of the image
            In one order, whatever the image lies in; it follows from the shape alone.
        """
        grid = self.sample_grid
        every, at = -(-grid.pixels // LOOK_PX), 0
        looked = []
        for plane, rows, columns in grid.blocks():
            key = self._block(plane, rows, columns)
            block = self._channels(key, channels, "YX").reshape(len(channels), -1)
            looked.append(block[:, -at % every :: every].copy())
            at += block.shape[1]
            yield block
        self.known["look", tuple(channels)] = np.concatenate(looked, axis=1)

    def look(self, channels: Sequence[int]) -> npt.NDArray[Any]:
        """Return every so many pixels of the sample, about a million, shape (C, N)."""
        key = ("look", tuple(channels))
        if key not in self.known:
            for _ in self.sample(channels):
                pass  # what is looked at is kept on the way
        found: npt.NDArray[Any] = self.known[key]
        return found


def as_array(data: ImageLike) -> LazyArray:
    """Return what has a shape and a number type and can be sliced.

    Parameters
    ----------
    data : array-like
        An array of any library is not read; lists of numbers become an ndarray.

    Raises
    ------
    ImageError
        If it is a path, has masked pixels, or cannot be made an array.
    """
    if isinstance(data, str | bytes | os.PathLike):
        raise ImageError(f"The image is {data!r}, a file name; open the file first.")
    kind = _answer(lambda: getattr(data, "dtype", None))
    has_shape = _answer(lambda: hasattr(data, "shape"))
    if kind is None or not has_shape or not _is_known(kind):
        # Lists of numbers, and arrays with number types of their own.
        data = _answer(lambda: np.asarray(data))
    return _unmasked(data) if isinstance(data, np.ma.MaskedArray) else data  # type: ignore[return-value]


def _is_known(kind: object) -> bool:
    """Tell whether NumPy knows a number type."""
    try:
        np.dtype(kind)  # type: ignore[call-overload]
    except TypeError:
        return False
    return True


def _unmasked(pixels: "np.ma.MaskedArray[Any, Any]") -> AnyArray:
    """Return the pixels of an array without masked ones, or raise."""
    masked = int(np.count_nonzero(np.ma.getmaskarray(pixels)))
    if masked:
        raise ImageError(
            f"The image has {masked} masked pixels, which no model can take; fill them first, "
            "for example with image.filled(0)."
        )
    return np.asarray(np.ma.getdata(pixels))


def shape_of(data: LazyArray) -> tuple[int, ...]:
    """Return the length of each axis, px.

    Parameters
    ----------
    data : array-like
        As `as_array` gives it.

    Raises
    ------
    ImageError
        If the array tells nonsense.
    """
    shape = _answer(lambda: data.shape)
    try:
        lengths = tuple(operator.index(n) for n in shape)
    except TypeError as error:
        raise ImageError(
            f"The image has the shape {shape!r}; its lengths must be whole numbers."
        ) from error
    if min(lengths, default=0) < 0:
        raise ImageError(f"The image has the shape {shape!r}, with a negative length.")
    return lengths


def _answer(ask: Callable[[], T]) -> T:
    """Return what an array of another library answers; whatever it raises becomes one sentence."""
    try:
        return ask()
    except MicroEnhanceError:
        raise
    except MemoryError as error:
        raise MemoryBudgetError(
            "There is not enough memory to read the image; use a smaller ROI."
        ) from error
    except Exception as error:
        said = reason(error) or type(error).__name__
        raise ImageError(f"The image cannot be read: {said}.") from error


def _by(shape: tuple[int, ...]) -> str:
    """Return a shape in words."""
    return " x ".join(map(str, shape)) or "one value"


def _check_numbers(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise unless the image has pixels that are real numbers."""
    if 0 in shape:
        raise ImageError(f"The image is empty: its shape is {shape}.")
    if dtype.kind == "b":
        raise ImageError("The image is boolean (a mask); use a greyscale or colour image.")
    if dtype.kind == "c":
        raise ImageError("The image is complex; use its magnitude or its real part.")
    if dtype.kind not in "uif":
        raise ImageError(f"The image has pixels of type {dtype.name}; use integers or floats.")


def _check_axes(axes: object, shape: tuple[int, ...]) -> str:
    """Return the axes or raise a sentence that asks for them."""
    if axes is None:
        if len(shape) == 2:
            return "YX"
        if len(shape) == 3 and shape[-1] in (3, 4):
            return "YXC"
        raise AxesError(
            f'An image of shape {shape} is ambiguous; name its axes, for example axes="ZYX" '
            'or axes="CYX".'
        )
    if not isinstance(axes, str):
        raise AxesError(f'axes={axes!r} must be letters, such as axes="ZYX".')
    axes = axes.upper()
    if len(axes) != len(shape):
        raise AxesError(f"axes={axes!r} names {len(axes)} axes, but the image has {len(shape)}.")
    if unknown := sorted(set(axes) - set(LETTERS)):
        raise AxesError(f"axes={axes!r} has the unknown letter {unknown[0]!r}; use {LETTERS}.")
    if len(set(axes)) != len(axes):
        raise AxesError(f"axes={axes!r} names an axis twice.")
    if "Y" not in axes or "X" not in axes or axes.index("Y") > axes.index("X"):
        raise AxesError(f"axes={axes!r} must contain Y and, after it, X.")
    return axes
