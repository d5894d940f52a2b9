"""TIFF and OME-TIFF files: reading."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tifffile

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import AxesError, ImageError
from napari_microenhance.files import check_room
from napari_microenhance.images.imagefile import CHANGED, ImageFile
from napari_microenhance.images.lazy import LazyPixels
from napari_microenhance.images.tiff.tiff_colour import (
    colour_last,
    page_colour,
    plain_values,
    settle_subsampling,
)
from napari_microenhance.images.tiff.tiff_damage import damage_told
from napari_microenhance.images.tiff.tiff_metadata import TiffDescription, describe
from napari_microenhance.images.tiff.tiff_pages import TiffPixels, can_be_sliced
from napari_microenhance.images.tiff.tiff_series import (
    TiffImage,
    choose_image,
    holds_camera_raw,
    list_images,
)
from napari_microenhance.images.upright import TAG, turned, turned_caution, turned_size

__all__ = ["read_tiff"]

LAZY_BYTES: Final = 1 << 29
"""A larger image stays in its file until it is sliced, where its pages allow that."""

_COLOUR_SAMPLES: Final = (3, 4)

Pixels = npt.NDArray[Any] | LazyPixels


def read_tiff(
    path: Path,
    *,
    axes: str | None = None,
    palette_indices: bool = False,
    series: int | None = None,
) -> ImageFile:
    """Read an image of a TIFF file at its full resolution.

    Parameters
    ----------
    path : Path
        Known to be TIFF by its first bytes.
    axes : str or None
        What the caller says about the axes, where the file is silent or wrong.
    palette_indices : bool
        Give the numbers of a palette image, not its colours.
    series : int or None
        Which of several images, from 0; None: the file's own position of a multi-file OME-TIFF,
        else the first image of an OME-TIFF, and the largest of other files.

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
        with damage_told(path):
            about = describe(tif)
            images = list_images(tif, about.ome_names)
            is_raw = holds_camera_raw(path, tif)
        if is_raw:
            raise ImageError(
                f"{path} is a camera raw file, whose first image is only a preview; export it "
                "as a 16-bit TIFF."
            )
        if not images:
            raise ImageError(f"{path} holds no image.")
        image, cautions = choose_image(path, images, series)
        return _read(path, about, image, axes, list(cautions), palette_indices=palette_indices)


def read_tiff_record(path: Path) -> dict[str, Any] | None:
    """Return the record of a run from a TIFF or OME-TIFF file, or None."""
    with _opened(path) as tif:
        with damage_told(path):
            about = describe(tif)
        return about.record


def read_tiff_changed(path: Path) -> npt.NDArray[np.bool_] | None:
    """Return the mask of changed pixels from an OME-TIFF file of ours, or None."""
    with _opened(path) as tif:
        with damage_told(path):
            masks = [s for s in tif.series[1:] if tif.is_ome and s.name == CHANGED]
        if not masks:
            return None
        _check_complete(path, masks[0])
        with damage_told(path):
            pixels = masks[0].asarray()
        return np.asarray(pixels != 0)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a file; what goes wrong with it is an `ImageError`."""
    with contextlib.ExitStack() as stack:
        with damage_told(path):
            # Micro-Manager's own index makes one series of all positions; OME-XML tells them apart.
            tif = stack.enter_context(tifffile.TiffFile(path, is_mmstack=False))
        yield tif


def _read(
    path: Path,
    about: TiffDescription,
    image: TiffImage,
    axes: str | None,
    cautions: list[Caution],
    *,
    palette_indices: bool,
) -> ImageFile:
    """Read one image of an open file."""
    series = image.series
    if 0 in series.shape:
        raise ImageError(f"{path} has no pixels: its shape is {series.shape}.")
    with damage_told(path):
        settle_subsampling(series.keyframe)
        colour = page_colour(
            series.keyframe, kind=series.kind, written_by_imagej=bool(about.imagej)
        )
        orientation = series.keyframe.tags.valueof(TAG, 1)
        sliceable = can_be_sliced(series)
    _check_complete(path, series)
    is_turned = bool(turned_caution(path.name, orientation))
    samples_last = "S" not in series.axes[:-1]
    lazy = sliceable and samples_last and colour.is_plain and not is_turned
    if lazy and series.nbytes > LAZY_BYTES:
        pixels: Pixels = TiffPixels(path, series)
        letters, is_colour = series.axes, colour.is_colour
    else:
        stored = _stored(path, series, sliceable=sliceable)
        plain = plain_values(
            path, *colour_last(stored, series.axes), colour, palette_indices=palette_indices
        )
        letters, is_colour = plain.axes, plain.is_colour
        cautions += [*plain.cautions, *turned_caution(path.name, orientation)]
        pixels = turned(plain.pixels, orientation, rows=letters.index("Y"))
    if axes is None:
        pixels, letters = _channels_first(path, pixels, letters, cautions, is_colour=is_colour)
        letters = _known_axes(path, pixels.shape, letters, cautions)
    else:
        pixels, letters = _given_axes(axes, pixels, letters)
    if about.has_its_xml_elsewhere:
        text = (
            f"{path.name} keeps its OME metadata in another file of its set, which was not read: "
            "pixel size and channels are unknown."
        )
        cautions.append(Caution("companion-metadata", text))
    lower = [level for level in series.levels[1:] if lazy and can_be_sliced(level)]
    return dataclasses.replace(
        _described(about, image, pixels, letters, orientation),
        notes=tuple(cautions),
        levels=tuple(TiffPixels(path, level) for level in lower)
        if letters == series.axes.replace("S", "C")
        else (),
    )


def _described(
    about: TiffDescription, image: TiffImage, pixels: Pixels, letters: str, orientation: object
) -> ImageFile:
    """Return pixels with what the file says of them."""
    series = image.series
    shape = dict(zip(series.axes, series.shape, strict=True))
    channels = pixels.shape[letters.index("C")] if "C" in letters else 1
    is_colour = letters.endswith("YXC")
    names = about.channel_names(shape, image.number)
    displays = () if is_colour else about.displays(image.number)
    size = turned_size(about.pixel_size(image.number), orientation)
    return ImageFile(
        pixels=pixels,
        axes=letters,
        pixel_size={axis: step for axis, step in size.items() if axis in letters},
        channel_names=names if "C" in letters and not is_colour and len(names) == channels else (),
        displays=displays if len(displays) == channels else (),
    )


def _stored(path: Path, series: tifffile.TiffPageSeries, *, sliceable: bool) -> npt.NDArray[Any]:
    """Return all pixels of a series as they are stored, in native byte order."""
    check_room(path, series.nbytes)
    # tifffile can read a whole series of a set from the wrong one of its files.
    with damage_told(path):
        files = {page.parent.filehandle.path for page in series if page is not None}
        others = files - {series.parent.filehandle.path} if series.parent else files
    if others and sliceable:
        return np.asarray(TiffPixels(path, series))
    if others:
        raise ImageError(
            f"{path}: the image is stored in {', '.join(sorted(others))}; open that file."
        )
    with damage_told(path):
        pixels = series.asarray()
    # Big-endian files give swapped arrays, which onnxruntime and napari do not take.
    return np.asarray(pixels.astype(pixels.dtype.newbyteorder("="), copy=False))


def _check_complete(path: Path, series: tifffile.TiffPageSeries) -> None:
    """Raise if planes or the end of a file are missing; tifffile fills both with zeros."""
    with damage_told(path):
        pages = list(series)
        missing = sum(page is None for page in pages)
        chunks, kept = math.prod(series.keyframe.chunked), len(series.keyframe.dataoffsets)
        ends = _ends(series, pages)
        is_contiguous = series.dataoffset is not None
    if missing:
        raise ImageError(
            f"{path} lacks {missing} of its {len(pages)} planes; they are in other files of "
            "the same set, which must lie in the same folder."
        )
    if not is_contiguous and kept < chunks:
        raise ImageError(f"{path} is damaged: it has {kept} of its {chunks} tiles or strips.")
    for file, end in ends.items():
        if end > (size := file.stat().st_size):
            raise ImageError(f"{file} is truncated: {end - size} bytes are missing at its end.")


def _ends(series: tifffile.TiffPageSeries, pages: Sequence[Any]) -> Mapping[Path, int]:
    """Return where the pixels of a series end in each of its files."""
    ends: dict[Path, int] = {}
    for page in pages:
        if page is None:
            continue
        file = Path(page.parent.filehandle.path)
        if series.dataoffset is not None and not series.is_multifile:
            return {file: series.dataoffset + series.nbytes}
        for offset, length in zip(page.dataoffsets, page.databytecounts, strict=False):
            ends[file] = max(ends.get(file, 0), offset + length)
    return ends


def _channels_first(
    path: Path, pixels: Pixels, letters: str, cautions: list[Caution], *, is_colour: bool
) -> tuple[Pixels, str]:
    """Put samples that are no colour where channels stand."""
    count = pixels.shape[-1]
    is_colour = (is_colour or letters.endswith("YXC")) and count in _COLOUR_SAMPLES
    if is_colour or not letters.endswith(("YXS", "YXC")):
        return pixels, letters
    text = f"{path.name} stores {count} channels last; read as {letters[:-3]}CYX."
    if count in _COLOUR_SAMPLES:
        colour = "colour" if count == 3 else "colour with alpha"
        text = (
            f"{path.name} does not state that its {count} samples per pixel are {colour}; "
            f'they were read as channels ({letters[:-3]}CYX), axes="{letters[:-1]}C" makes '
            "them colour."
        )
    cautions.append(Caution("samples", text))
    return np.moveaxis(np.asarray(pixels), -1, -3), letters[:-3] + letters[-1] + "YX"


def _given_axes(axes: str, pixels: Pixels, letters: str) -> tuple[Pixels, str]:
    """Check the caller's axes against the shape; channels stored last go where they are named."""
    if len(axes) != pixels.ndim:
        raise AxesError(
            f'axes="{axes}" names {len(axes)} axes, but the image has {pixels.ndim}: '
            f"its shape is {tuple(pixels.shape)}."
        )
    if letters.endswith("YXS") and axes.endswith("YX") and "C" in axes:
        pixels = np.moveaxis(np.asarray(pixels), -1, axes.index("C"))
    return pixels, axes


def _known_axes(path: Path, shape: Sequence[int], letters: str, cautions: list[Caution]) -> str:
    """Translate tifffile's letters into ours."""
    ask = f'the file names its axes "{letters}", shape {tuple(shape)}; specify them, such as axes='
    if "S" in letters and "C" in letters:
        raise AxesError(f'{path}: channels of colour images are not supported; {ask}"ZYXC".')
    letters = letters.replace("S", "C")
    unknown = [letter for letter in letters if letter not in "TCZYX"]
    if len(unknown) == 1 and (free := [letter for letter in "ZT" if letter not in letters]):
        letters = letters.replace(unknown[0], free[0])
        text = (
            f"{path.name} does not state what its {shape[letters.index(free[0])]} pages are; "
            f"they were read as {free[0]} ({letters})."
        )
        cautions.append(Caution("unknown-axis", text))
    elif unknown:
        raise AxesError(f'{path}: cannot tell what "{"".join(unknown)}" is; {ask}"TZYX".')
    if not letters.removesuffix("C").endswith("YX") or len(set(letters)) < len(letters):
        raise AxesError(f'{path}: images end in YX or YXC; {ask}"ZYX".')
    return letters
