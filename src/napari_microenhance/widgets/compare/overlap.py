"""Overlap: which pixels of an image a result lies over, found from where napari shows them."""

import dataclasses
import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from napari.utils.transforms import Affine

from napari_microenhance.errors import ImageError
from napari_microenhance.widgets.compare.visible_part import flat_placement, plane_shape
from napari_microenhance.widgets.viewer.view import unit_factors

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_microenhance.widgets.viewer.layer_values import LayerPlacement

__all__ = ["Overlap"]

_FINEST = 64
_SLACK_PX = 0.01
"""A transform that went through a file is not the same to the last bit."""

FloatArray = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Overlap:
    """A result on the grid of its image, in the plane of y and x.

    Parameters
    ----------
    ratio : Fraction
        Pixels of the result per pixel of the image, a whole number or one over one.
    box : tuple of (start, stop) for y and x
        Pixels of the image that the result lies over.
    """

    ratio: Fraction
    box: tuple[tuple[int, int], tuple[int, int]]


def read_overlap(original: "Layer", result: "Layer") -> Overlap:
    """Find how a result lies over its image.

    Raises
    ------
    ImageError
        If the two are turned, shifted or scaled against each other.
    """
    to_world, from_world = (_to_world(flat_placement(layer)) for layer in (result, original))
    source, target = flat_placement(result).units, flat_placement(original).units
    matrix = np.diag([*unit_factors(source, target), 1.0])
    # Pixel indices of the result to those of the image.
    matrix = np.linalg.inv(from_world) @ matrix @ to_world
    ratio = _ratio(matrix)
    if ratio is not None:
        # Pixel centres are at whole numbers, so a finer grid begins before the first one.
        start = matrix[:2, 2] - (float(1 / ratio) - 1) / 2
        first = np.rint(start).astype(int).tolist()
        own, whole = plane_shape(result), plane_shape(original)
        stop = [a + math.ceil(n / ratio) for a, n in zip(first, own, strict=True)]
        # The last pixel of a coarser result may lie half beyond the image.
        over = max(b - n for b, n in zip(stop, whole, strict=True))
        if (
            np.abs(start - first).max() <= _SLACK_PX
            and min(first) >= 0
            and over < max(1, 1 / ratio)
        ):
            spans = [(a, min(b, n)) for a, b, n in zip(first, stop, whole, strict=True)]
            return Overlap(ratio, (spans[0], spans[1]))
    raise ImageError(
        f"{result.name!r} does not lie on the pixels of {original.name!r} (different size or "
        "transform), so the two cannot be compared this way."
    )


def _to_world(placement: "LayerPlacement") -> FloatArray:
    """Return the matrix from pixel indices to the world, shape (3, 3)."""
    own = Affine(
        scale=placement.scale,
        translate=placement.translate,
        rotate=placement.rotate,
        shear=placement.shear,
        ndim=2,
    )
    return np.asarray(placement.affine @ own.affine_matrix, float)


def _ratio(matrix: FloatArray) -> Fraction | None:
    """Return the scale between two grids, or None where it is no whole number."""
    step = abs(float(matrix[0, 0]))
    if not 1 / (_FINEST + 1) < step < _FINEST + 1:
        return None
    whole = Fraction(1, round(step)) if step >= 1 else Fraction(round(1 / step))
    grid = np.eye(2) / float(whole)
    return whole if np.abs(matrix[:2, :2] - grid).max() <= 1e-4 * step else None
