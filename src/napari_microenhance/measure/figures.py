"""Figures: a comparison as a picture, drawn with matplotlib on any of its canvases."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.intensity import PERCENTILES
from napari_microenhance.errors import OutputError
from napari_microenhance.measure.alignment import Alignment, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from napari_microenhance.measure.histograms import Histogram
    from napari_microenhance.measure.profiles import Profile

__all__ = [
    "Shown",
    "change_colours",
    "draw",
    "draw_histogram",
    "draw_profile",
    "new_figure",
    "shown",
]

EDGE_PX: Final = 1024
"""Longer images are thinned: a figure shows no more."""

COLOURS: Final = {"before": "#0072b2", "after": "#d55e00"}
"""Blue and vermilion of Okabe and Ito, which everyone can tell apart."""

ENDS: Final = ("#0072b2", "#ffffff", "#d55e00")
"""Darker, as it was, brighter."""

NAMES: Final = {"before": "original", "after": "result"}

FloatArray = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Shown:
    """One plane of an image and its result as they are drawn, on the grid of the result.

    Parameters
    ----------
    before, after : ndarray, shape (Y, X) or (Y, X, 3), float64
        Colours between 0 and 1.
    difference : ndarray, shape (Y, X), float64
        After less before, the mean over the channels, image units.
    limits : tuple of float
        What is black and white in both.
    step : int
        Every so many pixels are drawn.
    """

    before: FloatArray
    after: FloatArray
    difference: FloatArray
    limits: tuple[float, float]
    step: int


def new_figure() -> "Figure":
    """Return an empty figure that draws into a file and needs no display.

    Raises
    ------
    OutputError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise OutputError(
            "Plots need matplotlib, which is not installed; pip install "
            '"napari-microenhance[plot]".'
        ) from error
    figure = Figure(figsize=(12, 7), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def shown(aligned: Alignment, picture: Picture) -> Shown:
    """Return what is drawn of a plane.

    Parameters
    ----------
    aligned : Alignment
    picture : Picture
    """
    height, width = aligned.after.spatial_shape
    step = max(1, -(-max(height, width) // EDGE_PX))
    rows = range(0, height, step)
    # Row by row, so that a slide is never held whole.
    read = [aligned.pair(picture, ((y, y + 1), (0, width))) for y in rows]
    before, after = (np.concatenate([pair[i] for pair in read], axis=1) for i in range(2))
    before, after = before[:, :, ::step], after[:, :, ::step]
    difference = (after - before).mean(axis=0)
    if len(before) == 3:
        low, high = 0.0, 1.0
        if aligned.before.dtype.kind in "ui":
            high = float(np.iinfo(aligned.before.dtype).max)
        pictures = [np.clip(np.moveaxis(p, 0, -1) / high, 0, 1) for p in (before, after)]
        return Shown(pictures[0], pictures[1], difference, (low, high), step)
    both = np.concatenate([before.ravel(), after.ravel()])
    low, high = (float(v) for v in np.nanpercentile(both, PERCENTILES))
    return Shown(before[0], after[0], difference, (low, max(high, low + 1e-12)), step)


def change_colours() -> "Colormap":
    """Return colours for differences; exactly white in the middle, where nothing changed."""
    from matplotlib.colors import LinearSegmentedColormap

    # An odd number has a middle.
    return LinearSegmentedColormap.from_list("change", ENDS, N=257)


def draw(
    figure: "Figure", pixels: Shown, counted: "Histogram", profiles: Sequence["Profile"] = ()
) -> None:
    """Draw original and result side by side, what changed, histograms and profiles.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Cleared first.
    pixels : Shown
    counted : Histogram
    profiles : sequence of Profile
        The first one is drawn.
    """
    figure.clear()
    grid = figure.add_gridspec(2, 6, height_ratios=(3, 2))
    low, high = pixels.limits
    first: Any = None
    for index, name in enumerate(("before", "after")):
        place = figure.add_subplot(grid[0, 2 * index : 2 * index + 2], sharex=first, sharey=first)
        first = first or place
        place.imshow(getattr(pixels, name), cmap="gray", vmin=low, vmax=high)
        _bare(place, NAMES[name])
    place = figure.add_subplot(grid[0, 4:6], sharex=first, sharey=first)
    most = float(np.nanmax(np.abs(pixels.difference), initial=0)) or 1.0
    drawn = place.imshow(pixels.difference, cmap=change_colours(), vmin=-most, vmax=most)
    figure.colorbar(drawn, ax=place, shrink=0.8)
    _bare(place, "result - original")
    half = 3 if profiles else 6
    draw_histogram(figure.add_subplot(grid[1, :half]), counted)
    if profiles:
        draw_profile(figure.add_subplot(grid[1, half:]), profiles[0])


def draw_histogram(axes: "Axes", counted: "Histogram") -> None:
    """Draw both histograms over each other; the counts logarithmic, since a peak is no news.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    counted : Histogram
    """
    for name in ("before", "after"):
        axes.stairs(getattr(counted, name), counted.edges, color=COLOURS[name], label=NAMES[name])
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(bottom=0)
    axes.set(xlabel="value", ylabel="pixels")
    axes.legend(frameon=False)


def draw_profile(axes: "Axes", profile: "Profile") -> None:
    """Draw the values under a line, the mean over the channels.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    profile : Profile
    """
    for name in ("before", "after"):
        values = getattr(profile, name).mean(axis=0)
        axes.plot(profile.distance, values, color=COLOURS[name], label=NAMES[name], linewidth=1)
    axes.set(xlabel="distance along the line, px", ylabel="value")
    axes.legend(frameon=False)


def _bare(axes: "Axes", title: str) -> None:
    """Give an image a title and a frame without ticks: where nothing changed, all is white."""
    axes.set(title=title)
    axes.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
