"""What the tests of the evaluation share."""

import numpy as np
import pytest

from napari_microenhance.evaluation import baselines
from napari_microenhance.evaluation.clean_pictures import CleanPicture
from scenes import CAMERA


@pytest.fixture(autouse=True)
def _without_bm3d(request, monkeypatch):
    """Leave BM3D out but where a test asks for it: it takes as long as all others."""
    if "bm3d" not in request.fixturenames:
        monkeypatch.setattr(baselines, "has_bm3d", lambda: False)


@pytest.fixture
def bm3d():
    """Give the package, as a sign that a test wants the method."""
    return pytest.importorskip("bm3d", reason="a baseline that needs its own package")


@pytest.fixture
def picture():
    labels = (CAMERA < 60).astype(np.uint16)
    return CleanPicture("camera", CAMERA, labels)
