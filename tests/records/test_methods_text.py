"""A run in words: every sentence is the record's, and no record is too old for it."""

import json

import numpy as np
import pytest

import toys
from napari_microenhance.api import Options, compare, enhance, load_model, methods_text


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return load_model(toys.plain(tmp_path_factory.mktemp("net") / "net.onnx"))


@pytest.fixture
def image(rng):
    return rng.integers(100, 4000, (80, 90), dtype=np.uint16)


def test_the_paragraph_holds_what_the_checklists_ask_for(plain, image):
    roi = [np.array([[10, 10], [10, 49], [39, 49], [39, 10]])]
    result = enhance(image, plain, roi=roi, options=Options(tile=32, dilate=1))
    comparison = compare(image, result, roi)
    text = methods_text(result.report, comparison)
    report = result.report
    assert "\n" not in text
    assert text.count("  ") == 0
    for words in (
        f"napari-microenhance {report.versions['napari-microenhance']}",
        f"onnxruntime {report.versions['onnxruntime']} on CPU",
        f"the model net (file net.onnx; SHA-256 {plain.sha256[:12]})",
        "Only a region of interest of 1,344 px (1 outline, dilated by 1 px) was processed; "
        "all other pixels were left unchanged.",
        f"Pixel values from {report.intensity['low']:g} to {report.intensity['high']:g} "
        "(the 0.1 and 99.9 percentiles of the whole image) were mapped linearly to the model's "
        "input range of 0 to 1, once for the whole image.",
        f"clipped to uint16 ({report.clipped:,} values clipped).",
        f"{report.plan['tiles']} tiles",
        "cropped to their valid parts",
        f"{comparison.total.changed:.1%} of the processed pixels changed by more than 3 times",
        f"Original image: uint16, 80 x 90 (YX); SHA-256 {report.image['sha256'][:12]}",
        f"processed region: SHA-256 {report.result['sha256'][:12]}",
    ):
        assert words in text, (words, text)


def test_a_built_in_network_brings_licence_and_citation(image):
    result = enhance(image, "detail-classic")
    text = methods_text(json.loads(json.dumps(result.report.to_dict())))
    spec = result.report.model["spec"]
    assert f"detail-classic (built-in; SHA-256 {result.report.model['sha256'][:12]}" in text
    assert f"licence {spec['licence']}" in text
    assert "The whole image was processed." in text
    assert "changed by more than" not in text  # nobody compared


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"intensity": "none"},
            "passed to the model unchanged. Its output was kept in its own range",
        ),
        ({"intensity": (5, 300.5)}, "from 5 to 300.5 (set by hand)"),
        ({"intensity": "minmax"}, "the smallest and largest value of the whole image"),
        ({"intensity": "dtype"}, "from 0 to 65535 (the range of the data type)"),
        ({"dtype": "float32"}, "mapped back and stored as float32."),
        ({"tile": 1000}, "The model was run in one tile of 80 x 90 px."),
    ],
)
def test_every_choice_has_its_words(plain, image, options, words):
    report = enhance(image, plain, options=Options(**options)).report
    assert words in methods_text(report)


@pytest.mark.parametrize(
    ("background", "words"),
    [
        ("white", "all other pixels were set to white"),
        ("black", "all other pixels were set to black"),
        ("crop", "the result was cropped to it"),
    ],
)
def test_what_is_outside_is_told(plain, image, background, words):
    mask = np.zeros(image.shape, bool)
    mask[10:20, 10:20] = mask[40:50, 10:20] = True
    report = enhance(image, plain, roi=mask, options=Options(background=background)).report
    assert f"of 200 px (a mask) was processed; {words}." in methods_text(report)


def test_channels_and_seams_are_told(tmp_path, rng):
    image = rng.integers(0, 900, (2, 150, 150), dtype=np.uint16)
    model = toys.instance_norm(tmp_path / "norm.onnx")
    report = enhance(image, model, axes="CYX", options=Options(tile=64, statistics="tile")).report
    text = methods_text(report)
    assert "were computed over each tile separately." in text
    exact = enhance(image, model, axes="CYX", options=Options(tile=64)).report
    assert "were computed over the whole image." in methods_text(exact)
    (first, second), (third, fourth) = report.intensity["low"], report.intensity["high"]
    assert f"from {first:g} to {third:g}, {second:g} to {fourth:g}" in text
    assert "mapped linearly, channel by channel, to" in text
    assert f"blended; where they overlap they differ by at most {report.tile_mismatch:.2g}" in text


def test_a_segmentation_is_called_one(tmp_path, rng):
    path = toys.plain(tmp_path / "labels.onnx", metadata={"microenhance.task": "labels"})
    text = methods_text(enhance(rng.random((40, 40), np.float32), path).report)
    assert text.startswith("The image was segmented with")
    assert "Its output was converted to labels." in text


def test_an_old_record_still_gives_a_paragraph(plain, image):
    record = enhance(image, plain).report.to_dict()
    for name in ("result", "trust", "rerun", "tile_mismatch"):
        del record[name]
    record["image"]["sha256"] = None
    text = methods_text(record)
    assert text.endswith("Original image: uint16, 80 x 90 (YX).")
