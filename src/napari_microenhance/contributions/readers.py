"""The readers that napari's manifest names; what is claimed there is read here.

napari offers every reader whose pattern fits, and every reader that takes folders for every
folder. So what is no image or no drawing of ours goes to napari's own reader where it has one,
and gets a sentence where it has none; nobody is refused without a word.
"""

import dataclasses
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from napari_microenhance.contributions.image_layers import image_layers, label_layer
from napari_microenhance.contributions.layer_data import LayerData, shape_layers
from napari_microenhance.contributions.result_reader import get_result_reader
from napari_microenhance.errors import AxesError, FileMissingError, ImageError, RoiError
from napari_microenhance.files import is_zarr, kind_of
from napari_microenhance.images.image_formats import read_image, read_labels
from napari_microenhance.images.imagefile import ImageFile
from napari_microenhance.images.lazy import StackedPixels
from napari_microenhance.images.omezarr.zarr_reading import read_unfinished
from napari_microenhance.outputs import unfinished_words
from napari_microenhance.rois.geojson import is_geojson
from napari_microenhance.rois.imagej.imagej_files import is_imagej_zip
from napari_microenhance.rois.labelme import is_labelme, napari_shapes, read_labelme
from napari_microenhance.rois.roi_formats import read_shapes

__all__ = [
    "get_drawing_reader",
    "get_image_reader",
    "get_labelme_reader",
    "get_shapes_reader",
]

Reader = Callable[[str | Sequence[str]], list[LayerData]]


def get_image_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader for OME-TIFF files, OME-Zarr folders and every other folder.

    Parameters
    ----------
    path : str or sequence of str
        What was opened.

    Returns
    -------
    callable or None
        Takes the path and returns layer data tuples; None where nothing was opened.
    """
    return _read_images if _paths(path) else None


def get_drawing_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader for labelme, GeoJSON and ImageJ ROI files.

    Parameters
    ----------
    path : str or sequence of str
        What was opened; several files are one layer each.

    Returns
    -------
    callable or None
        Takes the path and returns layer data tuples. Of a file that is none of these it says
        so. None where nothing was opened.
    """
    return _read_drawings if _paths(path) else None


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


def _paths(path: str | Sequence[str]) -> list[str]:
    """Return what was opened as a list."""
    return [str(path)] if isinstance(path, str | Path) else [str(p) for p in path]


def _read_images(path: str | Sequence[str]) -> list[LayerData]:
    """Read an image, or several as a stack where they are alike, else each as its own layers."""
    names = _paths(path)
    if len(names) > 1 and (stack := _stacked(names)):
        return image_layers(Path(names[0]), stack)
    return [layer for name in names for layer in _read_image(name)]


def _stacked(names: Sequence[str]) -> ImageFile | None:
    """Return images of one kind along a new axis of time, or None."""
    if any(Path(name).is_dir() and not is_zarr(Path(name)) for name in names):
        return None
    try:
        files = [read_image(name) for name in names]
    except AxesError:
        return None
    first = files[0]
    kinds = {(file.axes, file.pixels.shape, np.dtype(file.pixels.dtype)) for file in files}
    if len(kinds) > 1 or "T" in first.axes:
        return None
    pyramids = [(file.pixels, *file.levels) for file in files]
    shapes = {tuple(level.shape for level in pyramid) for pyramid in pyramids}
    levels = list(zip(*pyramids, strict=True)) if len(shapes) == 1 else [[p[0] for p in pyramids]]
    stacked = [StackedPixels(level, Path(names[0])) for level in levels]
    return dataclasses.replace(
        first, pixels=stacked[0], levels=tuple(stacked[1:]), axes="T" + first.axes
    )


def _read_image(name: str) -> list[LayerData]:
    """Read an image with the record of its run, or as it is; the rest is left to napari."""
    path = Path(name)
    if path.is_dir() and not is_zarr(path):
        return _as_napari_does(name)
    if result := get_result_reader(name):
        return result(name)
    try:
        file = read_unfinished(path) if unfinished_words(path) else read_image(path)
    except AxesError:  # unnamed axes are no hindrance to looking at them
        return _as_napari_does(name)
    for note in file.notes:
        warnings.warn(str(note), stacklevel=2)  # which napari shows
    layers = image_layers(path, file)
    try:
        layers += [label_layer(label, image) for label, image in read_labels(path).items()]
    except ImageError as error:  # the image itself is whole
        warnings.warn(str(error), stacklevel=2)
    return layers


def _as_napari_does(name: str) -> list[LayerData]:
    """Read what napari reads without this package: folders of pictures, arrays without axes."""
    import npe2

    return npe2.read([name], stack=False, plugin_name="napari")  # type: ignore[return-value]


def _read_drawings(path: str | Sequence[str]) -> list[LayerData]:
    """Read drawings of any kind, each as layers of its own."""
    layers: list[LayerData] = []
    for name in _paths(path):
        layers += (_read_labelme if is_labelme(_json(name)) else _read_shapes)(name)
    return layers


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


def _holds_shapes(path: str) -> bool:
    """Tell whether a file is GeoJSON or of ImageJ, without complaining when it is not."""
    try:
        kind = kind_of(Path(path), error=RoiError)
    except (FileMissingError, RoiError):
        return False
    return kind == "imagej" or (
        is_imagej_zip(Path(path)) if kind == "zip" else is_geojson(_json(path))
    )


def _json(path: str) -> object:
    """Return what a JSON file holds, without complaining when it is none."""
    if not path.lower().endswith((".json", ".geojson")):
        return None
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
