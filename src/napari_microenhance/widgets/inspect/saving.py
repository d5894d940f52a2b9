"""Results and figures into files, whole or not at all."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_microenhance.contributions.layer_data import layer_pixel_size
from napari_microenhance.files import replacing
from napari_microenhance.images.image_formats import check_output, write_image
from napari_microenhance.measure.changes import changed_pixels
from napari_microenhance.outputs import guard_output

if TYPE_CHECKING:
    from napari_microenhance.api import Comparison
    from napari_microenhance.widgets.inspect.inspected_result import InspectedResult

__all__ = ["RESULT_FILES", "save_result"]

RESULT_FILES: Final = "OME-TIFF (*.ome.tif);;OME-Zarr (*.ome.zarr)"


def save_figures(path: str | Path, found: "Comparison") -> None:
    """Write the figures of a comparison as comma-separated values.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    with replacing(Path(path)) as handle:
        handle.write(found.to_csv().encode())


def save_result(path: str | Path, inspected: "InspectedResult") -> None:
    """Write a result with its record and the mask of its changed pixels.

    Parameters
    ----------
    path : str or Path
        The suffix says the format: .ome.tif, .ome.tiff, .ome.zarr.
    inspected : InspectedResult

    Raises
    ------
    OutputError
        If it cannot be written, or would be, hold or lie in what it was made of, or replace a
        store that was not written here.
    """
    path = Path(path)
    image = None if inspected.path is None else Path(inspected.path)
    # A dialog has asked before a file is replaced.
    guard_output(path, overwrite=True, inputs={"the image": image}, name=path.name)
    axes, pixels = inspected.axes, inspected.pixels
    check_output(path, pixels.dtype, axes)
    changed = None
    if not inspected.record.holds_labels:
        pair = inspected.pair()
        # Beyond no noise at all: every pixel that differs.
        changed = changed_pixels(pair.before, pair.after, beyond=0.0)
    where = {"scale": inspected.placement.scale, "units": inspected.placement.units}
    write_image(
        path,
        np.asarray(pixels) if inspected.record.holds_labels else pixels,
        axes,
        pixel_size=layer_pixel_size(axes, where),
        record=inspected.record.to_dict(),
        display=inspected.look,
        changed=changed,
    )
