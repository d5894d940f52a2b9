"""Opening networks: names, files, and everything that is no network."""

import zipfile

import onnx
import pytest
from onnx import TensorProto, helper

import toys
from napari_microenhance import list_models, load_model
from napari_microenhance.errors import (
    FileMissingError,
    MicroEnhanceError,
    ModelError,
    OptionsError,
)


def test_the_built_in_networks_have_cards_and_one_is_the_default():
    found = list_models()
    assert sum(info.default for info in found) == 1
    assert found[0].default
    for info in found:
        model = load_model(info.name)
        assert model.source == "built-in"
        assert model.card.startswith("#")
        assert model.spec.licence
        assert info.summary


def test_overrides_win_and_unknown_ones_are_refused(tmp_path):
    path = toys.plain(tmp_path / "mine.onnx")
    model = load_model(path, value_range=(-1, 1), name="my net")
    assert model.name == "my net"
    assert model.spec.value_range == (-1, 1)
    assert len(model.sha256) == 64
    with pytest.raises(OptionsError, match="'colour'"):
        load_model(path, colour="red")


def test_our_metadata_keys_are_read(tmp_path):
    keys = {"name": "Sharp", "units": "relative", "value_range": "-1,1", "licence": "MIT"}
    path = toys.plain(
        tmp_path / "a.onnx", metadata={f"microenhance.{k}": v for k, v in keys.items()}
    )
    spec = load_model(path).spec
    assert (spec.name, spec.units, spec.value_range) == ("Sharp", "relative", (-1, 1))


def rank3(path):
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "h", "w"])],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path
    )


def two_images(path):
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 1, "h", "w"]) for n in "abc"]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["c"])], "g", info[:2], info[2:])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path
    )


def many_channels(path):
    toys.plain(path, channels=40)


def truncated(path):
    toys.plain(path)
    path.write_bytes(path.read_bytes()[:-200])


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: p.write_bytes(b""), "is empty"),
        (
            lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid x"),
            "git-lfs pointer",
        ),
        (lambda p: p.write_text("\n<!DOCTYPE html><html></html>"), "web page"),
        (lambda p: p.write_bytes(b"12345678901234567890"), "truncated"),
        (zipped, "not an ONNX file"),
        (truncated, "truncated"),
        (lambda p: p.mkdir(), "is a folder"),
        (rank3, "3 dimensions"),
        (toys.classifier, "classifier"),
        (two_images, r"2 image inputs \(a, b\)"),
        (many_channels, "none of its axes can hold"),
    ],
)
def test_what_is_no_image_network_gets_one_sentence(tmp_path, make, words):
    path = tmp_path / "net.onnx"
    make(path)
    with pytest.raises(ModelError, match=words) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_missing_file_is_named_with_the_networks_there_are():
    with pytest.raises(FileMissingError, match=r"'nothing\.onnx'.*detail-classic") as caught:
        load_model("nothing.onnx")
    assert isinstance(caught.value, MicroEnhanceError | FileNotFoundError)


def test_an_unavailable_provider_is_said(tmp_path, rng):
    from napari_microenhance import Options, enhance

    model = load_model(toys.plain(tmp_path / "a.onnx"))
    report = enhance(rng.random((30, 30)), model, options=Options(provider="cuda")).report
    if report.provider["got"] == "cpu":
        assert report.provider["asked"] == "cuda"
        assert any(
            "provider=cuda is not available on this machine; the CPU is used" in w
            for w in report.warnings
        )
