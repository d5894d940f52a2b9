"""Where the patch of a result lies: in pixels of the image, and in those of the result."""

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from typing import Self

from napari_microenhance.engine.region import unscaled
from napari_microenhance.types import Box

__all__ = ["Place"]


@dataclasses.dataclass(frozen=True)
class Place:
    """Where the patch of a result lies.

    A patch begins where a pixel of the image begins, so that its place is whole in both grids.

    Parameters
    ----------
    axes : str
        Letters of the result's axes.
    start : tuple of int
        First pixel, one per axis, image px.
    shape : tuple of int
        Of the patch, result px.
    spatial : {"YX", "ZYX"}
        Axes that are scaled.
    ratio : Fraction
        Result pixels per image pixel along these.
    """

    axes: str
    start: tuple[int, ...]
    shape: tuple[int, ...]
    spatial: str = "YX"
    ratio: Fraction = Fraction(1)

    @classmethod
    def of_box(cls, box: Box, axes: str, *, spatial: str, ratio: Fraction) -> Self:
        """Return the place of a box of result pixels, one range per letter of `axes`."""
        start = tuple(
            int(first / ratio) if letter in spatial else first
            for letter, (first, _) in zip(axes, box, strict=True)
        )
        return cls(axes, start, tuple(b - a for a, b in box), spatial, ratio)

    @property
    def box(self) -> Box:
        """One range per axis of the result, result px."""
        first = (
            int(start * self.ratio) if letter in self.spatial else start
            for letter, start in zip(self.axes, self.start, strict=True)
        )
        return tuple((a, a + n) for a, n in zip(first, self.shape, strict=True))

    @property
    def image_box(self) -> Box:
        """One range per axis of the result, image px."""
        return tuple(
            unscaled((span,), self.ratio)[0] if letter in self.spatial else span
            for letter, span in zip(self.axes, self.box, strict=True)
        )

    @property
    def offset(self) -> tuple[int, ...]:
        """First pixel along each spatial axis, image px."""
        pairs = zip(self.axes, self.start, strict=True)
        return tuple(start for letter, start in pairs if letter in self.spatial)

    def within(self, axes: str, shape: Sequence[int]) -> Box:
        """Return the box over other axes: the whole length of those that the patch lacks.

        Parameters
        ----------
        axes : str
            All letters of `self.axes`, and such as ``C`` of a colour image that was made grey.
        shape : sequence of int
            One length per letter, result px.

        Returns
        -------
        Box
            One range per letter, result px.
        """
        own = dict(zip(self.axes, self.box, strict=True))
        lengths = zip(axes, shape, strict=True)
        return tuple(own.get(letter, (0, length)) for letter, length in lengths)
