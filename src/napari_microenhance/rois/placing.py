"""Placing: regions of interest on the planes and pixels of one image."""

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.engine.filling import checked_vertices, fill_polygon
from napari_microenhance.engine.region import Region
from napari_microenhance.engine.selection import Indices, PlacedPixels, Selection
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import RoiError
from napari_microenhance.rois.frame import frame_caution
from napari_microenhance.rois.region_of_interest import FLAT, Planes, Roi

__all__ = ["PlacedRoi", "PlacedRois", "indices_in", "pieces", "place"]

TOUCHING: Final = 3
"""Edge of the square in which pixels of a mask belong together."""


@dataclasses.dataclass(frozen=True, eq=False)
class PlacedRoi:
    """An ROI with the indices of an image that it counts for.

    Parameters
    ----------
    roi : Roi
    indices : mapping of str to tuple of int
        Axis letter -> indices; an absent letter stands for all.
    """

    roi: Roi
    indices: Indices


@dataclasses.dataclass(frozen=True, eq=False)
class PlacedRois:
    """What regions of interest select of an image.

    Parameters
    ----------
    selection : Selection
    rois : tuple of PlacedRoi
        Those that count.
    cautions : tuple of Caution
        One sentence for everything that was left out or interpreted.
    """

    selection: Selection
    rois: tuple[PlacedRoi, ...]
    cautions: tuple[Caution, ...] = ()


def place(
    rois: Sequence[Roi], source: Source, *, stack_notes: Sequence[Caution] = ()
) -> PlacedRois:
    """Return the pixels and planes of an image that regions of interest select.

    Where the image has one plane, planes of an ROI are ignored. An ROI on a plane that the
    image does not have is left out, and that is said.

    Parameters
    ----------
    rois : sequence of Roi
    source : Source
    stack_notes : sequence of Caution
        To be said where the image has several planes.

    Raises
    ------
    RoiError
        If nothing is selected, or a mask does not fit the image.
    """
    axes = _Axes(source)
    placed, beyond, unknown = [], list[str](), Counter[str]()
    for roi in rois:
        indices = axes.indices(roi.planes, unknown)
        if all(indices.values()):
            placed.append(PlacedRoi(roi, indices))
        else:
            beyond += [axes.beyond(roi.planes)]
    said = [*_beyond(beyond, len(rois), axes), *unknown]
    if not placed:
        raise RoiError(said[0] if said else "The ROI is empty; draw one over the image.")
    said += _one_channel(placed)
    cautions = [*_frame(placed, source), *(Caution("roi-planes", text) for text in said)]
    cautions += stack_notes if axes.planes else []
    return PlacedRois(_selection(placed, source, axes), tuple(placed), tuple(cautions))


def _frame(placed: Sequence[PlacedRoi], source: Source) -> list[Caution]:
    """Say which polygons do not lie in the image; raise where nothing else is there."""
    height, width = source.spatial_shape[-2:]
    polygons = [
        checked_vertices(one.roi.vertices, number)
        for number, one in enumerate(placed, start=1)
        if one.roi.vertices is not None
    ]
    found, all_outside = frame_caution(polygons, (height, width))
    if found and all_outside and len(polygons) == len(placed):
        why = f"{found.text[0].lower()}{found.text[1:]}"
        raise RoiError(f"The ROI selects no pixel of the image: {why}")
    return [found] if found else []


def indices_in(planes: Planes, source: Source) -> Indices | None:
    """Return the indices of an image that planes of an ROI name; None where it has none of them.

    Parameters
    ----------
    planes : mapping of str to tuple of int
        As of a `Roi`.
    source : Source
    """
    indices = _Axes(source).indices(planes, Counter())
    return indices if all(indices.values()) else None


def _selection(placed: Sequence[PlacedRoi], source: Source, axes: "_Axes") -> Selection:
    """Return the union of regions, each on its own planes."""
    *depth, height, width = source.spatial_shape
    plane = (height, width)
    polygons = [one.roi.vertices for one in placed if not one.roi.is_mask]
    outlined = len(polygons) == len(placed)
    if outlined and not any(one.indices for one in placed):
        region = Region.from_polygons([p for p in polygons if p is not None], plane)
        return Selection.everywhere(region.swept(depth[0]) if depth else region)
    parts = [
        part
        for number, one in enumerate(placed, start=1)
        for part in _parts(one, number, source, axes)
    ]
    selection = _placed(parts, source)
    if not outlined:
        return selection
    return dataclasses.replace(
        selection,
        vertices=tuple(np.asarray(p, np.float64) for p in polygons),
        indices=tuple(one.indices for one in placed),
    )


def _placed(parts: Sequence[PlacedPixels], source: Source) -> Selection:
    """Return the union of pixels, each on its own planes of an image."""
    planes = {source.axes[a]: source.shape[a] for a in source.plane_axes}
    return Selection.placed(parts, source.spatial_shape, planes, channels=source.channels)


def _parts(one: PlacedRoi, number: int, source: Source, axes: "_Axes") -> Iterator[PlacedPixels]:
    """Yield the pixels of one ROI, plane by plane where its mask has planes of its own."""
    height, width = source.spatial_shape[-2:]
    if one.roi.vertices is not None:
        found = fill_polygon(checked_vertices(one.roi.vertices, number), (height, width))
        if found is not None:
            yield PlacedPixels(*found, one.indices)
        return
    mask = checked_mask(one.roi.shape)
    letters = axes.of_mask(mask.shape, one.indices)
    lengths = zip(letters, mask.shape, strict=False)
    ranges = [one.indices.get(letter, tuple(range(n))) for letter, n in lengths]
    for index in itertools.product(*ranges):
        inside = mask[index] != 0
        if inside.any():
            tight = Region.from_mask(inside)
            own = {a: (i,) for a, i in zip(letters, index, strict=True)}
            known = {a: i for a, i in one.indices.items() if a not in own}
            yield PlacedPixels(tight.box, tight.mask, {**known, **own})


def pieces(placement: PlacedRois, source: Source) -> Iterator[tuple[str, Selection]]:
    """Yield what regions of interest are made of: polygons, labels, or pieces of a mask.

    Parameters
    ----------
    placement : PlacedRois
    source : Source
        The image that it belongs to.

    Yields
    ------
    tuple of str and Selection
        The number of a polygon, or the value of a label, and its pixels. Polygons beside the
        image are left out.
    """
    axes = _Axes(source)
    for number, one in enumerate(placement.rois, start=1):
        if one.roi.is_mask:
            for value, parts in _labels(one, axes):
                yield str(value), _placed(parts, source)
        elif parts := [part for part in _parts(one, number, source, axes) if not part.is_empty]:
            yield str(number), _placed(parts, source)


def _labels(one: PlacedRoi, axes: "_Axes") -> Iterator[tuple[int, list[PlacedPixels]]]:
    """Yield the pixels of each label, or of each connected piece of a mask without labels."""
    from scipy import ndimage

    labels = one.roi.shape
    letters = axes.of_mask(labels.shape, one.indices)
    if labels.dtype.kind == "b":
        labels, _ = ndimage.label(labels, np.ones((TOUCHING,) * labels.ndim))
    values, numbers = np.unique(labels, return_inverse=True)
    found = ndimage.find_objects(numbers.reshape(labels.shape) + 1)
    for value, place in zip(values.tolist(), found, strict=True):
        if value:
            inside = labels[place] == value
            *lead, rows, columns = place
            box = ((rows.start, rows.stop), (columns.start, columns.stop))
            parts = []
            for index in np.ndindex(*inside.shape[:-2]):
                own = {a: (s.start + i,) for a, s, i in zip(letters, lead, index, strict=True)}
                if all(i[0] in one.indices.get(a, i) for a, i in own.items()):
                    parts.append(PlacedPixels(box, inside[index], {**one.indices, **own}))
            if not all(part.is_empty for part in parts):
                yield value, parts


def checked_mask(mask: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a mask of numbers that can be one, or raise."""
    if mask.dtype.kind not in "biu":
        raise RoiError(f"An ROI mask must be boolean or whole numbers, not {mask.dtype}.")
    return mask


class _Axes:
    """The axes of an image along which an ROI can have its place."""

    def __init__(self, source: Source) -> None:
        axes = source.axes[:-1] if source.is_colour else source.axes
        self._source = source
        self._lengths = {a: source.shape[i] for i, a in enumerate(axes) if a not in "YX"}

    @property
    def planes(self) -> list[str]:
        """Letters of axes of more than one plane, channels apart."""
        return [a for a, n in self._lengths.items() if n > 1 and a != "C"]

    def indices(self, planes: Planes, unknown: Counter[str]) -> Indices:
        """Return the indices of the image that an ROI counts for, empty for one beyond it.

        Parameters
        ----------
        planes : mapping
            Of the ROI.
        unknown : Counter
            Counts sentences for what the image has no axis for.
        """
        found: dict[str, tuple[int, ...]] = {}
        napari = [axis for axis in planes if axis.startswith("-")]
        letters = self._counted_from_last(len(napari))
        for axis, given in planes.items():
            if axis == FLAT:
                found |= self._unravelled(given)
            else:
                letter = letters.get(axis, axis)
                if self._lengths.get(letter, 1) > 1:
                    found[letter] = tuple(i for i in given if i < self._lengths[letter])
                elif any(given) and self.planes and axis not in letters:
                    found |= self._elsewhere(axis, given, planes, unknown)
        return found

    def _counted_from_last(self, count: int) -> dict[str, str]:
        """Return which letters napari's axes before Y and X stand for."""
        # napari shows channels as layers of their own, or as an axis like others.
        every = list(self._lengths)
        lead = every if count == len(every) else [a for a in every if a != "C"]
        return {f"-{n}": letter for n, letter in enumerate(reversed(lead), start=3)}

    def _unravelled(self, given: Sequence[int]) -> dict[str, tuple[int, ...]]:
        """Return the indices of a position in the stack, channels first, then Z, then T."""
        order = [a for a in "CZT" if self._lengths.get(a, 1) > 1]
        if not order:
            return {}
        lengths = [self._lengths[a] for a in order]
        inside = [i for i in given if i < math.prod(lengths)]
        if not inside:
            return dict.fromkeys(order, ())
        places = np.unravel_index(inside, lengths, order="F")
        return {a: tuple(sorted(set(p.tolist()))) for a, p in zip(order, places, strict=True)}

    def _elsewhere(
        self, axis: str, given: Sequence[int], planes: Planes, unknown: Counter[str]
    ) -> dict[str, tuple[int, ...]]:
        """Return where an ROI counts whose axis the image does not have."""
        (*others, only) = self.planes
        if axis in "TZ" and not others and only not in planes:
            unknown[
                f"ROIs give a position along {axis}; it was applied to the image's only axis "
                f"of planes, {only}."
            ] += 1
            return {only: tuple(i for i in given if i < self._lengths[only])}
        unknown[f"ROIs give a position along {_column(axis, planes)}, which the image does "
            "not have; it was ignored."] += 1  # fmt: skip
        return {}

    def beyond(self, planes: Planes) -> str:
        """Return the place of an ROI that lies beyond the stack, such as "Z=8"."""
        letters = self._counted_from_last(sum(axis.startswith("-") for axis in planes))
        words = []
        for axis, given in planes.items():
            name = letters.get(axis) or _column(axis, planes)
            words.append(f"{name}={', '.join(map(str, given))}")
        return " ".join(words)

    @property
    def extent(self) -> str:
        """What planes there are, such as "Z 0 to 4"."""
        return ", ".join(f"{a} 0 to {n - 1}" for a, n in self._lengths.items() if n > 1)

    def of_mask(self, shape: Sequence[int], indices: Indices) -> str:
        """Return the letters of a mask's axes before Y and X, apart from those with indices.

        Raises
        ------
        RoiError
            If it does not fit, or fits in several ways.
        """
        every = {a: n for a, n in self._lengths.items() if a not in indices}
        plane = self._source.spatial_shape[-2:]
        fits = [
            letters
            for count in range(len(every) + 1)
            for letters in itertools.combinations(every, count)
            if tuple(shape) == (*(every[a] for a in letters), *plane)
        ]
        full = tuple(every[a] for a in every)
        if not fits:
            expected = [plane, (*full, *plane)] if full else [plane]
            raise RoiError(
                f"The ROI mask has shape {tuple(shape)}, the image "
                f"{' or, with its planes, '.join(map(str, expected))}."
            )
        if len(fits) > 1:
            raise RoiError(
                f"The ROI mask of shape {tuple(shape)} fits the axes "
                f"{' and '.join(''.join(f) + 'YX' for f in fits)} of the image; give it all "
                f"axes, shape {(*full, *plane)}."
            )
        return "".join(fits[0])


def _one_channel(placed: Sequence[PlacedRoi]) -> list[str]:
    """Say how many ROIs leave channels as they are."""
    found = [one.indices["C"] for one in placed if "C" in one.indices]
    if not found:
        return []
    channels = ", ".join(map(str, sorted({c for indices in found for c in indices})))
    return [
        f"{len(found)} of {len(placed)} ROIs apply to some channels only (C={channels}); the "
        "other channels are unchanged."
    ]


def _column(axis: str, planes: Planes) -> str:
    """Return an axis as users know it: one counted from the last as napari's tables call it."""
    if not axis.startswith("-"):
        return axis
    first = min(int(name) for name in planes if name.startswith("-"))
    return f"axis-{int(axis) - first}"


def _beyond(beyond: Sequence[str], count: int, axes: _Axes) -> list[str]:
    """Say how many ROIs lie on planes that the image does not have."""
    if not beyond:
        return []
    places = ", ".join(dict.fromkeys(beyond))
    return [
        f"{len(beyond)} of {count} ROIs lie on planes that the image does not have ({places}; it "
        f"has {axes.extent}) and were left out."
    ]
