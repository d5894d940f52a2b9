"""Steps of a BioImage.IO description, format 0.4 and 0.5, as steps of ours."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final

from napari_microenhance.engine.steps import processing as steps
from napari_microenhance.engine.steps.processing import Step
from napari_microenhance.errors import ModelError

__all__ = ["INPUT_ID", "LETTERS", "read_steps", "step_entries", "turned"]

INPUT_ID: Final = "input"
"""Name of the image in the packages that we write."""

OTHER_NAMES: Final = {"minimum": "min", "maximum": "max"}
"""The format's words for the limits of a clip."""

LETTERS: Final = {"b": "N", "batch": "N", "c": "C", "channel": "C", "z": "Z", "y": "Y", "x": "X"}
"""Axes of both formats and ours."""


def read_steps(raw: Sequence[Any], *, letters: str, image: str, package: str) -> tuple[Step, ...]:
    """Return the processing steps of a tensor.

    Parameters
    ----------
    raw : sequence
        Steps as bioimageio.spec reads them.
    letters : str
        Axes of the tensor, of "NCZYX".
    image : str
        Name of the input image, the only tensor that a step can refer to.
    package : str
        File name, for error texts.

    Returns
    -------
    tuple of Step

    Raises
    ------
    ModelError
        If a step cannot be applied to whole images.
    """
    found = []
    for step in raw:
        kind = str(getattr(step, "id", None) or step.name)
        if kind not in BUILDERS:
            raise ModelError(
                f"The package {package} has the processing step {kind!r}, which is not "
                f"supported; supported are {', '.join(BUILDERS)}."
            )
        options = _StepOptions(kind, step.kwargs, letters, package)
        options.check(image)
        found.append(BUILDERS[kind](options))
    return tuple(found)


@dataclasses.dataclass(frozen=True)
class _StepOptions:
    """What a description says about one step."""

    kind: str
    kwargs: Any
    letters: str
    package: str

    def get(self, name: str) -> Any:  # noqa: ANN401 - of bioimageio.spec
        """Return an option, or None."""
        return getattr(self.kwargs, name, None)

    def numbers(self, name: str) -> steps.Numbers:
        """Return one number, or one per channel."""
        value = self.get(name)
        return tuple(float(v) for v in value) if isinstance(value, Sequence) else (float(value),)

    @property
    def per_channel(self) -> bool:
        """Whether every channel has statistics of its own."""
        axes = self.get("axes")
        joint = [LETTERS.get(str(axis)) for axis in axes or ()]
        return axes is not None and "C" in self.letters and "C" not in joint

    def check(self, image: str) -> None:
        """Raise where the step looks at single rows, planes or other tensors."""
        axis = self.get("axis")
        joint = [LETTERS.get(str(name)) for name in self.get("axes") or ()]
        apart = [a for a in "ZYX" if a in self.letters and a not in joint] if joint else []
        if not (axis is None or LETTERS.get(str(axis)) == "C"):
            apart.append(str(axis))
        # Format 0.4 names the axes that one number of several holds for.
        if apart and (axis is not None or self.kind not in FIXED):
            raise ModelError(
                f"The package {self.package} has a step {self.kind} that treats every "
                f"position along {apart[0]} separately; only steps over the whole image or "
                "each of its channels are supported."
            )
        reference = self.get("reference_tensor")
        if reference is not None and str(reference) != image:
            raise ModelError(
                f"The package {self.package} has a step {self.kind} that refers to the tensor "
                f"{reference}; only {image} can be referred to."
            )


def _zero_mean(options: _StepOptions) -> Step:
    """Return the step that format 0.5 calls by two names."""
    if options.get("mode") != "fixed":
        return steps.ZeroMeanUnitVariance(options.per_channel, float(options.get("eps")))
    std = tuple(s + float(options.get("eps")) for s in options.numbers("std"))
    return steps.FixedZeroMeanUnitVariance(options.numbers("mean"), std)


BUILDERS: Final[dict[str, Callable[[_StepOptions], Step]]] = {
    "binarize": lambda o: steps.Binarize(o.numbers("threshold")),
    "clip": lambda o: steps.Clip(
        o.get("min"), o.get("max"), o.get("min_percentile"), o.get("max_percentile"), o.per_channel
    ),
    "ensure_dtype": lambda o: steps.EnsureDtype(str(o.get("dtype"))),
    "fixed_zero_mean_unit_variance": lambda o: steps.FixedZeroMeanUnitVariance(
        o.numbers("mean"), o.numbers("std")
    ),
    "scale_linear": lambda o: steps.ScaleLinear(o.numbers("gain"), o.numbers("offset")),
    "scale_mean_variance": lambda o: steps.ScaleMeanVariance(o.per_channel, float(o.get("eps"))),
    "scale_range": lambda o: steps.ScaleRange(
        float(o.get("min_percentile")),
        float(o.get("max_percentile")),
        o.per_channel,
        float(o.get("eps")),
        o.get("reference_tensor") is not None,
    ),
    "sigmoid": lambda _: steps.Sigmoid(),
    "softmax": lambda _: steps.Softmax(),
    "zero_mean_unit_variance": _zero_mean,
}

FIXED: Final = ("scale_linear", "fixed_zero_mean_unit_variance")
"""Steps without statistics."""


def turned(found: Sequence[Step]) -> tuple[Any, ...]:
    """Return steps with their numbers for three colours in the other order, RGB or BGR.

    Parameters
    ----------
    found : sequence of Step

    Returns
    -------
    tuple of Step
    """
    turned_steps = []
    for step in found:
        numbers: dict[str, Any] = {
            name: value[2::-1] + value[3:]
            for name, value in vars(step).items()
            if isinstance(value, tuple) and len(value) > 2
        }
        turned_steps.append(dataclasses.replace(step, **numbers))
    return tuple(turned_steps)


def step_entries(found: Sequence[Step], letters: str) -> list[dict[str, Any]]:
    """Return steps of ours as format 0.5 writes them.

    Parameters
    ----------
    found : sequence of Step
    letters : str
        Axes of the tensor, of "NCZYX".

    Returns
    -------
    list of dict
        Without those that change nothing, which the format does not allow.
    """
    spatial = [letter.lower() for letter in letters if letter in "ZYX"]
    entries = []
    for step in found:
        if step == steps.ScaleLinear():
            continue
        given = {k: v for k, v in vars(step).items() if k != "id" and v is not None}
        if given.pop("per_channel", False):
            given["axes"] = spatial
        if given.pop("of_input", False) or isinstance(step, steps.ScaleMeanVariance):
            given["reference_tensor"] = INPUT_ID
        several = {k for k, v in given.items() if isinstance(v, tuple) and len(v) > 1}
        for name, value in given.items():
            if isinstance(value, tuple):
                given[name] = list(value) if several else value[0]
        if several:
            given["axis"] = "channel"
        if isinstance(step, steps.Clip):
            given = {OTHER_NAMES.get(name, name): value for name, value in given.items()}
        entries.append({"id": step.id, **({"kwargs": given} if given else {})})
    return entries
