"""From the engine's result to a layer: which pixels, where, and how they are shown."""

import dataclasses
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import RoiError
from napari_microenhance.widgets.viewer.full_extent import FullExtent
from napari_microenhance.widgets.viewer.layer_values import (
    HELPER_KEY,
    RECORD_KEY,
    ImageSource,
    part_of,
    place,
)

if TYPE_CHECKING:
    from napari_microenhance.api import Model, Result

__all__ = ["WHOLE_BYTES", "LayerPlan", "plan_layer"]

WHOLE_BYTES = 512 << 20
"""A larger result is shown as its patch, laid over the image."""

_SINGLE_SCALE_PX = 4096
_COARSEST_PX = 1024
_SAMPLE_PX = 1 << 20


@dataclasses.dataclass(frozen=True, eq=False)
class LayerPlan:
    """A napari layer in the making; nothing about it needs a look at its pixels any more.

    Parameters
    ----------
    data : ndarray or list of ndarray
        A list is a pyramid, finest first.
    meta : dict
        Keyword arguments of the layer.
    kind : {"image", "labels"}
    contrast_range : tuple of float or None
        Ends of the contrast slider.
    spans : bool
        Whether it shows all of the image, which is hidden below it.
    """

    data: Any
    meta: dict[str, Any]
    kind: Literal["image", "labels"]
    contrast_range: tuple[float, float] | None = None
    spans: bool = False


def plan_layer(
    source: ImageSource,
    result: "Result",
    model: "Model",
    *,
    preview: bool = False,
    part: str = "",
) -> LayerPlan:
    """Lay out the result of a run as a layer; worker thread, for it touches pixels.

    Parameters
    ----------
    source : ImageSource
    result : Result
    model : Model
    preview : bool
        A preview is always the patch alone, in a composite over the image's own pixels.
    part : str
        What the ROI is called where it is one of several: then the patch alone as well.

    Returns
    -------
    LayerPlan

    Raises
    ------
    RoiError
        If the patch is empty: a preview of a part without ROI.
    """
    if result.patch.size == 0:
        raise RoiError("No pixel of the ROI is visible; move the view over it, or press Run.")
    pixels, start = result.patch, result.start
    if not preview and not part and _whole_bytes(source, result, model) <= WHOLE_BYTES:
        pixels = result.pixels
        start = start if pixels is result.patch else (0,) * len(start)
    rgb = source.rgb and "C" in result.axes
    # A colour stack that was made grey has no axis of channels any more.
    kept = [i for i, letter in enumerate(source.axes[: source.ndim]) if letter in result.axes]
    rank = len(kept)
    spatial = _spatial(source, model)
    factor = [float(result.scale) if source.axes[i] in spatial else 1.0 for i in kept]
    meta: dict[str, Any] = {
        "name": " · ".join(filter(None, (source.name, model.name, part)))
        + (" (preview)" if preview else ""),
        "metadata": {
            RECORD_KEY: result.report.to_dict(),
            **({HELPER_KEY: True} if preview else {}),
        },
    }
    labels = model.spec.task == "labels"
    alike = rgb == source.rgb and rank == source.ndim and not labels
    levels: list[Any] = _pyramid(pixels, spatial_axis=rank - 2)
    spans = pixels is not result.patch or _spans(source, result, factor)
    if source.is_blended and alike and (preview or not spans):
        levels, start, spans = _over_image(source, result), (0,) * rank, True
    elif preview:
        spans = False  # with the image below it, the two are compared by the eye of the layer
    meta |= place(part_of(source.placement, kept), start[:rank], factor).to_kwargs()
    meta["multiscale"] = len(levels) > 1
    data = levels if len(levels) > 1 else levels[0]
    if labels and pixels.dtype.kind in "iu":
        return LayerPlan(data, meta, "labels")
    same = model.spec.units == "input" and rgb == source.rgb and not labels
    limits = source.look["contrast_limits"] if same else (0.0, 1.0) if labels else _limits(pixels)
    meta |= {**source.look, "contrast_limits": limits, "rgb": rgb}
    return LayerPlan(data, meta, "image", source.contrast_range if same else limits, spans)


def _spans(source: ImageSource, result: "Result", factor: list[float]) -> bool:
    """Return whether the patch of a result is all of it."""
    lengths = zip(source.data.shape, result.patch.shape, factor, strict=False)
    return not any(result.start) and all(round(n * f) == m for n, m, f in lengths)


def _over_image(source: ImageSource, result: "Result") -> list[FullExtent]:
    """Return the patch over the image's own pixels, and coarser looks at it."""
    where, ndim = result.place, source.ndim
    ratio = [where.ratio if a in where.spatial else Fraction(1) for a in source.axes[:ndim]]
    start = [first for first, _ in where.box[:ndim]]
    return FullExtent((source.data, *source.coarser), result.patch, start, ratio).pyramid()


def _spatial(source: ImageSource, model: "Model") -> str:
    """Return the axes that the network sees at once: a volume's, or a plane's."""
    return "".join(a for a in source.axes if a in "ZYX" and a in model.spec.axes_in)


def _whole_bytes(source: ImageSource, result: "Result", model: "Model") -> int:
    """Return the size of a result that spans the whole image."""
    pixels = int(np.prod(source.data.shape, dtype=np.int64))
    grown = result.scale ** len(_spatial(source, model))
    return int(pixels * grown) * result.patch.dtype.itemsize


def _pyramid(pixels: npt.NDArray[Any], *, spatial_axis: int) -> list[npt.NDArray[Any]]:
    """Return ever coarser levels of a large image, so that napari never uploads it whole."""
    levels = [pixels]
    halve = (slice(None),) * spatial_axis + (slice(None, None, 2),) * 2
    if max(pixels.shape[spatial_axis : spatial_axis + 2]) > _SINGLE_SCALE_PX:
        while max(levels[-1].shape[spatial_axis : spatial_axis + 2]) > _COARSEST_PX:
            levels.append(np.ascontiguousarray(levels[-1][halve]))
    return levels


def _limits(pixels: npt.NDArray[Any]) -> tuple[float, float]:
    """Return contrast limits for values that are not in the image's units."""
    if pixels.dtype == np.uint8:
        return 0.0, 255.0
    sample = pixels.ravel()[:: max(1, pixels.size // _SAMPLE_PX)]
    low, high = float(np.nanmin(sample)), float(np.nanmax(sample))
    return (low, high) if low < high else (low, low + 1.0)
