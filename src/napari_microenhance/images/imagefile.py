"""ImageFile: an image with what its file says about it."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.engine.reports.report import RECORD_KEY

__all__ = [
    "CHANGED",
    "RECORD_KEY",
    "ChannelDisplay",
    "ImageFile",
    "ImageToWrite",
    "PixelSize",
]

CHANGED: Final = "Changed pixels"
"""Name of the second image of an OME-TIFF, which says where the first differs from its source."""

PixelSize = Mapping[str, tuple[float, str]]
"""Axis letter -> (step from one sample to the next, unit)."""

_SPELLINGS = {
    "um": "µm",
    "μm": "µm",
    "\\u00b5m": "µm",
    "micron": "µm",
    "microns": "µm",
    "micrometer": "µm",
    "micrometre": "µm",
    "nanometer": "nm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "inch": "in",
    "inches": "in",
    "sec": "s",
    "second": "s",
    "seconds": "s",
    "millisecond": "ms",
    "minute": "min",
    "hour": "h",
    "day": "d",
    "microsecond": "µs",
    "nanosecond": "ns",
    "angstrom": "Å",
    "picometer": "pm",
    "pixels": "pixel",
}

_UM = {"nm": 1e-3, "µm": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6, "in": 25_400.0}


@dataclasses.dataclass(frozen=True)
class ChannelDisplay:
    """How a file wants a channel to be shown.

    Parameters
    ----------
    colour : str
        "RRGGBB" in hexadecimal digits, or empty.
    window : tuple of float or None
        The values shown as black and as full colour.
    visible : bool
    """

    colour: str = ""
    window: tuple[float, float] | None = None
    visible: bool = True


@dataclasses.dataclass(frozen=True, eq=False)
class ImageFile:
    """An image and what its file says about it.

    Parameters
    ----------
    pixels : array-like, any shape and dtype, native byte order
        As many dimensions as `axes` has letters. An ndarray, but of OME-Zarr, and of large TIFF,
        `LazyPixels`, which are read where they are sliced.
    axes : str
        Letters of "TCZYX" in the file's order; a "C" after "YX" is colour (3 samples)
        or colour with alpha (4).
    pixel_size : mapping of str to (float, str)
        Axis letter -> (step, unit), units as in the OME schema ("µm", "in", "s").
        Axes of unknown step are absent.
    channel_names : tuple of str
        One per channel of a leading "C" axis, or empty.
    notes : tuple of Caution
        One sentence for everything that was interpreted or left out on the way.
    displays : tuple of ChannelDisplay
        One per channel of a leading "C" axis, one for an image without, or empty.
    levels : tuple of array-like
        The same image at lower resolutions, finest first, with the same axes.
    """

    pixels: Any
    axes: str
    pixel_size: PixelSize = dataclasses.field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    notes: tuple[Caution, ...] = ()
    displays: tuple[ChannelDisplay, ...] = ()
    levels: tuple[Any, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class ImageToWrite:
    """An image with all that its file is to say.

    Parameters
    ----------
    pixels : array-like
        An ndarray, but for OME-Zarr and OME-TIFF, which are written part by part.
    axes : str
        One letter of "TCZYX" per dimension; a "C" after "YX" is colour.
    pixel_size : mapping of str to (float, str)
        Axis letter -> (step, unit).
    channel_names : tuple of str
        One per channel of a leading "C" axis, or empty.
    record : dict or None
        Plain JSON.
    changed : array-like of bool, or None
        Which pixels differ from the original; the axes of the image without "C".
    """

    pixels: Any
    axes: str
    pixel_size: PixelSize = dataclasses.field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    record: dict[str, Any] | None = None
    changed: Any = None


def canonical_unit(text: str) -> str:
    """Return a unit of length or time as the OME schema spells it."""
    unit = text.strip()
    return _SPELLINGS.get(unit.lower(), unit)


def to_um(step: float, unit: str) -> float | None:
    """Return a length in micrometres, or None where the unit is no length."""
    return step * _UM[unit] if unit in _UM else None


def json_object(text: str | bytes) -> dict[str, Any]:
    """Return a JSON object; an empty one where the text is something else."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
