"""The ROI that a Labels layer marks, read when it is needed."""

import dataclasses
from typing import Any

import numpy as np

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import OptionsError, RoiError
from napari_microenhance.rois.pixel_classes import chosen_classes
from napari_microenhance.types import BoolArray, Float64Array

__all__ = ["LabelsRoi", "Plane"]

_PIXELS_AT_ONCE = 1 << 22

Plane = tuple[int, ...]
"""Index along each axis before y and x."""


@dataclasses.dataclass(frozen=True, eq=False)
class LabelsRoi:
    """A plane of labels and how the pixels of the image fall on it.

    Parameters
    ----------
    data : array-like
        The whole label array; not read yet.
    plane : tuple of int or None
        Index along each of its axes before y and x; None: each plane counts for that of the
        image with the same index.
    matrix, offset : ndarray, shape (2, 2) and (2,), float64
        Image (y, x) to label (y, x), px.
    shape : tuple of int
        (Y, X) of the image, px.
    classes : tuple of int
        Labels that count; none named: all but the background.
    name : str
        Of the layer.
    """

    data: Any
    plane: Plane | None
    matrix: Float64Array
    offset: Float64Array
    shape: tuple[int, int]
    classes: tuple[int, ...] = ()
    name: str = ""

    def mask(self) -> BoolArray | None:
        """Return the mask alone, as `read` does."""
        return self.read()[0]

    def read(self) -> tuple[BoolArray | None, tuple[Caution, ...]]:
        """Read the labels and return which image pixels they mark, and what looks wrong.

        Returns
        -------
        ndarray of bool, shape (Y, X) of the image, its axes of planes before them where each
        plane has labels of its own; or None
            None where there is no label at all.
        tuple of Caution

        Raises
        ------
        RoiError
            If there are labels, but none over the image, or none of the classes.
        """
        plane = self.plane if self.plane is not None else (slice(None),) * (self.data.ndim - 2)
        labels = np.asarray(self.data[(*plane, slice(None), slice(None))])
        if not labels.any() and not self.classes:
            return None, ()
        chosen, cautions = chosen_classes(labels, self.classes or None, f"ROI layer {self.name!r}")
        return self._placed(np.asarray(chosen != 0)), cautions

    def on_plane(self, plane: Plane) -> "LabelsRoi":
        """Return the labels that count for one plane of the image."""
        return self if self.plane is not None else dataclasses.replace(self, plane=plane)

    def _placed(self, marked: BoolArray) -> BoolArray:
        """Return marked pixels of labels as those of the image."""
        same = np.allclose(self.matrix, np.eye(2), atol=1e-9)
        if same and np.allclose(self.offset, 0, atol=1e-6) and marked.shape[-2:] == self.shape:
            placed = marked
        else:
            planes = marked.reshape(-1, *marked.shape[-2:])
            placed = np.stack([self._resample(plane) for plane in planes])
        if not placed.any():
            raise RoiError("The labels of the ROI layer lie outside the image; draw them over it.")
        return placed.reshape(*marked.shape[:-2], *self.shape)

    def _resample(self, marked: BoolArray) -> BoolArray:
        """Return the nearest label pixel's mark for every image pixel in reach."""
        inside = np.zeros(self.shape, bool)
        (y0, y1), (x0, x1) = self._reach(marked.shape)
        if y0 >= y1 or x0 >= x1:
            return inside
        columns = np.arange(x0, x1)
        rows_at_once = max(1, _PIXELS_AT_ONCE // len(columns))
        for top in range(y0, y1, rows_at_once):
            rows = np.arange(top, min(y1, top + rows_at_once))[:, None]
            y, x = (
                np.floor(m[0] * rows + m[1] * columns + o + 0.5).astype(np.int64)
                for m, o in zip(self.matrix, self.offset, strict=True)
            )
            hit = (y >= 0) & (y < marked.shape[0]) & (x >= 0) & (x < marked.shape[1])
            hit[hit] = marked[y[hit], x[hit]]
            inside[rows[0, 0] : rows[-1, 0] + 1, x0:x1] = hit
        return inside

    def _reach(self, label_shape: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the part of the image that the label array can touch."""
        height, width = label_shape
        ends = np.array([(y, x) for y in (-0.5, height - 0.5) for x in (-0.5, width - 0.5)])
        corners = np.linalg.solve(self.matrix, (ends - self.offset).T).T
        low = np.clip(np.floor(corners.min(axis=0)), 0, self.shape).astype(int)
        high = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, self.shape).astype(int)
        return (int(low[0]), int(high[0])), (int(low[1]), int(high[1]))


def parse_labels(text: str) -> tuple[int, ...]:
    """Return the labels that a text names, such as "1, 3"; none for an empty text.

    Raises
    ------
    OptionsError
        If it names something else.
    """
    words = text.replace(",", " ").split()
    if not all(word.removeprefix("-").isdecimal() for word in words):
        raise OptionsError(f"ROI labels are whole numbers such as 1, 3, not {text!r}.")
    return tuple(dict.fromkeys(int(word) for word in words))
