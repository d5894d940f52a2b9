"""OME-Zarr folders: writing, version 0.5, block by block.

References
----------
.. [1] OME-NGFF specification 0.5. https://ngff.openmicroscopy.org/0.5/
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import OutputError
from napari_microenhance.images.imagefile import RECORD_KEY, ImageToWrite, PixelSize
from napari_microenhance.images.omezarr.zarr_metadata import CHANGED_LABEL, RGB
from napari_microenhance.images.omezarr.zarr_models import (
    channels,
    image_attributes,
    label_list,
    mask_attributes,
)
from napari_microenhance.types import LazyArray

if TYPE_CHECKING:
    import zarr

__all__ = ["ZARR_DTYPES", "write_zarr"]

ZARR_DTYPES: Final = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip
"""What Zarr 3 has a name for."""

CHUNK: Final = 1024  # px of y and x
BLOCK: Final = 2048  # px of y and x that are in memory at a time; whole chunks
SMALLEST: Final = 512  # px; a level this large is the last

Pixels = npt.NDArray[Any]


def check_zarr(path: Path) -> None:
    """Raise if Zarr folders cannot be written here.

    Raises
    ------
    OutputError
        If the packages zarr or yaozarrs are missing.
    """
    try:
        import yaozarrs  # noqa: F401
        import zarr  # noqa: F401
    except ImportError as missing:
        raise OutputError(
            f"{path}: OME-Zarr needs the packages zarr and yaozarrs; "
            'pip install "napari-microenhance[zarr]".'
        ) from missing


def write_zarr(folder: Path, image: ImageToWrite) -> None:
    """Fill an empty folder with an OME-Zarr image and its lower resolutions.

    Axes come in the order that the format wants, TCZYX; colour becomes channels called Red,
    Green, Blue and Alpha, which `read_zarr` makes colour again. A lower resolution is the mean of
    2 x 2 pixels; of classes, every second pixel. The record is an attribute beside "ome", the
    mask of changed pixels the label image "changed".

    Parameters
    ----------
    folder : Path
    image : ImageToWrite
        Its pixels are read block by block.

    Raises
    ------
    OutputError
        If the package zarr is missing.
    """
    check_zarr(folder)
    import zarr

    view, size, record = _Ordered(image.pixels, image.axes), image.pixel_size, image.record
    names: Sequence[str] = image.channel_names
    if image.axes.endswith("YXC"):
        names = tuple(RGB)[: view.shape[view.axes.index("C")]]
    reduce = _every_second if _is_classes(view.dtype, record) else _mean
    levels = _levels(view)
    root = zarr.create_group(zarr.storage.LocalStore(folder), zarr_format=3)
    last = _write_levels(root, view, len(levels), reduce)
    shown = _shown(last)
    own = image_attributes(
        view.axes,
        levels,
        pixel_size=size,
        centred=reduce is not _every_second,
        omero=channels(names, _range(view.dtype, shown), shown) if names else None,
    )
    root.update_attributes({"ome": own} if record is None else {"ome": own, RECORD_KEY: record})
    if image.changed is not None:
        _write_changed(root, _Mask(image.changed, image.axes), levels, size)


class _Ordered:
    """Pixels with their axes in the format's order, read box by box."""

    def __init__(self, pixels: LazyArray, axes: str) -> None:
        self._pixels = pixels
        self.axes = "".join(sorted(axes, key="TCZYX".index))
        self._order = tuple(axes.index(axis) for axis in self.axes)
        self.shape = tuple(int(pixels.shape[at]) for at in self._order)
        self.dtype = np.dtype(pixels.dtype)

    def read(self, box: tuple[slice, ...]) -> Pixels:
        """Return the pixels of a box."""
        key = [slice(None)] * len(box)
        for at, part in zip(self._order, box, strict=True):
            key[at] = part
        return np.asarray(self._pixels[tuple(key)]).transpose(self._order)


class _Mask(_Ordered):
    """A mask with an axis of one channel where its image has channels."""

    def __init__(self, mask: LazyArray, axes: str) -> None:
        super().__init__(mask, axes.replace("C", ""))
        self._at = "".join(sorted(axes, key="TCZYX".index)).find("C")
        self.dtype = np.dtype(np.uint8)
        if self._at >= 0:
            self.axes = self.axes[: self._at] + "C" + self.axes[self._at :]
            self.shape = (*self.shape[: self._at], 1, *self.shape[self._at :])

    def read(self, box: tuple[slice, ...]) -> Pixels:
        """Return the pixels of a box as 0 and 1."""
        if self._at >= 0:
            inner = super().read((*box[: self._at], *box[self._at + 1 :]))
            return np.expand_dims(inner, self._at).astype(np.uint8)
        return super().read(box).astype(np.uint8)


def _write_changed(
    root: "zarr.Group",
    mask: _Mask,
    levels: Sequence[float],
    pixel_size: PixelSize,
) -> None:
    """Write the mask of changed pixels as a label image."""
    root.create_group("labels", attributes={"ome": label_list()})
    own = mask_attributes(mask.axes, levels, pixel_size=pixel_size)
    group = root.create_group(f"labels/{CHANGED_LABEL}", attributes={"ome": own})
    _write_levels(group, mask, len(levels), _any)


def _write_levels(
    group: "zarr.Group",
    view: _Ordered,
    count: int,
    reduce: Callable[[Pixels], Pixels],
) -> Pixels:
    """Write an image and its lower resolutions; return the lowest."""
    array = _create(group, "0", view.shape, view)
    for box in _blocks(view.shape):
        array[box] = view.read(box)
    for level in range(1, count):
        finer = array
        height, width = (math.ceil(n / 2) for n in finer.shape[-2:])
        array = _create(group, str(level), (*finer.shape[:-2], height, width), view)
        for box in _blocks(array.shape):
            under = (*box[:-2], *(slice(2 * s.start, 2 * s.stop) for s in box[-2:]))
            array[box] = reduce(_even(np.asarray(finer[under])))
    return np.asarray(array[...])


def _create(
    group: "zarr.Group", name: str, shape: tuple[int, ...], view: _Ordered
) -> "zarr.Array[Any]":
    """Create one array of a pyramid."""
    chunks = (*[1] * (len(shape) - 2), *(min(n, CHUNK) for n in shape[-2:]))
    from zarr.codecs import ZstdCodec

    return group.create_array(
        name,
        shape=shape,
        dtype=view.dtype,
        chunks=chunks,
        dimension_names=[axis.lower() for axis in view.axes],
        # Not Blosc: its threads may lay blocks in another order, and a run repeated is to be a
        # file repeated. A level of its own, whatever zarr's default becomes.
        compressors=ZstdCodec(level=3),
    )


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield boxes of whole chunks that cover an array."""
    steps = (*[1] * (len(shape) - 2), BLOCK, BLOCK)
    starts = [range(0, n, step) for n, step in zip(shape, steps, strict=True)]
    for corner in itertools.product(*starts):
        yield tuple(
            slice(at, min(at + step, n)) for at, step, n in zip(corner, steps, shape, strict=True)
        )


def _levels(view: _Ordered) -> list[float]:
    """Return how many pixels of the image a pixel of each level spans."""
    longest = max(view.shape[-2:])
    count = 1 + max(0, math.ceil(math.log2(longest / SMALLEST)))
    return [float(2**level) for level in range(count)]


def _even(pixels: Pixels) -> Pixels:
    """Return pixels of even height and width, the last row and column repeated if need be."""
    odd = [n % 2 for n in pixels.shape[-2:]]
    if not any(odd):
        return pixels
    return np.pad(pixels, [(0, 0)] * (pixels.ndim - 2) + [(0, n) for n in odd], mode="edge")


def _four(pixels: Pixels) -> Pixels:
    """Return the four pixels of each 2 x 2 along a new first axis."""
    return np.stack([pixels[..., y::2, x::2] for y in (0, 1) for x in (0, 1)])


def _mean(pixels: Pixels) -> Pixels:
    """Return the mean of each 2 x 2, rounded where pixels are whole numbers."""
    if pixels.dtype.kind == "b":
        return _any(pixels)
    kind = "complex128" if pixels.dtype.kind == "c" else "float64"
    mean = _four(pixels).mean(axis=0, dtype=kind)
    if pixels.dtype.kind in "iu":
        mean = np.rint(mean)
    return np.asarray(mean, dtype=pixels.dtype)


def _any(pixels: Pixels) -> Pixels:
    """Return the largest of each 2 x 2: a single changed pixel shows at every resolution."""
    return np.asarray(_four(pixels).max(axis=0))


def _every_second(pixels: Pixels) -> Pixels:
    """Return every second pixel: classes have no mean."""
    return pixels[..., ::2, ::2]


def _is_classes(dtype: np.dtype[Any], record: dict[str, Any] | None) -> bool:
    """Tell whether pixels are classes or labels, not grey values."""
    model = (record or {}).get("model")
    spec = model.get("spec") if isinstance(model, dict) else None
    if isinstance(spec, dict) and spec.get("task") == "labels":
        return True
    # No camera gives these, and napari's labels are of them.
    return dtype.kind in "iu" and dtype.itemsize > 2


def _shown(pixels: Pixels) -> tuple[float, float]:
    """Return the values that pixels have, for display."""
    values = np.abs(pixels) if pixels.dtype.kind == "c" else pixels
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)


def _range(dtype: np.dtype[Any], shown: tuple[float, float]) -> tuple[float, float]:
    """Return the values that pixels can have; those they have for floats."""
    if dtype.kind in "iu":
        return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
    return (0.0, 1.0) if dtype.kind == "b" else shown
