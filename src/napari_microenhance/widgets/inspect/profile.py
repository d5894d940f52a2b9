"""Values of an image and its result under a line, read only where the line passes."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.measure.alignment import Alignment, Picture
from napari_microenhance.measure.profiles import Profile, line_profile
from napari_microenhance.widgets.inspect.inspected_result import InspectedResult

__all__ = ["profile_under"]


@dataclasses.dataclass(frozen=True, eq=False)
class _Plane:
    """A plane of one of two images as an array (C, Y, X) that is read where it is sliced."""

    aligned: Alignment
    picture: Picture
    of_result: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape, if all of it were read."""
        source = self.aligned.after if self.of_result else self.aligned.before
        return (len(self.picture.channels), *source.spatial_shape)

    def __getitem__(self, key: tuple[slice, slice, slice]) -> npt.NDArray[np.float64]:
        """Return a box of all channels."""
        box = tuple(part.indices(n)[:2] for part, n in zip(key[1:], self.shape[1:], strict=True))
        read = self.aligned.own_after if self.of_result else self.aligned.own_before
        return read(self.picture, box)


def profile_under(
    inspected: InspectedResult, line: npt.NDArray[np.float64], plane: tuple[int, ...]
) -> Profile | None:
    """Return the values under a line; None in a plane that the result does not hold.

    Parameters
    ----------
    inspected : InspectedResult
    line : ndarray, shape (N, 2), float64
        (y, x), px of the image.
    plane : tuple of int
        Index along each of the image's axes before y and x.

    Raises
    ------
    MicroEnhanceError
        If image and result do not belong together, or the line has no length.
    """
    pair = inspected.pair()
    aligned = Alignment(pair.before, pair.after)
    at = {a: i - pair.start[a] for a, i in zip(inspected.image.axes, plane, strict=False)}
    wanted = tuple(at[pair.before.axes[axis]] for axis in pair.before.plane_axes)
    channel = at.get("C")
    for picture in aligned.pictures:
        colour_fits = channel is None or picture.channels == (channel,)
        if picture.before == wanted and colour_fits:
            before: Any = _Plane(aligned, picture, of_result=False)
            after: Any = _Plane(aligned, picture, of_result=True)
            corner = np.array([pair.start["Y"], pair.start["X"]])
            return line_profile(before, after, line - corner, scale=float(aligned.ratio))
    return None
