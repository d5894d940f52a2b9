"""Buttons and keys that switch the ways to compare."""

from functools import partial
from typing import TYPE_CHECKING, Any

from magicgui.widgets import PushButton
from psygnal import Signal

from napari_microenhance.widgets.compare.control import Compare
from napari_microenhance.widgets.compare.keys import Keys
from napari_microenhance.widgets.compare.modes import MODES
from napari_microenhance.widgets.compare.pairs import pair_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magicgui.widgets import ComboBox
    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["Comparing", "ModeButton", "mode_buttons"]


class ModeButton(PushButton):
    """A button that stays down; unlike magicgui's, it also tells when it is set by code."""

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - passed on
        super().__init__(**kwargs)
        self.native.setCheckable(True)

    @property
    def value(self) -> bool:
        """Whether it is down."""
        return bool(self.native.isChecked())

    @value.setter
    def value(self, value: bool) -> None:
        if value != self.value:
            self.native.setChecked(value)
            self.changed.emit(value)


def mode_buttons() -> list[ModeButton]:
    """Return a button for each mode, called like it."""
    return [
        ModeButton(name=name, text=mode.text, tooltip=mode.tooltip) for name, mode in MODES.items()
    ]


class Comparing:
    """Ties the buttons and keys of the modes to the layers of a viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    buttons : mapping of str to ModeButton
        By the name of their mode.
    roi : ComboBox
        Whose layer stays in sight.
    """

    failed = Signal(object)
    """The exception that kept a mode from starting, or ended it."""

    def __init__(
        self, viewer: "ViewerModel", buttons: "Mapping[str, ModeButton]", roi: "ComboBox"
    ) -> None:
        self._viewer, self._buttons, self._roi = viewer, buttons, roi
        self.compare = Compare(viewer)
        self.compare.changed.connect(self._show_mode)
        self.compare.failed.connect(self.failed.emit)
        self.keys = Keys(viewer, {mode.key: name for name, mode in MODES.items()})
        self.keys.pressed.connect(self._on_pressed)
        self.keys.released.connect(self._on_released)
        for name, button in buttons.items():
            button.changed.connect(partial(self._on_button, name))
        for key, name in self.keys.bound.items():
            how = "Hold" if MODES[name].is_held else "Press"
            buttons[name].tooltip = f"{MODES[name].tooltip} {how} {key} on the canvas."

    def follow(self, result: "Layer") -> None:
        """Go on with the result of the next run."""
        mode = self.compare.mode
        if mode is not None:
            self._start(mode, result)

    def close(self) -> None:
        """Put the viewer back and give the keys back: the widget goes away."""
        self.compare.stop()
        self.keys.unbind()

    def _start(self, mode: str, layer: "Layer | None") -> None:
        """Show the pair that a layer belongs to, or say why not."""
        try:
            original, result = pair_of(self._viewer, layer)
            self.compare.start(mode, original, result, self._roi.value)
        except Exception as error:  # noqa: BLE001 - the edge: every mistake reaches the user
            self.compare.stop()
            self._show_mode(None)
            self.failed.emit(error)

    def _on_button(self, name: str, wanted: bool) -> None:
        if wanted:
            self._start(name, self._viewer.layers.selection.active)
        elif self.compare.mode == name:
            self.compare.stop()

    def _on_pressed(self, name: str) -> None:
        """Switch a mode on; or off, where it does not end with the key."""
        self._buttons[name].value = MODES[name].is_held or not self._buttons[name].value

    def _on_released(self, name: str) -> None:
        if MODES[name].is_held:
            self._buttons[name].value = False

    def _show_mode(self, mode: str | None) -> None:
        """Let the buttons say what is on."""
        for name, button in self._buttons.items():
            with button.changed.blocked():
                button.value = name == mode
