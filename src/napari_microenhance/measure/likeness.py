"""Likeness: whether a result still looks like its image, judged on a sample after the run.

A network that was exported wrong runs without an error. What it gives then is the noise, black,
white, or the image with holes; each of these shows in a few numbers.
"""

import dataclasses
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.engine.result import Result
from napari_microenhance.engine.selection import Selection
from napari_microenhance.engine.source import Source
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.errors import MicroEnhanceError
from napari_microenhance.measure.alignment import Alignment, Picture, cut_to, patch_spans

__all__ = ["Likeness", "cautions_of", "likeness_cautions", "measure_likeness"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_Fit = tuple[float, float]
"""Correlation and slope."""

WINDOWS: Final = 16
"""Most windows that are read; evenly over planes and the region's box."""

WINDOW_PX: Final = 128

BLOCK_PX: Final = 8
"""Edge of the blocks, image px, over whose means noise is gone and structure stays."""

LEAST_BLOCKS: Final = 24
"""Fewer tell nothing."""

STRUCTURE: Final = 10
"""How many times as much as their noise alone the means of blocks must vary."""

UNLIKE: Final = 0.2
"""Correlation of block means below which a result is hardly like its image."""

GRAIN: Final = 0.3
"""Correlation of what differs from the block means, above which it is the same grain."""

STRUCTURELESS: Final = 0.25
"""Part of the grain's gain below which the structure is lost."""

MOST_CLIPPED: Final = 0.2

BRIGHT: Final = 0.15
"""Part of the image's range next to an end of the number type that may well be clipped: a bright
field's background, a dark one's."""

LEAST_PLATEAU: Final = 0.01

STEEP: Final = 3
"""How many times as many pixels a plateau has as the values next to it."""

NEAR: Final = 0.05
"""Part of the range that counts as next to a value."""

FAR: Final = 0.25
"""Part of the image's range by which a level jumps."""

ENDS: Final = (0.1, 99.9)
"""Percentiles between which a range lies."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Likeness:
    """How a result compares with its image, inside the region, on a sample.

    Parameters
    ----------
    name : str
        Of the channel, where there are several.
    correlation : float or None
        Of the means of blocks of 8 x 8 px, which noise hardly reaches; None where the image
        has no structure at that scale, or the region is too small.
    structure : float or None
        How much of a step from block to block the result keeps: 1 for all of it.
    grain : float or None
        Correlation of what differs from these means: noise and fine detail.
    grain_kept : float or None
        How much of it the result keeps.
    level_before, level_after : float
        Mean values, image units.
    low, high : float
        Between which values the image runs: its 0.1 and 99.9 percentiles.
    clipped : float
        Share of values at an end of the result's number type that the image was not near.
    plateau : float
        Share of values exactly at the largest one (or, where the image is bright, at the
        smallest), with hardly any next to it, and none of that in the image.
    plateau_value : float
    """

    name: str = ""
    correlation: float | None = None
    structure: float | None = None
    grain: float | None = None
    grain_kept: float | None = None
    level_before: float = 0.0
    level_after: float = 0.0
    low: float = 0.0
    high: float = 0.0
    clipped: float = 0.0
    plateau: float = 0.0
    plateau_value: float = 0.0


def likeness_cautions(result: Result, inside: Selection, spec: ModelSpec) -> tuple[Caution, ...]:
    """Return what a user should know of the pixels of a result: where they are unlike the image.

    Parameters
    ----------
    result : Result
    inside : Selection
        Which pixels of the image the run was asked for.
    spec : ModelSpec
        Of the network that ran.

    Returns
    -------
    tuple of Caution
        At most one per channel.
    """
    source = result.page.source
    if spec.task == "labels" or not result.patch.size or source.dtype.kind not in "uif":
        return ()
    if source.spatial != "YX" and inside.cells is not None:
        return ()  # planes of volumes in time
    place = result.place
    spans = patch_spans(source, place.axes, place.start, place.shape, scale=result.scale)
    box = tuple(spans[letter] for letter in source.spatial)
    planes = tuple(spans[source.axes[axis]] for axis in source.plane_axes)
    kept = inside.within(box, planes)
    if kept is None:
        return ()
    before = Source(cut_to(source, spans).data, source.axes)
    try:
        found = measure_likeness(before, Source(result.patch, place.axes), kept)
    except MicroEnhanceError:
        return ()  # of pixels that cannot be compared nothing is known
    return tuple(caution for one in found for caution in cautions_of(one, spec))


def measure_likeness(before: Source, after: Source, inside: Selection) -> tuple[Likeness, ...]:
    """Compare a result with its image on at most 16 windows of 128 x 128 px.

    Parameters
    ----------
    before, after : Source
        Of the same field of view, as for `compare_images`.
    inside : Selection
        Which pixels of `before` were enhanced.

    Returns
    -------
    tuple of Likeness
        One per channel; one for a colour image.
    """
    aligned = Alignment(before, after)
    groups: dict[tuple[int, ...], list[Picture]] = {}
    for picture in aligned.pictures:
        if inside.at(picture.before, picture.channels) is not None:
            groups.setdefault(picture.channels, []).append(picture)
    found = []
    for channels, pictures in groups.items():
        name = f"channel {channels[0]}" if len(groups) > 1 else ""
        windows = list(_windows(aligned, inside, pictures))
        if windows:
            found.append(_likeness(windows, after.dtype, aligned, name))
    return tuple(found)


def cautions_of(found: Likeness, spec: ModelSpec) -> tuple[Caution, ...]:
    """Return what a user should know of a result, in one sentence; nothing where it is alike.

    Parameters
    ----------
    found : Likeness
    spec : ModelSpec
        Of the network that ran.

    Returns
    -------
    tuple of Caution
        At most one: the one that explains most.
    """
    where = f"Of {found.name}, " if found.name else ""
    for name, text in _findings(found, spec):
        return (Caution(name, f"{where}{text}" if where else text[0].upper() + text[1:]),)
    return ()


def _findings(found: Likeness, spec: ModelSpec) -> Iterator[tuple[str, str]]:
    """Yield what stands out, with its likely reason, the one that explains most first."""
    unlike = found.correlation is not None and abs(found.correlation) < UNLIKE
    words = f"the result hardly resembles the image (correlation {found.correlation or 0:.2f})"
    if spec.units == "relative":
        if unlike:
            yield "unlike-image", f"{words}, since this model changes the appearance of images."
        return
    if _is_residual(found):
        yield (
            "unlike-image",
            f"the result keeps the grain of the image ({abs(found.grain_kept or 0):.0%}) but "
            f"hardly its structure ({abs(found.structure or 0):.0%}): the model seems to "
            "output the noise (a residual), which must be subtracted from the image.",
        )
    half = spec.precision == "float16" or spec.dtype == "float16"
    overflow = "values above 65,504 overflow in half precision (use the float32 file)"
    runs = f"the image runs from {found.low:,.4g} to {found.high:,.4g}"
    wrong = "its value range may be wrong (value_range, output_range)"
    if found.clipped > MOST_CLIPPED:
        yield (
            "much-clipped",
            f"{found.clipped:.0%} of the result is clipped to the limits of its data type "
            f"where the image is not; {overflow if half else f'the model runs, but {wrong}'}.",
        )
    if found.plateau > LEAST_PLATEAU:
        reason = overflow if half else f"the model clips its output or overflows; {wrong}"
        yield (
            "plateau",
            f"{found.plateau:.1%} of the result is exactly {found.plateau_value:,.6g}, and {runs} "
            f"there and has no such plateau; {reason}.",
        )
    if unlike:
        yield "unlike-image", f"{words}; the model generates a different picture, or {wrong}."
    # A few spots far above an even ground: then its ends say nothing of the levels.
    slack = 1e-6 * max(abs(found.low), abs(found.high))
    levels_told = found.low - slack <= found.level_before <= found.high + slack
    jump = abs(found.level_after - found.level_before)
    if levels_told and jump > FAR * (found.high - found.low):
        yield (
            "level-jump",
            f"the mean level changed from {found.level_before:,.4g} to "
            f"{found.level_after:,.4g}, and {runs}; the model changes the brightness, or "
            f"{wrong}.",
        )


def _is_residual(found: Likeness) -> bool:
    """Tell whether a result is what a denoiser takes away."""
    if found.structure is None or found.grain is None or found.grain_kept is None:
        return False
    has_grain = abs(found.grain) > GRAIN
    return has_grain and abs(found.structure) < STRUCTURELESS * abs(found.grain_kept)


@dataclasses.dataclass(frozen=True, eq=False)
class _Window:
    """Pixels of both images, shape (C, Y, X), and which of them count, shape (Y, X)."""

    before: FloatArray
    after: FloatArray
    inside: BoolArray


def _windows(aligned: Alignment, inside: Selection, pictures: list[Picture]) -> Iterator[_Window]:
    """Yield windows that lie evenly over planes and the region's box."""
    height, width = aligned.after.spatial_shape
    across = [_starts(n, round(WINDOWS**0.5)) for n in (height, width)]
    places = [(y, x) for y in across[0] for x in across[1]]
    total = min(WINDOWS, len(places) * len(pictures))
    for number in range(total):
        picture = pictures[number * len(pictures) // total]
        y, x = places[number % len(places)]
        box = ((y, min(height, y + WINDOW_PX)), (x, min(width, x + WINDOW_PX)))
        mask = aligned.inside(inside, picture, box)
        if mask.any():
            yield _Window(*aligned.pair(picture, box), mask)


def _starts(length: int, most: int) -> list[int]:
    """Return where windows begin along an axis."""
    count = min(most, -(-length // WINDOW_PX))
    last = max(0, length - WINDOW_PX)
    return sorted({round(i * last / max(1, count - 1)) for i in range(count)})


def _likeness(
    windows: list[_Window], dtype: np.dtype[np.generic], aligned: Alignment, name: str
) -> Likeness:
    """Return the figures of one channel."""
    before = np.concatenate([w.before[:, w.inside].ravel() for w in windows])
    after = np.concatenate([w.after[:, w.inside].ravel() for w in windows])
    low, high = (float(v) for v in np.percentile(before, ENDS))
    structure, grain = _split(windows, BLOCK_PX * max(1, int(aligned.ratio)))
    plateau, value = _plateau(before, after, high - low)
    return Likeness(
        name=name,
        correlation=structure and structure[0],
        structure=structure and structure[1],
        grain=grain and grain[0],
        grain_kept=grain and grain[1],
        level_before=float(before.mean()),
        level_after=float(after.mean()),
        low=low,
        high=high,
        clipped=_clipped(before, after, dtype, BRIGHT * (high - low)),
        plateau=plateau,
        plateau_value=value,
    )


def _split(windows: list[_Window], edge: int) -> tuple[_Fit | None, _Fit | None]:
    """Return how block means are alike, and how what differs from them is."""
    blocks = [_blocks(window, edge) for window in windows]
    before, after = (np.concatenate([pair[i] for pair in blocks]) for i in range(2))
    if len(before) < LEAST_BLOCKS:
        return None, None
    means = before.mean(axis=1), after.mean(axis=1)
    rest = before - means[0][:, None], after - means[1][:, None]
    noise = float(np.square(rest[0]).mean()) / before.shape[1]
    if float(means[0].var()) <= STRUCTURE * noise:
        return None, None
    return _fit(*means), _fit(rest[0].ravel(), rest[1].ravel())


def _blocks(window: _Window, edge: int) -> tuple[FloatArray, FloatArray]:
    """Return the pixels of whole blocks inside the region, shape (N, pixels), colours averaged."""
    rows, columns = (n // edge for n in window.inside.shape)

    def cut(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        whole = pixels[: rows * edge, : columns * edge]
        split = whole.reshape(rows, edge, columns, edge).swapaxes(1, 2)
        return split.reshape(rows * columns, edge * edge)

    full = cut(window.inside).all(axis=1)
    first, second = (cut(pixels.mean(axis=0)) for pixels in (window.before, window.after))
    return first[full].astype(np.float64), second[full].astype(np.float64)


def _fit(before: FloatArray, after: FloatArray) -> _Fit:
    """Return correlation and slope of a straight line; nothing correlates with a constant."""
    a, b = before - before.mean(), after - after.mean()
    power, common = float(a @ a), float(a @ b)
    both = power * float(b @ b)
    return (common / both**0.5 if both > 0 else 0.0, common / power if power > 0 else 0.0)


def _clipped(
    before: FloatArray, after: FloatArray, dtype: np.dtype[np.generic], near: float
) -> float:
    """Return the share of values that came to lie at an end of the number type."""
    if dtype.kind not in "ui":
        return 0.0
    info = np.iinfo(dtype)  # type: ignore[type-var]
    ends = (float(info.min), float(info.max))
    return sum(float(np.mean((after == end) & (np.abs(before - end) > near))) for end in ends)


def _plateau(before: FloatArray, after: FloatArray, span: float) -> tuple[float, float]:
    """Return the share of values on a new plateau, and its value."""
    top, bottom = float(after.max()), float(after.min())
    next_to = max(NEAR * (top - bottom), 1.0 if span > 2 else 0.0)
    middle = float(np.median(before))
    for value, others in ((top, after >= top - next_to), (bottom, after <= bottom + next_to)):
        flat = after == value
        # Black stays black: below, only what was bright is a hole.
        holes = flat if value == top else flat & (before > middle)
        share, beside = float(holes.mean()), float((others & ~flat).mean())
        if share <= LEAST_PLATEAU or share <= STEEP * beside:
            continue
        under = before[holes]
        spread = float(np.subtract(*np.percentile(under, (95, 5))))
        if spread > NEAR * span and spread > 0:
            return share, value
    return 0.0, top
