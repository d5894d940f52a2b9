"""Networks and classical methods on the same trials: trials, scores, the page, the command."""

import importlib.util
import json
import sys
import types

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from skimage import data

from napari_microenhance.cli import run
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.errors import ModelError, OutputError
from napari_microenhance.evaluation import baselines, scores, trials
from napari_microenhance.evaluation import classical_chains as chains
from napari_microenhance.evaluation.evaluating import (
    Subject,
    evaluate,
    evaluate_denoise,
    evaluate_superres,
    pace,
    runner,
    task_of,
)
from napari_microenhance.evaluation.page import Circumstances, write_page
from napari_microenhance.evaluation.panels import draw_panel
from napari_microenhance.images.image_formats import write_image
from napari_microenhance.measure import metrics
from napari_microenhance.training.networks import perceptual

from .. import toys  # noqa: TID252 - what the tests share is no package

CAMERA = data.camera()[::2, ::2]


@pytest.fixture(autouse=True)
def _without_bm3d(request, monkeypatch):
    """Leave BM3D out but where a test asks for it: it takes as long as all others."""
    if "bm3d" not in request.fixturenames:
        monkeypatch.setattr(baselines, "has_bm3d", lambda: False)


@pytest.fixture
def bm3d():
    """Give the package, as a sign that a test wants the method."""
    return pytest.importorskip("bm3d", reason="a baseline that needs its own package")


@pytest.fixture
def picture():
    labels = (CAMERA < 60).astype(np.uint16)
    return trials.Picture("camera", CAMERA, labels)


def steps(edge: int = 96) -> trials.Scene:
    """A scene of flat squares."""
    y, x = np.mgrid[:edge, :edge] // 24
    return trials.Picture("steps", ((y * 5 + x * 3) % 7).astype(np.uint8)).scene(edge)


# --- trials -------------------------------------------------------------------------


def test_the_truth_is_the_picture_on_a_straight_line(picture):
    scene = picture.scene(100)
    assert scene.image.shape == scene.mask.shape == (100, 100)
    middle = CAMERA[78:178, 78:178]
    np.testing.assert_array_equal(scene.original, middle)
    np.testing.assert_array_equal(scene.mask, middle < 60)
    low, high = np.percentile(middle, (0.1, 99.9))
    np.testing.assert_allclose(scene.image, (middle - low) / (high - low), atol=1e-6)
    assert scene.image.min() < 0


@pytest.mark.parametrize(("name", "noise"), trials.NOISES.items())
def test_noise_has_the_strength_it_is_said_to_have(name, noise, rng):
    image = np.full((400, 400), 0.4, np.float32)
    gap = noise.add(image, rng) - image
    assert abs(gap.mean()) < 4 * gap.std() / 400
    assert gap.std() == pytest.approx(noise.mean_sigma(image), rel=0.02)
    if noise.photons:
        assert noise.mean_sigma(image) ** 2 == pytest.approx(
            0.4 / noise.photons + (2 / noise.photons) ** 2
        )
    else:
        assert noise.mean_sigma(image) == float(name.split()[1])


def test_noise_is_not_clipped(rng):
    noisy = trials.NOISES["Gaussian 0.12"].add(np.zeros((64, 64), np.float32), rng)
    assert noisy.min() < -0.2


def test_limited_trials_hold_what_integers_can_hold(picture):
    trial_of = {t.condition: t for t in trials.trials_of("denoise", [picture], (96, 96))}
    limited = [t for name, t in trial_of.items() if name.endswith(", limited")]
    assert [t.noise.sigma for t in limited] == [0.03, 0.06, 0.12]
    for trial in limited:
        for values in (trial.image, trial.truth):
            assert values.min() >= 0
            assert values.max() <= 1
        assert (trial.image == 0).any()
    assert trial_of["Gaussian 0.06"].image.min() < 0


def test_limited_noise_stays_between_black_and_white(picture):
    found = {t.condition: t for t in trials.denoise_trials(picture.scene(64))}
    trial = found["Gaussian 0.12, limited"]
    assert (trial.image.min(), trial.image.max()) == (0, 1)
    assert trial.truth.min() >= 0
    assert trial.noise == trials.NOISES["Gaussian 0.12"]
    assert found["Gaussian 0.12"].image.min() < 0


def test_trials_are_the_same_every_time_and_differ_from_each_other(picture):
    tasks = ("denoise", "detail", "foreground")
    first, second = (
        [t for task in tasks for t in trials.trials_of(task, [picture], (64, 64))] for _ in range(2)
    )
    assert len(first) == 9 + 2 + 5
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
    other = trials.Picture("another name", CAMERA)
    (a, *_), (b, *_) = (trials.trials_of("denoise", [p], (64, 64)) for p in (picture, other))
    assert not np.array_equal(a.image, b.image)


@pytest.mark.parametrize("scale", [2, 4])
def test_small_images_are_means_over_squares(picture, scale):
    (trial,) = trials.trials_of("superres", [picture], (99, 99), scale=scale)
    edge = 99 // scale
    assert trial.image.shape == (edge, edge)
    assert trial.truth.shape == (edge * scale, edge * scale)
    square = trial.truth[scale : 2 * scale, 3 * scale : 4 * scale]
    assert trial.image[1, 3] == pytest.approx(square.mean(), abs=1e-6)


def test_detail_trials_are_bytes_too_dark_and_too_bright(picture):
    dark, bright = trials.trials_of("detail", [picture], (128, 128))
    assert dark.image.dtype == bright.image.dtype == np.uint8
    assert dark.image.max() < 100 < np.median(bright.image)
    for trial in (dark, bright):
        assert trial.truth.min() == 0
        assert trial.truth.max() == 1
        assert metrics.psnr(trial.image / 255, trial.truth) < 20


def test_foreground_trials_need_a_foreground_and_begin_from_its_picture(picture):
    assert trials.trials_of("foreground", [trials.Picture("camera", CAMERA)], (64, 64)) == []
    found = {t.condition: t for t in trials.trials_of("foreground", [picture], (128, 128))}
    assert list(found) == ["as it is", "dim", "uneven", "noisy", "brightfield"]
    np.testing.assert_array_equal(found["as it is"].image, picture.scene(128).original)
    truth = picture.scene(128).image
    for condition, sign in (("dim", 1), ("noisy", 1), ("uneven", 1), ("brightfield", -1)):
        smooth = ndimage.gaussian_filter(found[condition].image.astype(float), 2)
        likeness = np.corrcoef(smooth.ravel(), ndimage.gaussian_filter(truth, 2).ravel())[0, 1]
        assert sign * likeness > 0.5


def test_channels_become_planes_and_colour_becomes_grey(rng):
    stack = rng.integers(0, 255, (4, 2, 8, 9)).astype(np.uint8)
    names, planes = zip(*trials.planes_of("a", stack, "TCYX"), strict=True)
    assert names == ("a [0]", "a [1]")
    np.testing.assert_array_equal(planes[1], stack[0, 1])
    colour = rng.integers(0, 255, (8, 9, 4)).astype(np.uint8)
    ((name, grey),) = trials.planes_of("b", colour, "YXC")
    assert name == "b"
    np.testing.assert_allclose(grey, colour[..., :3] @ [0.299, 0.587, 0.114], rtol=1e-5)


def test_simulated_pictures_differ_and_repeat():
    first, second = (list(trials.simulated_pictures(3, edge=64)) for _ in range(2))
    assert len({p.name for p in first}) == 3
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)
        assert a.group == "simulated"
    assert not np.array_equal(first[0].pixels, first[1].pixels)


# --- classical methods --------------------------------------------------------------


def by_name(trial, name):
    return next(m for m in baselines.methods(trial) if m.name == name)


def test_the_best_setting_is_the_one_nearest_to_the_truth():
    trial = list(trials.denoise_trials(steps()))[1]
    for method in baselines.methods(trial)[1:]:
        reached = {s: baselines.quality(trial, method.make(s)) for s in method.settings}
        assert method.search(trial) == max(reached, key=reached.get)
        assert max(reached.values()) > baselines.quality(trial, trial.image) + 3


@pytest.mark.parametrize("photons", ["30 photons", "400 photons"])
def test_bm3d_denoises_with_and_without_a_transform(bm3d, photons):
    trial = next(t for t in trials.denoise_trials(steps(64)) if t.condition == photons)
    noisy = baselines.quality(trial, trial.image)
    for name in ("BM3D", "Anscombe + BM3D"):
        found = baselines.best(by_name(trial, name), trial)
        assert baselines.quality(trial, found.output) > noisy + 3


def test_the_way_back_from_the_transform_is_unbiased(monkeypatch, rng):
    noise = trials.Noise(sigma=0.01, photons=20)
    truth = np.full((300, 300), 0.2, np.float32)
    trial = trials.Trial(
        task="denoise",
        scene="flat",
        condition="",
        group="real",
        image=noise.add(truth, rng),
        truth=truth,
        noise=noise,
    )
    monkeypatch.setattr(baselines, "has_bm3d", lambda: True)
    monkeypatch.setattr(baselines, "bm3d", lambda image, _: np.full_like(image, image.mean()))
    found = baselines.best(by_name(trial, "Anscombe + BM3D"), trial)
    # The algebraic inverse is off by a quarter of a photon, 0.0125 here.
    assert found.output.mean() == pytest.approx(0.2, abs=0.002)


@pytest.mark.parametrize("scale", [2, 4])
def test_bicubic_keeps_planes_and_places(scale):
    y, x = np.mgrid[:64, :64] / 64
    scene = trials.Scene("plane", "real", (0.3 * y + 0.6 * x).astype(np.float32))
    (trial,) = trials.superres_trials(scene, scale)
    inner = np.s_[4 * scale : -4 * scale, 4 * scale : -4 * scale]
    made = by_name(trial, "bicubic").make("Keys, a = -0.5")
    assert np.abs(made - trial.truth)[inner].max() < 1e-5
    spline = by_name(trial, "cubic spline").make("order 3")
    assert np.abs(spline - trial.truth)[inner].max() < 1e-3
    blocks = by_name(trial, "repeated pixels").make("as it is")
    assert np.abs(blocks - trial.truth)[inner].max() > 0.6 / 64 / 2


def test_the_fitted_filter_finds_a_filter_and_beats_bicubic(picture):
    (trial,) = trials.superres_trials(picture.scene(96), 2)
    reached = {
        m.name: baselines.quality(trial, m.make(m.settings[0])) for m in baselines.methods(trial)
    }
    assert reached["best linear filter"] > reached["bicubic"] > reached["repeated pixels"]
    kernel = np.array([[0, 1, 0], [1, 5, 2], [0, 3, 0]]) / 12
    made = ndimage.correlate(trial.image, kernel, mode="mirror")
    easy = trials.Trial(
        task="superres",
        scene="",
        condition="",
        group="real",
        image=trial.image,
        truth=made.repeat(2, 0).repeat(2, 1),
        scale=2,
    )
    method = by_name(easy, "best linear filter")
    assert baselines.quality(easy, method.make(method.settings[0])) > 100


def test_otsu_finds_either_side(picture):
    for condition, side in (("as it is", "above"), ("brightfield", "below")):
        bright = trials.Picture("squares", np.kron(np.eye(4), np.full((24, 24), 200)), None)
        bright = trials.Picture("squares", bright.pixels + 20, bright.pixels > 0)
        found = {t.condition: t for t in trials.foreground_trials(bright.scene(96))}
        (otsu,) = baselines.methods(found[condition])
        outcome = baselines.best(otsu, found[condition])
        assert outcome.setting == side
        assert metrics.iou(outcome.output, found[condition].truth) > 0.8


def test_a_chain_is_found_and_made_again(picture):
    trial = trials.trials_of("detail", [picture], (96, 96))[0]
    found = {m.name: m for m in chains.chains(trial)}
    chain = found["best chain"]
    setting = chain.search(trial)
    assert len(setting.split(" > ")) == 4
    assert set(setting.split(" > ")) <= set(chain.settings)
    reached = {
        name: baselines.quality(trial, baselines.best(m, trial).output) for name, m in found.items()
    }
    assert reached["best chain"] == baselines.quality(trial, chain.make(setting))
    for simpler in ("input", "percentile stretch", "flat-field + unsharp"):
        assert reached["best chain"] > reached[simpler]
    assert reached["percentile stretch"] > reached["input"]


def test_richardson_lucy_sharpens_and_keeps_the_light():
    sharp = np.zeros((64, 64), np.float32) + 0.1
    sharp[20:40, 25:45] = 0.9
    seen = ndimage.gaussian_filter(sharp, 1.4, mode="reflect", truncate=3)
    made = chains._deconvolve(seen, 1.4, 10)
    assert metrics.psnr(made, sharp) > metrics.psnr(seen, sharp) + 2
    assert made.mean() == pytest.approx(seen.mean(), rel=1e-3)


# --- scores -------------------------------------------------------------------------


def counted(calls: list[str]) -> baselines.Method:
    def make(name: str, value: float):
        def inner():
            calls.append(name)
            return np.full((96, 96), value, np.float32)

        return inner

    return baselines.Method("toy", {"low": make("low", 0.1), "high": make("high", 0.6)})


def test_what_was_scored_once_is_remembered(tmp_path):
    (trial, *_) = trials.denoise_trials(steps())
    calls: list[str] = []
    memory = scores.Memory(tmp_path / "memory.json")
    first = memory.score(counted(calls), trial)
    assert first.setting == "high"
    assert set(calls) == {"low", "high"}
    memory.save()
    calls.clear()
    again = scores.Memory(tmp_path / "memory.json").score(counted(calls), trial)
    assert (again, calls) == (first, [])
    judged = memory.score(counted(calls), trial, {"half": lambda output, _: output.mean() / 2})
    assert judged.figures["half"] == pytest.approx(0.3)
    assert calls == ["high"], "a further metric needs no new search"
    other = next(t for t in trials.denoise_trials(steps()) if t.condition != trial.condition)
    memory.score(counted(calls), other)
    assert len(calls) > 1, "another trial is another question"


def test_another_grid_is_another_method(tmp_path):
    (trial, *_) = trials.denoise_trials(steps())
    calls: list[str] = []
    memory = scores.Memory(None)
    memory.score(counted(calls), trial)
    method = counted(calls)
    calls.clear()
    memory.score(baselines.Method("toy", {"high": method.variants["high"]}), trial)
    assert calls


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_a_damaged_memory_is_forgotten(tmp_path, text):
    path = tmp_path / "memory.json"
    path.write_text(text)
    (trial, *_) = trials.denoise_trials(steps())
    memory = scores.Memory(path)
    memory.score(counted([]), trial)
    memory.save()
    assert len(json.loads(path.read_text())) == 1


def test_a_memory_that_cannot_be_written_is_one_sentence(tmp_path):
    (trial, *_) = trials.denoise_trials(steps())
    memory = scores.Memory(tmp_path / "nowhere" / "memory.json")
    memory.score(counted([]), trial)
    with pytest.raises(OutputError, match="cannot be written"):
        memory.save()


def made_up(method: str, values: dict[str, float], condition: str = "c") -> list[scores.Score]:
    return [
        scores.Score(method, "denoise", scene, condition, "real", "", {"psnr": value})
        for scene, value in values.items()
    ]


def test_gains_are_taken_image_by_image():
    own = made_up("net", {"a": 30, "b": 40})
    one = made_up("one", {"b": 39, "a": 20})
    two = made_up("two", {"a": 29, "b": 10})
    assert scores.gain(own, [one], "psnr").mean == pytest.approx((10 + 1) / 2)
    both = scores.gain(own, [one, two], "psnr")
    assert (both.mean, both.low, both.high, both.count) == (1, 1, 1, 2)


def test_conditions_of_one_image_are_no_further_evidence():
    values = {"a": 30.0, "b": 34.0}
    once = made_up("net", values)
    twice = once + made_up("net", values, "d")
    assert scores.mean_of(twice, "psnr") == scores.mean_of(once, "psnr")
    assert scores.mean_of(once, "psnr").count == 2


def test_a_spread_is_that_between_conditions():
    found = made_up("net", {"a": 1, "b": 5}, "dark") + made_up("net", {"a": 3, "b": 5}, "bright")
    assert scores.spread(found, "psnr") == pytest.approx((1 + 0) / 2)


# --- evaluation ---------------------------------------------------------------------


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


def subject(task: str = "denoise", run=lambda image: image, **more) -> Subject:
    facts = {"name": task, "sha256": "ab" * 32, "scale": 1, "size": 1_500_000, "radius": 7}
    return Subject(task=task, run=run, **facts | more)


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
        subject("denoise", twin=twin), [picture], memory=scores.Memory(None), edges=(48, 48)
    )
    assert found.agreement == pytest.approx(40, abs=0.01)
    assert found.to_dict()["int8_psnr"] == found.agreement


@pytest.fixture
def pictures(picture):
    return [picture, *trials.simulated_pictures(1, edge=96)]


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
        subject(task, run),
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


# --- LPIPS --------------------------------------------------------------------------


def test_lpips_without_its_package_or_weights_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert "package lpips is not installed" in perceptual.lpips_missing()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert "weights" in perceptual.lpips_missing()
    perceptual._network.cache_clear()
    with pytest.raises(ModelError, match="weights"):
        perceptual.lpips(np.zeros((8, 8)), np.zeros((8, 8)))


def test_lpips_gets_three_equal_channels_from_minus_one_to_one(monkeypatch, tmp_path):
    class Distance(torch.nn.Module):
        def __init__(self, net, verbose):
            super().__init__()
            assert (net, verbose) == ("alex", False)

        def forward(self, a, b):
            assert a.shape == b.shape == (1, 3, 8, 9)
            assert (a[:, 0] == a[:, 2]).all()
            return (a - b).abs().mean()

    monkeypatch.setitem(sys.modules, "lpips", types.SimpleNamespace(LPIPS=Distance))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "alexnet-owt-7be5be79.pth").write_bytes(b"")
    perceptual._network.cache_clear()
    black, grey = np.full((8, 9), -3.0), np.full((8, 9), 0.5)
    assert perceptual.lpips(black, grey) == pytest.approx(1)
    perceptual._network.cache_clear()


# --- the command --------------------------------------------------------------------


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    write_image(folder / "a.tif", CAMERA[:100, :120], "YX")
    write_image(folder / "a_labels.tif", (CAMERA[:100, :120] < 60).astype(np.uint16), "YX")
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.mark.timeout(600)
def test_the_command_writes_a_page_pictures_and_figures(tmp_path, images, capfd):
    net = toys.plain(tmp_path / "denoise-toy.onnx")
    up = toys.espcn(tmp_path / "superres-x2-toy.onnx")
    out, figures = tmp_path / "docs", tmp_path / "figures.json"
    arguments = ["evaluate", str(net), str(up), "--images", str(images), "--fields", "1"]
    arguments += ["--quick", "--out", str(out), "--json", str(figures)]
    assert run(arguments) == 0, capfd.readouterr().err
    page = (out / "models.md").read_text("utf-8")
    assert str(tmp_path) not in page
    assert "microenhance evaluate denoise-toy.onnx superres-x2-toy.onnx --images images" in page
    for name in ("denoise-toy", "superres-x2-toy"):
        assert f"## {name}" in page
        assert f"images/models/{name}.jpg" in page
        with Image.open(out / "images" / "models" / f"{name}.jpg") as panel:
            assert panel.size[0] > 900
    found = json.loads(figures.read_text())
    assert [n["task"] for n in found["networks"]] == ["denoise", "superres"]
    assert {s["scene"] for s in found["networks"][0]["scores"]} >= {"a"}
    assert set(found["megapixels_per_second"]) >= {"denoise-toy", "detail-classic"}
    assert (out / ".evaluation.json").exists()
    assert sorted(p.name for p in out.iterdir()) == [".evaluation.json", "images", "models.md"]


def test_what_cannot_be_evaluated_is_one_line(tmp_path, images, capfd):
    net = str(toys.plain(tmp_path / "denoise-toy.onnx"))
    out = ["--out", str(tmp_path / "docs"), "--quick"]
    small = tmp_path / "small"
    small.mkdir()
    write_image(small / "b.png", CAMERA[:50, :120], "YX")
    odd = tmp_path / "odd"
    odd.mkdir()
    write_image(odd / "c.tif", CAMERA, "YX")
    write_image(odd / "c_labels.tif", CAMERA[:90], "YX")
    for arguments, sentence in (
        ([net, "--images", str(tmp_path / "none")], "There is no folder"),
        (
            [net, "--fields", "0", "--images", str(tmp_path / "docs" / "images")],
            "nothing to evaluate",
        ),
        ([net, "--images", str(small)], "less than 96 px"),
        ([net, "--images", str(odd)], "has shape"),
        ([str(tmp_path / "none.onnx")], "none.onnx"),
    ):
        (tmp_path / "docs" / "images").mkdir(parents=True, exist_ok=True)
        assert run(["evaluate", *arguments, *out]) == 2
        error = capfd.readouterr().err
        assert sentence in error
        assert error.count("\n") == 1
        assert not (tmp_path / "docs" / "models.md").exists()
