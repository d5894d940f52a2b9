"""Simulated microscope fields with known truth, one function per family of specimen.

A field is made in two steps, so that the truth is known exactly: `simulate` draws the
specimen, free of noise, and `optics.degrade` images it.  Both take a random generator and
nothing else random: the same seed gives the same pixels.

None of the specimens is meant to be taken for a real one.  What matters for a network that
restores images are the statistics that the families share with real fields: bounded smooth
blobs with texture inside (nuclei), thin curves that cross (filaments), closed thin walls
(membranes), points of very unequal brightness (puncta), power-law texture (tissue) [1]_,
phase-like rims (brightfield) and flat regions with sharp borders (particles).

References
----------
.. [1] D. J. Field, "Relations between the statistics of natural images and the response
   properties of cortical cells", J. Opt. Soc. Am. A 4(12), 1987.
   https://doi.org/10.1364/JOSAA.4.002379
.. [2] A. Lehmussola et al., "Computational framework for simulating fluorescence microscope
   images with cell populations", IEEE Trans. Med. Imaging 26(7), 2007.
   https://doi.org/10.1109/TMI.2007.896925
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy import ndimage
from scipy.spatial import cKDTree

__all__ = ["FAMILIES", "Field", "simulate"]

FloatImage = npt.NDArray[np.float32]
LabelImage = npt.NDArray[np.uint16]
Maker = Callable[[int, np.random.Generator], tuple[FloatImage, LabelImage]]


@dataclasses.dataclass(frozen=True)
class Field:
    """A specimen as a perfect microscope would show it.

    Parameters
    ----------
    image : ndarray, shape (Y, X), float32
        Values in [0, 1].
    labels : ndarray, shape (Y, X), uint16
        Number of the cell, nucleus or particle that a pixel belongs to; 0: none.
        All 0 for families without separate objects.
    """

    image: FloatImage
    labels: LabelImage


def simulate(family: str, size: int, rng: np.random.Generator) -> Field:
    """Draw a specimen.

    Parameters
    ----------
    family : str
        One of `FAMILIES`.
    size : int
        Edge of the square field, px; at least 32.
    rng : numpy.random.Generator
        Everything random comes from it.

    Returns
    -------
    Field

    Raises
    ------
    ValueError
        If there is no such family, or the field is too small for one.
    """
    if family not in FAMILIES:
        raise ValueError(f"No family {family!r}; there are {', '.join(FAMILIES)}.")
    if size < 32:
        raise ValueError(f"A field of {size} px is too small to hold anything; take 32 or more.")
    image, labels = _MAKERS[family](size, rng)
    low, high = float(image.min()), float(image.max())
    image = (image - low) / max(high - low, 1e-6)
    if family in _GLOWING and rng.random() < 0.4:
        # A black level set above the haze: most of a real fluorescence field is flat and dark.
        image = np.maximum(image - np.percentile(image, rng.uniform(5, 75)), 0)
        image = image / max(float(image.max()), 1e-6)
    # A lens passes no detail finer than its spot; real fields are sampled at 1 to 3 px of it.
    sharp = rng.uniform(0.4, 1.6)
    image = ndimage.gaussian_filter(image, sharp, mode="reflect", truncate=3)
    if rng.random() < 0.5:
        image = np.clip(image, 0, 1) ** np.float32(rng.uniform(0.7, 1.5))
    return Field(np.clip(image, 0, 1).astype(np.float32), labels)


def texture(size: int, rng: np.random.Generator, *, slope: float, finest: float = 0) -> FloatImage:
    """Return Gaussian noise with a power-law spectrum, mean 0, standard deviation 1.

    Parameters
    ----------
    size : int
        Edge, px.
    rng : numpy.random.Generator
    slope : float
        Amplitude falls with frequency to the power of minus `slope`: 0 is white noise,
        1 is like natural scenes, 2 and more is cloudy.
    finest : float
        Standard deviation of the Gaussian that takes away finer detail, px.

    Returns
    -------
    ndarray, shape (size, size), float32
    """
    down = scipy.fft.fftfreq(size).astype(np.float32)[:, None]
    along = scipy.fft.rfftfreq(size).astype(np.float32)[None, :]
    square = down**2 + along**2
    square[0, 0] = 1
    weight = square ** np.float32(-slope / 2)
    if finest:
        weight *= np.exp(-2 * (np.pi * finest) ** 2 * square)
    weight[0, 0] = 0
    shape = weight.shape
    noise = rng.standard_normal((2, *shape), dtype=np.float32)
    values = scipy.fft.irfft2((noise[0] + 1j * noise[1]) * weight, s=(size, size))
    return (values / max(float(values.std()), 1e-12)).astype(np.float32)


def _blobs(
    size: int,
    rng: np.random.Generator,
    *,
    count: int,
    radius: tuple[float, float],
    rough: float,
    overlap: bool = False,
) -> LabelImage:
    """Return numbered blobs: ellipses whose outline is bent by a few harmonics."""
    labels = np.zeros((size, size), np.uint16)
    typical = rng.uniform(*radius)
    for number in range(1, count + 1):
        edge = typical * rng.lognormal(0, 0.2)
        reach = int(np.ceil(edge * 1.8)) + 1
        y, x = rng.uniform(-edge / 2, size + edge / 2, 2)
        rows = slice(max(0, int(y) - reach), min(size, int(y) + reach + 1))
        columns = slice(max(0, int(x) - reach), min(size, int(x) + reach + 1))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        dy = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - np.float32(y)
        dx = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :] - np.float32(x)
        turn, squeeze = rng.uniform(0, np.pi), rng.uniform(0.55, 1)
        along = dy * np.float32(np.sin(turn)) + dx * np.float32(np.cos(turn))
        across = (dy * np.float32(np.cos(turn)) - dx * np.float32(np.sin(turn))) / np.float32(
            squeeze
        )
        angle = np.arctan2(across, along)
        bend = np.ones_like(angle)
        for order in (2, 3, 4):
            bend = bend + np.float32(rough * rng.normal() / order) * np.cos(
                order * angle + np.float32(rng.uniform(0, 2 * np.pi))
            )
        inside = along**2 + across**2 < (edge * np.clip(bend, 0.4, 1.6)) ** 2
        place = labels[rows, columns]
        free = place == 0
        if not overlap and (inside & ~free).sum() > 0.12 * inside.sum():
            continue
        place[inside & (free | overlap)] = number
    return labels


def _levels(labels: LabelImage, rng: np.random.Generator, spread: float) -> FloatImage:
    """Return a brightness per object, log-normal around 1, and 0 between them."""
    levels = rng.lognormal(0, spread, int(labels.max()) + 1).astype(np.float32)
    levels[0] = 0
    return levels[labels]


def _splat(
    size: int,
    points: npt.NDArray[np.floating],
    weights: npt.NDArray[np.floating] | float,
) -> FloatImage:
    """Add points at (y, x), shape (N, 2), to an image, shared among their four pixels."""
    base = np.floor(points).astype(np.int64)
    part = points - base
    canvas = np.zeros(size * size, np.float32)
    for down in (0, 1):
        for along in (0, 1):
            y, x = base[:, 0] + down, base[:, 1] + along
            share = np.abs(1 - down - part[:, 0]) * np.abs(1 - along - part[:, 1]) * weights
            kept = (y >= 0) & (y < size) & (x >= 0) & (x < size)
            flat = y[kept] * size + x[kept]
            canvas += np.bincount(flat, share[kept], minlength=size * size).astype(np.float32)
    return canvas.reshape(size, size)


def _haze(size: int, rng: np.random.Generator, strength: float) -> FloatImage:
    """Return a slowly changing background, 0 to about `strength`; every other field has none."""
    if rng.random() < 0.5:
        return np.zeros((size, size), np.float32)
    cloud = texture(size, rng, slope=2.5, finest=size / 24)
    return np.asarray(strength * np.clip(0.5 + 0.25 * cloud, 0, 1), np.float32)


def _nuclei(size: int, rng: np.random.Generator) -> tuple[FloatImage, LabelImage]:
    """Bright nuclei with chromatin texture and out-of-focus glow."""
    crowd = rng.uniform(0.1, 0.75) if rng.random() < 0.75 else rng.uniform(0.01, 0.1)
    edge = rng.uniform(5, 22) if rng.random() < 0.8 else rng.uniform(22, 40)
    count = int(np.clip(crowd * size**2 / (np.pi * edge**2 * 0.7), 2, 400))
    labels = _blobs(
        size, rng, count=count, radius=(edge, edge * 1.15), rough=rng.uniform(0.02, 0.25)
    )
    chromatin = texture(size, rng, slope=rng.uniform(0.8, 1.8), finest=rng.uniform(0.5, 2))
    body = _levels(labels, rng, rng.uniform(0.1, 0.7))
    body = body * np.clip(1 + rng.uniform(0.05, 0.4) * chromatin, 0.1, None)
    body = ndimage.gaussian_filter(body, rng.uniform(0.5, 1.8), truncate=3)
    glow = ndimage.gaussian_filter(body[::4, ::4], edge * rng.uniform(0.3, 0.8))
    glow = ndimage.zoom(glow, 4, order=1)[:size, :size]
    glow = np.pad(glow, ((0, size - glow.shape[0]), (0, size - glow.shape[1])), mode="edge")
    image = body + rng.uniform(0, 0.5) * glow + _haze(size, rng, rng.uniform(0, 0.3))
    if rng.random() < 0.3:
        image = image + rng.uniform(0.02, 0.2) * _filaments(size, rng)[0]
    return image.astype(np.float32), labels


def _filaments(size: int, rng: np.random.Generator) -> tuple[FloatImage, LabelImage]:
    """Thin curves of slowly changing direction, such as microtubules, actin or fibres."""
    count, steps = int(rng.integers(8, 90)), int(size * 1.6)
    start = rng.uniform(-0.2 * size, 1.2 * size, (count, 1, 2))
    stiff = rng.uniform(0.005, 0.06)
    turn = np.cumsum(rng.normal(0, stiff, (count, steps)), axis=1)
    heading = rng.uniform(0, 2 * np.pi, (count, 1))
    if rng.random() < 0.4:
        heading = heading * rng.uniform(0.02, 0.2)
    angle = heading + ndimage.uniform_filter1d(turn, 9, axis=1)
    paths = start + np.cumsum(np.stack([np.sin(angle), np.cos(angle)], axis=-1) * 0.8, axis=1)
    bright = rng.lognormal(0, rng.uniform(0.1, 0.8), (count, 1)) * np.ones((1, steps))
    if rng.random() < 0.5:
        length = rng.integers(steps // 8, steps, (count, 1))
        bright = bright * (np.arange(steps)[None] < length)
    lines = _splat(size, paths.reshape(-1, 2), bright.ravel())
    image = ndimage.gaussian_filter(lines, rng.uniform(0.6, 2.2), truncate=3)
    ceiling = np.percentile(image, 99.7) * rng.uniform(0.8, 1.5) + 1e-6
    image = np.minimum(image / ceiling, 1.2)
    return image + _haze(size, rng, rng.uniform(0, 0.4)), np.zeros((size, size), np.uint16)


def _cells(
    size: int, rng: np.random.Generator, *, edge: float, warp: float
) -> tuple[FloatImage, LabelImage]:
    """Return the distance to the nearest wall between cells, px, and the cells' numbers.

    Walls are those of a Voronoi diagram, bent by a smooth field of displacements.
    """
    count = max(4, int(size**2 / edge**2))
    seeds = rng.uniform(-edge, size + edge, (int(count * (1 + 2 * edge / size) ** 2), 2))
    half = size // 2 + 1
    grid = 2 * np.moveaxis(np.indices((half, half), np.float32), 0, -1)
    bend = np.stack([texture(half, rng, slope=2, finest=edge / 8 + 1) for _ in range(2)], axis=-1)
    found = cKDTree(seeds).query(grid + warp * edge * bend, k=2)
    distance, nearest = (np.asarray(part) for part in found)
    wall = ndimage.zoom((distance[..., 1] - distance[..., 0]).astype(np.float32) / 2, 2, order=1)
    labels = np.repeat(np.repeat(nearest[..., 0], 2, axis=0), 2, axis=1)
    return wall[:size, :size], (labels[:size, :size] + 1).astype(np.uint16)


def _membranes(size: int, rng: np.random.Generator) -> tuple[FloatImage, LabelImage]:
    """Draw closed thin walls around cells, brighter where three meet."""
    wall, labels = _cells(size, rng, edge=rng.uniform(9, 45), warp=rng.uniform(0, 0.18))
    width = rng.uniform(0.7, 2.5)
    image = np.exp(-0.5 * (wall / width) ** 2)
    uneven = np.clip(1 + rng.uniform(0, 0.5) * texture(size, rng, slope=1.5, finest=1), 0.1, None)
    inside = _levels(labels, rng, rng.uniform(0.1, 0.6)) * rng.uniform(0, 0.3)
    speckle = 1 + 0.3 * texture(size, rng, slope=rng.uniform(0.3, 1.2), finest=1)
    image = image * uneven + inside * np.clip(speckle, 0, None)
    image = ndimage.gaussian_filter(image, rng.uniform(0.4, 1.2), truncate=3)
    return image + _haze(size, rng, rng.uniform(0, 0.3)), np.zeros_like(labels)


def _puncta(size: int, rng: np.random.Generator) -> tuple[FloatImage, LabelImage]:
    """Points and small vesicles of very unequal brightness over a faint cell body."""
    image = np.zeros((size, size), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        count = int(10 ** rng.uniform(1, 3.2))
        points = rng.uniform(0, size, (count, 2))
        if rng.random() < 0.5:
            near = points[rng.integers(0, max(1, count // 12), count)]
            points = near + rng.normal(0, rng.uniform(4, 20), (count, 2))
        bright = rng.lognormal(0, rng.uniform(0.2, 1.1), count)
        width = rng.uniform(0.7, 3.5)
        spots = ndimage.gaussian_filter(_splat(size, points, bright), width, truncate=3)
        image += (
            spots / max(float(np.percentile(spots, 99.8)), 1e-6) * np.float32(rng.uniform(0.3, 1))
        )
    image = np.minimum(image, rng.uniform(1, 3)).astype(np.float32)
    body = ndimage.gaussian_filter(
        (texture(size, rng, slope=2, finest=4) > rng.uniform(-1, 1)).astype(np.float32), 3
    )
    grain = np.clip(1 + 0.3 * texture(size, rng, slope=1, finest=1), 0, None)
    image = image + np.float32(rng.uniform(0, 0.5)) * body * grain
    return image.astype(np.float32), np.zeros((size, size), np.uint16)


def _tissue(size: int, rng: np.random.Generator) -> tuple[FloatImage, LabelImage]:
    """Stained tissue: cloudy texture, fibres, gaps and dark nuclei, on a bright ground."""
    image = 0.62 + rng.uniform(0.03, 0.14) * texture(
        size, rng, slope=rng.uniform(0.8, 1.8), finest=rng.uniform(0.3, 1.2)
    )
    fibres = texture(size, rng, slope=1.2, finest=1)
    stretch = ndimage.gaussian_filter(fibres, (rng.uniform(0.5, 6), rng.uniform(0.5, 6)))
    image = image + rng.uniform(0, 0.1) * stretch / max(float(stretch.std()), 1e-6)
    edge = rng.uniform(3, 13)
    count = int(rng.uniform(0.05, 0.5) * size**2 / (np.pi * edge**2))
    labels = _blobs(
        size, rng, count=min(count, 350), radius=(edge, edge * 1.2), rough=rng.uniform(0.05, 0.25)
    )
    grain = np.clip(1 + 0.3 * texture(size, rng, slope=1, finest=0.8), 0.3, None)
    stain = ndimage.gaussian_filter(_levels(labels, rng, 0.3) * grain, rng.uniform(0.4, 1))
    image = image - rng.uniform(0.1, 0.4) * stain
    if rng.random() < 0.5:
        gaps = texture(size, rng, slope=2, finest=3) > rng.uniform(0.8, 1.8)
        soft = ndimage.gaussian_filter(gaps.astype(np.float32), 1)
        image = image * (1 - soft) + rng.uniform(0.85, 1) * soft
    return np.clip(image, 0, 1).astype(np.float32), labels


def _brightfield(size: int, rng: np.random.Generator) -> tuple[FloatImage, LabelImage]:
    """Dense unstained or lightly stained cells: dark rims, bright halos, granules."""
    edge = rng.uniform(7, 26)
    count = int(np.clip(rng.uniform(0.15, 0.7) * size**2 / (np.pi * edge**2), 3, 350))
    labels = _blobs(size, rng, count=count, radius=(edge, edge * 1.2), rough=rng.uniform(0.03, 0.2))
    inside = (labels > 0).astype(np.float32)
    thick = ndimage.gaussian_filter(inside * _levels(labels, rng, 0.2), rng.uniform(1, 3))
    # A phase object slightly out of focus shows the Laplacian of its thickness
    # (transport of intensity).
    rim = -ndimage.laplace(ndimage.gaussian_filter(thick, rng.uniform(0.5, 1.5)))
    rim = rim / max(float(np.abs(rim).max()), 1e-6)
    granules = texture(size, rng, slope=0.5, finest=rng.uniform(0.8, 1.6)) * thick
    image = 0.7 - rng.uniform(0, 0.45) * thick + rng.uniform(-0.35, 0.35) * rim
    image = image + rng.uniform(0.01, 0.08) * granules + _haze(size, rng, 0.15)
    return image.astype(np.float32), labels


def _particles(size: int, rng: np.random.Generator) -> tuple[FloatImage, LabelImage]:
    """Materials: shaded particles, or grains of flat brightness with dark borders."""
    if rng.random() < 0.5:
        edge = rng.uniform(4, 30)
        count = int(np.clip(rng.uniform(0.2, 1.2) * size**2 / (np.pi * edge**2), 3, 350))
        labels = _blobs(
            size,
            rng,
            count=count,
            radius=(edge, edge * 1.3),
            rough=rng.uniform(0, 0.3),
            overlap=True,
        )
        image = _levels(labels, rng, rng.uniform(0.05, 0.4))
        height = ndimage.gaussian_filter((labels > 0).astype(np.float32), edge / 4)
        image = image * (0.5 + 0.5 * height)
    else:
        wall, labels = _cells(size, rng, edge=rng.uniform(12, 60), warp=rng.uniform(0, 0.05))
        image = _levels(labels, rng, rng.uniform(0.1, 0.5))
        image = image * (1 - rng.uniform(0.2, 0.9) * np.exp(-0.5 * (wall / 0.9) ** 2))
        labels = np.zeros_like(labels)
    grain = texture(size, rng, slope=rng.uniform(0, 1.2), finest=rng.uniform(0.4, 1))
    image = image + rng.uniform(0, 0.08) * grain
    image = ndimage.gaussian_filter(image, rng.uniform(0.3, 1), truncate=3)
    if rng.random() < 0.3:
        image = image.max() - image
    return image.astype(np.float32), labels


_MAKERS: dict[str, Maker] = {
    "nuclei": _nuclei,
    "filaments": _filaments,
    "membranes": _membranes,
    "puncta": _puncta,
    "tissue": _tissue,
    "brightfield": _brightfield,
    "particles": _particles,
}

_GLOWING = ("nuclei", "filaments", "membranes", "puncta")
"""Families of fluorescence: bright on dark."""

FAMILIES = tuple(_MAKERS)
"""Names of the kinds of specimen."""
