"""TIFF and OME-TIFF files: reading."""

import contextlib
import logging
import math
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tifffile

from napari_microenhance.errors import AxesError, ImageError, MicroEnhanceError
from napari_microenhance.files import check_room, complaints, reason
from napari_microenhance.images.imagefile import (
    CHANGED,
    RECORD_KEY,
    ChannelDisplay,
    ImageFile,
    PixelSize,
    json_object,
)
from napari_microenhance.images.tiff_metadata import (
    imagej_channels,
    imagej_pixel_size,
    ome_channels,
    ome_displays,
    ome_pixel_size,
    ome_record,
    shaped_entries,
    tag_pixel_size,
)

__all__ = ["read_tiff", "read_tiff_changed", "read_tiff_record"]

# tifffile raises nearly everything on a damaged file; each of these was seen on one.
_BROKEN = (ArithmeticError, AssertionError, AttributeError, EOFError, ImportError, LookupError,
           OSError, RuntimeError, TypeError, ValueError, struct.error, zlib.error)  # fmt: skip
_COLOUR_SAMPLES: Final = (3, 4)
_PRIVATE_TAGS: Final = 32_768  # from here on, TIFF 6.0 section 2
_ALPHA: Final = (1, 2)  # associated and unassociated, TIFF 6.0 section 18


def read_tiff(path: Path, *, axes: str | None = None, palette_indices: bool = False) -> ImageFile:
    """Read the first image of a TIFF file at its full resolution.

    Parameters
    ----------
    path : Path
        Known to be TIFF by its first bytes.
    axes : str or None
        What the caller says about the axes, where the file is silent or wrong.
    palette_indices : bool
        Give the numbers of a palette image, not its colours.

    Returns
    -------
    ImageFile

    Raises
    ------
    AxesError
        If the axes are unknown, or `axes` does not fit.
    ImageError
        If the file is damaged, incomplete or holds no image.
    """
    with _opened(path) as tif:
        return _read(path, tif, axes, palette_indices)


def read_tiff_record(path: Path) -> dict[str, Any] | None:
    """Return the record of a run from a TIFF or OME-TIFF file, or None."""
    with _opened(path) as tif:
        if tif.is_ome:
            return ome_record(tif.ome_metadata or "")
        if tif.is_imagej:
            entries = json_object((tif.imagej_metadata or {}).get("Info", ""))
        else:
            entries = shaped_entries(tif)
    record = entries.get(RECORD_KEY)
    return record if isinstance(record, dict) else None


def read_tiff_changed(path: Path) -> npt.NDArray[np.bool_] | None:
    """Return the mask of changed pixels from an OME-TIFF file of ours, or None."""
    with _opened(path) as tif:
        for series in tif.series[1:]:
            if tif.is_ome and series.name == CHANGED:
                _check_complete(path, series)
                return np.asarray(series.asarray() != 0)
    return None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a file; what goes wrong with it is an `ImageError`."""
    try:
        with complaints("tifffile", logging.ERROR) as said, tifffile.TiffFile(path) as tif:
            yield tif
    except MicroEnhanceError:
        raise
    except MemoryError as error:
        raise ImageError(f"{path} does not fit into memory.") from error
    except _BROKEN as error:
        raise ImageError(f"{path} is damaged or cut short ({reason(error)}).") from error
    if any(_is_serious(message) for message in said):
        raise ImageError(f"{path} is damaged or cut short: parts of it lie past its end.")


def _read(path: Path, tif: tifffile.TiffFile, axes: str | None, palette_indices: bool) -> ImageFile:
    """Read the first series of an open file."""
    notes: list[str] = []
    if not tif.series:
        raise ImageError(f"{path} holds no image.")
    others = [s for s in tif.series[1:] if not (tif.is_ome and s.name == CHANGED)]
    if others:
        notes.append(f"{path.name} holds {len(others) + 1} images; the first one was read.")
    series = tif.series[0]
    if 0 in series.shape:
        raise ImageError(f"{path} has no pixels: its shape is {series.shape}.")
    _check_complete(path, series)
    pixels = series.asarray()
    pixels, letters = _decode_colour(path, series, pixels, palette_indices, notes)
    # Big-endian files give swapped arrays, which onnxruntime and napari do not take.
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if axes is not None:
        letters = _given_axes(axes, pixels.shape)
    else:
        pixels, letters = _known_axes(path, pixels, letters, notes)
    pixel_size, channels = _metadata(tif, letters)
    size = pixels.shape[letters.index("C")] if "C" in letters else 0
    return ImageFile(
        pixels=pixels,
        axes=letters,
        pixel_size={axis: step for axis, step in pixel_size.items() if axis in letters},
        channel_names=channels if len(channels) == size and not letters.endswith("YXC") else (),
        notes=tuple(notes),
        displays=_displays(tif, letters, size),
    )


def _displays(tif: tifffile.TiffFile, axes: str, channels: int) -> tuple[ChannelDisplay, ...]:
    """Return how an OME-TIFF wants its channels to be shown."""
    if axes.endswith("YXC") or not (tif.is_ome and tif.ome_metadata):
        return ()
    displays = ome_displays(tif.ome_metadata)
    return displays if len(displays) == (channels or 1) else ()


def _metadata(tif: tifffile.TiffFile, axes: str) -> tuple[PixelSize, tuple[str, ...]]:
    """Return pixel size and channel names from the richest description in the file."""
    if tif.is_ome and tif.ome_metadata:
        size, channels = ome_pixel_size(tif.ome_metadata), ome_channels(tif.ome_metadata)
        return size or tag_pixel_size(tif), channels
    if tif.is_imagej and tif.imagej_metadata:
        return imagej_pixel_size(tif), imagej_channels(tif, axes)
    entries = shaped_entries(tif)
    names = entries.get("channel_names") or ()
    size = {k: (float(v[0]), str(v[1])) for k, v in (entries.get("pixel_size") or {}).items()}
    return size or tag_pixel_size(tif), tuple(str(n) for n in names)


def _is_serious(message: str) -> bool:
    """Tell whether a complaint means lost planes or metadata, not only a maker's private tag."""
    tag = re.search(r"TiffTag (\d+)", message)
    return "invalid" in message and (tag is None or int(tag[1]) < _PRIVATE_TAGS)


def _check_complete(path: Path, series: tifffile.TiffPageSeries) -> None:
    """Raise if planes or the end of the file are missing; tifffile fills both with zeros."""
    pages = list(series.pages)
    if missing := sum(page is None for page in pages):
        raise ImageError(
            f"{path} lacks {missing} of its {len(pages)} planes; "
            "they stand in other files of the same set, which must lie beside it."
        )
    check_room(path, series.nbytes)
    if series.dataoffset is not None:
        end = series.dataoffset + series.nbytes
    else:
        chunks, kept = math.prod(series.keyframe.chunked), len(series.keyframe.dataoffsets)
        if kept < chunks:
            raise ImageError(f"{path} is damaged: it has {kept} of its {chunks} tiles or strips.")
        end = max(
            (o + n for page in pages if page is not None
             for o, n in zip(page.dataoffsets, page.databytecounts, strict=False)),
            default=0,
        )  # fmt: skip
    if end > (size := path.stat().st_size):
        raise ImageError(f"{path} is cut short: {end - size} bytes are missing at its end.")


def _decode_colour(
    path: Path,
    series: tifffile.TiffPageSeries,
    pixels: npt.NDArray[Any],
    palette_indices: bool,
    notes: list[str],
) -> tuple[npt.NDArray[Any], str]:
    """Turn the file's way of storing colour into plain values, colour last."""
    page, axes = series.keyframe, series.axes
    kind = _name(page.photometric)
    if kind == "RGB" and "S" in axes and not axes.endswith("S"):
        pixels = np.moveaxis(pixels, axes.index("S"), -1)
        axes = axes.replace("S", "") + "S"
    if kind == "PALETTE" and page.colormap is not None and not palette_indices:
        # In ImageJ and OME files the palette is only a display colour over measured values.
        if series.kind not in ("imagej", "ome"):
            pixels = _apply_palette(pixels, np.asarray(page.colormap))
            axes += "S" if pixels.ndim > len(axes) else ""
    elif kind == "MINISWHITE":
        if pixels.dtype.kind in "bu":
            pixels = np.invert(pixels)
            notes.append(f"{path.name} stores white as 0; its values were inverted.")
    elif kind == "SEPARATED" and axes.endswith("S") and pixels.shape[-1] == 4:
        pixels = _rgb_from_cmyk(pixels)
        notes.append(f"{path.name} is CMYK; it was turned into RGB without a colour profile.")
    elif kind not in ("PALETTE", "MINISBLACK", "RGB", "MASK") and not _decoded_as_rgb(page):
        raise ImageError(
            f"{path} stores its colours as {kind}, which is not read; save it as RGB or grey."
        )
    two = kind == "MINISBLACK" and axes.endswith("S") and pixels.shape[-1] == 2
    if two and any(int(extra) in _ALPHA for extra in page.extrasamples):
        pixels = pixels[..., [0, 0, 0, 1]]
        notes.append("Grey with alpha was read as colour with alpha.")
    return pixels, axes


def _decoded_as_rgb(page: tifffile.TiffPage) -> bool:
    """Tell whether the codec has turned YCbCr into RGB already."""
    codecs = ("JPEG", "OJPEG", "ALT_JPEG", "JPEG_LOSSY", "JPEG2000", "JPEGXL", "WEBP")
    return _name(page.photometric) == "YCBCR" and _name(page.compression) in codecs


def _name(code: object) -> str:
    """Return the name of a tag's value, or the number that has none."""
    return getattr(code, "name", str(code))


def _apply_palette(
    indices: npt.NDArray[Any], colourmap: npt.NDArray[np.uint16]
) -> npt.NDArray[np.uint8]:
    """Return the colours, or the greys, that the indices stand for."""
    # Some writers put 8-bit numbers where the standard wants 16-bit ones.
    table = (colourmap if colourmap.max() < 256 else colourmap >> 8).astype(np.uint8)
    if (table == table[0]).all():
        return np.asarray(table[0][indices])
    return np.moveaxis(table[:, indices], 0, -1)


def _rgb_from_cmyk(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the plain complement of ink, (1 - ink) * (1 - black)."""
    top = np.iinfo(pixels.dtype).max
    left = (top - pixels.astype(np.float64)) / top
    return np.rint(left[..., :3] * left[..., 3:] * top).astype(pixels.dtype)


def _given_axes(axes: str, shape: Sequence[int]) -> str:
    """Check the caller's axes against the shape."""
    if len(axes) != len(shape):
        raise AxesError(
            f'axes="{axes}" names {len(axes)} axes, but the image has {len(shape)}: '
            f"its shape is {tuple(shape)}."
        )
    return axes


def _known_axes(
    path: Path, pixels: npt.NDArray[Any], letters: str, notes: list[str]
) -> tuple[npt.NDArray[Any], str]:
    """Translate tifffile's letters into ours."""
    ask = f'the file calls its axes "{letters}", shape {pixels.shape}; give them, such as axes='
    if letters.endswith(("YXS", "YXC")) and pixels.shape[-1] not in _COLOUR_SAMPLES:
        # More or fewer samples than colour has: channels that are stored side by side.
        pixels, letters = np.moveaxis(pixels, -1, -3), letters[:-3] + letters[-1] + "YX"
        notes.append(f"{path.name} keeps {pixels.shape[-3]} channels last; read as {letters}.")
    if "S" in letters and "C" in letters:
        raise AxesError(f'{path}: channels of colour images are not supported; {ask}"ZYXC".')
    letters = letters.replace("S", "C")
    unknown = [letter for letter in letters if letter not in "TCZYX"]
    if len(unknown) == 1 and (free := [letter for letter in "ZT" if letter not in letters]):
        letters = letters.replace(unknown[0], free[0])
        notes.append(
            f"{path.name} does not say what its {pixels.shape[letters.index(free[0])]} pages are; "
            f"they were read as {free[0]} ({letters})."
        )
    elif unknown:
        raise AxesError(f'{path}: cannot tell what "{"".join(unknown)}" is; {ask}"TZYX".')
    if not letters.removesuffix("C").endswith("YX") or len(set(letters)) < len(letters):
        raise AxesError(f'{path}: images end in YX or YXC; {ask}"ZYX".')
    return pixels, letters
