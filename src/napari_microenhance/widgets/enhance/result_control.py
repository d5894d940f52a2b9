"""What the dock does with a result: compare, inspect, save, discard."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_microenhance.widgets.background.deletion import when_destroyed
from napari_microenhance.widgets.compare.buttons import Comparing
from napari_microenhance.widgets.compare.pairs import remember
from napari_microenhance.widgets.enhance.outcome.save_control import SaveControl

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer
    from qtpy.QtWidgets import QWidget

    from napari_microenhance.widgets.background.hooks import JobProgress
    from napari_microenhance.widgets.enhance.enhance_fields import EnhanceFields
    from napari_microenhance.widgets.enhance.enhance_view import EnhanceView
    from napari_microenhance.widgets.enhance.layer_control import LayerControl
    from napari_microenhance.widgets.enhance.outcome.undo_control import UndoControl

__all__ = ["ResultControl"]


class ResultControl:
    """Does what the buttons of the result bar ask for, and says what came of it.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    fields : EnhanceFields
    view : EnhanceView
    layers : LayerControl
        Tells which result is meant.
    undoing : UndoControl
    is_free : callable
        Returns whether nothing else shows its progress.
    native : QWidget
        Of the dock.

    Attributes
    ----------
    comparing : Comparing
    saving : SaveControl
    """

    changed = Signal()
    """Saving goes on or has ended: other buttons may make sense."""

    failed = Signal(object)
    """The exception that kept a result from being compared or saved."""

    def __init__(
        self,
        viewer: "ViewerModel",
        fields: "EnhanceFields",
        view: "EnhanceView",
        layers: "LayerControl",
        undoing: "UndoControl",
        is_free: Callable[[], bool],
        native: "QWidget",
    ) -> None:
        self._viewer, self._view, self._layers, self._undoing = viewer, view, layers, undoing
        self._is_free, self._native = is_free, native
        self.saving = SaveControl(viewer, native)
        self.comparing = Comparing(viewer, dict(fields.modes), fields.roi)
        when_destroyed(native, self.comparing.compare.drop)
        when_destroyed(native, self.comparing.keys.unbind)
        for key, name in self.comparing.keys.bound.items():
            fields.modes[name].text = f"{fields.modes[name].text} ({key})"
        fields.inspect.changed.connect(self._on_inspect)
        fields.save_result.changed.connect(self._on_save)
        fields.discard.changed.connect(self._on_discard)
        layers.result_changed.connect(view.show_result)
        view.show_result(layers.result())
        undoing.undone.connect(self._on_undone)
        self.saving.began.connect(view.say)
        self.saving.saved.connect(self._on_saved)
        self.saving.progressed.connect(self._on_saving)
        self.saving.cancelled.connect(self._on_not_saved)
        for part in (self.comparing, self.saving):
            part.failed.connect(self.failed.emit)

    def follow(self, image: "Image", layer: "Layer") -> None:
        """Take note of a result and the image that it was made of."""
        remember(image, layer)
        self.comparing.follow(layer)

    def drop(self) -> None:
        """End what goes on: the widget goes away."""
        self.comparing.close()
        self.saving.drop()

    def _on_inspect(self) -> None:
        """Open the dock that says what a result changed."""
        from napari_microenhance.widgets.docking import show_inspect

        result = self._layers.result()
        if result is not None:
            show_inspect(self._viewer, result)

    def _on_save(self) -> None:
        """Save the result that is selected, or the topmost one."""
        result = self._layers.result()
        if result is not None:
            self.saving.ask(result, self._native.window())

    def _on_saved(self, path: Path) -> None:
        """Say where a result was saved."""
        self.changed.emit()
        self._view.say_done(f"Saved {path.name}.")

    def _on_saving(self, progress: "JobProgress") -> None:
        """Show how far saving is, unless something else shows its own progress."""
        if self._is_free():
            self.changed.emit()
            self._view.show_parts(progress)

    def _on_not_saved(self) -> None:
        """Say that saving was cancelled."""
        self.changed.emit()
        self._view.say("Saving was cancelled; nothing was written.")

    def _on_discard(self) -> None:
        """Take back the run that made the result."""
        result = self._layers.result()
        if result is not None:
            self._undoing.discard(result)

    def _on_undone(self, sentence: str) -> None:
        """Say what was taken back, and keep the keys here."""
        self._view.say(sentence)
        self._native.setFocus()
