"""Roi: one region of interest, and the planes of a stack that it counts for."""

import dataclasses
import itertools
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import RoiError

__all__ = ["FLAT", "Planes", "Roi", "checked_planes", "runs"]

Planes = Mapping[str, tuple[int, ...]]
"""Axis -> indices, counted from 0, that a region counts for; {} stands for every plane."""

FLAT: Final = "stack"
"""Axis of a position in the whole stack, as ImageJ counts: channels first, then Z, then T."""

_FROM_LAST = re.compile(r"-[3-9]")


@dataclasses.dataclass(frozen=True, eq=False)
class Roi:
    """One region of interest.

    Parameters
    ----------
    shape : array-like
        Vertices of a polygon, shape (N, 2), (y, x), px, pixel centres at whole numbers; or a
        mask: bool, or whole numbers of which all but 0 count, of the spatial shape of the
        image.
    planes : mapping of str to int or sequence of int, optional
        Axis -> index (or indices), counted from 0, of the planes that it counts for; an axis
        that is not named counts whole, so {} is every plane. An axis is a letter, "T", "Z" or
        "C"; or one counted from the last as napari does, "-3" before Y and X; or "stack", the
        number of a plane in ImageJ's order.
    label : str
        Its name.

    Raises
    ------
    RoiError
        If it is neither, or its planes are not understood.

    Examples
    --------
    >>> Roi([(10, 10), (10, 50), (50, 30)], planes={"Z": 2})
    """

    shape: Any
    planes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    label: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "planes", checked_planes(self.planes))
        try:
            shape = np.asarray(self.shape)
        except ValueError as error:
            raise RoiError("An ROI must be a list of (y, x) numbers.") from error
        object.__setattr__(self, "shape", shape)
        if self.is_mask and shape.ndim < 2:
            raise RoiError(
                f"An ROI has the shape {shape.shape}; use (y, x) vertices of shape (N, 2), or "
                "a mask of the shape of the image."
            )

    @property
    def is_mask(self) -> bool:
        """Whether it is a mask rather than the vertices of a polygon."""
        kind = self.shape.dtype.kind
        vertices = self.shape.ndim == 2 and self.shape.shape[1] == 2
        return kind == "b" or (kind in "iu" and not vertices)

    @property
    def mask(self) -> npt.NDArray[Any] | None:
        """The mask, bool or whole numbers, or None."""
        return self.shape if self.is_mask else None

    @property
    def vertices(self) -> npt.NDArray[np.float64] | None:
        """The (y, x) vertices, shape (N, 2), px, or None."""
        return None if self.is_mask else self.shape

    def within(self, spans: Mapping[str, tuple[int, int]]) -> "Roi | None":
        """Return the region as a part of the image has it; None where it has none of its planes.

        Parameters
        ----------
        spans : mapping of str to (start, stop)
            Axis letter -> what the part is of it, Y and X too, px.
        """
        (top, bottom), (left, right) = spans["Y"], spans["X"]
        planes = {
            axis: tuple(i - spans[axis][0] for i in indices if spans[axis][0] <= i < spans[axis][1])
            for axis, indices in self.planes.items()
        }
        if not all(planes.values()):
            return None
        if self.vertices is not None:
            return dataclasses.replace(self, shape=self.shape - (top, left), planes=planes)
        return dataclasses.replace(
            self, shape=self.shape[..., top:bottom, left:right], planes=planes
        )


def single_planes(planes: Planes) -> list[dict[str, int]]:
    """Return each place that planes name, one index per axis; one without axes for {}."""
    return [dict(zip(planes, place, strict=True)) for place in itertools.product(*planes.values())]


def checked_planes(planes: Mapping[str, int | Sequence[int]]) -> Planes:
    """Return planes with tuples of indices, or raise.

    Parameters
    ----------
    planes : mapping of str to int or sequence of int
        As for `Roi`.

    Raises
    ------
    RoiError
        If an axis or an index is not understood.
    """
    if not isinstance(planes, Mapping):
        raise RoiError(f'planes={planes!r} of an ROI must be a mapping such as {{"Z": 2}}.')
    checked = {}
    for axis, given in planes.items():
        name = str(axis).upper() if len(str(axis)) == 1 else str(axis)
        if name not in ("T", "Z", "C", FLAT) and not _FROM_LAST.fullmatch(name):
            raise RoiError(
                f'planes={dict(planes)!r} of an ROI names the axis {axis!r}; use "T", "Z" or "C".'
            )
        try:
            indices = given if isinstance(given, Iterable) else [given]
            checked[name] = tuple(sorted({operator.index(i) for i in indices}))
        except TypeError as error:
            raise RoiError(
                f"planes={dict(planes)!r} of an ROI: {given!r} is not an index or a list "
                "of indices."
            ) from error
        if not checked[name] or checked[name][0] < 0:
            raise RoiError(
                f"planes={dict(planes)!r} of an ROI: at least one index is needed, counted from 0."
            )
    return checked


def runs(indices: Sequence[int]) -> list[tuple[int, int]]:
    """Return the runs of indices that follow each other.

    Parameters
    ----------
    indices : sequence of int
        In rising order.

    Returns
    -------
    list of tuple of int
        First and last index of each run.
    """
    found: list[tuple[int, int]] = []
    for index in indices:
        if found and found[-1][1] == index - 1:
            found[-1] = (found[-1][0], index)
        else:
            found.append((index, index))
    return found
