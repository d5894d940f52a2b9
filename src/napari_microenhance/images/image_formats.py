"""Image files: one way in and one way out, whatever the format."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import AxesError, ImageError, OutputError
from napari_microenhance.files import (
    check_target,
    kind_of,
    replacing,
    replacing_folder,
    unusable,
)
from napari_microenhance.images.imagefile import ImageFile, PixelSize
from napari_microenhance.images.omezarr.zarr_reading import (
    read_zarr,
    read_zarr_changed,
    read_zarr_labels,
    read_zarr_record,
)
from napari_microenhance.images.omezarr.zarr_writing import ZARR_DTYPES, check_zarr, write_zarr
from napari_microenhance.images.raster import PNG_DTYPES, read_png_record, read_raster, write_png
from napari_microenhance.images.tiff.tiff_reading import (
    read_tiff,
    read_tiff_changed,
    read_tiff_record,
)
from napari_microenhance.images.tiff.tiff_writing import OME_DTYPES, write_ome_tiff, write_tiff

__all__ = [
    "ImageFile",
    "PixelSize",
    "check_output",
    "read_changed",
    "read_image",
    "read_labels",
    "read_record",
    "write_image",
]

_READ = "PNG, JPEG, TIFF, OME-TIFF or OME-Zarr"
_SUFFIXES = {
    ".ome.tif": (".ome.tif", ".ome.tiff"),
    ".tif": (".tif", ".tiff"),
    ".png": (".png",),
    ".zarr": (".zarr",),
}
_WRITTEN = ".png, .tif, .tiff, .ome.tif, .ome.tiff or .ome.zarr"


def read_image(
    path: str | Path,
    *,
    axes: str | None = None,
    palette_indices: bool = False,
    series: int | None = None,
) -> ImageFile:
    """Read an image; what it is shows in its contents, not in its name.

    Parameters
    ----------
    path : str or Path
        PNG, JPEG, TIFF or OME-TIFF; also formats built on TIFF that tifffile reads. An
        OME-Zarr folder is opened, and read where its pixels are sliced.
    axes : str or None
        Letters of "TCZYX", where the file is silent or wrong about its axes.
    palette_indices : bool
        Give the numbers of a palette image (a label image), not its colours.
    series : int or None
        Which of several images in the file, from 0; None: the likely one, and a note that names
        the others.

    Returns
    -------
    ImageFile
        Full resolution, values as stored, upright where an orientation tag says what that is.

    Raises
    ------
    FileMissingError
        If nothing is there.
    AxesError
        If the file does not say what its axes are, or `axes` does not fit.
    ImageError
        If it is not an image, damaged, incomplete or without pixels.
    """
    path = Path(path)
    if axes is not None:
        axes = _checked_letters(axes)
    kind = kind_of(path, error=ImageError)
    if kind == "tiff":
        return read_tiff(path, axes=axes, palette_indices=palette_indices, series=series)
    if kind == "zarr":
        return read_zarr(path, axes=axes, series=series)
    if kind not in ("png", "jpeg"):
        raise ImageError(unusable(path, kind, f"is not an image that is read here ({_READ})"))
    image = read_raster(path, palette_indices=palette_indices)
    if axes is not None and axes != image.axes:
        raise AxesError(f'axes="{axes}" does not fit {path}, which is {image.axes}.')
    return image


def write_image(
    path: str | Path,
    pixels: Any,  # noqa: ANN401 - any array-like
    axes: str,
    *,
    pixel_size: PixelSize | None = None,
    channel_names: Sequence[str] = (),
    record: dict[str, Any] | None = None,
    changed: Any = None,  # noqa: ANN401 - any array-like
) -> None:
    """Write an image file, whole or not at all, without loss.

    Parameters
    ----------
    path : str or Path
        The suffix says the format: .png, .tif, .tiff, .ome.tif, .ome.tiff, .ome.zarr, .zarr.
    pixels : array-like
        Any dtype that the format holds; values are written as they are. OME-Zarr is written
        block by block, never whole in memory.
    axes : str
        One letter of "TCZYX" per dimension; a "C" after "YX" is colour.
    pixel_size : mapping of str to (float, str) or None
        Axis letter -> (step, unit).
    channel_names : sequence of str
        One per channel, or empty.
    record : dict or None
        Plain JSON that `read_record` gives back.
    changed : array-like of bool, or None
        Which pixels differ from the original, the axes of the image without "C". OME-TIFF
        keeps it as a second image, OME-Zarr as the label image "changed"; others have no place.

    Raises
    ------
    OutputError
        If the format cannot hold the image, or the file cannot be written.
    """
    path = Path(path)
    suffix = _suffix(path)
    if suffix != ".zarr" or not hasattr(pixels, "shape") or not hasattr(pixels, "dtype"):
        pixels = np.asarray(pixels)
    _check_fits(path, suffix, np.dtype(pixels.dtype), axes)
    if len(axes) != len(pixels.shape) or 0 in pixels.shape:
        raise OutputError(
            f'{path}: pixels of shape {tuple(pixels.shape)} with axes "{axes}" cannot be written.'
        )
    size = dict(pixel_size or {})
    names = tuple(channel_names)
    if axes.endswith("YXC") or "C" not in axes or len(names) != pixels.shape[axes.index("C")]:
        names = ()
    about: dict[str, Any] = {"pixel_size": size, "record": record}
    if suffix == ".zarr":
        with replacing_folder(path) as folder:
            write_zarr(folder, pixels, axes, channel_names=names, changed=changed, **about)
        return
    with replacing(path) as handle:
        if suffix == ".png":
            write_png(handle, pixels, **about)
        elif suffix == ".tif":
            write_tiff(handle, pixels, axes, channel_names=names, **about)
        else:
            write_ome_tiff(handle, pixels, axes, channel_names=names, changed=changed, **about)


def read_record(path: str | Path) -> dict[str, Any] | None:
    """Return the record of the run that made a file, or None where it has none.

    Raises
    ------
    FileMissingError, ImageError
        If the file cannot be read.
    """
    path = Path(path)
    kind = kind_of(path, error=ImageError)
    if kind == "tiff":
        return read_tiff_record(path)
    if kind == "zarr":
        return read_zarr_record(path)
    return read_png_record(path) if kind == "png" else None


def read_changed(path: str | Path) -> npt.NDArray[np.bool_] | None:
    """Return which pixels of a result differ from its original, or None where it is not kept.

    Returns
    -------
    ndarray of bool, or None
        The axes of the file's image without "C".

    Raises
    ------
    FileMissingError, ImageError
        If the file cannot be read.
    """
    path = Path(path)
    kind = kind_of(path, error=ImageError)
    if kind == "tiff":
        return read_tiff_changed(path)
    return read_zarr_changed(path) if kind == "zarr" else None


def read_labels(path: str | Path) -> dict[str, ImageFile]:
    """Return the label images that a file keeps beside its image, by name.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict of str to ImageFile
        Whole numbers each; empty but for OME-Zarr.

    Raises
    ------
    FileMissingError, ImageError
        If the file, or one of them, cannot be read.
    """
    path = Path(path)
    if kind_of(path, error=ImageError) != "zarr":
        return {}
    found = {name: read_zarr(folder) for name, folder in read_zarr_labels(path)}
    return {name: file for name, file in found.items() if file.pixels.dtype.kind in "biu"}


def check_output(path: str | Path, dtype: npt.DTypeLike, axes: str) -> None:
    """Raise before a run what writing its result would raise after it.

    Parameters
    ----------
    path : str or Path
    dtype : dtype-like
        Of the result to come.
    axes : str
        Of the result to come.

    Raises
    ------
    OutputError
        If the suffix is unknown, the format cannot hold the image, or the folder
        is missing or not writable.
    """
    path = Path(path)
    check_target(path, folder=path.name.lower().endswith(".zarr"))
    _check_fits(path, _suffix(path), np.dtype(dtype), axes)


def _suffix(path: Path) -> str:
    """Return ".png", ".tif", ".ome.tif" or ".zarr", or raise."""
    name = path.name.lower()
    for suffix, spellings in _SUFFIXES.items():
        if name.endswith(spellings):
            return suffix
    if name.endswith((".jpg", ".jpeg")):
        raise OutputError(f"{path}: JPEG changes pixels when it saves; use {_WRITTEN}.")
    given = f'"{path.suffix}"' if path.suffix else "no suffix"
    raise OutputError(f"{path} has {given}; results are written as {_WRITTEN}.")


def _check_fits(path: Path, suffix: str, dtype: np.dtype[Any], axes: str) -> None:
    """Raise if the format cannot hold the values or the axes."""
    if suffix == ".png" and dtype.name not in PNG_DTYPES:
        raise OutputError(f"{path}: PNG holds uint8 and uint16, not {dtype.name}; use .tif.")
    if suffix == ".png" and axes not in ("YX", "YXC"):
        raise OutputError(f"{path}: PNG holds one plane, not axes {axes}; use .tif.")
    if suffix in (".tif", ".ome.tif") and dtype.kind == "b" and axes.endswith("YXC"):
        raise OutputError(f"{path}: TIFF keeps no colour of one bit; write uint8.")
    if suffix == ".ome.tif" and dtype.name not in OME_DTYPES:
        raise OutputError(f"{path}: OME-TIFF has no {dtype.name} pixels; use .tif.")
    if suffix == ".zarr":
        check_zarr(path)
        if dtype.name not in ZARR_DTYPES:
            raise OutputError(f"{path}: OME-Zarr has no {dtype.name} pixels; use .tif.")


def _checked_letters(axes: str) -> str:
    """Return the caller's axes in capitals, or raise."""
    letters = axes.strip().upper()
    if (
        not letters
        or set(letters) - set("TCZYX")
        or len(set(letters)) < len(letters)
        or not letters.removesuffix("C").endswith("YX")
    ):
        raise AxesError(
            f'axes="{axes}" is not understood; use letters of TCZYX, once each, '
            "ending in YX or YXC."
        )
    return letters
