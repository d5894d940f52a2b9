"""What goes wrong while a TIFF file is read, as one sentence."""

import contextlib
import logging
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from napari_microenhance.errors import ImageError, MicroEnhanceError
from napari_microenhance.files import complaints, plain_reason

__all__ = ["damage_told"]

# tifffile and its codecs raise nearly everything on a damaged file; each was seen on one.
_BROKEN = (ArithmeticError, AssertionError, AttributeError, EOFError, ImportError, LookupError,
           OSError, RuntimeError, TypeError, ValueError, struct.error, zlib.error)  # fmt: skip
_PRIVATE_TAGS: Final = 32_768  # from here on, TIFF 6.0 section 2


@contextlib.contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Turn what tifffile raises, or remarks and reads over, into an `ImageError`.

    Only calls of tifffile belong inside: a bug of this package is no damage of a file.

    Parameters
    ----------
    path : Path
        For the sentence.

    Raises
    ------
    ImageError
        If the file is damaged, or too large for the memory.
    """
    try:
        with complaints("tifffile", logging.ERROR) as said:
            yield
    except MicroEnhanceError:
        raise
    except MemoryError as error:
        raise ImageError(f"{path} does not fit into memory.") from error
    except _BROKEN as error:
        raise ImageError(f"{path} is damaged or truncated{plain_reason(error)}.") from error
    if any(_is_serious(message) for message in said):
        raise ImageError(f"{path} is damaged or truncated: parts of it lie beyond its end.")


def _is_serious(message: str) -> bool:
    """Tell whether a complaint means lost planes or metadata, not only a maker's private tag."""
    tag = re.search(r"TiffTag (\d+)", message)
    return "invalid" in message and (tag is None or int(tag[1]) < _PRIVATE_TAGS)
