"""Levels and images of OME-Zarr: the finest is read, others are said."""

import numpy as np
import pytest

from napari_microenhance.images.image_formats import read_image
from stores import ome_zarr

RNG = np.random.default_rng(11)


def names(file):
    return [note.name for note in file.notes]


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_levels_listed_coarse_first_are_put_in_order(tmp_path, scaled, zarr_format):
    full = RNG.integers(1, 255, (64, 80), dtype=np.uint8)
    levels = [(f"s{k}", full[::k, ::k], 0.5 * k if scaled else None) for k in (4, 2, 1)]
    found = read_image(ome_zarr(tmp_path / "a.zarr", [levels], zarr_format=zarr_format))
    np.testing.assert_array_equal(found.pixels, full)
    assert [level.shape for level in found.levels] == [(32, 40), (16, 20)]
    assert found.pixel_size["X"] == ((0.5 if scaled else 1.0), "µm")
    assert found.notes == ()


def test_several_multiscale_images_are_said_and_chosen(tmp_path):
    pictures = [RNG.integers(1, 255, (20, 30 + i), dtype=np.uint8) for i in range(2)]
    path = ome_zarr(tmp_path / "a.zarr", [[(f"s{i}", p, i + 1.0)] for i, p in enumerate(pictures)])
    found = read_image(path)
    assert names(found) == ["several-images"]
    assert '1: "image 1"' in found.notes[0].text
    second = read_image(path, series=1)
    np.testing.assert_array_equal(second.pixels, pictures[1])
    assert (second.pixel_size["X"], second.notes) == ((2.0, "µm"), ())
