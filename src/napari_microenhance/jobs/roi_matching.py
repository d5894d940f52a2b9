"""ROI files that belong to images by name."""

import dataclasses
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from napari_microenhance.errors import FileMissingError, RoiError
from napari_microenhance.files import is_zarr
from napari_microenhance.jobs.image_list import is_clutter, stem_of
from napari_microenhance.rois.roi_formats import FORMATS

__all__ = ["RoiMatches", "match_rois", "roi_files"]

_SHAPES: Final = tuple(suffix for row in FORMATS for suffix in row.suffixes)
_LABELS: Final = (".png", ".tif", ".tiff", ".zarr")

_ADDED: Final = re.compile(
    r"[ _.-]+(roi ?set|rois?|cp_masks|masks?|labels?|seg|annotations?|shapes|outlines?|polygons?)$",
    re.IGNORECASE,
)
"""What programs add to the name of an image for the file of its regions."""


def _composed(name: str) -> str:
    """Return a name with its accents in one spelling."""
    return unicodedata.normalize("NFC", name)


_SPELLINGS: Final[tuple[Callable[[str], str], ...]] = (
    str,
    _composed,
    lambda name: _composed(name).casefold(),
)
"""From exact to alike: how names are compared, one way after the other."""


@dataclasses.dataclass(frozen=True)
class RoiMatches:
    """Which ROI file belongs to which image.

    Parameters
    ----------
    of : mapping of Path to Path
        Image -> ROI file.
    without : tuple of Path
        Images that none belongs to.
    unused : tuple of Path
        ROI files that belong to no image.
    """

    of: Mapping[Path, Path]
    without: tuple[Path, ...] = ()
    unused: tuple[Path, ...] = ()


def roi_files(folder: Path, images: Collection[str] = ()) -> tuple[Path, ...]:
    """Return the files in a folder that can hold regions.

    Parameters
    ----------
    folder : Path
    images : collection of str
        Names of the images, where they lie in this folder: a file of pixels among them holds
        regions only where it is called as another one and what programs add, such as
        "cells_mask.png".

    Returns
    -------
    tuple of Path
        By name.

    Raises
    ------
    FileMissingError
        If there is no such folder.
    RoiError
        If it cannot be read.
    """
    if not folder.exists():
        raise FileMissingError(f"{folder} does not exist; check the name of the ROI folder.")
    if not folder.is_dir() or is_zarr(folder):
        raise RoiError(f"{folder} is not a folder of ROI files; use --roi for a single file.")
    try:
        entries = sorted(folder.iterdir())
    except OSError as problem:
        raise RoiError(f"{folder} cannot be read: {problem.strerror}.") from problem
    stems = {_composed(stem_of(name)).casefold() for name in images}
    return tuple(
        path
        for path in entries
        if not is_clutter(path)
        and (
            path.name.lower().endswith(_SHAPES)
            or (
                path.name.lower().endswith(_LABELS)
                and (path.name not in images or _is_of_another(path.name, stems))
            )
        )
    )


def match_rois(images: Sequence[Path], files: Sequence[Path]) -> RoiMatches:
    """Find the ROI file of each image by its name.

    The file of "cells.ome.tif" is called as the image or its stem, with the suffix of an ROI
    file, as "cells.ome.tif.geojson" or "cells.json"; or that and what programs add, as
    "cells_RoiSet.zip". A name that is equal goes before one that only differs in case.

    Parameters
    ----------
    images, files : sequence of Path

    Returns
    -------
    RoiMatches

    Raises
    ------
    RoiError
        If two files fit an image equally well.
    """
    found: dict[Path, Path] = {}
    left = list(files)
    for spelled in _SPELLINGS:
        for named in (_full_name, _stem, _plain_stem):
            by_name: dict[str, list[Path]] = {}
            for file in left:
                by_name.setdefault(spelled(named(file.name)), []).append(file)
            for image in images:
                keys = {spelled(image.name), spelled(stem_of(image.name))}
                fitting = [file for key in keys for file in by_name.get(key, ())]
                if image in found or not fitting:
                    continue
                if len(fitting) > 1:
                    names = " and ".join(sorted(file.name for file in fitting[:2]))
                    raise RoiError(f"{names} both match {image.name}; keep one ROI file per image.")
                found[image] = fitting[0]
            taken = set(found.values())
            left = [file for file in left if file not in taken]
    without = tuple(image for image in images if image not in found)
    return RoiMatches(found, without, tuple(left))


def _full_name(name: str) -> str:
    """Return an ROI file's name without its own suffix alone, which may be that of an image."""
    return name.rpartition(".")[0]


def _stem(name: str) -> str:
    """Return an ROI file's name without any suffix that it has for being a kind of image."""
    return stem_of(name)


def _plain_stem(name: str) -> str:
    """Return an ROI file's stem without what programs add to it."""
    return _ADDED.sub("", stem_of(name))


def _is_of_another(name: str, stems: Collection[str]) -> bool:
    """Tell whether a file is called as an image and what programs add."""
    plain = _plain_stem(name)
    return plain != stem_of(name) and _composed(plain).casefold() in stems
