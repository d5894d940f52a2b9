"""The writers that napari's manifest names; none needs napari itself."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from napari_microenhance.contributions.layer_data import (
    layer_axes,
    layer_pixel_size,
    layer_record,
    layer_shapes,
)
from napari_microenhance.contributions.layer_look import look_of
from napari_microenhance.errors import OutputError
from napari_microenhance.images.image_formats import write_image
from napari_microenhance.images.tiff.tiff_writing import OME_DTYPES
from napari_microenhance.rois.geojson import write_geojson as write_geojson_file
from napari_microenhance.rois.imagej.imagej_files import write_imagej as write_imagej_file
from napari_microenhance.rois.labelme import labelme_shape
from napari_microenhance.rois.labelme import write_labelme as write_labelme_file
from napari_microenhance.types import AnyArray

__all__ = [
    "write_geojson",
    "write_imagej",
    "write_labelme",
    "write_ome_tiff",
    "write_ome_zarr",
]

LayerPixels: TypeAlias = AnyArray | Sequence[AnyArray]
"""What napari hands a writer: an array, or a list of them."""


def write_labelme(path: str, data: LayerPixels, meta: dict[str, Any]) -> list[str]:
    """Write a Shapes or Points layer as a labelme file.

    Parameters
    ----------
    path : str
    data : list of ndarray, each shape (N, D), or ndarray, shape (N, D)
        The layer's data; its last two axes are (y, x), px.
    meta : dict
        The layer's attributes.

    Returns
    -------
    list of str
        What was written.
    """
    shapes = [labelme_shape(shape) for shape in layer_shapes(data, meta)]
    image = (meta.get("metadata") or {}).get("labelme") or {}
    write_labelme_file(path, shapes, image.get("image_shape"), image.get("image_path"))
    return [path]


def write_geojson(path: str, data: LayerPixels, meta: dict[str, Any]) -> list[str]:
    """Write a Shapes or Points layer as GeoJSON, as QuPath reads it.

    Parameters are those of `write_labelme`.
    """
    write_geojson_file(path, layer_shapes(data, meta))
    return [path]


def write_imagej(path: str, data: LayerPixels, meta: dict[str, Any]) -> list[str]:
    """Write a Shapes or Points layer as an ImageJ ROI file.

    Parameters are those of `write_labelme`; a .roi holds one shape, a .zip any number.
    """
    write_imagej_file(path, layer_shapes(data, meta))
    return [path]


def write_ome_tiff(path: str, data: LayerPixels, meta: dict[str, Any]) -> list[str]:
    """Write an Image or Labels layer as OME-TIFF, with the record of its run.

    Which pixels were changed cannot be told without the original, which a layer does not hold;
    "Save result…" of the dock "Inspect result" writes that mask along.

    Parameters
    ----------
    path : str
    data : array-like or sequence of array-like
        The layer's data; of a multiscale layer the full resolution is written.
    meta : dict
        The layer's attributes; scale, units, axis labels and record are kept.

    Returns
    -------
    list of str
        What was written.

    Raises
    ------
    OutputError
        If OME-TIFF cannot hold the layer, or the file cannot be written.
    """
    if not path.lower().endswith((".ome.tif", ".ome.tiff")):
        raise OutputError(f'{path}: the name of an OME-TIFF must end in ".ome.tif" or ".ome.tiff".')
    pixels = _ome_pixels(path, np.asarray(_full_resolution(data, meta)))
    record = layer_record(meta)
    axes = layer_axes(path, pixels.ndim, meta, record)
    size = layer_pixel_size(axes, meta)
    write_image(path, pixels, axes, pixel_size=size, record=record or None, display=look_of(meta))
    return [path]


def write_ome_zarr(path: str, data: LayerPixels, meta: dict[str, Any]) -> list[str]:
    """Write an Image or Labels layer as OME-Zarr, with the record of its run.

    Which pixels were changed cannot be told without the original, which a layer does not hold;
    "Save result…" of the dock "Inspect result" writes that mask along.

    Parameters
    ----------
    path : str
    data : array-like or sequence of array-like
        The layer's data, read block by block; of a multiscale layer the full resolution.
    meta : dict
        The layer's attributes; scale, units, axis labels and record are kept.

    Returns
    -------
    list of str
        What was written.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    pixels = _full_resolution(data, meta)
    record = layer_record(meta)
    axes = layer_axes(path, len(pixels.shape), meta, record)
    size = layer_pixel_size(axes, meta)
    write_image(path, pixels, axes, pixel_size=size, record=record or None, display=look_of(meta))
    return [path]


def _full_resolution(data: LayerPixels, meta: dict[str, Any]) -> Any:  # noqa: ANN401 - any array-like
    """Return the pixels of a layer that may hold several resolutions."""
    multiscale = meta.get("multiscale")
    if multiscale or (multiscale is None and isinstance(data, list | tuple)):
        data = data[0]
    # One part of several shows the others, too.
    data = getattr(data, "alone", data)
    return data if hasattr(data, "shape") and hasattr(data, "dtype") else np.asarray(data)


def _ome_pixels(path: str, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return pixels of a dtype that OME-TIFF has; labels are 64-bit in napari."""
    if pixels.dtype.name in OME_DTYPES or pixels.dtype.kind not in "iu":
        return pixels
    low, high = int(pixels.min(initial=0)), int(pixels.max(initial=0))
    for name in ("uint16", "int32", "uint32"):
        if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
            return pixels.astype(name)
    raise OutputError(f"{path}: values from {low} to {high} do not fit OME-TIFF's 32 bits.")
