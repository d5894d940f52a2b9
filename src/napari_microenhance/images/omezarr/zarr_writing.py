"""OME-Zarr folders: writing, version 0.5, block by block.

References
----------
.. [1] OME-NGFF specification 0.5. https://ngff.openmicroscopy.org/0.5/
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import OutputError
from napari_microenhance.images.halving import every_second, is_classes, largest, mean
from napari_microenhance.images.imagefile import RECORD_KEY, ImageToWrite, PixelSize
from napari_microenhance.images.omezarr.zarr_metadata import CHANGED_LABEL, RGB
from napari_microenhance.images.omezarr.zarr_models import (
    channels,
    image_attributes,
    label_list,
    mask_attributes,
)
from napari_microenhance.images.omezarr.zarr_pyramid import ZarrPyramid
from napari_microenhance.types import LazyArray

if TYPE_CHECKING:
    import zarr

__all__ = ["ZARR_DTYPES", "write_zarr"]

ZARR_DTYPES: Final = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
)  # fmt: skip
"""What Zarr 3 has a name for."""

BLOCK: Final = 2048  # px of y and x that are in memory at a time

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

    view, record = _Ordered(image.pixels, image.axes), image.record
    names: Sequence[str] = image.channel_names
    if image.axes.endswith("YXC"):
        names = tuple(RGB)[: view.shape[view.axes.index("C")]]
    labels = is_classes(view.dtype, labels=_makes_labels(record))
    root = zarr.create_group(zarr.storage.LocalStore(folder), zarr_format=3)
    pyramid = _written(root, view, every_second if labels else mean)
    if image.changed is not None:
        mask = _Mask(image.changed, image.axes)
        _written(root.create_group(f"labels/{CHANGED_LABEL}"), mask, largest)
    described = Described(view.axes, pyramid, image.pixel_size, tuple(names), centred=not labels)
    describe(root, described, mask_axes=None if image.changed is None else mask.axes, own=record)


@dataclasses.dataclass(frozen=True)
class Described:
    """What the attributes of a written image say.

    Parameters
    ----------
    axes : str
        Letters in the order of "TCZYX".
    pyramid : ZarrPyramid
        Written.
    pixel_size : mapping of str to (float, str)
    names : tuple of str
        Of its channels, or empty.
    centred : bool
        Whether a pixel of a lower resolution lies in the middle of those that it stands for.
    """

    axes: str
    pyramid: ZarrPyramid
    pixel_size: PixelSize
    names: tuple[str, ...]
    centred: bool


def describe(
    root: "zarr.Group",
    image: Described,
    *,
    mask_axes: str | None,
    own: Mapping[str, Any] | None,
    **more: Any,  # noqa: ANN401 - JSON
) -> None:
    """Write the attributes of an image: with them a store becomes one, so they come last.

    Parameters
    ----------
    root : zarr.Group
    image : Described
    mask_axes : str or None
        Axes of the label image of changed pixels, where there is one.
    own : mapping or None
        The record.
    **more
        Further attributes, plain JSON.
    """
    levels, size = image.pyramid.levels, image.pixel_size
    if mask_axes is not None:
        root.require_group("labels").update_attributes({"ome": label_list()})
        mask = mask_attributes(mask_axes, levels, pixel_size=size)
        root.require_group(f"labels/{CHANGED_LABEL}").update_attributes({"ome": mask})
    shown = image.pyramid.ends() if image.names else (0.0, 1.0)
    window = _range(image.pyramid.arrays[0].dtype, shown)
    attributes = image_attributes(
        image.axes,
        levels,
        pixel_size=size,
        centred=image.centred,
        omero=channels(image.names, window, shown) if image.names else None,
    )
    record = {} if own is None else {RECORD_KEY: dict(own)}
    root.update_attributes({"ome": attributes, **record, **more})


def _written(
    group: "zarr.Group", view: "_Ordered", reduce: Callable[[Pixels], Pixels]
) -> ZarrPyramid:
    """Write an image and its lower resolutions."""
    pyramid = ZarrPyramid(
        group,
        axes=view.axes,
        shape=view.shape,
        dtype=view.dtype,
        lengths=(*[1] * (len(view.shape) - 2), BLOCK, BLOCK),
        reduce=reduce,
    )
    pyramid.create()
    for at in pyramid.blocks(0):
        pyramid.write(at, view.read(pyramid.box(0, at)))
    for level in range(1, len(pyramid.levels)):
        for at in pyramid.blocks(level):
            pyramid.make(level, at)
    return pyramid


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


def _makes_labels(record: Mapping[str, Any] | None) -> bool:
    """Tell whether a record is that of a network that segments."""
    model = (record or {}).get("model")
    spec = model.get("spec") if isinstance(model, dict) else None
    return isinstance(spec, dict) and spec.get("task") == "labels"


def _range(dtype: np.dtype[Any], shown: tuple[float, float]) -> tuple[float, float]:
    """Return the values that pixels can have; those they have for floats."""
    if dtype.kind in "iu":
        return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
    return (0.0, 1.0) if dtype.kind == "b" else shown
