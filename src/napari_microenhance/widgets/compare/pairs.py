"""Pairs: which image a result was made from."""

from typing import TYPE_CHECKING

from napari.layers import Image

from napari_microenhance.api import Record
from napari_microenhance.engine.reports.report import fingerprint
from napari_microenhance.errors import ImageError
from napari_microenhance.widgets.viewer.layer_values import bare, level_zero
from napari_microenhance.widgets.viewer.live import is_live

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_microenhance.records.recorded import RecordedArray

__all__ = ["pair_of"]

_ORIGINAL_KEY = "napari-microenhance-original"


def remember(original: "Layer", result: "Layer") -> None:
    """Note in a result layer which layer it was made from, for as long as both are there."""
    result.metadata[_ORIGINAL_KEY] = str(original.unique_id)


def carries_record(layer: "Layer") -> bool:
    """Return whether a layer is the result of a run, by what its metadata say."""
    return Record.found_in(layer.metadata) is not None


def pair_of(viewer: "ViewerModel", layer: "Layer | None" = None) -> "tuple[Layer, Layer]":
    """Find a result and the image that it was made from.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    layer : napari.layers.Layer, optional
        A result, or an image that has results, of which the topmost counts. Of any other
        layer, and of None, it is the topmost result of all.

    Returns
    -------
    tuple of napari.layers.Layer
        The original and the result.

    Raises
    ------
    ImageError
        If there is no result, or its original is not among the layers.
    """
    layers = [bare(one) for one in viewer.layers if not is_live(one)]
    results = [one for one in layers if carries_record(one)]
    chosen = None if layer is None else bare(layer)
    if chosen in results:
        return _original_of(chosen, layers), chosen
    if not results:
        raise ImageError("There is no result to compare yet; press Run first.")
    for result in reversed(results if chosen in layers else []):
        if _known_original(result, layers) is chosen:
            return chosen, result
    return _original_of(results[-1], layers), results[-1]


def _known_original(result: "Layer", layers: "list[Layer]") -> "Layer | None":
    """Return the layer that a run of this session read."""
    wanted = result.metadata.get(_ORIGINAL_KEY)
    return next((one for one in layers if str(one.unique_id) == wanted), None)


def _original_of(result: "Layer", layers: "list[Layer]") -> "Layer":
    """Return the layer that a run read, if need be by its pixels or its name."""
    known = _known_original(result, layers)
    if known is not None:
        return known
    recorded = Record.of(result.metadata).report.image
    alike = [one for one in layers if one is not result and _is_alike(one, recorded)]
    digest = recorded.sha256
    prints = [fingerprint(level_zero(one)) if digest else None for one in alike]
    found = [one for one, own in zip(alike, prints, strict=True) if own and own == digest]
    # Lazy and very large images have no fingerprint; then the name has to do, or being alone.
    unknown = [one for one, own in zip(alike, prints, strict=True) if own is None]
    named = [one for one in unknown if _is_named(one, result)]
    found = found or named or (unknown if len(unknown) == 1 else [])
    if not found:
        raise ImageError(
            f"The original of {result.name!r} is not among the layers; open it to compare."
        )
    return found[-1]


def _is_alike(layer: "Layer", recorded: "RecordedArray") -> bool:
    """Return whether an image has the shape and number type of the recorded one."""
    if not isinstance(layer, Image):
        return False
    data = level_zero(layer)
    return tuple(data.shape) == recorded.shape and str(data.dtype) == recorded.dtype


def _is_named(layer: "Layer", result: "Layer") -> bool:
    """Return whether a result is called after an image."""
    return str(result.name).startswith(f"{layer.name} · ")
