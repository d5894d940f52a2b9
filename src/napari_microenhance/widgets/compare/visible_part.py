"""What the canvas shows of a layer's plane, as fine as the screen shows it."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import ImageError, RoiError
from napari_microenhance.widgets.viewer.layer_values import (
    LayerPlacement,
    level_zero,
    mixes,
    part_of,
    place,
    read_placement,
)
from napari_microenhance.widgets.viewer.view import data_to_world, read_view, unit_factors

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["VisiblePart"]

Box = tuple[tuple[int, int], tuple[int, int]]


@dataclasses.dataclass(frozen=True)
class VisiblePart:
    """Which pixels of a layer stand for what is seen of it.

    Parameters
    ----------
    plane : tuple of int
        Index along each axis before y and x.
    box : tuple of (start, stop) for y and x
        What is seen and a margin around it, px.
    step : int
        Pixels per screen pixel: so many make one here, along y and x.
    """

    plane: tuple[int, ...]
    box: Box
    step: int

    def cut(self, layer: "Layer") -> npt.NDArray[Any]:
        """Return the pixels, of each block the middle one, shape (Y, X) or (Y, X, C)."""
        window = tuple(slice(a + self.step // 2, b, self.step) for a, b in self.box)
        return np.asarray(level_zero(layer)[(*self.plane, *window)])

    def place(self, layer: "Layer") -> LayerPlacement:
        """Return where these pixels lie."""
        return place(flat_placement(layer), [a for a, _ in self.box], 1 / self.step)

    def covers(self, other: "VisiblePart") -> bool:
        """Return whether another part shows nothing more, and is as fine."""
        inside = all(a <= c and d <= b for (a, b), (c, d) in zip(self.box, other.box, strict=True))
        return inside and (self.plane, self.step) == (other.plane, other.step)

    def widened(self, shape: tuple[int, int]) -> "VisiblePart":
        """Return it with a margin, so that not every move of the camera asks for more."""
        low, high = [], []
        for (start, stop), length in zip(self.box, shape, strict=True):
            margin = (stop - start) // 2
            # Blocks begin at multiples of their size: a picture that moves does not flicker.
            low.append(max(0, start - margin) // self.step * self.step)
            high.append(min(length, stop + margin))
        return dataclasses.replace(self, box=((low[0], high[0]), (low[1], high[1])))


def plane_shape(layer: "Layer") -> tuple[int, int]:
    """Return (Y, X) of a layer, px."""
    y, x = level_zero(layer).shape[layer.ndim - 2 : layer.ndim]
    return int(y), int(x)


def flat_placement(layer: "Layer") -> LayerPlacement:
    """Return where the planes of a layer lie, without the axes before y and x."""
    return part_of(read_placement(layer), (layer.ndim - 2, layer.ndim - 1))


def check_flat(viewer: "ViewerModel", *layers: "Layer") -> None:
    """Raise unless the canvas shows planes of y and x.

    Raises
    ------
    ImageError
        In the 3-D view, with other axes on the canvas, or if a layer's planes are tilted.
    """
    if viewer.dims.ndisplay != 2:
        raise ImageError("This comparison works in 2-D; leave the 3-D view first.")
    ndim = viewer.dims.ndim
    if tuple(viewer.dims.displayed) != (ndim - 2, ndim - 1):
        raise ImageError("This comparison needs y and x as the displayed axes.")
    for layer in layers:
        if mixes(read_placement(layer), (layer.ndim - 2, layer.ndim - 1)):
            raise ImageError(f"The planes of {layer.name!r} are tilted and cannot be overlaid.")


def read_visible_part(viewer: "ViewerModel", layer: "Layer") -> VisiblePart | None:
    """Return what is seen of a layer now; None where that is nothing."""
    view, shape = read_view(viewer), level_zero(layer).shape
    plane = tuple(int(i) for i in np.rint(view.coordinates_in(layer)[:-2]))
    if any(not 0 <= i < n for i, n in zip(plane, shape, strict=False)):
        return None
    try:
        box = view.window_of(layer, plane_shape(layer))
    except RoiError:
        return None
    if box is None:
        return None
    matrix, _ = data_to_world(layer)
    units = unit_factors(layer.units, view.units)[-2:] if view.units else np.ones(2)
    px_world = np.linalg.norm(matrix[-2:, -2:] * units[:, None], axis=0).max()
    step = int(1 / (viewer.scene.camera.zoom * px_world))
    step = max(1, min(step, *(stop - start for start, stop in box)))
    return VisiblePart(plane, box, step)
