"""Sample images with a region of interest each, as layer data; nothing is downloaded.

Each function returns two ``(data, keyword arguments, layer type)`` tuples: the
image, then a Shapes layer "ROI" in the same coordinates. Two images come out
of the scikit-image wheel, the third is simulated here.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from skimage import data as bundled

__all__ = ["SAMPLES", "LayerData", "cells", "fluorescence", "histology"]

LayerData = tuple[Any, dict[str, Any], str]
"""What napari turns into a layer: data, keyword arguments, layer type."""

Outline = tuple[str, list[tuple[float, float]]]
"""Shape type and vertices (y, x) in image pixels."""

_FIELD_SHAPE = (768, 1024)
_SEED = 20_240_229
# The nuclei are about 12 micrometres long then.
_CALIBRATION = {"scale": (0.22, 0.22), "units": ("um", "um")}


def histology() -> list[LayerData]:
    """Return a brightfield histology image with two glands marked.

    The image is `skimage.data.immunohistochemistry`: colonic glands, a brown
    antibody stain (DAB) and a blue haematoxylin counterstain.

    Returns
    -------
    list of tuple
        Image layer, ndarray of shape (512, 512, 3), uint8, range [0, 255], RGB;
        Shapes layer with a freehand-like polygon and an ellipse, (y, x) in px.
    """
    image = bundled.immunohistochemistry()  # type: ignore[no-untyped-call]
    outlines: list[Outline] = [
        (
            "polygon",
            [
                (300.0, 288.0),
                (308.0, 330.0),
                (336.0, 372.0),
                (384.0, 392.0),
                (446.0, 384.0),
                (492.0, 356.0),
                (507.0, 316.0),
                (492.0, 276.0),
                (440.0, 252.0),
                (384.0, 240.0),
                (334.0, 252.0),
            ],
        ),
        ("ellipse", _ellipse(centre=(134.0, 300.0), radii=(96.0, 66.0))),
    ]
    return [
        (image, {"name": "histology", "rgb": True}, "image"),
        _roi_layer(outlines, edge_width=3.0),
    ]


def cells() -> list[LayerData]:
    """Return a microscope image of one cell with the cell outlined.

    The image is `skimage.data.cell`.

    Returns
    -------
    list of tuple
        Image layer, ndarray of shape (660, 550), uint8, range [0, 255];
        Shapes layer with a freehand-like polygon, (y, x) in px.
    """
    outlines: list[Outline] = [
        (
            "polygon",
            [
                (276.0, 420.0),
                (284.0, 474.0),
                (322.0, 514.0),
                (378.0, 526.0),
                (434.0, 508.0),
                (470.0, 462.0),
                (472.0, 404.0),
                (446.0, 352.0),
                (390.0, 326.0),
                (330.0, 336.0),
                (290.0, 372.0),
            ],
        )
    ]
    image = bundled.cell()  # type: ignore[no-untyped-call]
    return [
        (image, {"name": "cells", "colormap": "gray"}, "image"),
        _roi_layer(outlines, edge_width=3.0),
    ]


def fluorescence() -> list[LayerData]:
    """Return a simulated fluorescence field with a polygon and an ellipse.

    Nuclei, filaments and puncta of very different brightness lie under a
    lopsided illumination; the camera adds an offset, shot noise and read noise.
    The field is the same at every call. A pixel is 0.22 micrometres wide.

    Returns
    -------
    list of tuple
        Image layer, ndarray of shape (768, 1024), uint16, about [90, 4000];
        Shapes layer with a freehand-like polygon and an ellipse, (y, x) in px.
    """
    image = _simulate_field(np.random.default_rng(_SEED))
    outlines: list[Outline] = [
        (
            "polygon",
            [
                (300.0, 90.0),
                (220.0, 180.0),
                (210.0, 310.0),
                (290.0, 420.0),
                (410.0, 440.0),
                (520.0, 380.0),
                (560.0, 250.0),
                (500.0, 130.0),
                (400.0, 70.0),
            ],
        ),
        ("ellipse", _ellipse(centre=(480.0, 780.0), radii=(140.0, 170.0))),
    ]
    image_keywords = {"name": "fluorescence (simulated)", "colormap": "gray", **_CALIBRATION}
    roi, roi_keywords, roi_type = _roi_layer(outlines, edge_width=4.0)
    return [
        (image, image_keywords, "image"),
        (roi, {**roi_keywords, **_CALIBRATION}, roi_type),
    ]


SAMPLES: Mapping[str, Callable[[], list[LayerData]]] = MappingProxyType(
    {"histology": histology, "cells": cells, "fluorescence": fluorescence}
)
"""The samples by name."""


def _roi_layer(outlines: list[Outline], *, edge_width: float) -> LayerData:
    """Build the Shapes tuple, open inside so that the image stays visible."""
    keywords = {
        "name": "ROI",
        "shape_type": [shape_type for shape_type, _ in outlines],
        "edge_color": "yellow",
        "face_color": "transparent",
        "edge_width": edge_width,
    }
    return [np.asarray(vertices) for _, vertices in outlines], keywords, "shapes"


def _ellipse(
    *, centre: tuple[float, float], radii: tuple[float, float]
) -> list[tuple[float, float]]:
    """Return the four bounding-box corners that napari keeps for an ellipse."""
    (y, x), (ry, rx) = centre, radii
    return [(y - ry, x - rx), (y - ry, x + rx), (y + ry, x + rx), (y + ry, x - rx)]


def _simulate_field(rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Simulate one field: emitters, optics, illumination, camera."""
    height, width = _FIELD_SHAPE
    emitters = np.full(_FIELD_SHAPE, 0.06, np.float32)
    # One smooth random texture for all nuclei: each looks at its own part of it.
    grain = gaussian_filter(rng.standard_normal(_FIELD_SHAPE, np.float32), 2.5)
    grain /= grain.std()
    thin = np.zeros(_FIELD_SHAPE, np.float32)
    for centre in _scatter(rng, count=42, gap=74.0):
        _add_nucleus(emitters, grain, centre, rng)
        for level in rng.uniform(0.04, 0.4) * rng.uniform(0.5, 1.0, 5):
            _add_filament(thin, centre, level, rng)
    spots = (rng.random((260, 2)) * _FIELD_SHAPE).astype(int)
    np.add.at(thin, (spots[:, 0], spots[:, 1]), rng.gamma(2.0, 1.6, len(spots)).astype("f4"))
    emitters += gaussian_filter(thin, 1.3)
    haze = gaussian_filter(emitters, 14.0, truncate=2.5)
    y, x = np.ogrid[:height, :width]
    light = np.exp(-(((y - 250.0) / 620.0) ** 2) - ((x - 680.0) / 640.0) ** 2)
    photons = 170.0 * light * (emitters + 0.25 * haze) + 1.5
    counts = 100.0 + 12.0 * rng.poisson(photons) + rng.normal(0.0, 14.0, _FIELD_SHAPE)
    return np.clip(np.rint(counts), 0, 65_535).astype(np.uint16)


def _scatter(rng: np.random.Generator, *, count: int, gap: float) -> list[npt.NDArray[np.float64]]:
    """Draw up to `count` points, no two closer than `gap` px."""
    points: list[npt.NDArray[np.float64]] = []
    for candidate in rng.random((count * 12, 2)) * _FIELD_SHAPE:
        if len(points) < count and all(np.hypot(*(candidate - p)) >= gap for p in points):
            points.append(candidate)
    return points


def _add_nucleus(
    field: npt.NDArray[np.float32],
    grain: npt.NDArray[np.float32],
    centre: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> None:
    """Add one soft-edged ellipse with chromatin-like texture to `field`."""
    reach = 44
    long_px, ratio = rng.uniform(22.0, 34.0), rng.uniform(0.62, 0.95)
    angle, level = rng.uniform(0.0, np.pi), rng.uniform(0.12, 1.0)
    (y0, y1), (x0, x1) = (
        (max(0, int(c) - reach), min(n, int(c) + reach))
        for c, n in zip(centre, field.shape, strict=True)
    )
    y, x = np.mgrid[y0:y1, x0:x1] - centre[:, None, None]
    along = (x * np.cos(angle) + y * np.sin(angle)) / long_px
    across = (y * np.cos(angle) - x * np.sin(angle)) / (long_px * ratio)
    rim = (1.0 - np.hypot(along, across)) * long_px
    body = 0.5 + 0.5 * np.tanh(rim / 1.8)
    field[y0:y1, x0:x1] += level * body * np.clip(1.0 + 0.3 * grain[y0:y1, x0:x1], 0.1, None)


def _add_filament(
    field: npt.NDArray[np.float32],
    centre: npt.NDArray[np.float64],
    level: float,
    rng: np.random.Generator,
) -> None:
    """Add one bending thread that starts near `centre`, in steps of half a pixel."""
    steps = int(rng.integers(160, 420))
    heading = rng.uniform(0.0, 2.0 * np.pi) + np.cumsum(rng.normal(0.0, 0.03, steps))
    start = centre + rng.normal(0.0, 24.0, 2)
    path = start[:, None] + 0.5 * np.cumsum([np.sin(heading), np.cos(heading)], axis=1)
    y, x = np.rint(path).astype(int)
    inside = (y >= 0) & (y < field.shape[0]) & (x >= 0) & (x < field.shape[1])
    np.add.at(field, (y[inside], x[inside]), np.float32(level))
