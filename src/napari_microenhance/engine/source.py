"""Source: an array-like image read plane by plane and box by box, never whole."""

import math
import operator
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

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
SAMPLE_PX = 16_000_000


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
        if "sha256" in self.__dict__:
            other.__dict__["sha256"] = self.sha256
        return other

    @cached_property
    def sha256(self) -> str | None:
        """Fingerprint of the pixels, taken once; None for lazy or very large images."""
        return fingerprint(self.data)

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
        if self.channel_axis < 0:
            return self.take(tuple(key))[None]
        first, last = min(channels), max(channels) + 1
        key[self.channel_axis] = slice(first, last)
        pixels = self.take(tuple(key))
        position = [a for a in self.axes if a in "C" + self.spatial].index("C")
        moved: npt.NDArray[Any] = np.moveaxis(pixels, position, 0)
        return moved[[c - first for c in channels]]

    def sample(self, channels: Sequence[int]) -> npt.NDArray[Any]:
        """Return pixels of all planes, thinned evenly to at most 16 Mpx, shape (C, N)."""
        total = math.prod(self.spatial_shape) * math.prod(self.plane_shape)
        step = 1
        while total / step**2 > SAMPLE_PX:
            step += 1
        # Every step-th row and column of every plane.
        thinned = slice(None, None, step)
        window = (*[slice(None)] * (len(self.spatial) - 2), thinned, thinned)
        parts = [self._slice(p, channels, window).reshape(len(channels), -1) for p in self.planes]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


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
