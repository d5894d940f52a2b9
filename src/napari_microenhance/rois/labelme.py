"""labelme files, versions 3 to 5: reading and writing.

A file counts from the corner of the first pixel and says (x, y); shapes here are
(y, x) with pixel centres at integers, so a coordinate is the file's minus one half.
"""

import base64
import dataclasses
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from napari_microenhance.errors import RoiError
from napari_microenhance.files import reason, replacing, unusable
from napari_microenhance.rois.outlines import (
    SQUARE,
    Points,
    around_centre,
    circle,
    ellipse_box,
    ellipse_in_box,
    is_rectangle,
    mask_outline,
)
from napari_microenhance.rois.region_of_interest import Planes, Roi, checked_planes
from napari_microenhance.rois.roi_document import RoiDocument
from napari_microenhance.rois.roi_file import RoiFile
from napari_microenhance.rois.shapes import Shape

__all__ = [
    "LabelmeFile",
    "LabelmeShape",
    "labelme_file",
    "labelme_rois",
    "read_labelme",
    "write_labelme",
]

_VERSION: Final = "5.5.0"
_PLANES: Final = "planes"
"""Key of this package; labelme keeps what it does not know of a shape."""
_ALIASES: Final = {"line_strip": "linestrip", "rotation": "rectangle",
                   "oriented_rectangle": "rectangle"}  # fmt: skip
_LEAST: Final = {"polygon": 3, "rectangle": 2, "circle": 2, "line": 2, "linestrip": 2,
                 "point": 1, "points": 1, "mask": 2}  # fmt: skip
"""How many points each shape type needs."""


@dataclasses.dataclass(frozen=True, eq=False)
class LabelmeShape:
    """One shape of a labelme file.

    Parameters
    ----------
    kind : str
        "polygon", "rectangle" (two opposite corners, or four in order), "circle"
        (centre, point on the rim), "line", "linestrip", "point", "points" or "mask".
    points : ndarray, shape (N, 2), float64
        (y, x), px, pixel centres at integers; of a mask its first and last pixel.
    label : str
    mask : ndarray, shape (Y, X), bool, or None
        Only of a "mask": its pixels, the first one at ``points[0]``.
    group : int or None
        labelme's group_id.
    planes : mapping of str to tuple of int
        Planes of a stack that it counts for, as `Roi` has them: a key of this package, which
        labelme keeps.
    """

    kind: str
    points: Points
    label: str = ""
    mask: npt.NDArray[np.bool_] | None = None
    group: int | None = None
    planes: Planes = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class LabelmeFile:
    """The shapes of a labelme file, and what it says about the image they belong to.

    Parameters
    ----------
    shapes : tuple of LabelmeShape
    image_shape : tuple of int or None
        (Y, X), px.
    image_path : str or None
        As written, from the file's own folder.
    """

    shapes: tuple[LabelmeShape, ...]
    image_shape: tuple[int, int] | None = None
    image_path: str | None = None


def area(shape: LabelmeShape) -> Points | None:
    """Return the polygon that a shape encloses, or None where it encloses nothing."""
    if shape.mask is not None:
        outline = mask_outline(shape.mask, (int(shape.points[0, 0]), int(shape.points[0, 1])))
        return outline if len(outline) else None
    if shape.kind == "polygon" or (shape.kind == "rectangle" and len(shape.points) == 4):
        return shape.points
    if shape.kind == "rectangle":
        (y0, x0), (y1, x1) = shape.points
        return np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)])
    if shape.kind == "circle":
        return circle(shape.points[0], float(np.hypot(*(shape.points[1] - shape.points[0]))))
    return None


def napari_shapes(file: LabelmeFile) -> tuple[Shape, ...]:
    """Return the shapes of a file in napari's terms; several points are one shape each."""
    return tuple(
        Shape(kind, points, label=shape.label, group=shape.group, planes=shape.planes)
        for shape in file.shapes
        for kind, points in _napari_kinds(shape)
    )


def labelme_shape(shape: Shape) -> LabelmeShape:
    """Return a shape in labelme's terms, a polygon where labelme does not know its kind."""
    kind, points = {"path": "linestrip"}.get(shape.kind, shape.kind), shape.points
    if kind == "ellipse":
        kind, points = "polygon", ellipse_in_box(shape.points)
        first, second = np.diff(shape.points[:3], axis=0) / 2
        if is_rectangle(shape.points) and np.isclose(
            np.hypot(*first), np.hypot(*second), rtol=1e-9
        ):
            centre = shape.points.mean(axis=0)
            kind, points = "circle", np.stack([centre, centre + first])
    elif kind == "rectangle":
        upright = all(len(set(points[:, axis].tolist())) == 2 for axis in (0, 1))
        kind, points = ("rectangle", points[[0, 2]]) if upright else ("polygon", points)
    return LabelmeShape(kind, points, shape.label, None, shape.group, shape.planes)


def _napari_kinds(shape: LabelmeShape) -> list[tuple[str, Points]]:
    """Return napari's shape types and vertices; nothing for an empty mask."""
    if shape.kind in ("point", "points"):
        return [("point", point[None]) for point in shape.points]
    if shape.kind in ("line", "linestrip"):
        return [("line" if shape.kind == "line" else "path", shape.points)]
    if shape.kind == "circle":
        centre, rim = shape.points
        radius = float(np.hypot(*(rim - centre)))
        return [("ellipse", centre + radius * SQUARE)]
    outline = area(shape)
    if outline is None:
        return []
    if shape.kind == "polygon":
        # A file of ours keeps as polygons what labelme has no shape type for.
        if (box := ellipse_box(outline)) is not None:
            return [("ellipse", box)]
        turned = is_rectangle(outline) and len(set(outline[:, 0].tolist())) > 2
        return [("rectangle" if turned else "polygon", outline)]
    return [("rectangle" if shape.kind == "rectangle" else "polygon", outline)]


def read_labelme(path: str | Path) -> LabelmeFile:
    """Read a labelme JSON file of version 3, 4 or 5.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    LabelmeFile
        Every shape of the file, in its order.

    Raises
    ------
    FileMissingError
        If nothing is there.
    RoiError
        If it is not a labelme file, or a shape in it is damaged.
    """
    document = RoiDocument(Path(path))
    if not document.is_text:
        otherwise = "is not JSON, so it is not a labelme file"
        raise RoiError(unusable(document.path, document.kind, otherwise))
    if not is_labelme(document.json):
        raise RoiError(f'{path} is JSON, but not labelme: a "shapes" list with points is missing.')
    return labelme_file(document.path, document.json)


def labelme_rois(document: RoiDocument) -> RoiFile:
    """Return what a labelme file holds.

    Parameters
    ----------
    document : RoiDocument
        Whose JSON `is_labelme` accepts.

    Raises
    ------
    RoiError
        If a shape in it is damaged.
    """
    file = labelme_file(document.path, document.json)
    areas = [(shape, area(shape)) for shape in file.shapes]
    return RoiFile(
        rois=tuple(Roi(a, s.planes, s.label) for s, a in areas if a is not None),
        shapes=napari_shapes(file),
        open_shapes=tuple(s.kind for s, a in areas if a is None),
        frame=file.image_shape,
    )


def labelme_file(path: Path, content: dict[str, Any]) -> LabelmeFile:
    """Return the shapes of a parsed labelme file.

    Parameters
    ----------
    path : Path
        For error messages.
    content : dict
        As `is_labelme` accepts.

    Raises
    ------
    RoiError
        If a shape in it is damaged.
    """
    shapes = tuple(
        _shape(f"{path}, shape {number}", entry)
        for number, entry in enumerate(content["shapes"], start=1)
    )
    image_path = content.get("imagePath")
    return LabelmeFile(
        shapes, _image_shape(content), image_path if isinstance(image_path, str) else None
    )


def is_labelme(content: object) -> bool:
    """Tell whether parsed JSON has the layout of a labelme file."""
    return (
        isinstance(content, dict)
        and isinstance(content.get("shapes"), list)
        and all(isinstance(s, dict) and "points" in s for s in content["shapes"])
        # An empty list of shapes alone could be anything.
        and (bool(content["shapes"]) or {"imagePath", "imageData"} <= content.keys())
    )


def write_labelme(
    path: str | Path,
    shapes: Sequence[LabelmeShape],
    image_shape: tuple[int, int] | None,
    image_path: str | None = None,
) -> None:
    """Write a labelme JSON file of version 5, whole or not at all.

    Parameters
    ----------
    path : str or Path
    shapes : sequence of LabelmeShape
    image_shape : tuple of int or None
        (Y, X) of the image, px.
    image_path : str or None
        Name of the image file as labelme is to find it, from the file's own folder.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    height, width = image_shape or (None, None)
    content: dict[str, Any] = {
        "version": _VERSION,
        "flags": {},
        "shapes": [_entry(shape) for shape in shapes],
        "imagePath": image_path or "",
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }
    with replacing(Path(path)) as handle:
        handle.write(json.dumps(content, indent=2, ensure_ascii=False).encode())


def _shape(where: str, entry: dict[str, Any]) -> LabelmeShape:
    """Read one entry of the list of shapes."""
    kind = entry.get("shape_type") or "polygon"  # version 3 knew nothing else at first
    kind = _ALIASES.get(str(kind), str(kind))
    if kind not in _LEAST:
        raise RoiError(f'{where}: the shape type "{kind}" is not supported.')
    try:
        points = np.asarray(entry["points"], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise RoiError(f"{where}: its points are not pairs of numbers.") from error
    if points.ndim and len(points) < _LEAST[kind]:
        raise RoiError(f"{where}: a {kind} needs {_LEAST[kind]} points, but has {len(points)}.")
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise RoiError(f"{where}: its points are not pairs of finite numbers.")
    points = points[:, ::-1]
    label, group = str(entry.get("label") or ""), entry.get("group_id")
    group = group if isinstance(group, int) else None
    planes = _planes(where, entry.get(_PLANES))
    if kind == "mask":
        # A mask's box names pixels, not corners.
        corner = np.floor(points[0])
        mask = _decode_mask(where, entry.get("mask"))
        last = corner + mask.shape - np.array([1, 1])
        return LabelmeShape(kind, np.stack([corner, last]), label, mask, group, planes)
    points = points - 0.5
    if kind == "rectangle" and len(points) not in (2, 4):
        raise RoiError(f"{where}: a rectangle has 2 or 4 points, this one {len(points)}.")
    if kind == "rectangle" and len(points) == 4:
        points = around_centre(points)
    return LabelmeShape(kind, points, label, None, group, planes)


def _planes(where: str, kept: object) -> Planes:
    """Return the planes that a shape counts for, a key of this package."""
    if kept is None:
        return {}
    try:
        return checked_planes(kept)  # type: ignore[arg-type]
    except RoiError as error:
        raise RoiError(f"{where}: {error}") from error


def _decode_mask(where: str, text: object) -> npt.NDArray[np.bool_]:
    """Return the pixels of a mask, which are kept as a PNG in base64."""
    try:
        png = io.BytesIO(base64.b64decode(str(text), validate=True))
        with Image.open(png, formats=("PNG",)) as image:
            pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise RoiError(f"{where}: its mask is damaged ({reason(error)}).") from error
    return np.asarray(pixels.any(axis=-1) if pixels.ndim == 3 else pixels != 0)


def _entry(shape: LabelmeShape) -> dict[str, Any]:
    """Return one entry of the list of shapes."""
    offset = 0.0 if shape.kind == "mask" else 0.5
    entry = {
        "label": shape.label,
        "points": (np.asarray(shape.points, dtype=np.float64)[:, ::-1] + offset).tolist(),
        "group_id": shape.group,
        "description": "",
        "shape_type": shape.kind,
        "flags": {},
        "mask": None,
    }
    if shape.planes:
        entry[_PLANES] = {axis: list(indices) for axis, indices in shape.planes.items()}
    if shape.mask is not None:
        png = io.BytesIO()
        Image.fromarray(shape.mask).save(png, "PNG")
        entry["mask"] = base64.b64encode(png.getvalue()).decode()
    return entry


def _image_shape(content: dict[str, Any]) -> tuple[int, int] | None:
    """Return the (Y, X) of the annotated image, if the file has it."""
    size = content.get("imageHeight"), content.get("imageWidth")
    height, width = (n if isinstance(n, int) and n > 0 else None for n in size)
    return None if height is None or width is None else (height, width)
