"""A large image without lower resolutions gets some for the screen."""

from pathlib import Path

import numpy as np

from napari_microenhance.images import thinned
from napari_microenhance.images.lazy import LazyPixels
from napari_microenhance.images.thinned import thinned_levels


class Kept(LazyPixels):
    def __init__(self, pixels):
        super().__init__(Path("a.tif"), pixels.shape, pixels.dtype)
        self.pixels, self.largest, self.reads = pixels, 0, 0

    def read(self, box):
        part = self.pixels[box]
        self.largest, self.reads = max(self.largest, part.size), self.reads + 1
        return part


def test_levels_are_every_so_many_pixels(rng, monkeypatch):
    monkeypatch.setattr(thinned, "PATIENCE_SECONDS", 1000)
    pixels = rng.integers(0, 999, (2, 4501, 4100), np.uint16)
    lazy = Kept(pixels)
    levels = thinned_levels(lazy, 1)
    assert [level.shape for level in levels] == [(2, 2251, 2050), (2, 1126, 1025), (2, 563, 513)]
    for number, level in enumerate(levels, start=1):
        step = 2**number
        np.testing.assert_array_equal(level[1, 100:, 3:501], pixels[1, ::step, ::step][100:, 3:501])
        np.testing.assert_array_equal(level[0], pixels[0, ::step, ::step])
    assert lazy.largest <= 1024 * 1024


def test_what_is_not_read_in_time_is_read_when_it_is_asked_for_again(rng, monkeypatch):
    pixels = rng.integers(1, 99, (5000, 5000, 3), np.uint8)
    lazy = Kept(pixels)
    level = thinned_levels(lazy, 0)[-1]
    monkeypatch.setattr(thinned, "PATIENCE_SECONDS", 0)
    assert not level[...].any()
    assert lazy.reads == 0
    monkeypatch.setattr(thinned, "PATIENCE_SECONDS", 1000)
    np.testing.assert_array_equal(level[...], pixels[::8, ::8])
    monkeypatch.setattr(thinned, "PATIENCE_SECONDS", 0)
    reads = lazy.reads
    np.testing.assert_array_equal(level[...], pixels[::8, ::8])
    assert lazy.reads == reads


def test_planes_that_a_screen_holds_have_none():
    assert thinned_levels(Kept(np.zeros((500, 2048, 2048), np.uint8)), 1) == ()
