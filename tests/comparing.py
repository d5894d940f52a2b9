"""What tests of the comparing modes share: an image beside its result, and a viewer's state."""

import numpy as np
from napari.layers import Image

from napari_microenhance.engine.reports.report import fingerprint
from napari_microenhance.widgets.viewer.layer_values import RECORD_KEY, place, read_placement

WAIT_MS = 20_000
STATES = {
    "Image": ("contrast_limits", "contrast_limits_range", "gamma", "colormap", "interpolation2d"),
    "Layer": ("name", "visible", "opacity", "blending", "mode", "scale", "translate", "metadata"),
}
TURNED = {"scale": (0.5, 0.7), "rotate": 25, "translate": (3, -9), "units": ("um", "um")}


def record(image, **more):
    data = image.data[0] if image.multiscale else image.data
    about = {"shape": list(data.shape), "dtype": str(data.dtype), "sha256": fingerprint(data)}
    empty = ("model", "provider", "versions", "roi", "options", "plan", "intensity")
    return {RECORD_KEY: {**{name: {} for name in empty}, "image": about, **more}}


def add_pair(viewer, data, enhanced, *, start=None, factor=1, **how):
    """Add an image and what stands for its result, as the dock widget places it."""
    rgb = bool(how.pop("rgb", False))
    image = viewer.add_image(data, name="cells", rgb=rgb, **how)
    lead = image.ndim - 2
    where = place(read_placement(image), start or (0,) * image.ndim, [1] * lead + [factor, factor])
    result = viewer.add_image(
        enhanced,
        name="cells · net",
        rgb=rgb,
        contrast_limits=None if rgb else (0, 99),
        colormap=None if rgb else "viridis",
        metadata=record(image),
        **where.to_kwargs(),
    )
    viewer.reset_view()
    return image, result


def plain(value):
    """Return a value that == compares."""
    if isinstance(value, np.ndarray | list):
        return np.asarray(value, float).tolist()
    return value.model_dump_json() if hasattr(value, "model_dump_json") else value


def state_of(viewer):
    """Return all of a viewer that a mode could leave altered."""
    layers = []
    for layer in viewer.layers:
        names = STATES["Layer"] + (STATES["Image"] if isinstance(layer, Image) else ())
        layers.append((id(layer), {name: repr(plain(getattr(layer, name))) for name in names}))
    camera, dims = viewer.scene.camera, viewer.dims
    return {
        "layers": layers,
        "data": [id(x.data) for x in viewer.layers if isinstance(x, Image) and not x.multiscale],
        "selected": sorted(map(id, viewer.layers.selection)),
        "active": id(viewer.layers.selection.active),
        "camera": (camera.center, camera.zoom, camera.angles, camera.mouse_pan, camera.mouse_zoom),
        "dims": (dims.ndim, dims.ndisplay, dims.order, dims.point, dims.range, dims.axis_labels),
        "grid": viewer.canvas.grid.model_dump(),
        "text": viewer.canvas.overlays.text.model_dump_json(),
        "cursor": viewer.cursor.style,
        "keys": {str(key): call for key, call in viewer.keymap.items()},
        "mouse": (list(viewer.mouse_drag_callbacks), list(viewer.mouse_move_callbacks)),
    }


def difference_layer(viewer, qtbot):
    """Wait for the layer of a difference to show something, and return it."""

    def look():
        found = [x for x in viewer.layers if x.name.endswith("(difference)")]
        return bool(found) and found[0].visible and found[0].data.size > 1

    qtbot.waitUntil(look, timeout=WAIT_MS)
    (layer,) = [x for x in viewer.layers if x.name.endswith("(difference)")]
    return layer
