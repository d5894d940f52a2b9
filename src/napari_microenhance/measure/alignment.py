"""Alignment: an image and its result, read plane by plane on the grid of the result."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.intensity import to_dtype
from napari_microenhance.engine.luma import luma
from napari_microenhance.engine.region import resample, unscaled
from napari_microenhance.engine.selection import Selection
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import AxesError, ImageError, OptionsError
from napari_microenhance.types import Box

__all__ = ["Alignment", "Picture", "patch_spans"]

FloatArray = npt.NDArray[np.float64]

LARGEST_SCALE = 64


@dataclasses.dataclass(frozen=True)
class Picture:
    """One plane, with the channels that are seen together: all of a colour image, else one.

    Parameters
    ----------
    name : str
        Such as "T=0 C=1"; empty where there is only one.
    before, after : tuple of int
        Index of the plane along the plane axes of each image.
    channels : tuple of int
        Of the image before.
    z : int
        Of the image before; 0 without that axis.
    """

    name: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    channels: tuple[int, ...]
    z: int = 0


class Alignment:
    """An image and its result, which may be finer, coarser or grey.

    Parameters
    ----------
    before, after : Source
        The same field of view; `after` may lack the axis of colours.

    Raises
    ------
    AxesError
        If the axes differ otherwise.
    ImageError
        If no whole scale takes one shape to the other.
    """

    def __init__(self, before: Source, after: Source) -> None:
        self.before, self.after = before, after
        self.makes_grey = before.is_colour and after.axes == before.axes.replace("C", "")
        if before.axes != after.axes and not self.makes_grey:
            raise AxesError(
                f"The images have the axes {before.axes} and {after.axes}; only images with "
                "the same axes can be compared."
            )
        self.ratio = _ratio(before.spatial_shape, after.spatial_shape)
        for axis, letter in enumerate(after.axes):
            if letter not in "YX":
                self._check_length(letter, after.shape[axis])

    def _check_length(self, letter: str, length: int) -> None:
        """Raise unless an axis of planes or channels is as long before as after."""
        known = self.before.shape[self.before.axes.index(letter)]
        allowed = {known, math.ceil(known * self.ratio)} if letter == "Z" else {known}
        if length not in allowed:
            raise ImageError(
                f"The images have {known} and {length} planes along {letter}; only the same "
                "planes can be compared."
            )

    @cached_property
    def pictures(self) -> tuple[Picture, ...]:
        """All planes and, but for colours, channels, in the order of the result."""
        source = self.after
        letters = [source.axes[a] for a in source.plane_axes]
        if self.before.is_colour:
            groups: list[tuple[int, ...]] = [(0, 1, 2)]
        else:
            groups = [(c,) for c in range(source.channels)]
        found = []
        for plane in source.planes:
            under = tuple(self._under(a, i) for a, i in zip(letters, plane, strict=True))
            z = under[letters.index("Z")] if "Z" in letters else 0
            for channels in groups:
                words = [f"{a}={i}" for a, i in zip(letters, plane, strict=True)]
                words += [f"C={channels[0]}"] * (len(groups) > 1)
                found.append(Picture(" ".join(words), under, plane, channels, z))
        return tuple(found)

    def chosen(self, planes: Sequence[int] | None) -> tuple[Picture, ...]:
        """Return the pictures of some planes, counted as `Options.planes` does; None: all.

        Raises
        ------
        OptionsError
            If there is no such plane.
        """
        if planes is None:
            return self.pictures
        known = self.after.planes
        if not planes:
            raise OptionsError("planes is empty; name at least one plane, counted from 0.")
        for number in planes:
            if not 0 <= number < len(known):
                raise OptionsError(
                    f"planes={number} does not exist; the result has planes 0 to {len(known) - 1}."
                )
        wanted = {known[number] for number in planes}
        return tuple(picture for picture in self.pictures if picture.after in wanted)

    def _under(self, letter: str, index: int) -> int:
        """Return the plane before that a plane after belongs to."""
        known = self.before.shape[self.before.axes.index(letter)]
        length = self.after.shape[self.after.axes.index(letter)]
        return index if known == length else math.floor(index / self.ratio)

    def pair(self, picture: Picture, box: Box) -> tuple[FloatArray, FloatArray]:
        """Return both images' pixels in a box of the result.

        Parameters
        ----------
        picture : Picture
        box : Box
            (Y, X) ranges inside the result, px.

        Returns
        -------
        tuple of ndarray, shape (C, *box shape), float64
        """
        own = self.own_before(picture, unscaled(box, self.ratio))
        return resample(own, box, self.ratio), self.own_after(picture, box)

    def own_before(self, picture: Picture, box: Box) -> FloatArray:
        """Return the image before in a box of its own pixels, shape (C, *box shape)."""
        pixels = self.before.read(picture.before, picture.channels, box)
        if self.makes_grey:
            pixels, _ = to_dtype(luma(pixels)[None], self.before.dtype)
        return pixels.astype(np.float64)

    def own_after(self, picture: Picture, box: Box) -> FloatArray:
        """Return the result in a box of its own pixels, shape (C, *box shape)."""
        channels = (0,) if self.makes_grey else picture.channels
        return self.after.read(picture.after, channels, box).astype(np.float64)

    def inside(self, selection: Selection, picture: Picture, box: Box) -> npt.NDArray[np.bool_]:
        """Return which pixels of a box of the result belong to a region of the image before."""
        under = unscaled(box, self.ratio)
        region = selection.at(picture.before, picture.channels)
        if region is None:
            mask = np.zeros([stop - start for start, stop in under], bool)
        elif len(region.shape) == 3:
            mask = region.crop(((picture.z, picture.z + 1), *under))[0]
        else:
            mask = region.crop(under)
        return resample(mask, box, self.ratio)

    @property
    def whole(self) -> bool:
        """Whether both images hold whole numbers."""
        kinds = {self.before.dtype.kind, self.after.dtype.kind}
        return kinds <= set("ui")


def patch_spans(
    before: Source, axes: str, start: Sequence[int], shape: Sequence[int], *, scale: float
) -> dict[str, tuple[int, int]]:
    """Return the part of an image that the patch of a result lies over.

    Parameters
    ----------
    before : Source
    axes : str
        Of the patch.
    start : sequence of int
        First pixel of the patch along each of its axes, image px.
    shape : sequence of int
        Of the patch, result px.
    scale : float
        Pixels of the result per pixel of the image.

    Returns
    -------
    dict of str to (start, stop)
        For each axis of the image, px; all of its channels.
    """
    spans = {letter: (0, n) for letter, n in zip(before.axes, before.shape, strict=True)}
    for letter, first, length in zip(axes, start, shape, strict=True):
        if letter != "C":
            grown = letter in before.spatial
            span = math.ceil(Fraction(length) / _fraction(scale)) if grown else length
            spans[letter] = (first, min(spans[letter][1], first + span))
    return spans


def cut_to(before: Source, spans: Mapping[str, tuple[int, int]]) -> Source:
    """Return the part of an image in a range of each of its axes, px."""
    inside = before.data[tuple(slice(*spans[letter]) for letter in before.axes)]
    return Source(inside, before.axes, before.spatial)


def middle(box: Box, most: int) -> Box:
    """Return a box, or the middle of its longer axes, at most so many px long."""
    return tuple(
        (a, b) if b - a <= most else ((a + b - most) // 2, (a + b - most) // 2 + most)
        for a, b in box
    )


def _fraction(scale: float) -> Fraction:
    """Return a scale as a whole number or one over one."""
    return Fraction(scale).limit_denominator(LARGEST_SCALE)


def _ratio(before: Sequence[int], after: Sequence[int]) -> Fraction:
    """Return the result's pixels per pixel of the image, a whole number or one over one."""
    pairs = list(zip(before, after, strict=True))
    for factor in range(1, LARGEST_SCALE + 1):
        if all(b * factor == a for b, a in pairs):
            return Fraction(factor)
        if all(math.ceil(Fraction(b, factor)) == a for b, a in pairs):
            return Fraction(1, factor)
    sizes = [f"{height} x {width}" for height, width in (before, after)]
    raise ImageError(
        f"Images of {sizes[0]} px and {sizes[1]} px cannot be compared; one must be a whole "
        "number of times as large as the other."
    )
