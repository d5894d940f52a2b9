"""Swipe: the original left of a divider that the mouse drags, the result right of it."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.experimental import link_layers, unlink_layers
from napari.layers import Image, Labels, Layer

from napari_microenhance.widgets.compare.canvas_watch import CanvasWatch
from napari_microenhance.widgets.compare.divider import Divider
from napari_microenhance.widgets.compare.layer_pair import LINKED, LayerPair, link
from napari_microenhance.widgets.compare.overlap import read_overlap
from napari_microenhance.widgets.compare.visible_part import VisiblePart, check_flat, flat_placement
from napari_microenhance.widgets.viewer.live import LIVE_KEY

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.utils.events import Event

    from napari_microenhance.widgets.compare.viewer_changes import ViewerChanges

__all__ = ["Swipe"]

_GRAB_PX = 8
"""So far from the divider the mouse takes hold of it, screen px."""


class Swipe:
    """Lays the part of the result beyond a divider over the original.

    The overlay holds what is seen of the result, as fine as the screen shows it, and is
    blank on the original's side. A step of the divider changes the columns that it passes.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    pair : LayerPair
    changes : ViewerChanges
    give_up : callable
        Gets the error where the canvas shows no planes any more.

    Raises
    ------
    ImageError
        If the canvas shows no planes, or the result does not lie on the image's pixels.
    """

    def __init__(
        self,
        viewer: "ViewerModel",
        pair: LayerPair,
        changes: "ViewerChanges",
        give_up: Callable[[Exception], None],
    ) -> None:
        check_flat(viewer, pair.original, pair.result)
        self._overlap = read_overlap(pair.original, pair.result)
        self._viewer, self._pair = viewer, pair
        self._part: VisiblePart | None = None
        self._cut = 0
        self._cursor: str | None = None
        changes.set(viewer.canvas.grid, "enabled", False)
        changes.hide_pictures_over(pair.original, pair.roi)
        changes.set(pair.result, "visible", False)
        link(changes, pair)
        self._pixels, self._shown = _blank(pair.result), _blank(pair.result)
        self._layer = _make_layer(pair.result, self._shown)
        self.divider = Divider(viewer, pair.original)
        changes.add(self._layer, (pair.original, pair.result))
        changes.add(self.divider.layer, (self._layer,))
        if not isinstance(pair.result, Labels):
            both = (pair.result, self._layer)
            link_layers(both, LINKED)
            changes.callback(unlink_layers, both, LINKED)
        changes.select(pair.result)
        changes.caption("original  |  result")
        self._following = CanvasWatch(viewer, pair.result, changes, self._show, give_up)
        self._following.look()
        self._listen(changes)

    @property
    def position(self) -> float:
        """Where the divider is: image px along the axis that it is moved along."""
        return self.divider.position

    @position.setter
    def position(self, position: float) -> None:
        self.divider.position = position
        self._draw(anew=False)

    def _listen(self, changes: "ViewerChanges") -> None:
        """Listen to the mouse until the changes are undone."""
        viewer, camera = self._viewer, self._viewer.scene.camera.events
        for callbacks, callback in (
            (viewer.mouse_drag_callbacks, self._on_drag),
            (viewer.mouse_move_callbacks, self._on_move),
        ):
            callbacks.append(callback)
            changes.callback(callbacks.remove, callback)
        for event in (camera.zoom, camera.center):
            event.connect(self._on_camera)
            changes.callback(event.disconnect, self._on_camera)
        changes.callback(self._let_go)

    def _on_camera(self, _: object) -> None:
        self.divider.keep_in_sight()
        self._draw(anew=False)

    def _on_move(self, _: object, event: "Event") -> None:
        """Show a hand where the divider can be taken."""
        if self._can_grab(event):
            if self._cursor is None:
                self._cursor = str(self._viewer.cursor.style)
            self._viewer.cursor.style = "pointing"
        else:
            self._let_go()

    def _let_go(self) -> None:
        """Give the cursor its own look back."""
        if self._cursor is not None:
            self._viewer.cursor.style, self._cursor = self._cursor, None

    def _on_drag(self, _: object, event: "Event") -> Iterator[None]:
        """Move the divider with the mouse, the camera standing still."""
        if event.button != 1 or event.modifiers or not self._can_grab(event):
            return
        camera = self._viewer.scene.camera
        pans, camera.mouse_pan = camera.mouse_pan, False
        try:
            event.handled = True
            yield
            while event.type == "mouse_move":
                self.position = self.divider.coordinate(event.position)
                event.handled = True
                yield
        finally:
            camera.mouse_pan = pans

    def _can_grab(self, event: "Event") -> bool:
        """Return whether the mouse is at the divider, and not drawing."""
        active = self._viewer.layers.selection.active
        if active is not None and str(getattr(active, "mode", "pan_zoom")) != "pan_zoom":
            return False
        return self.divider.distance(event.position) <= _GRAB_PX

    def _show(self, part: VisiblePart | None) -> None:
        """Take over what is seen."""
        self._part = part
        self._layer.visible = part is not None
        if part is None:
            return
        self._pixels = _see_through(part.cut(self._pair.result), self._pair.result)
        self._shown = np.empty_like(self._pixels)
        self._draw(anew=True)
        placement = part.place(self._pair.result)
        self._layer.data = self._shown
        self._layer.scale, self._layer.translate = placement.scale, placement.translate

    def _draw(self, *, anew: bool) -> None:
        """Fill the overlay beyond the divider; else only where the divider has passed."""
        if self._part is None:
            return
        axis, length = self.divider.axis, self._shown.shape[self.divider.axis]
        cut = min(max(self._first_shown(), 0), length)
        start, stop = (0, length) if anew else sorted((self._cut, cut))
        if start == stop:
            return
        self._cut = cut
        ahead = self.divider.is_forward
        for a, b, beyond in ((start, min(cut, stop), not ahead), (max(cut, start), stop, ahead)):
            part = (slice(None),) * axis + (slice(a, max(a, b)),)
            self._shown[part] = self._pixels[part] if beyond else _nothing(self._shown)
        if not anew:
            self._layer.refresh(thumbnail=False, highlight=False, extent=False)

    def _first_shown(self) -> int:
        """Return the first block of the overlay whose middle lies beyond the divider."""
        assert self._part is not None
        axis, ratio = self.divider.axis, float(self._overlap.ratio)
        # Edges of pixels are at halves; the edge of the first one is 0 here.
        edge = (self.divider.position + 0.5 - self._overlap.box[axis][0]) * ratio
        start = self._part.box[axis][0]
        return int(np.ceil((edge - start) / self._part.step - 0.5))


def _make_layer(result: Layer, pixels: npt.NDArray[Any]) -> Layer:
    """Return the overlay, which looks like the result."""
    placement = flat_placement(result)
    meta: dict[str, Any] = {
        **placement.to_kwargs(),
        "name": f"{result.name} (swipe)",
        "metadata": {LIVE_KEY: True},
    }
    if isinstance(result, Labels):
        return Labels(pixels, colormap=result.colormap, opacity=result.opacity, **meta)
    if not isinstance(result, Image):
        raise TypeError(type(result).__name__)
    look = {name: getattr(result, name) for name in (*LINKED, "interpolation2d")}
    return Image(
        pixels,
        rgb=result.rgb,
        multiscale=False,
        blending="translucent_no_depth",
        **look,
        **meta,
    )


def _blank(result: Layer) -> npt.NDArray[Any]:
    """Return one pixel that shows nothing."""
    if isinstance(result, Image) and result.rgb:
        return np.zeros((1, 1, 4), result.dtype)
    if isinstance(result, Labels):
        return np.zeros((1, 1), result.dtype)
    return np.full((1, 1), np.nan, np.float32)


def _see_through(pixels: npt.NDArray[Any], result: Layer) -> npt.NDArray[Any]:
    """Return pixels of a type that can show nothing: NaN, or colours that are transparent."""
    if not (isinstance(result, Image) and result.rgb):
        return pixels.copy() if isinstance(result, Labels) else pixels.astype(np.float32)
    full = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1
    opaque = np.full((*pixels.shape[:2], 4), full, pixels.dtype)
    opaque[..., : pixels.shape[2]] = pixels
    return opaque


def _nothing(pixels: npt.NDArray[Any]) -> float:
    """Return the value of a pixel that shows nothing."""
    return np.nan if pixels.ndim == 2 and pixels.dtype.kind == "f" else 0
