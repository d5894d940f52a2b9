"""A real second provider: OpenVINO's build of onnxruntime, in an environment of its own."""

import os

import numpy as np
import pytest

import toys
from napari_microenhance import Options, enhance, load_model
from napari_microenhance.engine.runtime.session import available_providers

# Where the environment is made for it, its absence is a failure.
WANTED = bool(os.environ.get("MICROENHANCE_OPENVINO"))
pytestmark = [
    pytest.mark.openvino,
    pytest.mark.skipif(
        not WANTED and "openvino" not in available_providers(),
        reason="onnxruntime was not built with OpenVINO here (make test-openvino)",
    ),
]

ZOO = {
    "plain": toys.plain,
    "unet": toys.unet,
    "valid": toys.valid,
    "espcn": toys.espcn,
    "instance_norm": toys.instance_norm,
}


@pytest.fixture
def image(rng):
    return rng.integers(0, 4000, (150, 170), dtype=np.uint16)


@pytest.mark.parametrize("build", ZOO.values(), ids=ZOO)
def test_openvino_runs_and_equals_the_cpu(tmp_path, image, build):
    model = load_model(build(tmp_path / "a.onnx"))
    got = enhance(image, model, options=Options(provider="openvino", dtype="float32"))
    assert got.report.provider["asked"] == got.report.provider["got"] == "openvino"
    parity = got.report.provider["parity"]
    assert parity["finite"]
    assert parity["max_difference"] <= 1e-2
    cpu = enhance(image, model, options=Options(provider="cpu", dtype="float32"))
    assert cpu.report.provider == {"asked": "cpu", "got": "cpu"}
    np.testing.assert_allclose(got.patch, cpu.patch, atol=1e-3 * np.ptp(cpu.patch))


def test_auto_takes_it_where_it_works(tmp_path, image):
    report = enhance(image, load_model(toys.plain(tmp_path / "a.onnx"))).report
    assert report.provider["asked"] == "auto"
    assert report.provider["got"] == "openvino"
    assert not [w for w in report.warnings if "provider" in w]


def test_a_network_that_kills_it_runs_on_the_cpu(image, public_data):
    # OpenVINO 2025's provider ends the process where it meets the loops of this network.
    model = load_model(public_data / "models" / "n2v_nhwc_dynamic.onnx")
    report = enhance(image, model, options=Options(provider="openvino")).report
    assert report.provider["got"] == "cpu"
    assert any("crashed its process" in w for w in report.warnings)


def test_the_operators_it_got_are_told(tmp_path):
    found = load_model(toys.plain(tmp_path / "a.onnx")).assignment("openvino")
    assert "Conv" in found["openvino"]
