"""The grown ROI and the inner edge of its feather, drawn over the image while they are chosen."""

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Shapes
from psygnal import Signal
from qtpy.QtCore import QObject, QTimer
from skimage.measure import approximate_polygon

from napari_microenhance.engine.region import Region
from napari_microenhance.errors import MicroEnhanceError
from napari_microenhance.rois.outlines import edge_loops
from napari_microenhance.widgets.examiner import CallWorker
from napari_microenhance.widgets.layers import level_zero, place_in, restore_selection
from napari_microenhance.widgets.live import LIVE_KEY
from napari_microenhance.widgets.roi import Roi, read_roi
from napari_microenhance.widgets.roi_files import drawing_look, drawing_placement
from napari_microenhance.widgets.view import read_view
from napari_microenhance.widgets.worker import Handle

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_microenhance.widgets.choosers import LayerChoosers

__all__ = ["Outline", "Traced", "trace"]

LOGGER = logging.getLogger(__name__)

GROWN = "#56b4e9"
INNER = "#cc79a7"

_DELAY_MS = 120
_FEATHER_PX = 1 << 24
"""The inner edge of a larger ROI is not drawn: finding it takes seconds."""

_TOLERANCE = 0.35
"""Px. No pixel centre is nearer to the line through the middles of pixel sides, so an outline
that stays this close to that line encloses the same pixels."""

_MOST_SIDES = 1 << 17
_MOST_RINGS = 300
"""Labels in more pieces than this get no outline: drawing it would take the window seconds."""

Ring = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Traced:
    """Outlines of what a run will touch.

    Parameters
    ----------
    grown : tuple of ndarray, shape (N, 2), float64
        Closed rings of (y, x), image px, the first vertex repeated at the end; by the even-odd
        rule they enclose the centres of just the pixels of the grown ROI.
    inner : tuple of ndarray, shape (N, 2), float64
        The same of the pixels that the feather leaves at full strength.
    """

    grown: tuple[Ring, ...]
    inner: tuple[Ring, ...] = ()


def trace(roi: Roi, shape: tuple[int, int], *, dilate: int, feather: int) -> Traced | None:
    """Outline what a run with these options will touch; any thread.

    Parameters
    ----------
    roi : Roi
    shape : tuple of int
        (Y, X) of the image, px.
    dilate, feather : int
        As in `Options`, px.

    Returns
    -------
    Traced or None
        None where all pixels of the image are touched, or in too many pieces to draw.

    Raises
    ------
    RoiError
        If the ROI selects nothing.
    """
    if roi.polygons is not None:
        region = Region.from_polygons(roi.polygons, shape)
    else:
        mask = None if roi.labels is None else roi.labels.mask()
        if mask is None:
            return None
        region = Region.from_mask(mask)
    grown = region.dilated(dilate)
    inside = grown.crop(grown.box)
    if _sides(inside) > _MOST_SIDES:
        return None
    top, left = grown.origin
    inner: tuple[Ring, ...] = ()
    if feather and inside.size <= _FEATHER_PX:
        weights = grown.weights(feather)
        inner = () if weights is None else _rings(weights >= 1, (top, left))
    found = Traced(_rings(inside, (top, left)), inner)
    return found if len(found.grown) + len(found.inner) <= _MOST_RINGS else None


def _sides(mask: npt.NDArray[np.bool_]) -> int:
    """Count the pixel sides between a mask and all around it."""
    padded = np.pad(mask, 1)
    across = (padded[1:] != padded[:-1], padded[:, 1:] != padded[:, :-1])
    return sum(int(np.count_nonzero(sides)) for sides in across)


def _rings(mask: npt.NDArray[np.bool_], origin: tuple[int, int]) -> tuple[Ring, ...]:
    """Return few-cornered closed rings around just the pixels of a mask."""
    rings = []
    for loop in edge_loops(mask):
        corners = np.asarray(loop, float) - 0.5 + origin
        steps = np.sign(np.diff(corners, axis=0)) / 2
        # Each straight run of pixel sides gives the middles of its first and last one.
        middles = np.stack([corners[:-1] + steps, corners[1:] - steps], axis=1).reshape(-1, 2)
        closed = np.concatenate([middles, middles[:1]])
        simple = approximate_polygon(closed, _TOLERANCE)  # type: ignore[no-untyped-call]
        rings.append(np.asarray(simple, np.float64))
    return tuple(rings)


class Outline:
    """Keeps a layer of outlines up to date; main thread only.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    fields : LayerChoosers
        Image, ROI, growth and feather.
    parent : QObject
        Owner of the timer.
    """

    drawn = Signal()
    """The outlines are those of the fields as they are now; or there are none."""

    def __init__(self, viewer: "ViewerModel", fields: "LayerChoosers", parent: QObject) -> None:
        self._viewer = viewer
        self._fields = fields
        self._layer: Shapes | None = None
        self._image: Image | None = None
        self._stale = False
        self.handle = Handle[CallWorker]()
        self._delay = QTimer(parent)
        self._delay.setSingleShot(True)
        self._delay.setInterval(_DELAY_MS)
        self._delay.timeout.connect(self._refresh)
        for field in (fields.image, fields.dilate, fields.feather):
            field.changed.connect(self._on_changed)
        fields.roi_watch.changed.connect(self._on_changed)
        viewer.dims.events.current_step.connect(self._on_changed)

    def drop(self) -> None:
        """Take the outlines away and draw none until something changes."""
        self._delay.stop()
        self.handle.drop()
        self._stale = False
        self._remove()

    def _on_changed(self, _: Any = None) -> None:  # noqa: ANN401 - values and events
        """Draw anew, once the user pauses."""
        if self._wanted or self._layer is not None:
            self._delay.start()

    @property
    def _wanted(self) -> bool:
        """Whether there is more to see than the drawn shapes."""
        fields = self._fields
        touched = fields.dilate.value > 0 or fields.feather.value > 0
        return bool(touched and fields.image.value is not None and fields.roi.value is not None)

    def _refresh(self) -> None:
        """Begin to trace, or take the outlines away."""
        if self.handle.worker is not None:
            self._stale = True
            return
        trace_now = self._read() if self._wanted else None
        if trace_now is None:
            self._remove()
            self.drawn.emit()
            return
        worker = CallWorker(trace_now)
        self.handle.worker = worker
        worker.finished.connect(self._on_finished)
        worker.start()

    def _read(self) -> "Callable[[Any], Traced | None] | None":
        """Read the fields and the ROI; what is wrong with it a run will tell."""
        fields = self._fields
        image = self._image = fields.image.value
        view = read_view(self._viewer)
        height, width = level_zero(image).shape[image.ndim - 2 : image.ndim]
        try:
            roi = read_roi(fields.roi.value, image, view, plane=fields.plane_of(view))
        except MicroEnhanceError:
            return None
        dilate, feather = fields.dilate.value, fields.feather.value
        return lambda _: trace(roi, (int(height), int(width)), dilate=dilate, feather=feather)

    def _on_finished(self, _: None = None) -> None:
        """Show what was traced, or trace what has changed since."""
        worker = self.handle.worker
        if worker is None or not worker.done:
            return  # a dropped worker's late word
        self.handle.worker = None
        if worker.error is not None and not isinstance(worker.error, MicroEnhanceError):
            LOGGER.error("outline of the ROI", exc_info=worker.error)
        if self._stale:
            self._stale = False
            self._refresh()
            return
        if worker.outcome is None or not self._wanted:
            self._remove()
        else:
            self._show(worker.outcome)
        self.drawn.emit()

    def _show(self, traced: Traced) -> None:
        """Put the outlines over the image, below the ROI."""
        image, layers = self._image, self._viewer.layers
        # A comparison arranges the layers that are there; a new one would disturb it.
        if image not in layers or (self._layer is None and self._viewer.canvas.grid.enabled):
            return
        placement = drawing_placement(image)
        lead = read_view(self._viewer).coordinates_in(image)[: len(placement.scale) - 2]
        paths = [_stacked(ring, lead) for ring in (*traced.grown, *traced.inner)]
        colours = [GROWN] * len(traced.grown) + [INNER] * len(traced.inner)
        meta = placement.to_kwargs()
        width = max(1, drawing_look(image)["edge_width"] / 2)
        if self._layer is not None and self._layer in layers:
            if self._layer.ndim == len(placement.scale):
                self._layer.data = [(path, "path") for path in paths]
                self._layer.edge_color = colours
                self._layer.edge_width = width
                for name in ("units", "scale", "translate", "rotate", "shear", "affine"):
                    setattr(self._layer, name, meta[name])
                return
            self._remove()
        self._layer = Shapes(
            paths,
            shape_type="path",
            edge_color=colours,
            edge_width=width,
            face_color="transparent",
            name="grown ROI and feather",
            metadata={LIVE_KEY: True},
            **meta,
        )
        self._layer.editable = False
        self._insert(self._layer)

    def _insert(self, layer: Shapes) -> None:
        """Add the layer, and let the user go on drawing in the one that was active."""
        layers, roi = self._viewer.layers, self._fields.roi.value
        selected, active = set(layers.selection), layers.selection.active
        mode = getattr(active, "mode", None)
        layers.insert(place_in(layers, roi), layer)
        restore_selection(layers, selected)
        if active is not None and active in layers:
            layers.selection.active = active
            if mode is not None and str(active.mode) != str(mode):
                active.mode = mode

    def _remove(self) -> None:
        """Take the layer out of the viewer; harmless when it is gone."""
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)


def _stacked(ring: Ring, lead: npt.NDArray[np.float64]) -> Ring:
    """Return a ring with the coordinates of a plane before y and x."""
    return np.hstack([np.broadcast_to(lead, (len(ring), len(lead))), ring])
