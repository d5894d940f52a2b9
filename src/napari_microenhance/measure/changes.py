"""What changed: an image and its result, compared in numbers.

All comparisons are made on the grid of the result. An image of another size is brought there
as a result shows what was not enhanced: its pixels are repeated, or thinned, never
interpolated, so that an unchanged pixel differs by exactly nothing. Sharpness and noise, which
a repetition would falsify, are taken on each image's own grid.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.region import Region, intersect, scaled
from napari_microenhance.engine.run import Progress
from napari_microenhance.engine.selection import Selection
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import Cancelled, ImageError, OptionsError
from napari_microenhance.measure import metrics
from napari_microenhance.measure.alignment import Alignment, Picture, middle
from napari_microenhance.measure.comparison import Comparison, Named
from napari_microenhance.measure.full_range import FullRange, full_range
from napari_microenhance.measure.histograms import Histogram, common_edges, histogram
from napari_microenhance.measure.parts import Parts
from napari_microenhance.measure.tally import SSIM_REACH, Piece, Tally, chosen, similarity
from napari_microenhance.types import Box

__all__ = ["BEYOND", "changed_pixels", "compare_images"]

BEYOND: Final = 3.0
"""A change of so many times the noise is not likely to be noise."""

PIECE_PX: Final = 1 << 18
"""Pixels that are worked on at once: what the processor keeps near."""

MIDDLE_PX: Final = 2048
"""Of a longer box, noise and sharpness are taken from so much of its middle."""

BLUR_PX: Final = 11
"""Window of the perceptual blur."""

FloatArray = npt.NDArray[np.float64]


def compare_images(
    before: Source,
    after: Source,
    parts: Parts,
    *,
    planes: Sequence[int] | None = None,
    beyond: float = BEYOND,
    data_range: FullRange | float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Comparison:
    """Compare an image with its result.

    Parameters
    ----------
    before, after : Source
        Of the same field of view; `after` may be finer, coarser, or grey where `before` is
        colour. A colour image is one picture of three channels; alpha does not count. Other
        channels are pictures of their own.
    parts : Parts
        Which pixels count; regions of `before`.
    planes : sequence of int, optional
        Counted as `Options.planes` does; None: all.
    beyond : float
        Changes of more than so many times the noise of `before` are counted.
    data_range : FullRange or float, optional
        What counts as full range, image units. Default: `full_range` of `before`.
    on_progress : callable, optional
        Called with a `Progress` after every 0.25 Mpx, in this thread; it counts these pieces,
        each as often as it is read.
    should_stop : callable, optional
        Polled as often.

    Returns
    -------
    Comparison

    Raises
    ------
    Cancelled
        If `should_stop` returned true.
    MicroEnhanceError
        If the images do not belong together or are not finite.
    """
    if not beyond > 0:
        raise OptionsError(f"beyond={beyond=} must be greater than zero.")
    known = full_range(before) if data_range is None else data_range
    limits = known if isinstance(known, FullRange) else FullRange(known)
    aligned = Alignment(before, after)
    pictures = aligned.chosen(planes)
    span = limits.span
    course = _Course(_steps(aligned, pictures, parts.whole), on_progress, should_stop)
    total, each = Tally(), [Tally() for _ in parts.each]
    by_plane = []
    noise: list[float] = []
    for picture in pictures:
        sigma = _noise(aligned, picture, parts.whole)
        noise += sigma.tolist()
        plane = Tally()
        # Of a single plane, the total says all.
        targets = [(parts.whole, [total, plane] if len(pictures) > 1 else [total])]
        targets += [(p.region, [tally]) for p, tally in zip(parts.each, each, strict=True)]
        targets = [(region, tallies) for region, tallies in targets if _meets(region, picture)]
        for box in _boxes(aligned, parts.whole):
            course.step()
            piece = _piece(aligned, picture, box, limits=beyond * sigma, data_range=span)
            for region, tallies in targets:
                _add(aligned, picture, region, piece, box, tallies)
        course.step()
        for region, tallies in targets:
            course.check()
            _add_sharpness(aligned, picture, region, tallies)
        by_plane.append((picture.name, plane))
    found = [(p.name, tally) for p, tally in zip(parts.each, each, strict=True) if tally.pixels]
    counted = _histogram(aligned, pictures, parts.whole, total, course)
    outside = _different_outside(aligned, pictures, parts.whole, course)
    course.end()
    return Comparison(
        shape_before=before.shape,
        shape_after=after.shape,
        dtype_before=str(before.dtype),
        dtype_after=str(after.dtype),
        axes=after.axes,
        scale=float(aligned.ratio),
        data_range=span,
        range_origin=limits.origin,
        noise=tuple(noise),
        beyond=beyond,
        total=total.figures(span),
        parts=tuple(Named(name, tally.figures(span)) for name, tally in found),
        planes=_planes(by_plane, span),
        histogram=counted,
        different_outside=outside,
    )


def changed_pixels(
    before: Source,
    after: Source,
    whole: Region | Selection | None = None,
    *,
    beyond: float = BEYOND,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> npt.NDArray[np.bool_]:
    """Return which pixels of a region changed by more than so many times the noise.

    Parameters
    ----------
    before, after : Source
    whole : Region or Selection, optional
        Of `before`; default: the whole image.
    beyond : float
    on_progress, should_stop : callable, optional
        As for `compare_images`.

    Returns
    -------
    ndarray of bool, shape of `after` without the axis of colours

    Raises
    ------
    Cancelled
        If `should_stop` returned true.
    """
    aligned = Alignment(before, after)
    region = Selection.of(whole or Region.whole(before.spatial_shape))
    colour = after.is_colour
    shape = after.shape[:-1] if colour else after.shape
    found = np.zeros(shape, bool)
    steps = len(aligned.pictures) * sum(1 for _ in _boxes(aligned, region))
    course = _Course(steps, on_progress, should_stop)
    for picture in aligned.pictures:
        view = _view(found, after, picture, colour=colour)
        limits = beyond * _noise(aligned, picture, region)[:, None, None]
        for box in _boxes(aligned, region):
            course.step()
            first, second = aligned.pair(picture, box)
            changed = (np.abs(second - first) > limits).any(axis=0)
            here = tuple(slice(a, b) for a, b in box)
            view[here] = changed & aligned.inside(region, picture, box)
    course.end()
    return found


def _view(
    found: npt.NDArray[np.bool_], after: Source, picture: Picture, *, colour: bool
) -> npt.NDArray[np.bool_]:
    """Return the (Y, X) view of an array with the axes of the result."""
    key: list[int | slice] = [slice(None)] * found.ndim
    for axis, index in zip(after.plane_axes, picture.after, strict=True):
        key[axis] = index
    if after.channel_axis >= 0 and not colour:
        key[after.channel_axis] = picture.channels[0]
    return found[tuple(key)]


class _Course:
    """Tells how far a comparison is, and ends it where the caller wants that."""

    def __init__(
        self,
        total: int,
        on_progress: Callable[[Progress], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self._done, self._total = 0, total
        self._on_progress, self._should_stop = on_progress, should_stop

    def check(self) -> None:
        """Raise if the caller wants it to end."""
        if self._should_stop is not None and self._should_stop():
            raise Cancelled("The comparison was cancelled.")

    def step(self) -> None:
        """Begin the next piece."""
        self.check()
        self._report(self._done)
        self._done += 1

    def end(self) -> None:
        """Tell that nothing is left."""
        self._report(self._total)

    def _report(self, done: int) -> None:
        """Tell how far it is."""
        if self._on_progress is not None:
            self._on_progress(Progress(min(done, self._total), self._total))


def _steps(aligned: Alignment, pictures: Sequence[Picture], region: Selection) -> int:
    """Return how many pieces are read: for figures and sharpness, for histograms, and outside."""
    inside = sum(1 for _ in _boxes(aligned, region))
    everything = Selection.everywhere(Region.whole(aligned.before.spatial_shape))
    outside = sum(1 for _ in _boxes(aligned, everything)) if _is_in_memory(aligned) else 0
    return len(pictures) * (2 * inside + 1 + outside)


def _is_in_memory(aligned: Alignment) -> bool:
    """Tell whether reading all of both images costs little."""
    sources: tuple[Any, ...] = (aligned.before.data, aligned.after.data)
    return all(isinstance(data, np.ndarray) for data in sources)


def _flat(region: Selection) -> Box:
    """Return the (Y, X) box of a region of a plane or a stack."""
    return region.footprint.box[-2:]


def _meets(region: Selection, picture: Picture) -> bool:
    """Tell whether a region has a part in a plane."""
    here = region.at(picture.before, picture.channels)
    if here is None or len(here.shape) < 3:
        return here is not None
    return here.box[0][0] <= picture.z < here.box[0][1]


def _boxes(aligned: Alignment, region: Selection) -> Iterator[Box]:
    """Yield the rows of a region's box, in result px, so many at a time as fit."""
    (top, bottom), (left, right) = scaled(_flat(region), aligned.ratio)
    rows = max(1, PIECE_PX // max(1, right - left))
    for start in range(top, bottom, rows):
        yield (start, min(bottom, start + rows)), (left, right)


def _noise(aligned: Alignment, picture: Picture, region: Selection) -> FloatArray:
    """Return the noise of each channel of the image before, in the region's box."""
    box = []
    for (a, b), length in zip(
        middle(_flat(region), MIDDLE_PX), aligned.before.spatial_shape, strict=True
    ):
        grow = max(0, 3 - (b - a))
        box.append((max(0, a - grow), min(length, b + grow)))
    pixels = aligned.own_before(picture, tuple(box))
    if min(pixels.shape[1:]) < 3:
        return np.zeros(len(pixels))
    return np.array([metrics.noise(_finite(channel)) for channel in pixels])


def _finite(pixels: FloatArray) -> FloatArray:
    """Return pixels with those beside the region that are no numbers as zero."""
    if np.isfinite(pixels).all():
        return pixels
    return np.nan_to_num(pixels, nan=0, posinf=0, neginf=0)


def _piece(
    aligned: Alignment, picture: Picture, box: Box, *, limits: FloatArray, data_range: float
) -> Piece:
    """Read a box of both images and say of each pixel what changed."""
    shape = aligned.after.spatial_shape
    around = tuple(
        (max(0, a - SSIM_REACH), min(n, b + SSIM_REACH))
        for (a, b), n in zip(box, shape, strict=True)
    )
    before, after = aligned.pair(picture, around)
    similar = similarity(_finite(before), _finite(after), data_range, box=around, shape=shape)
    clipped = np.zeros(similar.shape, bool)
    if aligned.after.dtype.kind in "ui":
        info = np.iinfo(aligned.after.dtype)
        for end in (float(info.min), float(info.max)):
            clipped |= ((after == end) & (before != end)).any(axis=0)
    changed = np.any(np.abs(after - before) > limits[:, None, None], axis=0)
    inner = tuple((a - o, b - o) for (a, b), (o, _) in zip(box, around, strict=True))
    return Piece(before, after, similar, changed, clipped).cut(inner)


def _add(
    aligned: Alignment,
    picture: Picture,
    region: Selection,
    piece: Piece,
    box: Box,
    tallies: Sequence[Tally],
) -> None:
    """Take the pixels of a piece that belong to a region into its tallies."""
    common = intersect(scaled(_flat(region), aligned.ratio), box)
    if common is None:
        return
    inside = aligned.inside(region, picture, common)
    if not inside.any():
        return
    part = piece.cut(tuple((a - o, b - o) for (a, b), (o, _) in zip(common, box, strict=True)))
    for name, pixels in (("image", part.before), ("result", part.after)):
        if not np.isfinite(chosen(pixels, inside)).all():
            raise ImageError(
                f"The {name} has NaN or infinite pixels in the region; replace them first."
            )
    for tally in tallies:
        tally.add(part, inside)


def _add_sharpness(
    aligned: Alignment, picture: Picture, region: Selection, tallies: Sequence[Tally]
) -> None:
    """Take the sharpness of a region's box, each image on its own grid, into its tallies."""
    box = _flat(region)
    before = _sharpness(aligned.own_before(picture, middle(box, MIDDLE_PX)))
    after = _sharpness(aligned.own_after(picture, middle(scaled(box, aligned.ratio), MIDDLE_PX)))
    here = region.at(picture.before, picture.channels)
    for tally in tallies:
        tally.add_sharpness(before, after, here.pixels if here else 0)


def _sharpness(pixels: FloatArray) -> float | None:
    """Return one less the perceptual blur, the mean over the channels; None for small boxes."""
    if min(pixels.shape[1:]) < BLUR_PX:
        return None
    return 1 - float(np.mean([metrics.blur(_finite(channel)) for channel in pixels]))


def _planes(by_plane: Sequence[tuple[str, Tally]], data_range: float) -> tuple[Named, ...]:
    """Return the figures of each plane that has pixels of the region, if there are several."""
    if len(by_plane) < 2:
        return ()
    return tuple(Named(name, t.figures(data_range)) for name, t in by_plane if t.pixels)


def _histogram(
    aligned: Alignment,
    pictures: Sequence[Picture],
    region: Selection,
    total: Tally,
    course: "_Course",
) -> Histogram:
    """Count the values of the region in all pictures."""
    low = min(total.before.low, total.after.low)
    high = max(total.before.high, total.after.high)
    edges = common_edges(low, high, whole=aligned.whole)
    none: FloatArray = np.empty(0)
    found = histogram(none, none, edges)
    for picture in pictures:
        for box in _boxes(aligned, region):
            course.step()
            inside = aligned.inside(region, picture, box)
            before, after = aligned.pair(picture, box)
            found += histogram(chosen(before, inside), chosen(after, inside), edges)
    return found


def _different_outside(
    aligned: Alignment,
    pictures: Sequence[Picture],
    region: Selection,
    course: "_Course",
) -> int | None:
    """Count the pixels outside the region that differ; None for images that are read lazily."""
    if not _is_in_memory(aligned):
        return None
    everything = Selection.everywhere(Region.whole(aligned.before.spatial_shape))
    count = 0
    for picture in pictures:
        for box in _boxes(aligned, everything):
            course.step()
            before, after = aligned.pair(picture, box)
            # NaN is no number, and yet nothing that changed.
            same = (before == after) | (np.isnan(before) & np.isnan(after))
            outside = ~aligned.inside(region, picture, box)
            count += int(np.count_nonzero(~same.all(axis=0) & outside))
    return count
