"""The grown ROI and the inner edge of its feather, as outlines."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.region import Region
from napari_microenhance.rois.outlines import edge_loops

if TYPE_CHECKING:
    from napari_microenhance.widgets.roi.drawn_roi import DrawnRoi

__all__ = ["Ring", "Traced", "trace"]

_FEATHER_PX = 1 << 24
"""The inner edge of a larger ROI is not drawn: finding it takes seconds."""

_TOLERANCE = 0.35
"""Px. No pixel centre is nearer to the line through the middles of pixel sides, so an outline
that stays this close to that line encloses the same pixels."""

_MOST_SIDES = 1 << 17
_MOST_RINGS = 300
"""Labels in more pieces than this get no outline: drawing it would take the window seconds."""

Ring = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Traced:
    """Outlines of what a run will touch.

    Parameters
    ----------
    grown : tuple of ndarray, shape (N, 2), float64
        Closed rings of (y, x), image px, the first vertex repeated at the end; by the even-odd
        rule they enclose the centres of just the pixels of the grown ROI.
    inner : tuple of ndarray, shape (N, 2), float64
        The same of the pixels that the feather leaves at full strength.
    """

    grown: tuple[Ring, ...]
    inner: tuple[Ring, ...] = ()


def trace(roi: "DrawnRoi", shape: tuple[int, int], *, dilate: int, feather: int) -> Traced | None:
    """Outline what a run with these options will touch; any thread.

    Parameters
    ----------
    roi : DrawnRoi
        Of one plane.
    shape : tuple of int
        (Y, X) of the image, px.
    dilate, feather : int
        As in `Options`, px.

    Returns
    -------
    Traced or None
        None where all pixels of the plane are touched, or none, or in too many pieces to draw.

    Raises
    ------
    RoiError
        If the ROI selects nothing.
    """
    if roi.polygons == ():
        return None
    if roi.polygons is not None:
        region = Region.from_polygons(roi.polygons, shape)
    else:
        mask = None if roi.labels is None else roi.labels.mask()
        if mask is None:
            return None
        region = Region.from_mask(mask)
    grown = region.dilated(dilate)
    inside = grown.crop(grown.box)
    if _sides(inside) > _MOST_SIDES:
        return None
    top, left = grown.origin
    inner: tuple[Ring, ...] = ()
    if feather and inside.size <= _FEATHER_PX:
        weights = grown.weights(feather)
        inner = () if weights is None else _rings(weights >= 1, (top, left))
    found = Traced(_rings(inside, (top, left)), inner)
    return found if len(found.grown) + len(found.inner) <= _MOST_RINGS else None


def _sides(mask: npt.NDArray[np.bool_]) -> int:
    """Count the pixel sides between a mask and all around it."""
    padded = np.pad(mask, 1)
    across = (padded[1:] != padded[:-1], padded[:, 1:] != padded[:, :-1])
    return sum(int(np.count_nonzero(sides)) for sides in across)


def _rings(mask: npt.NDArray[np.bool_], origin: tuple[int, int]) -> tuple[Ring, ...]:
    """Return few-cornered closed rings around just the pixels of a mask."""
    # Its import of scipy.signal and scipy.stats takes a second: not when the dock opens.
    from skimage.measure import approximate_polygon

    rings = []
    for loop in edge_loops(mask):
        corners = np.asarray(loop, float) - 0.5 + origin
        steps = np.sign(np.diff(corners, axis=0)) / 2
        # Each straight run of pixel sides gives the middles of its first and last one.
        middles = np.stack([corners[:-1] + steps, corners[1:] - steps], axis=1).reshape(-1, 2)
        closed = np.concatenate([middles, middles[:1]])
        simple = approximate_polygon(closed, _TOLERANCE)  # type: ignore[no-untyped-call]
        rings.append(np.asarray(simple, np.float64))
    return tuple(rings)
