"""compare() and the trust maps: what a run changed, and where to doubt it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from napari_microenhance.engine.arguments import (
    as_number,
    as_options,
    as_planes,
    as_window,
    check_called,
)
from napari_microenhance.engine.options import Options
from napari_microenhance.engine.result import Result
from napari_microenhance.engine.run import Progress
from napari_microenhance.engine.selection import Selection
from napari_microenhance.engine.source import Source
from napari_microenhance.measure.comparison import Comparison
from napari_microenhance.measure.full_range import FullRange
from napari_microenhance.measure.trust_maps.trust import TrustMap
from napari_microenhance.models import Model, load_model
from napari_microenhance.records.image_input import ImageInput
from napari_microenhance.records.inputs import open_pair, selection_of
from napari_microenhance.types import Box, ImageLike, PathLike, RoiLike, ShouldStop

if TYPE_CHECKING:
    from napari_microenhance.measure.trust_maps.oriented_array import OrientedArray
from napari_microenhance.api.enhancing import enhance

__all__ = ["compare", "raw_consistency", "variability"]


def compare(
    a: ImageLike | Source,
    b: ImageLike | Source | Result,
    roi: RoiLike = None,
    axes: str | None = None,
    *,
    planes: Sequence[int] | None = None,
    beyond: float = 3.0,
    data_range: FullRange | float | None = None,
    should_stop: ShouldStop | None = None,
) -> Comparison:
    """Tell what changed from an image to its result.

    Parameters
    ----------
    a : array-like, str or path
        The image.
    b : array-like, str, path or Result
        The result: as large as the image or a whole number of times finer or coarser, colour
        or made grey. One that was cropped is compared with what it was cut from, if it
        carries its record.
    roi : optional
        Pixels of the image that count, of any kind that `enhance` takes; None: all. Each
        polygon, label or connected piece of a mask also gets figures of its own.
    axes : str, optional
        Of both images, where they do not say.
    planes : sequence of int, optional
        Of the result, counted as `Options.planes` does; None: all.
    beyond : float
        Changes of more than so many times the image's noise are counted.
    data_range : float or FullRange, optional
        What counts as full range for PSNR and SSIM, image units. Default: the intensity range
        of the run, where the result carries its record; else 255 for uint8, and the largest
        less the smallest value of the image for other number types. The comparison says which.
    should_stop : callable, optional
        Polled after every 2 Mpx.

    Returns
    -------
    Comparison

    Raises
    ------
    Cancelled
        If `should_stop` returned true.
    MicroEnhanceError
        If the two do not belong together; the text is one sentence.
    """
    from napari_microenhance.measure.changes import compare_images

    check_called(should_stop=should_stop)
    if not isinstance(data_range, FullRange):
        data_range = None if data_range is None else as_number("data_range", data_range, above=0)
    chosen = as_planes(planes)
    pair = open_pair(a, b, roi, axes)
    found = compare_images(
        pair.before,
        pair.after,
        pair.parts,
        planes=chosen,
        beyond=as_number("beyond", beyond, above=0),
        data_range=pair.data_range if data_range is None else data_range,
        should_stop=should_stop,
    )
    return dataclasses.replace(found, notes=tuple(map(str, pair.notes)))


def variability(
    image: ImageLike | Source,
    model: Model | PathLike,
    roi: RoiLike = None,
    axes: str | None = None,
    *,
    options: Options | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: ShouldStop | None = None,
    window: tuple[tuple[int, int], tuple[int, int]] | None = None,
) -> TrustMap:
    """Tell how much a result depends on how the image lay and where its tiles began.

    The run is repeated with the image flipped and turned in eight ways, each begun at another
    pixel, so it costs eight runs.

    Parameters
    ----------
    image, model, roi, axes, options, on_progress, should_stop, window
        As for `enhance`; progress is that of all runs. The map of a preview covers its window.

    Returns
    -------
    TrustMap
        The standard deviation of each pixel.

    Raises
    ------
    Cancelled
        If `should_stop` returned true.
    MicroEnhanceError
        If the run is not possible.
    """
    from napari_microenhance.measure.trust_maps.variability import measure_variability

    chosen, seen = as_options(options), as_window(window)
    check_called(on_progress=on_progress, should_stop=should_stop)
    network = load_model(model)
    spec = network.at(chosen.precision).spec
    source = ImageInput.of(image, axes, spec.spatial).source
    selection, _ = selection_of(roi, source)

    def run_view(
        view: "OrientedArray",
        inside: Selection,
        how: Options,
        part: Box | None,
        report: Callable[[Progress], None],
    ) -> Result:
        shown = (part[0], part[1]) if part else None
        return enhance(
            view,
            network,
            inside,
            source.axes,
            options=how,
            on_progress=report,
            should_stop=should_stop,
            window=shown,
        )

    return measure_variability(
        source, selection, spec, chosen, run_view, window=seen, on_progress=on_progress
    )


def raw_consistency(
    a: ImageLike | Source,
    b: ImageLike | Source | Result,
    roi: RoiLike = None,
    axes: str | None = None,
    *,
    planes: Sequence[int] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: ShouldStop | None = None,
) -> TrustMap:
    """Tell how far a result, blurred back, is from the image that it was made of.

    Parameters
    ----------
    a, b, roi, axes, planes, should_stop
        As for `compare`.
    on_progress : callable, optional
        Called with a `Progress` that counts the blurs tried.

    Returns
    -------
    TrustMap
        The absolute difference at each pixel of the image.

    Raises
    ------
    Cancelled
        If `should_stop` returned true.
    MicroEnhanceError
        If the two do not belong together.
    """
    from napari_microenhance.measure.trust_maps.consistency import measure_consistency

    check_called(on_progress=on_progress, should_stop=should_stop)
    chosen = as_planes(planes)
    pair = open_pair(a, b, roi, axes)
    return measure_consistency(
        pair.before,
        pair.after,
        pair.parts.whole,
        planes=chosen,
        on_progress=on_progress,
        should_stop=should_stop,
    )
