"""Trust maps: pictures of where a result should be looked at twice, and how to read them.

None of them says that a result is right. Each sees one way of being wrong.
"""

import dataclasses
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.arguments import check_kind
from napari_microenhance.engine.region import slices
from napari_microenhance.engine.reports.report import Report
from napari_microenhance.engine.result import Result

__all__ = ["TrustMap", "mismatch_map", "noted"]

FloatMap = npt.NDArray[np.float32]

MISMATCH: Final = (
    "Difference between neighbouring tiles where they overlap, in units of the model's range. "
    "Bright lines are seams: the receptive field is larger than the overlap, or is the whole "
    "tile. It cannot see errors that all tiles share, and is blank where only one tile was "
    "computed."
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TrustMap:
    """A map over a result, its one number, and what both mean.

    Parameters
    ----------
    name : {"tile mismatch", "variability", "raw consistency"}
    values : ndarray, axes `axes`, float32
        NaN where nothing is known.
    axes : str
    start : tuple of int
        First pixel along each axis, px of the grid of the map.
    scale : float
        Pixels of the map per pixel of the image.
    summary : float or None
        The number for the report; None where nothing is known.
    unit : str
        Of the values and the number.
    reading : str
        How to read it, and what it cannot see.
    figures : dict
        Further plain numbers.
    """

    name: str
    values: FloatMap
    axes: str
    start: tuple[int, ...]
    scale: float
    summary: float | None
    unit: str
    reading: str
    figures: dict[str, Any] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return what a report keeps of it, as plain JSON values: all but the map."""
        return {
            "summary": self.summary,
            "unit": self.unit,
            "reading": self.reading,
            **self.figures,
        }


def noted(report: Report, *maps: TrustMap) -> Report:
    """Return a report with the numbers of some maps.

    Parameters
    ----------
    report : Report
    *maps : TrustMap
    """
    check_kind(Report, report=report)
    for one in maps:
        check_kind(TrustMap, map=one)
    trust = {**report.trust, **{one.name: one.to_dict() for one in maps}}
    return dataclasses.replace(report, trust=trust)


def mismatch_map(result: Result) -> TrustMap:
    """Return how far tiles differ where they overlap; nothing is computed for it.

    Parameters
    ----------
    result : Result

    Returns
    -------
    TrustMap
        Over the spatial axes; of several planes or channels the largest difference. Its
        largest value is the ``tile_mismatch`` of the report.
    """
    check_kind(Result, result=result)
    letters = [letter for letter in result.axes if letter in result.page.source.spatial]
    boxes = [box for box, _ in result.seams]
    if not boxes:
        lengths = zip(result.axes, result.patch.shape, strict=True)
        shape = [n for letter, n in lengths if letter in letters]
        boxes = [tuple((0, n) for n in shape)]
    low = np.min([[a for a, _ in box] for box in boxes], axis=0).tolist()
    high = np.max([[b for _, b in box] for box in boxes], axis=0).tolist()
    values = np.full([b - a for a, b in zip(low, high, strict=True)], np.nan, np.float32)
    for box, difference in result.seams:
        here = slices(box, low)
        # Three tiles can meet in a pixel.
        values[here] = np.fmax(values[here], difference)
    first, last = result.report.intensity.network_range
    return TrustMap(
        name="tile mismatch",
        values=values,
        axes="".join(letters),
        start=tuple(low),
        scale=result.scale,
        summary=result.report.tile_mismatch,
        unit=f"model units, range {first:g} to {last:g}",
        reading=MISMATCH,
    )
