"""The part of the dock that follows the viewer: which result, and which original."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Layer
from qtpy.compat import isalive

from napari_microenhance.errors import ImageError, MicroEnhanceError
from napari_microenhance.widgets.compare.pairs import pair_of
from napari_microenhance.widgets.inspect.face import Face
from napari_microenhance.widgets.inspect.maps import MAP_KEY
from napari_microenhance.widgets.viewer.layers import RECORD_KEY
from napari_microenhance.widgets.viewer.live import is_live

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["NO_ORIGINAL", "NO_RESULT", "Following"]

NO_RESULT = "Select a result: a layer that Enhance ROI made, or one opened from its file."
NO_ORIGINAL = "Choose the original of this result; open it if it is not among the layers."


class Following(Face):
    """Chooses the result that is selected and the image it was made from.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    """

    def __init__(self, viewer: "ViewerModel") -> None:
        self._viewer = viewer
        self._shown: tuple[Layer | None, Layer | None] = (None, None)
        self._choosing = False
        self._missing = NO_RESULT
        super().__init__(viewer)
        layers = viewer.layers
        for emitter in (
            layers.events.inserted,
            layers.events.removed,
            layers.events.reordered,
            layers.events.renamed,
            layers.selection.events.active,
        ):
            emitter.connect(self._on_viewer)
        self.result.changed.connect(self._on_result)
        self.original.changed.connect(self._on_original)

    def _result_choices(self, _: Any) -> list[tuple[str, Layer]]:  # noqa: ANN401 - a magicgui callback
        """Return the layers with a record."""
        return [
            (layer.name, layer) for layer in self._viewer.layers if RECORD_KEY in layer.metadata
        ]

    def _original_choices(self, _: Any) -> list[tuple[str, Layer]]:  # noqa: ANN401 - a magicgui callback
        """Return the images that are neither the result nor a map."""
        result = self.result.value
        images = [x for x in self._viewer.layers if isinstance(x, Image) and not is_live(x)]
        return [
            (layer.name, layer)
            for layer in images
            if MAP_KEY not in layer.metadata and (result is None or layer != result)
        ]

    def _on_viewer(self, _: Any = None) -> None:  # noqa: ANN401 - events of several kinds
        """Offer the layers that are there now, and follow the selection."""
        if self._choosing or not isalive(self):  # type: ignore[no-untyped-call]
            return
        active = self._viewer.layers.selection.active
        with self._by_itself():
            self.result.reset_choices()
            results = [layer for _, layer in self._result_choices(None)]
            if active is not None and RECORD_KEY in active.metadata:
                self.result.value = active
            elif self._shown[0] is None and results:
                self.result.value = results[-1]
        self._follow()

    def _on_result(self, _: Any) -> None:  # noqa: ANN401 - the value
        """Take the result that the user chose."""
        if not self._choosing:
            self._follow()

    def _on_original(self, _: Any) -> None:  # noqa: ANN401 - the value
        """Take the original that the user chose."""
        if not self._choosing:
            self._show_pair(self.original.value)

    def _follow(self) -> None:
        """Find the original of another result; keep the user's choice for the same one."""
        result, before = self.result.value, self._shown
        with self._by_itself():
            self.original.reset_choices()
        known = [layer for _, layer in self._original_choices(None)]
        same = _is_same(result, before[0]) and any(_is_same(before[1], one) for one in known)
        original = before[1] if same and before[1] is not None else self._found(result)
        with self._by_itself():
            self.original.value = original
        self._show_pair(original)

    def _found(self, result: Layer | None) -> Layer | None:
        """Return the image that a result was made from, if it is here."""
        self._missing = NO_RESULT if result is None else ""
        if result is None:
            return None
        try:
            return pair_of(self._viewer, result)[0]
        except ImageError as error:
            self._missing = str(error)
        except (MicroEnhanceError, AttributeError, KeyError, TypeError):
            # A damaged record cannot say; the section "Record" tells what is wrong with it.
            self._missing = NO_ORIGINAL
        return None

    def _show_pair(self, original: Layer | None) -> None:
        """Take over a pair if it is another one."""
        before, now = self._shown, (self.result.value, original)
        if not all(_is_same(a, b) for a, b in zip(before, now, strict=True)):
            self._shown = now
            self._on_pair()

    def _on_pair(self) -> None:
        """Do nothing yet: there is another pair."""

    @contextmanager
    def _by_itself(self) -> Iterator[None]:
        """Mark choices made meanwhile as ours, not the user's."""
        before, self._choosing = self._choosing, True
        try:
            yield
        finally:
            self._choosing = before


def _is_same(a: Layer | None, b: Layer | None) -> bool:
    """Compare two layers, either of which may be a proxy or None."""
    return a is b or (a is not None and b is not None and bool(a == b))
