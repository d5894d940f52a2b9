"""Image files: one way in and one way out, whatever the format."""

from collections.abc import Mapping, Sequence
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
from napari_microenhance.images.image_table import (
    ImageFormat,
    Reading,
    format_of_kind,
    format_of_name,
)
from napari_microenhance.images.imagefile import ImageFile, ImageToWrite, PixelSize
from napari_microenhance.images.omezarr.zarr_reading import read_zarr, read_zarr_labels
from napari_microenhance.types import LazyArray

__all__ = [
    "ImageFile",
    "PixelSize",
    "check_output",
    "read_image",
    "read_labels",
    "write_image",
]

_DISPLAY_KEY = "display"
"""Entry of what a file keeps as its record: what belongs to the layer, not to its run."""

_READ = "PNG, JPEG, TIFF, OME-TIFF or OME-Zarr"


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
    found = format_of_kind(kind)
    if found is None:
        raise ImageError(unusable(path, kind, f"is not a supported image ({_READ})"))
    return found.read(path, Reading(axes=axes, palette_indices=palette_indices, series=series))


def write_image(
    path: str | Path,
    pixels: LazyArray,
    axes: str,
    *,
    pixel_size: PixelSize | None = None,
    channel_names: Sequence[str] = (),
    record: dict[str, Any] | None = None,
    changed: LazyArray | None = None,
    display: Mapping[str, Any] | None = None,
) -> None:
    """Write an image file, whole or not at all, without loss.

    Parameters
    ----------
    path : str or Path
        The suffix says the format: .png, .tif, .tiff, .ome.tif, .ome.tiff, .ome.zarr, .zarr.
    pixels : array-like
        Any dtype that the format holds; values are written as they are. OME-Zarr
        and large OME-TIFF are written block by block, never whole in memory.
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
    display : mapping or None
        How a viewer shows it, plain JSON that `read_display` gives back; kept with a record only.

    Raises
    ------
    OutputError
        If the format cannot hold the image, or the file cannot be written.
    """
    path = Path(path)
    row = format_of_name(path)
    if np.ma.is_masked(pixels):
        raise OutputError(f"{path}: no format stores masked pixels; fill them first.")
    if not row.in_parts or not hasattr(pixels, "shape") or not hasattr(pixels, "dtype"):
        pixels = np.asarray(pixels)
    _check_fits(path, row, np.dtype(pixels.dtype), axes)
    if len(axes) != len(pixels.shape) or 0 in pixels.shape:
        raise OutputError(
            f'{path}: pixels of shape {tuple(pixels.shape)} with axes "{axes}" cannot be written.'
        )
    names = tuple(channel_names)
    if axes.endswith("YXC") or "C" not in axes or len(names) != pixels.shape[axes.index("C")]:
        names = ()
    if record and display:
        record = {**record, _DISPLAY_KEY: dict(display)}
    image = ImageToWrite(pixels, axes, dict(pixel_size or {}), names, record, changed)
    assert row.write is not None  # a format with a suffix is written
    if row.is_folder:
        with replacing_folder(path) as folder:
            row.write(folder, image)
    else:
        with replacing(path) as handle:
            row.write(handle, image)


def read_record(path: str | Path) -> dict[str, Any] | None:
    """Return the record of the run that made a file, or None where it has none.

    Raises
    ------
    FileMissingError, ImageError
        If the file cannot be read.
    """
    kept = _kept(path)
    return None if kept is None else {k: v for k, v in kept.items() if k != _DISPLAY_KEY}


def read_display(path: str | Path) -> object:
    """Return how a viewer showed what it saved with a record, as `write_image` got it; or None.

    Raises
    ------
    FileMissingError, ImageError
        If the file cannot be read.
    """
    return (_kept(path) or {}).get(_DISPLAY_KEY)


def _kept(path: str | Path) -> dict[str, Any] | None:
    """Return the record of a file, with what belongs to the layer and not to its run."""
    path = Path(path)
    found = format_of_kind(kind_of(path, error=ImageError))
    return found.record(path) if found and found.record else None


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
    found = format_of_kind(kind_of(path, error=ImageError))
    return found.changed(path) if found and found.changed else None


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
    _check_fits(path, format_of_name(path), np.dtype(dtype), axes)


def _check_fits(path: Path, row: ImageFormat, dtype: np.dtype[Any], axes: str) -> None:
    """Raise if the format cannot hold the values or the axes, or is not written here."""
    if row.check:
        row.check(path)
    if row.refusal and (sentence := row.refusal(dtype, axes)):
        raise OutputError(f"{path}: {sentence}")


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
            f'axes="{axes}" is not understood; use letters from TCZYX, each once, ending in '
            "YX or YXC."
        )
    return letters
