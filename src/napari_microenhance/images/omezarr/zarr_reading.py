"""OME-Zarr folders: reading. Pixels stay on the disk until they are asked for.

The package zarr (extra "zarr") opens versions 2 and 3 of Zarr, which OME-Zarr 0.4 and 0.5
are kept in.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import AxesError, ImageError
from napari_microenhance.files import is_zarr, plain_reason
from napari_microenhance.images.imagefile import RECORD_KEY, ImageFile
from napari_microenhance.images.lazy import LazyPixels
from napari_microenhance.images.omezarr.zarr_chunks import (
    ZARR_ERRORS,
    absent_cautions,
    absent_count,
    named_as_stored,
    unreadable_chunk,
)
from napari_microenhance.images.omezarr.zarr_metadata import (
    CHANGED_LABEL,
    ZarrImage,
    image_names,
    own_attributes,
    parse_image,
)
from napari_microenhance.images.several import chosen
from napari_microenhance.outputs import job_of, unfinished_words

__all__ = ["ZarrPixels", "read_zarr"]

_COLOUR_SAMPLES: Final = (3, 4)


class ZarrPixels(LazyPixels):
    """The pixels of a Zarr array.

    Parameters
    ----------
    path : Path
        For error messages.
    array : zarr.Array
    order : sequence of int, optional
        Axes of the array in the order that they have here; default: as they are.
    """

    def __init__(self, path: Path, array: Any, order: Sequence[int] | None = None) -> None:  # noqa: ANN401 - no types without the extra
        order = range(array.ndim) if order is None else order
        # Big-endian files give swapped arrays, which onnxruntime and napari do not take.
        dtype = np.dtype(array.dtype).newbyteorder("=")
        super().__init__(path, tuple(int(array.shape[axis]) for axis in order), dtype)
        self._array = array
        self._order = tuple(order)

    def read(self, box: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Return the pixels of a box.

        Raises
        ------
        ImageError
            If they cannot be read.
        """
        stored = tuple(box[self._order.index(axis)] for axis in range(self.ndim))
        try:
            block = np.asarray(self._array[stored])
        except MemoryError as error:
            raise ImageError(f"{self.path} does not fit into memory.") from error
        except ZARR_ERRORS as error:
            at = unreadable_chunk(self._array, stored)
            which = f": chunk {'.'.join(map(str, at))} cannot be read" if at else ""
            raise ImageError(
                f"{self.path} is damaged or truncated{which}{plain_reason(error)}."
            ) from error
        return block.transpose(self._order).astype(self.dtype, copy=False)

    def absent_in(self, box: tuple[slice, ...]) -> tuple[int, int]:
        """Return how many of the chunks that a box touches are absent, and how many it touches.

        Parameters
        ----------
        box : tuple of slice
            As for `read`.
        """
        return absent_count(self._array, [box[self._order.index(i)] for i in range(self.ndim)])


def read_zarr(path: Path, *, axes: str | None = None, series: int | None = None) -> ImageFile:
    """Open the full resolution of an OME-Zarr image; no pixels are read.

    Parameters
    ----------
    path : Path
        A Zarr folder: one or several multiscale images, a collection of them as bioformats2raw
        writes it, or a plain array.
    axes : str or None
        What the caller says about the axes, where the file is silent or wrong. With "YXC"
        the three or four channels of a "CYX" image become its colour.
    series : int or None
        Which of several images, from 0.

    Returns
    -------
    ImageFile
        Its pixels are `ZarrPixels`.

    Raises
    ------
    AxesError
        If the axes are unknown, or `axes` does not fit.
    ImageError
        If it is damaged or no image, or zarr is missing.
    """
    if words := unfinished_words(path):
        raise ImageError(_unfinished(path, words))
    node = open_zarr(path)
    if hasattr(node, "shape"):
        _, cautions = chosen(path, ["array"], 0, series)
        found = ZarrImage(("",), "?" * len(node.shape), ({},))
        return _image(path, [node], found, axes, list(cautions))
    attributes = _attributes(path, node)
    names = image_names(attributes)
    children = () if names else _children(path, node, attributes)
    described = [f'"{name}"' if name else "unnamed" for name in children or names]
    number, cautions = chosen(path, described, 0, series)
    if children:
        node, number = _part(path, node, children[number]), 0
        attributes = _attributes(path, node)
    image = parse_image(attributes, number)
    if image is None:
        raise ImageError(f"{path} is a Zarr group, but not an OME-Zarr image.")
    levels = [_part(path, node, name) for name in image.paths]
    # A writer of our own leaves out chunks of zeros.
    own = isinstance(attributes.get(RECORD_KEY), Mapping)
    return _image(path, levels, image, axes, list(cautions), is_ours=own)


def read_unfinished(path: Path) -> ImageFile:
    """Open what there is of a store that a run has not finished; the rest of it is zero.

    Raises
    ------
    ImageError
        If it is damaged, or no such store.
    """
    words, node = unfinished_words(path), open_zarr(path)
    levels: list[Any] = []
    try:
        while str(len(levels)) in node:
            levels.append(node[str(len(levels))])
    except ZARR_ERRORS as error:
        raise ImageError(f"{path} is a damaged Zarr folder{plain_reason(error)}.") from error
    if not words or not levels:
        raise ImageError(f"{path} is not an unfinished result.")
    names = levels[0].metadata.dimension_names or ()
    axes = "".join(str(name or "?") for name in names).upper()
    decided = (job_of(path) or {}).get("decided")
    result = decided.get("result") if isinstance(decided, Mapping) else None
    wanted = result.get("axes") if isinstance(result, Mapping) else None
    colour = wanted if isinstance(wanted, str) and wanted.endswith("YXC") else None
    found = ZarrImage(tuple(map(str, range(len(levels)))), axes, ({},) * len(levels))
    note = Caution("unfinished", _unfinished(path, words))
    return _image(path, levels, found, colour, [note], is_ours=True)


def _unfinished(path: Path, words: str) -> str:
    """Return the sentence about a store that is not finished."""
    return (
        f"{path} is unfinished ({words}); finish it first: run it again with --resume "
        "(resume=True)."
    )


def read_zarr_record(path: Path) -> dict[str, Any] | None:
    """Return the record of a run from an OME-Zarr folder, or None."""
    if words := unfinished_words(path):
        raise ImageError(_unfinished(path, words))
    record = _attributes(path, open_zarr(path)).get(RECORD_KEY)
    return dict(record) if isinstance(record, Mapping) else None


def read_zarr_changed(path: Path) -> npt.NDArray[np.bool_] | None:
    """Return the mask of changed pixels from an OME-Zarr folder of ours, or None."""
    folder = path / "labels" / CHANGED_LABEL
    if not is_zarr(folder):
        return None
    mask = read_zarr(folder)
    pixels = np.asarray(mask.pixels) != 0
    return np.asarray(pixels.squeeze(mask.axes.index("C")) if "C" in mask.axes else pixels)


def read_zarr_labels(path: Path) -> list[tuple[str, Path]]:
    """Return name and folder of the label images of an OME-Zarr image."""
    folder = path / "labels"
    if not is_zarr(folder):
        return []
    attributes = _attributes(folder, open_zarr(folder))
    names = own_attributes(attributes).get("labels")
    listed = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    return [(name, folder / name) for name in listed if is_zarr(folder / name)]


def open_zarr(path: Path) -> Any:  # noqa: ANN401 - no types without the extra
    """Open a Zarr group or array to read it.

    Raises
    ------
    ImageError
        If it is damaged, or zarr is missing.
    """
    try:
        import zarr
    except ImportError as missing:
        raise ImageError(
            f'{path}: OME-Zarr needs the package zarr; pip install "napari-microenhance[zarr]".'
        ) from missing
    try:
        # A store of its own: in a string, "::" is a chain of file systems to fsspec.
        return zarr.open(zarr.storage.LocalStore(path, read_only=True), mode="r")
    except ZARR_ERRORS as error:
        raise ImageError(f"{path} is a damaged Zarr folder{plain_reason(error)}.") from error


def _attributes(path: Path, node: Any) -> Mapping[str, Any]:  # noqa: ANN401 - no types without the extra
    """Return the attributes of a group or array as plain JSON."""
    try:
        return json.loads(json.dumps(dict(node.attrs)))  # type: ignore[no-any-return]
    except ZARR_ERRORS as error:
        raise ImageError(f"{path} is a damaged Zarr folder{plain_reason(error)}.") from error


def _children(path: Path, node: Any, attributes: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ANN401 - no types without the extra
    """Return the names of the images of a collection."""
    own = own_attributes(attributes)
    if "plate" in own or "well" in own:
        what = "plate" if "plate" in own else "well"
        raise ImageError(f"{path} is a {what}; open one of the images in it, such as A/1/0.")
    if "bioformats2raw.layout" not in own:
        raise ImageError(f"{path} is a Zarr group, but not an OME-Zarr image.")
    try:
        names = [name for name in node.group_keys() if name != "OME"]
    except ZARR_ERRORS as error:
        raise ImageError(f"{path} is a damaged Zarr folder{plain_reason(error)}.") from error
    numbered = sorted((name for name in names if name.isdecimal()), key=int)
    if not numbered:
        raise ImageError(f'{path} is damaged: its array "0" is missing.')
    return tuple(numbered)


def _part(path: Path, node: Any, name: str) -> Any:  # noqa: ANN401 - no types without the extra
    """Return a child of a group."""
    try:
        return node[name]
    except ZARR_ERRORS as error:
        raise ImageError(f'{path} is damaged: its array "{name}" is missing.') from error


def _image(
    path: Path,
    arrays: Sequence[Any],
    found: ZarrImage,
    axes: str | None,
    cautions: list[Caution],
    *,
    is_ours: bool = False,
) -> ImageFile:
    """Return opened arrays, one per resolution, with what their group says."""
    for name, array in zip(found.paths, arrays, strict=True):
        if not hasattr(array, "shape"):
            raise ImageError(f'{path} is damaged: its part "{name}" is not an array.')
    # The finest has the most pixels, whatever was listed first; scales decide between equals.
    order = sorted(range(len(arrays)), key=lambda i: -math.prod(arrays[i].shape))
    arrays = [arrays[i] for i in order]
    if 0 in arrays[0].shape:
        raise ImageError(f"{path} has no pixels: its shape is {tuple(arrays[0].shape)}.")
    letters, channel_axis = _letters(path, arrays[0].shape, found, axes)
    array, said = named_as_stored(arrays[0], path.name)
    cautions += said or (() if is_ours else absent_cautions(array, path.name))
    places = list(range(len(array.shape)))
    if channel_axis is not None:
        places.append(places.pop(channel_axis))
    pixels = ZarrPixels(path, array, places)
    size = pixels.shape[letters.index("C")] if "C" in letters else 1
    channels = 0 if letters.endswith("YXC") or "C" not in letters else size
    steps = found.pixel_sizes[order[0]]
    return ImageFile(
        pixels=pixels,
        axes=letters,
        pixel_size={axis: step for axis, step in steps.items() if axis in letters},
        channel_names=found.channel_names if len(found.channel_names) == channels else (),
        notes=tuple(cautions),
        displays=found.displays if len(found.displays) == size else (),
        levels=tuple(
            ZarrPixels(path, named_as_stored(level, path.name)[0], places)
            for level in arrays[1:]
            if level.ndim == array.ndim and level.dtype == array.dtype
        ),
    )


def _letters(
    path: Path, shape: Sequence[int], found: ZarrImage, axes: str | None
) -> tuple[str, int | None]:
    """Return the axes of the pixels, and which axis of the array is put last as colour."""
    letters = "YX" if found.axes == "??" else found.axes
    if len(letters) != len(shape):
        raise ImageError(f"{path} is damaged: {len(letters)} axes for {len(shape)} dimensions.")
    colour = letters.replace("C", "") + "C"
    at = letters.find("C")
    can_be_colour = at >= 0 and shape[at] in _COLOUR_SAMPLES and colour.endswith("YXC")
    if can_be_colour and (axes == colour or (axes is None and found.is_colour)):
        return colour, at
    if axes is not None and len(axes) != len(shape):
        raise AxesError(
            f'axes="{axes}" names {len(axes)} axes, but the image has {len(shape)}: '
            f"its shape is {tuple(shape)}."
        )
    letters = axes or letters
    fits = letters.removesuffix("C").endswith("YX") and len(set(letters)) == len(letters)
    if "?" in letters or not fits:
        raise AxesError(
            f"{path} does not state its axes (shape {tuple(shape)}); specify them, such as "
            'axes="CZYX".'
        )
    return letters, None
