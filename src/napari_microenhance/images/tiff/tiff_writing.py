"""TIFF and OME-TIFF files: writing."""

import hashlib
import json
import math
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import tifffile

from napari_microenhance.images.halving import (
    every_second,
    holds_classes,
    largest,
    mean,
)
from napari_microenhance.images.imagefile import (
    CHANGED,
    RECORD_KEY,
    ImageToWrite,
    PixelSize,
    to_um,
)
from napari_microenhance.images.tiff.tiff_pyramid import write_pyramid
from napari_microenhance.types import LazyArray

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
    A large image is read block by block and has lower resolutions.

    Parameters
    ----------
    handle : binary file
        With a name, in whose folder there is room for a quarter of the image.
    image : ImageToWrite
        Of one of `OME_DTYPES`.
    """
    letters = _tiff_letters(image.axes)
    text = "" if image.record is None else json.dumps(image.record)
    about = _ome_pixel_size(letters, image.pixel_size)
    metadata: dict[str, Any] = {"axes": letters, **about}
    if image.channel_names:
        metadata["Channel"] = {"Name": [_xml_text(name) for name in image.channel_names]}
    if text:
        metadata["CommentAnnotation"] = {"Namespace": RECORD_KEY, "Value": text}
    reduce = mean
    if holds_classes(np.dtype(image.pixels.dtype), image.record):
        reduce = every_second
    pixels = image.pixels
    if not _has_levels(pixels, letters):
        pixels = _whole(pixels)
    metadata["UUID"] = _uuid(pixels, letters, text)
    big = math.prod(pixels.shape) * np.dtype(pixels.dtype).itemsize > CLASSIC_LIMIT * 3 // 4
    with tifffile.TiffWriter(handle, ome=True, bigtiff=big) as tif:
        _write_ome(tif, handle, pixels, letters, metadata, reduce, image.pixel_size)
        if image.changed is not None:
            mask = _Mask(image.changed)
            axes = image.axes.replace("C", "")
            metadata = {"axes": axes, "Name": CHANGED, **about}
            _write_ome(tif, handle, mask, axes, metadata, largest, image.pixel_size)


class _Mask:
    """A mask as 0 and 255, made where it is read."""

    def __init__(self, mask: LazyArray) -> None:
        self._mask = mask
        self.shape = tuple(mask.shape)
        self.dtype = np.dtype(np.uint8)

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[Any]:
        return np.where(np.asarray(self._mask[key]), np.uint8(255), np.uint8(0))


def _whole(pixels: LazyArray) -> npt.NDArray[Any]:
    """Return all pixels of an array-like, which need not be more than one that is sliced."""
    return np.asarray(pixels[tuple(slice(0, length) for length in pixels.shape)])


def _has_levels(pixels: LazyArray, letters: str) -> bool:
    """Tell whether an image is written tile by tile, with lower resolutions."""
    height, width = (pixels.shape[letters.index(axis)] for axis in "YX")
    return max(height, width) > _TILED_FROM and np.dtype(pixels.dtype).kind != "b"


def _write_ome(
    tif: tifffile.TiffWriter,
    handle: BinaryIO,
    pixels: LazyArray,
    letters: str,
    metadata: dict[str, Any],
    reduce: Callable[[npt.NDArray[Any]], npt.NDArray[Any]],
    pixel_size: PixelSize,
) -> None:
    """Write one image of a file, whole or tile by tile."""
    layout = {**_layout(pixels, letters), **_resolution(pixel_size)}
    layout.pop("bigtiff")
    if not _has_levels(pixels, letters):
        tif.write(
            np.asarray(pixels[(slice(None),) * len(pixels.shape)]), metadata=metadata, **layout
        )
        return
    folder = Path(handle.name).parent
    write_pyramid(
        tif, pixels, letters, folder=folder, reduce=reduce, layout=layout, metadata=metadata
    )


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


def _layout(pixels: LazyArray, letters: str) -> dict[str, Any]:
    """Return how the samples are stored: lossless deflate, large planes in tiles."""
    colour, dtype = letters.endswith("S"), np.dtype(pixels.dtype)
    layout: dict[str, Any] = {
        "photometric": "rgb" if colour else "minisblack",
        "bigtiff": math.prod(pixels.shape) * dtype.itemsize > CLASSIC_LIMIT,
        "software": RECORD_KEY,
    }
    if colour:
        layout["planarconfig"] = "contig"
        if pixels.shape[-1] == 4:
            layout["extrasamples"] = ["unassalpha"]
    if dtype.kind in "iuf" and dtype.itemsize <= 8:
        layout["compression"] = "zlib"
        # Differences pack integers well; the float predictor is read by few programs.
        layout["predictor"] = dtype.kind in "iu" and dtype.itemsize <= 4
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


def _uuid(pixels: LazyArray, letters: str, text: str) -> str:
    """Return a file UUID made from the contents, so that a run repeated is a file repeated.

    Of a large image, which is read only once, from what is said of it.
    """
    dtype = np.dtype(pixels.dtype)
    digest = hashlib.sha256(f"{dtype.str} {tuple(pixels.shape)} {letters} {text}".encode())
    if isinstance(pixels, np.ndarray):
        digest.update(np.ascontiguousarray(pixels).data)
    return str(uuid.uuid5(uuid.NAMESPACE_OID, digest.hexdigest()))


def _xml_text(text: str) -> str:
    """Return the text without the control characters that XML cannot hold."""
    return "".join(c for c in text if c.isprintable())
