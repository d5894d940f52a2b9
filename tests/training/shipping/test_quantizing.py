"""int8 twins against the float32 networks that they come from."""

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from napari_microenhance import Options, enhance, load_model
from napari_microenhance.cli import run
from napari_microenhance.engine.spec import GLOBAL
from napari_microenhance.errors import FileMissingError, ImageError, MicroEnhanceError, ModelError
from napari_microenhance.images.image_formats import write_image
from napari_microenhance.training.learning.checkpoints import build
from napari_microenhance.training.shipping import calibration
from napari_microenhance.training.shipping.exporting import Description, export_network
from napari_microenhance.training.shipping.quantizing import quantise


class Blurs(nn.Module):
    """A chain of small convolutions whose result is near the image."""

    def __init__(self, *, channels=1, noisy=False):
        super().__init__()
        torch.manual_seed(3)
        middle, last = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, channels, 3, padding=1)
        self.body = nn.Sequential(
            nn.Conv2d(channels, 8, 3, padding=1),
            nn.ReLU(),
            middle,
            nn.ReLU(),
            last,
        )
        if noisy:
            # A small difference of large numbers, of which 8 bits leave nothing.
            with torch.no_grad():
                large = 100 * middle.weight[0].abs()
                middle.weight[1] += large
                middle.weight[0] = large
                last.weight.zero_()
                last.weight[:, :2, 1, 1] = torch.tensor([-1.0, 1.0])

    def forward(self, x):
        return x + 0.5 * self.body(x)


SEEN = '{"images": "blurred fields"}'


@pytest.fixture(autouse=True)
def few_images(monkeypatch):
    """Calibrate with few and small images."""
    monkeypatch.setattr(calibration, "SIMULATED", 9)
    monkeypatch.setattr(calibration, "EDGE_PX", 48)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A network and its twin."""
    folder = tmp_path_factory.mktemp("pair")
    patch = pytest.MonkeyPatch()
    patch.setattr(calibration, "SIMULATED", 9)
    patch.setattr(calibration, "EDGE_PX", 48)
    described = Description(name="blurs", licence="MIT", intensity="percentile", units="relative")
    export_network(Blurs(), folder / "net.onnx", described, trained_on=SEEN)
    result = quantise(load_model(folder / "net.onnx"), folder / "net.int8.onnx")
    patch.undo()
    return folder / "net.onnx", result


def test_a_twin_is_close_to_its_network(pair, rng):
    path, result = pair
    image = rng.random((90, 110), np.float32)
    plain, int8 = (
        enhance(image, path, options=Options(intensity="none", precision=precision)).pixels
        for precision in ("float32", "int8")
    )
    error = np.mean((plain.astype(np.float64) - int8) ** 2)
    assert 0 < error < 1e-4
    assert 40 < result.worst <= result.psnr
    assert result.images == 3
    assert result.seconds[0] > 0
    assert result.speed == pytest.approx(result.seconds[0] / result.seconds[1])


def test_a_twin_describes_itself_and_is_found_beside_its_network(pair):
    path, result = pair
    model = load_model(path)
    twin = model.at("int8")
    assert twin.path == result.path
    assert twin.spec.precision == "int8"
    for field in ("name", "licence", "intensity", "units", "value_range", "scale", "task"):
        assert getattr(twin.spec, field) == getattr(model.spec, field), field
    said = {e.key: e.value for e in onnx.load(result.path).metadata_props}
    assert said["microenhance.precision"] == "int8"
    assert said["microenhance.trained_on"] == SEEN
    assert float(said["microenhance.psnr"]) == pytest.approx(result.psnr, abs=0.06)
    assert said["microenhance.radius"] == str(twin.spec.radius) == "3"


def test_the_inner_layers_are_whole_numbers_and_the_ends_are_not(pair):
    _, result = pair
    graph = onnx.load(result.path).graph
    kinds = {t.name: numpy_helper.to_array(t).dtype for t in graph.initializer}
    made = {name: node for node in graph.node for name in node.output}
    weights = []
    for node in graph.node:
        if node.op_type == "Conv":
            source = made.get(node.input[1])
            name = source.input[0] if source else node.input[1]
            weights.append(str(kinds[name]))
    assert weights == ["float32", "int8", "float32"]


def test_tiles_of_a_twin_equal_its_whole_image(pair, rng):
    path, _ = pair
    image = rng.random((150, 170), np.float32)
    whole = load_model(path).at("int8").session("cpu").run(image[None, None], load_model(path).spec)
    options = Options(intensity="none", precision="int8", tile=40)
    found = enhance(image, path, options=options)
    assert found.report.plan["tiles"] > 1
    np.testing.assert_allclose(found.pixels, whole[0, 0], rtol=0, atol=1e-5)


def test_a_network_that_int8_spoils_is_refused_with_its_figures(tmp_path):
    path, target = tmp_path / "net.onnx", tmp_path / "net.int8.onnx"
    export_network(Blurs(noisy=True), path, Description(name="spoiled"))
    with pytest.raises(ModelError, match=r"network spoiled gives only [\d.]+ dB .*worst of 3"):
        quantise(load_model(path), target)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("kind", "options", "task"),
    [
        ("srresnet", {"width": 8, "blocks": 1, "scale": 2}, "image"),
        ("unet", {"width": 4, "depth": 2}, "labels"),
        ("pix2pix-unet", {"width": 4, "depth": 2}, "image"),
    ],
)
def test_networks_of_every_kind_have_twins(tmp_path, kind, options, task):
    torch.manual_seed(1)
    network = build({"kind": kind, **options})
    path = tmp_path / "net.onnx"
    exported = export_network(network, path, Description(name=kind, task=task))
    result = quantise(load_model(path), tmp_path / "net.int8.onnx")
    twin = load_model(path).at("int8")
    assert twin.spec.scale == exported.spec.scale
    assert twin.spec.task == task
    assert twin.spec.radius != GLOBAL
    assert result.psnr > 40


def test_colour_networks_are_calibrated_in_colour(tmp_path, rng):
    path = tmp_path / "rgb.onnx"
    export_network(Blurs(channels=3), path, Description(name="rgb"), channels=3)
    write_image(tmp_path / "a.png", rng.integers(0, 256, (70, 90, 3), np.uint8), "YXC")
    images = calibration.calibration_images(load_model(path).spec, [tmp_path / "a.png"])
    assert {image.shape for image in images} == {(3, 48, 48)}
    assert quantise(load_model(path), tmp_path / "rgb.int8.onnx").psnr > 40


def test_calibration_images_are_what_a_run_would_read(pair, tmp_path, rng):
    spec = load_model(pair[0]).spec
    stored = rng.integers(300, 800, (2, 80, 100)).astype(np.uint16)
    write_image(tmp_path / "stack.tif", stored, "TYX")
    images = calibration.calibration_images(spec, [tmp_path])
    assert len(images) == 2 * calibration.PIECES
    values = np.stack(images)
    assert values.dtype == np.float32
    # 0.1 and 99.9 percentiles become 0 and 1, as the network declares.
    assert -0.01 < values.min() < 0.01
    assert 0.99 < values.max() < 1.01


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda folder: folder / "none", FileMissingError, "does not exist"),
        (lambda folder: folder, ImageError, "holds no images"),
        (lambda folder: folder / "a.txt", MicroEnhanceError, r"a\.txt"),
    ],
)
def test_calibration_files_that_cannot_be_used_are_named(pair, tmp_path, make, error, words):
    folder = tmp_path / "images"
    folder.mkdir()
    path = make(folder)
    if path.suffix:
        path.write_text("no image")
    target = tmp_path / "out.onnx"
    with pytest.raises(error, match=words):
        quantise(load_model(pair[0]), target, [path])
    assert not target.exists()


def test_what_has_no_twin_is_said(pair, tmp_path, capfd):
    path, result = pair
    target = tmp_path / "out.int8.onnx"
    half = tmp_path / "half.onnx"
    export_network(Blurs(), half, Description(name="half"), fp16=True)
    for model, words in (
        ("detail-classic", "has nothing to quantise"),
        (half, "computes in float16"),
        (result.path, "computes in int8"),
        (tmp_path / "none.onnx", "There is no model"),
    ):
        assert run(["quantize", str(model), str(target)]) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert words in err
        assert len(err.splitlines()) == 1
        assert not target.exists()
    assert run(["quantize", str(path), str(path)]) == 2
    assert "OUT is the same file as the model" in capfd.readouterr().err


def test_the_command_line_writes_a_twin(pair, tmp_path, rng, capfd):
    path, _ = pair
    target = tmp_path / "out.int8.onnx"
    write_image(tmp_path / "a.tif", rng.random((90, 90), np.float32), "YX")
    arguments = ["quantize", path, target, "--calibration", tmp_path / "a.tif"]
    assert run([str(a) for a in arguments]) == 0
    out = capfd.readouterr().out
    assert out.startswith("blurs in int8: ")
    assert "dB from float32 on 2 images" in out
    assert "times as fast" in out
    assert load_model(target).spec.precision == "int8"
