"""Clean pictures, real and simulated, and the scenes that trials are made of.

A scene counts as the truth after one straight line has taken its 0.1 and 99.9 percentiles to 0
and 1; nothing is clipped, so that noise added to it keeps its distribution.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.intensity import PERCENTILES
from napari_microenhance.engine.luma import luma
from napari_microenhance.simulation.specimens import FAMILIES, simulate

__all__ = [
    "SEED",
    "CleanPicture",
    "Group",
    "Scene",
    "planes_of",
    "simulated_pictures",
]

FloatImage = npt.NDArray[np.float32]
Group = Literal["real", "simulated"]

SEED: Final = 20_250_611
"""Of everything random in an evaluation; kept for it."""
_TOP: Final = 65_535


@dataclasses.dataclass(frozen=True, eq=False)
class CleanPicture:
    """A picture to make scenes of.

    Parameters
    ----------
    name : str
    pixels : ndarray, shape (Y, X)
    labels : ndarray, shape (Y, X), or None
        Non-zero is foreground, where somebody has said so.
    group : {"real", "simulated"}
    """

    name: str
    pixels: npt.NDArray[Any]
    labels: npt.NDArray[Any] | None = None
    group: Group = "real"

    def scene(self, edge: int) -> "Scene":
        """Return its middle, at most `edge` px high and wide."""
        middle = tuple(
            slice((length - min(length, edge)) // 2, (length + min(length, edge)) // 2)
            for length in self.pixels.shape
        )
        original = self.pixels[middle]
        mask = None if self.labels is None else self.labels[middle] != 0
        low, high = (float(v) for v in np.percentile(original, PERCENTILES))
        image = (original.astype(np.float64) - low) / max(high - low, 1e-12)
        return Scene(self.name, self.group, image.astype(np.float32), mask, original)


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """A clean picture as the truth of trials.

    Parameters
    ----------
    name : str
    group : {"real", "simulated"}
    image : ndarray, shape (Y, X), float32
        Its 0.1 and 99.9 percentiles are 0 and 1; not clipped.
    mask : ndarray of bool, shape (Y, X), or None
        What is foreground, where somebody has said so.
    original : ndarray, shape (Y, X), or None
        The pixels as the file has them.
    """

    name: str
    group: Group
    image: FloatImage
    mask: npt.NDArray[np.bool_] | None = None
    original: npt.NDArray[Any] | None = None


def planes_of(
    name: str, pixels: npt.NDArray[Any], axes: str
) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Yield each channel of an image as a plane; colour gives its Rec.601 grey.

    Parameters
    ----------
    name : str
        Channels of a leading axis get their number behind it.
    pixels : ndarray
    axes : str
        Letters of "TCZYX"; of times and depths the first is taken.

    Yields
    ------
    tuple of str and ndarray, shape (Y, X)
    """
    if axes.endswith("YXC"):
        pixels = luma(pixels, axis=-1)
        axes = axes[:-1]
    for axis in [a for a in axes if a in "TZ"]:
        pixels = pixels.take(0, axis=axes.index(axis))
        axes = axes.replace(axis, "")
    if "C" not in axes:
        yield name, pixels
        return
    for number, plane in enumerate(pixels):
        yield f"{name} [{number}]", plane


def simulated_pictures(count: int, *, edge: int = 512) -> Iterator[CleanPicture]:
    """Yield simulated pictures of one family after the other, from seeds kept for this.

    Parameters
    ----------
    count : int
    edge : int
        px

    Yields
    ------
    CleanPicture
    """
    for number in range(count):
        family = FAMILIES[number % len(FAMILIES)]
        field = simulate(family, edge, np.random.default_rng([SEED, number]))
        labels = field.labels if field.labels.any() else None
        pixels = np.rint(field.image * _TOP).astype(np.uint16)
        yield CleanPicture(f"{family} {number}", pixels, labels, "simulated")
