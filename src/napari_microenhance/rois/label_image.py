"""Label images: masks and classes of pixels as regions of interest."""

import math

import numpy as np

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import ImageError, RoiError
from napari_microenhance.files import check_room
from napari_microenhance.images.image_formats import read_image
from napari_microenhance.rois.region_of_interest import Roi
from napari_microenhance.rois.roi_document import RoiDocument
from napari_microenhance.rois.roi_file import RoiFile

__all__ = ["read_label_image"]


def read_label_image(document: RoiDocument) -> RoiFile:
    """Select the nonzero pixels of an image.

    Parameters
    ----------
    document : RoiDocument
        A PNG, TIFF or OME-Zarr.

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
    if image.axes == "YXC":  # a mask saved by a drawing program
        pixels = np.asarray(pixels[..., :3].any(axis=-1))
    while pixels.ndim > 2 and len(pixels) == 1:  # as OME-Zarr keeps a plane
        pixels = pixels[0]
    if pixels.ndim != 2:
        raise RoiError(f"{path} is a stack (axes {image.axes}); give one label plane.")
    if pixels.dtype.kind in "fc" and np.isnan(pixels).any():
        raise RoiError(f"{path} has NaN pixels; use 0 for outside and 1 for inside.")
    mask = np.asarray(pixels != 0)
    if not mask.any():
        raise RoiError(f"{path} selects nothing: all its pixels are 0.")
    notes = tuple(Caution("roi-image", str(note)) for note in image.notes)
    return RoiFile(rois=(Roi(mask),), notes=notes)
