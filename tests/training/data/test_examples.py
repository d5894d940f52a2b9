"""The bank of clean fields, and the examples that each task makes of it."""

import numpy as np
import pytest

from napari_microenhance.training.data.examples import TASKS, build_bank, draw_examples


def rng(*seed):
    return np.random.default_rng([2, *seed])


@pytest.fixture(scope="module")
def bank():
    return build_bank(20, size=64, seed=4, workers=1)


def test_a_bank_is_the_same_however_many_processes_make_it(bank):
    again = build_bank(20, size=64, seed=4, workers=2)
    for name in ("images", "masks", "labelled"):
        assert np.array_equal(getattr(bank, name), getattr(again, name))
    assert bank.images.shape == (20, 64, 64)
    assert 0 < bank.labelled.sum() < 20
    assert not bank.labelled[-6:].any(), "nobody has labelled the pictures"


@pytest.mark.parametrize("task", TASKS)
def test_examples_are_seeded_and_paired(bank, task):
    scale = 2 if task == "superres" else 1
    keywords = {"count": 5, "patch": 32, "scale": scale}
    given_, wanted = draw_examples(bank, task, rng=rng(1), **keywords)
    assert given_.shape == (5, 1, 32 // scale, 32 // scale)
    assert wanted.shape == (5, 1, 32, 32)
    assert given_.dtype == wanted.dtype == np.float32
    assert wanted.min() >= -1e-6
    again = draw_examples(bank, task, rng=rng(1), **keywords)
    other = draw_examples(bank, task, rng=rng(2), **keywords)
    assert np.array_equal(given_, again[0])
    assert np.array_equal(wanted, again[1])
    assert not np.array_equal(given_, other[0])


def test_a_small_image_is_the_mean_of_the_large_one(bank):
    # One in five carries a little noise, which the median does not see.
    given_, wanted = draw_examples(bank, "superres", count=15, patch=32, rng=rng(), scale=4)
    means = wanted.reshape(15, 8, 4, 8, 4).mean(axis=(2, 4))
    assert np.median(np.abs(given_[:, 0] - means).max(axis=(1, 2))) < 1e-6


def test_foreground_examples_come_from_labelled_fields_only(bank):
    _, wanted = draw_examples(bank, "foreground", count=40, patch=64, rng=rng())
    assert set(np.unique(wanted)) == {0, 1}
    assert wanted.any(axis=(1, 2, 3)).all()
