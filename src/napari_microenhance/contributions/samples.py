"""Sample images with a region of interest each, as layer data; nothing is downloaded.

Each function returns two ``(data, keyword arguments, layer type)`` tuples: the
image, then a Shapes layer "ROI" in the same coordinates. Two images come out
of the scikit-image wheel, the third is simulated here.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from skimage import data as bundled

from napari_microenhance.contributions.layer_data import LayerData
from napari_microenhance.simulation.optics import Degradation, degrade
from napari_microenhance.simulation.specimens import simulate

__all__ = ["SAMPLES", "cells", "fluorescence", "histology"]

Outline = tuple[str, list[tuple[float, float]]]
"""Shape type and vertices (y, x) in image pixels."""

_FIELD_SHAPE = (768, 1024)
_SEED = 4
_STAINS: Mapping[str, float] = MappingProxyType({"nuclei": 0.6, "filaments": 0.2, "puncta": 0.4})
_AUTOFLUORESCENCE = 0.05
_WHITE = 4095
_CAMERA = Degradation(
    blur=0.8,
    vignette=0.85,
    centre=(0.33, 0.66),
    photons=400,
    read_noise=1.5,
    offset=100 / _WHITE,
    bits=12,
)
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
    The field is the same at every call (`simulation`). A pixel is 0.22 micrometres wide.

    Returns
    -------
    list of tuple
        Image layer, ndarray of shape (768, 1024), uint16, about [60, 3100];
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
    """Image a specimen of nuclei, filaments and puncta with a 12-bit camera."""
    height, width = _FIELD_SHAPE
    emitters = np.full(_FIELD_SHAPE, _AUTOFLUORESCENCE, np.float32)
    for family, share in _STAINS.items():
        emitters += share * simulate(family, max(_FIELD_SHAPE), rng).image[:height, :width]
    return np.rint(degrade(emitters, _CAMERA, rng) * _WHITE).astype(np.uint16)
