"""Luma: the grey of a colour image, the same wherever it is taken."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["REC601", "luma"]

REC601: Final = (0.299, 0.587, 0.114)
"""Luma weights of R, G, B: ITU-R Recommendation BT.601."""


def luma(colours: npt.NDArray[Any], *, axis: int = 0) -> npt.NDArray[Any]:
    """Return the Rec.601 luma of colours.

    Each pixel is summed apart and in one order, so that its grey depends neither on the part of
    the image that is read nor on how that lies in memory.

    Parameters
    ----------
    colours : ndarray
        Whole or real numbers; of the axis of channels the first three count.
    axis : int
        Of the channels.

    Returns
    -------
    ndarray, without that axis
        Values of the same range, neither rounded nor clipped: float64 for whole numbers, whose
        luma of up to 32 bits is exact but for one last division; else the type of the colours,
        at least float32.

    References
    ----------
    .. [1] ITU-R BT.601-7, https://www.itu.int/rec/R-REC-BT.601
    """
    channels = np.moveaxis(colours, axis, 0)[:3]
    if colours.dtype.kind in "uib":
        red, green, blue = (channel.astype(np.float64) for channel in channels)
        return np.asarray((299 * red + 587 * green + 114 * blue) / 1000)
    kind = np.result_type(colours.dtype, np.float32).type
    weighted = (kind(weight) * part for weight, part in zip(REC601, channels, strict=True))
    red, green, blue = weighted
    return np.asarray(red + green + blue)
