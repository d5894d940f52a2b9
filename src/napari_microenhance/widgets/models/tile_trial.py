"""A trial: one tile of the user's image through a network, and what it did to the numbers."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.api import enhance, load_model
from napari_microenhance.widgets.models.facts import usual_tiling

if TYPE_CHECKING:
    from napari_microenhance.api import Model, Result
    from napari_microenhance.engine.reports.report_sections import ProviderSection
    from napari_microenhance.widgets.running.task import Task
    from napari_microenhance.widgets.viewer.layer_values import ImageSource

__all__ = ["TileTrial", "try_out"]

_EDGE_PX = 256

Window = tuple[tuple[int, int], tuple[int, int]]


@dataclasses.dataclass(frozen=True)
class TileTrial:
    """How a trial went.

    Parameters
    ----------
    sentence : str
        For the user.
    provider : ProviderSection
    """

    sentence: str
    provider: "ProviderSection"


def try_out(task: "Task", should_stop: Callable[[], bool]) -> TileTrial:
    """Run one tile at the middle of what is in sight; worker thread.

    Parameters
    ----------
    task : Task
        Its ROI is not used, its window says what is in sight.
    should_stop : callable

    Returns
    -------
    TileTrial
    """
    model = load_model(task.model)
    box = _middle(task, model)
    (y0, y1), (x0, x1) = box
    corners = [(y0, x0), (y0, x1), (y1, x1), (y1, x0)]
    labels = model.spec.task == "labels"
    options = dataclasses.replace(
        task.options,
        tile="auto",
        dilate=0,
        feather=0,
        background="crop",
        # Numbers beyond the image's type are to be seen.
        dtype="same" if labels else "float32",
    )
    result = enhance(
        task.source.data,
        model,
        # Half a pixel back: these are the corners of pixels, not their centres.
        roi=[np.array(corners, float) - 0.5],
        axes=task.source.axes,
        options=options,
        should_stop=should_stop,
        window=box,
    )
    said = _labels(result) if labels else _values(result, task.source)
    plan, seconds = result.report.plan, result.report.seconds.total
    shape = " x ".join(map(str, plan.tile_shape))
    tiles = "One tile" if plan.tiles == 1 else f"{plan.tiles} tiles"
    return TileTrial(f"{tiles} of {shape} px took {seconds:.2g} s: {said}", result.report.provider)


def _middle(task: "Task", model: "Model") -> Window:
    """Return the part at the middle of the view that one tile gives, image px."""
    shape = task.source.spatial_shape
    tiling = usual_tiling(model.spec)
    edges = tiling.kept[-2:] if tiling else (_EDGE_PX, _EDGE_PX)
    seen = task.window or tuple((0, n) for n in shape)
    y, x = (_inside(*sizes) for sizes in zip(seen, shape, edges, strict=True))
    return y, x


def _inside(seen: tuple[int, int], length: int, kept: int) -> tuple[int, int]:
    """Return a range of one axis around the middle of what is seen, image px."""
    edge = min(_EDGE_PX, kept, length)
    first = min(max(0, (sum(seen) - edge) // 2), length - edge)
    return first, first + edge


def _labels(result: "Result") -> str:
    """Say which labels came out."""
    share = np.count_nonzero(result.patch) / result.patch.size
    return f"labels 0 to {int(result.patch.max())}, {share:.0%} of the pixels labelled."


def _values(result: "Result", source: "ImageSource") -> str:
    """Say what became of the pixels."""
    before, after = _under(result, source), result.patch
    text = f"pixel values {_span(before)} became {_span(after)}; "
    if before.dtype.kind == "f":
        return text + "nothing is clipped in a float image."
    ends = np.iinfo(before.dtype)
    share = float(np.mean((after < ends.min - 0.5) | (after > ends.max + 0.5)))
    return text + f"{share:.2%} of the values are clipped to {before.dtype}."


def _under(result: "Result", source: "ImageSource") -> npt.NDArray[Any]:
    """Return the pixels of the image that a patch was made of."""
    key = [slice(None)] * source.data.ndim
    for letter, span in zip(result.axes, result.place.image_box, strict=True):
        if letter != "C":
            key[source.axes.index(letter)] = slice(*span)
    return np.asarray(source.data[tuple(key)])


def _span(pixels: npt.NDArray[Any]) -> str:
    """Return the least and the largest value."""
    return f"{float(pixels.min()):.4g} to {float(pixels.max()):.4g}"
