"""Line profiles: the values of an image and of its result under one drawn line."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import RoiError

__all__ = ["Profile", "line_profile", "sample_line"]

FloatArray = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Profile:
    """Values along a line.

    Parameters
    ----------
    distance : ndarray, shape (N,), float64
        From the line's start, px of the image before.
    before, after : ndarray, shape (C, N), float64
        In image units, at the same places.
    """

    distance: FloatArray
    before: FloatArray
    after: FloatArray

    def to_dict(self) -> dict[str, list[Any]]:
        """Return it as plain JSON values."""
        return {
            "distance": self.distance.tolist(),
            "before": self.before.tolist(),
            "after": self.after.tolist(),
        }


def line_profile(
    before: npt.NDArray[Any],
    after: npt.NDArray[Any],
    line: npt.ArrayLike,
    *,
    scale: float = 1.0,
    width: int = 1,
) -> Profile:
    """Return the values of two images under a line.

    Values between pixels are interpolated linearly, also those of a smaller image: none of
    its pixels is repeated.

    Parameters
    ----------
    before, after : ndarray, shape (C, Y, X)
        Of `after`, Y and X are `scale` times as long.
    line : array_like, shape (N, 2)
        (y, x) of its two or more vertices in the image before, px.
    scale : float
        Pixels of `after` per pixel of `before`.
    width : int
        So many parallel lines, 1 px of the image before apart, are averaged.

    Returns
    -------
    Profile
        One value per pixel of the finer image.

    Raises
    ------
    RoiError
        If the line has no length.
    """
    step = 1 / max(1.0, scale)
    distance, points = sample_line(line, step=step, width=width)
    values = [_values(before, points), _values(after, (points + 0.5) * scale - 0.5)]
    return Profile(distance, values[0], values[1])


def sample_line(
    line: npt.ArrayLike, *, step: float = 1.0, width: int = 1
) -> tuple[FloatArray, FloatArray]:
    """Return evenly spread points on a line and its parallels.

    Parameters
    ----------
    line : array_like, shape (N, 2)
        (y, x), px.
    step : float
        Largest distance between neighbours, px.
    width : int

    Returns
    -------
    tuple of ndarray
        Distances from the start, shape (M,), and points, shape (2, width, M).

    Raises
    ------
    RoiError
        If it has no length.
    """
    vertices = np.asarray(line, np.float64)
    if vertices.ndim != 2 or vertices.shape[1] != 2 or not np.isfinite(vertices).all():
        raise RoiError("A line is a list of two or more (y, x) points with finite numbers.")
    lengths = np.hypot(*np.diff(vertices, axis=0).T)
    vertices = vertices[np.concatenate([[True], lengths > 0])]
    lengths = lengths[lengths > 0]
    if not lengths.size:
        raise RoiError("The line has no length; draw it from one point to another.")
    ends = np.concatenate([[0.0], np.cumsum(lengths)])
    distance = np.linspace(0, ends[-1], int(np.ceil(ends[-1] / step + 1)))
    centre = np.stack([np.interp(distance, ends, vertices[:, axis]) for axis in range(2)])
    piece = np.clip(np.searchsorted(ends, distance, side="right") - 1, 0, lengths.size - 1)
    along = (np.diff(vertices, axis=0) / lengths[:, None])[piece].T
    aside = np.stack([-along[1], along[0]])
    offsets = np.arange(width) - (width - 1) / 2
    return distance, centre[:, None, :] + offsets[None, :, None] * aside[:, None, :]


def _values(pixels: npt.NDArray[Any], points: FloatArray) -> FloatArray:
    """Return the mean over the parallels of each channel, shape (C, M); the border goes on."""
    from scipy import ndimage

    # Only what the line passes: it is drawn again and again over a large image.
    box = []
    for along, length in zip(points, pixels.shape[1:], strict=True):
        start = int(np.clip(np.floor(along.min()), 0, length - 1))
        box.append(slice(start, max(start, int(np.ceil(along.max()))) + 1))
    inside = pixels[:, box[0], box[1]].astype(np.float64)
    moved = points - np.array([part.start for part in box])[:, None, None]
    found = [ndimage.map_coordinates(c, moved, order=1, mode="nearest") for c in inside]
    return np.asarray(np.mean(found, axis=1))
