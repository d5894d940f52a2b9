"""Raw consistency: a result, blurred back, against the image that it was made of.

What a microscope could have seen of the result is compared with what it did see: the result
is averaged down to the image's pixels, blurred, and its intensities brought to the image's,
with the blur and the line that fit best.

References
----------
.. [1] S. Culley et al., "Quantitative mapping and minimization of super-resolution optical
   imaging artifacts", Nature Methods 15, 2018. https://doi.org/10.1038/nmeth.4605
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.region import Region, scaled, slices
from napari_microenhance.engine.run import Progress
from napari_microenhance.engine.selection import Selection
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import Cancelled, ImageError
from napari_microenhance.measure import metrics
from napari_microenhance.measure.alignment import Alignment, Picture, middle
from napari_microenhance.measure.trust_maps.trust import TrustMap

if TYPE_CHECKING:
    from napari_microenhance.types import Box

__all__ = ["Fit", "measure_consistency"]

FloatArray = npt.NDArray[np.float64]

READING: Final = (
    "Difference between the original and the result blurred back to the original's "
    "resolution, in image units. Where it exceeds the noise, the result shows structure that "
    "the original does not, or lacks some. It cannot see structure finer than the blur or "
    "weaker than the noise, and results whose local brightness was changed on purpose differ "
    "everywhere."
)

WIDEST_PX: Final = 8.0
"""Standard deviation of the widest blur that is tried, px of the image."""

TRUNCATE: Final = 4.0
"""Where the blur ends, in standard deviations."""

FIT_PX: Final = 1024
"""Of a longer box, the fit is made on so much of its middle."""

STEPS: Final = (0.0, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0, 4.5, 6.0, WIDEST_PX)
"""Blurs that are tried before the best is refined."""

_MOST_TRIALS: Final = len(STEPS) + 12
"""As often as a blur is tried for one channel, about."""


@dataclasses.dataclass(frozen=True)
class Fit:
    """What takes a result back to its image.

    Parameters
    ----------
    sigma : float
        Standard deviation of the Gaussian blur, px of the image.
    gain, offset : float
        Of the line after the blur.
    correlation : float
        Pearson's, of the blurred result with the image.
    """

    sigma: float
    gain: float
    offset: float
    correlation: float


def measure_consistency(
    before: Source,
    after: Source,
    region: Region | Selection | None = None,
    *,
    planes: Sequence[int] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrustMap:
    """Return how far a result, put back through a blur, is from its image.

    Parameters
    ----------
    before, after : Source
        Of the same field of view, `after` as fine as `before` or finer.
    region : Region or Selection, optional
        Of `before`; default: the whole image.
    planes : sequence of int, optional
        Counted as `Options.planes` does; None: all.
    on_progress : callable, optional
        Called with a `Progress` before each blur that is tried, in this thread.
    should_stop : callable, optional
        Polled as often.

    Returns
    -------
    TrustMap
        On the grid of `before`, over the region's box; NaN outside the region, and in planes
        that were not chosen. Its number is the resolution-scaled error, a root mean square;
        its figures hold the resolution-scaled Pearson correlation, the blur that was fitted,
        and the noise of the image, to judge the error by.

    Raises
    ------
    Cancelled
        If `should_stop` returned true.
    MicroEnhanceError
        If the images do not belong together.
    """
    aligned = Alignment(before, after)
    if aligned.ratio < 1:
        raise ImageError("Raw consistency needs a result at least as fine as the image.")
    whole = Selection.of(region or Region.whole(before.spatial_shape))
    tally = _Tally(aligned, whole)
    parts = [
        (picture, channel)
        for picture in aligned.chosen(planes)
        for channel in range(len(picture.channels) if not aligned.makes_grey else 1)
    ]
    watch = _Watch(len(parts), on_progress, should_stop)
    for picture, channel in parts:
        tally.add(picture, channel, watch)
        watch.end_part()
    return tally.to_map()


class _Watch:
    """Tells how many blurs were tried, and ends the search where the caller wants that."""

    def __init__(
        self,
        parts: int,
        on_progress: Callable[[Progress], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self._total = parts * _MOST_TRIALS
        self._done = self._ended = 0
        self._on_progress, self._should_stop = on_progress, should_stop

    def step(self) -> None:
        """Begin another trial."""
        if self._should_stop is not None and self._should_stop():
            raise Cancelled("The map was cancelled.")
        self._report()
        # One part may take a trial more or less than was foreseen.
        self._done = min(self._done + 1, self._ended + _MOST_TRIALS)

    def end_part(self) -> None:
        """Note that the blur of one channel is known."""
        self._done = self._ended = self._ended + _MOST_TRIALS
        self._report()

    def _report(self) -> None:
        """Tell how far it is."""
        if self._on_progress is not None:
            self._on_progress(Progress(self._done, self._total))


class _Tally:
    """The errors of all pictures, and the sums that their summary is made of."""

    def __init__(self, aligned: Alignment, region: Selection) -> None:
        self._aligned, self._region = aligned, region
        self._box: Box = region.footprint.box[-2:]
        source = aligned.before
        shape = list(source.shape[:-1] if source.is_colour else source.shape)
        self._axes = source.axes.replace("C", "") if source.is_colour else source.axes
        for letter, (a, b) in zip("YX", self._box, strict=True):
            shape[self._axes.index(letter)] = b - a
        self._squares = np.full(shape, np.nan)
        self._fits: list[tuple[Fit, int, float, float]] = []

    def add(self, picture: Picture, channel: int, watch: "_Watch") -> None:
        """Take in one channel of a picture."""
        inside = self._inside(picture)
        if not inside.any():
            return
        raw, result, inner = self._read(picture, channel)
        mask = np.zeros(raw.shape, bool)
        mask[inner] = inside
        if not (np.isfinite(raw[mask]).all() and np.isfinite(result[mask]).all()):
            raise ImageError("Image and result must be finite in the region; replace NaN first.")
        raw, result = (np.nan_to_num(p, nan=0, posinf=0, neginf=0) for p in (raw, result))
        fit = _fit(raw, result, mask, watch)
        watch.step()
        error = raw - (fit.gain * _blurred(result, fit.sigma) + fit.offset)
        squares = np.square(error[inner])
        self._keep(picture, squares, inside, channels=len(picture.channels))
        noise = metrics.noise(raw) if min(raw.shape) >= 3 else 0.0
        self._fits.append((fit, int(inside.sum()), float(squares[inside].sum()), noise))

    def _inside(self, picture: Picture) -> npt.NDArray[np.bool_]:
        """Return which pixels of the box belong to the region."""
        region = self._region.at(picture.before, picture.channels)
        if region is None:
            return np.zeros([b - a for a, b in self._box], bool)
        if len(region.shape) == 2:
            return region.crop(self._box)
        return np.asarray(region.crop(((picture.z, picture.z + 1), *self._box))[0])

    def _read(
        self, picture: Picture, channel: int
    ) -> tuple[FloatArray, FloatArray, tuple[slice, ...]]:
        """Return image and result around the box, on the image's grid, and where the box lies."""
        aligned = self._aligned
        reach = int(TRUNCATE * WIDEST_PX)
        around = tuple(
            (max(0, a - reach), min(n, b + reach))
            for (a, b), n in zip(self._box, aligned.before.spatial_shape, strict=True)
        )
        raw = aligned.own_before(picture, around)[channel]
        fine = aligned.own_after(picture, scaled(around, aligned.ratio))[channel]
        k = int(aligned.ratio)
        height, width = raw.shape
        result = fine.reshape(height, k, width, k).mean(axis=(1, 3))
        return raw, result, slices(self._box, [a for a, _ in around])

    def _keep(
        self,
        picture: Picture,
        squares: FloatArray,
        inside: npt.NDArray[np.bool_],
        *,
        channels: int,
    ) -> None:
        """Add squared errors to the map; those of colours to their mean."""
        source = self._aligned.before
        key: list[int | slice] = [slice(None)] * self._squares.ndim
        for axis, index in zip(source.plane_axes, picture.before, strict=True):
            key[axis] = index
        share = 1.0
        if source.is_colour:
            share = 1 / (1 if self._aligned.makes_grey else channels)
        elif source.channel_axis >= 0:
            key[source.channel_axis] = picture.channels[0]
        view = self._squares[tuple(key)]
        view[inside] = np.nan_to_num(view[inside]) + share * squares[inside]

    def to_map(self) -> TrustMap:
        """Return the map and its numbers."""
        weights = [count for _, count, _, _ in self._fits]

        def mean(values: Sequence[float]) -> float | None:
            return float(np.average(values, weights=weights)) if weights else None

        fits = [fit for fit, *_ in self._fits]
        error = sum(total for *_, total, _ in self._fits)
        rse = float(np.sqrt(error / sum(weights))) if weights else None
        starts = dict(zip("YX", (a for a, _ in self._box), strict=True))
        return TrustMap(
            name="raw consistency",
            values=np.sqrt(self._squares).astype(np.float32),
            axes=self._axes,
            start=tuple(starts.get(letter, 0) for letter in self._axes),
            scale=1.0,
            summary=rse,
            unit="image units",
            reading=READING,
            figures={
                "rsp": mean([fit.correlation for fit in fits]),
                "blur_px": mean([fit.sigma for fit in fits]),
                "gain": mean([fit.gain for fit in fits]),
                "offset": mean([fit.offset for fit in fits]),
                "noise": mean([noise for *_, noise in self._fits]),
            },
        )


def _fit(
    raw: FloatArray,
    result: FloatArray,
    inside: npt.NDArray[np.bool_],
    watch: "_Watch",
) -> Fit:
    """Return the blur and the line with the least squared error."""
    from scipy.optimize import minimize_scalar

    box = middle(tuple((0, n) for n in raw.shape), FIT_PX)
    if not inside[slices(box)].any():
        box = tuple((0, n) for n in raw.shape)
    here = slices(box)
    raw, result, inside = raw[here], result[here], inside[here]
    known: dict[float, Fit] = {}

    def misfit(sigma: float) -> float:
        watch.step()
        known[sigma] = _line(raw[inside], _blurred(result, sigma)[inside], float(sigma))
        return -known[sigma].correlation

    tried = [misfit(sigma) for sigma in STEPS]
    best = int(np.argmin(tried))
    low, high = STEPS[max(0, best - 1)], STEPS[min(len(STEPS) - 1, best + 1)]
    minimize_scalar(misfit, bounds=(low, high), method="bounded", options={"xatol": 0.01})
    return max(known.values(), key=lambda fit: fit.correlation)


def _line(raw: FloatArray, blurred: FloatArray, sigma: float) -> Fit:
    """Return the line that takes blurred values to raw ones with the least squared error."""
    gap_x, gap_y = blurred - blurred.mean(), raw - raw.mean()
    spread, power = float(np.square(gap_x).sum()), float(np.square(gap_y).sum())
    both = float((gap_x * gap_y).sum())
    gain = both / spread if spread else 0.0
    correlation = both / float(np.sqrt(spread * power)) if spread and power else 0.0
    return Fit(sigma, gain, float(raw.mean() - gain * blurred.mean()), correlation)


def _blurred(pixels: FloatArray, sigma: float) -> FloatArray:
    """Return pixels blurred; the image goes on as its mirror."""
    from scipy import ndimage

    if not sigma:
        return pixels
    return ndimage.gaussian_filter(pixels, sigma, truncate=TRUNCATE, mode="reflect")
