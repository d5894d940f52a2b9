"""Every built-in recipe: a few steps, an ONNX file, and an image through it."""

from pathlib import Path

import numpy as np
import pytest

from napari_microenhance.api import enhance, load_model
from napari_microenhance.images.image_formats import write_image
from napari_microenhance.training.learning.checkpoints import read_checkpoint
from napari_microenhance.training.learning.fit import train
from napari_microenhance.training.recipes.recipe_files import list_recipes, load_recipe
from napari_microenhance.training.shipping.exporting import export_checkpoint

QUICK = [
    "data.fields=4",
    "data.size=64",
    "training.steps=3",
    "training.batch=2",
    "training.patch=32",
    "training.patch_growth=[]",
    "training.epoch_steps=3",
    "training.validation=1",
    "training.workers=0",
]
"""As little of every recipe as still shows that it trains."""

SMALLER = {
    "autoencoder": ["network.width=4"],
    "denoise": ["network.widths=[4, 6, 8]"],
    "denoise-camera": ["network.widths=[4, 6, 8]", "init=null"],
    "detail": ["network.widths=[4, 6, 8]"],
    "dncnn": ["network.width=4", "network.depth=5"],
    "espcn-x2": ["network.width=4"],
    "foreground": ["network.widths=[4, 6, 8]"],
    "own-camera": ["network.widths=[4, 6, 8]", "init=null"],
    "pix2pix": ["network.width=4", "network.depth=3"],
    "resnet-attention": ["network.width=4", "network.blocks=2"],
    "srgan-x4": ["network.width=4", "network.blocks=1"],
    "superres-x2": ["network.widths=[4, 6, 8]"],
    "superres-x4": ["network.width=4", "network.blocks=1"],
    "unet-valid": ["network.width=2", "network.depth=2", "training.patch=60"],
    "your-own-pairs": ["network.widths=[4, 6, 8]"],
}

PLACES = {"inputs": "low", "targets": "high"}

JUDGE = "loss.adversarial.discriminator={kind: patchgan, width: 4, layers: 2}"


@pytest.fixture
def pairs(tmp_path: Path, rng: np.random.Generator) -> list[str]:
    """Return the changes that give the template for a user's own pairs some pairs."""
    for folder in ("low", "high"):
        (tmp_path / folder).mkdir()
        for name in "abc":
            pixels = rng.integers(0, 255, (48, 40)).astype(np.uint8)
            write_image(tmp_path / folder / f"{name}.png", pixels, "YX")
    folders = [f"data.pairs.{name}={tmp_path / place}" for name, place in PLACES.items()]
    return [*folders, "data.pairs.repeats=null"]


@pytest.fixture
def denoiser(tmp_path: Path) -> list[str]:
    """Return the change that compares features of a denoiser trained for a moment."""
    train(load_recipe("denoise", [*QUICK, *SMALLER["denoise"]]), tmp_path / "denoiser")
    return [f"loss.perceptual.features={tmp_path / 'denoiser'}"]


@pytest.mark.parametrize("name", list_recipes())
def test_a_recipe_trains_and_its_network_enhances(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, rng: np.random.Generator
) -> None:
    changes = [*QUICK, *SMALLER[name]]
    plain = load_recipe(name)
    if plain.data.pairs is not None:
        changes += request.getfixturevalue("pairs")
    if plain.loss.perceptual is not None:
        changes += request.getfixturevalue("denoiser")
    if plain.loss.adversarial is not None:
        changes += [JUDGE, "loss.adversarial.start=1"]
    recipe = load_recipe(name, changes)
    assert recipe.network.kind == plain.network.kind
    outcome = train(recipe, tmp_path / "run")
    assert outcome.step == 3
    if plain.loss.perceptual is not None:
        assert read_checkpoint(tmp_path / "run")["features"] == "the encoder of a denoiser of ours"

    written = export_checkpoint(tmp_path / "run", tmp_path / f"{name}.onnx")
    assert written.spec.scale == recipe.scale
    image = rng.integers(0, 255, (61, 83)).astype(np.uint8)
    mask = np.zeros(image.shape, bool)
    mask[11:50, 20:71] = True
    result = enhance(image, load_model(tmp_path / f"{name}.onnx"), roi=mask)
    outside = ~mask.repeat(recipe.scale, axis=0).repeat(recipe.scale, axis=1)
    assert result.pixels.shape == outside.shape
    if recipe.task == "foreground":
        assert (result.pixels[outside] == 0).all()
    else:
        repeated = image.repeat(recipe.scale, axis=0).repeat(recipe.scale, axis=1)
        np.testing.assert_array_equal(result.pixels[outside], repeated[outside])
