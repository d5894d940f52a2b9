"""Results and figures into files, whole or not at all."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.contributions.layer_data import layer_pixel_size
from napari_microenhance.errors import Cancelled
from napari_microenhance.files import replacing
from napari_microenhance.images.image_formats import check_output, write_image
from napari_microenhance.measure.changes import changed_pixels
from napari_microenhance.outputs import guard_output
from napari_microenhance.types import AnyArray, LazyArray
from napari_microenhance.widgets.background.hooks import JobHooks, JobProgress

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


def save_result(
    path: str | Path, inspected: "InspectedResult", hooks: "JobHooks | None" = None
) -> None:
    """Write a result with its record and the mask of its changed pixels.

    Parameters
    ----------
    path : str or Path
        The suffix says the format: .ome.tif, .ome.tiff, .ome.zarr.
    inspected : InspectedResult
    hooks : JobHooks, optional

    Raises
    ------
    Cancelled
        If `hooks` asked for it; nothing is left.
    OutputError
        If it cannot be written, or would be, hold or lie in what it was made of, or replace a
        store that was not written here.
    """
    path, hooks = Path(path), hooks or JobHooks(lambda: False)
    image = None if inspected.path is None else Path(inspected.path)
    # A dialog has asked before a file is replaced.
    guard_output(path, overwrite=True, inputs={"the image": image}, name=path.name)
    axes, pixels = inspected.axes, inspected.pixels
    check_output(path, pixels.dtype, axes)
    changed = None
    if not inspected.record.holds_labels:
        pair = inspected.pair()
        # Beyond no noise at all: every pixel that differs.
        hooks.enter("Finding changed pixels", "parts")
        changed = changed_pixels(
            pair.before,
            pair.after,
            beyond=0.0,
            on_progress=hooks.show,
            should_stop=hooks.should_stop,
        )
    where = {"scale": inspected.placement.scale, "units": inspected.placement.units}
    hooks.enter(f"Writing {path.name}", "rows")
    write_image(
        path,
        np.asarray(pixels) if inspected.record.holds_labels else _Counted(pixels, axes, hooks),
        axes,
        pixel_size=layer_pixel_size(axes, where),
        record=inspected.record.to_dict(),
        display=inspected.look,
        changed=changed,
    )


class _Counted:
    """Pixels that tell how many rows of them were read, and stop where that is wanted."""

    def __init__(self, pixels: LazyArray, axes: str, hooks: JobHooks) -> None:
        self._pixels, self._hooks = pixels, hooks
        self._axis = axes.index("Y")
        self.shape, self.dtype = pixels.shape, pixels.dtype
        self._row = math.prod(pixels.shape) // max(1, pixels.shape[self._axis])
        self._read = 0

    def __getitem__(self, key: tuple[int | slice, ...]) -> AnyArray:
        if self._hooks.should_stop():
            raise Cancelled("Saving was cancelled.")
        part = np.asarray(self._pixels[key])
        # Lower resolutions may be made of the same pixels once more.
        total = int(self.shape[self._axis])
        self._read += part.size
        done = min(total, self._read // max(1, self._row))
        self._hooks.show(JobProgress(done=done, total=total))
        return part

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> AnyArray:
        return np.array(self._pixels, dtype=dtype, copy=copy)
