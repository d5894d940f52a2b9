"""Source: an array-like image read plane by plane and box by box, never whole."""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.reports.report import fingerprint
from napari_microenhance.errors import AxesError, ImageError
from napari_microenhance.types import Box

__all__ = ["Source", "reflect"]

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
        If the image is empty, boolean, complex or not of numbers.
    """

    def __init__(
        self,
        data: Any,  # noqa: ANN401 - any array-like
        axes: str | None = None,
        spatial: str = "YX",
    ) -> None:
        if not (hasattr(data, "shape") and hasattr(data, "dtype")):
            data = np.asarray(data)
        self.data = data
        self.shape: tuple[int, ...] = tuple(int(n) for n in data.shape)
        self.dtype = np.dtype(data.dtype)
        _check_numbers(self.shape, self.dtype)
        self.axes = _check_axes(axes, self.shape)
        self.is_colour = self.axes.endswith("C") and self.shape[-1] in (3, 4)
        if spatial == "ZYX" and not 0 <= self.axes.find("Z") < self.axes.index("Y"):
            raise AxesError(
                f"The network takes volumes, the image has the axes {self.axes}; "
                "give a stack with Z before Y."
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
            return np.asarray(self.data[tuple(key)])[None]
        first, last = min(channels), max(channels) + 1
        key[self.channel_axis] = slice(first, last)
        pixels = np.asarray(self.data[tuple(key)])
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


def _check_numbers(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise unless the image has pixels that are real numbers."""
    if 0 in shape:
        raise ImageError(f"The image is empty: its shape is {shape}.")
    if dtype.kind == "b":
        raise ImageError("The image is boolean, a mask; give a greyscale or colour image.")
    if dtype.kind == "c":
        raise ImageError("The image is complex; give its magnitude or its real part.")
    if dtype.kind not in "uif":
        raise ImageError(f"The image has pixels of type {dtype}; give whole or real numbers.")


def _check_axes(axes: str | None, shape: tuple[int, ...]) -> str:
    """Return the axes or raise a sentence that asks for them."""
    if axes is None:
        if len(shape) == 2:
            return "YX"
        if len(shape) == 3 and shape[-1] in (3, 4):
            return "YXC"
        raise AxesError(
            f"An image of shape {shape} can be read in several ways; name its axes, "
            'for example axes="ZYX" or axes="CYX".'
        )
    axes = axes.upper()
    if len(axes) != len(shape):
        raise AxesError(f"axes={axes!r} names {len(axes)} axes, but the image has {len(shape)}.")
    if unknown := sorted(set(axes) - set(LETTERS)):
        raise AxesError(f"axes={axes!r} has the unknown letter {unknown[0]!r}; use {LETTERS}.")
    if len(set(axes)) != len(axes):
        raise AxesError(f"axes={axes!r} names an axis twice.")
    if "Y" not in axes or "X" not in axes or axes.index("Y") > axes.index("X"):
        raise AxesError(f"axes={axes!r} needs Y and, after it, X.")
    return axes
