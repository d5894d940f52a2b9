"""Full range: what PSNR and SSIM take as the distance from black to white, and why."""

import dataclasses
from typing import Final, Literal

import numpy as np

from napari_microenhance.engine.source import Source
from napari_microenhance.errors import OptionsError

__all__ = ["FullRange", "RangeOrigin", "full_range"]

RangeOrigin = Literal["given", "recorded", "number type", "values"]

REASONS: Final[dict[RangeOrigin, str]] = {
    "given": "as given",
    "recorded": "recorded by the run",
    "number type": "that of uint8",
    "values": "smallest to largest value",
}


@dataclasses.dataclass(frozen=True)
class FullRange:
    """What counts as full range, and where the number comes from.

    Parameters
    ----------
    span : float
        Image units, above zero.
    origin : {"given", "recorded", "number type", "values"}

    Raises
    ------
    OptionsError
        If the span is not above zero.
    """

    span: float
    origin: RangeOrigin = "given"

    def __post_init__(self) -> None:
        if not 0 < self.span < float("inf"):
            raise OptionsError(
                f"data_range={self.span:g} must be a finite number greater than zero."
            )

    def __str__(self) -> str:
        return f"{self.span:g} ({REASONS[self.origin]})"


def full_range(image: Source) -> FullRange:
    """Return what counts as full range of an image whose run is not known.

    A camera of 12 bits that writes 16 has pixels that fill a sixteenth of their number type;
    on that range every change would look like none.

    Parameters
    ----------
    image : Source

    Returns
    -------
    FullRange
        255 for uint8; for other types the largest less the smallest finite value, alpha apart,
        of a sample of at most 16 Mpx; 1 for a constant image.
    """
    if image.dtype == np.uint8:
        return FullRange(255.0, "number type")
    channels = min(image.channels, 3) if image.is_colour else image.channels
    low, high = float("inf"), float("-inf")
    for block in image.sample(tuple(range(channels))):
        finite = block[np.isfinite(block)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return FullRange(high - low if high > low else 1.0, "values")
