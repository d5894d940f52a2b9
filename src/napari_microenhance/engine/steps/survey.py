"""Survey: the network's output on a whole image or stack, for statistics that need it."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.feed import Feed, Lane
from napari_microenhance.engine.large.sample_grid import SAMPLE_PX
from napari_microenhance.engine.region import Region
from napari_microenhance.engine.runtime.inference import Inference
from napari_microenhance.engine.source import Source
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.engine.tiles.stitching import Stitcher
from napari_microenhance.engine.tiles.tiling import Plan

__all__ = ["survey"]


def survey(
    lane: Lane,
    *,
    source: Source,
    spec: ModelSpec,
    inference: Inference,
    layout: Plan,
    batch: int,
    check_stop: Callable[[], None],
) -> npt.NDArray[np.float32]:
    """Run the network over everything, whatever the ROI, so that no ROI changes a result.

    Parameters
    ----------
    lane : Lane
        Its plane is not used: all planes are run.
    source : Source
    spec : ModelSpec
    inference : Inference
    layout : Plan
        Over all of a plane, each pixel kept once.
    batch : int
        Tiles per network call.
    check_stop : callable
        Raises to end it.

    Returns
    -------
    ndarray, shape (C, N), float32
        Output pixels, at most about 16 million, spread evenly.
    """
    lanes = [dataclasses.replace(lane, plane=plane) for plane in source.planes]
    stitchers = {one: Stitcher(layout, layout.neighbours()) for one in lanes}
    pixels = math.prod(source.spatial_shape) * float(spec.ratio) ** len(source.spatial_shape)
    every = max(1, math.ceil(pixels * len(lanes) / SAMPLE_PX))
    parts = []
    feed = Feed(
        source=source,
        region=Region.whole(source.spatial_shape),
        spec=spec,
        inference=inference,
        layout=layout,
        context="image",
        batch=batch,
    )
    with feed:
        for one, index, output in feed.outputs(lanes, check_stop):
            kept = stitchers[one].add(index, output)
            parts.append(kept.reshape(len(kept), -1)[:, ::every].copy())
    return np.concatenate(parts, axis=1)
