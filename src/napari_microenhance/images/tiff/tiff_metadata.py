"""What TIFF files say about pixel size, channels and a run's record."""

import dataclasses
from collections.abc import Mapping
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

__all__ = ["TiffDescription", "describe"]

_TAG_UNITS: Final = {1: "", 2: "in", 3: "cm"}  # ResolutionUnit, TIFF 6.0 section 8
_OME_SIZES: Final = {
    "X": "PhysicalSizeX", "Y": "PhysicalSizeY", "Z": "PhysicalSizeZ", "T": "TimeIncrement",
}  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class TiffDescription:
    """What a TIFF file says in words, untrusted.

    Parameters
    ----------
    resolution : mapping of str to tuple
        "Y" and "X" -> (pixels, units) of the resolution tags, as a fraction.
    unit : str
        Of the resolution tags: "in", "cm" or empty.
    ome : ElementTree.Element or None
        Root of an OME-XML.
    imagej : mapping
        Entries of an ImageJ description; empty in other files.
    shaped : mapping
        The JSON that tifffile, and with it this package, keeps in a plain file.
    """

    resolution: Mapping[str, tuple[int, int]]
    unit: str = ""
    ome: ElementTree.Element | None = None
    imagej: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    shaped: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def ome_names(self) -> tuple[str, ...]:
        """Names of the images of an OME-XML, in order."""
        images = () if self.ome is None else self.ome.iterfind("{*}Image")
        return tuple(image.get("Name", "") for image in images)

    @property
    def has_its_xml_elsewhere(self) -> bool:
        """Whether the file only points at an OME-XML in a file of its own."""
        return self.ome is not None and self.ome.find("{*}BinaryOnly") is not None

    @property
    def record(self) -> dict[str, Any] | None:
        """The record of the run that made the file."""
        if self.ome is not None:
            for note in self.ome.iterfind(".//{*}CommentAnnotation"):
                if note.get("Namespace") == RECORD_KEY:
                    return json_object(note.findtext("{*}Value") or "") or None
            return None
        entries = json_object(self.imagej.get("Info", "")) if self.imagej else self.shaped
        record = entries.get(RECORD_KEY)
        return record if isinstance(record, dict) else None

    def pixel_size(self, number: int = 0) -> PixelSize:
        """Return the pixel size of an image, from the richest description in the file.

        Parameters
        ----------
        number : int
            Which Image element of an OME-XML is meant.
        """
        if self.ome is not None:
            return _ome_size(self._ome_pixels(number)) or self._tag_size()
        if self.imagej:
            return self._imagej_size()
        sizes = self.shaped.get("pixel_size") or {}
        return {k: (float(v[0]), str(v[1])) for k, v in sizes.items()} or self._tag_size()

    def channel_names(self, shape: Mapping[str, int], number: int = 0) -> tuple[str, ...]:
        """Return the names of the channels of an image, or nothing where none is named.

        Parameters
        ----------
        shape : mapping of str to int
            Length of the series' axes, by letter.
        number : int
            Which Image element of an OME-XML is meant.
        """
        if self.ome is not None:
            names = tuple(c.get("Name", "") for c in self._ome_channels(number))
            return names if any(names) else ()
        if self.imagej:  # which keeps one label per plane
            labels = self.imagej.get("Labels") or ()
            labels = (labels,) if isinstance(labels, str) else labels
            names = tuple(str(label) for label in labels[: shape.get("C", 0)])
            return names if all(names) else ()
        return tuple(str(n) for n in self.shaped.get("channel_names") or ())

    def displays(self, number: int = 0) -> tuple[ChannelDisplay, ...]:
        """Return the colours of the channels of an image, or nothing where none has one.

        Parameters
        ----------
        number : int
            Which Image element of an OME-XML is meant.
        """
        colours = [channel.get("Color") for channel in self._ome_channels(number)]
        return tuple(ChannelDisplay(_hex(colour)) for colour in colours) if any(colours) else ()

    def _ome_pixels(self, number: int) -> ElementTree.Element | None:
        """Return the Pixels element of an image."""
        images = [] if self.ome is None else self.ome.findall("{*}Image")
        return images[number].find("{*}Pixels") if number < len(images) else None

    def _ome_channels(self, number: int) -> list[ElementTree.Element]:
        """Return the Channel elements of an image."""
        pixels = self._ome_pixels(number)
        return [] if pixels is None else pixels.findall("{*}Channel")

    def _imagej_size(self) -> PixelSize:
        """Return the calibration of an ImageJ file."""
        tags = self._tag_size()
        unit = canonical_unit(str(self.imagej.get("unit", "")))
        if unit in ("", "pixel"):
            return tags
        size = {axis: (step, unit) for axis, (step, _) in tags.items()}
        if step := _positive(self.imagej.get("spacing")):
            size["Z"] = (step, unit)
        if step := _positive(self.imagej.get("finterval")):
            size["T"] = (step, canonical_unit(str(self.imagej.get("tunit", "s"))))
        return size

    def _tag_size(self) -> PixelSize:
        """Return the pixel size from the resolution tags, if they say anything."""
        size = {
            axis: (scale / per_unit, self.unit)
            for axis, (per_unit, scale) in self.resolution.items()
            if per_unit > 0 and scale > 0
        }
        # One pixel per nothing is what writers put where they know nothing.
        return {} if all(step == (1.0, "") for step in size.values()) else size


def describe(tif: tifffile.TiffFile) -> TiffDescription:
    """Return what an open TIFF file says in words.

    Parameters
    ----------
    tif : tifffile.TiffFile
    """
    tags = tif.pages.first.tags
    names = (("Y", "YResolution"), ("X", "XResolution"))
    resolution = {axis: tags.valueof(name, (0, 1)) for axis, name in names}
    shaped = tif.shaped_metadata if tif.is_shaped else None
    is_imagej = tif.is_imagej and not tif.is_ome
    return TiffDescription(
        resolution={axis: (int(value[0]), int(value[1])) for axis, value in resolution.items()},
        unit=_TAG_UNITS.get(int(tags.valueof("ResolutionUnit", 2)), ""),
        ome=_parse(tif.ome_metadata or "") if tif.is_ome else None,
        imagej=dict(tif.imagej_metadata or {}) if is_imagej else {},
        shaped=dict(shaped[0]) if shaped and not tif.is_ome else {},
    )


def _ome_size(pixels: ElementTree.Element | None) -> PixelSize:
    """Return the physical sizes; units as written, default µm and s."""
    found = {}
    for axis, name in _OME_SIZES.items() if pixels is not None else ():
        step = _positive(pixels.get(name)) if pixels is not None else None
        if step is not None and pixels is not None:
            unit = pixels.get(f"{name}Unit", "s" if axis == "T" else "µm")
            found[axis] = (step, canonical_unit(unit))
    return found


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
