"""Options.precision: which file of a network runs, and what the record says of it."""

import hashlib
import json
import shutil

import numpy as np
import platformdirs
import pytest

import toys
from napari_microenhance import Options, enhance, list_models, load_model
from napari_microenhance.cli import run
from napari_microenhance.errors import ModelError
from napari_microenhance.models import catalogue
from napari_microenhance.models.sidecar import save_edits

INT8 = {"microenhance.precision": "int8"}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def quantised(path, weight=100):
    """A network of one factor, kept as a whole number of 8 bits."""
    g = toys.Graph(1)
    whole, scale, zero = (
        g.constant(np.array(value, kind))
        for value, kind in ((weight, np.int8), (0.01, np.float32), (0, np.int8))
    )
    return g.save(path, g.node("Mul", "x", g.node("DequantizeLinear", whole, scale, zero)))


@pytest.fixture
def pair(tmp_path):
    """A network and its twin; other weights show which of them ran."""
    base = toys.plain(tmp_path / "net.onnx", seed=1, metadata={"microenhance.name": "Net"})
    return base, toys.plain(tmp_path / "net.int8.onnx", seed=2, metadata=INT8)


def test_int8_runs_the_twin_and_the_record_names_its_file(pair, rng):
    base, twin = pair
    image = rng.random((40, 50), np.float32)
    for precision, path, got in (
        ("auto", base, "float32"),
        ("float32", base, "float32"),
        ("int8", twin, "int8"),
    ):
        options = Options(precision=precision, intensity="none")
        result = enhance(image, base, options=options)
        expected = toys.run_whole(path, image[None])[0]
        np.testing.assert_allclose(result.pixels, expected, rtol=0, atol=1e-5)
        record = result.report.to_dict()
        assert record["model"]["sha256"] == digest(path)
        assert record["model"]["precision"] == got
        assert record["model"]["source"] == path.name
        assert record["model"]["name"] == "Net"
        assert record["options"]["precision"] == precision


def test_a_twin_is_opened_once_and_measured_by_itself(tmp_path):
    base = toys.plain(tmp_path / "net.onnx", convs=3)
    toys.plain(tmp_path / "net.int8.onnx", convs=5, metadata=INT8)
    model = load_model(base)
    twin = model.at("int8")
    assert (model.spec.radius, twin.spec.radius) == (3, 5)
    assert model.at("int8") is twin
    assert model.at("auto") is model
    assert twin.at("int8") is twin


def test_edits_of_a_network_hold_for_its_twin(pair):
    base, _ = pair
    save_edits(base, {"value_range": (-1.0, 1.0)})
    twin = load_model(base, units="relative").at("int8")
    assert (twin.spec.value_range, twin.spec.units) == ((-1, 1), "relative")


def test_without_a_twin_one_sentence_says_which_file_is_missing(tmp_path, rng):
    path = toys.plain(tmp_path / "net.onnx")
    with pytest.raises(ModelError, match=r"precision=int8 needs .*net\.int8\.onnx beside it"):
        enhance(rng.random((20, 20)), path, options=Options(precision="int8"))


def test_an_int8_file_alone_cannot_compute_otherwise(tmp_path):
    model = load_model(quantised(tmp_path / "net.int8.onnx"))
    # Nothing in it says so: the graph does.
    assert model.spec.precision == "int8"
    assert model.at("int8") is model.at("auto") is model
    with pytest.raises(ModelError, match="computes in int8; precision=float32 needs"):
        model.at("float32")


def test_the_file_of_another_network_is_no_twin(pair):
    base, twin = pair
    toys.plain(twin, channels=3)
    with pytest.raises(
        ModelError, match=r"net\.int8\.onnx is not an int8 version of Net: .*channels_in"
    ):
        load_model(base).at("int8")


def test_twins_are_no_networks_of_their_own(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(platformdirs, "user_data_dir", lambda *_, **__: str(tmp_path / "data"))
    yours = tmp_path / "data" / "models"
    yours.mkdir(parents=True)
    for name in ("a.onnx", "a.int8.onnx", "b.onnx", "lone.int8.onnx"):
        toys.plain(yours / name)
    builtin = tmp_path / "builtin"
    shutil.copytree(catalogue.FOLDER, builtin)
    shutil.copy(builtin / "detail-classic.onnx", builtin / "detail-classic.int8.onnx")
    monkeypatch.setattr(catalogue, "FOLDER", builtin)

    found = {info.name: info for info in list_models()}
    own = [name for name, info in found.items() if info.source == "user"]
    assert own == ["a", "b", "lone.int8"]
    assert "detail-classic.int8" not in found
    assert [found[name].int8 for name in ("detail-classic", *own)] == [True, True, False, False]
    assert run(["models"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert any(line.startswith("detail-classic (int8): ") for line in lines)
    assert any(line.startswith("a (int8): ") for line in lines)
    assert any(line.startswith("b: ") for line in lines)


def test_a_built_in_network_uses_its_twin(tmp_path, monkeypatch, rng):
    builtin = tmp_path / "builtin"
    shutil.copytree(catalogue.FOLDER, builtin)
    twin = shutil.copy(builtin / "detail-classic.onnx", builtin / "detail-classic.int8.onnx")
    monkeypatch.setattr(catalogue, "FOLDER", builtin)
    model = load_model("detail-classic").at("int8")
    assert (model.path, model.source) == (twin, "built-in")
    assert model.name == "detail-classic"
    assert model.card.startswith("# detail-classic")


def test_inspect_tells_the_numbers_and_the_twin(pair, capfd):
    base, _ = pair
    assert run(["inspect", str(base), "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert (facts["precision"], facts["int8_twin"]) == ("float32", True)
    assert run(["inspect", str(base)]) == 0
    assert "in float32, int8 version available" in capfd.readouterr().out


def test_the_command_line_takes_it(pair, tmp_path, rng, capfd):
    from napari_microenhance.images.image_formats import write_image

    base, twin = pair
    image, out, report = (tmp_path / name for name in ("a.tif", "b.tif", "r.json"))
    write_image(image, rng.integers(0, 255, (30, 30), np.uint8), "YX")
    arguments = ["enhance", image, out, "--model", base, "--precision", "int8", "--report", report]
    assert run([str(a) for a in arguments]) == 0
    assert json.loads(report.read_text())["model"]["sha256"] == digest(twin)
    twin.unlink()
    arguments[2] = tmp_path / "c.tif"
    assert run([*map(str, arguments), "--overwrite"]) == 2
    assert "net.int8.onnx beside it" in capfd.readouterr().err
    assert not (tmp_path / "c.tif").exists()
