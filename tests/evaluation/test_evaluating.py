"""Networks and classical methods on the same trials, and the page about them."""

import numpy as np
import pytest

from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.evaluation import clean_pictures, scores, trials
from napari_microenhance.evaluation.evaluating import (
    Candidate,
    evaluate,
    evaluate_denoise,
    evaluate_superres,
    pace,
    runner,
    task_of,
)
from napari_microenhance.evaluation.page import Circumstances, write_page
from napari_microenhance.evaluation.panels import draw_panel
from scenes import steps


@pytest.mark.parametrize(
    ("name", "fields", "task"),
    [
        ("denoise", {}, "denoise"),
        ("superres-x4", {"scale": 4.0}, "superres"),
        ("detail-classic", {}, "detail"),
        ("foreground", {"task": "labels"}, "foreground"),
        ("mine", {"task": "labels"}, "foreground"),
        ("mine", {"scale": 2.0}, "superres"),
        ("mine", {"units": "relative"}, "detail"),
        ("mine", {}, "denoise"),
    ],
)
def test_the_task_is_in_the_name_or_in_the_spec(name, fields, task):
    assert task_of(name, ModelSpec(name=name, **fields)) == task


def test_every_task_is_run_in_its_own_way():
    asked = []

    def enhance(image, options):
        asked.append((image.dtype.name, dict(options)))
        return image

    image = np.array([[0, 51], [102, 255]], np.uint8)
    np.testing.assert_allclose(runner("detail", enhance)(image), image / 255, rtol=1e-6)
    np.testing.assert_array_equal(runner("foreground", enhance)(image), image > 0)
    runner("denoise", enhance)(image.astype(np.float32))
    assert asked == [("uint8", {}), ("uint8", {}), ("float32", {"intensity": (0.0, 1.0)})]


def test_a_denoiser_that_does_nothing_gains_nothing_and_a_perfect_one_everything():
    scene = steps(48)
    found = evaluate_denoise(lambda image: image, [scene])
    own, given = ([s for s in found if s.method == name] for name in ("network", "input"))
    assert len(own) == len(trials.NOISES) + sum(not n.photons for n in trials.NOISES.values())
    assert scores.gain(own, [given], "psnr").mean == 0
    smooth = [s for s in found if s.method == "total variation"]
    assert scores.gain(smooth, [given], "psnr").low > 1
    almost = evaluate_denoise(lambda _: scene.image + np.float32(0.001), [scene])
    best = [s for s in almost if s.method == "network"]
    assert scores.mean_of(best, "psnr").mean == pytest.approx(60, abs=0.1)


def test_an_enlarger_is_compared_with_bicubic():
    found = evaluate_superres(lambda image: image.repeat(2, 0).repeat(2, 1), [steps(48)], scale=2)
    figures = {s.method: s.figures["psnr"] for s in found}
    assert figures["network"] == figures["repeated pixels"]
    assert "bicubic" in figures


def candidate(task: str = "denoise", run=lambda image: image, **more) -> Candidate:
    facts = {"name": task, "sha256": "ab" * 32, "scale": 1, "size": 1_500_000, "radius": 7}
    return Candidate(task=task, run=run, **facts | more)


def test_speed_counts_pixels_of_the_output():
    sizes = []

    def double(image):
        sizes.append(image.shape)
        return image.repeat(2, 0).repeat(2, 1)

    assert pace(double, "superres", scale=2, edge=64, repeats=3) > 0
    assert sizes == [(32, 32)] * 4


def test_a_twin_is_compared_with_its_elder(picture):
    twin = lambda image: image + np.float32(0.01)  # noqa: E731
    found = evaluate(
        candidate("denoise", twin=twin), [picture], memory=scores.Memory(None), edges=(48, 48)
    )
    assert found.agreement == pytest.approx(40, abs=0.01)
    assert found.to_dict()["int8_psnr"] == found.agreement


@pytest.fixture
def pictures(picture):
    return [picture, *clean_pictures.simulated_pictures(1, edge=96)]


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("denoise", ["Gaussian 0.06", "gain over non-local means", "all", "| blur |"]),
        ("detail", ["dark", "bright", "gain over best chain", "of the contrast"]),
        ("foreground", ["IoU", "brightfield", "gain over Otsu"]),
    ],
)
def test_the_page_says_what_was_measured(pictures, task, words):
    run = (lambda image: image > image.mean()) if task == "foreground" else (lambda image: image)
    if task == "detail":
        run = lambda image: np.float32(image / 255)  # noqa: E731
    lines: list[str] = []
    found = evaluate(
        candidate(task, run),
        pictures,
        memory=scores.Memory(None),
        edges=(96, 96),
        on_progress=lines.append,
    )
    assert len(lines) == len(found.trials)
    page = write_page(
        [found],
        Circumstances("microenhance evaluate", {"numpy": "2"}, speeds={task: 3.0}),
        {task: "images/a.jpg"},
        yardstick=task,
    )
    for word in [*words, "Real pictures", "(images/a.jpg)", "1.50 MB", "7 px", "| 3.00 | 1.00 |"]:
        assert word.lower() in page.lower(), word
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert all("nan" not in row for row in rows)
    metric = "iou" if task == "foreground" else "psnr"
    real = [s for s in found.scores if s.group == "real"]
    digits = 3 if metric == "iou" else 2
    assert f"{scores.mean_of(real, metric).mean:.{digits}f}" in page
    panel = draw_panel(found)
    assert panel.dtype == np.uint8
    assert np.ptp(panel) == 255
