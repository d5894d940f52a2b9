"""Which images a folder run is about: files, the images in folders, and patterns."""

import glob
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from napari_microenhance.errors import FileMissingError, ImageError, MicroEnhanceError
from napari_microenhance.files import check_reachable, is_zarr, kind_of
from napari_microenhance.images.image_table import FORMATS, format_of_kind
from napari_microenhance.types import PathLike

__all__ = ["find_images", "is_clutter", "stem_of"]

_CLUTTER: Final = frozenset({"thumbs.db", "desktop.ini"})
"""What file managers leave in folders, besides hidden files."""

_OTHER_SUFFIXES: Final = (
    *(".jpg", ".jpeg", ".btf", ".tf2", ".tf8", ".svs", ".lsm", ".stk", ".ndpi", ".scn", ".qptiff"),
    *(".czi", ".nd2", ".lif"),
)
"""Of images that are read and not written, or could be if they were whole."""

_IMAGE_SUFFIXES: Final = (*(s for row in FORMATS for s in row.suffixes), *_OTHER_SUFFIXES)

_BESIDE_SUFFIXES: Final = (
    *(".json", ".geojson", ".csv", ".roi", ".zip", ".txt", ".md", ".log"),
    *(".onnx", ".czann", ".yaml", ".yml", ".xml"),
)
"""Of files that lie among images and are none: regions, networks, notes."""

_DOUBLE_SUFFIXES: Final = (
    *(".ome.tif", ".ome.tiff", ".ome.btf", ".ome.tf2", ".ome.tf8"),
    *(".ome.zarr", ".ome.png", ".ome.jpg"),
)


def find_images(
    given: Sequence[PathLike], out: Path, left_out: Collection[Path] = ()
) -> tuple[Path, ...]:
    """Return the images that files, folders and patterns stand for.

    Parameters
    ----------
    given : sequence of path
        Files; folders, of which the images directly in them count, an OME-Zarr folder being an
        image; or patterns with `*`, `?` or `[...]`, of which each match counts as if it had been
        given.
    out : Path
        The folder of results, which a pattern may match, and which holds no images then.
    left_out : collection of Path
        Files among the images that are none: the network, regions.

    Returns
    -------
    tuple of Path
        Each once, in the order given, those of a folder by name.

    Raises
    ------
    FileMissingError
        If nothing is there, or nothing matches a pattern.
    ImageError
        If a folder cannot be read, or there is no image at all.
    """
    others = {_identity(path) for path in left_out}
    results = _identity(out)
    found: dict[str, Path] = {}
    for text in given:
        for path, asked in _matches(Path(text)):
            if _identity(path) in others:
                continue
            if path.is_dir() and not is_zarr(path):
                if not asked and _identity(path) == results:
                    continue
                listed = [p for p in _images_in(path) if _identity(p) not in others]
            else:
                listed = [path] if _may_be_given(path) else []
            for image in listed:
                found.setdefault(_place(image), image)
    if not found:
        words = ", ".join(map(str, given))
        raise ImageError(
            f"No image was found in {words}; choose image files or a folder of images."
        )
    return tuple(found.values())


def is_clutter(path: Path) -> bool:
    """Tell whether a file is hidden, or left by a file manager.

    Parameters
    ----------
    path : Path
    """
    return path.name.startswith((".", "~$")) or path.name.lower() in _CLUTTER


def stem_of(name: str) -> str:
    """Return a file's name without its suffix; that of x.ome.tif is x.

    Parameters
    ----------
    name : str

    Returns
    -------
    str
    """
    double = next((s for s in _DOUBLE_SUFFIXES if name.lower().endswith(s)), "")
    return name[: -len(double)] if double and len(double) < len(name) else Path(name).stem


def _matches(path: Path) -> Iterator[tuple[Path, bool]]:
    """Yield what a path or a pattern stands for, and whether it was named itself."""
    check_reachable(path, error=ImageError)
    if os.path.lexists(path):
        yield path, True
        return
    text = str(path.expanduser())
    if not glob.has_magic(text):
        raise FileMissingError(f"{path} does not exist; check the name and the folder.")
    matches = sorted(glob.glob(text, recursive=True), key=_order)
    if not matches:
        raise FileMissingError(f"No file matches {path}; check the pattern and the folder.")
    yield from ((Path(match), False) for match in matches)


def _images_in(folder: Path) -> list[Path]:
    """Return the images directly in a folder, by name."""
    try:
        entries = sorted(folder.iterdir(), key=lambda path: _order(path.name))
    except OSError as problem:
        raise ImageError(f"{folder} cannot be read: {problem.strerror}.") from problem
    return [path for path in entries if not is_clutter(path) and _is_image(path)]


def _is_image(path: Path) -> bool:
    """Tell whether a file or folder is an image, or is called one."""
    if path.is_dir():
        return is_zarr(path)
    if path.name.lower().endswith(_IMAGE_SUFFIXES):
        return True  # where it is damaged, that is to be said
    if path.name.lower().endswith(_BESIDE_SUFFIXES) or not path.is_file():
        return False
    try:
        return format_of_kind(kind_of(path, error=ImageError)) is not None
    except MicroEnhanceError:
        return False


def _may_be_given(path: Path) -> bool:
    """Tell whether a file that a shell may have named among others is meant as an image."""
    # A hidden file that is named was meant, but for those that file managers hide.
    meant = path.name.startswith(".") and not path.name.startswith((".DS_Store", "._"))
    if is_clutter(path) and not meant:
        return False
    return not path.name.lower().endswith(_BESIDE_SUFFIXES)


def _identity(path: Path) -> str:
    """Return where a path leads."""
    return os.path.realpath(path)


def _place(path: Path) -> str:
    """Return what is the same for the same name in the same folder; a link is itself."""
    return os.path.join(os.path.realpath(path.absolute().parent), path.name)


def _order(name: str) -> tuple[str, str]:
    """Return by what names are sorted: without case first, so that the order is one everywhere."""
    return name.casefold(), name
