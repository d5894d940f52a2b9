"""A user's own pairs: what fits together, and a sentence for what does not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_microenhance.errors import FileMissingError, ImageError, OptionsError
from napari_microenhance.images.image_formats import write_image
from napari_microenhance.training.data.image_pairs import PairSource, read_pairs
from napari_microenhance.training.learning.fit import train
from napari_microenhance.training.recipes.recipe import Recipe

Maker = Callable[..., Recipe]
Writer = Callable[..., Path]


@pytest.fixture
def plan(small: Maker, tmp_path: Path) -> Maker:
    def make(pairs: dict | None = None, **changes) -> Recipe:
        folders = {"inputs": str(tmp_path / "low"), "targets": str(tmp_path / "high")}
        return small(
            **{"task": "image", "data": {"pairs": {**folders, **(pairs or {})}}, **changes}
        )

    return make


@pytest.fixture
def write_pairs(write_images: Writer, tmp_path: Path) -> Callable[..., None]:
    def write(given: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
        write_images(tmp_path / "low", list(given.items()))
        write_images(tmp_path / "high", list(wanted.items()))

    return write


def noise(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, 256, shape).astype(np.uint8)


def six(rng: np.random.Generator, *shape: int) -> dict[str, np.ndarray]:
    return {f"field_{k}.png": noise(rng, *(shape or (40, 48))) for k in range(6)}


def test_pairs_train(plan: Maker, write_pairs, tmp_path: Path, rng: np.random.Generator) -> None:
    images = six(rng)
    write_pairs(images, {name: 255 - pixels for name, pixels in images.items()})
    outcome = train(plan(training={"workers": 1}), tmp_path / "run")
    assert outcome.step == 6
    assert outcome.figures["psnr"] > 0


def test_colour_pairs_train(
    plan: Maker, write_pairs, tmp_path: Path, rng: np.random.Generator
) -> None:
    images = six(rng, 40, 40, 3)
    write_pairs(images, images)
    assert train(plan(augment={"jitter": 0.2}), tmp_path / "run").step == 6


def test_masks_as_targets_train(
    plan: Maker, write_pairs, tmp_path: Path, rng: np.random.Generator
) -> None:
    labels = {name: np.uint16(pixels > 128) * 7 for name, pixels in six(rng).items()}
    write_pairs(six(rng), labels)
    recipe = plan(task="foreground", loss={"l1": 0.0, "bce": 1.0})
    learnt, _ = read_pairs(recipe)
    _, wanted = learnt.draw(4, 32, rng)
    assert set(np.unique(wanted)) == {0.0, 1.0}
    assert 0 < train(recipe, tmp_path / "run").figures["iou"] < 1


@pytest.mark.parametrize("scale", [1, 2])
def test_a_patch_lies_at_one_place_of_both_images(
    plan: Maker, write_pairs, rng: np.random.Generator, scale: int
) -> None:
    # The red of a pixel is its row and the green its column, in input pixels.
    y, x = np.mgrid[:40, :56].astype(np.uint8)
    given = np.stack([y, x, 0 * x], axis=-1)
    wanted = given.repeat(scale, axis=0).repeat(scale, axis=1)
    names = ("a.png", "b.png")
    write_pairs(dict.fromkeys(names, given), dict.fromkeys(names, wanted))
    learnt, _ = read_pairs(plan(scale=scale, training={"patch": 32}))
    inputs, targets = learnt.draw(20, 32, rng)
    assert inputs.shape == (20, 3, 32 // scale, 32 // scale)
    assert targets.shape == (20, 3, 32, 32)
    np.testing.assert_array_equal(inputs.repeat(scale, axis=2).repeat(scale, axis=3), targets)
    corners = {(round(float(r) * 255), round(float(g) * 255)) for r, g, _ in inputs[:, :, 0, 0]}
    assert len(corners) > 10  # all over the image


def test_names_match_without_their_extensions(
    plan: Maker, write_pairs, rng: np.random.Generator, tmp_path: Path
) -> None:
    images = [noise(rng, 40, 40) for _ in range(3)]
    write_pairs(
        {"a.png": images[0], "b.tif": images[1], "c.v2.ome.tif": images[2]},
        {"a.tif": images[0], "b.ome.tif": images[1], "c.v2.png": images[2]},
    )
    (tmp_path / "low" / "notes.txt").write_text("not an image, and no pair")
    (tmp_path / "high" / ".hidden.png").write_bytes(b"")
    learnt, checked = read_pairs(plan())
    assert {pair.name for pair in (*learnt.pairs, *checked.pairs)} == {"a", "b", "c.v2"}


def test_validation_pairs_are_not_learnt_from(
    plan: Maker, write_pairs, rng: np.random.Generator
) -> None:
    images = six(rng)
    write_pairs(images, images)

    def names(source: PairSource) -> set[str]:
        return {pair.name for pair in source.pairs}

    for share, count in ((0.01, 1), (0.34, 2), (0.99, 5)):
        learnt, checked = read_pairs(plan({"validation": share}))
        assert len(names(checked)) == count
        assert names(learnt) | names(checked) == {f"field_{k}" for k in range(6)}
        assert names(learnt) & names(checked) == set()
        again = read_pairs(plan({"validation": share}))
        assert (names(again[0]), names(again[1])) == (names(learnt), names(checked))


def test_values_become_parts_of_the_range(plan: Maker, tmp_path: Path) -> None:
    ramp = np.linspace(100, 1123, 40 * 40).reshape(40, 40)
    for folder, pixels in (("low", ramp.astype(np.uint16)), ("high", 2 * ramp.astype(np.uint16))):
        (tmp_path / folder).mkdir()
        for name in "ab":
            write_image(tmp_path / folder / f"{name}.tif", pixels, "YX")
    generator = np.random.default_rng(0)
    by_dtype, _ = read_pairs(plan(training={"patch": 40}))
    given, wanted = by_dtype.draw(1, 40, generator)
    np.testing.assert_allclose(given[0, 0], ramp.astype(np.uint16) / 65535, rtol=1e-6)
    np.testing.assert_allclose(wanted, 2 * given, rtol=1e-6)
    by_percentile, _ = read_pairs(plan({"intensity": "percentile"}, training={"patch": 40}))
    given, wanted = by_percentile.draw(1, 40, generator)
    assert (given < 0).mean() == pytest.approx(0.001, abs=1e-3)
    assert (given > 1).mean() == pytest.approx(0.001, abs=1e-3)
    low, high = np.percentile(ramp.astype(np.uint16), (0.1, 99.9))
    np.testing.assert_allclose(
        wanted[0, 0], (2.0 * ramp.astype(np.uint16) - low) / (high - low), rtol=1e-5
    )


def test_floats_are_taken_as_they_are(plan: Maker, tmp_path: Path) -> None:
    pixels = np.linspace(-0.5, 1.5, 1600, dtype=np.float32).reshape(40, 40)
    for folder in ("low", "high"):
        (tmp_path / folder).mkdir()
        for name in "ab":
            write_image(tmp_path / folder / f"{name}.tif", pixels, "YX")
    learnt, _ = read_pairs(plan(training={"patch": 40}))
    given, _ = learnt.draw(1, 40, np.random.default_rng(0))
    np.testing.assert_allclose(given[0, 0], pixels, atol=1e-6)


def test_an_image_without_a_partner_is_named(
    plan: Maker, write_pairs, tmp_path: Path, rng: np.random.Generator
) -> None:
    images = six(rng)
    write_pairs(images, {name: p for name, p in images.items() if name != "field_3.png"})
    with pytest.raises(ImageError, match=r"field_3\.png has no partner field_3 in .*high"):
        train(plan(), tmp_path / "run")
    write_pairs({"extra.png": noise(rng, 40, 40)}, {"field_3.png": images["field_3.png"]})
    with pytest.raises(ImageError, match=r"low/extra\.png has no partner extra in"):
        train(plan(), tmp_path / "run")
    (tmp_path / "low" / "extra.png").unlink()
    write_pairs({}, {"alone.tif": noise(rng, 40, 40)})
    with pytest.raises(ImageError, match=r"alone\.tif has no partner alone in .*low"):
        train(plan(), tmp_path / "run")
    assert not (tmp_path / "run" / "last.pt").exists()


@pytest.mark.parametrize(
    ("shape", "scale", "sentence"),
    [
        ((40, 44), 1, r"field_2\.png is 40 x 44 px, but must have the size of .*field_2\.png"),
        ((40, 48), 2, r"is 40 x 48 px, but must have 2 times the size of .* which is 40 x 48 px"),
        ((24, 48), 1, r"field_2\.png is 24 x 48 px, but must have"),
    ],
)
def test_sizes_that_do_not_fit_are_named(
    plan: Maker, write_pairs, rng: np.random.Generator, shape, scale: int, sentence: str
) -> None:
    images = six(rng)
    write_pairs(images, {**images, "field_2.png": noise(rng, *shape)})
    with pytest.raises(ImageError, match=sentence):
        read_pairs(plan(scale=scale))


def test_an_image_smaller_than_a_patch_is_named(
    plan: Maker, write_pairs, rng: np.random.Generator
) -> None:
    images = {**six(rng), "field_4.png": noise(rng, 20, 90)}
    write_pairs(images, images)
    with pytest.raises(
        ImageError, match=r"field_4\.png is 20 x 90 px, too small for patches of 32"
    ):
        read_pairs(plan())
    growing = plan(training={"patch": 16, "patch_growth": [{"step": 3, "patch": 24}]})
    with pytest.raises(ImageError, match="too small for patches of 24"):
        read_pairs(growing)


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n cut off"])
def test_an_unreadable_image_is_named(
    plan: Maker, write_pairs, tmp_path: Path, rng: np.random.Generator, content: bytes
) -> None:
    images = six(rng)
    write_pairs(images, images)
    (tmp_path / "high" / "field_5.png").write_bytes(content)
    with pytest.raises(ImageError, match=r"high/field_5\.png") as caught:
        train(plan(), tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_channels_must_agree(plan: Maker, write_pairs, rng: np.random.Generator) -> None:
    images = {**six(rng), "field_1.png": noise(rng, 40, 48, 3)}
    write_pairs(images, images)
    with pytest.raises(ImageError, match="field_1 has 3 channels, but field_0 has 1"):
        read_pairs(plan())


def test_stacks_and_values_that_are_no_numbers_are_named(
    plan: Maker, tmp_path: Path, rng: np.random.Generator
) -> None:
    for folder in ("low", "high"):
        (tmp_path / folder).mkdir()
        for name in "ab":
            write_image(tmp_path / folder / f"{name}.ome.tif", noise(rng, 3, 40, 40), "ZYX")
    with pytest.raises(ImageError, match=r"a\.ome\.tif is a stack \(ZYX\)"):
        read_pairs(plan())
    for folder in ("low", "high"):
        for name in "ab":
            (tmp_path / folder / f"{name}.ome.tif").unlink()
            pixels = rng.random((40, 40)).astype(np.float32)
            pixels[3, 3] = np.nan
            write_image(tmp_path / folder / f"{name}.tif", pixels, "YX")
    with pytest.raises(ImageError, match=r"a\.tif holds values that are not numbers"):
        read_pairs(plan())


def test_folders_must_be_there_and_hold_two_pairs(
    plan: Maker, write_pairs, tmp_path: Path, rng: np.random.Generator
) -> None:
    with pytest.raises(FileMissingError, match=r"no folder .*low"):
        read_pairs(plan())
    write_pairs({"a.png": noise(rng, 40, 40)}, {"a.png": noise(rng, 40, 40)})
    with pytest.raises(OptionsError, match="hold 1 pairs; at least two are needed"):
        read_pairs(plan())
    write_pairs({"a.tif": noise(rng, 40, 40)}, {})
    with pytest.raises(ImageError, match=r"a\.tif and a\.png have one name"):
        read_pairs(plan())


def test_a_palette_of_labels_is_read_as_labels(
    plan: Maker, write_images: Writer, tmp_path: Path, rng: np.random.Generator
) -> None:
    indices = np.zeros((40, 40), np.uint8)
    indices[10:30, 10:30] = 1
    picture = Image.fromarray(indices, mode=None).convert("P")
    picture.putdata(indices.ravel().tolist())
    # Both colours are dark grey: only the numbers tell them apart.
    picture.putpalette([9, 9, 9, 8, 8, 8])
    (tmp_path / "high").mkdir()
    write_images(tmp_path / "low", [(f"{name}.png", noise(rng, 40, 40)) for name in "ab"])
    for name in "ab":
        picture.save(tmp_path / "high" / f"{name}.png")
    recipe = plan(task="foreground", loss={"l1": 0.0, "bce": 1.0}, training={"patch": 40})
    learnt, _ = read_pairs(recipe)
    _, wanted = learnt.draw(1, 40, rng)
    np.testing.assert_array_equal(wanted[0, 0], indices)
