"""How far a run is."""

import dataclasses

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.types import AnyArray, Box

__all__ = ["Progress"]


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    done, total : int
        Tiles.
    box : Box or None
        (start, stop) per axis of the result of the tile just finished, image px; None for
        the first report, which comes when the tiles are planned.
    pixels : ndarray or None
        The result's pixels in the box; a copy.
    seconds_left : float or None
        From the pixels computed so far.
    cautions : tuple of Caution or str
        With the first report: what should be known before the result is used, but for what
        `Options.no_caution` names.
    """

    done: int
    total: int
    box: Box | None = None
    pixels: AnyArray | None = None
    seconds_left: float | None = None
    cautions: tuple[Caution | str, ...] = ()
