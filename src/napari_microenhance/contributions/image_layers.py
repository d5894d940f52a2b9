"""Image files as layers: a layer per channel, in the file's units, colours and resolutions."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_microenhance.contributions.layer_data import LayerData
from napari_microenhance.images.imagefile import ChannelDisplay, ImageFile
from napari_microenhance.images.lazy import ChannelPixels, LazyPixels
from napari_microenhance.images.thinned import thinned_levels

__all__ = [
    "axis_attributes",
    "contrast",
    "image_layers",
    "label_layer",
    "napari_unit",
    "resolutions",
]

_UNITS: Final = frozenset("Å pm nm µm mm cm m in ns µs ms s min h d".split())  # noqa: SIM905
"""What napari's units understand, spelled as `ImageFile` spells them."""

_NAMES: Final = {"d": "day", "Å": "angstrom"}
"""Where napari knows a unit under another name."""

KEPT_BYTES: Final = 1 << 27
"""A larger image stays on the disk until it is looked at."""

_SAMPLED: Final = 1 << 22
"""Values that are looked at to find how bright an image is."""

_COLOURS: Final = {
    1: ("gray",),
    2: ("magenta", "green"),
    3: ("cyan", "magenta", "yellow"),
}
_MANY_COLOURS: Final = ("cyan", "magenta", "yellow", "green", "red", "blue", "gray")


def image_layers(path: Path, file: ImageFile) -> list[LayerData]:
    """Return the layers that show an image file.

    Parameters
    ----------
    path : Path
        Its name without suffixes is that of channels that have none.
    file : ImageFile

    Returns
    -------
    list of tuple
        One Image layer per channel, additive where there are several; colour is one layer.
        Lower resolutions make it multiscale, and it is read where it is looked at.
    """
    levels = resolutions(file)
    where = axis_attributes(file)
    name = path.name.split(".")[0] or path.name
    if "C" not in file.axes or file.axes.endswith("YXC"):
        colour = {"rgb": True} if "C" in file.axes else {"rgb": False}
        display = file.displays[0] if len(file.displays) == 1 else ChannelDisplay()
        look = _look(display, levels, colours=("gray",)) if "C" not in file.axes else {}
        if "C" in file.axes and len(levels) > 1:
            look = {"contrast_limits": contrast(levels)}
        return [_layer(levels, {"name": name, **where, **look, **colour})]
    axis = file.axes.index("C")
    count = file.pixels.shape[axis]
    names = file.channel_names or tuple(f"{name} {i + 1}" for i in range(count))
    displays = file.displays or (ChannelDisplay(),) * count
    colours = _COLOURS.get(count, _MANY_COLOURS)
    layers = []
    for i, (label, display) in enumerate(zip(names, displays, strict=True)):
        channel = [_channel(level, axis, i) for level in levels]
        look = _look(display, channel, colours=(colours[i % len(colours)],))
        meta = {"name": label or f"{name} {i + 1}", **where, **look, "rgb": False}
        layers.append(_layer(channel, {**meta, "blending": "additive"} if count > 1 else meta))
    return layers


def label_layer(name: str, file: ImageFile) -> LayerData:
    """Return the layer of a label image, hidden.

    Parameters
    ----------
    name : str
    file : ImageFile
        Whole numbers; an axis of one channel is left out.
    """
    levels = resolutions(file)
    if "C" in file.axes:
        levels = [_channel(level, file.axes.index("C"), 0) for level in levels]
    meta = {"name": name, **axis_attributes(file), "visible": False}
    if len(levels) == 1:
        return (levels[0], meta, "labels")
    return (levels, {**meta, "multiscale": True}, "labels")


def axis_attributes(file: ImageFile) -> dict[str, Any]:
    """Return scale, units and labels of the axes that a layer of the image has.

    Parameters
    ----------
    file : ImageFile
        Channels are layers, or colour, so they have none.
    """
    letters = file.axes.replace("C", "")
    steps = [file.pixel_size.get(letter, (1.0, "")) for letter in letters]
    return {
        "scale": tuple(step for step, _ in steps),
        "units": tuple(napari_unit(unit) for _, unit in steps),
        "axis_labels": tuple(letter.lower() for letter in letters),
    }


def napari_unit(unit: str) -> str:
    """Return a unit as napari takes it; a pixel where it would not know it.

    Parameters
    ----------
    unit : str
        As `ImageFile` spells it.
    """
    return _NAMES.get(unit, unit) if unit in _UNITS else "pixel"


def contrast(levels: Sequence[Any]) -> tuple[float, float]:
    """Return the values that an image has, from a part of its lowest resolution.

    Parameters
    ----------
    levels : sequence of array-like
        Finest first.

    Returns
    -------
    tuple of float
        (low, high), low below high; the whole range for uint8.
    """
    coarsest = levels[-1]
    dtype = np.dtype(coarsest.dtype)
    if dtype == np.uint8:
        return (0.0, 255.0)
    # The middle of the stack, and of the plane where that is too large.
    key = [slice(n // 2, n // 2 + 1) for n in coarsest.shape]
    left = _SAMPLED
    for axis in reversed(range(len(key))):
        length = coarsest.shape[axis]
        taken = min(length, left)
        first = (length - taken) // 2
        key[axis] = slice(first, first + taken)
        left = max(1, left // taken)
    values = np.asarray(coarsest[tuple(key)])
    values = values[np.isfinite(values)]
    if not values.size:
        return (0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low, low + 1.0)


def resolutions(file: ImageFile) -> list[Any]:
    """Return an image at all its resolutions, finest first.

    A large image without lower ones gets some for the screen: napari would read it whole.

    Parameters
    ----------
    file : ImageFile
    """
    if file.levels:
        return [file.pixels, *file.levels]
    pixels = in_memory(file.pixels)
    if not isinstance(pixels, LazyPixels):
        return [pixels]
    return [pixels, *thinned_levels(pixels, file.axes.index("Y"))]


def in_memory(pixels: Any) -> Any:  # noqa: ANN401 - any array-like
    """Return pixels as an ndarray where they are few enough, else as they are."""
    size = math.prod(pixels.shape) * np.dtype(pixels.dtype).itemsize
    return np.asarray(pixels) if size <= KEPT_BYTES else pixels


def _layer(levels: Sequence[Any], meta: dict[str, Any]) -> LayerData:
    """Return an Image layer of one or several resolutions."""
    if len(levels) == 1:
        return (levels[0], meta, "image")
    return (list(levels), {**meta, "multiscale": True}, "image")


def _channel(pixels: Any, axis: int, channel: int) -> Any:  # noqa: ANN401 - any array-like
    """Return one channel, still on the disk where the others are."""
    if isinstance(pixels, LazyPixels):
        return ChannelPixels(pixels, axis, channel)
    return pixels[(slice(None),) * axis + (channel,)]


def _look(display: ChannelDisplay, levels: Sequence[Any], *, colours: tuple[str]) -> dict[str, Any]:
    """Return colour, contrast and visibility of a layer."""
    look: dict[str, Any] = {"colormap": f"#{display.colour}" if display.colour else colours[0]}
    if display.colour == "FFFFFF":
        look["colormap"] = "gray"
    if np.dtype(levels[0].dtype).kind != "c":
        look["contrast_limits"] = display.window or contrast(levels)
    return {**look, "visible": display.visible}
