"""The table of image formats: how each is recognised, read and written, and what it keeps."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import AxesError, OutputError
from napari_microenhance.files import Kind
from napari_microenhance.images.imagefile import ImageFile, ImageToWrite
from napari_microenhance.images.omezarr.zarr_reading import (
    read_zarr,
    read_zarr_changed,
    read_zarr_record,
)
from napari_microenhance.images.omezarr.zarr_writing import ZARR_DTYPES, check_zarr, write_zarr
from napari_microenhance.images.raster import PNG_DTYPES, read_png_record, read_raster, write_png
from napari_microenhance.images.several import chosen
from napari_microenhance.images.tiff.tiff_reading import (
    read_tiff,
    read_tiff_changed,
    read_tiff_record,
)
from napari_microenhance.images.tiff.tiff_writing import OME_DTYPES, write_ome_tiff, write_tiff

__all__ = ["FORMATS", "ImageFormat", "Reading", "format_of_kind", "format_of_name"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """What a caller says about a file that is read; see `read_image`."""

    axes: str | None = None
    palette_indices: bool = False
    series: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageFormat:
    """One way to keep an image.

    Parameters
    ----------
    name : str
    kind : str
        What its first bytes, or the files in its folder, show.
    suffixes : tuple of str
        Names that it is written under; empty: it is only read.
    keeps : frozenset of str
        Of "pixel size", "axes", "channels", "record" and "changed": what comes back with the
        pixels, which always do.
    read : callable
    record, changed : callable or None
        Read the record of a run, and the mask of changed pixels.
    write : callable or None
        Into an open file, or a folder.
    refusal : callable or None
        Says why an image of a dtype and axes cannot be kept, or None.
    is_folder : bool
    in_parts : bool
        Whether pixels are read block by block while they are written.
    check : callable or None
        Raises where it cannot be written on this machine.
    """

    name: str
    kind: Kind
    suffixes: tuple[str, ...] = ()
    keeps: frozenset[str] = frozenset()
    read: Callable[[Path, Reading], ImageFile]
    record: Callable[[Path], dict[str, Any] | None] | None = None
    changed: Callable[[Path], npt.NDArray[np.bool_] | None] | None = None
    write: Callable[[Any, ImageToWrite], None] | None = None
    refusal: Callable[[np.dtype[Any], str], str | None] | None = None
    is_folder: bool = False
    in_parts: bool = False
    check: Callable[[Path], None] | None = None


def format_of_kind(kind: Kind) -> ImageFormat | None:
    """Return the format that the contents of a file are of, or None.

    Parameters
    ----------
    kind : str
        As `files.kind_of` says.
    """
    return next((row for row in FORMATS if row.kind == kind), None)


def format_of_name(path: Path) -> ImageFormat:
    """Return the format that a result of this name is written in.

    Parameters
    ----------
    path : Path

    Raises
    ------
    OutputError
        If none is.
    """
    name = path.name.lower()
    for row in FORMATS:
        if name.endswith(row.suffixes):
            return row
    if name.endswith((".jpg", ".jpeg")):
        raise OutputError(f"{path}: JPEG compression changes pixels; use {_WRITTEN}.")
    given = f'"{path.suffix}"' if path.suffix else "no suffix"
    raise OutputError(
        f"{path} has {given}, which is not supported; results are written as {_WRITTEN}."
    )


def _read_raster(path: Path, how: Reading) -> ImageFile:
    """Read a PNG or JPEG file, whose axes and number nobody can choose."""
    chosen(path, ["picture"], 0, how.series)
    image = read_raster(path, palette_indices=how.palette_indices)
    if how.axes is not None and how.axes != image.axes:
        raise AxesError(f'axes="{how.axes}" does not fit {path}, which is {image.axes}.')
    return image


def _read_tiff(path: Path, how: Reading) -> ImageFile:
    return read_tiff(path, axes=how.axes, palette_indices=how.palette_indices, series=how.series)


def _read_zarr(path: Path, how: Reading) -> ImageFile:
    return read_zarr(path, axes=how.axes, series=how.series)


def _png_refusal(dtype: np.dtype[Any], axes: str) -> str | None:
    if dtype.name not in PNG_DTYPES:
        return f"PNG supports uint8 and uint16, not {dtype.name}; use .tif."
    return (
        None
        if axes in ("YX", "YXC")
        else (f"PNG stores a single plane, not axes {axes}; use .tif.")
    )


def _tiff_refusal(dtype: np.dtype[Any], axes: str) -> str | None:
    if dtype.kind == "b" and axes.endswith("YXC"):
        return "TIFF does not support colour of one bit; use uint8."
    return None


def _ome_tiff_refusal(dtype: np.dtype[Any], axes: str) -> str | None:
    if dtype.name not in OME_DTYPES:
        return f"OME-TIFF does not support {dtype.name} pixels; use .tif."
    return _tiff_refusal(dtype, axes)


def _zarr_refusal(dtype: np.dtype[Any], axes: str) -> str | None:
    return (
        None
        if dtype.name in ZARR_DTYPES
        else (f"OME-Zarr does not support {dtype.name} pixels; use .tif.")
    )


_PLAIN: Final = frozenset({"pixel size", "axes", "channels", "record"})

FORMATS: Final = (
    ImageFormat(
        name="PNG",
        kind="png",
        suffixes=(".png",),
        keeps=frozenset({"pixel size", "record"}),
        read=_read_raster,
        record=read_png_record,
        write=write_png,
        refusal=_png_refusal,
    ),
    ImageFormat(name="JPEG", kind="jpeg", read=_read_raster),
    ImageFormat(
        name="OME-TIFF",
        kind="tiff",
        suffixes=(".ome.tif", ".ome.tiff"),
        keeps=_PLAIN | {"changed"},
        read=_read_tiff,
        record=read_tiff_record,
        changed=read_tiff_changed,
        write=write_ome_tiff,
        in_parts=True,
        refusal=_ome_tiff_refusal,
    ),
    ImageFormat(
        name="TIFF",
        kind="tiff",
        suffixes=(".tif", ".tiff"),
        keeps=_PLAIN,
        read=_read_tiff,
        record=read_tiff_record,
        changed=read_tiff_changed,
        write=write_tiff,
        refusal=_tiff_refusal,
    ),
    ImageFormat(
        name="OME-Zarr",
        kind="zarr",
        suffixes=(".zarr",),
        keeps=_PLAIN | {"changed"},
        read=_read_zarr,
        record=read_zarr_record,
        changed=read_zarr_changed,
        write=write_zarr,
        refusal=_zarr_refusal,
        is_folder=True,
        in_parts=True,
        check=check_zarr,
    ),
)
"""The formats; of two that fit a name, the first."""

_WRITTEN: Final = ".png, .tif, .tiff, .ome.tif, .ome.tiff or .ome.zarr"
