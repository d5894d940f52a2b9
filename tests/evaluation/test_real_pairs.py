"""Real exposures and their truths: read, scored by group, and shown."""

import json

import numpy as np
import pytest
from scipy import ndimage

import toys
from napari_microenhance.cli import run
from napari_microenhance.errors import FileMissingError, ImageError
from napari_microenhance.evaluation.added_noise import (
    CORRELATIONS,
    correlated_noise,
    noisy_pairs,
    published,
)
from napari_microenhance.evaluation.baselines import blind_bm3d
from napari_microenhance.evaluation.real_pairs import (
    BEST_BLUR,
    RealPair,
    first_of_groups,
    pairs_table,
    read_pairs_of,
    score_pairs,
)
from napari_microenhance.images.image_formats import write_image
from scenes import CAMERA

TRUTH = CAMERA[:128, :128]


def noisy(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 20, TRUTH.shape)
    return np.clip(np.rint(TRUTH + noise), 0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "pairs"
    for part in ("raw", "gt"):
        (folder / part).mkdir(parents=True)
    for number, name in enumerate(("1_a", "2_a", "1_b")):
        write_image(folder / "raw" / f"{name}.tif", noisy(number), "YX")
        write_image(folder / "gt" / f"{name}.png", TRUTH, "YX")
    return folder


def test_pairs_belong_together_by_name_and_have_groups(folder) -> None:
    pairs = read_pairs_of(folder)
    assert [(pair.name, pair.group) for pair in pairs] == [("1_a", "a"), ("1_b", "b"), ("2_a", "a")]
    np.testing.assert_array_equal(pairs[1].taken, noisy(2))
    np.testing.assert_array_equal(pairs[1].truth, TRUTH)


def test_the_best_blur_is_the_best_of_all_blurs_for_each_exposure(folder) -> None:
    pairs = read_pairs_of(folder)
    blur = {f"{s}": lambda x, s=s: ndimage.gaussian_filter(x.astype(np.float32), s) for s in (1, 2)}
    found = score_pairs({**blur, "truth": lambda _: TRUTH}, pairs)
    for pair in pairs:
        of = {f.method: f for f in found if f.name == pair.name}
        assert of[BEST_BLUR].psnr_line >= max(of["1"].psnr_line, of["2"].psnr_line)
        assert of[BEST_BLUR].psnr_line > of["input"].psnr_line + 1
        assert of["truth"].psnr == np.inf
        assert of["truth"].ssim == pytest.approx(1)
        assert of["input"].psnr == pytest.approx(
            -10 * np.log10(np.mean((pair.taken / 255.0 - TRUTH / 255.0) ** 2)), abs=1e-6
        )


def test_a_fainter_truth_does_not_hide_what_a_method_gains() -> None:
    pair = RealPair("one", "", noisy(0), np.rint(0.8 * TRUTH).astype(np.uint8))
    (_, _, found) = score_pairs({"right": lambda _: TRUTH}, [pair])
    assert found.psnr < 25
    assert found.psnr_line > 45


def test_the_table_has_a_row_for_each_group_and_one_for_all(folder) -> None:
    table = pairs_table(score_pairs({"nothing": lambda image: image}, read_pairs_of(folder)))
    rows = [line.split(" | ") for line in table.splitlines()]
    assert [row[0].strip("| ") for row in rows] == [
        "PSNR after linear matching / PSNR / SSIM", "---", "a (2)", "b (1)", "all (3)",
    ]  # fmt: skip
    assert rows[0][1:] == ["input", BEST_BLUR, "nothing |"]
    assert rows[2][1] == rows[2][3].strip("| ")


def test_what_cannot_be_paired_is_one_sentence(folder, tmp_path) -> None:
    (folder / "gt" / "2_a.png").unlink()
    with pytest.raises(FileMissingError, match=r"2_a\.tif has no truth of the same name"):
        read_pairs_of(folder)
    write_image(folder / "gt" / "2_a.png", TRUTH[:64], "YX")
    with pytest.raises(ImageError, match=r"has shape \(128, 128\), its truth \(64, 128\)"):
        read_pairs_of(folder)
    with pytest.raises(FileMissingError, match="There is no folder"):
        read_pairs_of(tmp_path / "nowhere")
    (tmp_path / "empty" / "raw").mkdir(parents=True)
    (tmp_path / "empty" / "gt").mkdir()
    with pytest.raises(FileMissingError, match="no image"):
        read_pairs_of(tmp_path / "empty")


def test_the_command_scores_networks_on_pairs(folder, tmp_path, capfd) -> None:
    net = toys.plain(tmp_path / "mine.onnx")
    figures = tmp_path / "figures.json"
    arguments = ["evaluate", str(net), "--pairs", str(folder), "--json", str(figures)]
    assert run(arguments) == 0, capfd.readouterr().err
    shown = capfd.readouterr().out
    assert [line.split(" | ")[0] for line in shown.splitlines()[2:]] == [
        "| a (2)",
        "| b (1)",
        "| all (3)",
    ]
    assert f"| {BEST_BLUR} | mine |" in shown
    found = json.loads(figures.read_text())
    assert {f["method"] for f in found["figures"]} == {"input", BEST_BLUR, "mine"}
    assert len(found["figures"]) == 9
    assert run(arguments) == 2
    assert "--overwrite" in capfd.readouterr().err


def test_white_and_correlated_noise_is_added_to_clean_images(tmp_path) -> None:
    folder = tmp_path / "Set12"
    folder.mkdir()
    write_image(folder / "a.png", TRUTH, "YX")
    write_image(folder / "b.tif", (TRUTH * 4.0).astype(np.uint16), "YX")
    pairs = noisy_pairs(folder)
    assert [(pair.name, pair.group) for pair in pairs[:3]] == [
        ("a", "white 15"),
        ("b", "white 15"),
        ("a", "white 25"),
    ]
    np.testing.assert_array_equal(pairs[0].truth, TRUTH)
    assert (pairs[1].truth.dtype, np.ptp(pairs[1].truth)) == (np.uint8, 255)
    for pair in pairs:
        noise = pair.taken - pair.truth.astype(float)
        kind, strength = pair.group.split()
        if kind == "white":
            assert pair.taken.dtype == np.float32
            assert noise.std() == pytest.approx(float(strength), rel=0.05)
        else:
            assert pair.taken.dtype == np.uint8
    assert [pair.name for pair in first_of_groups(pairs, 1)] == ["a"] * 6
    assert "| BM3D (told the noise) | 32.37 |" in published(folder)
    assert published(tmp_path) == ""


@pytest.mark.parametrize("lag", CORRELATIONS)
def test_correlated_noise_has_the_strength_and_correlation_asked_for(lag) -> None:
    noise = correlated_noise((400, 500), lag, np.random.default_rng(1))
    assert noise.shape == (400, 500)
    assert noise.std() == pytest.approx(1, rel=0.06)
    for axis in (0, 1):
        alike = (noise * np.roll(noise, 1, axis)).mean() / noise.var()
        assert alike == pytest.approx(lag, abs=0.03)
        farther = (noise * np.roll(noise, 2, axis)).mean() / noise.var()
        assert farther == pytest.approx(lag**2, abs=0.05)


def test_bm3d_that_is_told_nothing_takes_noise_away() -> None:
    pytest.importorskip("bm3d")
    rng = np.random.default_rng(2)
    level = ndimage.gaussian_filter(rng.random((96, 96)), 6)
    truth = 20 + 200 * (level - level.min()) / np.ptp(level)
    for taken in (rng.normal(truth, 8), 100 + 2.0 * rng.poisson((truth - 20) / 2)):
        right = truth if taken.mean() < 160 else truth + 80
        error = blind_bm3d(taken) - right
        assert error.std() < 0.5 * (taken - right).std()


def test_the_command_adds_noise_to_clean_images(tmp_path, capfd) -> None:
    folder = tmp_path / "BSD68"
    folder.mkdir()
    write_image(folder / "a.png", TRUTH[:96, :96], "YX")
    net = toys.plain(tmp_path / "mine.onnx")
    assert run(["evaluate", str(net), "--clean", str(folder), "--quick"]) == 0
    shown = capfd.readouterr().out
    assert "| white 15 (1) |" in shown
    assert "| correlated 0.8 (1) |" in shown
    assert "| DnCNN-B (blind) | 31.61 | 29.16 | 26.23 |" in shown
    assert run(["evaluate", "--clean", str(tmp_path / "none")]) == 2
    assert "There is no folder" in capfd.readouterr().err
