"""Options: what the user may choose about a run."""

import dataclasses
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Self

from napari_microenhance.errors import OptionsError

__all__ = ["CHOICES", "Options"]

Auto = Literal["auto"]

CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "blend": ("auto", "crop", "linear", "gaussian"),
    "background": ("original", "white", "black", "crop"),
    "context": ("image", "white"),
    "intensity": ("auto", "dtype", "percentile", "minmax", "none"),
    "colour": ("auto", "luminance", "per-channel", "joint", "grey"),
    "dtype": ("same", "float32"),
    "provider": ("auto", "cpu", "cuda", "tensorrt", "openvino", "directml", "coreml"),
    "precision": ("auto", "float32", "int8"),
    "colour_order": ("auto", "rgb", "bgr"),
    "statistics": ("auto", "image", "roi", "tile"),
}
"""The words each text option accepts; `intensity` accepts a pair of numbers too."""

LONGEST: Final = 80
"""Characters of a wrong value that an error repeats."""

WHOLE_MOST: Final = 2**53
"""The largest whole number that JSON keeps, and that sums of lengths can take."""

LEAST: Final[Mapping[str, int]] = {
    "dilate": 0,
    "feather": 0,
    "tile": 1,
    "halo": 0,
    "threads": 1,
    "batch": 1,
    "memory": 1,
}
"""The least value of each option that is a whole number."""


def _option(default: object, help_text: str) -> Any:  # noqa: ANN401 - dataclasses.field is typed so
    return dataclasses.field(default=default, metadata={"help": help_text})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """How a run is done; every field is also a CLI option and a widget field.

    The text of each field stands in its ``metadata["help"]``, which the command
    line and the dock widget show.

    Raises
    ------
    OptionsError
        If a value is outside its range; the text names the option.
    """

    tile: int | Auto = _option("auto", "Tile size in px: edge of the model's input, halo included.")
    halo: int | Auto = _option(
        "auto",
        "Halo around each tile in px, filled with the image's own pixels; auto: the "
        "measured receptive field.",
    )
    blend: str = _option(
        "auto",
        "How neighbouring tiles are stitched; auto: crop where that is exact, otherwise "
        "linear blending.",
    )
    dilate: int = _option(0, "Dilate the ROI by this many px (square) before processing.")
    feather: int = _option(0, "Width in px of a soft transition inside the ROI's edge.")
    background: str = _option("original", "What the result shows outside the ROI.")
    context: str = _option("image", "What the model sees outside the ROI.")
    intensity: str | tuple[float, float] = _option(
        "auto",
        "Intensity normalisation: how image values map to the model's range, fitted once per "
        "channel on the whole image or stack; a rule, or LOW,HIGH.",
    )
    value_range: Auto | tuple[float, float] = _option(
        "auto", "Input range of the model, LOW,HIGH, where its file states none."
    )
    output_range: Auto | tuple[float, float] = _option(
        "auto", "Output range of the model, LOW,HIGH, where the measured one is wrong."
    )
    colour_order: str = _option(
        "auto", "Order of the model's colour channels; auto: as its file states."
    )
    extra_channel: float | Auto = _option(
        "auto",
        "Value of an additional input channel, such as a noise map, in grey levels of the image.",
    )
    colour: str = _option(
        "auto", "How RGB images enter a 1-channel model, and grey images a 3-channel model."
    )
    planes: Literal["all"] | tuple[int, ...] = _option(
        "all", "Planes of a stack to process, counted from 0; the last stack axis varies fastest."
    )
    dtype: str = _option("same", "Data type of the result.")
    provider: str = _option(
        "auto", "Execution provider of ONNX Runtime: the hardware that runs the model."
    )
    threads: int | Auto = _option("auto", "CPU threads used by the model.")
    batch: int | Auto = _option("auto", "Tiles per model call.")
    precision: str = _option(
        "auto",
        "Numerical precision; int8 runs the int8 version beside the model's file, auto "
        "the file itself.",
    )
    statistics: str = _option(
        "auto",
        "Where a model that normalises over the whole image takes its statistics: image, "
        "ROI or tile.",
    )
    memory: int | Auto = _option(
        "auto", "Memory the run may use, in bytes; auto: half of what is free."
    )
    no_caution: tuple[str, ...] = _option(
        (), "Cautions to silence, by name; unknown names have no effect."
    )

    def __post_init__(self) -> None:
        for name, words in CHOICES.items():
            value = getattr(self, name)
            if name == "intensity" and not isinstance(value, str):
                object.__setattr__(self, name, _pair(name, value))
            elif not isinstance(value, str) or value not in words:
                raise OptionsError(f"{name}={quoted(value)} is not one of {', '.join(words)}.")
        for name, least in LEAST.items():
            value = getattr(self, name)
            if name in ("dilate", "feather") or not _is_word(value, "auto"):
                object.__setattr__(self, name, _whole(name, value, least))
        for name, checked in _CHECKED.items():
            value = getattr(self, name)
            if not _is_word(value, getattr(type(self), name)):
                object.__setattr__(self, name, checked(name, value))

    def to_dict(self) -> dict[str, Any]:
        """Return the options as plain JSON values."""
        return {
            k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build options from plain JSON values, such as a preset file holds.

        Raises
        ------
        OptionsError
            If a name is unknown or a value is outside its range.
        """
        if not isinstance(values, Mapping):
            raise OptionsError(
                f"Options are a mapping of names to values, not {type(values).__name__}."
            )
        known = {f.name for f in dataclasses.fields(cls)}
        if unknown := sorted(map(str, set(values) - known)):
            raise OptionsError(
                f"Unknown option {unknown[0]!r}; the options are {', '.join(sorted(known))}."
            )
        plain: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**plain)


def quoted(value: object) -> str:
    """Return what was given as part of a sentence: on one line, and not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _number(name: str, value: object) -> float:
    """Return a finite number or raise."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError) as error:
        raise OptionsError(f"{name}={quoted(value)} must be a number.") from error
    if not math.isfinite(number):
        raise OptionsError(f"{name}={quoted(value)} must be a finite number.")
    return number


def _is_word(value: object, word: object) -> bool:
    """Tell whether a value is a word; an array is none, and cannot be compared with one."""
    return isinstance(value, str) and value == word


def _whole(name: str, value: object, least: int) -> int:
    """Return a whole number of at least `least`, whatever its library calls it, or raise."""
    try:
        number = least - 1 if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if number < least:
        raise OptionsError(f"{name}={quoted(value)} must be a whole number of at least {least}.")
    if number > WHOLE_MOST:
        raise OptionsError(f"{name}={quoted(value)} is too large; use a smaller number.")
    return number


def _planes(name: str, value: object) -> tuple[int, ...]:
    """Return sorted plane numbers or raise."""
    try:
        given = list(value)  # type: ignore[call-overload]
        planes = sorted({operator.index(p) for p in given})
    except (TypeError, ValueError) as error:
        raise OptionsError(f'{name}={quoted(value)} must be "all" or whole numbers.') from error
    if not planes or planes[0] < 0 or any(isinstance(p, bool) for p in given):
        raise OptionsError(f"{name}={quoted(value)} must be whole numbers, counted from 0.")
    return tuple(planes)


def _names(name: str, value: object) -> tuple[str, ...]:
    """Return names, each once, or raise."""
    refusal = f'{name}={quoted(value)} must be names, such as ("domain",).'
    if isinstance(value, str):
        raise OptionsError(refusal)
    try:
        given = tuple(value)  # type: ignore[arg-type,var-annotated]
    except TypeError as error:
        raise OptionsError(refusal) from error
    if wrong := [item for item in given if not isinstance(item, str)]:
        raise OptionsError(f"{name}={quoted(value)} must be names; {wrong[0]!r} is not one.")
    return tuple(dict.fromkeys(given))


def _pair(name: str, value: object) -> tuple[float, float]:
    """Return two ascending finite numbers or raise."""
    try:
        low, high = (float(v) for v in ("" if isinstance(value, str) else value))  # type: ignore[attr-defined]
    except (TypeError, ValueError, OverflowError) as error:
        raise OptionsError(f"{name}={quoted(value)} must be two numbers, LOW and HIGH.") from error
    if not (float("-inf") < low < high < float("inf")):
        raise OptionsError(f"{name}={quoted(value)} must be two finite numbers, LOW below HIGH.")
    return low, high


_CHECKED: Final[Mapping[str, Callable[[str, object], object]]] = {
    "value_range": _pair,
    "output_range": _pair,
    "extra_channel": _number,
    "planes": _planes,
    "no_caution": _names,
}
"""What an option must be where it is not its default word."""
