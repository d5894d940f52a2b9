"""Prescription: a package's steps, fitted to an image, in place of intensity maps."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.engine.intensity import Palette, sample_base
from napari_microenhance.engine.options import Options
from napari_microenhance.engine.source import Source
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.engine.steps.fitting import FittedSteps, fit_steps, in_input_units
from napari_microenhance.engine.steps.processing import EnsureDtype

__all__ = ["LaneSteps", "fit_lane", "remarks"]

FloatArray = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class LaneSteps:
    """What is done to the channels that the network sees together, before and after it."""

    before: FittedSteps
    after: FittedSteps

    def to_dict(self) -> dict[str, Any]:
        """Return both as plain JSON values."""
        return {"before": self.before.to_dict(), "after": self.after.to_dict()}


def fit_lane(
    source: Source, palette: Palette, spec: ModelSpec, outputs: FloatArray | None = None
) -> LaneSteps | None:
    """Fit a package's steps on the whole image or stack.

    Parameters
    ----------
    source : Source
    palette : Palette
    spec : ModelSpec
    outputs : ndarray, shape (C, N), float32, optional
        What the network makes of the whole image or stack; needed where steps after it
        have statistics of their own.

    Returns
    -------
    LaneSteps or None
        None where the network has no steps.

    Raises
    ------
    ModelError
        If a step has numbers for another count of channels.
    """
    if not spec.preprocessing:
        return None
    sample = sample_base(source, palette).astype(np.float32)
    finite = np.isfinite(sample).all(axis=0)
    seen = palette.expand(sample if finite.all() else sample[:, finite])
    if outputs is None:
        outputs = np.zeros((spec.channels_out, 1), np.float32)
    return LaneSteps(
        before=fit_steps(spec.preprocessing, seen),
        after=fit_steps(spec.postprocessing, outputs, reference=seen),
    )


def remarks(source: Source, spec: ModelSpec, options: Options) -> list[Caution]:
    """Return what a user should know where a package's steps meet an image.

    Parameters
    ----------
    source : Source
    spec : ModelSpec
    options : Options
        `intensity` and `dtype` are used.
    """
    if not spec.preprocessing:
        return []
    found: list[str] = []
    if options.intensity != "auto":
        found.append("intensity is ignored: the package prescribes its own preprocessing.")
    first = spec.preprocessing[0]
    if isinstance(first, EnsureDtype) and not np.can_cast(source.dtype, first.dtype, "safe"):
        narrow = np.dtype(first.dtype).kind in "uib"
        if narrow:
            found.append(
                f"The package expects {first.dtype}, the image is {source.dtype}; fractions "
                "are truncated and values out of range are clipped."
            )
    whole = source.dtype.kind in "ui" and options.dtype != "float32" and spec.task == "image"
    if whole and not in_input_units(spec.preprocessing, spec.postprocessing):
        found.append(
            "The package's result is in units of its own, which integers may not hold; "
            "dtype=float32 keeps them."
        )
    return [Caution("package-steps", sentence) for sentence in found]
