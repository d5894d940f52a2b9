"""Classes: from the output of a segmentation network to labels or probabilities."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.spec import ModelSpec

__all__ = ["Activation", "classify", "missing_activation"]

FloatArray = npt.NDArray[np.float32]
Activation = Literal["none", "sigmoid", "softmax"]

SUM_TOLERANCE = 1e-3
"""How far from one the sum of probabilities of half-precision networks may be."""


def missing_activation(output: FloatArray) -> Activation:
    """Return what turns a network's output into probabilities.

    Parameters
    ----------
    output : ndarray, shape (K, ...), float32
        For random input. One channel: the foreground; more: one per class, the first
        the background.

    Returns
    -------
    {"none", "sigmoid", "softmax"}
        "none" where they are probabilities already.
    """
    bounded = bool((output >= 0).all() and (output <= 1).all())
    if len(output) == 1:
        return "none" if bounded else "sigmoid"
    sums = bool(np.abs(output.sum(axis=0) - 1).max() <= SUM_TOLERANCE)
    return "none" if bounded and sums else "softmax"


def classify(output: FloatArray, spec: ModelSpec, *, probabilities: bool) -> npt.NDArray[Any]:
    """Return labels or the probability of the foreground.

    Parameters
    ----------
    output : ndarray, shape (K, ...), float32
    spec : ModelSpec
        `activation` and `threshold` are used.
    probabilities : bool
        Whether to return float32 in [0, 1] instead of labels.

    Returns
    -------
    ndarray, shape (1, ...)
        Labels from 0 (background) to K - 1, or 1 for a single channel; float32 numbers.
    """
    if spec.activation == "sigmoid":
        # Split by sign, so that no exponential overflows.
        small = np.exp(-np.abs(output))
        output = np.where(output >= 0, 1, small) / (1 + small)
    elif spec.activation == "softmax":
        powers = np.exp(output - output.max(axis=0))
        output = powers / powers.sum(axis=0)
    if len(output) == 1:
        return output if probabilities else (output >= spec.threshold).astype(np.float32)
    if probabilities:
        return 1 - output[:1]
    return np.asarray(np.argmax(output, axis=0)[None], np.float32)
