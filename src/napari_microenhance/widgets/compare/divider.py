"""Divider: a line over an image, across the direction that is most level on the canvas."""

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from napari.layers import Image

from napari_microenhance.errors import RoiError
from napari_microenhance.widgets.compare.visible_part import flat_placement, plane_shape
from napari_microenhance.widgets.viewer.layer_values import place
from napari_microenhance.widgets.viewer.live import LIVE_KEY
from napari_microenhance.widgets.viewer.view import data_to_world, read_view, unit_factors

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["Divider"]

_REACH = 0.47
"""How far from its middle the canvas keeps the line, in parts of its width."""
_DARK, _LIGHT = (0, 0, 0, 140), (255, 255, 255, 255)
_LINE = (_DARK, _DARK, _LIGHT, _LIGHT, _DARK, _DARK)
"""Screen pixels: white with a dark seam is seen on any image."""


class Divider:
    """A line on a strip over the image, as wide on the screen whatever the zoom.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    image : napari.layers.Layer
        What it lies over.

    Attributes
    ----------
    layer : napari.layers.Image
    axis : int
        0 or 1: which of y and x of the image it is moved along. x, unless the image is
        turned so far that y is more level on the canvas.
    is_forward : bool
        Whether what is right of it on the canvas has higher coordinates.
    """

    def __init__(self, viewer: "ViewerModel", image: "Layer") -> None:
        self._viewer, self._image = viewer, image
        self._shape = plane_shape(image)
        self._placement = flat_placement(image)
        matrix, _ = data_to_world(image)
        units = viewer.layers.extent.units
        to_view = unit_factors(image.units, units)[-2:] if units else np.ones(2)
        self._steps = matrix[-2:, -2:] * to_view[:, None]
        lengths = np.linalg.norm(self._steps, axis=0)
        level = np.abs(self._steps[1]) / lengths
        self.axis = 0 if level[0] > level[1] + 1e-6 else 1
        mirrored = str(viewer.scene.camera.orientation2d[1]) == "left"
        self.is_forward = bool((self._steps[1, self.axis] > 0) != mirrored)
        self._px_world = float(lengths[self.axis])
        self._start = self._stop = 0
        self._px = 1.0
        self._strip = np.zeros((1, 4), np.uint8)
        self._position = self._middle()
        self.layer = Image(
            self._strip[None],
            rgb=True,
            name="divider",
            metadata={LIVE_KEY: True},
            blending="translucent_no_depth",
            **self._placement.to_kwargs(),
        )
        self._fit()

    @property
    def position(self) -> float:
        """Image px along the axis."""
        return self._position

    @position.setter
    def position(self, position: float) -> None:
        self._position = float(np.clip(position, -0.5, self._shape[self.axis] - 0.5))
        self._paint()

    def _fit(self) -> None:
        """Lay the strip over what is seen of the image, one pixel per screen pixel."""
        try:
            box = read_view(self._viewer).window_of(self._image, self._shape)
        except RoiError:
            return  # out of sight
        if box is None:
            return
        low, high = box[self.axis]
        px = 1 / (self._viewer.scene.camera.zoom * self._px_world)
        if px == self._px and self._start <= low and high <= self._stop:
            self._paint()
            return
        margin = (high - low) // 2
        low, high = max(0, low - margin), min(self._shape[self.axis], high + margin)
        self._px, self._start, self._stop = px, low, high
        self._strip = np.zeros((max(1, math.ceil((high - low) / px)), 4), np.uint8)
        start, factor = [0.0, 0.0], [1 / n for n in self._shape]
        start[self.axis], factor[self.axis] = float(low), 1 / px
        placement = place(self._placement, start, factor)
        self.layer.data = np.expand_dims(self._strip, 1 - self.axis)
        self.layer.scale, self.layer.translate = placement.scale, placement.translate
        self._paint()

    def _paint(self) -> None:
        """Paint the line on the strip: nothing moves, which is what costs napari time."""
        self._strip[...] = 0
        first = round((self._position + 0.5 - self._start) / self._px - len(_LINE) / 2)
        line = np.array(_LINE, np.uint8)[max(0, -first) :]
        first = max(0, first)
        stop = min(len(self._strip), first + len(line))
        self._strip[first:stop] = line[: max(0, stop - first)]
        self.layer.refresh(thumbnail=False, highlight=False, extent=False)

    def coordinate(self, world: npt.ArrayLike) -> float:
        """Return the image px along the axis at a point of the viewer's world."""
        point = np.array(world, float)[-self._image.ndim :]
        units = self._viewer.layers.extent.units
        if units:
            point = point * unit_factors(units, self._image.units)
        return float(self._image.world_to_data(point)[self._image.ndim - 2 + self.axis])

    def distance(self, world: npt.ArrayLike) -> float:
        """Return how far a point of the viewer's world is from the line, screen px."""
        away = abs(self.coordinate(world) - self._position)
        return away * self._px_world * float(self._viewer.scene.camera.zoom)

    def keep_in_sight(self) -> None:
        """Follow the camera; the line comes along where the canvas would lose it."""
        low, high = sorted((self._at(-_REACH), self._at(_REACH)))
        inside = float(np.clip(self._position, low, high))
        self._position = float(np.clip(inside, -0.5, self._shape[self.axis] - 0.5))
        self._fit()

    def _at(self, part: float) -> float:
        """Return the image px along the axis that far right of the canvas's middle."""
        view = read_view(self._viewer)
        world = view.point.copy()
        world[-2:] = view.centre
        world[-1] += part * view.size[1]
        return self.coordinate(world)

    def _middle(self) -> float:
        """Return where the middle of the canvas is, within the image."""
        middle, length = self._at(0.0), self._shape[self.axis]
        return middle if -0.5 < middle < length - 0.5 else (length - 1) / 2
