"""Real noise with a real truth: one exposure of a field, and the mean of many.

Two folders hold files of equal names: `raw` one exposure each, `gt` what it should be. What stands
behind the last underscore of a name is its group, such as a channel; the groups are told apart,
since a mean over all of them hides the one that got worse.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from scipy import ndimage

from napari_microenhance.errors import FileMissingError, ImageError
from napari_microenhance.evaluation.clean_pictures import planes_of
from napari_microenhance.images.image_formats import read_image
from napari_microenhance.measure import metrics
from napari_microenhance.types import AnyArray

__all__ = [
    "BEST_BLUR",
    "PairFigures",
    "RealPair",
    "first_of_groups",
    "image_files",
    "pairs_table",
    "read_pairs_of",
    "score_pairs",
]

BEST_BLUR: Final = "best Gaussian blur"
"""The blur whose width, of a grid, is the best for each exposure: the truth is told to it."""

_WIDTHS: Final = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0, 4.0)
_RAW: Final = "raw"
_TRUTH: Final = "gt"
_ALL: Final = "all"

Denoise = Callable[[AnyArray], AnyArray]
"""From an exposure, (Y, X), as its file has it, to a result in the same units."""


@dataclasses.dataclass(frozen=True, eq=False)
class RealPair:
    """One exposure and its truth.

    Parameters
    ----------
    name, group : str
    taken, truth : ndarray, shape (Y, X), any number type
        In the same units.
    """

    name: str
    group: str
    taken: AnyArray
    truth: AnyArray

    @property
    def span(self) -> float:
        """What counts as full range: that of whole numbers of 8 bits, else the truth's own."""
        if self.truth.dtype == np.uint8:
            return 255.0
        return float(np.ptp(self.truth)) or 1.0


@dataclasses.dataclass(frozen=True)
class PairFigures:
    """What a method reached on one exposure.

    Parameters
    ----------
    method, name, group : str
    psnr, psnr_line : float
        dB; of the second, after the straight line that brings the result nearest to the truth:
        lamps fade, and a mean of many frames is a little darker than the first of them.
    ssim : float
        After that line.
    """

    method: str
    name: str
    group: str
    psnr: float
    psnr_line: float
    ssim: float


def read_pairs_of(folder: Path) -> list[RealPair]:
    """Read the exposures of a folder and their truths.

    Parameters
    ----------
    folder : Path
        Holds the folders "raw" and "gt"; suffixes may differ.

    Returns
    -------
    list of RealPair
        By name; every channel of an image is one.

    Raises
    ------
    FileMissingError
        If a folder or the truth of an exposure is missing.
    ImageError
        If an image cannot be read, or the two of a pair differ in shape.
    """
    truths = {path.stem: path for path in image_files(folder / _TRUTH)}
    found = []
    for path in image_files(folder / _RAW):
        if path.stem not in truths:
            raise FileMissingError(f"{path} has no truth of the same name in {folder / _TRUTH}.")
        taken, truth = read_image(path), read_image(truths[path.stem])
        if taken.pixels.shape != truth.pixels.shape:
            raise ImageError(
                f"{path} has shape {taken.pixels.shape}, its truth {truth.pixels.shape}."
            )
        group = path.stem.rpartition("_")[2] if "_" in path.stem else ""
        planes = zip(
            planes_of(path.stem, taken.pixels, taken.axes),
            planes_of(path.stem, truth.pixels, truth.axes),
            strict=True,
        )
        found += [RealPair(name, group, a, b) for (name, a), (_, b) in planes]
    if not found:
        raise FileMissingError(f"There is no image in {folder / _RAW}.")
    return found


def first_of_groups(pairs: Sequence[RealPair], count: int) -> list[RealPair]:
    """Return the first pairs of each group.

    Parameters
    ----------
    pairs : sequence of RealPair
    count : int
        Of each.
    """
    groups: dict[str, list[RealPair]] = {}
    for pair in pairs:
        groups.setdefault(pair.group, []).append(pair)
    return [pair for group in groups.values() for pair in group[:count]]


def score_pairs(
    methods: Mapping[str, Denoise],
    pairs: Sequence[RealPair],
    *,
    on_progress: Callable[[str], None] | None = None,
) -> list[PairFigures]:
    """Score denoisers on real exposures, beside the exposure itself and the best blur.

    Parameters
    ----------
    methods : mapping of str to callable
        By name.
    pairs : sequence of RealPair
    on_progress : callable, optional
        Called with a line of text before every exposure.

    Returns
    -------
    list of PairFigures
    """
    found = []
    for pair in pairs:
        if on_progress:
            on_progress(f"{pair.name}")
        found.append(_figures("input", pair.taken, pair))
        blurred = (_figures(BEST_BLUR, result, pair) for result in _blurs(pair.taken))
        found.append(max(blurred, key=lambda figures: figures.psnr_line))
        found += [_figures(name, run(pair.taken), pair) for name, run in methods.items()]
    return found


def pairs_table(figures: Sequence[PairFigures]) -> str:
    """Return the mean of every method in every group, as Markdown.

    Parameters
    ----------
    figures : sequence of PairFigures

    Returns
    -------
    str
        PSNR after linear matching, PSNR and SSIM; with several groups, a last row for all.
    """
    groups = list(dict.fromkeys(f.group for f in figures))
    groups += [_ALL] if len(groups) > 1 else []
    methods = list(dict.fromkeys(f.method for f in figures))
    lines = [
        f"| PSNR after linear matching / PSNR / SSIM | {' | '.join(methods)} |",
        f"| --- |{' ---: |' * len(methods)}",
    ]
    for group in groups:
        cells = []
        for method in methods:
            chosen = [f for f in figures if f.method == method and group in (f.group, _ALL)]
            line, plain, ssim = (
                float(np.mean([getattr(f, name) for f in chosen]))
                for name in ("psnr_line", "psnr", "ssim")
            )
            cells.append(f"{line:.2f} / {plain:.2f} / {ssim:.3f}")
        count = len({f.name for f in figures if group in (f.group, _ALL)})
        lines.append(f"| {group or 'images'} ({count}) | {' | '.join(cells)} |")
    return "\n".join(lines)


def _figures(method: str, result: AnyArray, pair: RealPair) -> PairFigures:
    """Return how near a result is to the truth."""
    truth = pair.truth.astype(np.float64)
    fitted = metrics.on_line(result, truth)
    return PairFigures(
        method,
        pair.name,
        pair.group,
        psnr=metrics.psnr(result.astype(np.float64), truth, data_range=pair.span),
        psnr_line=metrics.psnr(fitted, truth, data_range=pair.span),
        ssim=metrics.ssim(fitted, truth, data_range=pair.span),
    )


def _blurs(image: AnyArray) -> Iterator[AnyArray]:
    """Yield an image after Gaussian filters of all widths."""
    values = image.astype(np.float32)
    for width in _WIDTHS:
        yield ndimage.gaussian_filter(values, width, mode="reflect")


def image_files(folder: Path) -> list[Path]:
    """Return the images of a folder, by name.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    FileMissingError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise FileMissingError(f"There is no folder {folder}.")
    suffixes = {".tif", ".tiff", ".png", ".jpg", ".jpeg"}
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
