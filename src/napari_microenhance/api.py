"""The headless front: enhance a region of an image with a network."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_microenhance.engine.options import Options
from napari_microenhance.engine.region import Box, Region
from napari_microenhance.engine.report import Report
from napari_microenhance.engine.result import Result
from napari_microenhance.engine.run import Job, Progress, run
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import RoiError
from napari_microenhance.models import Model, ModelInfo, list_models, load_model
from napari_microenhance.models.sidecar import load_edits, save_edits
from napari_microenhance.presets import list_presets, load_preset

__all__ = [
    "Model",
    "ModelInfo",
    "Options",
    "Progress",
    "Report",
    "Result",
    "enhance",
    "list_models",
    "list_presets",
    "load_edits",
    "load_model",
    "load_preset",
    "save_edits",
]


def enhance(
    image: Any,  # noqa: ANN401 - any array-like
    model: Model | str | os.PathLike[str],
    roi: Any = None,  # noqa: ANN401 - several kinds, see below
    axes: str | None = None,
    options: Options | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    *,
    window: tuple[tuple[int, int], tuple[int, int]] | None = None,
) -> Result:
    """Enhance a region of an image; every pixel outside stays as it is.

    Parameters
    ----------
    image : array-like, whole or real numbers
        NumPy, dask, zarr; read tile by tile, never modified.
    model : Model, str or path
        A loaded network, or what `load_model` takes.
    roi : optional
        None: the whole image. A bool mask or label image of the spatial shape (non-zero is
        inside), a list of (N, 2) arrays of (y, x) vertices in px with pixel centres at whole
        numbers, or the path of an ROI file.
    axes : str, optional
        One letter of "TCZYX" per dimension. Default: two dimensions are YX, a third of
        length 3 or 4 at the end is colour.
    options : Options, optional
    on_progress : callable, optional
        Called with a `Progress` after planning and after each tile, in this thread.
    should_stop : callable, optional
        Polled every 20 ms, also during a network call.
    window : tuple of (start, stop), optional
        (Y, X) ranges in px: compute only what they need. The patch is the ROI's box cut to
        them, its pixels equal those of the full run.

    Returns
    -------
    Result

    Raises
    ------
    Cancelled
        If `should_stop` returned true; nothing is kept.
    MicroEnhanceError
        If an input cannot be used; the text is one sentence that says what to do.
    """
    network = load_model(model)
    chosen = options or Options()
    spatial = "".join(a for a in "ZYX" if a in network.spec.axes_in)
    source = Source(image, axes, spatial)
    region, remarks = _region(roi, source)
    choice = network.choice(chosen.provider, chosen.threads)
    job = Job(
        source=source,
        region=region,
        spec=network.spec,
        session=choice.session,
        parity=choice.parity(),
        options=chosen,
        model={"name": network.name, "sha256": network.sha256, "source": network.source},
        window=_whole_depth(window, source),
        warnings=(*_cautions(network, chosen), *choice.remarks, *remarks),
        probe_seconds=network.probe_seconds,
    )
    return run(job, on_progress=on_progress, should_stop=should_stop)


def _cautions(network: Model, options: Options) -> tuple[str, ...]:
    """Return what was found out about a network, but for what the options already answer."""
    answered = "value_range" if options.value_range != "auto" else None
    return tuple(str(f) for f in network.details if f.severity == "caution" and f.topic != answered)


def _whole_depth(window: Box | None, source: Source) -> Box | None:
    """Return a (Y, X) window over all planes of a volume."""
    if window is None or source.spatial == "YX":
        return window
    return ((0, source.spatial_shape[0]), *window)


def _region(roi: Any, source: Source) -> tuple[Region, tuple[str, ...]]:  # noqa: ANN401 - several kinds
    """Return the region that any of the accepted kinds of ROI selects, and remarks on it."""
    *depth, height, width = source.spatial_shape
    if not isinstance(roi, str | os.PathLike | Sequence) and roi is not None:
        mask = np.asarray(roi)
        if mask.ndim == 3 and depth:
            return _from_mask(mask, source.spatial_shape), ()
    region, remarks = _flat_region(roi, (height, width))
    return region.swept(depth[0]) if depth else region, remarks


def _flat_region(roi: Any, shape: tuple[int, int]) -> tuple[Region, tuple[str, ...]]:  # noqa: ANN401 - several kinds
    """Return the region of a plane, and remarks on it."""
    if roi is None:
        return Region.whole(shape), ()
    if isinstance(roi, str | os.PathLike):
        from napari_microenhance.io.rois import read_roi

        found = read_roi(Path(roi), image_shape=shape)
        if found.mask is not None:
            return _from_mask(found.mask, shape), found.notes
        return Region.from_polygons(found.polygons, shape), found.notes
    if isinstance(roi, Sequence):
        if not roi:
            return Region.whole(shape), ("The ROI is empty; the whole image is enhanced.",)
        return Region.from_polygons(roi, shape), ()
    return _from_mask(np.asarray(roi), shape), ()


def _from_mask(mask: Any, shape: tuple[int, ...]) -> Region:  # noqa: ANN401 - an array
    """Return the region of a mask that fits the image."""
    if mask.dtype.kind not in "biu":
        raise RoiError(f"An ROI mask must be boolean or whole numbers, not {mask.dtype}.")
    if mask.shape != tuple(shape):
        raise RoiError(f"The ROI mask has shape {mask.shape}, the image {tuple(shape)}.")
    return Region.from_mask(mask)
