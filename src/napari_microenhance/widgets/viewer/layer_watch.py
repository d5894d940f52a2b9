"""Events of one layer at a time."""

from typing import TYPE_CHECKING, Any

from psygnal import Signal

if TYPE_CHECKING:
    from napari.layers import Layer

__all__ = ["LayerWatch"]

_EVENTS = (
    *("data", "paint", "labels_update"),
    *("affine", "rotate", "scale", "shear", "translate", "units"),
)


class LayerWatch:
    """Tells when the content or the place of a layer has changed."""

    changed = Signal()

    def __init__(self) -> None:
        self._layer: Layer | None = None

    def follow(self, layer: "Layer | None") -> None:
        """Watch another layer; None: watch nothing any more."""
        if self._layer is not None:
            for emitter in _emitters(self._layer):
                emitter.disconnect(self._on_event)
        self._layer = layer
        if layer is not None:
            for emitter in _emitters(layer):
                emitter.connect(self._on_event)
        self.changed.emit()

    def _on_event(self, _: object = None) -> None:
        """Pass it on without the layer."""
        self.changed.emit()


def _emitters(layer: "Layer") -> list[Any]:
    """Return those of the events that a layer of this kind has."""
    return [getattr(layer.events, name) for name in _EVENTS if hasattr(layer.events, name)]
