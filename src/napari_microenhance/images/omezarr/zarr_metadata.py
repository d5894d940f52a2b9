"""What OME-Zarr says about an image: axes, pixel size and channels, versions 0.4 and 0.5.

References
----------
.. [1] Moore et al., "OME-Zarr: a cloud-optimized bioimaging file format", Histochemistry and
   Cell Biology 160, 2023. https://doi.org/10.1007/s00418-023-02209-1
.. [2] OME-NGFF specification 0.5. https://ngff.openmicroscopy.org/0.5/
"""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from napari_microenhance.images.imagefile import ChannelDisplay, PixelSize, canonical_unit

__all__ = [
    "CHANGED_LABEL",
    "RGB",
    "ZarrImage",
    "image_names",
    "own_attributes",
    "parse_image",
]

CHANGED_LABEL: Final = "changed"
"""Name of the label image of changed pixels."""

RGB: Final = {"Red": "FF0000", "Green": "00FF00", "Blue": "0000FF", "Alpha": "FFFFFF"}
"""Channels that are colour: an image with these names and colours has its channels last."""

_TYPES: Final = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}


@dataclasses.dataclass(frozen=True)
class ZarrImage:
    """A multiscale image.

    Parameters
    ----------
    paths : tuple of str
        Of its arrays in the group, the finest first as far as their scales tell.
    axes : str
        One capital per dimension, "?" for an axis that has no letter of ours.
    pixel_sizes : tuple of mapping of str to (float, str)
        One per path.
    channel_names : tuple of str
        Or empty.
    is_colour : bool
        Whether its channels are red, green, blue and perhaps alpha.
    displays : tuple of ChannelDisplay
        One per channel, or empty.
    """

    paths: tuple[str, ...]
    axes: str
    pixel_sizes: tuple[PixelSize, ...]
    channel_names: tuple[str, ...] = ()
    is_colour: bool = False
    displays: tuple[ChannelDisplay, ...] = ()


def image_names(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the multiscale images that the attributes of a group describe.

    Parameters
    ----------
    attributes : mapping
        Of the group, untrusted; those of version 0.5 lie under "ome".
    """
    return tuple(str(image.get("name") or "") for image in _images(own_attributes(attributes)))


def parse_image(attributes: Mapping[str, Any], number: int = 0) -> ZarrImage | None:
    """Return what the attributes of a group say, or None where it is no multiscale image.

    Parameters
    ----------
    attributes : mapping
        Of the group, untrusted; those of version 0.5 lie under "ome".
    number : int
        Which of its images.
    """
    own = own_attributes(attributes)
    images = _images(own)
    if number >= len(images):
        return None
    image = images[number]
    levels = [part for part in image["datasets"] if isinstance(part, Mapping)]
    listed = image.get("axes")
    listed = listed if isinstance(listed, list) else list("tczyx")  # up to version 0.2
    described = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in listed]
    axes = "".join(map(_letter, described))
    units = [canonical_unit(str(axis.get("unit") or "")) for axis in described]
    # Sorting keeps the order of levels whose scales are missing or equal.
    levels.sort(key=lambda level: math.prod(_plane_scale(level, axes)))
    names, colours, displays = _channels(own)
    count = len(names)
    return ZarrImage(
        paths=tuple(str(level.get("path", "")) for level in levels) or ("",),
        axes=axes,
        pixel_sizes=tuple(_pixel_size((level, image), axes, units) for level in levels or [{}]),
        channel_names=names if any(names) else (),
        is_colour=count in (3, 4) and (names, colours) == _rgb(count),
        displays=displays,
    )


def own_attributes(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the attributes of OME-Zarr among those of a group.

    Parameters
    ----------
    attributes : mapping
        Of the group, untrusted; those of version 0.5 lie under "ome".
    """
    inner = attributes.get("ome")
    return inner if isinstance(inner, Mapping) else attributes


def _images(own: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the multiscale images that have resolutions."""
    images = own.get("multiscales")
    return [
        image
        for image in (images if isinstance(images, list) else [])
        if isinstance(image, Mapping)
        and isinstance(image.get("datasets"), list)
        and image["datasets"]
    ]


def _pixel_size(parts: Sequence[Mapping[str, Any]], axes: str, units: Sequence[str]) -> PixelSize:
    """Return the pixel size of a level, scaled as all of them are."""
    steps = [_scale(part, len(axes)) for part in parts]
    size = {
        axis: (math.prod(step), unit)
        for axis, unit, *step in zip(axes, units, *steps, strict=True)
        if axis in "TZYX"
    }
    return {axis: step for axis, step in size.items() if step != (1.0, "")}


def _letter(axis: Mapping[str, Any]) -> str:
    """Return the letter of an axis, by its name or its type."""
    name = str(axis.get("name") or "").upper()
    if name in _TYPES:
        return name
    return {"time": "T", "channel": "C"}.get(str(axis.get("type")), "?")


def _scale(part: Mapping[str, Any], count: int) -> list[float]:
    """Return the scale that a dataset or all of them have; ones where it is missing or odd."""
    found = part.get("coordinateTransformations")
    for transform in found if isinstance(found, list) else []:
        if not isinstance(transform, Mapping) or transform.get("type") != "scale":
            continue
        numbers = transform.get("scale")
        if isinstance(numbers, list) and len(numbers) == count:
            known = [isinstance(n, int | float) and 0 < n < float("inf") for n in numbers]
            return [float(n) if k else 1.0 for n, k in zip(numbers, known, strict=True)]
    return [1.0] * count


def _plane_scale(part: Mapping[str, Any], axes: str) -> list[float]:
    """Return the scale of a level along y and x."""
    scale = zip(axes, _scale(part, len(axes)), strict=True)
    return [step for axis, step in scale if axis in "YX"]


def _channels(
    own: Mapping[str, Any],
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[ChannelDisplay, ...]]:
    """Return names, colours and looks of the channels, as far as they are given."""
    omero = own.get("omero")
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    if not isinstance(channels, list) or not all(isinstance(c, Mapping) for c in channels):
        return (), (), ()
    names = tuple(str(channel.get("label") or "") for channel in channels)
    colours = tuple(str(channel.get("color") or "").lstrip("#").upper() for channel in channels)
    looks = tuple(
        ChannelDisplay(
            colour if re.fullmatch("[0-9A-F]{6}", colour) else "",
            _window(channel.get("window")),
            visible=channel.get("active") is not False,
        )
        for colour, channel in zip(colours, channels, strict=True)
    )
    return names, colours, looks


def _window(window: object) -> tuple[float, float] | None:
    """Return the values between which a channel is shown, where they make sense."""
    ends = (
        [window.get(key) for key in ("start", "end")]
        if isinstance(window, Mapping)
        else [None, None]
    )
    low, high = (float(n) if isinstance(n, int | float) else math.nan for n in ends)
    return (low, high) if -math.inf < low < high < math.inf else None


def _rgb(count: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return names and colours of channels that are colour."""
    return tuple(RGB)[:count], tuple(RGB.values())[:count]
