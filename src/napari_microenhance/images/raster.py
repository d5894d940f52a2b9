"""PNG and JPEG files.

Pillow, which scikit-image brings, reads them: it tells palette, one-bit, CMYK and
rotation apart, where imageio returns pixels alone. It cannot hold 16-bit colour;
imagecodecs reads that, and writes every PNG.
"""

import contextlib
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import imagecodecs
import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL import ImageFile as PillowFile

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import ImageError
from napari_microenhance.files import check_room, plain_reason
from napari_microenhance.images.imagefile import (
    RECORD_KEY,
    ImageFile,
    ImageToWrite,
    PixelSize,
    json_object,
    to_um,
)
from napari_microenhance.images.upright import TAG, turned, turned_caution, turned_size

__all__ = ["PNG_DTYPES", "read_raster", "write_png"]

PNG_DTYPES: Final = ("uint8", "uint16")
"""What `write_png` can hold without changing a value."""

_SIGNATURE: Final = 8
_AFTER_HEADER: Final = 33  # signature, then the IHDR chunk: length, type, 13 bytes, CRC
_BROKEN = (ArithmeticError, LookupError, OSError, SyntaxError, TypeError, ValueError,
           RuntimeError, struct.error, zlib.error, EOFError)  # fmt: skip


def read_raster(path: Path, *, palette_indices: bool = False) -> ImageFile:
    """Read a PNG or JPEG file.

    Parameters
    ----------
    path : Path
        Known to be PNG or JPEG by its first bytes.
    palette_indices : bool
        Give the numbers of a palette image, 0 where it is transparent, not its colours.

    Returns
    -------
    ImageFile
        Axes "YX" or "YXC"; uint8, uint16, or bool for a one-bit image.

    Raises
    ------
    ImageError
        If the file is damaged.
    """
    notes: list[Caution] = []
    with _any_size(), _opened(path) as image:
        with _damage_told(path):
            frames = getattr(image, "n_frames", 1)
            orientation = image.getexif().get(TAG, 1)
            size = image.width * image.height * len(image.getbands())
        if frames > 1:
            text = f"{path.name} has several frames; only the first was read."
            notes.append(Caution("several-images", text))
        check_room(path, size)
        pixels = _pixels(path, image, notes, palette_indices=palette_indices)
        pixel_size = _density(image)
    if 0 in pixels.shape:
        raise ImageError(f"{path} has no pixels: its shape is {pixels.shape}.")
    return ImageFile(
        pixels=turned(pixels, orientation, rows=0),
        axes="YX" if pixels.ndim == 2 else "YXC",
        pixel_size=turned_size(pixel_size, orientation),
        notes=(*notes, *turned_caution(path.name, orientation)),
    )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[PillowFile.ImageFile]:
    """Open a file with Pillow."""
    with _damage_told(path):
        image = Image.open(path, formats=("PNG", "JPEG", "MPO"))
    with image:
        yield image


@contextlib.contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Turn what Pillow and imagecodecs raise into an `ImageError`; only for their calls."""
    try:
        yield
    except MemoryError as error:
        raise ImageError(f"{path} does not fit into memory.") from error
    except _BROKEN as error:
        raise ImageError(f"{path} is damaged or truncated{plain_reason(error)}.") from error


def _pixels(
    path: Path, image: PillowFile.ImageFile, notes: list[Caution], *, palette_indices: bool
) -> npt.NDArray[Any]:
    """Return grey (Y, X) or colour (Y, X, 3 or 4) samples."""
    with _damage_told(path):
        is_deep = image.format == "PNG" and _png_depth(path) == 16
        image.load()  # finds damage that imagecodecs reads over
        mode = image.mode
        deep = is_deep and not mode.startswith("I")
        stored = imagecodecs.png_decode(path.read_bytes()) if deep else None
    if stored is not None:
        return _with_grey_alpha(np.asarray(stored), notes)
    if mode == "P":
        return _palette_numbers(image) if palette_indices else _palette_colours(image)
    if "transparency" in image.info and mode in ("L", "RGB"):
        return np.asarray(image.convert("RGBA"))
    if mode == "CMYK":
        text = f"{path.name} is CMYK; it was converted to RGB without a colour profile."
        notes.append(Caution("cmyk", text))
        return np.asarray(image.convert("RGB"))
    if mode.startswith("I"):
        return np.asarray(image).astype(np.uint16)
    if mode in ("1", "L", "RGB", "RGBA", "LA"):
        return _with_grey_alpha(np.asarray(image), notes)
    text = f"{path.name} has Pillow's mode {mode}; it was converted to RGB."
    notes.append(Caution("colour-mode", text))
    return np.asarray(image.convert("RGB"))


def _palette_colours(image: Image.Image) -> npt.NDArray[Any]:
    """Return what a palette image shows; grey where all its colours are grey."""
    if "transparency" in image.info:
        return np.asarray(image.convert("RGBA"))
    colours = np.asarray(image.convert("RGB"))
    grey = colours[..., 0]
    return grey if (colours == grey[..., np.newaxis]).all() else colours


def _palette_numbers(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Return the numbers of a palette image, 0 where it shows nothing.

    Where only number 0 shows something, the rest being transparent, 1 stands for it.
    """
    numbers = np.asarray(image)
    if "transparency" not in image.info:
        return numbers
    shown = np.asarray(image.convert("RGBA"))[..., 3] > 127
    if shown.all() or not shown.any():
        return numbers
    kept = numbers if numbers[shown].any() else np.ones_like(numbers)
    return np.where(shown, kept, np.uint8(0))


def _with_grey_alpha(pixels: npt.NDArray[Any], notes: list[Caution]) -> npt.NDArray[Any]:
    """Turn grey with alpha into colour with alpha, the only alpha axes can express."""
    if pixels.ndim == 3 and pixels.shape[-1] == 2:
        notes.append(Caution("grey-alpha", "Grey with alpha was read as colour with alpha."))
        return pixels[..., [0, 0, 0, 1]]
    return pixels


@contextlib.contextmanager
def _any_size() -> Iterator[None]:
    """Lift Pillow's limit of 179 Mpx: microscopes make larger images than cameras."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _density(image: Image.Image) -> PixelSize:
    """Return the pixel size from the density in the file, if it has one."""
    try:
        x, y = (float(v) for v in image.info["dpi"])
    except (KeyError, TypeError, ValueError):
        return {}
    return {"Y": (1 / y, "in"), "X": (1 / x, "in")} if x > 0 and y > 0 else {}


def _png_depth(path: Path) -> int:
    """Return the bits per sample that a PNG header states."""
    with path.open("rb") as handle:
        return handle.read(_SIGNATURE + 17)[-1]


def write_png(handle: BinaryIO, image: ImageToWrite) -> None:
    """Write a PNG file; the same input gives the same bytes.

    Parameters
    ----------
    handle : binary file
    image : ImageToWrite
        Axes "YX" or "YXC", uint8 or uint16. "Y" and "X" of its pixel size become the density,
        whole pixels per metre, which is all PNG has; the record an iTXt chunk.
    """
    encoded = bytes(imagecodecs.png_encode(np.ascontiguousarray(image.pixels), level=6))
    handle.write(encoded[:_AFTER_HEADER])
    size = image.pixel_size
    per_metre = [_per_metre(*size[axis]) if axis in size else 0 for axis in "XY"]
    if all(0 < n < 2**31 for n in per_metre):
        handle.write(_chunk(b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    if image.record is not None:
        # keyword, end, uncompressed (two bytes), empty language and translated keyword
        head = RECORD_KEY.encode() + b"\x00\x00\x00\x00\x00"
        handle.write(_chunk(b"iTXt", head + json.dumps(image.record).encode()))
    handle.write(encoded[_AFTER_HEADER:])


def read_png_record(path: Path) -> dict[str, Any] | None:
    """Return the record of a run from a PNG file, or None."""
    with path.open("rb") as handle:
        handle.seek(_SIGNATURE)
        while len(head := handle.read(8)) == 8:
            length, name = struct.unpack(">I4s", head)
            if name == b"iTXt":
                keyword, _, rest = handle.read(length).partition(b"\x00")
                if keyword == RECORD_KEY.encode():
                    return json_object(rest[4:]) or None
                handle.seek(4, 1)
            else:
                handle.seek(length + 4, 1)
    return None


def _per_metre(step: float, unit: str) -> int:
    """Return whole pixels per metre, or 0 where the unit is no length."""
    micrometres = to_um(step, unit)
    return round(1e6 / micrometres) if micrometres else 0


def _chunk(name: bytes, data: bytes) -> bytes:
    """Return one PNG chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
