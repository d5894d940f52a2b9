"""Halving: the next lower resolution of pixels, from each 2 x 2 of them."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["even", "every_second", "holds_classes", "is_classes", "largest", "mean"]

Pixels = npt.NDArray[Any]


def even(pixels: Pixels) -> Pixels:
    """Return pixels of even height and width, the last row and column repeated if need be.

    Parameters
    ----------
    pixels : ndarray, shape (..., Y, X)
    """
    odd = [n % 2 for n in pixels.shape[-2:]]
    if not any(odd):
        return pixels
    return np.pad(pixels, [(0, 0)] * (pixels.ndim - 2) + [(0, n) for n in odd], mode="edge")


def mean(pixels: Pixels) -> Pixels:
    """Return the mean of each 2 x 2, rounded where pixels are whole numbers.

    Parameters
    ----------
    pixels : ndarray, shape (..., Y, X)
        Y and X even.
    """
    if pixels.dtype.kind == "b":
        return largest(pixels)
    first, *others = _four(pixels)
    total = first.astype("complex128" if pixels.dtype.kind == "c" else "float64")
    for other in others:
        total += other
    total /= 4
    if pixels.dtype.kind in "iu":
        np.rint(total, out=total)
    return total.astype(pixels.dtype)


def largest(pixels: Pixels) -> Pixels:
    """Return the largest of each 2 x 2: a single changed pixel shows at every resolution.

    Parameters
    ----------
    pixels : ndarray, shape (..., Y, X)
        Y and X even.
    """
    first, *others = _four(pixels)
    for other in others:
        first = np.maximum(first, other)
    return first


def every_second(pixels: Pixels) -> Pixels:
    """Return every second pixel: classes have no mean.

    Parameters
    ----------
    pixels : ndarray, shape (..., Y, X)
    """
    return pixels[..., ::2, ::2]


def holds_classes(dtype: np.dtype[Any], record: dict[str, Any] | None) -> bool:
    """Tell whether pixels are classes or labels, not grey values.

    Parameters
    ----------
    dtype : dtype
    record : dict or None
        Of the run that made them.
    """
    model = (record or {}).get("model")
    spec = model.get("spec") if isinstance(model, dict) else None
    return is_classes(dtype, labels=isinstance(spec, dict) and spec.get("task") == "labels")


def is_classes(dtype: np.dtype[Any], *, labels: bool) -> bool:
    """Tell whether pixels are classes or labels, not grey values.

    Parameters
    ----------
    dtype : dtype
    labels : bool
        Whether a network that segments made them.
    """
    # No camera gives whole numbers of more than 16 bits, and napari's labels are of them.
    return labels or (dtype.kind in "iu" and dtype.itemsize > 2)


def _four(pixels: Pixels) -> list[Pixels]:
    """Return the four pixels of each 2 x 2."""
    return [pixels[..., y::2, x::2] for y in (0, 1) for x in (0, 1)]
