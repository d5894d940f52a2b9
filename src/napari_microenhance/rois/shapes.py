"""Shape: what a napari layer draws, as the ROI files of other programs keep it."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from napari_microenhance.errors import RoiError
from napari_microenhance.rois.outlines import Points, ellipse_box, ellipse_in_box, is_rectangle
from napari_microenhance.rois.region_of_interest import Planes
from napari_microenhance.rois.rings import group_rings, join_rings, split_rings

__all__ = ["KINDS", "Shape", "area_shape", "finite_points", "polygons_of"]

KINDS: Final = ("polygon", "rectangle", "ellipse", "path", "line", "point")
"""napari's shape types, and a point of a Points layer."""


@dataclasses.dataclass(frozen=True, eq=False)
class Shape:
    """One shape of an ROI file, in napari's terms.

    Parameters
    ----------
    kind : str
        One of `KINDS`; the first three enclose pixels.
    points : ndarray, shape (N, 2), float64
        (y, x), px, pixel centres at integers, as a layer keeps them: of an ellipse the four
        corners of its box, of a polygon with holes one path over all its rings.
    label : str
        Its name.
    classification : str
        What kind of thing it is, where a format tells that from a name.
    colour : tuple of int or None
        Red, green, blue, 0 to 255.
    group : int or None
        Shapes of one number belong together.
    planes : mapping of str to tuple of int
        Planes of a stack that it counts for, as `Roi` has them; {}: all.
    """

    kind: str
    points: Points
    label: str = ""
    classification: str = ""
    colour: tuple[int, int, int] | None = None
    group: int | None = None
    planes: Planes = dataclasses.field(default_factory=dict)


def shape_outline(kind: str, points: Points) -> Points | None:
    """Return the polygon that a napari shape encloses, or None where it encloses nothing.

    Raises
    ------
    RoiError
        If the shape is of another type, or has too few vertices for its own.
    """
    if kind in ("path", "line", "point"):
        return None
    if kind == "ellipse" and len(points) == 4:
        return ellipse_in_box(points)
    if kind in ("polygon", "rectangle") and len(points) >= 3:
        return points
    raise RoiError(f'a shape of type "{kind}" with {len(points)} points is not supported.')


def area_shape(rings: Sequence[Points], **about: Any) -> Shape:  # noqa: ANN401 - fields of Shape
    """Return the shape of an outer ring and its holes: a rectangle or ellipse where it is one.

    Parameters
    ----------
    rings : sequence of ndarray, each shape (N, 2)
        (y, x), px, not closed.
    **about
        The other fields of the shape.
    """
    if len(rings) > 1:
        return Shape("polygon", join_rings(rings), **about)
    (ring,) = rings
    if is_rectangle(ring):
        return Shape("rectangle", ring, **about)
    box = ellipse_box(ring)
    return Shape("polygon", ring, **about) if box is None else Shape("ellipse", box, **about)


def polygons_of(shape: Shape) -> list[list[Points]]:
    """Return the polygons that a shape encloses, each an outer ring and its holes.

    Parameters
    ----------
    shape : Shape
        Of a kind that encloses pixels.
    """
    outline = shape_outline(shape.kind, shape.points)
    return [] if outline is None else group_rings(split_rings(outline))


def finite_points(where: str, numbers: object, *, least: int = 1) -> Points:
    """Return (N, 2) points from what a file holds.

    Parameters
    ----------
    where : str
        How the error begins.
    numbers : array-like
        Pairs, as the file orders them; a third number of each is left out.
    least : int
        How many there must be.

    Raises
    ------
    RoiError
        If they are something else.
    """
    try:
        points = np.asarray(numbers, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise RoiError(f"{where}: its points are not pairs of numbers.") from error
    if points.ndim != 2 or points.shape[1] not in (2, 3):
        raise RoiError(f"{where}: its points are not pairs of numbers.")
    points = points[:, :2]
    if not np.isfinite(points).all():
        raise RoiError(f"{where}: its points are not pairs of finite numbers.")
    if len(points) < least:
        raise RoiError(f"{where}: it needs {least} points, but has {len(points)}.")
    return points
