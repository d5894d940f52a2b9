"""RoiFile: what an ROI file holds, whatever its format."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy.typing as npt

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import RoiError
from napari_microenhance.rois.outlines import Points
from napari_microenhance.rois.region_of_interest import Roi
from napari_microenhance.rois.shapes import Shape, shape_outline

__all__ = ["RoiFile"]


@dataclasses.dataclass(frozen=True, eq=False)
class RoiFile:
    """What an ROI file holds.

    Parameters
    ----------
    rois : tuple of Roi
        What encloses pixels: polygons, not clipped to any image, or masks.
    shapes : tuple of Shape
        All of it as a layer draws it, in the file's order; nothing of a label image.
    open_shapes : tuple of str
        What encloses nothing, in the words of the format.
    notes : tuple of Caution
        One sentence for everything that was left out or looks wrong.
    stack_notes : tuple of Caution
        What matters only for an image of several planes.
    frame : tuple of int or None
        (Y, X) of the image that it was drawn on, px, where the file says.
    """

    rois: tuple[Roi, ...] = ()
    shapes: tuple[Shape, ...] = ()
    open_shapes: tuple[str, ...] = ()
    notes: tuple[Caution, ...] = ()
    stack_notes: tuple[Caution, ...] = ()
    frame: tuple[int, int] | None = None

    @classmethod
    def of_shapes(cls, path: Path, shapes: Sequence[Shape], **more: Any) -> Self:  # noqa: ANN401 - other fields
        """Return what shapes hold.

        Parameters
        ----------
        path : Path
            For error messages.
        shapes : sequence of Shape
        **more
            The other fields.

        Raises
        ------
        RoiError
            If a shape has too few vertices for its kind.
        """
        rois, open_shapes = [], []
        for shape in shapes:
            try:
                outline = shape_outline(shape.kind, shape.points)
            except RoiError as error:
                raise RoiError(f"{path}: {error}") from error
            if outline is None:
                open_shapes.append(shape.kind)
            else:
                rois.append(Roi(outline, shape.planes, shape.label or shape.classification))
        return cls(tuple(rois), tuple(shapes), tuple(open_shapes), **more)

    @property
    def polygons(self) -> tuple[Points, ...]:
        """The polygons, each of shape (N, 2), (y, x), px, pixel centres at integers."""
        return tuple(roi.vertices for roi in self.rois if roi.vertices is not None)

    @property
    def mask(self) -> npt.NDArray[Any] | None:
        """The mask of a label image."""
        return next((roi.mask for roi in self.rois if roi.is_mask), None)

    @property
    def labels(self) -> tuple[str, ...]:
        """One name per region."""
        return tuple(roi.label for roi in self.rois)

    def noted(self, *notes: Caution) -> Self:
        """Return the same with more to say."""
        return dataclasses.replace(self, notes=(*self.notes, *notes))
