"""A pair of layers: what is compared, and how the two are shown alike."""

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING

from napari.experimental import link_layers, unlink_layers
from napari.layers import Image

from napari_microenhance.api import Record

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_microenhance.widgets.compare.viewer_changes import ViewerChanges

__all__ = ["LINKED", "LayerPair"]

LINKED = ("contrast_limits", "gamma", "colormap")


@dataclasses.dataclass(frozen=True, eq=False)
class LayerPair:
    """An image and its result, as layers without napari's proxy.

    Parameters
    ----------
    original, result : napari.layers.Layer
    roi : napari.layers.Layer or None
        Stays visible.
    """

    original: "Layer"
    result: "Layer"
    roi: "Layer | None" = None

    @property
    def is_measurable(self) -> bool:
        """Whether the result holds an image too, not classes or their probabilities."""
        images = all(isinstance(layer, Image) for layer in (self.original, self.result))
        return images and not (self._record is not None and self._record.holds_labels)

    @property
    def linked(self) -> tuple[str, ...]:
        """What the two share while they are compared.

        A result in relative units may fill the range of its number type where the original
        fills a corner of it; one contrast for both would show one of them black or white.
        """
        alike = tuple(self.original.contrast_limits) == tuple(self.result.contrast_limits)
        relative = self._record is not None and self._record.spec.units == "relative"
        return LINKED[1:] if relative and not alike else LINKED

    @cached_property
    def _record(self) -> Record | None:
        """What the result carries about its run."""
        return Record.found_in(self.result.metadata)


def link(changes: "ViewerChanges", pair: LayerPair) -> None:
    """Show both alike, as far as that makes sense, until the changes are undone."""
    if not pair.is_measurable:
        return
    original, result, shared = pair.original, pair.result, pair.linked
    if shared is LINKED:
        (a, b), (c, d) = original.contrast_limits_range, result.contrast_limits_range
        # Limits beyond the range would widen it for good.
        changes.set(result, "contrast_limits_range", [min(a, c), max(b, d)])
    for name in shared:
        changes.set(result, name, getattr(original, name))
    fresh = link_layers((original, result), shared)
    names = frozenset(key[2] for key in fresh)
    if names:
        changes.callback(unlink_layers, (original, result), names)
