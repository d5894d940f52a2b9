"""Variability: how much a result depends on how the image happened to lie."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.options import Options
from napari_microenhance.engine.region import intersect, resample, slices, unscaled
from napari_microenhance.engine.reports.report import Report
from napari_microenhance.engine.result import Result
from napari_microenhance.engine.run import Progress
from napari_microenhance.engine.selection import Selection
from napari_microenhance.engine.source import Source
from napari_microenhance.engine.spec import GLOBAL, ModelSpec
from napari_microenhance.errors import ModelError
from napari_microenhance.measure.trust_maps.oriented_array import (
    EIGHT,
    FOUR,
    Orientation,
    OrientedArray,
)
from napari_microenhance.measure.trust_maps.trust import TrustMap
from napari_microenhance.types import Box

__all__ = ["measure_variability"]

Runner = Callable[
    [OrientedArray, Selection, Options, Box | None, Callable[[Progress], None]], Result
]

READING: Final = (
    "Standard deviation of the result over {runs} flips and rotations of the image, each "
    "with a different tile start, in image units. Where it is high, the result depends on "
    "orientation and tiling, not only on the image. This is not a confidence map: a "
    "consistent hallucination stays dark."
)

SHIFTS: Final = tuple((3 * i % 8, 5 * i % 8) for i in range(8))
"""Rows and columns left out: every phase of a network that works in blocks of up to 8 px."""

ROOM: Final = 4
"""How many times a network's reach an image must be for rows to be left out."""

LEAST_REACH: Final = 16

HIGH: Final = 99
"""Percentile that tells how high the map goes."""

FITTED: Final = ("percentile", "minmax")
"""Rules whose numbers come from the image, and would change with every row left out."""


def measure_variability(
    source: Source,
    selection: Selection,
    spec: ModelSpec,
    options: Options,
    run: Runner,
    *,
    window: Box | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrustMap:
    """Run a network on an image laid in eight ways and return how far the results are apart.

    It costs eight runs, each no larger than one; four where the network takes tiles of
    another height than width.

    Parameters
    ----------
    source : Source
    selection : Selection
        Before dilation.
    spec : ModelSpec
    options : Options
        Of the run in question.
    run : callable
        Enhances a view of the image inside a region, all of it or in a window of (Y, X) ranges
        of the view, and reports its progress.
    window : Box, optional
        (Y, X) ranges, px: what the run in question computed, where it was a preview.
    on_progress : callable, optional
        Called after each tile; tiles are those of all runs.

    Returns
    -------
    TrustMap
        On the grid of the result, over the region's box, cut to the window; the population's
        standard deviation, NaN outside the region.

    Raises
    ------
    ModelError
        If the network makes images smaller.
    """
    if spec.ratio < 1:
        raise ModelError(
            f"{spec.name} makes images smaller, so its pixels shift when the image is "
            "rotated; there is no variability map for it."
        )
    axes = (source.axes.index("Y"), source.axes.index("X"))
    fixed = [rule.fixed for rule in spec.size[-2:]]
    ways = EIGHT if fixed[0] == fixed[1] else FOUR
    chosen = dataclasses.replace(options, dtype="float32", background="original", feather=0)
    clock = _Clock(len(ways), on_progress)
    first = run(OrientedArray(source.data, axes, ways[0]), selection, chosen, window, clock.show)
    spread = _Spread(first, spec)
    spread.add(first, ways[0], (0, 0))
    pinned = _pinned(chosen, first.report)
    reach = _reach(spec)
    shifting = _can_shift(source, first.report, reach)
    for way, shift in zip(ways[1:], SHIFTS[1:], strict=False):
        clock.next_run()
        lain = dataclasses.replace(way, skip=shift if shifting else (0, 0))
        seen = lain.selection(selection)
        inside = _window_in(lain, window, (source.shape[axes[0]], source.shape[axes[1]]))
        if seen is not None and all(a < b for a, b in inside or ()):
            result = run(OrientedArray(source.data, axes, lain), seen, pinned, inside, clock.show)
            # Where rows were left out, the network saw a mirror image instead of them.
            rows, columns = (reach if px else 0 for px in lain.skip)
            spread.add(result, lain, (rows, columns))
    return spread.to_map(selection.dilated(options.dilate), len(ways))


def _window_in(way: Orientation, window: Box | None, plane: tuple[int, int]) -> Box | None:
    """Return a window as it lies in a view of a plane; None: all of it."""
    if window is None:
        return None
    lain = way.box(window, plane)
    return tuple((max(0, a), min(b, n)) for (a, b), n in zip(lain, way.shape(plane), strict=True))


def _pinned(options: Options, report: Report) -> Options:
    """Return options that map intensities and lay tiles as the first run did."""
    kept = report.intensity
    options = dataclasses.replace(options, memory=report.plan.memory_bytes)
    if kept.source not in FITTED or isinstance(kept.low, tuple) or isinstance(kept.high, tuple):
        return options
    return dataclasses.replace(options, intensity=(kept.low, kept.high))


def _can_shift(source: Source, report: Report, reach: int) -> bool:
    """Tell whether rows can be left out without changing what the network should see."""
    kept = report.intensity
    several = kept.source in FITTED and isinstance(kept.low, tuple)
    if several or kept.source == "package":
        return False
    edges = (source.shape[source.axes.index(letter)] for letter in "YX")
    return min(edges) >= ROOM * max(reach, LEAST_REACH)


def _reach(spec: ModelSpec) -> int:
    """Return how far from a cut edge the network still sees that it is one, px."""
    own = 0 if spec.radius == GLOBAL else int(spec.radius)
    return max(own, sum(spec.border_loss))


class _Clock:
    """Progress over several runs."""

    def __init__(self, runs: int, on_progress: Callable[[Progress], None] | None) -> None:
        self._runs, self._on_progress = runs, on_progress
        self._run = 0
        self._started = time.perf_counter()

    def next_run(self) -> None:
        """Note that the next run begins."""
        self._run += 1

    def show(self, progress: Progress) -> None:
        """Report the progress of a run as that of all of them."""
        if self._on_progress is None:
            return
        total = progress.total * self._runs
        done = progress.total * self._run + progress.done
        elapsed = time.perf_counter() - self._started
        left = elapsed * (total / done - 1) if done else None
        self._on_progress(Progress(done, total, seconds_left=left))


class _Spread:
    """Running mean and squared deviations of results, on the grid of the first one.

    References
    ----------
    .. [1] B. P. Welford, "Note on a method for calculating corrected sums of squares and
       products", Technometrics 4(3), 1962.
       https://doi.org/10.1080/00401706.1962.10490022
    """

    def __init__(self, first: Result, spec: ModelSpec) -> None:
        self._first = first
        self._ratio = int(spec.ratio)
        self._unit = "probability" if spec.task == "labels" else "image units"
        self._axes = (first.axes.index("Y"), first.axes.index("X"))
        self._box = self._box_of(first, "YX")
        height, width = (first.page.shape[first.page.source.axes.index(a)] for a in "YX")
        self._plane = (height, width)
        self._count = np.zeros([b - a for a, b in self._box], np.int64)
        self._mean = np.zeros(first.patch.shape)
        self._squares = np.zeros(first.patch.shape)

    def _box_of(self, result: Result, letters: str) -> Box:
        """Return the ranges of a patch along some spatial axes, result px."""
        axes = [result.axes.index(letter) for letter in letters]
        starts = [result.start[axis] * self._ratio for axis in axes]
        lengths = [result.patch.shape[axis] for axis in axes]
        return tuple((a, a + n) for a, n in zip(starts, lengths, strict=True))

    def _here(self, box: Box, origin: Box) -> tuple[slice, ...]:
        """Return the slices of a (Y, X) box in an array with the patch's axes."""
        key = [slice(None)] * self._mean.ndim
        for axis, part in zip(self._axes, slices(box, [a for a, _ in origin]), strict=True):
            key[axis] = part
        return tuple(key)

    def add(self, result: Result, way: Orientation, lost: tuple[int, int]) -> None:
        """Take in a result of a view.

        Parameters
        ----------
        result : Result
        way : Orientation
        lost : tuple of int
            Rows and columns at the beginning of the view that show its edge, px.
        """
        ratio = self._ratio
        fine = dataclasses.replace(way, skip=(way.skip[0] * ratio, way.skip[1] * ratio))
        seen = self._box_of(result, "YX")
        kept = tuple((max(a, px * ratio), b) for (a, b), px in zip(seen, lost, strict=True))
        if any(a >= b for a, b in kept):
            return
        pixels = fine.lay_back(result.patch[self._here(kept, seen)], self._axes)
        back = fine.box_back(kept, self._plane)
        common = intersect(back, self._box)
        if common is None:
            return
        there = self._here(common, self._box)
        new = pixels[self._here(common, back)].astype(np.float64)
        count = self._count[slices(common, [a for a, _ in self._box])]
        count += 1
        gap = new - self._mean[there]
        self._mean[there] += gap / self._spread_out(count)
        self._squares[there] += gap * (new - self._mean[there])

    def _spread_out(self, plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return an array over (Y, X) so that it broadcasts over the patch's axes."""
        shape = [1] * self._mean.ndim
        for axis, length in zip(self._axes, plane.shape, strict=True):
            shape[axis] = length
        return plane.reshape(shape)

    def _inside(self, selection: Selection) -> npt.NDArray[np.bool_]:
        """Return which pixels belong to a selection, in an array that broadcasts over the patch."""
        first, ratio = self._first, self._first.page.ratio
        source, box = first.page.source, self._box_of(first, first.page.source.spatial)
        lengths = dict(zip(first.axes, first.patch.shape, strict=True))
        starts = dict(zip(first.axes, first.start, strict=True))
        others = [a for a in first.axes if a not in source.spatial]
        counts = [1 if selection.cells is None else lengths[a] for a in others]
        inside = np.zeros([*counts, *(b - a for a, b in box)], bool)
        for index in np.ndindex(*counts):
            at = {a: starts[a] + i for a, i in zip(others, index, strict=True)}
            plane = [at[source.axes[axis]] for axis in source.plane_axes]
            region = selection.at(plane, [at.get("C", 0)])
            if region is not None:
                inside[index] = resample(region.crop(unscaled(box, ratio)), box, ratio)
        order = [*others, *source.spatial]
        return np.transpose(inside, [order.index(a) for a in first.axes])

    def to_map(self, selection: Selection, runs: int) -> TrustMap:
        """Return the standard deviations inside a selection."""
        count = self._spread_out(self._count)
        known = self._inside(selection) & (count > 1)
        variance = np.where(known, self._squares / np.maximum(count, 1), np.nan)
        values = np.sqrt(variance)
        found = values[np.isfinite(values)]
        return TrustMap(
            name="variability",
            values=values.astype(np.float32),
            axes=self._first.axes,
            start=self._start(),
            scale=self._first.scale,
            summary=float(np.sqrt(np.mean(np.square(found)))) if found.size else None,
            unit=self._unit,
            reading=READING.format(runs=runs),
            figures={
                "runs": runs,
                "high": float(np.percentile(found, HIGH)) if found.size else None,
            },
        )

    def _start(self) -> tuple[int, ...]:
        """Return the first pixel of the map along each axis, result px."""
        spatial = self._first.page.source.spatial
        starts = zip(self._first.axes, self._first.start, strict=True)
        return tuple(s * self._ratio if letter in spatial else s for letter, s in starts)
