"""Results that were saved, as layers: with their record, and where they lay on the image."""

import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.contributions.image_layers import (
    contrast,
    in_memory,
    napari_unit,
    resolutions,
)
from napari_microenhance.contributions.layer_data import LayerData
from napari_microenhance.contributions.layer_look import look_from
from napari_microenhance.errors import ImageError, MicroEnhanceError
from napari_microenhance.images.image_formats import (
    read_changed,
    read_display,
    read_image,
    read_record,
)
from napari_microenhance.images.imagefile import CHANGED, RECORD_KEY, ImageFile
from napari_microenhance.images.lazy import LazyPixels
from napari_microenhance.records import Record, RecordError

__all__ = ["get_result_reader", "read_result"]

_MASK_KEY = "napari-microenhance-changed"
"""Key in the metadata of a mask of changed pixels."""

Reader = Callable[[str | Sequence[str]], list[LayerData]]


def get_result_reader(path: str | Sequence[str]) -> Reader | None:
    """Return a reader for files with the record of a run, or None for everything else.

    Parameters
    ----------
    path : str or sequence of str
        What was opened: OME-TIFF files or OME-Zarr folders; other files that can carry a record
        are read as well, where somebody names this reader for them.

    Returns
    -------
    callable or None
        Takes the path and returns layer data tuples.
    """
    paths = [str(path)] if isinstance(path, str | Path) else [str(p) for p in path]
    return _read_results if paths and all(map(_carries_record, paths)) else None


def read_result(path: str | Path) -> list[LayerData]:
    """Read a result with its record as an image, and its changed pixels as labels.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    list of tuple
        The Image layer, of integers from a network that segments a Labels layer; then, where
        the file keeps it, a Labels layer, hidden, that is 1 where pixels were changed.

    Raises
    ------
    MicroEnhanceError
        If the file cannot be read.
    """
    path = Path(path)
    kept, file = read_record(path) or {}, read_image(path)
    try:
        record = Record.of(kept) if kept else None
    except RecordError as error:
        raise ImageError(f"{path} has a damaged record; open it with another reader.") from error
    where = _placement(file, record)
    holds_labels = record is not None and record.holds_labels
    name = path.name.split(".")[0]
    meta: dict[str, Any] = {"name": name, "metadata": {RECORD_KEY: kept}, **where}
    pixels = in_memory(file.pixels)
    kind = "labels" if holds_labels and np.dtype(pixels.dtype).kind in "iu" else "image"
    if kind == "image":
        meta["rgb"] = file.axes.endswith("YXC")
    if isinstance(pixels, LazyPixels) and len(levels := resolutions(file)) > 1:
        pixels = levels
        meta["multiscale"] = True
        if kind == "image":  # which napari would look for in all of it
            meta["contrast_limits"] = contrast(pixels)
    if kind == "image":
        meta |= look_from(read_display(path))
    layers: list[LayerData] = [(pixels, meta, kind)]
    mask = read_changed(path)
    if mask is not None:
        layers.append((mask.astype(np.uint8), _mask_meta(name, file, where, mask), "labels"))
    return layers


def _carries_record(path: str) -> bool:
    """Tell whether a file has the record of a run, without complaining when it has none."""
    try:
        return bool(read_record(path))
    except (MicroEnhanceError, struct.error):
        return False


def _read_results(path: str | Sequence[str]) -> list[LayerData]:
    """Read files with records, one after the other."""
    paths = [str(path)] if isinstance(path, str | Path) else [str(p) for p in path]
    layers = [layer for name in paths for layer in read_result(name)]
    if _MASK_KEY in (layers[-1][1].get("metadata") or {}):
        _select_result_soon()
    return layers


def _select_result_soon() -> None:
    """Select the result once napari has added the layers, the last of which it selects."""
    # Where a viewer opens the file, both are loaded; it can be read without them.
    napari, qt = sys.modules.get("napari"), sys.modules.get("qtpy.QtCore")
    viewer = None if napari is None or qt is None else napari.current_viewer()
    if qt is None or viewer is None:
        return

    def select() -> None:
        """Select the result below the mask, if that is still selected."""
        layers, mask = viewer.layers, viewer.layers.selection.active
        if mask is None or _MASK_KEY not in mask.metadata:
            return
        below = layers[max(0, layers.index(mask) - 1)]
        if RECORD_KEY in below.metadata:
            layers.selection.active = below

    qt.QTimer.singleShot(0, select)


def _placement(file: ImageFile, record: Record | None) -> dict[str, Any]:
    """Return scale, place, units and names of the axes, so that the result lies on its image."""
    letters = file.axes.removesuffix("C") if file.axes.endswith("YXC") else file.axes
    steps = [file.pixel_size.get(letter, (1.0, "")) for letter in letters]
    patch = record.patch_under(file.pixels.shape) if record else None
    grown = record.scale if record else 1.0
    starts = {} if patch is None else dict(zip(patch.axes, patch.start, strict=True))
    scale, translate = [], []
    for letter, (step, _) in zip(letters, steps, strict=True):
        factor = grown if letter in "YX" else 1.0
        # Without a known size, pixels of the image are the unit, as in napari.
        own = step if letter in file.pixel_size else 1.0 / factor
        scale.append(own)
        translate.append(own * factor * (starts.get(letter, 0) + (1 / factor - 1) / 2))
    return {
        "scale": tuple(scale),
        "translate": tuple(translate),
        "units": tuple(napari_unit(unit) for _, unit in steps),
        "axis_labels": tuple(letter.lower() for letter in letters),
    }


def _mask_meta(
    name: str, file: ImageFile, where: Mapping[str, Any], mask: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """Return the attributes of the layer of changed pixels, which has no channels."""
    letters = file.axes.removesuffix("C") if file.axes.endswith("YXC") else file.axes
    kept = [i for i, letter in enumerate(letters) if letter != "C"][-mask.ndim :]
    return {
        "name": f"{name} · {CHANGED.lower()}",
        **{key: tuple(values[i] for i in kept) for key, values in where.items()},
        "opacity": 0.5,
        "visible": False,
        "metadata": {_MASK_KEY: True},
    }
