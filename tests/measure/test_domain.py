"""The domain check: an image unlike those of the training gets a word, others none."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

import toys
from napari_microenhance.api import Options, check_domain, enhance, methods_text, noise_in
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import ModelError
from napari_microenhance.measure.domain import KEY, Look, TrainedOn, cautions, look
from napari_microenhance.measure.metrics import blur, noise

TRAINED = {
    "images": "simulated cells",
    "dtypes": ["uint16", "float32"],
    "noise": [0.005, 0.03],
    "blur": [0.3, 0.6],
    "percentiles": {"50": [0.2, 0.6]},
    "pixel_size_um": [0.1, 0.4],
}


@pytest.fixture
def network(tmp_path):
    return toys.plain(tmp_path / "cells.onnx", metadata={KEY: json.dumps(TRAINED)})


def cells(rng, *, sigma=2.0, sd=0.015, level=0.0, shape=(200, 220)):
    """Return an image from 0 to 60000 with such blur and noise, in parts of that range."""
    smooth = ndimage.gaussian_filter(rng.random(shape), sigma)
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    values = np.clip(0.1 + 0.6 * smooth + level + rng.normal(0, sd, shape), 0, 1)
    return (values * 60_000).astype(np.uint16)


FIXED = Options(intensity=(0, 60_000))


def test_an_image_like_those_of_the_training_gets_no_word(network, rng):
    assert check_domain(cells(rng), network, options=FIXED, pixel_size_um=0.2) == ()


@pytest.mark.parametrize(
    ("how", "pixel_size", "words"),
    [
        ({"sd": 0.1}, 0.2, "The image is noisier than the training data of cells"),
        ({"sd": 0.0, "sigma": 4}, 0.2, "The image is less noisy"),
        ({"sigma": 12, "sd": 0.005}, 0.2, "The image is more blurred"),
        ({"level": 0.4}, 0.2, "The image is brighter"),
        ({"level": -0.4}, 0.2, "The image is darker"),
        ({}, 0.9, "The pixels are larger"),
        ({}, 0.02, "The pixels are smaller"),
    ],
)
def test_an_image_unlike_them_gets_a_sentence(network, rng, how, pixel_size, words):
    image = cells(rng, **how)
    found = check_domain(image, network, options=FIXED, pixel_size_um=pixel_size)
    said = [sentence for sentence in found if sentence.startswith(words)]
    assert len(said) == 1, found
    assert "(simulated cells)" in said[0]
    assert "\n" not in said[0]
    assert said[0].endswith(".")


def test_another_number_type_is_said(network, rng):
    found = check_domain((cells(rng) // 256).astype(np.uint8), network)
    assert any("uint8, not uint16 or float32" in sentence for sentence in found)


def test_the_range_that_the_run_will_use_counts(network, rng):
    image = cells(rng) // 4
    assert any("darker" in s for s in check_domain(image, network, options=FIXED))
    assert not any("darker" in s for s in check_domain(image, network))


def test_every_channel_is_looked_at_by_itself(network, rng):
    stack = np.stack([cells(rng), cells(rng, sd=0.1)])
    found = check_domain(stack, network, axes="CYX", options=FIXED)
    assert [s.split(":")[0] for s in found if "noisier" in s] == ["Channel 1"]
    assert not [s for s in found if s.startswith("Channel 0")]


def test_colour_counts_as_its_grey(network, rng):
    grey = cells(rng, sd=0.1)
    colour = np.repeat(grey[..., None], 3, axis=-1)
    plain = check_domain(grey, network, options=FIXED)
    assert check_domain(colour, network, options=FIXED) == plain != ()


def test_a_network_that_says_nothing_gets_no_word(tmp_path, rng):
    assert check_domain(cells(rng), toys.plain(tmp_path / "net.onnx")) == ()


def test_the_look_of_an_image_is_measured(rng):
    image = cells(rng)
    seen = look(Source(image), 1000.0, 51_000.0, pixel_size_um=0.3)
    assert seen.noise == pytest.approx(noise(image) / 50_000)
    assert seen.blur == pytest.approx(blur(image))
    for percent, share in seen.percentiles.items():
        assert share == pytest.approx((np.percentile(image, percent) - 1000) / 50_000)
    assert (seen.dtype, seen.pixel_size_um) == ("uint16", 0.3)


def test_volumes_and_tiny_images_have_a_look(rng):
    stack = np.stack([cells(rng, shape=(40, 50)) for _ in range(5)])
    for spatial in ("YX", "ZYX"):
        seen = look(Source(stack, "ZYX", spatial), 0.0, 60_000.0)
        assert seen.noise == pytest.approx(noise(stack[2]) / 60_000)
    tiny = look(Source(np.array([[1.0, np.nan], [3.0, 2.0]])), 0.0, 4.0)
    assert (tiny.noise, tiny.blur) == (None, None)
    assert tiny.percentiles[50] == 0.5
    assert cautions(tiny, TrainedOn.from_text(json.dumps(TRAINED)), "net")


@pytest.mark.slow
@given(low=st.floats(0.001, 0.5), high=st.floats(0.5, 1), value=st.floats(0.0, 2), name=st.text())
def test_only_what_is_outside_gets_a_word(low, high, value, name):
    trained = TrainedOn(noise=(low, high), blur=(low, high), percentiles={50: (low, high)})
    seen = Look(dtype="uint8", noise=value, blur=value, percentiles={50: value})
    said = cautions(seen, trained, name)
    if low <= value <= high:
        assert said == ()
    # Four times quieter noise is not worth a word yet.
    if value < low / 4 - (high - low) or value > 2 * high:
        assert len(said) == 3


def test_what_a_file_says_comes_back_as_it_was():
    trained = TrainedOn.from_text(json.dumps(TRAINED))
    assert TrainedOn.from_text(trained.to_text()) == trained
    assert trained.percentiles == {50: (0.2, 0.6)}
    assert TrainedOn.from_text("{}") == TrainedOn()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1]",
        '{"noise": 3}',
        '{"noise": [1]}',
        '{"noise": [2, 1]}',
        '{"noise": [0, NaN]}',
        '{"percentiles": {"x": [1, 2]}}',
        '{"percentiles": [1]}',
        '{"dtypes": ["nothing"]}',
    ],
)
def test_damaged_metadata_gets_one_sentence(text):
    with pytest.raises(ModelError, match=r"microenhance\.trained_on cannot be read") as caught:
        TrainedOn.from_text(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("blurred", [0.0, 0.7, 1.2])
def test_noise_alike_in_neighbours_is_said_where_training_knew_white_noise(tmp_path, blurred):
    kept = json.dumps({"correlation": [-0.05, 0.1]})
    white = toys.plain(tmp_path / "white.onnx", metadata={KEY: kept})
    field = np.random.default_rng(3).normal(0, 1, (256, 256))
    if blurred:
        field = ndimage.gaussian_filter(field, blurred)
    image = (1000 + 60 * field / field.std()).astype(np.uint16)
    found = check_domain(image, white, options=Options(intensity=(0, 2000)))
    if not blurred:
        assert found == ()
        return
    (text,) = map(str, found)
    assert (
        "noise is more correlated between neighbouring pixels than the training data of white"
        in text
    )
    assert f"correlation {np.exp(-1 / (4 * blurred**2)):.1f}"[:-1] in text
    assert "-0.05 to 0.10 there" in text
    faint = Options(intensity=(0, 60_000))
    assert check_domain(image, white, options=faint) == ()


def correlated(rng):
    """Return what the camera of wide-field benchmarks makes: noise of 5.2 %, lag 1 of 0.6."""
    field = ndimage.gaussian_filter(rng.normal(0, 1, (256, 256)), 0.7)
    return np.rint(np.clip(90 + 0.052 * 255 * field / field.std(), 0, 255)).astype(np.uint8)


def test_files_of_simulated_fields_that_say_no_more_learnt_white_noise(tmp_path, rng):
    image = correlated(rng)
    white = np.rint(rng.normal(90, 13, image.shape)).astype(np.uint8)
    for images, said in (("simulated fields of all families", 1), ("pairs of images", 0)):
        kept = json.dumps({"images": images, "noise": [0.004, 0.2]})
        network = toys.plain(tmp_path / f"{said}.onnx", metadata={KEY: kept})
        assert sum("more correlated" in text for text in check_domain(image, network)) == said
        assert check_domain(white, network) == ()


def test_the_noise_of_an_image_is_told_and_kept_in_the_record(network, rng):
    image = correlated(rng)
    (noise,) = noise_in(image, network)
    strength, _, alike = str(noise).partition(" of the range, ")
    assert float(strength.removeprefix("Noise: ").removesuffix(" %")) == pytest.approx(5.2, rel=0.1)
    assert alike == "correlated over about 2 px"
    report = enhance(image, network).report
    kept = report.to_dict()["noise"]
    assert [section["channels"] for section in kept] == [[0]]
    assert kept[0]["sigma"] == noise.estimate.sigma == pytest.approx(0.052 * 255, rel=0.1)
    assert kept[0]["span"] == 255
    assert min(kept[0]["correlation"]) > 0.5
    assert str(noise).removeprefix("Noise: ") in methods_text(report)
    assert enhance(image, network, window=((0, 64), (0, 64))).report.noise == ()
    assert enhance(image[:40, :40], network).report.noise == ()
    assert "Estimated noise" not in methods_text(enhance(image[:40, :40], network).report)


def test_the_noise_of_every_channel_is_told(network, rng):
    stack = np.stack([correlated(rng), rng.normal(90, 13, (256, 256)).astype(np.uint8)])
    words = [str(noise) for noise in noise_in(stack, network, "CYX")]
    assert [word.rpartition(", ")[2] for word in words] == [
        "correlated over about 2 px",
        "white",
    ]
    plain = noise_in(stack, network, "CYX", options=Options(intensity="none"))
    assert "of the range" not in str(plain[0])


def test_the_correlation_of_noise_is_measured_only_where_it_counts():
    picture = np.random.default_rng(3).normal(0, 1, (128, 128)).astype(np.float32)
    assert look(Source(picture, "YX"), 0, 1).correlation is None
    assert abs(look(Source(picture, "YX"), 0, 1, correlated=True).correlation) < 0.05
    small = Source(picture[:40, :40], "YX")
    assert look(small, 0, 1, correlated=True).correlation is None
