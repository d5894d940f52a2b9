"""Attempts: one image through a network that nothing is known of, within limits."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import psutil

from napari_microenhance.engine.runtime.limits import Limits
from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.errors import ModelError, ModelLimitError

__all__ = ["output_shape", "run_once", "try_run"]

FloatArray = npt.NDArray[np.float32]

SECONDS: Final = 10.0
SECONDS_PER_PX: Final = 2e-4
"""What one call may take, with what is added for every pixel: a thousand times what usual
networks take on one core."""

BYTES: Final = 1 << 30
BYTES_PER_PX: Final = 1 << 16
"""What one call may add to the memory, with what is added for every pixel: ten times what
usual networks take."""

SHARE_OF_FREE: Final = 0.8
"""Of the memory that is free, at most."""


def limits_for(lengths: Sequence[int]) -> Limits:
    """Return what a call on an image of such lengths, px, may take."""
    pixels = math.prod(lengths)
    free = SHARE_OF_FREE * psutil.virtual_memory().available
    return Limits(SECONDS + SECONDS_PER_PX * pixels, min(free, BYTES + BYTES_PER_PX * pixels))


def run_once(session: Session, spec: ModelSpec, image: FloatArray) -> FloatArray:
    """Run one image through a network.

    Parameters
    ----------
    session : Session
    spec : ModelSpec
    image : ndarray, shape (C, ..., Y, X), float32
        In the network's range.

    Returns
    -------
    ndarray, shape (C, ..., Y, X), float32
        Of any size.

    Raises
    ------
    ModelLimitError
        If it takes far more time or memory than any use of it would bear.
    ModelError
        If the network fails.
    """
    batch = np.repeat(image[None], spec.batch or 1, axis=0)
    outputs = session.run_within(limits_for(image.shape[1:]), batch, spec)
    return np.asarray(outputs[0])


def try_run(session: Session, spec: ModelSpec, image: FloatArray) -> FloatArray | None:
    """Run one image through a network whose scale and border loss are known.

    Parameters
    ----------
    session : Session
    spec : ModelSpec
    image : ndarray, shape (C, ..., Y, X), float32
        In the network's range.

    Returns
    -------
    ndarray, shape (C, ..., Y * scale, X * scale), float32, or None
        Less the border loss. None where the size is refused; an output that is empty, or whose
        size does not follow from scale and border loss, is a refusal too.

    Raises
    ------
    ModelLimitError
        If it takes far more time or memory than any use of it would bear.
    """
    try:
        out = run_once(session, spec, image)
    except ModelLimitError:
        raise
    except ModelError:
        return None
    lost = sum(spec.border_loss)
    wanted = tuple((n - lost) * spec.ratio for n in image.shape[1:])
    return out if out.size and out.shape[1:] == wanted else None


def output_shape(session: Session, spec: ModelSpec, lengths: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of the output tensor for an image of the middle of the range.

    Parameters
    ----------
    session : Session
    spec : ModelSpec
    lengths : sequence of int
        Of the image, px.

    Returns
    -------
    tuple of int
        The batch left out, in the order of ``spec.axes_out``.

    Raises
    ------
    ModelError
        If the network fails, or takes too much; see `run_once`.
    """
    low, high = spec.value_range
    out = run_once(
        session, spec, np.full((spec.channels_in, *lengths), (low + high) / 2, np.float32)
    )
    order = [a for a in spec.axes_out if a != "N"]
    canonical = [a for a in "CZYX" if a in spec.axes_out]
    return tuple(out.shape[canonical.index(a)] for a in order)
