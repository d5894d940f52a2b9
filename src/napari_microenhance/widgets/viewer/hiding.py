"""Which layer hides which: an image that a result spans is shown again when the result goes."""

from typing import TYPE_CHECKING, Any, Final

from napari_microenhance.widgets.viewer.layer_values import bare

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Layer
    from napari.utils.events import Event

__all__ = ["COVER_KEY", "cover", "mark_made_of", "place_over"]

COVER_KEY: Final = "napari-microenhance-cover"
"""Key in a layer's metadata of the image that it was made of, and of the layers that it hides."""


def mark_made_of(image: "Layer", layer: "Layer") -> None:
    """Note which image a layer was made of.

    Parameters
    ----------
    image, layer : napari.layers.Layer
    """
    layer.metadata[COVER_KEY] = {"image": str(image.unique_id), "spans": False, "hides": []}


def place_over(layers: "LayerList", image: "Layer") -> int:
    """Return where a new layer goes: directly above its image and what was made of that before.

    Below an older result, nothing would seem to happen.

    Parameters
    ----------
    layers : napari.components.LayerList
    image : napari.layers.Layer
        On top of all others, if it is not among them any more.
    """
    if image not in layers:
        return len(layers)
    shown = (layers.index(one) for one in made_of(layers, image) if one.visible)
    return int(1 + max([layers.index(image), *shown]))


def cover(layers: "LayerList", image: "Layer", layer: "Layer") -> None:
    """Hide an image, and earlier layers that span it, below one that spans it too.

    What is hidden is shown again when the layer is removed, unless another one hides it.

    Parameters
    ----------
    layers : napari.components.LayerList
    image : napari.layers.Layer
    layer : napari.layers.Layer
        Marked as made of the image.
    """
    note = layer.metadata[COVER_KEY]
    note["spans"] = True
    earlier = [one for one in made_of(layers, image) if _note_of(one)["spans"]]
    for one in (bare(image), *earlier):
        if one is not bare(layer) and one.visible:
            one.visible = False
            note["hides"].append(str(one.unique_id))
    # One function for all: connected once, after those who end comparisons of a layer that goes.
    layers.events.removed.connect(_on_removed)


def made_of(layers: "LayerList", image: "Layer") -> "list[Layer]":
    """Return the layers that were made of an image."""
    wanted = str(image.unique_id)
    return [bare(one) for one in layers if _note_of(one).get("image") == wanted]


def _note_of(layer: "Layer") -> dict[str, Any]:
    """Return what was noted in a layer, if anything."""
    note: dict[str, Any] = layer.metadata.get(COVER_KEY, {})
    return note


def _on_removed(event: "Event") -> None:
    """Show what a layer hid, or leave it to the layer that hid that one."""
    layers, gone = event.source, str(event.value.unique_id)
    hidden = _note_of(event.value).get("hides", ())
    kept: set[str] = set()
    for note in filter(None, map(_note_of, layers)):
        if gone in note["hides"]:
            note["hides"].remove(gone)
            note["hides"].extend(hidden)
        kept.update(note["hides"])
    for layer in layers:
        if str(layer.unique_id) in {*hidden} - kept:
            layer.visible = True
