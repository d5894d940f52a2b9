"""ZEISS .czann: read, and its manifest compared with what is measured."""

import json
import zipfile

import numpy as np
import pytest

import toys
from napari_microenhance import enhance, load_model
from napari_microenhance.errors import FileMissingError, ModelError

REGRESSION = {
    "FormatVersion": "2.1.0",
    "Id": "064587eb-d5a1-4434-82fc-2fbc9f5871f9",
    "Type": "Regression",
    "InputShape": [1024, 1024, 1],
    "OutputShape": [1024, 1024, 1],
}


def czann(path, network, manifest=None, *, name="model.model", more=None):
    """Write a .czann as ZEISS's own tool lays it out."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.json", json.dumps({**REGRESSION, **(manifest or {})}))
        archive.write(network, name)
        for member, text in (more or {}).items():
            archive.writestr(member, text)
    return path


@pytest.fixture
def nhwc(tmp_path):
    return toys.plain(tmp_path / "net.onnx", nhwc=True)


def test_a_regression_runs_and_equals_the_network_itself(tmp_path, nhwc, rng):
    path = czann(tmp_path / "Denoiser.czann", nhwc, {"ModelName": "Low SNR"})
    model = load_model(path)
    assert (model.name, model.source) == ("Low SNR", "Denoiser.czann")
    assert (model.spec.axes_in, model.spec.radius) == ("NYXC", 2)
    assert (model.spec.value_range, model.spec.value_range_source) == ((0, 1), "czann")
    assert model.findings == ()
    image = rng.integers(0, 60000, (70, 80), dtype=np.uint16)
    np.testing.assert_array_equal(
        enhance(image, model).patch, enhance(image, load_model(nhwc)).patch
    )


def test_it_is_the_digest_of_the_package_that_is_told(tmp_path, nhwc):
    import hashlib

    path = czann(tmp_path / "a.czann", nhwc)
    assert load_model(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_older_manifest_and_another_member_name_will_do(tmp_path, nhwc):
    old = {"FormatVersion": None, "Id": None, "MinOverlap": [8, 8]}
    assert load_model(czann(tmp_path / "a.czann", nhwc, old, name="x.onnx")).spec.radius == 2


def test_channels_first_is_no_contradiction(tmp_path):
    network = toys.plain(tmp_path / "net.onnx", channels=3)
    shape = {"InputShape": [3, 512, 512], "OutputShape": [3, 512, 512]}
    model = load_model(czann(tmp_path / "a.czann", network, shape))
    assert model.spec.axes_in == "NCYX"
    assert model.findings == ()


def test_licence_classes_and_pixel_size_are_on_the_card(tmp_path, nhwc):
    more = {"license.txt": "\nMIT License\n\nCopyright"}
    manifest = {"Scaling": [1e-7, 1e-7], "ModelName": "Cells"}
    model = load_model(czann(tmp_path / "a.czann", nhwc, manifest, more=more))
    assert model.spec.licence == "MIT License"
    for words in ("# Cells", "type Regression", "pixels of 0.1 x 0.1 µm", "Copyright"):
        assert words in model.card


@pytest.mark.parametrize(
    "kind", ["SingleClassSemanticSegmentation", "MultiClassSemanticSegmentation"]
)
def test_a_segmentation_gives_labels(tmp_path, rng, kind):
    g = toys.Graph(1)
    x = g.node("Softmax", g.conv("x", 1, 3), axis=1)
    network = g.save(tmp_path / "net.onnx", x, channels_out=3)
    manifest = {
        "Type": kind,
        "Classes": ["back", "cell", "dirt"],
        "OutputShape": [1024, 1024, 3],
    }
    model = load_model(czann(tmp_path / "a.czann", network, manifest))
    assert (model.spec.task, model.spec.channels_out) == ("labels", 3)
    assert "back, cell, dirt" in model.card
    assert bool(model.findings) == (kind == "MultiClassSemanticSegmentation")
    labels = enhance(rng.random((40, 50)), model).patch
    assert set(np.unique(labels)) <= {0, 1, 2}


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"InputShape": [64, 64, 3]}, "states 3 for the input channels, but 1 was measured"),
        ({"OutputShape": [1024, 1024, 5]}, "states 5 for the output channels, but 1"),
        ({"OutputShape": [2048, 2048, 1]}, "states 2 for the scale, but 1"),
        ({"InputShape": [9, 64, 64, 1]}, "states 3 for the number of axes, but 2"),
        ({"Classes": ["a", "b"]}, "states 2 for the number of classes, but 1"),
        ({"MinOverlap": [2, 2]}, "1 px of border are enough, but the receptive field is 2 px"),
    ],
)
def test_a_manifest_that_contradicts_its_network_is_told(tmp_path, nhwc, manifest, words):
    model = load_model(czann(tmp_path / "a.czann", nhwc, manifest))
    assert any(words in sentence for sentence in model.findings), model.findings
    assert model.spec.channels_in == model.spec.channels_out == 1


def test_a_fixed_size_is_compared(tmp_path):
    network = toys.plain(tmp_path / "net.onnx", shape=(1, None, 64, 96), pinned=True)
    wrong = {"InputShape": [64, 64, 1], "OutputShape": [64, 64, 1]}
    said = load_model(czann(tmp_path / "a.czann", network, wrong)).findings
    assert said == (
        "Its manifest states 64 for the length along X, but 96 was measured and is used.",
    )
    right = {"InputShape": [64, 96, 1], "OutputShape": [64, 96, 1]}
    assert load_model(czann(tmp_path / "b.czann", network, right)).findings == ()


def broken(change):
    def build(path, network):
        czann(path, network, change)

    return build


def without_manifest(path, network):
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(network, "model.model")


def with_text(text):
    def build(path, network):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("model.json", text)
            archive.write(network, "model.model")

    return build


def without_network(path, network):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.json", json.dumps(REGRESSION))


def two_networks(path, network):
    czann(path, network, more={"other.onnx": "x"})


def tensorflow(path, network):
    inner = path.with_name("saved.zip")
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("saved_model.pb", "x")
    czann(path, inner)


def climbing(path, network):
    czann(path, network, more={"../evil": "x"})


def bomb(path, network):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.json", json.dumps(REGRESSION))
        archive.writestr("model.model", bytes(200_000_000))


BAD = {
    "a detector": (broken({"Type": "ObjectDetection"}), "detects boxes around objects"),
    "an instance segmentation": (
        broken({"Type": "MultiClassInstanceSegmentation"}),
        "detects single objects",
    ),
    "a classifier": (broken({"Type": "SingleClassClassification"}), "classifies whole images"),
    "an unknown type": (broken({"Type": "Magic"}), "'Magic'.*does something unknown"),
    "no shape": (broken({"InputShape": None}), "states None for InputShape"),
    "a shape of texts": (broken({"InputShape": ["a", 2, 3]}), "for InputShape"),
    "an empty axis": (broken({"OutputShape": [0, 0, 1]}), "for OutputShape"),
    "a strange overlap": (broken({"MinOverlap": [1.5]}), "for MinOverlap"),
    "no manifest": (without_manifest, "has no model.json"),
    "no JSON": (with_text("{"), "not valid JSON"),
    "no object": (with_text("[1, 2]"), "does not state Type"),
    "nested too deep": (with_text("[" * 100_000), "not valid JSON"),
    "no network": (without_network, "holds 0 models"),
    "two networks": (two_networks, "holds 2 models"),
    "a TensorFlow model": (tensorflow, "TensorFlow or PyTorch"),
    "a zip slip": (climbing, "a path outside its own folder"),
    "a zip bomb": (bomb, "would unpack"),
    "no zip": (lambda path, _: path.write_bytes(b"x" * 99), "is not a zip file"),
    "another network": (lambda path, _: czann(path, path.parent / "text"), "not an ONNX file"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_gets_one_sentence(tmp_path, nhwc, case):
    (tmp_path / "text").write_bytes(b"\xff" * 100)
    build, words = BAD[case]
    build(tmp_path / "a.czann", nhwc)
    before = set(tmp_path.iterdir())
    with pytest.raises(ModelError, match=words) as caught:
        load_model(tmp_path / "a.czann")
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert set(tmp_path.iterdir()) == before


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileMissingError, match=r"a\.czann"):
        load_model(tmp_path / "a.czann")
