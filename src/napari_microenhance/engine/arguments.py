"""What a caller gave, checked: each function returns the value it takes, or raises one sentence."""

import math
import operator
from collections.abc import Callable

from napari_microenhance.engine.options import Options, quoted
from napari_microenhance.errors import OptionsError
from napari_microenhance.types import Box

__all__ = ["as_number", "check_called", "check_kind"]

Spans = tuple[tuple[int, int], tuple[int, int]]


def as_options(options: object) -> Options:
    """Return the options of a run; None means the defaults.

    Raises
    ------
    OptionsError
        If they are no `Options`.
    """
    if options is None:
        return Options()
    if not isinstance(options, Options):
        raise OptionsError(
            f"options is {_kind(options)}; use Options(...), or Options.from_dict(...) for a dict."
        )
    return options


def as_window(window: object) -> Spans | None:
    """Return a (Y, X) window of whole pixels; None means everything.

    Raises
    ------
    OptionsError
        If it is not two ranges of whole numbers, each from a start to a stop after it.
    """
    if window is None:
        return None
    try:
        y, x = (
            (operator.index(start), operator.index(stop))
            for start, stop in window  # type: ignore[attr-defined]
        )
    except (TypeError, ValueError) as error:
        raise OptionsError(
            f"window={quoted(window)} must be ((y start, y stop), (x start, x stop)) in whole "
            "pixels."
        ) from error
    if y[0] >= y[1] or x[0] >= x[1]:
        raise OptionsError(f"window={quoted(window)} is empty; each stop must lie after its start.")
    return y, x


def as_planes(planes: object) -> tuple[int, ...] | None:
    """Return sorted numbers of planes; None means all.

    Raises
    ------
    OptionsError
        If they are no whole numbers from 0 on.
    """
    if planes is None:
        return None
    chosen = Options(planes=planes).planes  # type: ignore[arg-type]
    return None if chosen == "all" else chosen


def as_number(name: str, value: object, *, above: float = -math.inf) -> float:
    """Return a finite number.

    Parameters
    ----------
    name : str
        Of the argument, for the sentence.
    value : object
    above : float
        What it must be larger than.

    Raises
    ------
    OptionsError
        If it is none.
    """
    try:
        number = math.nan if isinstance(value, bool | str | bytes) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and number > above):
        more = "" if above == -math.inf else f" above {above:g}"
        raise OptionsError(f"{name}={quoted(value)} must be a finite number{more}.")
    return number


def check_called(**functions: Callable[..., object] | None) -> None:
    """Raise for each of these arguments that is given and cannot be called.

    Raises
    ------
    OptionsError
    """
    for name, function in functions.items():
        if function is not None and not callable(function):
            raise OptionsError(f"{name} is {_kind(function)}; pass a function, or leave it out.")


def check_kind(kind: type, **values: object) -> None:
    """Raise for each of these arguments that is of another kind.

    Parameters
    ----------
    kind : type
    **values : object
        By the name of the argument.

    Raises
    ------
    OptionsError
    """
    for name, value in values.items():
        if not isinstance(value, kind):
            raise OptionsError(f"{name} is {_kind(value)}; pass a value of type {kind.__name__}.")


def whole_depth(window: Spans | None, shape: tuple[int, ...]) -> Box | None:
    """Return a (Y, X) window over all planes of a volume of this spatial shape."""
    return window if window is None or len(shape) == 2 else ((0, shape[0]), *window)


def _kind(value: object) -> str:
    """Return of which type a value is, in words."""
    return f"of type {type(value).__name__}"
