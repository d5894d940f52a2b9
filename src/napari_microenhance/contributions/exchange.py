"""The readers and writers that napari's manifest names; neither needs napari itself."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.contributions.layer_data import (
    LayerData,
    layer_axes,
    layer_pixel_size,
    layer_record,
    layer_shapes,
    shape_layers,
)
from napari_microenhance.errors import FileMissingError, OutputError, RoiError
from napari_microenhance.files import kind_of
from napari_microenhance.images.image_formats import write_image
from napari_microenhance.images.tiff_writing import OME_DTYPES
from napari_microenhance.rois.geojson import is_geojson
from napari_microenhance.rois.geojson import write_geojson as write_geojson_file
from napari_microenhance.rois.imagej import is_imagej_zip
from napari_microenhance.rois.imagej import write_imagej as write_imagej_file
from napari_microenhance.rois.labelme import (
    is_labelme,
    labelme_shape,
    napari_shapes,
    read_labelme,
)
from napari_microenhance.rois.labelme import write_labelme as write_labelme_file
from napari_microenhance.rois.roi_formats import read_shapes

__all__ = [
    "get_labelme_reader",
    "get_shapes_reader",
    "write_geojson",
    "write_imagej",
    "write_labelme",
    "write_ome_tiff",
    "write_ome_zarr",
]

Reader = Callable[[str], list[LayerData]]


def get_labelme_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader for a labelme file, or None for everything else.

    Parameters
    ----------
    path : str or sequence of str
        What was opened; several files are one layer each.

    Returns
    -------
    callable or None
        Takes the path and returns layer data tuples.
    """
    paths = _paths(path)
    return _read_labelme if paths and all(is_labelme(_json(p)) for p in paths) else None


def get_shapes_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader for GeoJSON and ImageJ ROI files, or None for everything else.

    Parameters
    ----------
    path : str or sequence of str
        What was opened; several files are one layer each.

    Returns
    -------
    callable or None
        Takes the path and returns layer data tuples.
    """
    paths = _paths(path)
    return _read_shapes if paths and all(map(_holds_shapes, paths)) else None


def write_labelme(path: str, data: Any, meta: dict[str, Any]) -> list[str]:  # noqa: ANN401
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


def write_geojson(path: str, data: Any, meta: dict[str, Any]) -> list[str]:  # noqa: ANN401
    """Write a Shapes or Points layer as GeoJSON, as QuPath reads it.

    Parameters are those of `write_labelme`.
    """
    write_geojson_file(path, layer_shapes(data, meta))
    return [path]


def write_imagej(path: str, data: Any, meta: dict[str, Any]) -> list[str]:  # noqa: ANN401
    """Write a Shapes or Points layer as an ImageJ ROI file.

    Parameters are those of `write_labelme`; a .roi holds one shape, a .zip any number.
    """
    write_imagej_file(path, layer_shapes(data, meta))
    return [path]


def write_ome_tiff(path: str, data: Any, meta: dict[str, Any]) -> list[str]:  # noqa: ANN401
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
        raise OutputError(f'{path}: an OME-TIFF is named ".ome.tif" or ".ome.tiff".')
    pixels = _ome_pixels(path, np.asarray(_full_resolution(data, meta)))
    record = layer_record(meta)
    axes = layer_axes(path, pixels.ndim, meta, record)
    write_image(path, pixels, axes, pixel_size=layer_pixel_size(axes, meta), record=record or None)
    return [path]


def write_ome_zarr(path: str, data: Any, meta: dict[str, Any]) -> list[str]:  # noqa: ANN401
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
    write_image(path, pixels, axes, pixel_size=size, record=record or None)
    return [path]


def _paths(path: str | Sequence[str]) -> list[str]:
    """Return what was opened as a list."""
    return [str(path)] if isinstance(path, str | Path) else [str(p) for p in path]


def _json(path: str) -> object:
    """Return what a JSON file holds, without complaining when it is none."""
    if not path.lower().endswith((".json", ".geojson")):
        return None
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None


def _holds_shapes(path: str) -> bool:
    """Tell whether a file is GeoJSON or of ImageJ, without complaining when it is not."""
    try:
        kind = kind_of(Path(path), error=RoiError)
    except (FileMissingError, RoiError):
        return False
    return kind == "imagej" or (
        is_imagej_zip(Path(path)) if kind == "zip" else is_geojson(_json(path))
    )


def _read_labelme(path: str | Sequence[str]) -> list[LayerData]:
    """Read labelme files as Shapes layers, and Points layers for their points."""
    layers = []
    for name in _paths(path):
        file = read_labelme(name)
        image = {"image_shape": file.image_shape, "image_path": file.image_path}
        layers += shape_layers(Path(name).stem, napari_shapes(file), {"labelme": image})
    return layers


def _read_shapes(path: str | Sequence[str]) -> list[LayerData]:
    """Read GeoJSON and ImageJ files as Shapes layers, and Points layers for their points."""
    return [
        layer for name in _paths(path) for layer in shape_layers(Path(name).stem, read_shapes(name))
    ]


def _full_resolution(data: Any, meta: dict[str, Any]) -> Any:  # noqa: ANN401 - any array-like
    """Return the pixels of a layer that may hold several resolutions."""
    multiscale = meta.get("multiscale")
    if multiscale or (multiscale is None and isinstance(data, list | tuple)):
        data = data[0]
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
