"""Which of the images in a TIFF file is the picture: not always the first.

A file of a multi-file OME-TIFF names the images of all files; cameras and scanners put a small
preview before the picture; a camera's raw data are no picture at all.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import tifffile

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.images.imagefile import CHANGED
from napari_microenhance.images.several import chosen

__all__ = ["TiffImage", "choose_image", "holds_camera_raw", "list_images"]

_RAW: Final = (32803, 34892)  # colour filter array and linear raw, TIFF/EP and DNG
_DNG_VERSION: Final = 50706
_ADDED: Final = ("Thumbnail", "Label", "Macro", "Overview")  # as tifffile names them
_LOOKED_AT: Final = 4  # pages; raw data lie in the first of them, or below


@dataclasses.dataclass(frozen=True, eq=False)
class TiffImage:
    """One image of a TIFF file.

    Parameters
    ----------
    series : tifffile.TiffPageSeries
    name : str
        Or empty.
    number : int
        Which Image element of an OME-XML is its own.
    lies_here : bool
        Whether any of its planes lies in the opened file.
    is_beside : bool
        Whether it only stands beside a picture: another one at a lower resolution, its mask, or
        what a slide scanner adds.
    area : int
        Pixels of a plane.
    """

    series: tifffile.TiffPageSeries
    name: str
    number: int
    lies_here: bool
    is_beside: bool
    area: int


def list_images(tif: tifffile.TiffFile, ome_names: Sequence[str]) -> tuple[TiffImage, ...]:
    """Return the images of an open file, but for the mask of changed pixels of our own files.

    Parameters
    ----------
    tif : tifffile.TiffFile
    ome_names : sequence of str
        Of the Image elements of its OME-XML.
    """
    here = tif.filehandle.path
    images, used = [], set[int]()
    for place, series in enumerate(tif.series):
        number = place
        if series.kind == "ome" and len(tif.series) != len(ome_names):
            # Images without planes are left out of the list of series.
            named = [i for i, name in enumerate(ome_names) if name == series.name]
            number = next((i for i in named if i not in used), place)
        used.add(number)
        if tif.is_ome and place and series.name == CHANGED:
            continue
        page = series.keyframe
        images.append(
            TiffImage(
                series,
                series.name or "",
                number,
                any(p is not None and p.parent.filehandle.path == here for p in series),
                bool(page.is_reduced or page.is_mask) or series.name in _ADDED,
                int(page.imagelength) * int(page.imagewidth),
            )
        )
    return tuple(images)


def choose_image(
    path: Path, images: Sequence[TiffImage], wanted: int | None
) -> tuple[TiffImage, tuple[Caution, ...]]:
    """Return the image that a file is opened for, and what is to be said of the others.

    Parameters
    ----------
    path : Path
    images : sequence of TiffImage
        At least one.
    wanted : int or None
        Its number in `images`, if the caller chooses.

    Raises
    ------
    ImageError
        If there is no such number.
    """
    likely = 0
    if images[0].series.kind == "ome":
        likely = next((i for i, image in enumerate(images) if image.lies_here), 0)
    else:
        ranked = sorted(range(len(images)), key=lambda i: (images[i].is_beside, -images[i].area))
        likely = ranked[0]
    number, cautions = chosen(path, [_described(image) for image in images], likely, wanted)
    others = [image for i, image in enumerate(images) if i != number and not image.is_beside]
    if images[number].lies_here and not any(image.lies_here for image in others):
        return images[number], ()
    return images[number], cautions


def holds_camera_raw(path: Path, tif: tifffile.TiffFile) -> bool:
    """Tell whether a file holds the raw data of a camera, with a preview for its picture.

    Parameters
    ----------
    path : Path
    tif : tifffile.TiffFile
    """
    with path.open("rb") as handle:
        if handle.read(10)[8:] == b"CR":  # Canon's CR2
            return True
    if _DNG_VERSION in tif.pages.first.tags:
        return True
    for page in tif.pages[: min(_LOOKED_AT, len(tif.pages))]:
        below: Sequence[Any] = page.pages or () if isinstance(page, tifffile.TiffPage) else ()
        if any(int(getattr(part, "photometric", 0)) in _RAW for part in (page, *below)):
            return True
    return False


def _described(image: TiffImage) -> str:
    """Return an image in a few words."""
    shape = " x ".join(map(str, image.series.shape))
    return f'"{image.name}", {shape}' if image.name else shape
