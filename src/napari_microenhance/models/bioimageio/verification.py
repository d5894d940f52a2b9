"""Verification: whether a network still gives what its package says it gives."""

import dataclasses
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.runtime.tensors import canonical, is_turned
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.engine.steps.fitting import fit_steps
from napari_microenhance.errors import ModelError

__all__ = ["VerifyReport", "predict", "verify"]

TENSOR_BYTES: Final = 1 << 30


@dataclasses.dataclass(frozen=True)
class VerifyReport:
    """How far the network's answer is from the one in its package.

    Parameters
    ----------
    max_abs_difference : float
        In the units of the test output.
    shape : tuple of int
        Of what was compared.
    largest : float
        Largest absolute value of the test output.
    """

    max_abs_difference: float
    shape: tuple[int, ...]
    largest: float


def verify(
    tensors: tuple[npt.NDArray[Any], npt.NDArray[Any]], session: Session, spec: ModelSpec
) -> VerifyReport:
    """Run the test tensors through steps and network.

    Parameters
    ----------
    tensors : tuple of ndarray
        The test input and the output that belongs to it, their axes in the network's order.
    session : Session
    spec : ModelSpec
        Measured.

    Returns
    -------
    VerifyReport

    Raises
    ------
    ModelError
        If the tensors do not fit the network.
    """
    given = in_rgb(_images(tensors[0], spec.axes_in, "input", spec.name), spec)
    wanted = _images(tensors[1], spec.axes_out, "output", spec.name)
    if spec.output_channels:
        wanted = wanted[:, list(spec.output_channels)]
    wanted = in_rgb(wanted, spec)
    got = predict(given, session, spec)
    # The description may call for the wrong border to be cut off.
    trimmed = tuple(
        slice((n - m) // 2, (n - m) // 2 + m) if n > m else slice(None)
        for n, m in zip(got.shape, wanted.shape, strict=True)
    )
    got = got[trimmed]
    if got.shape != wanted.shape:
        raise ModelError(
            f"The test output of {spec.name} has the shape {wanted.shape}, but the model "
            f"returns {got.shape}."
        )
    return VerifyReport(
        max_abs_difference=float(np.abs(got - wanted).max(initial=0)),
        shape=wanted.shape,
        largest=float(np.abs(wanted).max(initial=0)),
    )


def predict(
    images: npt.NDArray[np.float32], session: Session, spec: ModelSpec
) -> npt.NDArray[np.float32]:
    """Return what steps and network make of whole images, without any tiles.

    Parameters
    ----------
    images : ndarray, shape (N, C, ..., Y, X), float32
        Unprocessed; statistics are taken of all of them together.
    session : Session
    spec : ModelSpec
        With steps.

    Returns
    -------
    ndarray, shape (N, C, ..., Y, X), float32

    Raises
    ------
    ModelError
        If the network does not take them.
    """
    rows = _rows(images)
    before = fit_steps(spec.preprocessing, rows)
    # A file that prescribes its batch gets copies.
    copies = spec.batch or 1
    output = np.concatenate(
        [session.run(np.stack([before.apply(image)] * copies), spec)[:1] for image in images]
    )
    after = fit_steps(spec.postprocessing, _rows(output), reference=rows)
    return np.stack([after.apply(image) for image in output])


def in_rgb(images: npt.NDArray[np.float32], spec: ModelSpec) -> npt.NDArray[np.float32]:
    """Return a network's images, (N, C, ...), with colours in our order, or ours in its."""
    if spec.task == "image" and is_turned(spec, min(images.shape[1], 3)):
        return np.concatenate([images[:, 2::-1], images[:, 3:]], axis=1)
    return images


def _images(tensor: npt.NDArray[Any], axes: str, kind: str, name: str) -> npt.NDArray[np.float32]:
    """Return a test tensor as (N, C, ..., Y, X), float32."""
    if tensor.ndim != len(axes):
        raise ModelError(f"The test {kind} of {name} has {tensor.ndim} axes, not {axes}.")
    return tensor.transpose([axes.index(a) for a in canonical(axes)]).astype(np.float32)


def _rows(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the values of each channel, of all images together."""
    return np.moveaxis(images, 1, 0).reshape(images.shape[1], -1)


def load_tensor(path: Path) -> npt.NDArray[Any]:
    """Return a .npy file's array; mapping it first makes a false length fail early."""
    if path.stat().st_size > TENSOR_BYTES:
        raise ModelError(f"The test tensor {path.name} is too large to be tested.")
    try:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, EOFError, ValueError) as error:
        raise ModelError(f"The test tensor {path.name} is not a readable .npy file.") from error
