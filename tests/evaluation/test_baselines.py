"""The classical methods and their chains, each at its best."""

import numpy as np
import pytest
from scipy import ndimage

from napari_microenhance.evaluation import baselines, clean_pictures, trials
from napari_microenhance.evaluation import classical_chains as chains
from napari_microenhance.evaluation.clean_pictures import CleanPicture
from napari_microenhance.measure import metrics
from scenes import steps


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
    trial = trials.EvaluationTrial(
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
    scene = clean_pictures.Scene("plane", "real", (0.3 * y + 0.6 * x).astype(np.float32))
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
    easy = trials.EvaluationTrial(
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
    for condition, side in (("original", "above"), ("brightfield", "below")):
        bright = CleanPicture("squares", np.kron(np.eye(4), np.full((24, 24), 200)), None)
        bright = CleanPicture("squares", bright.pixels + 20, bright.pixels > 0)
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
    made = chains.richardson_lucy(seen, 1.4, 10)
    assert metrics.psnr(made, sharp) > metrics.psnr(seen, sharp) + 2
    assert made.mean() == pytest.approx(seen.mean(), rel=1e-3)
