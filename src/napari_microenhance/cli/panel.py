"""A picture that shows an image before and after, for the demo and for reports."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from napari_microenhance.rois.outlines import Points

__all__ = ["before_after"]

_GAP: Final = 12  # px
_CAPTION: Final = 36  # px
_MARGIN: Final = 6  # px of the image around the detail
_LANDSCAPE: Final = 1.4
_PAPER: Final = (255, 255, 255)
_INK: Final = (30, 30, 30)
_OUTLINE: Final = (255, 214, 10)  # readable on stained tissue and on black

_Box = tuple[int, int, int, int]
"""Left, top, right, bottom, px; the order Pillow wants."""


def before_after(
    before: npt.NDArray[Any],
    after: npt.NDArray[Any],
    outlines: Sequence["Points"],
    *,
    panel_px: int = 720,
) -> npt.NDArray[np.uint8]:
    """Draw an image before and after side by side: whole, and a part of the region enlarged.

    Parameters
    ----------
    before, after : ndarray, shape (Y, X) or (Y, X, 3 or 4)
        Same shape and range; both are shown with the contrast limits of `before`.
    outlines : sequence of ndarray, each shape (N, 2)
        The region's edge, (y, x), px, drawn over the whole images.
    panel_px : int
        Width of each of the four panels.

    Returns
    -------
    ndarray, shape (Y, X, 3), uint8
    """
    low, high = _limits(before)
    images = [_as_rgb(image, low, high) for image in (before, after)]
    width, height = images[0].size
    detail = _detail_box(outlines, (width, height))
    whole_px, detail_px = (_at_width(panel_px, w, h) for w, h in ((width, height), _extent(detail)))
    row_px = _CAPTION + whole_px[1] + _GAP
    page = Image.new(
        "RGB", (2 * panel_px + 3 * _GAP, row_px + _CAPTION + detail_px[1] + _GAP), _PAPER
    )
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(20)
    factor = panel_px / _extent(detail)[0]
    for column, (image, name) in enumerate(zip(images, ("before", "after"), strict=True)):
        left = _GAP + column * (panel_px + _GAP)
        whole = image.resize(whole_px, Image.Resampling.LANCZOS)
        _draw_outlines(whole, outlines, panel_px / width)
        # Nearest: what one sees enlarged are the pixels, not an interpolation of them.
        part = image.crop(detail).resize(detail_px, Image.Resampling.NEAREST)
        for top, picture, caption in (
            (0, whole, name),
            (row_px, part, f"{name}, a detail x {factor:.1f}"),
        ):
            draw.text((left, top + 8), caption, _INK, font)
            page.paste(picture, (left, top + _CAPTION))
    return np.asarray(page)


def _limits(image: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the values that are shown black and white."""
    if image.dtype == np.uint8:
        return 0.0, 255.0
    from napari_microenhance.engine.intensity import PERCENTILES

    low, high = (float(v) for v in np.percentile(image, PERCENTILES))
    return low, high if high > low else low + 1.0


def _as_rgb(image: npt.NDArray[Any], low: float, high: float) -> Image.Image:
    """Return an image as eight-bit RGB."""
    if image.ndim == 3:
        image = image[..., :3]
    shown = np.clip((image.astype(np.float32) - low) / (high - low), 0, 1)
    return Image.fromarray(np.rint(shown * 255).astype(np.uint8)).convert("RGB")


def _detail_box(outlines: Sequence["Points"], size: tuple[int, int]) -> _Box:
    """Return a landscape box around the largest outline; the whole image without one."""
    if not outlines:
        return (0, 0, *size)
    spans = [(points.min(axis=0), points.max(axis=0)) for points in outlines]
    low, high = max(spans, key=lambda span: float(np.prod(span[1] - span[0])))
    extent = (high - low).astype(float) + 2 * _MARGIN
    width = min(size[0], round(max(extent[1], extent[0] * _LANDSCAPE)))
    height = min(size[1], round(width / _LANDSCAPE))
    middle = (low + high) / 2
    left = min(max(0, round(middle[1] - width / 2)), size[0] - width)
    top = min(max(0, round(middle[0] - height / 2)), size[1] - height)
    return left, top, left + width, top + height


def _extent(box: _Box) -> tuple[int, int]:
    """Return width and height."""
    return box[2] - box[0], box[3] - box[1]


def _at_width(panel_px: int, width: int, height: int) -> tuple[int, int]:
    """Return the size at which an image fills the width of a panel."""
    return panel_px, max(1, round(panel_px * height / width))


def _draw_outlines(image: Image.Image, outlines: Sequence["Points"], factor: float) -> None:
    """Draw the region's edge; vertices count from pixel centres, drawing from corners."""
    draw = ImageDraw.Draw(image)
    for points in outlines:
        corners = [((x + 0.5) * factor, (y + 0.5) * factor) for y, x in points]
        draw.line([*corners, corners[0]], fill=_OUTLINE, width=2, joint="curve")
