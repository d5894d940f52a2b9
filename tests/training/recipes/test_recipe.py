"""Recipes: what is read, what is refused, and with which words."""

from pathlib import Path

import pytest
from pydantic import ValidationError

import tiny
from napari_microenhance.errors import FileMissingError, OptionsError
from napari_microenhance.training.networks.architectures import NETWORKS
from napari_microenhance.training.recipes.recipe_files import (
    list_recipes,
    load_recipe,
    parse_recipe,
)

BUILT_IN = [
    "autoencoder",
    "denoise",
    "denoise-camera",
    "detail",
    "dncnn",
    "espcn-x2",
    "foreground",
    "own-camera",
    "pix2pix",
    "resnet-attention",
    "srgan-x4",
    "superres-x2",
    "superres-x4",
    "unet-valid",
    "your-own-pairs",
]

OWN = ["own-camera", "your-own-pairs"]
"""Name folders relative to their own place."""

TEXT = """
name: mine
task: denoise
network: {kind: dncnn, width: 8}
loss: {l1: 1.0}
training: {steps: 10}
"""


@pytest.fixture
def write(tmp_path: Path):
    def written(text: str) -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return path

    return written


def test_the_built_in_recipes_are_there() -> None:
    assert list(list_recipes()) == BUILT_IN


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_recipe_is_valid_and_survives_both_ways_of_writing(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.summary
    assert recipe.network.kind in NETWORKS
    assert parse_recipe(recipe.to_dict()) == recipe


@pytest.mark.parametrize("name", [n for n in BUILT_IN if n not in OWN])
def test_the_yaml_of_a_recipe_is_the_recipe(name: str, write) -> None:
    recipe = load_recipe(name)
    assert load_recipe(write(recipe.to_yaml())) == recipe


def test_every_architecture_has_a_recipe() -> None:
    used = {load_recipe(name).network.kind for name in BUILT_IN}
    judges = [load_recipe(name).loss.adversarial for name in BUILT_IN]
    used |= {judge.discriminator.kind for judge in judges if judge}
    assert used == set(NETWORKS)


@pytest.mark.parametrize(
    ("text", "rate"), [("1e-3", 1e-3), ("1.0e-3", 1e-3), ("2E+0", 2.0), ("1", 1.0), (".5", 0.5)]
)
def test_numbers_are_numbers(text: str, rate: float, write) -> None:
    recipe = load_recipe(write(TEXT.replace("steps: 10", f"steps: 10, rate: {text}")))
    assert recipe.training.rate == rate


def test_changes_are_put_in(write) -> None:
    changes = ["training.batch=3", "training.rate=1e-4", "data.families=[nuclei]", "loss.ssim=0.5"]
    recipe = load_recipe(write(TEXT), changes)
    assert (recipe.training.batch, recipe.training.rate) == (3, 1e-4)
    assert recipe.data.families == ("nuclei",)
    assert recipe.loss.terms == {"l1": 1.0, "ssim": 0.5}


def test_paths_are_relative_to_the_recipe_and_typed_ones_to_the_folder(write) -> None:
    text = TEXT.replace("denoise", "image") + "init: ../old\n"
    path = write(text + "data: {pairs: {inputs: low, targets: /abs/high}}\n")
    recipe = load_recipe(path, ["loss.perceptual={weight: 1.0, features: vgg.pth}"])
    assert recipe.init == str(path.parent / "../old")
    assert recipe.data.pairs is not None
    assert recipe.data.pairs.inputs == str(path.parent / "low")
    assert recipe.data.pairs.targets == "/abs/high"
    assert recipe.loss.perceptual is not None
    assert recipe.loss.perceptual.features == "vgg.pth"


def test_a_recipe_is_frozen() -> None:
    recipe = tiny.recipe()
    with pytest.raises(ValidationError, match="frozen"):
        recipe.training.steps = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("seeds: 3", r"seeds is not a key of a recipe; the nearest is \w+"),
        ("augment: {rotation: true}", "augment.rotation is not a key .* nearest is rotations"),
        ("training: {steps: 10, lr: 1.0}", "training.lr is not a key of a recipe; the nearest is"),
        ("training: {steps: 10, warm: 1}", "training.warm is not a key .* nearest is warmup"),
        (
            "training: {steps: 10, patch_growth: [{step: 1, path: 64}]}",
            "training.patch_growth.0.path is not a key .* nearest is patch",
        ),
        ("data: {pairs: {input: a, targets: b}}", "data.pairs.input is not .* nearest is inputs"),
        ("training: {}", "training.steps is missing"),
        ("training: {steps: many}", "training.steps is 'many', but input should be a valid int"),
        ("training: {steps: 1.5}", "training.steps is 1.5, but"),
        ("training: {steps: true}", "training.steps is True, but"),
        ("training: {steps: 0}", "training.steps is 0, but"),
        ("training: {steps: 1, rate: .inf}", "rate"),
        ("scale: '2'", "scale is '2', but"),
        ("task: sharpen", "task is 'sharpen', but input should be 'denoise'"),
        ("task: superres", "superres needs a scale of 2 or more"),
        ("scale: 2", "task denoise has scale 1, not 2"),
        ("task: image", "task image needs data.pairs"),
        ("loss: {}", "the loss has no term"),
        ("loss: {bce: 1.0}", "loss.bce is not a loss of images"),
        ("loss: [l1]", "loss is .*, but"),
        ("name: a/b", "name is 'a/b', but"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_it(line: str, sentence: str, write) -> None:
    key = line.partition(":")[0]
    kept = [old for old in TEXT.splitlines() if not old.startswith(f"{key}:")]
    path = write("\n".join([*kept, line]))
    with pytest.raises(OptionsError, match=sentence) as caught:
        load_recipe(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"task": "foreground"}, "loss.l1 is not a loss of masks"),
        (
            {"task": "foreground", "loss": {"l1": 0.0, "bce": 1.0, "perceptual": {"weight": 1.0}}},
            "are for images, not for masks",
        ),
        ({"task": "superres", "scale": 3}, "multiple of the scale, 3"),
    ],
)
def test_combinations_that_cannot_train_are_refused(changes: dict, sentence: str) -> None:
    with pytest.raises(OptionsError, match=sentence):
        tiny.recipe(**changes)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [1", "is not YAML in line"),
        ("- 1\n- 2\n", "is not a recipe"),
        ("", "is not a recipe"),
        ("a: !!python/object/apply:os.system [true]", "is not YAML"),
        ("name: 2024-01-01", "holds what a recipe cannot"),
    ],
)
def test_what_is_no_recipe_is_said(text: str, sentence: str, write) -> None:
    with pytest.raises(OptionsError, match=sentence):
        load_recipe(write(text))


def test_bytes_are_no_recipe(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe\x00\x89PNG")
    with pytest.raises(OptionsError, match="cannot be read as a recipe"):
        load_recipe(tmp_path / "mine.yaml")


@pytest.mark.parametrize("change", ["training.batch", "=3", "name.deep=3", "training.batch=[1"])
def test_a_change_that_cannot_be_made_is_said(change: str, write) -> None:
    with pytest.raises(OptionsError):
        load_recipe(write(TEXT), [change])


def test_a_recipe_that_is_not_there_gets_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match=r"no recipe denoize.*did you mean denoise"):
        load_recipe("denoize")
    with pytest.raises(FileMissingError, match="built in are autoencoder, denoise"):
        load_recipe(tmp_path / "qqq.yaml")
