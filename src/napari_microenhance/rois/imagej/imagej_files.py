"""ImageJ ROI files, .roi and .zip.

Areas count from the corner of the first pixel, lines and points from its centre, which is
ImageJ's convention since 1.52t; shapes here always count from the centre. The package
roifile (extra "roi") reads and writes the bytes.

The format keeps subpixel coordinates as 32-bit floats: 1e-6 px fine up to 16 px, 3e-5 px at
1,000 px, 2e-3 px at 50,000 px. Files written here also carry the full numbers, as a property of
the ROI, which ImageJ keeps. They count only while they round to the coordinates themselves,
so an ROI that was changed in ImageJ is read as it is now.

References
----------
.. [1] Schneider et al., "NIH Image to ImageJ: 25 years of image analysis", Nature Methods 9,
   2012. https://doi.org/10.1038/nmeth.2089
"""

import io
import logging
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import OutputError, RoiError
from napari_microenhance.files import LARGEST_ROI, complaints, reason, replacing
from napari_microenhance.rois.imagej.imagej_decoding import Decoded, shapes_of
from napari_microenhance.rois.imagej.imagej_encoding import roi_of
from napari_microenhance.rois.region_of_interest import single_planes
from napari_microenhance.rois.roi_document import RoiDocument
from napari_microenhance.rois.roi_file import RoiFile
from napari_microenhance.rois.shapes import Shape

__all__ = ["read_imagej", "read_overlay", "write_imagej"]

_BROKEN = (AssertionError, IndexError, KeyError, OverflowError, RuntimeError, TypeError,
           ValueError, struct.error)  # fmt: skip
_BROKEN_ZIP = (EOFError, NotImplementedError, OSError, RuntimeError, ValueError, zlib.error,
               zipfile.BadZipFile)  # fmt: skip
_MOST: Final = 100_000  # ROIs in a zip
_HEADER: Final = 64  # bytes, of both headers
_SLICE_IN_NAME: Final = re.compile(r"(\d{4,6})-\d{4,6}-\d{4,6}(-\d+)?")
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the same shapes give the same bytes


def is_imagej_zip(path: Path) -> bool:
    """Tell whether a zip holds ImageJ ROIs and nothing else."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
    except (OSError, ValueError, zipfile.BadZipFile):
        return False
    return any(map(_is_roi, names)) and all(name.lower().endswith(".roi") for name in names)


def read_imagej(document: RoiDocument) -> RoiFile:
    """Read an ImageJ ROI file.

    A composite with holes is one shape, its separate parts are one each; a multi-point is one
    shape per point.

    Parameters
    ----------
    document : RoiDocument
        A .roi, or a .zip of them.

    Returns
    -------
    RoiFile
        What is no region, such as a text, is a "path" of its outline.

    Raises
    ------
    RoiError
        If it is damaged, too large or holds something else, or roifile is missing.
    """
    path = document.path
    roifile = _roifile(RoiError, path)
    if document.kind == "zip":
        return _read(path, roifile, _entries(path))
    return _read(path, roifile, [(str(path), _whole(path))])


def read_overlay(path: Path, entries: Sequence[bytes]) -> RoiFile:
    """Read the ROIs that ImageJ keeps in an image.

    Parameters
    ----------
    path : Path
        Of the image, for error messages.
    entries : sequence of bytes
        Each as a .roi holds it.

    Raises
    ------
    RoiError
        If one is damaged, or roifile is missing.
    """
    named = [(f"{path}, ROI {number}", data) for number, data in enumerate(entries, start=1)]
    return _read(path, _roifile(RoiError, path), named)


def _read(path: Path, roifile: ModuleType, entries: Iterable[tuple[str, bytes]]) -> RoiFile:
    """Return what some ROIs hold."""
    shapes: list[Shape] = []
    remarks = Counter[str]()
    named = 0
    for where, data in entries:
        decoded = _decoded(roifile, where, data)
        found = shapes_of(where, decoded)
        shapes += found
        remarks[decoded.remark] += 1
        named += any(_SLICE_IN_NAME.fullmatch(s.label) and not s.planes for s in found)
    notes = tuple(
        Caution("roi-shape", f"{path.name}: {count} {remark}.")
        for remark, count in remarks.items()
        if remark
    )
    return RoiFile.of_shapes(path, shapes, notes=notes, stack_notes=_slice_notes(named))


def _slice_notes(named: int) -> tuple[Caution, ...]:
    """Say it where ROIs have no position, and names as the ROI Manager gives them on a slice."""
    if not named:
        return ()
    said = (
        f"{named} ROI{'s' * (named > 1)} without a position have names that begin with a "
        "slice number, as ImageJ's ROI Manager gives them; they apply to every plane."
    )
    return (Caution("roi-planes", said),)


def write_imagej(path: str | Path, shapes: Sequence[Shape]) -> None:
    """Write an ImageJ ROI file with subpixel coordinates, whole or not at all.

    A shape on several planes becomes one ROI for each. Polygons with holes become composites,
    turned rectangles and ellipses ImageJ's own kinds.
    ImageJ rounds upright rectangles and ellipses to whole pixels when it measures in them.

    Parameters
    ----------
    path : str or Path
        A .roi for one shape, a .zip for any number.
    shapes : sequence of Shape

    Raises
    ------
    OutputError
        If a .roi is asked to hold several shapes, a shape encloses nothing, the file cannot
        be written, or roifile is missing.
    """
    path = Path(path)
    _roifile(OutputError, path)
    placed = [(shape, place) for shape in shapes for place in single_planes(shape.planes)]
    made = [roi_of(shape, place) for shape, place in placed]
    for (shape, _), roi in zip(placed, made, strict=True):
        if roi is None:
            raise OutputError(f"{path}: a {shape.kind} that encloses nothing cannot be written.")
    rois = [roi for roi in made if roi is not None]
    single = path.suffix.lower() == ".roi"
    if single and len(rois) != 1:
        raise OutputError(
            f"{path}: a .roi file holds one shape, not {len(rois)}; save a .zip instead."
        )
    content = rois[0].tobytes() if single else _zipped(rois)
    with replacing(path) as handle:
        handle.write(content)


def _roifile(error: type[RoiError] | type[OutputError], path: Path) -> ModuleType:
    """Return the package that knows the format."""
    try:
        import roifile
    except ImportError as missing:
        raise error(
            f"{path}: ImageJ ROI files need the package roifile; "
            'pip install "napari-microenhance[roi]".'
        ) from missing
    return roifile


def _is_roi(name: str) -> bool:
    """Tell whether an entry of a zip is an ROI, and not what macOS keeps beside one."""
    return name.lower().endswith(".roi") and not name.rpartition("/")[2].startswith("._")


def _whole(path: Path) -> bytes:
    """Return the bytes of a .roi of usual size."""
    if path.stat().st_size > LARGEST_ROI:
        raise RoiError(f"{path} is too large for an ImageJ ROI.")
    return path.read_bytes()


def _entries(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the ROIs of a zip, each with how an error about it begins."""
    try:
        with zipfile.ZipFile(path) as archive:
            for info in _checked(path, archive.infolist()):
                yield f"{path}, {info.filename}", archive.read(info)
    except RoiError:
        raise
    except _BROKEN_ZIP as error:
        raise RoiError(f"{path} is damaged or truncated ({reason(error)}).") from error


def _checked(path: Path, entries: Sequence[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """Return the entries that are ROIs, or raise where there are none or far too many."""
    files = [info for info in entries if _is_roi(info.filename)]
    if not files:
        raise RoiError(f"{path} is a zip without ImageJ ROIs (.roi).")
    # No more comes out of an entry than its header says.
    size = sum(info.file_size for info in files)
    if len(files) > _MOST or size > LARGEST_ROI:
        raise RoiError(
            f"{path} is too large: it unpacks to {len(files)} ROIs of {size / 2**20:.0f} MiB."
        )
    return files


def _decoded(roifile: ModuleType, where: str, data: bytes) -> Decoded:
    """Return one ROI as roifile reads it."""
    _check_whole(where, data)
    try:
        with complaints("roifile", logging.WARNING) as said:
            decoded = Decoded.of(roifile.ImagejRoi.frombytes(data))
    except _BROKEN as error:
        raise RoiError(f"{where} is not an ImageJ ROI, or is damaged ({reason(error)}).") from error
    if said:
        raise RoiError(f"{where} is not an ImageJ ROI, or is damaged ({said[0]}).")
    return decoded


def _check_whole(where: str, data: bytes) -> None:
    """Raise if the second header lies past the end: roifile reads on without it."""
    if len(data) >= _HEADER:
        (second,) = struct.unpack(">i", data[_HEADER - 4 : _HEADER])
        if data.startswith(b"Iout") and second > len(data) - _HEADER:
            raise RoiError(f"{where} is damaged or truncated.")


def _zipped(rois: Sequence[Any]) -> bytes:
    """Return a zip of ROIs, each under a name of its own."""
    buffer, taken = io.BytesIO(), set[str]()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, roi in enumerate(rois, start=1):
            plain = "".join(c for c in roi.name if c.isprintable() and c not in '/\\:*?"<>|')
            name = plain.strip(" .") or f"{number:04}"
            if name in taken:
                name = f"{name}-{number:04}"
            taken.add(name)
            archive.writestr(zipfile.ZipInfo(f"{name}.roi", _EPOCH), roi.tobytes())
    return buffer.getvalue()
