"""Compare: at most one mode at a time, and the viewer as it was when it ends."""

from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_microenhance.widgets.compare.layer_pair import LayerPair
from napari_microenhance.widgets.compare.modes import MODES
from napari_microenhance.widgets.compare.viewer_changes import ViewerChanges
from napari_microenhance.widgets.viewer.layer_values import bare

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer
    from napari.utils.events import Event

__all__ = ["Compare"]


class Compare:
    """Shows an original and its result in one of several ways; main thread only.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    changed = Signal(object)
    """The name of the mode that is on now, or None."""

    failed = Signal(object)
    """The exception that ended a mode while it was on."""

    mode: str | None = None
    """Name of the mode that is on."""

    shown: object = None
    """What the mode made, such as a `Swipe`."""

    # Of the class too: Python may have cleared the object when Qt calls it.
    _changes: ViewerChanges | None = None
    _pair: LayerPair | None = None

    def __init__(self, viewer: "ViewerModel") -> None:
        self._viewer = viewer
        viewer.layers.events.removed.connect(self._on_removed)

    def start(
        self, mode: str, original: "Layer", result: "Layer", roi: "Layer | None" = None
    ) -> None:
        """Show a pair of layers, in place of what is shown now.

        Parameters
        ----------
        mode : str
            A key of `MODES`.
        original, result : napari.layers.Layer
            Both in the viewer.
        roi : napari.layers.Layer, optional
            Stays visible.

        Raises
        ------
        ImageError
            If the two cannot be compared this way; the viewer is as it was before any mode.
        """
        before = self.mode
        self._end()
        self._pair = LayerPair(bare(original), bare(result), None if roi is None else bare(roi))
        changes = ViewerChanges(self._viewer)
        try:
            self.shown = MODES[mode].begin(self._viewer, self._pair, changes, self._on_failed)
        except Exception:
            _undo(changes)
            self._pair = None
            if before is not None:
                self.changed.emit(None)
            raise
        self._changes, self.mode = changes, mode
        self.changed.emit(mode)

    def stop(self) -> None:
        """Put the viewer back."""
        if self._end():
            self.changed.emit(None)

    def drop(self) -> None:
        """Put the viewer back without a word: the widget is gone."""
        self._end()

    def _end(self, *, soon: bool = False) -> bool:
        """Undo what the mode did, its layers perhaps a turn later; return whether one was on."""
        changes, self._changes = self._changes, None
        self.mode = self._pair = self.shown = None
        if changes is None:
            return False
        _undo(changes, soon=soon)
        return True

    def _on_removed(self, event: "Event") -> None:
        """End with a layer that is gone.

        Not its layers at once: napari deletes several by their numbers.
        """
        if self._changes is None or self._pair is None:
            return
        ours = [self._pair.original, self._pair.result, *self._changes.layers]
        if bare(event.value) in ours and self._end(soon=True):
            self.changed.emit(None)

    def _on_failed(self, error: Exception) -> None:
        """End, for the mode cannot go on."""
        if self._end(soon=True):
            self.changed.emit(None)
            self.failed.emit(error)


def _undo(changes: ViewerChanges, *, soon: bool = False) -> None:
    """Undo changes, whatever goes wrong on the way; their layers perhaps a turn later."""
    try:
        changes.close()
    finally:
        if soon:
            for layer in changes.layers:
                layer.visible = False
            # Qt's bindings would not keep the object of a bare method.
            QTimer.singleShot(0, lambda: changes.remove_layers())
        else:
            changes.remove_layers()
