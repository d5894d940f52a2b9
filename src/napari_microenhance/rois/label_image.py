"""Label images: masks and classes of pixels as regions of interest."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import ImageError, RoiError
from napari_microenhance.files import check_room, reason
from napari_microenhance.images.image_formats import read_image
from napari_microenhance.rois.imagej.imagej_files import read_overlay
from napari_microenhance.rois.pixel_classes import NAME, chosen_classes
from napari_microenhance.rois.region_of_interest import Roi
from napari_microenhance.rois.roi_document import RoiDocument
from napari_microenhance.rois.roi_file import RoiFile

__all__ = ["read_label_image"]


def read_label_image(document: RoiDocument, labels: Sequence[int] | None = None) -> RoiFile:
    """Select pixels by their values; of a TIFF with ImageJ's overlay, that.

    Parameters
    ----------
    document : RoiDocument
        A PNG, TIFF or OME-Zarr.
    labels : sequence of int or None
        The values that count; None: all but the background.

    Returns
    -------
    RoiFile
        One mask, of the file's planes where it has several; or the ROIs of the overlay.

    Raises
    ------
    RoiError
        If it cannot be read or selects nothing.
    """
    path = document.path
    try:
        image = read_image(path, palette_indices=True)
        check_room(path, math.prod(image.pixels.shape) * image.pixels.dtype.itemsize)
        pixels = np.asarray(image.pixels)
    except ImageError as error:
        raise RoiError(str(error)) from error
    if document.kind == "tiff" and labels is None:
        overlay = _overlay(path, pixels)
        if overlay is not None:
            return overlay
    if image.axes.endswith("YXC"):  # a mask saved by a drawing program
        pixels = _painted(pixels)
    while pixels.ndim > 2 and len(pixels) == 1:  # as OME-Zarr keeps a plane
        pixels = pixels[0]
    if pixels.dtype.kind in "fc" and np.isnan(pixels).any():
        raise RoiError(f"{path} has NaN pixels; use 0 for outside and 1 for inside.")
    chosen, cautions = chosen_classes(pixels, labels, path.name)
    notes = (*(Caution("roi-image", str(note)) for note in image.notes), *cautions)
    return RoiFile(rois=(Roi(np.asarray(chosen != 0)),), notes=notes)


def _painted(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return what a colour raster marks: what is opaque, or where nothing is transparent, lit."""
    if pixels.shape[-1] == 4:
        alpha = pixels[..., 3]
        opaque = alpha.max(initial=0)
        if alpha.min(initial=opaque) < opaque:
            return np.asarray(alpha > opaque / 2)
    return np.asarray(pixels[..., :3].any(axis=-1))


def _overlay(path: Path, pixels: npt.NDArray[Any]) -> RoiFile | None:
    """Return the ROIs that ImageJ keeps in a TIFF, where its pixels are no mask."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            kept = (tiff.imagej_metadata or {}) if tiff.is_imagej else {}
    except (tifffile.TiffFileError, ValueError, OSError) as error:
        raise RoiError(f"{path} cannot be read: {reason(error)}.") from error
    entries = kept.get("Overlays") or ([kept["ROI"]] if kept.get("ROI") else [])
    entries = [entries] if isinstance(entries, bytes) else list(entries)
    if not entries:
        return None
    if len(np.unique(pixels[:1] if pixels.ndim > 2 else pixels)) <= 2 and 0 in pixels:
        return None
    file = read_overlay(path, entries)
    count = f"{len(file.rois)} ROI{'s' * (len(file.rois) != 1)}"
    said = f"{path.name} is an image with an ImageJ overlay, which was used as the ROI ({count})."
    return file.noted(Caution(NAME, said))
