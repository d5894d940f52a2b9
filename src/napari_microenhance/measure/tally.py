"""Tally: the figures of a region, gathered piece by piece, so that no plane is held whole."""

import dataclasses
import math
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.region import slices
from napari_microenhance.measure.comparison import Figures
from napari_microenhance.types import Box

__all__ = ["SSIM_REACH", "Piece", "Tally", "similarity"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SSIM_REACH: Final = 5
"""How far the Gaussian window of SSIM reaches, px: 3.5 standard deviations of 1.5 px."""

_SIGMA: Final = 1.5


@dataclasses.dataclass(frozen=True, eq=False)
class Piece:
    """A rectangle of both images with what is known of each pixel.

    Parameters
    ----------
    before, after : ndarray, shape (C, Y, X), float64
    similar : ndarray, shape (Y, X), float64
        Structural similarity; NaN where its window leaves the image.
    changed, clipped : ndarray, shape (Y, X), bool
    """

    before: FloatArray
    after: FloatArray
    similar: FloatArray
    changed: BoolArray
    clipped: BoolArray

    def cut(self, box: Box) -> "Piece":
        """Return a part of it; (Y, X) ranges from its own first pixel."""
        here = slices(box)
        return Piece(
            self.before[:, *here],
            self.after[:, *here],
            self.similar[here],
            self.changed[here],
            self.clipped[here],
        )


@dataclasses.dataclass
class Moments:
    """Mean and squared deviations of numbers that come in groups.

    References
    ----------
    .. [1] T. F. Chan, G. H. Golub and R. J. LeVeque, "Algorithms for computing the sample
       variance", The American Statistician 37(3), 1983.
       https://doi.org/10.1080/00031305.1983.10483115
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def add(self, values: FloatArray) -> None:
        """Take some more numbers in."""
        mean = float(values.mean())
        gap, total = mean - self.mean, self.count + values.size
        self.squares += float(np.square(values - mean).sum())
        self.squares += gap**2 * self.count * values.size / total
        self.mean += gap * values.size / total
        self.count = total
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))

    @property
    def deviation(self) -> float:
        """Standard deviation."""
        return math.sqrt(self.squares / self.count)


class Tally:
    """The sums that the figures of a region are made of."""

    def __init__(self) -> None:
        self.before, self.after = Moments(), Moments()
        self._pixels = self._changed = self._clipped = 0
        self._error = self._power = self._largest = 0.0
        self._similar, self._similar_count = 0.0, 0
        self._sharp: list[tuple[float, float, int]] = []

    @property
    def pixels(self) -> int:
        """Pixels so far."""
        return self._pixels

    def add(self, piece: Piece, inside: BoolArray) -> None:
        """Take in the pixels of a piece that belong to the region; at least one does."""
        before, after = chosen(piece.before, inside), chosen(piece.after, inside)
        self.before.add(before)
        self.after.add(after)
        gap = after - before
        self._pixels += before.shape[1]
        self._error += float(np.square(gap).sum())
        self._power += float(np.square(before).sum())
        self._largest = max(self._largest, float(np.abs(gap).max()))
        self._changed += int(np.count_nonzero(piece.changed & inside))
        self._clipped += int(np.count_nonzero(piece.clipped & inside))
        similar = chosen(piece.similar[None], inside)[0]
        known = similar[~np.isnan(similar)]
        self._similar += float(known.sum())
        self._similar_count += known.size

    def add_sharpness(self, before: float | None, after: float | None, pixels: int) -> None:
        """Take in the sharpness of one plane."""
        if before is not None and after is not None:
            self._sharp.append((before, after, pixels))

    def figures(self, data_range: float) -> Figures:
        """Return what the sums say."""
        error = self._error / self.before.count
        sharp = [
            float(
                np.average([row[i] for row in self._sharp], weights=[row[2] for row in self._sharp])
            )
            if self._sharp
            else None
            for i in range(2)
        ]
        return Figures(
            pixels=self._pixels,
            mean_before=self.before.mean,
            mean_after=self.after.mean,
            contrast_before=self.before.deviation,
            contrast_after=self.after.deviation,
            sharpness_before=sharp[0],
            sharpness_after=sharp[1],
            psnr=10 * math.log10(data_range**2 / error) if error else math.inf,
            ssim=self._similar / self._similar_count if self._similar_count else None,
            nrmse=_relative(self._error, self._power),
            changed=self._changed / self._pixels,
            largest=self._largest,
            clipped=self._clipped,
        )


def chosen(pixels: FloatArray, inside: BoolArray) -> FloatArray:
    """Return the pixels of a region, shape (C, N); without a copy where it is all of them."""
    return pixels.reshape(len(pixels), -1) if inside.all() else pixels[:, inside]


def similarity(
    before: FloatArray, after: FloatArray, data_range: float, *, box: Box, shape: tuple[int, ...]
) -> FloatArray:
    """Return the structural similarity at each pixel, the mean over the channels.

    Parameters
    ----------
    before, after : ndarray, shape (C, Y, X), float64
    data_range : float
        What counts as full range.
    box : Box
        Where they lie in the result, px.
    shape : tuple of int
        (Y, X) of the result, px.

    Returns
    -------
    ndarray, shape (Y, X), float64
        NaN where the window leaves the image. It is right `SSIM_REACH` px away from an edge
        of the box that is not one of the image.

    References
    ----------
    .. [1] Z. Wang et al., "Image quality assessment: from error visibility to structural
       similarity", IEEE Trans. Image Process. 13(4), 2004.
       https://doi.org/10.1109/TIP.2003.819861
    """
    from scipy import ndimage

    found = np.full(before.shape[1:], np.nan)
    ends = [
        (max(a, SSIM_REACH), min(b, n - SSIM_REACH)) for (a, b), n in zip(box, shape, strict=True)
    ]
    if min(before.shape[1:]) <= 2 * SSIM_REACH or any(a >= b for a, b in ends):
        return found

    def mean(pixels: FloatArray) -> FloatArray:
        blurred: FloatArray = ndimage.gaussian_filter(pixels, _SIGMA, radius=SSIM_REACH)
        return blurred

    # Means and variances of sum and difference hold those of both and their covariance, with
    # four blurred images instead of five.
    level, spread = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    maps = []
    for b, a in zip(before, after, strict=True):
        total, gap = b + a, b - a
        mean_total, mean_gap = (np.square(mean(x)) for x in (total, gap))
        var_total, var_gap = (
            mean(np.square(x, out=x)) - m for x, m in ((total, mean_total), (gap, mean_gap))
        )
        alike = (mean_total - mean_gap) / 2 + level
        alike *= (var_total - var_gap) / 2 + spread
        mean_total += mean_gap
        var_total += var_gap
        alike /= (mean_total / 2 + level) * (var_total / 2 + spread)
        maps.append(alike)
    here = slices(tuple(ends), [a for a, _ in box])
    found[here] = (maps[0] if len(maps) == 1 else np.mean(maps, axis=0))[here]
    return found


def _relative(error: float, power: float) -> float:
    """Return the root of a ratio of squares; infinite where an error has nothing to be part of."""
    if not power:
        return math.inf if error else 0.0
    return math.sqrt(error / power)
