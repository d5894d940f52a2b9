"""The layer that shows finished tiles while a run goes on."""

import math
from collections.abc import Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Layer

from napari_microenhance.widgets.viewer.full_extent import FullExtent
from napari_microenhance.widgets.viewer.hiding import COVER_KEY, cover, mark_made_of, place_over
from napari_microenhance.widgets.viewer.layer_values import (
    HELPER_KEY,
    RECORD_KEY,
    ImageSource,
    place,
    restore_selection,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_microenhance.widgets.viewer.results import LayerPlan

__all__ = ["EDGE_PX", "LIVE_KEY", "LiveLayer", "LiveTiles"]

EDGE_PX = 2048
"""A longer ROI is shown thinned: a screen holds no more, and each refresh uploads it all."""

KEPT_BYTES = 1 << 28
LIVE_KEY = "microenhance-live"
"""Key in the metadata of layers that come and go by themselves; they are no choice for a run."""

Box = Sequence[tuple[int, int]]
Key = int | slice | EllipsisType


class LiveTiles:
    """The pixels finished so far, shaped like the ROI's box; see-through elsewhere.

    An array-like that napari slices. Each plane gets its memory with its first tile, and
    the oldest planes give theirs back, so that a long stack costs no more than a short
    one. The worker writes while the main thread reads; half a tile may show for one
    refresh, which nobody sees.

    Parameters
    ----------
    box : sequence of (start, stop)
        Of the ROI, one range per layer dimension (colour not counted), image px.
    dtype : numpy.dtype
        Of the result.
    rgb : bool
        Whether tiles end in a colour axis; a pixel shows once its last colour is there.
    labels : bool
        Whether tiles hold labels: 0 is see-through then.

    Attributes
    ----------
    thinning : int
        Image pixels per pixel here, along y and x.
    tiles : int
        Tiles written so far.
    """

    def __init__(
        self, box: Box, dtype: np.dtype[Any], *, rgb: bool = False, labels: bool = False
    ) -> None:
        self.box = tuple((int(a), int(b)) for a, b in box)
        self.thinning = max(1, max(math.ceil((b - a) / EDGE_PX) for a, b in self.box[-2:]))
        lengths = [b - a for a, b in self.box]
        spatial = [math.ceil(n / self.thinning) for n in lengths[-2:]]
        self._plane_shape = (*spatial, 4) if rgb else tuple(spatial)
        self.rgb = rgb
        self.labels = labels
        self.shape = (*lengths[:-2], *self._plane_shape)
        # Not a number is see-through in every colormap; float32 holds all 16-bit values.
        self.dtype = np.dtype(dtype) if rgb or labels else np.dtype(np.float32)
        self._empty: Any = 0 if rgb or labels else np.nan
        # One value seen through a whole plane: it costs no memory, and no time to make.
        self._blank = np.broadcast_to(np.array(self._empty, self.dtype), self._plane_shape)
        self._planes: dict[tuple[int, ...], npt.NDArray[Any]] = {}
        self.tiles = 0
        if len(self.box) == 2:
            # The one plane there is; made here, the window's thread has no copy to make.
            self._plane(())

    @property
    def ndim(self) -> int:
        """Number of dimensions, colour counted."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def write(self, box: Box, pixels: npt.NDArray[Any]) -> None:
        """Take over one tile; any thread.

        Parameters
        ----------
        box : sequence of (start, stop)
            One range per dimension of `pixels`, image px; parts beyond the ROI's box
            are left out.
        pixels : ndarray, shape of the box
        """
        n = len(self.box)
        if pixels.ndim != n + self.rgb or pixels.shape != tuple(b - a for a, b in box):
            return  # not on the image's own grid: it is shown when it is whole
        cut = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(box[:n], self.box, strict=True)]
        if any(a >= b for a, b in cut):
            return
        steps = [1] * (n - 2) + [self.thinning] * 2
        take, put = [], []
        for (start, stop), (tile_start, _), (own_start, _), step in zip(
            cut, box[:n], self.box, steps, strict=True
        ):
            # The first row that a thinned picture shows is its multiple within the ROI.
            first = own_start + -(-(start - own_start) // step) * step
            if first >= stop:
                return
            take.append(slice(first - tile_start, stop - tile_start, step))
            put.append(slice((first - own_start) // step, -(-(stop - own_start) // step)))
        part = pixels[tuple(take)]
        for index in np.ndindex(*part.shape[: n - 2]):
            plane = self._plane(tuple(p.start + i for p, i in zip(put, index, strict=False)))
            target = plane[tuple(put[n - 2 :])]
            if not self.rgb:
                target[...] = part[index]
                continue
            first, last = box[n]
            target[..., first:last] = part[index]
            if last == 3:
                target[..., 3] = _opaque(self.dtype)
        self.tiles += 1

    def __getitem__(self, key: Key | tuple[Key, ...]) -> npt.NDArray[Any]:
        parts = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in parts:
            at = parts.index(Ellipsis)
            parts[at : at + 1] = [slice(None)] * (self.ndim - len(parts) + 1)
        parts += [slice(None)] * (self.ndim - len(parts))
        lead = len(self.box) - 2
        picks = [
            range(n)[p] if isinstance(p, slice) else [range(n)[int(p)]]  # type: ignore[arg-type]
            for p, n in zip(parts[:lead], self.shape, strict=False)
        ]
        within = tuple(parts[lead:])
        planes = [
            self._shown(tuple(p[i] for p, i in zip(picks, index, strict=True)))[within]
            for index in np.ndindex(*map(len, picks))
        ]
        if len(planes) == 1:
            stack = planes[0][(None,) * lead]
        else:
            blank = self._blank[within]
            stack = np.stack(planes) if planes else blank[None][:0]
            stack = stack.reshape(*map(len, picks), *blank.shape)
        drop = tuple(i for i, p in enumerate(parts[:lead]) if not isinstance(p, slice))
        return np.squeeze(stack, axis=drop)

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        return np.array(self[...], dtype=dtype, copy=copy)

    def _plane(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        """Return the memory of a plane, new where it has none."""
        if index not in self._planes:
            plane = np.full(self._plane_shape, self._empty, self.dtype)
            while self._planes and (len(self._planes) + 1) * plane.nbytes > KEPT_BYTES:
                self._planes.pop(next(iter(self._planes)))
            self._planes[index] = plane
        return self._planes[index]

    def _shown(self, index: tuple[int, ...]) -> npt.NDArray[Any]:
        """Return a plane to look at."""
        return self._planes.get(index, self._blank)


class LiveLayer:
    """Shows a `LiveTiles` over its image until the result takes its place; main thread only.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    source : ImageSource
    tiles : LiveTiles
    image : napari.layers.Layer
        What is enhanced.
    """

    def __init__(
        self, viewer: "ViewerModel", source: ImageSource, tiles: LiveTiles, image: Layer
    ) -> None:
        self._viewer = viewer
        self._source = source
        self._tiles = tiles
        self._image = image
        self._shown = 0
        self._layer: Layer | None = None
        self._is_over = False

    def add(self) -> None:
        """Add the layer and leave the user's selection as it is.

        Not once the run is over, and not to a volume: it would be built anew at each refresh.
        """
        if self._is_over or self._viewer.dims.ndisplay == 3:
            return
        source, tiles, layers = self._source, self._tiles, self._viewer.layers
        start = [a for a, _ in tiles.box]
        spans = source.is_blended and not tiles.labels and tiles.rgb == source.rgb
        levels: list[Any] = [tiles]
        factor = [1.0] * (len(start) - 2) + [1 / tiles.thinning] * 2
        if spans:
            below = (source.data, *source.coarser)
            levels = FullExtent(below, tiles, start, thinning=tiles.thinning).pyramid()
            start, factor = [0] * len(start), [1.0] * len(start)
        meta: dict[str, Any] = {
            **place(source.placement, start, factor).to_kwargs(),
            "name": f"{source.name} (tiles)",
            "metadata": {LIVE_KEY: True},
            "multiscale": len(levels) > 1,
        }
        if not tiles.labels:
            meta |= {**source.look, "rgb": tiles.rgb}
        data = levels if len(levels) > 1 else levels[0]
        layer = Layer.create(data, meta, "labels" if tiles.labels else "image")
        mark_made_of(self._image, layer)
        selected = set(layers.selection)
        layers.insert(place_over(layers, self._image), layer)
        restore_selection(layers, selected)
        if spans:
            cover(layers, self._image, layer)
        self._layer = layer

    def refresh(self) -> bool:
        """Show what came since the last call; False when there is nothing new."""
        tiles = self._tiles.tiles
        if tiles == self._shown or self._layer is None or self._layer not in self._viewer.layers:
            return False
        self._shown = tiles
        self._layer.refresh(thumbnail=False, highlight=False, extent=False)
        return True

    def become(self, plan: "LayerPlan") -> Layer | None:
        """Turn the layer of tiles into that of the result, if it can be done.

        It saves the window a pause: napari collects garbage when a layer goes.

        Returns
        -------
        napari.layers.Layer or None
            None: the result needs a layer of another kind, or there is no layer of tiles.
        """
        layer, tiles, meta = self._layer, self._tiles, plan.meta
        fits = (
            layer is not None
            and layer in self._viewer.layers
            and not layer.multiscale
            and not meta["multiscale"]
            and bool(meta.get("rgb")) == tiles.rgb
            and (plan.kind == "labels") == tiles.labels
            and len(meta["scale"]) == layer.ndim
        )
        if layer is None or not fits:
            return None
        self._layer = None
        layer.data = plan.data
        note = layer.metadata[COVER_KEY]
        for name in ("scale", "translate", "metadata", "name"):
            setattr(layer, name, meta[name])
        layer.metadata[COVER_KEY] = note
        if plan.kind == "image":
            layer.contrast_limits = meta["contrast_limits"]
        return layer

    def remove(self) -> None:
        """Take the layer out of the viewer; harmless when it is gone."""
        self._is_over = True
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = None


def is_live(layer: Layer) -> bool:
    """Return whether a layer comes and goes by itself, as that of a run's tiles."""
    return bool(layer.metadata.get(LIVE_KEY)) and RECORD_KEY not in layer.metadata


def is_preview(layer: Layer) -> bool:
    """Return whether a layer shows what a run would give in the visible part."""
    return bool(layer.metadata.get(HELPER_KEY)) and RECORD_KEY in layer.metadata


def is_helper(layer: Layer) -> bool:
    """Return whether a layer of ours is for looking at: no image and no ROI for a run."""
    return is_live(layer) or bool(layer.metadata.get(HELPER_KEY))


def _opaque(dtype: np.dtype[Any]) -> float:
    """Return the alpha of a pixel that hides what lies below."""
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0
