"""Fitting: steps and the numbers that they need of a whole image or stack."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.steps.processing import Clip, FloatArray, Numbers, ScaleRange, Step
from napari_microenhance.errors import ModelError

__all__ = ["FittedStep", "FittedSteps", "fit_steps"]


@dataclasses.dataclass(frozen=True)
class FittedStep:
    """A step and the numbers measured for it."""

    step: Step
    numbers: tuple[tuple[str, Numbers], ...] = ()


@dataclasses.dataclass(frozen=True)
class FittedSteps:
    """Steps that know all their numbers; the same function of every pixel."""

    steps: tuple[FittedStep, ...] = ()

    def apply(self, values: npt.NDArray[Any]) -> FloatArray:
        """Return processed values.

        Parameters
        ----------
        values : ndarray, shape (B, ...)
            Not modified.

        Returns
        -------
        ndarray, shape (B, ...), float32
        """
        out = values.astype(np.float32)
        for fitted in self.steps:
            out = fitted.step.apply(out, dict(fitted.numbers))
        return out

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the steps and their numbers as plain JSON values."""
        return [_plain({**dataclasses.asdict(f.step), **dict(f.numbers)}) for f in self.steps]


def fit_steps(
    steps: Sequence[Step], sample: npt.NDArray[Any], *, reference: npt.NDArray[Any] | None = None
) -> FittedSteps:
    """Measure what steps need, each on what the steps before it make of a sample.

    Parameters
    ----------
    steps : sequence of Step
    sample : ndarray, shape (B, N)
        The whole image or stack, or a sample spread evenly over it, one row per channel;
        of preprocessing the input image, of postprocessing the network's output.
    reference : ndarray, shape (B, N), optional
        The unprocessed input image; default: `sample`.

    Returns
    -------
    FittedSteps

    Raises
    ------
    ModelError
        If a step has numbers for another count of channels.
    """
    values = sample.astype(np.float32)
    unprocessed = values if reference is None else reference.astype(np.float32)
    fitted = []
    for step in steps:
        given = {
            **{k: v for k, v in vars(step).items() if isinstance(v, tuple)},
            **(numbers := step.measure(values, unprocessed)),
        }
        for name, entries in given.items():
            if len(entries) not in (1, len(values)):
                raise ModelError(
                    f"The step {step.id} has {len(entries)} values for {name}, but its input "
                    f"has {len(values)} channel(s)."
                )
        fitted.append(FittedStep(step, tuple(numbers.items())))
        values = step.apply(values, numbers)
    return FittedSteps(tuple(fitted))


def needs_values(steps: Sequence[Step]) -> bool:
    """Whether steps must see the values that reach them before they can run."""
    return any(
        (step.measures and not (isinstance(step, ScaleRange) and step.of_input))
        or (isinstance(step, Clip) and (step.min_percentile, step.max_percentile) != (None, None))
        for step in steps
    )


def in_input_units(before: Sequence[Step], after: Sequence[Step]) -> bool:
    """Whether the steps after a network that changes nothing undo those before it.

    Casts may take a grey level.
    """
    if any(
        len(numbers) > 1
        for step in (*before, *after)
        for numbers in vars(step).values()
        if isinstance(numbers, tuple)
    ):
        return False
    grey = np.linspace(0, 255, 64, dtype=np.float32)[None]
    inner = fit_steps(before, grey).apply(grey)
    outer = fit_steps(after, inner, reference=grey).apply(inner)
    return bool(np.allclose(outer, grey, atol=1))


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return tuples as lists, the only one of several equal things that JSON knows."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v is not None}
    return list(value) if isinstance(value, tuple) else value
