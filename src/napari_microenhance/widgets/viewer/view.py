"""What the viewer shows: the current plane, the visible window, the common units."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import RoiError

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["View", "map_points", "unit_factors"]

FloatArray = npt.NDArray[np.float64]
Window = tuple[tuple[int, int], tuple[int, int]]


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """The viewer's dims, camera and units, detached from the viewer.

    Parameters
    ----------
    point : ndarray, shape (ndim,), float64
        Position of the sliders, world.
    displayed : tuple of int
        World axes on the canvas.
    units : tuple of pint.Unit or None
        Of the world axes. None: the layers' units contradict each other, and napari
        draws as if there were none.
    centre : ndarray, shape (2,), float64
        World coordinates at the middle of the canvas, along the displayed axes.
    size : ndarray, shape (2,), float64
        World lengths that fit on the canvas (or the grid's cell), displayed axes.
    """

    point: FloatArray
    displayed: tuple[int, ...]
    units: tuple[Any, ...] | None
    centre: FloatArray
    size: FloatArray

    def coordinates_in(self, layer: "Layer") -> FloatArray:
        """Return the sliders' position in a layer's data coordinates, shape (ndim,)."""
        point = self.point[-layer.ndim :]
        if len(point) < layer.ndim:
            point = np.concatenate([np.zeros(layer.ndim - len(point)), point])
        return np.asarray(layer.world_to_data(point * self._factors_to(layer)), float)

    def plane_of(self, layer: "Layer", shape: Sequence[int]) -> tuple[int, ...]:
        """Return the displayed index along each axis before y and x, inside `shape`."""
        position = np.rint(self.coordinates_in(layer)[:-2])
        return tuple(int(np.clip(p, 0, n - 1)) for p, n in zip(position, shape, strict=False))

    def window_of(self, layer: "Layer", shape: tuple[int, int]) -> Window | None:
        """Return the visible part of an image layer.

        Parameters
        ----------
        layer : napari.layers.Layer
        shape : tuple of int
            (Y, X), px.

        Returns
        -------
        tuple of (start, stop) for y and x, or None
            None where the canvas does not show y against x: all of it counts.

        Raises
        ------
        RoiError
            If the image is out of sight.
        """
        ndim = len(self.point)
        if self.displayed != (ndim - 2, ndim - 1):
            return None
        corners = []
        for dy, dx in ((-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)):
            world = self.point.copy()
            world[-2:] = self.centre + self.size * (dy, dx)
            world = world[-layer.ndim :] * self._factors_to(layer)
            corners.append(np.asarray(layer.world_to_data(world), float)[-2:])
        # A pixel reaches half its size to both sides of its centre.
        low = np.clip(np.floor(np.min(corners, axis=0) + 0.5), 0, shape).astype(int)
        high = np.clip(np.floor(np.max(corners, axis=0) + 0.5) + 1, 0, shape).astype(int)
        if (low >= high).any():
            raise RoiError(
                f"Nothing of image layer {layer.name!r} is visible; "
                "move the view over it, or press Run."
            )
        (y0, x0), (y1, x1) = low.tolist(), high.tolist()
        return (y0, y1), (x0, x1)

    def _factors_to(self, layer: "Layer") -> FloatArray:
        """Return what multiplies world lengths to give the layer's units."""
        return unit_factors(self.units, layer.units) if self.units else np.ones(layer.ndim)


def read_view(viewer: "ViewerModel") -> View:
    """Read the view; main thread only."""
    ndisplay = viewer.dims.ndisplay
    cell = np.array(viewer.canvas.viewbox_size(viewer.layers), float)
    camera = viewer.scene.camera
    return View(
        point=np.array(viewer.dims.point, float),
        displayed=tuple(viewer.dims.displayed) if ndisplay == 2 else (),
        units=viewer.layers.extent.units,
        centre=np.array(camera.center[-2:], float),
        size=cell / camera.zoom,
    )


def unit_factors(source: Sequence[Any], target: Sequence[Any]) -> FloatArray:
    """Return what multiplies lengths in `source` units to give `target` units.

    Parameters
    ----------
    source, target : sequence of pint.Unit
        Aligned at their ends; units of another kind count as equal.

    Returns
    -------
    ndarray, shape (len(target),), float64
    """
    factors = np.ones(len(target))
    pairs = zip(reversed(source), reversed(target), strict=False)
    for i, (a, b) in enumerate(pairs, start=1):
        if a != b and a.dimensionality == b.dimensionality:
            factors[-i] = (1.0 * a).to(b).magnitude
    return factors


def data_to_world(layer: "Layer") -> tuple[FloatArray, FloatArray]:
    """Return the matrix and offset that take a layer's data coordinates to the world.

    napari converts one point per call; an affine map is known from ndim + 1 of them.
    """
    offset = np.asarray(layer.data_to_world(np.zeros(layer.ndim)), float)
    columns = [np.asarray(layer.data_to_world(e), float) - offset for e in np.eye(layer.ndim)]
    return np.stack(columns, axis=1), offset


def map_points(points: npt.ArrayLike, source: "Layer", target: "Layer", view: View) -> FloatArray:
    """Take points from one layer's data coordinates to another's, through the world.

    Parameters
    ----------
    points : array_like, shape (N, source.ndim)
    source, target : napari.layers.Layer
        With any scale, translation, rotation, shear, affine and unit.
    view : View
        Its sliders stand in for axes that only the target has.

    Returns
    -------
    ndarray, shape (N, target.ndim), float64
    """
    matrix, offset = data_to_world(source)
    world = np.asarray(points, float).reshape(-1, source.ndim) @ matrix.T + offset
    if source.ndim > target.ndim:
        world = world[:, -target.ndim :]
    if view.units is not None:
        shared = min(source.ndim, target.ndim)
        world = world * unit_factors(source.units, target.units[-shared:])
    matrix, offset = data_to_world(target)
    missing = target.ndim - world.shape[1]
    if missing > 0:
        here = matrix @ view.coordinates_in(target) + offset
        world = np.hstack([np.broadcast_to(here[:missing], (len(world), missing)), world])
    return np.asarray(np.linalg.solve(matrix, (world - offset).T).T, float)
