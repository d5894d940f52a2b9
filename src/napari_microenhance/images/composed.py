"""A result as an array that is composed where it is sliced, for images of any size."""

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.region import intersect, slices
from napari_microenhance.engine.result import Result

__all__ = ["ResultPixels"]


class ResultPixels:
    """What ``Result.pixels`` holds, box by box and never whole in memory.

    Parameters
    ----------
    result : Result
    """

    def __init__(self, result: Result) -> None:
        self._result = result
        self._page = result.page
        self._letters = result.page.source.axes
        self._patch = result.place.box
        whole = dict(zip(self._letters, result.page.shape, strict=True))
        self.shape: tuple[int, ...] = (
            result.patch.shape if result.cropped else tuple(whole[axis] for axis in result.axes)
        )
        self.dtype: np.dtype[Any] = result.patch.dtype

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Return the pixels of a box, one slice without step per axis."""
        if self._result.cropped:
            return self._result.patch[key]
        spans = [part.indices(n)[:2] for part, n in zip(key, self.shape, strict=True)]
        wanted = dict(zip(self._result.axes, spans, strict=True))
        lengths = zip(self._letters, self._page.shape, strict=True)
        block = self._page.cut(tuple(wanted.get(axis, (0, n)) for axis, n in lengths))
        if common := intersect(tuple(spans), self._patch):
            inner = self._result.patch[slices(common, [a for a, _ in self._patch])]
            block[slices(common, [a for a, _ in spans])] = inner
        return block
