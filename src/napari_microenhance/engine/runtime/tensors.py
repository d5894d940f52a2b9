"""From image batches to a network's tensors and back: order of axes, number type, extras."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.spec import ModelSpec

__all__ = ["feeds", "to_images"]

FloatArray = npt.NDArray[np.float32]


def canonical(axes: str) -> str:
    """Return the order that the engine uses: N, C and then the spatial axes."""
    return "NC" + "".join(a for a in "ZYX" if a in axes)


def is_turned(spec: ModelSpec, channels: int) -> bool:
    """Whether so many channels are colours in the other order than ours."""
    return spec.colour_order == "bgr" and channels == 3


def feeds(images: FloatArray, spec: ModelSpec, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Return what the network reads.

    Parameters
    ----------
    images : ndarray, shape (N, C, ..., Y, X), float32
        In the network's range. Whole-number networks get them rounded and clipped.
    spec : ModelSpec
    names : sequence of str
        Of the network's inputs.

    Returns
    -------
    dict of str to ndarray
        C-contiguous tensors.
    """
    if is_turned(spec, images.shape[1] - spec.extra_channels):
        images = np.concatenate([images[:, 2::-1], images[:, 3:]], axis=1)
    order = [canonical(spec.axes_in).index(a) for a in spec.axes_in]
    tensor: npt.NDArray[Any] = images.transpose(order)
    dtype = np.dtype(spec.dtype)
    if dtype.kind in "ui":
        info = np.iinfo(dtype)
        tensor = np.clip(np.rint(tensor), info.min, info.max)
    found = {spec.input or names[0]: np.ascontiguousarray(tensor, dtype)}
    for name, value, kind, shape in spec.constants:
        found[name] = np.full(shape, value, kind)
    return found


def to_images(tensor: npt.NDArray[Any], spec: ModelSpec) -> FloatArray:
    """Return the network's output as images.

    Parameters
    ----------
    tensor : ndarray
        With the axes of ``spec.axes_out``.
    spec : ModelSpec

    Returns
    -------
    ndarray, shape (N, C, ..., Y, X), float32
    """
    wanted = canonical(spec.axes_out)
    images = tensor.transpose([spec.axes_out.index(a) for a in wanted])
    if spec.output_channels:
        images = images[:, list(spec.output_channels)]
    if spec.task == "image" and is_turned(spec, images.shape[1]):
        images = images[:, ::-1]
    return np.asarray(images, np.float32)
