"""Which result is looked at, and which image it was made from."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari.layers import Image, Layer
from psygnal import Signal
from qtpy.compat import isalive

from napari_microenhance.api import Record
from napari_microenhance.errors import ImageError, MicroEnhanceError
from napari_microenhance.widgets.compare.pairs import pair_of
from napari_microenhance.widgets.inspect.inspected_result import InspectedResult, read_inspected
from napari_microenhance.widgets.inspect.maps import MAP_KEY, NetworkSearch
from napari_microenhance.widgets.models.recent import recent_files
from napari_microenhance.widgets.viewer.hiding import cover, mark_made_of
from napari_microenhance.widgets.viewer.layer_values import RECORD_KEY, restore_selection
from napari_microenhance.widgets.viewer.live import is_live

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel

    from napari_microenhance.widgets.inspect.inspect_view import InspectView
    from napari_microenhance.widgets.viewer.results import LayerPlan

__all__ = ["PairChoice"]

NO_RESULT = "Select a result: a layer made by Enhance ROI, or one opened from its file."
NO_ORIGINAL = "Select the original of this result; open it if it is not among the layers."


class PairChoice:
    """Follows the selected result, finds its original, and reads both; main thread only.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    view : InspectView
        Its choosers are filled, and followed where the user chooses.

    Attributes
    ----------
    result, original : napari.layers.Layer or None
    missing : str
        What to do where one of the two is None.
    network : Path or None
        What the user named in place of the record's network; of this result alone.
    """

    changed = Signal()
    """There is another result, or another original of it."""

    def __init__(self, viewer: "ViewerModel", view: "InspectView") -> None:
        self._viewer, self._view = viewer, view
        self.result: Layer | None = None
        self.original: Layer | None = None
        self.missing = NO_RESULT
        self.network: Path | None = None
        self._is_choosing = False
        view.result.choices = self._offered_results
        view.original.choices = self._offered_originals
        layers = viewer.layers
        for emitter in (
            layers.events.inserted,
            layers.events.removed,
            layers.events.reordered,
            layers.events.renamed,
            layers.selection.events.active,
        ):
            emitter.connect(self.follow)
        view.result.changed.connect(self._on_result)
        view.original.changed.connect(self._on_original)

    @property
    def is_complete(self) -> bool:
        """Whether both are there."""
        return self.result is not None and self.original is not None

    def follow(self, _: object = None) -> None:
        """Offer the layers that are there now, and follow the selection."""
        if self._is_choosing or not isalive(self._view):  # type: ignore[no-untyped-call]
            return
        active = self._viewer.layers.selection.active
        chooser = self._view.result
        with self._by_itself():
            chooser.reset_choices()
            results = [layer for _, layer in self._offered_results()]
            if active is not None and RECORD_KEY in active.metadata:
                chooser.value = active
            elif self.result is None and results:
                chooser.value = results[-1]
        self._find_original()

    def read_record(self) -> Record:
        """Return the record of the result.

        Raises
        ------
        MicroEnhanceError
            If there is no result, or its record is damaged.
        """
        if self.result is None:
            raise ImageError(NO_RESULT)
        return Record.of(self.result.metadata)

    def keep_record(self, record: Record) -> None:
        """Let the result's layer carry another record."""
        if self.result is not None:
            self.result.metadata[RECORD_KEY] = record.to_dict()

    def read(self) -> InspectedResult:
        """Return what is inspected, as values.

        Raises
        ------
        MicroEnhanceError
            If one of the two is missing, or the record is damaged.
        """
        if self.result is None or self.original is None:
            raise ImageError(self.missing or NO_ORIGINAL)
        return read_inspected(self.original, self.result)

    def network_search(self) -> NetworkSearch:
        """Return where the network of the record may be."""
        return NetworkSearch(recent_files(), self.network)

    def add(self, plan: "LayerPlan") -> Layer:
        """Add a layer above the result, which stays selected."""
        layers, result = self._viewer.layers, self.result
        selected = set(layers.selection)
        layer = Layer.create(plan.data, plan.meta, plan.kind)
        at = layers.index(result) + 1 if result in layers else len(layers)
        # napari selects what is added; the dock is not to follow there.
        with self._by_itself():
            layers.insert(at, layer)
            restore_selection(layers, selected)
        if plan.spans and self.original is not None:
            mark_made_of(self.original, layer)
            cover(layers, self.original, layer)
        if plan.contrast_range is not None:
            low, high = layer.contrast_limits
            first, last = plan.contrast_range
            layer.contrast_limits_range = (min(low, first), max(high, last))
        self.follow()
        return layer

    def hide_maps(self) -> None:
        """Hide the trust maps that are shown: two over each other would be read as one."""
        for layer in self._viewer.layers:
            if MAP_KEY in layer.metadata:
                layer.visible = False

    def _offered_results(self, _: object = None) -> list[tuple[str, Layer]]:
        """Return the layers with a record."""
        return [
            (layer.name, layer) for layer in self._viewer.layers if RECORD_KEY in layer.metadata
        ]

    def _offered_originals(self, _: object = None) -> list[tuple[str, Layer]]:
        """Return the images that are neither the result nor a map."""
        result = self._view.result.value
        images = [x for x in self._viewer.layers if isinstance(x, Image) and not is_live(x)]
        return [
            (layer.name, layer)
            for layer in images
            if MAP_KEY not in layer.metadata and (result is None or layer != result)
        ]

    def _on_result(self, _: object) -> None:
        """Take the result that the user chose."""
        if not self._is_choosing:
            self._find_original()

    def _on_original(self, original: Layer | None) -> None:
        """Take the original that the user chose."""
        if not self._is_choosing:
            self._take(original)

    def _find_original(self) -> None:
        """Find the original of another result; keep the user's choice for the same one."""
        result, chooser = self._view.result.value, self._view.original
        with self._by_itself():
            chooser.reset_choices()
        known = [layer for _, layer in self._offered_originals()]
        same = _is_same(result, self.result) and any(_is_same(self.original, x) for x in known)
        keeps = same and self.original is not None
        original = self.original if keeps else self._found(result)
        with self._by_itself():
            chooser.value = original
        self._take(original)

    def _found(self, result: Layer | None) -> Layer | None:
        """Return the image that a result was made from, if it is here."""
        self.missing = NO_RESULT if result is None else ""
        if result is None:
            return None
        try:
            Record.of(result.metadata)
        except MicroEnhanceError:
            # A damaged record cannot say; the section "Record" tells what is wrong with it.
            self.missing = NO_ORIGINAL
            return None
        try:
            return pair_of(self._viewer, result)[0]
        except ImageError as error:
            self.missing = str(error)
            return None

    def _take(self, original: Layer | None) -> None:
        """Take over a pair if it is another one."""
        result = self._view.result.value
        if not (_is_same(self.result, result) and _is_same(self.original, original)):
            self.result, self.original, self.network = result, original, None
            self.changed.emit()

    @contextmanager
    def _by_itself(self) -> Iterator[None]:
        """Mark choices made meanwhile as ours, not the user's."""
        before, self._is_choosing = self._is_choosing, True
        try:
            yield
        finally:
            self._is_choosing = before


def _is_same(a: Layer | None, b: Layer | None) -> bool:
    """Compare two layers, either of which may be a proxy or None."""
    return a is b or (a is not None and b is not None and bool(a == b))
