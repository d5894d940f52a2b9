"""What TIFF files say about pixel size, channels and a run's record."""

from typing import Any, Final
from xml.etree import ElementTree

import tifffile

from napari_microenhance.images.imagefile import (
    RECORD_KEY,
    ChannelDisplay,
    PixelSize,
    canonical_unit,
    json_object,
)

__all__ = [
    "imagej_channels",
    "imagej_pixel_size",
    "ome_channels",
    "ome_displays",
    "ome_pixel_size",
    "ome_record",
    "shaped_entries",
    "tag_pixel_size",
]

_TAG_UNITS: Final = {1: "", 2: "in", 3: "cm"}  # ResolutionUnit, TIFF 6.0 section 8


def ome_pixel_size(xml: str) -> PixelSize:
    """Return the physical sizes of the first image; units as written, default µm and s."""
    pixels = _first_pixels(xml)
    if pixels is None:
        return {}
    names = {"X": "PhysicalSizeX", "Y": "PhysicalSizeY", "Z": "PhysicalSizeZ", "T": "TimeIncrement"}
    found = {}
    for axis, name in names.items():
        step = _positive(pixels.get(name))
        if step is not None:
            unit = pixels.get(f"{name}Unit", "s" if axis == "T" else "µm")
            found[axis] = (step, canonical_unit(unit))
    return found


def ome_channels(xml: str) -> tuple[str, ...]:
    """Return the channel names of the first image, or nothing where none is named."""
    pixels = _first_pixels(xml)
    names = [] if pixels is None else [c.get("Name", "") for c in pixels.iterfind("{*}Channel")]
    return tuple(names) if any(names) else ()


def ome_displays(xml: str) -> tuple[ChannelDisplay, ...]:
    """Return the colours of the channels of the first image, or nothing where none has one."""
    pixels = _first_pixels(xml)
    colours = [] if pixels is None else [c.get("Color") for c in pixels.iterfind("{*}Channel")]
    return tuple(ChannelDisplay(_hex(colour)) for colour in colours) if any(colours) else ()


def ome_record(xml: str) -> dict[str, Any] | None:
    """Return the record of a run from our annotation, or None."""
    root = _parse(xml)
    for note in () if root is None else root.iterfind(".//{*}CommentAnnotation"):
        if note.get("Namespace") == RECORD_KEY:
            return json_object(note.findtext("{*}Value") or "") or None
    return None


def imagej_pixel_size(tif: tifffile.TiffFile) -> PixelSize:
    """Return the calibration of an ImageJ file."""
    entries = tif.imagej_metadata or {}
    tags = tag_pixel_size(tif)
    unit = canonical_unit(str(entries.get("unit", "")))
    if unit in ("", "pixel"):
        return tags
    size = {axis: (step, unit) for axis, (step, _) in tags.items()}
    if step := _positive(entries.get("spacing")):
        size["Z"] = (step, unit)
    if step := _positive(entries.get("finterval")):
        size["T"] = (step, canonical_unit(str(entries.get("tunit", "s"))))
    return size


def imagej_channels(tif: tifffile.TiffFile, axes: str) -> tuple[str, ...]:
    """Return the channel names of an ImageJ file, which keeps one label per plane."""
    labels = (tif.imagej_metadata or {}).get("Labels") or ()
    if isinstance(labels, str):
        labels = (labels,)
    shape = dict(zip(tif.series[0].axes, tif.series[0].shape, strict=True))
    names = tuple(str(label) for label in labels[: shape.get("C", 0)])
    return names if "C" in axes and all(names) else ()


def tag_pixel_size(tif: tifffile.TiffFile) -> PixelSize:
    """Return the pixel size from the resolution tags, if they say anything."""
    tags = tif.pages.first.tags
    unit = _TAG_UNITS.get(int(tags.valueof("ResolutionUnit", 2)), "")
    size = {}
    for axis, name in (("Y", "YResolution"), ("X", "XResolution")):
        per_unit, scale = tags.valueof(name, (0, 1))
        if per_unit > 0 and scale > 0:
            size[axis] = (scale / per_unit, unit)
    # One pixel per nothing is what writers put where they know nothing.
    return {} if all(step == (1.0, "") for step in size.values()) else size


def shaped_entries(tif: tifffile.TiffFile) -> dict[str, Any]:
    """Return the JSON that tifffile, and with it this package, keeps in a plain file."""
    metadata = tif.shaped_metadata if tif.is_shaped else None
    return dict(metadata[0]) if metadata else {}


def _first_pixels(xml: str) -> ElementTree.Element | None:
    """Return the Pixels element of the first image."""
    root = _parse(xml)
    return None if root is None else root.find("{*}Image/{*}Pixels")


def _parse(xml: str) -> ElementTree.Element | None:
    """Parse OME-XML; damaged metadata are no reason to refuse the pixels."""
    try:
        return ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return None


def _hex(colour: str | None) -> str:
    """Return a colour of the OME schema, a signed number of red, green, blue and alpha."""
    try:
        return f"{int(colour or '') % 2**32 >> 8:06X}"
    except ValueError:
        return ""


def _positive(value: object) -> float | None:
    """Return a number above zero, or None."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if 0 < number < float("inf") else None
