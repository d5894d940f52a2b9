"""Repeated exposures as pairs: what is drawn of them, and a sentence for what cannot be used."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_microenhance.errors import FileMissingError, ImageError, OptionsError
from napari_microenhance.images.image_formats import write_image
from napari_microenhance.training.data.repeated import read_repeats
from napari_microenhance.training.learning.checkpoints import read_checkpoint
from napari_microenhance.training.learning.fit import train
from napari_microenhance.training.recipes.recipe import Recipe

Maker = Callable[..., Recipe]


def frames(rng: np.random.Generator, count: int = 5, shape: tuple[int, int] = (80, 64)):
    """Return exposures of a field, noise of 10 on a ramp."""
    truth = np.linspace(50, 200, shape[1])[None, None] * np.ones((1, shape[0], 1))
    return np.rint(truth + rng.normal(0, 10, (count, *shape))).astype(np.uint16)


@pytest.fixture
def plan(small: Maker, tmp_path: Path) -> Maker:
    def make(place: Path, **pairs) -> Recipe:
        return small(task="image", data={"pairs": {"repeats": str(place), **pairs}})

    return make


def test_the_target_is_the_mean_of_the_other_exposures(plan: Maker, tmp_path, rng) -> None:
    folder = tmp_path / "stacks"
    folder.mkdir()
    for k in range(3):
        write_image(folder / f"{k}.tif", frames(rng), "TYX")
    learnt, checked = read_repeats(plan(folder, intensity="percentile"))
    assert (len(learnt.stacks), len(checked.stacks)) == (2, 1)
    assert not {s.name for s in learnt.stacks} & {s.name for s in checked.stacks}
    given, wanted = learnt.draw(200, 32, rng)
    assert given.shape == wanted.shape == (200, 1, 32, 32)
    low, high = learnt.stacks[0].limits
    noise = (given - wanted) * (high - low)
    # Noise of one exposure and, independent of it, of the mean of four.
    assert noise.std() == pytest.approx(10 * np.sqrt(1 + 1 / 4), rel=0.05)
    assert abs(noise.mean()) < 0.3


def test_a_single_stack_is_cut_into_rows(plan: Maker, tmp_path, rng) -> None:
    path = tmp_path / "one.tif"
    write_image(path, frames(rng), "TYX")
    learnt, checked = read_repeats(plan(path))
    assert learnt.stacks[0].frames.shape[1:] == (48, 64)
    assert checked.stacks[0].frames.shape[1:] == (32, 64)
    assert learnt.stacks[0].limits == (0, 65_535)


def test_repeats_train_a_model(plan: Maker, tmp_path, rng) -> None:
    path = tmp_path / "one.tif"
    write_image(path, frames(rng), "TYX")
    folder = train(plan(path), tmp_path / "run").folder
    assert read_checkpoint(folder)["step"] == 6


def test_what_is_no_repeat_is_one_sentence(plan: Maker, tmp_path, rng, small: Maker) -> None:
    with pytest.raises(FileMissingError):
        read_repeats(plan(tmp_path / "none.tif"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileMissingError, match="There is no stack in"):
        read_repeats(plan(tmp_path / "empty"))
    path = tmp_path / "flat.tif"
    write_image(path, frames(rng)[0], "YX")
    with pytest.raises(ImageError, match="2 or more exposures of one field"):
        read_repeats(plan(path))
    write_image(tmp_path / "low.tif", frames(rng, shape=(40, 64)), "TYX")
    with pytest.raises(ImageError, match="40 px high, too small to learn from and to check with"):
        read_repeats(plan(tmp_path / "low.tif"))
    write_image(tmp_path / "tiny.tif", frames(rng, shape=(20, 64)), "TYX")
    with pytest.raises(ImageError, match="20 x 64 px, too small for patches of 32 px"):
        read_repeats(plan(tmp_path / "tiny.tif"))
    for pairs in ({"repeats": "a", "inputs": "b"}, {"inputs": "b"}, {}):
        with pytest.raises(OptionsError, match="inputs and targets, or repeats"):
            small(task="image", data={"pairs": pairs})
