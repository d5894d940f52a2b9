"""Ctrl+Z in the dock: takes back what the last action did to the layers."""

from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from psygnal import Signal
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import QAbstractSpinBox, QLineEdit, QWidget

from napari_microenhance.widgets.enhance.outcome.undo_step import UndoStep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_microenhance.widgets.fields.layer_box import LayerBox

__all__ = ["UndoControl"]

_KEPT = 20


class UndoControl:
    """Keeps what the actions of the dock did, and takes it back; main thread only.

    An action that was taken back can be done again with Ctrl+Shift+Z until the next one, so
    that nothing is lost that was drawn on a layer meanwhile.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    roi : LayerBox
        The choice of ROI.
    native : QWidget
        Of the dock; the keys count while it has the focus.
    """

    undone = Signal(str)
    """What was done again or taken back, as a sentence."""

    def __init__(self, viewer: "ViewerModel", roi: "LayerBox", native: QWidget) -> None:
        self._layers, self._roi = viewer.layers, roi
        self._steps: deque[UndoStep] = deque(maxlen=_KEPT)
        self._again: UndoStep | None = None
        self._is_ours = False
        self.is_blocked = False
        viewer.layers.events.removed.connect(self._on_removed)
        self._fields = _FieldKeys(native)
        for keys, slot in (
            (QKeySequence.StandardKey.Undo, self.undo),
            (QKeySequence.StandardKey.Redo, self.redo),
        ):
            action = native.addAction("")
            # PyQt's types say that it may be none.
            if action is not None:
                action.setShortcut(QKeySequence(keys))
                action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
                action.triggered.connect(slot)

    def note(self, step: UndoStep) -> None:
        """Keep what an action did, if it did something."""
        if step:
            self._steps.append(step)
            self._again = None

    @contextmanager
    def noting(self, name: str) -> "Iterator[None]":
        """Note what is done meanwhile, the choice of ROI included."""
        before, roi = list(self._layers), self._roi.value
        try:
            yield
        finally:
            added = tuple(x for x in self._layers if x not in before)
            self.note(UndoStep(name, added, roi_before=roi, roi_after=self._roi.value))

    def undo(self, *_: object) -> None:
        """Take back the last action."""
        if self._steps and not self.is_blocked:
            self._take_back(self._steps.pop())

    def redo(self, *_: object) -> None:
        """Do again what was taken back last."""
        step, self._again = self._again, None
        if step is not None and not self.is_blocked:
            self._steps.append(self._undone(step))
            self.undone.emit(f"{step.name} restored.")

    def discard(self, layer: "Layer") -> None:
        """Take back the action that made a layer; of no action of the dock, the layer goes."""
        step = next((s for s in reversed(self._steps) if layer in s.added), None)
        if step is None:
            step = UndoStep("Result", (layer,))
        else:
            self._steps.remove(step)
        self._take_back(step)

    def _take_back(self, step: UndoStep) -> None:
        """Take an action back."""
        self._again = self._undone(step)
        self.undone.emit(f"{step.name} undone; Ctrl+Shift+Z restores it.")

    def _undone(self, step: UndoStep) -> UndoStep:
        """Take an action back, and return the way forth."""
        self._is_ours = True
        chosen = self._roi.value
        try:
            again = step.take_back(self._layers)
        finally:
            self._is_ours = False
        # A choice that the user made since stays.
        if step.roi_before is not step.roi_after and _is_same(chosen, step.roi_after):
            before = step.roi_before
            if before is None or before in self._layers:
                self._roi.value = before
        return again

    def _on_removed(self, event: Any) -> None:  # noqa: ANN401 - of napari
        """Forget a layer that somebody else removed."""
        if self._is_ours:
            return
        left = [step.without(event.value) for step in self._steps]
        self._steps = deque((step for step in left if step), maxlen=_KEPT)
        if self._again is not None:
            self._again = self._again.without(event.value) or None


class _FieldKeys(QObject):
    """Leaves Ctrl+Z to a field only while it has something of its own to take back."""

    def __init__(self, native: QWidget) -> None:
        super().__init__(native)
        for kind in (QLineEdit, QAbstractSpinBox):
            for field in native.findChildren(kind):
                field.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Hand the key on to the dock where the field has no use for it."""
        if not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.ShortcutOverride:
            return False
        line = watched.findChild(QLineEdit) if isinstance(watched, QAbstractSpinBox) else watched
        if not isinstance(line, QLineEdit):
            return False
        undo = event.matches(QKeySequence.StandardKey.Undo) and not line.isUndoAvailable()
        redo = event.matches(QKeySequence.StandardKey.Redo) and not line.isRedoAvailable()
        if undo or redo:
            event.ignore()
            return True
        return False


def _is_same(a: object, b: object) -> bool:
    """Compare two choices, either of which may be None."""
    return a is b or (a is not None and b is not None and bool(a == b))
