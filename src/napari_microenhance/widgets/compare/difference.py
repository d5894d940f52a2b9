"""Difference: result less original, in colours that leave what did not change as it is."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image
from napari.utils.colormaps import Colormap

from napari_microenhance.errors import ImageError
from napari_microenhance.measure.figures import ENDS
from napari_microenhance.widgets.background.background_job import BackgroundJob
from napari_microenhance.widgets.compare.canvas_watch import CanvasWatch
from napari_microenhance.widgets.compare.layer_pair import LayerPair
from napari_microenhance.widgets.compare.overlap import read_overlap
from napari_microenhance.widgets.compare.subtraction import Change, Plane, align, change_between
from napari_microenhance.widgets.compare.visible_part import (
    VisiblePart,
    check_flat,
    flat_placement,
    plane_shape,
)
from napari_microenhance.widgets.viewer.layer_values import level_zero
from napari_microenhance.widgets.viewer.live import LIVE_KEY
from napari_microenhance.widgets.viewer.view import read_view

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_microenhance.widgets.background.hooks import JobHooks
    from napari_microenhance.widgets.compare.viewer_changes import ViewerChanges

__all__ = ["Difference"]

_CAPTION = "result - original"
_DIMMED = 0.4
"""Of the image below, whose own colours would be mistaken for changes."""


class Difference:
    """Lays the signed difference over the original, one plane and view at a time.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    pair : LayerPair
    changes : ViewerChanges
    give_up : callable
        Gets the error that ends it.

    Raises
    ------
    ImageError
        If the canvas shows no planes, or the two cannot be subtracted.
    """

    def __init__(
        self,
        viewer: "ViewerModel",
        pair: LayerPair,
        changes: "ViewerChanges",
        give_up: Callable[[Exception], None],
    ) -> None:
        if not pair.is_measurable:
            raise ImageError(
                f"{pair.result.name!r} holds labels, not an image; there is no difference to show."
            )
        check_flat(viewer, pair.original, pair.result)
        self._viewer, self._pair = viewer, pair
        self._box = read_overlap(pair.original, pair.result).box
        self._changes = changes
        align(*self._planes())
        self._part: VisiblePart | None = None
        self._extent: float | None = None
        self._job = BackgroundJob(None)
        self._job.failed.connect(give_up)
        changes.callback(self._job.drop)
        changes.set(viewer.canvas.grid, "enabled", False)
        changes.hide_pictures_over(pair.original, pair.roi)
        changes.set(pair.result, "visible", False)
        changes.set(pair.original, "opacity", pair.original.opacity * _DIMMED)
        self._layer = Image(
            np.full((1, 1), np.nan, np.float32),
            name=f"{pair.result.name} (difference)",
            metadata={LIVE_KEY: True},
            colormap=_colours(),
            contrast_limits=(-1, 1),
            rgb=False,
            multiscale=False,
            blending="translucent_no_depth",
            **flat_placement(pair.result).to_kwargs(),
        )
        changes.add(self._layer, (pair.original, pair.result))
        changes.caption(_CAPTION)
        self._following = CanvasWatch(viewer, pair.result, changes, self._show, give_up)
        self._following.look()

    def _planes(self) -> tuple[Plane, Plane]:
        """Return the planes that the sliders are at."""
        original, result = self._pair.original, self._pair.result
        view = read_view(self._viewer)
        before, after = level_zero(original), level_zero(result)
        height, width = plane_shape(result)
        return (
            Plane(before, view.plane_of(original, before.shape), self._box),
            Plane(after, view.plane_of(result, after.shape), ((0, height), (0, width))),
        )

    def _show(self, part: VisiblePart | None) -> None:
        """Have computed what is seen; what was computed stays until then."""
        self._job.drop()
        before, self._part = self._part, part
        if part is None or before is None or before.plane != part.plane:
            self._layer.visible = False
        if part is None:
            return
        planes, unknown = self._planes(), self._extent is None

        def call(hooks: "JobHooks") -> Change:
            return change_between(
                *planes, part.box, part.step, hooks.should_stop, wants_extent=unknown
            )

        self._job.start(call, lambda change: self._show_change(change, part))

    def _show_change(self, change: Change, part: VisiblePart) -> None:
        """Show what was computed."""
        if self._extent is None and change.extent is not None:
            self._extent = change.extent
            self._layer.contrast_limits_range = (-2 * change.extent, 2 * change.extent)
            self._layer.contrast_limits = (-change.extent, change.extent)
            self._layer.colorbar.visible = True
            self._changes.caption(f"{_CAPTION} (colour scale ± {change.extent:.3g})")
        placement = part.place(self._pair.result)
        self._layer.data = change.pixels
        self._layer.scale, self._layer.translate = placement.scale, placement.translate
        self._layer.visible = True


def _colours() -> Colormap:
    """Return colours for differences that are transparent in the middle.

    As `measure.figures` draws them, but for white, which would hide the image.
    """
    darker, middle, brighter = ENDS
    colours = [(darker, 1.0), (middle, 0.0), (brighter, 1.0)]
    rgba = [[*(int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)), alpha] for c, alpha in colours]
    return Colormap(rgba, name="change", display_name="change")
