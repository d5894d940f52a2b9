"""Pixel classes: which values of a raster mark a region, and what looks wrong about them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import RoiError

__all__ = ["NAME", "chosen_classes", "coverage_caution"]

NAME = "roi-mask"
"""Of the cautions on rasters."""

VOID = 255
"""What the Pascal VOC data set, and many after it, give pixels that belong to no class."""

CLASSES_MOST = 50
"""Classes are numbered up to here where 255 stands for none of them."""

FEW = 20
"""A raster of so many values is one of classes, whatever they are."""

ALIKE = 0.5
"""Least share of neighbours of one value in a label image; a photograph has far less."""

NEARLY_ALL = 0.95
SHOWN = 6

Raster = npt.NDArray[np.generic]


def chosen_classes(
    pixels: Raster, labels: Sequence[int] | None, name: str
) -> tuple[npt.NDArray[np.generic], tuple[Caution, ...]]:
    """Return a raster with zeros where it marks nothing.

    Without a choice all but 0 counts; where -1 occurs it is the background; 255 beside
    classes of small numbers belongs to none of them.

    Parameters
    ----------
    pixels : ndarray of bool or numbers
    labels : sequence of int or None
        The values that count; None: as above.
    name : str
        How the sentences call the raster.

    Returns
    -------
    ndarray and tuple of Caution
        The values that count, others 0.

    Raises
    ------
    RoiError
        If it has no pixel of the values that were chosen, or marks nothing.
    """
    if pixels.dtype.kind == "b":
        if labels is not None and tuple(labels) != (1,):
            raise RoiError(f"{name} is a binary mask and has no labels to choose from.")
        return pixels, coverage_caution(pixels.astype(bool, copy=False), name)
    values, counts = np.unique(pixels, return_counts=True)
    if labels is not None:
        return _of_labels(pixels, labels, values, name)
    listed = _listed(values, counts)
    inside, cautions = _inside(pixels, values, listed, name)
    if not inside.any():
        only = _number(values[0])
        raise RoiError(
            f"{name} selects nothing: all its pixels are {only}, which counts as background."
        )
    cautions += _many_values(pixels, inside, values, name)
    if not cautions:
        few = f" (its values are {listed})" if len(values) <= FEW else ""
        cautions += coverage_caution(inside, name, few)
    if inside[pixels == 0].any():  # 0 is a label
        return inside, tuple(cautions)
    return np.where(inside, pixels, pixels.dtype.type(0)), tuple(cautions)


def _inside(
    pixels: Raster, values: Raster, listed: str, name: str
) -> tuple[npt.NDArray[np.bool_], list[Caution]]:
    """Return where a raster has a class, and what was taken for none."""
    background = -1 if values[0] == -1 else 0
    inside, cautions = pixels != background, []
    if background:
        said = f"{name} has values of -1, which were taken as background"
        if 0 in values:
            said += " (so its 0 counts as a label)"
        cautions.append(Caution(NAME, f"{said}; the values are {listed}."))
    others = values[(values != background) & (values != VOID)]
    if VOID in values and others.size and others.min() > 0 and others.max() <= CLASSES_MOST:
        inside &= pixels != VOID
        said = f"{name} has pixels of {VOID} beside its classes: its values are {listed}"
        cautions.append(Caution(NAME, f"{said}; {VOID} was taken as unlabelled and left out."))
    return inside, cautions


def coverage_caution(
    inside: npt.NDArray[np.bool_], name: str, values: str = ""
) -> tuple[Caution, ...]:
    """Say it where a mask selects all of an image, nearly all, or looks inverted.

    Parameters
    ----------
    inside : ndarray of bool, shape (..., Y, X)
    name : str
        How the sentence calls it.
    values : str
        What to add about its values, in brackets.
    """
    share = np.count_nonzero(inside) / inside.size
    choose = "choose classes with roi_label (--roi-label 1,3) or invert it" if values else (
        "if it is inverted, invert it"
    )  # fmt: skip
    if share == 1:
        said = f"{name} selects every pixel{values}; {choose}, or leave the ROI out."
    elif share > NEARLY_ALL:
        said = f"{name} selects {share:.1%} of the pixels{values}; {choose}."
    elif share > 0.5 and _border(inside).mean() > 0.99 and min(inside.shape[-2:]) > 2:
        said = (
            f"{name} selects {share:.0%} of the pixels and the image's border with them{values}; "
            "if it is inverted, invert it."
        )
    else:
        return ()
    return (Caution(NAME, said),)


def _of_labels(
    pixels: Raster, labels: Sequence[int], values: Raster, name: str
) -> tuple[Raster, tuple[Caution, ...]]:
    """Return a raster with zeros but where it has one of some values."""
    inside = np.isin(pixels, list(labels))
    missing = sorted(set(labels) - set(values.tolist()))
    if not inside.any():
        raise RoiError(
            f"{name} has no pixels of label {', '.join(map(str, missing))}; its values are "
            f"{_listed(values)}."
        )
    said = f"{name} has no pixels of label {', '.join(map(str, missing))}; the others are used."
    cautions = (Caution(NAME, said),) if missing else ()
    if 0 in labels:
        return inside, cautions
    return np.where(inside, pixels, pixels.dtype.type(0)), cautions


def _many_values(
    pixels: Raster, inside: npt.NDArray[np.bool_], values: Raster, name: str
) -> list[Caution]:
    """Say it where a raster has many values and is no label image."""
    if len(values) <= FEW and pixels.dtype.kind in "iu":
        return []
    if pixels.dtype.kind == "f" and len(values) <= FEW and (values == np.rint(values)).all():
        return []
    left, right = pixels[..., :-1], pixels[..., 1:]
    # Where both mark something, and neither is the largest value, as in a mask with soft edges.
    both = inside[..., :-1] & inside[..., 1:] & (left != values[-1]) & (right != values[-1])
    pairs = np.count_nonzero(both)
    alike = np.count_nonzero(both & (left == right)) / pairs if pairs else 1.0
    whole = pixels.dtype.kind in "iu"
    if whole and alike >= ALIKE:
        return []
    kind = "a photograph or a mask with soft edges" if whole else "a probability map"
    share = np.count_nonzero(inside) / inside.size
    return [
        Caution(
            NAME,
            f"{name} has {len(values):,} values from {_number(values[0])} to "
            f"{_number(values[-1])} and looks like {kind}, not like a label image; every "
            f"non-zero pixel counts, {share:.1%} of them.",
        )
    ]


def _border(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the pixels along the border of each plane."""
    sides = [inside[..., 0, :], inside[..., -1, :], inside[..., :, 0], inside[..., :, -1]]
    return np.concatenate([side.ravel() for side in sides])


def _listed(values: Raster, counts: npt.NDArray[np.int64] | None = None) -> str:
    """Return "1 (200 px), 2 (300 px)", the first ones of many."""
    numbers = [_number(value) for value in values[:SHOWN]]
    if counts is not None:
        numbers = [f"{n} ({c:,} px)" for n, c in zip(numbers, counts.tolist(), strict=False)]
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return f"{', '.join(numbers)}{more}"


def _number(value: object) -> str:
    """Return a value as a user writes it."""
    return f"{value:.4g}" if isinstance(value, np.floating) else str(value)
