"""Weights of pixels between cells."""

import numpy as np
import pytest

from napari_microenhance.training.data.border_weights import border_weights


def brute_force_weights(mask: np.ndarray, labels: np.ndarray, w0: float, sigma: float):
    """The published formula, pixel by pixel over all cells."""
    share = mask.mean()
    cells = [np.argwhere(labels == n) for n in range(1, labels.max() + 1)]
    weights = np.empty(mask.shape)
    for place in np.ndindex(mask.shape):
        balance = 0.5 / share if mask[place] else 0.5 / (1 - share)
        near = sorted(np.sqrt(((cell - place) ** 2).sum(axis=1)).min() for cell in cells)
        near += [np.inf] * (2 - len(near))
        gap = w0 * np.exp(-((near[0] + near[1]) ** 2) / (2 * sigma**2))
        weights[place] = balance + (0 if mask[place] else gap)
    return weights


@pytest.mark.parametrize("labelled", [False, True])
def test_border_weights_are_the_published_formula(labelled: bool) -> None:
    mask = np.zeros((30, 34), bool)
    mask[4:14, 3:12] = mask[5:18, 14:22] = mask[20:27, 8:30] = True
    labels = np.zeros(mask.shape, int)
    labels[4:14, 3:12], labels[5:18, 14:22], labels[20:27, 8:30] = 1, 2, 4  # no cell has number 3
    found = border_weights(mask, labels=labels if labelled else None)
    wanted = brute_force_weights(mask, np.where(labels == 4, 3, labels), 10.0, 5.0)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    # Between two cells 2 px apart a pixel counts most.
    assert np.unravel_index(found.argmax(), found.shape)[1] in (12, 13)


def test_far_cells_add_nothing() -> None:
    mask = np.zeros((20, 200), bool)
    mask[5:15, 2:12] = mask[5:15, 185:195] = True
    found = border_weights(mask, sigma=2.0)
    assert set(np.round(np.unique(found), 4)) == {
        np.float32(round(0.5 / mask.mean(), 4)),
        np.float32(round(0.5 / (1 - mask.mean()), 4)),
    }


@pytest.mark.parametrize("value", [False, True])
def test_a_mask_of_one_kind_has_weights_of_one(value: bool) -> None:
    # One cell alone has no second one at any distance.
    assert (border_weights(np.full((8, 8), value)) == 1).all()
