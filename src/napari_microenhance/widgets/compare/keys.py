"""Keys: shortcuts of the canvas that come and go with the dock widget."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from napari.settings import get_settings
from psygnal import Signal

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["Keys"]


class Keys:
    """Binds keys of a viewer, except those that have a meaning already.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    names : mapping of str to str
        What each key stands for.

    Attributes
    ----------
    bound : dict of str to str
        What was bound.
    """

    pressed = Signal(str)
    """A key went down; what it stands for."""

    released = Signal(str)
    """A key came up."""

    def __init__(self, viewer: "ViewerModel", names: Mapping[str, str]) -> None:
        self._viewer = viewer
        taken = {str(k) for keys in get_settings().shortcuts.shortcuts.values() for k in keys}
        taken |= {str(key) for key in viewer.keymap}
        self.bound = {key: name for key, name in names.items() if key not in taken}
        for key, name in self.bound.items():
            viewer.bind_key(key, self._listener(name))

    def unbind(self) -> None:
        """Give the keys back."""
        # Python may have cleared this object, and the viewer, when Qt calls it.
        bound = self.__dict__.pop("bound", {})
        self.bound = {}
        with contextlib.suppress(AttributeError):
            for key in bound:
                self._viewer.bind_key(key, None)

    def _listener(self, name: str) -> Callable[[Any], Iterator[None]]:
        """Return what napari runs up to its yield on a press, and on from there on release."""

        def listen(_: object) -> Iterator[None]:
            self.pressed.emit(name)
            yield
            self.released.emit(name)

        return listen
