"""A patch over all of its image, read only where it is looked at."""

import math
from collections.abc import Sequence
from fractions import Fraction
from types import EllipsisType
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FullExtent"]

_SINGLE_SCALE_PX = 2048
_COARSEST_PX = 1024

Key = int | slice | EllipsisType
Indices = Sequence[npt.NDArray[np.intp]]


class FullExtent:
    """Pixels over those of their image, as an array-like of the whole extent.

    A patch alone would double the channel of a composite that lies below it, and an image
    that was hidden for it would be blank around it.

    Parameters
    ----------
    levels : sequence of array-like
        Of the image, finest first; all axes, colour last.
    patch : array-like
        With the image's axes; NaN, or colours with an alpha of 0, show the image. Read
        anew at every look.
    start : sequence of int
        First pixel of the patch along each axis but colour, px of the result.
    ratio : sequence of Fraction
        Pixels of the result per pixel of the image, along the same axes.
    thinning : int
        Pixels of the result per pixel of the patch, along y and x.
    step : int
        Every so many pixels of the result are shown, along y and x.
    others : sequence of FullExtent
        Whose patches are shown as well, below this one; they are not `alone`.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
        Those of the patch.
    """

    def __init__(
        self,
        levels: Sequence[Any],
        patch: Any,  # noqa: ANN401 - any array-like
        start: Sequence[int],
        ratio: Sequence[Fraction] | None = None,
        *,
        thinning: int = 1,
        step: int = 1,
        others: "Sequence[FullExtent]" = (),
    ) -> None:
        ndim = len(start)
        self._others = tuple(others)
        self._levels, self._patch, self._start = levels, patch, tuple(start)
        self._ratio = tuple(ratio or (Fraction(1),) * ndim)
        self._thinning = (1,) * (ndim - 2) + (thinning,) * 2
        self._steps = (1,) * (ndim - 2) + (step,) * 2
        self.dtype: np.dtype[Any] = np.dtype(patch.dtype)
        whole = [math.ceil(n * r) for n, r in zip(levels[0].shape, self._ratio, strict=False)]
        spatial = (math.ceil(n / s) for n, s in zip(whole, self._steps, strict=True))
        self.shape: tuple[int, ...] = (*spatial, *patch.shape[ndim:])

    @property
    def ndim(self) -> int:
        """Number of dimensions, colour counted."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def pyramid(self) -> "list[FullExtent]":
        """Return ever coarser looks at it, so that napari never uploads a large one whole."""
        levels, ndim = [self], len(self._start)
        if max(self.shape[ndim - 2 : ndim]) > _SINGLE_SCALE_PX:
            while max(levels[-1].shape[ndim - 2 : ndim]) > _COARSEST_PX:
                step, thinning = 2 * levels[-1]._steps[-1], self._thinning[-1]
                args = (self._levels, self._patch, self._start, self._ratio)
                levels.append(FullExtent(*args, thinning=thinning, step=step, others=self._others))
        return levels

    def beside(self, others: "Sequence[FullExtent]") -> "FullExtent":
        """Return it with the patches of others of the same image and ratio, at full resolution."""
        args = (self._levels, self._patch, self._start, self._ratio)
        patches = [other.alone for other in others]
        return FullExtent(*args, thinning=self._thinning[-1], others=patches)

    @property
    def alone(self) -> "FullExtent":
        """The result that it is: with the image's own pixels wherever it has none."""
        if not self._others:
            return self
        args = (self._levels, self._patch, self._start, self._ratio)
        return FullExtent(*args, thinning=self._thinning[-1], step=self._steps[-1])

    def __getitem__(self, key: Key | tuple[Key, ...]) -> npt.NDArray[Any]:
        parts = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in parts:
            at = parts.index(Ellipsis)
            parts[at : at + 1] = [slice(None)] * (self.ndim - len(parts) + 1)
        parts += [slice(None)] * (self.ndim - len(parts))
        ndim = len(self._start)
        picks = [
            np.arange(n)[p if isinstance(p, slice) else [int(p)]]  # type: ignore[arg-type]
            for p, n in zip(parts[:ndim], self.shape, strict=False)
        ]
        found = self._cut([i * s for i, s in zip(picks, self._steps, strict=True)])
        drop = tuple(i for i, p in enumerate(parts[:ndim]) if not isinstance(p, slice))
        colours = parts[ndim] if self.ndim > ndim else slice(None)
        if self.ndim > ndim:
            found = found[..., colours]
        return np.squeeze(found, axis=drop)

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        return np.array(self[...], dtype=dtype, copy=copy)

    def _cut(self, wanted: Indices) -> npt.NDArray[Any]:
        """Return some pixels of the result: their numbers along each axis but colour."""
        shown = self._below(wanted)
        for one in (*self._others, self):
            one._paint(shown, wanted)
        return shown

    def _paint(self, shown: npt.NDArray[Any], wanted: Indices) -> None:
        """Write the patch over pixels of the image."""
        put, take = [], []
        lengths = self._patch.shape
        for at, start, thin, n in zip(wanted, self._start, self._thinning, lengths, strict=False):
            inside = np.flatnonzero((at >= start) & (at < start + n * thin))
            if not inside.size:
                return
            put.append(inside)
            take.append((at[inside] - start) // thin)
        # What is inside lies together: numbers that are asked for are in order.
        window = tuple(slice(i[0], i[-1] + 1) for i in put)
        over, target = _read(self._patch, take), shown[window]
        if over.ndim > len(take):
            seen = over[..., 3] > 0 if over.shape[-1] == 4 else None
        else:
            seen = ~np.isnan(over) if over.dtype.kind == "f" else None
        if seen is None:
            target[...] = over
        else:
            target[seen] = over[seen]

    def _below(self, wanted: Indices) -> npt.NDArray[Any]:
        """Return the image's own pixels, repeated or thinned to the grid of the result."""
        ratio = self._ratio
        own = [i * r.denominator // r.numerator for i, r in zip(wanted, ratio, strict=True)]
        level, factors = self._level(own)
        lengths = level.shape
        at = [np.minimum(i // f, n - 1) for i, f, n in zip(own, factors, lengths, strict=False)]
        pixels = _read(level, at)
        colours = self.shape[len(wanted) :]
        if colours and pixels.shape[-1] != colours[0]:
            full = np.iinfo(self.dtype).max if self.dtype.kind in "iu" else 1
            opaque = np.full((*pixels.shape[:-1], *colours), full, self.dtype)
            opaque[..., : pixels.shape[-1]] = pixels
            return opaque
        return pixels.astype(self.dtype)

    def _level(self, own: Indices) -> tuple[Any, tuple[int, ...]]:
        """Return the coarsest level of the image that still has every wanted pixel."""
        steps = [int(np.diff(i[:2])[0]) if len(i) > 1 else 1 for i in own[-2:]]
        ndim, finest = len(own), self._levels[0]
        for level in reversed(self._levels):
            pairs = zip(finest.shape[:ndim], level.shape[:ndim], strict=True)
            factors = tuple(max(1, round(n / m)) for n, m in pairs)
            if max(factors[-2:]) <= min(steps) and set(factors[:-2]) <= {1}:
                return level, factors
        return finest, (1,) * ndim


def _read(data: Any, at: Indices) -> npt.NDArray[Any]:  # noqa: ANN401 - any array-like
    """Return elements of an array-like by their numbers along the first axes, in order."""
    spans, rest = [], []
    for i in at:
        steps = np.diff(i)
        even = len(i) < 2 or bool((steps == steps[0]).all() and steps[0] > 0)
        step = int(steps[0]) if even and len(i) > 1 else 1
        spans.append(slice(int(i[0]), int(i[-1]) + 1, step) if len(i) else slice(0, 0))
        rest.append(None if even else i - i[0])
    pixels = np.asarray(data[tuple(spans)])
    for axis, numbers in enumerate(rest):
        if numbers is not None:
            pixels = pixels.take(numbers, axis=axis)
    return pixels
