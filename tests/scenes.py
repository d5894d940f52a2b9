"""Pictures that tests of the evaluation are about."""

import numpy as np
from skimage import data

from napari_microenhance.evaluation.clean_pictures import CleanPicture, Scene

CAMERA = data.camera()[::2, ::2]


def steps(edge: int = 96) -> Scene:
    """A scene of flat squares."""
    y, x = np.mgrid[:edge, :edge] // 24
    return CleanPicture("steps", ((y * 5 + x * 3) % 7).astype(np.uint8)).scene(edge)
