"""The three samples: what is in them, and that napari takes them."""

import socket
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from skimage.draw import polygon2mask

from napari_microenhance.contributions.samples import SAMPLES, fluorescence, histology

EXPECTED = {
    "histology": ((512, 512, 3), np.uint8),
    "cells": ((660, 550), np.uint8),
    "fluorescence": ((768, 1024), np.uint16),
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("a sample asked for the network")

    monkeypatch.setattr(socket, "socket", refuse)


@pytest.mark.parametrize("name", EXPECTED)
def test_each_sample_is_an_image_and_an_roi_inside_it(name):
    (image, image_keywords, image_type), (shapes, roi_keywords, roi_type) = SAMPLES[name]()
    shape, dtype = EXPECTED[name]
    assert (image_type, roi_type) == ("image", "shapes")
    assert (image.shape, image.dtype) == (shape, dtype)
    assert image.max() - image.min() > 50
    assert image_keywords["name"].startswith(name)
    assert roi_keywords["name"] == "ROI"
    assert len(shapes) == len(roi_keywords["shape_type"]) >= 1
    for vertices in shapes:
        assert vertices.shape[1] == 2
        assert (vertices >= 0).all()
        assert (vertices <= np.array(shape[:2]) - 1).all()
        share = polygon2mask(shape[:2], vertices).mean()
        assert 0.02 < share < 0.5


def test_every_sample_is_tested():
    assert set(SAMPLES) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_napari_makes_layers_of_each_sample(name):
    from napari.layers import Layer

    image, roi = (Layer.create(*data) for data in SAMPLES[name]())
    assert image.rgb == (name == "histology")
    assert list(roi.shape_type) == SAMPLES[name]()[1][1]["shape_type"]
    np.testing.assert_allclose(roi.face_color[:, 3], 0.0)
    np.testing.assert_array_equal(roi.scale, image.scale)
    assert roi.units == image.units


def test_the_bundled_files_come_with_the_wheel():
    folder = Path(find_spec("skimage").origin).parent / "data"
    assert (folder / "ihc.png").is_file()
    assert (folder / "cell.png").is_file()


def test_the_simulated_field_repeats_itself_and_is_lit_unevenly():
    image = fluorescence()[0][0]
    np.testing.assert_array_equal(fluorescence()[0][0], image)
    lit, dim = np.median(image[150:350, 580:780]), np.median(image[-200:, :200])
    # 100 is the camera's offset.
    assert lit - 100 > 2 * (dim - 100) > 0


def test_a_sample_can_be_changed_without_changing_the_next():
    first = histology()[0][0]
    first[:] = 0
    assert histology()[0][0].any()
