"""How TIFF files store colour, and which of their samples are colour at all.

References
----------
.. [1] TIFF Revision 6.0, sections 5, 18 ("ExtraSamples") and 21 ("YCbCrCoefficients").
"""

import dataclasses
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tifffile

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import ImageError
from napari_microenhance.images.lazy import LazyPixels, moved

__all__ = [
    "PageColour",
    "PlainValues",
    "colour_last",
    "page_colour",
    "plain_values",
    "settle_subsampling",
]

_ALPHA: Final = (1, 2)  # associated and unassociated
_APERIO_YCBCR: Final = "APERIO_JP2000_YCBC"
_CODECS_THAT_GIVE_RGB: Final = (
    "JPEG", "OJPEG", "ALT_JPEG", "JPEG_LOSSY", "JPEG2000", "JPEGXL", "WEBP",
)  # fmt: skip
_PHOTOMETRIC: Final = 262


@dataclasses.dataclass(frozen=True, eq=False)
class PageColour:
    """What the tags of a page say about its samples.

    Parameters
    ----------
    photometric, compression : str
        Names of the tags' values, or the numbers of those that have none.
    bits : int
        Per sample, as stored.
    samples : int
        Per pixel.
    extras : tuple of int
        What the samples beyond the colour are.
    palette : ndarray, shape (3, N), uint16, or None
    display : bool
        Polarity and palette are only for the screen, as in files of ImageJ.
    display_palette : bool
        The palette is only for the screen, as in files of ImageJ and in OME-TIFF.
    """

    photometric: str
    compression: str = "NONE"
    bits: int = 8
    samples: int = 1
    extras: tuple[int, ...] = ()
    palette: npt.NDArray[np.uint16] | None = None
    display: bool = False
    display_palette: bool = False

    @property
    def is_colour(self) -> bool:
        """Whether the samples of a pixel are red, green and blue, perhaps with alpha."""
        if self.photometric not in ("RGB", "YCBCR"):
            return False
        has_alpha = self.samples == 4 and bool(self.extras) and self.extras[0] in _ALPHA
        return self.samples == 3 or has_alpha

    @property
    def needs_all_pixels(self) -> bool:
        """Whether a value's meaning can depend on the others, as of real numbers from white."""
        return self.photometric == "MINISWHITE" and not self.display


@dataclasses.dataclass(frozen=True, eq=False)
class PlainValues:
    """Pixels as they are meant, and how that was found.

    Parameters
    ----------
    pixels : ndarray or LazyPixels
    axes : str
        tifffile's letters, samples last.
    is_colour : bool
        Whether samples are colour, perhaps with alpha; else they are channels.
    cautions : tuple of Caution
    """

    pixels: npt.NDArray[Any] | LazyPixels
    axes: str
    is_colour: bool
    cautions: tuple[Caution, ...] = ()


def page_colour(page: tifffile.TiffPage, *, kind: str, written_by_imagej: bool) -> PageColour:
    """Return what the tags of a page say about its samples.

    Parameters
    ----------
    page : tifffile.TiffPage
        The first of its series.
    kind : str
        Of the series, as tifffile calls it.
    written_by_imagej : bool
        Its values are what ImageJ shows, whatever the polarity tag says.
    """
    photometric = _name(page.photometric)
    if _PHOTOMETRIC not in page.tags and photometric in ("0", "MINISWHITE"):
        photometric = "RGB" if page.samplesperpixel >= 3 else "MINISBLACK"
    palette = page.colormap if photometric == "PALETTE" else None
    return PageColour(
        photometric=photometric,
        compression=_name(page.compression),
        bits=int(page.bitspersample),
        samples=int(page.samplesperpixel),
        extras=tuple(int(extra) for extra in page.extrasamples),
        palette=None if palette is None else np.asarray(palette),
        display=written_by_imagej,
        display_palette=kind in ("imagej", "ome"),
    )


def settle_subsampling(page: tifffile.TiffPage) -> None:
    """Let a page of JPEG 2000 be decoded, whose codec brings subsampled colour to full size.

    Parameters
    ----------
    page : tifffile.TiffPage
        The first of its series; not decoded yet.
    """
    if _name(page.compression) == _APERIO_YCBCR:
        page.subsampling = (1, 1)


def colour_last(
    pixels: npt.NDArray[Any] | LazyPixels, axes: str
) -> tuple[npt.NDArray[Any] | LazyPixels, str]:
    """Move the samples behind the columns.

    Parameters
    ----------
    pixels : ndarray or LazyPixels
    axes : str
        tifffile's letters; samples are "S".
    """
    if "S" in axes and not axes.endswith("S"):
        pixels = moved(pixels, axes.index("S"), -1)
        axes = axes.replace("S", "") + "S"
    return pixels, axes


def plain_values(
    path: Path,
    pixels: npt.NDArray[Any],
    axes: str,
    colour: PageColour,
    *,
    palette_indices: bool,
) -> PlainValues:
    """Turn the file's way of storing grey and colour into plain values.

    Parameters
    ----------
    path : Path
    pixels : ndarray
    axes : str
        tifffile's letters, samples last.
    colour : PageColour
    palette_indices : bool
        Give the numbers of a palette image, not its colours.

    Returns
    -------
    PlainValues

    Raises
    ------
    ImageError
        If its colours are stored in a way that is not read.
    """
    kind, name, last = colour.photometric, path.name, axes.endswith("S")
    if kind == "PALETTE":
        if colour.palette is not None and not (palette_indices or colour.display_palette):
            pixels = _apply_palette(pixels, colour.palette)
            axes += "S" if pixels.ndim > len(axes) else ""
        return PlainValues(pixels, axes, axes.endswith("S") and not last)
    if kind == "MINISWHITE":
        if colour.display:
            return PlainValues(pixels, axes, is_colour=False)
        pixels, top = _inverted(pixels, colour.bits)
        text = f"{name} stores white as 0, so its values were inverted ({top} - value)."
        caution = Caution("white-is-zero", text)
        return PlainValues(pixels, axes, is_colour=False, cautions=(caution,))
    if kind == "SEPARATED" and last and pixels.shape[-1] == 4:
        text = f"{name} is CMYK; it was converted to RGB without a colour profile."
        caution = Caution("cmyk", text)
        return PlainValues(_rgb_from_cmyk(pixels), axes, is_colour=True, cautions=(caution,))
    if colour.compression == _APERIO_YCBCR and pixels.dtype == np.uint8 and colour.samples == 3:
        return PlainValues(_rgb_from_ycbcr(pixels), axes, is_colour=True)
    decoded = kind == "YCBCR" and colour.compression in _CODECS_THAT_GIVE_RGB
    if kind not in ("MINISBLACK", "RGB", "MASK") and not decoded:
        raise ImageError(
            f"{path} stores its colours as {kind}, which is not supported; save it as RGB or grey."
        )
    two = kind == "MINISBLACK" and last and pixels.shape[-1] == 2
    if two and any(extra in _ALPHA for extra in colour.extras):
        caution = Caution("grey-alpha", "Grey with alpha was read as colour with alpha.")
        pixels = pixels[..., [0, 0, 0, 1]]
        return PlainValues(pixels, axes, is_colour=True, cautions=(caution,))
    return PlainValues(pixels, axes, colour.is_colour and last)


def _name(code: object) -> str:
    """Return the name of a tag's value, or the number that has none."""
    return getattr(code, "name", str(code))


def _inverted(pixels: npt.NDArray[Any], bits: int) -> tuple[npt.NDArray[Any], str]:
    """Return values as black is zero, and the number they were subtracted from."""
    kind = pixels.dtype.kind
    if kind == "b":
        return ~pixels, "1"
    if kind == "u":
        top = 2 ** min(bits, 8 * pixels.dtype.itemsize) - 1
        return (pixels.dtype.type(top) - pixels).astype(pixels.dtype), str(top)
    if kind == "i":
        return ~pixels, "-1"
    # Numbers have no largest value that is white: it is 1, or the largest there is.
    finite = pixels[np.isfinite(pixels)]
    top = 1.0 if not finite.size or 0 <= finite.min() <= finite.max() <= 1 else finite.max()
    return (pixels.dtype.type(top) - pixels).astype(pixels.dtype), f"{top:g}"


def _apply_palette(
    indices: npt.NDArray[Any], colourmap: npt.NDArray[np.uint16]
) -> npt.NDArray[np.uint8]:
    """Return the colours, or the greys, that the indices stand for."""
    # Some writers put 8-bit numbers where the standard wants 16-bit ones.
    table = (colourmap if colourmap.max() < 256 else colourmap >> 8).astype(np.uint8)
    if (table == table[0]).all():
        return np.asarray(table[0][indices])
    return np.moveaxis(table[:, indices], 0, -1)


def _rgb_from_cmyk(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the plain complement of ink, (1 - ink) * (1 - black)."""
    top = np.iinfo(pixels.dtype).max
    left = (top - pixels.astype(np.float64)) / top
    return np.rint(left[..., :3] * left[..., 3:] * top).astype(pixels.dtype)


def _rgb_from_ycbcr(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return colours of luma and two differences, Rec.601 over the full range."""
    y, blue, red = np.moveaxis(pixels.astype(np.float32) - (0, 128, 128), -1, 0)
    rgb = [y + 1.402 * red, y - 0.344136 * blue - 0.714136 * red, y + 1.772 * blue]
    return np.asarray(np.clip(np.rint(np.stack(rgb, axis=-1)), 0, 255).astype(np.uint8))
