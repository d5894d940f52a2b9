"""TIFF and OME-TIFF files: writing."""

import hashlib
import json
import uuid
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import tifffile

from napari_microenhance.images.imagefile import (
    CHANGED,
    RECORD_KEY,
    ImageToWrite,
    PixelSize,
    to_um,
)

__all__ = ["OME_DTYPES", "write_ome_tiff", "write_tiff"]

OME_DTYPES: Final = ("bool", "int8", "int16", "int32", "uint8", "uint16", "uint32",
                     "float32", "float64", "complex64", "complex128")  # fmt: skip
"""What the OME schema has a name for."""

_OME_UNITS: Final = frozenset(
    ["pixel", "Å", "pm", "nm", "µm", "mm", "cm", "m", "in", "ns", "µs", "ms", "s", "min", "h", "d"]
)
"""Of the schema's units of length and time, those that microscopes use."""

_IMAGEJ_DTYPES: Final = ("uint8", "uint16", "float32")
_IMAGEJ_LIMIT: Final = 2**31  # bytes; past it ImageJ's own layout is no TIFF any more
CLASSIC_LIMIT: Final = 2**32 - 2**26  # bytes; leaves room for what deflate may add
_TILED_FROM: Final = 2048  # px; below it, strips are as fast and smaller


def write_tiff(handle: BinaryIO, image: ImageToWrite) -> None:
    """Write a plain TIFF file; the same input gives the same bytes.

    A stack that ImageJ can hold is written in ImageJ's layout, since Fiji knows a
    channel from a slice only there; everything else as compressed pages with axes,
    names and record as JSON in the image description.

    Parameters
    ----------
    handle : binary file
    image : ImageToWrite
    """
    pixels, size = image.pixels, image.pixel_size
    letters = _tiff_letters(image.axes)
    if _fits_imagej(pixels, letters):
        tifffile.imwrite(
            handle,
            pixels,
            imagej=True,
            photometric="rgb" if letters.endswith("S") else "minisblack",
            software=RECORD_KEY,
            metadata={"axes": letters, **_imagej_entries(image, letters)},
            **_resolution(size, imagej=True),
        )
        return
    entries: dict[str, Any] = {"axes": letters}
    if size:
        entries["pixel_size"] = {axis: list(step) for axis, step in size.items()}
    if image.channel_names:
        entries["channel_names"] = list(image.channel_names)
    if image.record is not None:
        entries[RECORD_KEY] = image.record
    tifffile.imwrite(
        handle,
        pixels,
        ome=False,
        metadata=entries,
        **_layout(pixels, letters),
        **_resolution(size),
    )


def write_ome_tiff(handle: BinaryIO, image: ImageToWrite) -> None:
    """Write an OME-TIFF file; the same input gives the same bytes.

    The record is a comment annotation in our namespace. A mask of changed pixels is a second
    image of the file, called `CHANGED`, 0 and 255: readers that take one image take the first.

    Parameters
    ----------
    handle : binary file
    image : ImageToWrite
        Of one of `OME_DTYPES`.
    """
    pixels, size = image.pixels, image.pixel_size
    letters = _tiff_letters(image.axes)
    text = "" if image.record is None else json.dumps(image.record)
    about = _ome_pixel_size(letters, size)
    metadata: dict[str, Any] = {"axes": letters, "UUID": _uuid(pixels, letters, text), **about}
    if image.channel_names:
        metadata["Channel"] = {"Name": [_xml_text(name) for name in image.channel_names]}
    if text:
        metadata["CommentAnnotation"] = {"Namespace": RECORD_KEY, "Value": text}
    layout = _layout(pixels, letters)
    with tifffile.TiffWriter(handle, ome=True, bigtiff=layout.pop("bigtiff")) as tif:
        tif.write(pixels, metadata=metadata, **layout, **_resolution(size))
        if image.changed is not None:
            mask = np.where(np.asarray(image.changed), np.uint8(255), np.uint8(0))
            metadata = {"axes": image.axes.replace("C", ""), "Name": CHANGED, **about}
            layout = _layout(mask, metadata["axes"])
            layout.pop("bigtiff")
            tif.write(mask, metadata=metadata, **layout, **_resolution(size))


def _ome_pixel_size(letters: str, pixel_size: PixelSize) -> dict[str, Any]:
    """Return the pixel size as attributes of the schema."""
    names = {"X": "PhysicalSizeX", "Y": "PhysicalSizeY", "Z": "PhysicalSizeZ", "T": "TimeIncrement"}
    found: dict[str, Any] = {}
    for axis, (step, unit) in pixel_size.items():
        if axis in names and axis in letters and (unit or "pixel") in _OME_UNITS:
            found[names[axis]] = step
            found[f"{names[axis]}Unit"] = unit or "pixel"
    return found


def _tiff_letters(axes: str) -> str:
    """Return the axes as tifffile spells them: colour samples are S."""
    return axes[:-1] + "S" if axes.endswith("YXC") else axes


def _layout(pixels: npt.NDArray[Any], letters: str) -> dict[str, Any]:
    """Return how the samples are stored: lossless deflate, large planes in tiles."""
    colour = letters.endswith("S")
    layout: dict[str, Any] = {
        "photometric": "rgb" if colour else "minisblack",
        "bigtiff": pixels.nbytes > CLASSIC_LIMIT,
        "software": RECORD_KEY,
    }
    if colour:
        layout["planarconfig"] = "contig"
        if pixels.shape[-1] == 4:
            layout["extrasamples"] = ["unassalpha"]
    if pixels.dtype.kind in "iuf" and pixels.dtype.itemsize <= 8:
        layout["compression"] = "zlib"
        # Differences pack integers well; the float predictor is read by few programs.
        layout["predictor"] = pixels.dtype.kind in "iu" and pixels.dtype.itemsize <= 4
    height, width = (pixels.shape[letters.index(axis)] for axis in "YX")
    if max(height, width) > _TILED_FROM:
        layout["tile"] = (512, 512)
    return layout


def _resolution(pixel_size: PixelSize, *, imagej: bool = False) -> dict[str, Any]:
    """Return the resolution tags; ImageJ reads them in the unit its description names."""
    if not {"Y", "X"} <= set(pixel_size) or pixel_size["X"][1] != pixel_size["Y"][1]:
        return {}
    steps, unit = [pixel_size[axis][0] for axis in "XY"], pixel_size["X"][1]
    if unit in ("in", "cm"):
        return {
            "resolution": (1 / steps[0], 1 / steps[1]),
            "resolutionunit": "INCH" if unit == "in" else "CENTIMETER",
        }
    if imagej or to_um(1, unit) is None:
        return {"resolution": (1 / steps[0], 1 / steps[1]), "resolutionunit": "NONE"}
    per_cm = [1e4 / (to_um(step, unit) or 1) for step in steps]
    return {"resolution": tuple(per_cm), "resolutionunit": "CENTIMETER"}


def _fits_imagej(pixels: npt.NDArray[Any], letters: str) -> bool:
    """Tell whether ImageJ's layout can hold the image, and gains something over a plain one."""
    order = ["TZCYXS".index(letter) for letter in letters]
    return (
        len(letters.removesuffix("S")) > 2
        and order == sorted(order)
        and pixels.dtype.name in _IMAGEJ_DTYPES
        and pixels.nbytes < _IMAGEJ_LIMIT
        and (not letters.endswith("S") or (pixels.dtype == np.uint8 and pixels.shape[-1] == 3))
    )


def _imagej_entries(image: ImageToWrite, letters: str) -> dict[str, Any]:
    """Return ImageJ's description, its plane labels and its info text."""
    pixel_size = image.pixel_size
    entries: dict[str, Any] = {}
    unit = pixel_size.get("X", (1.0, ""))[1]
    if unit:
        # ImageJ writes and reads the micro sign in ASCII.
        entries["unit"] = {"µm": "micron", "in": "inch"}.get(unit, unit)
    if "Z" in pixel_size:
        step, z_unit = pixel_size["Z"]
        micrometres, one = to_um(step, z_unit), to_um(1, unit)
        entries["spacing"] = micrometres / one if micrometres and one else step
    if "T" in pixel_size:
        seconds = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
        entries["finterval"] = pixel_size["T"][0] * seconds.get(pixel_size["T"][1], 1.0)
    if "C" in letters:
        entries["mode"] = "composite"
        if image.channel_names:
            planes = int(np.prod(image.pixels.shape[: letters.index("C")]))
            entries["Labels"] = list(image.channel_names) * planes
    if image.record is not None:
        entries["Info"] = json.dumps({RECORD_KEY: image.record})
    return entries


def _uuid(pixels: npt.NDArray[Any], letters: str, text: str) -> str:
    """Return a file UUID made from the contents, so that a run repeated is a file repeated."""
    digest = hashlib.sha256(f"{pixels.dtype.str} {pixels.shape} {letters} {text}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return str(uuid.uuid5(uuid.NAMESPACE_OID, digest.hexdigest()))


def _xml_text(text: str) -> str:
    """Return the text without the control characters that XML cannot hold."""
    return "".join(c for c in text if c.isprintable())
