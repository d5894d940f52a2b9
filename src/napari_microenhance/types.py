"""Names for what functions take and give all over the package."""

import os
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "AnyArray",
    "BoolArray",
    "Box",
    "Float32Array",
    "Float64Array",
    "ImageLike",
    "JsonObject",
    "LazyArray",
    "PathLike",
    "RoiLike",
    "ShouldStop",
]

Box: TypeAlias = tuple[tuple[int, int], ...]
"""One half-open (start, stop) range per axis, px."""

AnyArray: TypeAlias = npt.NDArray[Any]
"""An array in memory of any number type."""

BoolArray: TypeAlias = npt.NDArray[np.bool_]
Float32Array: TypeAlias = npt.NDArray[np.float32]
Float64Array: TypeAlias = npt.NDArray[np.float64]

JsonObject: TypeAlias = dict[str, Any]
"""Plain JSON values by name."""

PathLike: TypeAlias = str | os.PathLike[str]
"""The place of a file or folder."""

ShouldStop: TypeAlias = Callable[[], bool]
"""Polled while something runs; true ends it."""


class LazyArray(Protocol):
    """An array that is read where it is sliced: numpy, dask, zarr."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    @property
    def dtype(self) -> npt.DTypeLike:
        """Number type of its values, whatever NumPy takes as one."""

    def __getitem__(self, key: Any, /) -> Any:  # noqa: ANN401 - libraries differ in what they take
        """Return a part of it, as something that NumPy makes an array of."""


ImageLike: TypeAlias = LazyArray | npt.ArrayLike | PathLike
"""An image: an array, lazy or not, or the path of a file."""

RoiLike: TypeAlias = object
"""A region: None for all, a mask or label image, (N, 2) arrays of (y, x), `Roi` values, what a
file of regions holds, or its path. Checked where it is taken, for no type says all of these."""
