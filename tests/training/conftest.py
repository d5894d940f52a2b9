"""What the tests of training share."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from napari_microenhance.images.image_formats import write_image
from napari_microenhance.training.recipes.recipe import Recipe


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Compute with one thread: small tensors gain nothing from more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small() -> Callable[..., Recipe]:
    """Return a maker of recipes that train in seconds; keywords replace sections or parts."""
    return tiny.recipe


@pytest.fixture
def write_images() -> Callable[[Path, Sequence[tuple[str, np.ndarray]]], Path]:
    """Return a writer of image files into a folder."""

    def write(folder: Path, images: Sequence[tuple[str, np.ndarray]]) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, pixels in images:
            write_image(folder / name, pixels, "YX" if pixels.ndim == 2 else "YXC")
        return folder

    return write
