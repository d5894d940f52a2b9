"""What a run needs from an image layer, and where its result belongs in the viewer.

A layer is read once, on the main thread, into frozen values; the worker sees only
those. Arrays are handed on as they are, never copied here.
"""

import contextlib
import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.utils.transforms import Affine

from napari_microenhance.engine.reports.report import RECORD_KEY
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import AxesError, MicroEnhanceError
from napari_microenhance.images.image_formats import read_image as read_file
from napari_microenhance.records.image_input import ImageInput

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Image, Layer

    from napari_microenhance.engine.cautions import Caution

__all__ = ["HELPER_KEY", "RECORD_KEY", "ImageSource", "LayerPlacement", "axes_of", "place"]

_LETTERS = {
    "t": "T",
    "time": "T",
    "frame": "T",
    "frames": "T",
    "z": "Z",
    "depth": "Z",
    "slice": "Z",
    "c": "C",
    "ch": "C",
    "channel": "C",
    "channels": "C",
}
HELPER_KEY = "microenhance-helper"
"""Key in the metadata of layers with a record that are no choice for a run: previews."""

_PLUGIN = "napari-microenhance"
_STACK_AXES = "TCZ"
_UNNAMED = {1: "Z", 2: "TZ", 3: "TCZ"}

FloatArray = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class LayerPlacement:
    """Where an array lies in the world: everything napari composes it from.

    Parameters
    ----------
    scale, translate : ndarray, shape (ndim,), float64
    rotate, shear : ndarray
        As the layer gives them.
    affine : ndarray, shape (ndim + 1, ndim + 1), float64
        The extra transform from physical to world coordinates.
    units : tuple of pint.Unit
    axis_labels : tuple of str
    """

    scale: FloatArray
    translate: FloatArray
    rotate: FloatArray
    shear: FloatArray
    affine: FloatArray
    units: tuple[Any, ...]
    axis_labels: tuple[str, ...]

    def to_kwargs(self) -> dict[str, Any]:
        """Return the keyword arguments of a napari layer that lies here."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def holds(self, layer: "Layer") -> bool:
        """Return whether a layer lies here too."""
        other = read_placement(layer)
        ndim = len(self.scale)
        if len(other.scale) != ndim or other.units != self.units:
            return False
        names = ("scale", "translate", "rotate", "affine")
        same = (np.allclose(getattr(self, n), getattr(other, n)) for n in names)
        sheared = np.allclose(_shear_matrix(self.shear, ndim), _shear_matrix(other.shear, ndim))
        return bool(sheared) and all(same)


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSource:
    """An image layer as the engine and the result layer need it.

    Parameters
    ----------
    name : str
    data : array-like
        Level 0 of a multiscale layer; lazy arrays stay lazy.
    axes : str
        One letter per array dimension, such as "ZYX" or "YXC".
    rgb : bool
        Whether the last dimension is colour and no dimension of the layer.
    placement : LayerPlacement
    look : mapping
        Colormap, contrast limits, gamma, blending and interpolation as keyword arguments.
    contrast_range : tuple of float
        Ends of the contrast slider.
    path : Path or None
        Of the file that this package read it from: what is to be said about the file holds.
    coarser : tuple of array-like
        The lower resolutions of a multiscale layer.
    """

    name: str
    data: Any
    axes: str
    rgb: bool
    placement: LayerPlacement
    look: Mapping[str, Any]
    contrast_range: tuple[float, float]
    path: Path | None = None
    coarser: tuple[Any, ...] = ()

    @property
    def is_blended(self) -> bool:
        """Whether a part laid over the image does not simply hide what it lies over."""
        return str(self.look.get("blending", "")) not in ("", "translucent", "translucent_no_depth")

    @property
    def pixel_size_um(self) -> float | None:
        """Edge of a pixel, micrometres; None where the layer has no unit of length."""
        lengths = zip(self.placement.scale[-2:], self.placement.units[-2:], strict=True)
        sizes = [
            float((1.0 * unit).to("micrometer").magnitude) * abs(float(scale))
            for scale, unit in lengths
            if (1.0 * unit).check("[length]")
        ]
        return math.prod(sizes) ** 0.5 if len(sizes) == 2 else None

    def to_input(self) -> ImageInput:
        """Return the image as `enhance` takes it, with what its file says; any thread."""
        notes: tuple[Caution | str, ...] = ()
        if self.path is not None:
            # The file may be gone; the pixels are here.
            with contextlib.suppress(MicroEnhanceError):
                notes = tuple(read_file(self.path, axes=None).notes)
        source = Source(self.data, self.axes)
        return ImageInput(source, notes, pixel_size_um=self.pixel_size_um)

    @property
    def ndim(self) -> int:
        """Dimensions of the layer, colour not counted."""
        return len(self.axes) - self.rgb

    @property
    def spatial_shape(self) -> tuple[int, int]:
        """(Y, X), px."""
        y, x = self.data.shape[self.ndim - 2 : self.ndim]
        return int(y), int(x)

    def plane_number(self, plane: Sequence[int], *, depth: bool) -> int | None:
        """Return a plane's number as `Options.planes` counts it.

        Parameters
        ----------
        plane : sequence of int
            Index along each axis before y and x.
        depth : bool
            Whether z is an axis of planes; a network of volumes takes it whole.

        Returns
        -------
        int or None
            None without axes of planes.
        """
        letters = "TZ" if depth else "T"
        kept = [i for i, letter in enumerate(self.axes[: self.ndim - 2]) if letter in letters]
        if not kept:
            return None
        lengths = [int(self.data.shape[i]) for i in kept]
        return int(np.ravel_multi_index([plane[i] for i in kept], lengths))


def bare(layer: "Layer") -> "Layer":
    """Return the layer behind the proxy that napari gives to plugins.

    napari's own methods unwrap their arguments; its free functions compare identities.
    """
    unwrapped: Layer = getattr(layer, "__wrapped__", layer)
    return unwrapped


def is_result(layer: "Layer") -> bool:
    """Return whether a run of ours made a layer."""
    return RECORD_KEY in layer.metadata


def level_zero(layer: "Layer") -> Any:  # noqa: ANN401 - any array-like
    """Return the array of a layer, of a multiscale layer its finest level.

    Of one part of several, without the pixels of the others that it shows.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    return getattr(data, "alone", data)


def axes_of(layer: "Image") -> str:
    """Name the axes of an image layer's array.

    The last two dimensions are Y and X, as napari shows them. The axis labels name the
    ones before where they say t, z or c; else these are stacks of planes.

    Parameters
    ----------
    layer : napari.layers.Image

    Returns
    -------
    str
        One letter of "TCZYX" per array dimension.

    Raises
    ------
    AxesError
        If the layer has more stack axes than there are letters.
    """
    free = [a for a in _STACK_AXES if not (layer.rgb and a == "C")]
    lead: list[str] = []
    for label in layer.axis_labels[: layer.ndim - 2]:
        letter = _LETTERS.get(str(label).strip().lower(), "")
        lead.append(letter if letter in free and letter not in lead else "")
    unnamed = [i for i, letter in enumerate(lead) if not letter]
    left = [a for a in free if a not in lead]
    if len(unnamed) > len(left):
        raise AxesError(
            f"Image layer {layer.name!r} has {layer.ndim - 2} axes before y and x; at most "
            f"{len(free)} are supported ({', '.join(free)})."
        )
    # A plain stack is planes, not channels, unless time and depth are spoken for.
    wished = [a for a in _UNNAMED.get(len(unnamed), "") if a in left]
    if len(wished) < len(unnamed):
        wished = sorted(sorted(left, key="ZTC".index)[: len(unnamed)], key=_STACK_AXES.index)
    for i, letter in zip(unnamed, wished, strict=True):
        lead[i] = letter
    return "".join(lead) + "YX" + ("C" if layer.rgb else "")


def read_placement(layer: "Layer") -> LayerPlacement:
    """Return where a layer lies, detached from the layer."""
    return LayerPlacement(
        scale=np.array(layer.scale, float),
        translate=np.array(layer.translate, float),
        rotate=np.array(layer.rotate, float),
        shear=np.array(layer.shear, float),
        affine=np.array(layer.affine.affine_matrix, float),
        units=tuple(layer.units),
        axis_labels=tuple(layer.axis_labels),
    )


def read_image(layer: "Image") -> ImageSource:
    """Read what a run needs from an image layer; main thread only, no pixel is touched.

    Raises
    ------
    AxesError
        If the layer has more stack axes than can be named.
    """
    return ImageSource(
        name=str(layer.name),
        data=level_zero(layer),
        axes=axes_of(layer),
        rgb=bool(layer.rgb),
        placement=read_placement(layer),
        look={
            "colormap": layer.colormap.model_dump(),
            "contrast_limits": tuple(float(v) for v in layer.contrast_limits),
            "gamma": float(layer.gamma),
            "blending": str(layer.blending),
            "interpolation2d": str(layer.interpolation2d),
        },
        contrast_range=(
            float(layer.contrast_limits_range[0]),
            float(layer.contrast_limits_range[1]),
        ),
        path=Path(layer.source.path) if _is_read_by_us(layer) else None,
        coarser=tuple(layer.data[1:]) if layer.multiscale else (),
    )


def _is_read_by_us(layer: "Layer") -> bool:
    """Return whether a layer came from a file through this package's reader."""
    return bool(layer.source.path) and layer.source.reader_plugin == _PLUGIN


def place(
    placement: LayerPlacement, start: Sequence[float], factor: Sequence[float] | float = 1.0
) -> LayerPlacement:
    """Return where a part of an image lies that has its own pixel size.

    Parameters
    ----------
    placement : LayerPlacement
        Of the whole image.
    start : sequence of float
        First pixel of the part, image px, one per layer dimension.
    factor : float or sequence of float
        Pixels of the part per image pixel. Pixel centres are at whole numbers, so a
        finer part begins before the centre of the pixel it begins with.

    Returns
    -------
    LayerPlacement
    """
    ndim = len(placement.scale)
    per_axis = np.broadcast_to(np.asarray(factor, float), (ndim,))
    origin = np.asarray(start, float) + (1 / per_axis - 1) / 2
    to_physical = Affine(
        scale=placement.scale,
        translate=placement.translate,
        rotate=placement.rotate,
        shear=placement.shear,
        ndim=ndim,
    )
    return dataclasses.replace(
        placement,
        scale=placement.scale / per_axis,
        translate=np.asarray(to_physical(origin), float),
    )


def place_in(layers: "LayerList", below: "Layer | None") -> int:
    """Return where a new layer goes: below another, else on top."""
    return int(layers.index(below)) if below is not None and below in layers else len(layers)


def restore_selection(layers: "LayerList", selected: Iterable["Layer"]) -> None:
    """Select what was selected before a layer of ours came."""
    layers.selection.clear()
    layers.selection.update({layer for layer in selected if layer in layers})


def part_of(placement: LayerPlacement, keep: Sequence[int]) -> LayerPlacement:
    """Return the placement along some axes only, the others cut away."""
    ndim = len(placement.scale)
    axes = np.ix_(keep, keep)
    affine = np.eye(len(keep) + 1)
    affine[:-1, :-1] = placement.affine[axes]
    affine[:-1, -1] = placement.affine[list(keep), -1]
    return LayerPlacement(
        scale=placement.scale[list(keep)],
        translate=placement.translate[list(keep)],
        rotate=placement.rotate[axes],
        shear=_shear_matrix(placement.shear, ndim)[axes],
        affine=affine,
        units=tuple(placement.units[i] for i in keep),
        axis_labels=tuple(placement.axis_labels[i] for i in keep),
    )


def mixes(placement: LayerPlacement, keep: Sequence[int]) -> bool:
    """Return whether a transform turns the kept axes into others or the other way round."""
    ndim = len(placement.scale)
    kept = np.isin(np.arange(ndim), keep)
    across = kept[:, None] != kept[None, :]
    matrices = (
        placement.rotate,
        _shear_matrix(placement.shear, ndim),
        placement.affine[:-1, :-1],
    )
    return any(np.abs(matrix[across]).max(initial=0) > 1e-12 for matrix in matrices)


def _shear_matrix(shear: FloatArray, ndim: int) -> FloatArray:
    """Return a shear as a matrix; napari gives an upper one as its row-wise triangle."""
    if shear.ndim == 2:
        return shear
    matrix = np.eye(ndim)
    matrix[np.triu_indices(ndim, 1)] = shear
    return matrix
