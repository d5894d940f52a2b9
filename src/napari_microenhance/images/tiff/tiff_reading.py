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
from napari_microenhance.images.lazy import LazyPixels, moved
from napari_microenhance.images.tiff.tiff_colour import (
    PlainValues,
    colour_last,
    page_colour,
    plain_values,
    settle_subsampling,
)
from napari_microenhance.images.tiff.tiff_damage import damage_told
from napari_microenhance.images.tiff.tiff_metadata import TiffDescription, describe
from napari_microenhance.images.tiff.tiff_pages import TiffPixels, can_be_sliced, segment_bytes
from napari_microenhance.images.tiff.tiff_plain import plain_lazily
from napari_microenhance.images.tiff.tiff_raw import RawPixels, lies_as_it_is
from napari_microenhance.images.tiff.tiff_series import (
    TiffImage,
    choose_image,
    holds_camera_raw,
    list_images,
)
from napari_microenhance.images.upright import (
    TAG,
    TurnedPixels,
    turned,
    turned_caution,
    turned_size,
)

__all__ = ["read_tiff"]

LAZY_BYTES: Final = 1 << 26
"""A larger image stays in its file until it is sliced, where its pages allow that."""

SEGMENT_BYTES: Final = 1 << 26
"""Of larger strips a file is read whole: each part of the image would decode them again."""

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
        orientation = series.keyframe.tags.valueof(TAG, 1)
        lower = list(series.levels[1:])
    _check_complete(path, series)
    how = _Reading(path, about, axes, orientation, palette_indices=palette_indices)
    pixels, letters, said = how.opened(series, is_lazy=series.nbytes > LAZY_BYTES)
    cautions += said
    if about.has_its_xml_elsewhere:
        text = (
            f"{path.name} keeps its OME metadata in another file of its set, which was not read: "
            "pixel size and channels are unknown."
        )
        cautions.append(Caution("companion-metadata", text))
    levels = [how.opened(level, is_lazy=True) for level in lower if _is_lower(level, series)]
    return dataclasses.replace(
        _described(about, image, pixels, letters, orientation),
        notes=tuple(cautions),
        levels=tuple(level for level, own, _ in levels if own == letters),
    )


def _is_lower(level: tifffile.TiffPageSeries, series: tifffile.TiffPageSeries) -> bool:
    """Tell whether a series is another at a lower resolution, which can be read in parts."""
    if level.axes != series.axes or level.dtype != series.dtype:
        return False
    pairs = zip(level.axes, level.shape, series.shape, strict=True)
    smaller = all(0 < n < full if axis in "YX" else n == full for axis, n, full in pairs)
    return smaller and (can_be_sliced(level) or lies_as_it_is(level))


@dataclasses.dataclass(frozen=True, eq=False)
class _Reading:
    """How the series of a file are read, each resolution of an image alike."""

    path: Path
    about: TiffDescription
    axes: str | None
    orientation: object
    palette_indices: bool

    def opened(
        self, series: tifffile.TiffPageSeries, *, is_lazy: bool
    ) -> tuple[Pixels, str, list[Caution]]:
        """Return pixels as they are meant, their axes, and what is to be said of them."""
        path = self.path
        plain = self._plain(series, is_lazy=is_lazy)
        pixels = _upright(plain.pixels, self.orientation, rows=plain.axes.index("Y"))
        said = [*plain.cautions, *turned_caution(path.name, self.orientation)]
        if self.axes is not None:
            return (*_given_axes(self.axes, pixels, plain.axes), said)
        pixels, letters = _channels_first(path, pixels, plain.axes, said, is_colour=plain.is_colour)
        return pixels, _known_axes(path, pixels.shape, letters, said), said

    def _plain(self, series: tifffile.TiffPageSeries, *, is_lazy: bool) -> PlainValues:
        """Return grey and colour as they are meant, read where they are sliced if that can be."""
        path, indices = self.path, self.palette_indices
        with damage_told(path):
            settle_subsampling(series.keyframe)
            colour = page_colour(
                series.keyframe, kind=series.kind, written_by_imagej=bool(self.about.imagej)
            )
            is_raw, sliceable = lies_as_it_is(series), can_be_sliced(series)
            in_parts = is_raw or (sliceable and segment_bytes(series) <= SEGMENT_BYTES)
        if colour.needs_all_pixels and np.dtype(series.dtype).kind == "f":
            in_parts = False
        if is_lazy and in_parts:
            lazy = RawPixels(path, series) if is_raw else TiffPixels(path, series)
            found, letters = colour_last(lazy, series.axes)
            assert isinstance(found, LazyPixels)
            return plain_lazily(path, found, letters, colour, palette_indices=indices)
        stored = _stored(path, series, sliceable=sliceable)
        pixels, letters = colour_last(stored, series.axes)
        return plain_values(path, np.asarray(pixels), letters, colour, palette_indices=indices)


def _upright(pixels: Pixels, orientation: object, *, rows: int) -> Pixels:
    """Return pixels with their first row at the top and their first column at the left."""
    if not isinstance(pixels, LazyPixels):
        return turned(pixels, orientation, rows=rows)
    if not turned_caution("", orientation):
        return pixels
    return TurnedPixels(pixels, orientation, rows=rows)


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
    return moved(pixels, -1, -3), letters[:-3] + letters[-1] + "YX"


def _given_axes(axes: str, pixels: Pixels, letters: str) -> tuple[Pixels, str]:
    """Check the caller's axes against the shape; channels stored last go where they are named."""
    if len(axes) != pixels.ndim:
        raise AxesError(
            f'axes="{axes}" names {len(axes)} axes, but the image has {pixels.ndim}: '
            f"its shape is {tuple(pixels.shape)}."
        )
    if letters.endswith("YXS") and axes.endswith("YX") and "C" in axes:
        pixels = moved(pixels, -1, axes.index("C"))
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
