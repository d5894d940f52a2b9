"""Frame: whether regions of interest lie in the image they are used for, and why they may not."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.rois.outlines import Points

__all__ = ["NAME", "frame_caution", "size_caution"]

NAME = "roi-frame"
"""Of the cautions on where regions lie."""

LEAST_FACTOR = 1.1
"""From which on an image is called larger than another."""

FACTORS = (2, 4, 8, 16, 32)
"""Steps of resolution between levels of an image."""

SLACK_PX = 1.0
"""What an ROI that was drawn along the border may reach beyond it."""

SLACK_SHARE = 0.02
"""Of the area of an ROI's box, what may lie beyond the border."""

Boxes = npt.NDArray[np.float64]


def frame_caution(
    polygons: Sequence[Points], shape: tuple[int, int]
) -> tuple[Caution | None, bool]:
    """Tell how many polygons lie outside an image or partly so, and the likely reason.

    Parameters
    ----------
    polygons : sequence of ndarray, each shape (N, 2)
        (y, x), px, pixel centres at integers.
    shape : tuple of int
        (Y, X) of the image, px.

    Returns
    -------
    tuple of Caution or None, and bool
        None where all of them lie inside; whether all of them lie outside.
    """
    if not polygons:
        return None, False
    boxes = np.array([(p.min(axis=0), p.max(axis=0)) for p in polygons])
    low, high = boxes[:, 0], boxes[:, 1]
    size = np.array(shape)
    inner = np.clip(np.minimum(high, size - 0.5) - np.maximum(low, -0.5), 0, None)
    beyond = np.maximum(-0.5 - low, high - (size - 0.5)).max(axis=1)
    outside = np.asarray(((high <= -0.5) | (low >= size - 0.5)).any(axis=1))
    share = 1 - inner.prod(axis=1) / np.maximum((high - low).prod(axis=1), 1e-12)
    partly = ~outside & (beyond > SLACK_PX) & (share > SLACK_SHARE)
    counts = int(outside.sum()), int(partly.sum())
    if not any(counts):
        return None, False
    count, how = (counts[0], "") if counts[0] else (counts[1], "partly ")
    more = f" and {counts[1]} partly" if all(counts) else ""
    (top, left), (bottom, right) = low.min(axis=0) + 0.5, high.max(axis=0) + 0.5
    who = f"{count} of {len(polygons)} ROIs lie{'s' * (count == 1)}"
    who, they = (who, "together they span") if len(polygons) > 1 else ("The ROI lies", "it spans")
    said = (
        f"{who} {how}outside the image of {shape[1]} x {shape[0]} px{more}: {they} "
        f"x {left:.0f} to {right:.0f}, y {top:.0f} to {bottom:.0f}{_reason(boxes, shape, outside)}."
    )
    return Caution(NAME, said), bool(outside.all())


def size_caution(
    name: str, frame: tuple[int, int] | None, shape: tuple[int, int] | None
) -> Caution | None:
    """Tell it where ROIs were drawn on an image of another size.

    Parameters
    ----------
    name : str
        Of the file.
    frame, shape : tuple of int or None
        (Y, X) of the image that they were drawn on, and of the one they are used for, px.
    """
    if frame is None or shape is None or tuple(frame) == tuple(shape):
        return None
    reason = ""
    factors = frame[0] / shape[0], frame[1] / shape[1]
    if frame == shape[::-1]:
        reason = "; the image seems to have been rotated by 90 degrees since"
    times = max(factors[0], 1 / factors[0])
    if not reason and times > LEAST_FACTOR and np.isclose(*factors, rtol=2 / min(shape)):
        larger = "large" if factors[0] > 1 else "small"
        reason = f"; that image was {times:.3g} times as {larger}"
    return Caution(
        NAME,
        f"{name} was drawn on an image of {frame[1]} x {frame[0]} px, but this one has "
        f"{shape[1]} x {shape[0]} px{reason}; its coordinates were used unchanged.",
    )


def _reason(boxes: Boxes, shape: tuple[int, int], outside: npt.NDArray[np.bool_]) -> str:
    """Return why polygons may lie elsewhere, beginning with a comma; or nothing."""
    size = np.array(shape, dtype=np.float64)
    low, high = boxes[:, 0].min(axis=0) + 0.5, boxes[:, 1].max(axis=0) + 0.5
    if _fits(low[::-1], high[::-1], size):
        return ", as if x and y were swapped"
    if 2 * outside.sum() < len(outside):  # most were drawn on this image
        return ""
    if outside.all() and (high - low <= size + 1).all():
        # Moved together they fit: the image is a part of the one they were drawn on.
        (top, left), (bottom, right) = np.maximum(high - size, 0), low
        return (
            ", as if drawn on a larger image that this one was cropped from (its first pixel "
            f"would lie between x {left:.0f} and {right:.0f}, y {top:.0f} and {bottom:.0f})"
        )
    factor = next((f for f in FACTORS if _fits(low / f, high / f, size)), None)
    larger = "on a larger image that this one was cropped from"
    if factor is None:
        return f", as if drawn {larger}"
    return f", as if drawn at {factor} times the resolution, or {larger}"


def _fits(low: Points, high: Points, size: Points) -> bool:
    """Tell whether a box lies inside an image."""
    return bool((low >= -1).all() and (high <= size + 1).all())
