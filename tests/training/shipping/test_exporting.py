"""Exported networks against the torch networks that they come from."""

import json
import zipfile

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from napari_microenhance import Options, enhance, load_model
from napari_microenhance.api import check_domain
from napari_microenhance.cli import run
from napari_microenhance.engine.spec import GLOBAL, SizeRule
from napari_microenhance.errors import FileMissingError, ModelError
from napari_microenhance.measure.domain import TrainedOn
from napari_microenhance.training.learning.checkpoints import build, write_checkpoint
from napari_microenhance.training.networks.folding import folded
from napari_microenhance.training.shipping.exporting import (
    Description,
    export_checkpoint,
    export_network,
    load_network,
)

KINDS = {
    "residual-unet": {"widths": [4, 6], "blocks": [1, 1]},
    "pix2pix-unet": {"width": 4, "depth": 3},
    "resnet": {"width": 4, "blocks": 1},
    "autoencoder": {"width": 4, "depth": 2},
    "dncnn": {"width": 4, "depth": 4},
    "espcn": {"width": 8, "scale": 2},
    "srresnet": {"width": 4, "blocks": 1, "scale": 4},
    "unet": {"width": 4, "depth": 2, "in_channels": 3},
}

FOLDED_AWAY = {"BatchNormalization", "Identity", "Transpose", "Dropout"}


def grown(kind, **options):
    """A network whose weights and statistics are those of no layer that was just made."""
    torch.manual_seed(7)
    network = build({"kind": kind, **KINDS[kind], **options})
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def described(kind, **more):
    return Description(name=kind, task="labels" if kind == "unet" else "image", **more)


def whole(network, image):
    """The oracle: torch on the whole (C, Y, X) image."""
    with torch.no_grad():
        return network(torch.from_numpy(image[None])).numpy()[0]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return what exports a kind of network, once."""
    folder = tmp_path_factory.mktemp("exported")
    done = {}

    def get(kind):
        if kind not in done:
            network = grown(kind)
            channels = KINDS[kind].get("in_channels", 1)
            result = export_network(
                network, folder / f"{kind}.onnx", described(kind), channels=channels
            )
            done[kind] = (network, result)
        return done[kind]

    return get


@pytest.mark.parametrize("kind", KINDS)
def test_folding_changes_nothing_but_the_number_of_layers(kind):
    network = grown(kind)
    image = torch.rand((1, KINDS[kind].get("in_channels", 1), 32, 48))
    small = folded(network)
    with torch.no_grad():
        torch.testing.assert_close(small(image), network(image), rtol=0, atol=1e-5)
    assert not [m for m in small.modules() if isinstance(m, nn.BatchNorm2d | nn.PixelUnshuffle)]
    assert [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)] or kind not in (
        "pix2pix-unet",
        "resnet",
        "dncnn",
        "unet",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_gives_what_the_network_gives_at_any_size(exported, kind, rng):
    network, result = exported(kind)
    assert result.difference <= 1e-5
    model = load_model(result.path)
    spec = model.spec
    height, width = (rule.round_up(n) for rule, n in zip(spec.size, (90, 57), strict=True))
    images = rng.random((2, spec.channels_in, height, width), np.float32)
    got = model.session("cpu").run(images, spec)
    with torch.no_grad():
        wanted = network(torch.from_numpy(images))
    if spec.task == "labels":
        wanted = wanted.sigmoid()
    np.testing.assert_allclose(got, wanted.numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_says_of_itself_what_is_measured(exported, kind):
    _, result = exported(kind)
    model = load_model(result.path)
    assert not [f for f in model.findings if "measured" in f]
    for field in ("radius", "shift_step", "size", "scale", "channels_in", "channels_out", "task"):
        assert getattr(model.spec, field) == getattr(result.spec, field), field
    said = {e.key: e.value for e in onnx.load(result.path).metadata_props}
    assert {k.partition(".")[0] for k in said} == {"microenhance"}
    said = {k.partition(".")[2]: v for k, v in said.items()}
    rule = result.spec.size[0]
    assert said["name"] == kind
    assert said["radius"] == str(result.spec.radius)
    assert said["shift_step"] == str(result.spec.shift_step)
    assert (said["size_minimum"], said["size_step"]) == (str(rule.minimum), str(rule.step))
    assert float(said["scale"]) == KINDS[kind].get("scale", 1)
    assert float(said["bytes_per_pixel"]) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_is_small_and_plain(exported, kind):
    network, result = exported(kind)
    model = onnx.load(result.path)
    onnx.checker.check_model(model, full_check=True)
    assert not FOLDED_AWAY & {node.op_type for node in model.graph.node}
    assert {o.domain for o in model.opset_import} <= {"", "ai.onnx"}
    assert model.opset_import[0].version >= 17
    dims = [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert dims == ["N", KINDS[kind].get("in_channels", 1), "Y", "X"]
    weights = 4 * sum(p.numel() for p in network.parameters())
    assert result.path.stat().st_size < weights + 40_000


def test_a_network_is_left_as_it_was(tmp_path):
    network = grown("dncnn").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    export_network(network, tmp_path / "a.onnx", described("dncnn"))
    assert network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_tiles_of_a_file_equal_the_whole_image_in_torch(exported, rng):
    network, result = exported("residual-unet")
    step = result.spec.size[0].step
    image = rng.random((20 * step, 25 * step), np.float32)
    tile = 2 * int(result.spec.radius) + 8 * step
    found = enhance(image, result.path, options=Options(intensity="none", tile=tile))
    assert found.report.plan["tiles"] > 1
    np.testing.assert_allclose(found.pixels, whole(network, image[None])[0], rtol=0, atol=1e-5)


def test_masks_are_where_the_probability_reaches_the_threshold(tmp_path, rng):
    network = grown("unet", in_channels=1)
    path = tmp_path / "mask.onnx"
    image = rng.random((64, 96), np.float32)
    probability = 1 / (1 + np.exp(-whole(network, image[None])[0].astype(np.float64)))
    threshold = float(np.median(probability).round(4))
    export_network(network, path, described("unet", threshold=threshold, intensity="dtype"))
    model = load_model(path)
    assert (model.spec.task, model.spec.activation) == ("labels", "none")
    assert model.spec.threshold == pytest.approx(threshold)
    share = enhance(image, model, options=Options(dtype="float32")).pixels
    np.testing.assert_allclose(share, probability, rtol=0, atol=1e-5)
    labels = enhance(image, model).pixels
    sure = np.abs(probability - threshold) > 1e-5
    np.testing.assert_array_equal(labels[sure], (probability >= threshold)[sure])


def test_valid_convolutions_keep_their_border_loss(tmp_path, rng):
    network = grown("unet", in_channels=1, padding=False)
    path = tmp_path / "valid.onnx"
    result = export_network(network, path, described("unet"))
    assert result.spec.border_loss == (20, 20)
    assert load_model(path).spec.border_loss == (20, 20)
    assert result.spec.size[0].step == 4


def test_instance_normalisation_is_said_to_couple_the_tile(tmp_path):
    result = export_network(
        grown("srresnet", norm="instance"), tmp_path / "a.onnx", described("srresnet")
    )
    assert result.spec.radius == GLOBAL
    assert load_model(result.path).spec.radius == GLOBAL
    assert any("depends on the whole tile" in sentence for sentence in result.sentences)


def test_half_precision_halves_the_file_and_stays_close(exported, tmp_path, rng):
    network, single = exported("resnet")
    result = export_network(network, tmp_path / "half.onnx", described("resnet"), fp16=True)
    assert result.psnr > 60
    assert result.path.stat().st_size < 0.6 * single.path.stat().st_size
    model = load_model(result.path)
    assert (model.spec.precision, model.spec.dtype) == ("float16", "float32")
    kinds = {t.data_type for t in onnx.load(result.path).graph.initializer}
    assert onnx.TensorProto.FLOAT not in kinds
    image = rng.random((64, 64), np.float32)
    got = enhance(image, model, options=Options(intensity="none")).pixels
    wanted = whole(network, image[None])[0]
    assert 0 < np.abs(got - wanted).max() < 1e-2


class Scaled(nn.Module):
    """What overflows a float16 on the way, and comes back."""

    def forward(self, x):
        return x * 1e6 * 1e-6


class Remembering(nn.Module):
    """What depends on the size that it was traced with."""

    def forward(self, x):
        return x + 0.001 * float(x.shape[-1])


class Rigid(nn.Module):
    """What takes one size only."""

    def __init__(self):
        super().__init__()
        self.pattern = nn.Parameter(torch.rand(1, 1, 64, 64))

    def forward(self, x):
        return x + self.pattern


def broken():
    network = grown("dncnn")
    next(network.parameters()).data.flatten()[0] = torch.nan
    return network


@pytest.mark.parametrize(
    ("network", "fp16", "words"),
    [
        (Scaled(), True, r"In float16 the model odd reproduces .* to only .* dB"),
        (Remembering(), False, r"differs from the model odd by .* of the value range"),
        (Rigid(), False, "accepts only images of 64 x 64 px"),
        (broken(), False, "has weights that are NaN or infinite"),
        (nn.Conv2d(1, 4, 3), False, "outputs 4 channels for 1"),
        (nn.Conv2d(2, 2, 3), False, "accepts none of the images"),
    ],
)
def test_a_file_that_would_not_do_is_not_written(tmp_path, network, fp16, words):
    path = tmp_path / "odd.onnx"
    path.write_bytes(b"before")
    with pytest.raises(ModelError, match=words) as caught:
        export_network(network.eval(), path, Description(name="odd"), fp16=fp16)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


RECIPE = {
    "name": "cells",
    "task": "foreground",
    "export": {"intensity": "percentile", "threshold": 0.3, "licence": "CC0-1.0"},
}


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint as training writes it."""
    description = {"kind": "unet", **KINDS["unet"], "in_channels": 1}
    content = {
        "recipe": RECIPE,
        "network": description,
        "weights": grown("unet", in_channels=1).state_dict(),
        "step": 5,
    }
    write_checkpoint(tmp_path / "run.pt", content)
    return tmp_path / "run.pt"


def test_a_checkpoint_gives_its_network_and_what_is_known_of_it(checkpoint, rng):
    network, content = load_network(checkpoint)
    assert not network.training
    assert (content["step"], content["recipe"]["name"]) == (5, "cells")
    image = rng.random((1, 32, 32), np.float32)
    np.testing.assert_array_equal(whole(network, image), whole(grown("unet", in_channels=1), image))


def test_the_recipe_says_what_the_file_says(checkpoint, tmp_path):
    result = export_checkpoint(checkpoint, tmp_path / "out.onnx", citation="Nobody, 2024")
    spec = load_model(result.path).spec
    assert (spec.name, spec.task, spec.threshold) == ("cells", "labels", 0.3)
    assert (spec.intensity, spec.licence, spec.citation) == (
        "percentile",
        "CC0-1.0",
        "Nobody, 2024",
    )


def test_a_file_tells_what_its_network_was_trained_on(checkpoint, tmp_path, rng):
    said = TrainedOn(images="dim fields", noise=(0.01, 0.02))
    content = torch.load(checkpoint, weights_only=True)
    write_checkpoint(checkpoint, {**content, "trained_on": said.to_text()})
    path = export_checkpoint(checkpoint, tmp_path / "out.onnx").path
    noisy = rng.normal(0.5, 0.2, (64, 64)).astype(np.float32)
    [sentence] = check_domain(noisy, path, options=Options(intensity=(0.0, 1.0)))
    assert "noisier than the training data of cells (dim fields)" in sentence


def test_the_best_checkpoint_of_a_run_is_taken(checkpoint, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "last.pt").write_bytes(checkpoint.read_bytes())
    assert load_network(folder)[1]["step"] == 5
    content = torch.load(checkpoint, weights_only=True)
    write_checkpoint(folder / "best.pt", {**content, "step": 3})
    assert load_network(folder)[1]["step"] == 3


def test_the_command_line_exports(checkpoint, tmp_path, capfd):
    path = tmp_path / "mine.onnx"
    arguments = ["export", str(checkpoint), str(path), "--name", "mine", "--licence", "MIT"]
    assert run(arguments) == 0
    out, err = capfd.readouterr()
    assert out.startswith("mine in float32: ")
    assert err == ""
    assert run(["inspect", str(path), "--json"]) == 0
    facts = json.loads(capfd.readouterr().out)
    assert (facts["name"], facts["licence"], facts["precision"]) == ("mine", "MIT", "float32")
    assert facts["input"]["intensity"] == "percentile"


def other_weights(path):
    content = torch.load(path, weights_only=True)
    write_checkpoint(path, {**content, "network": {**content["network"], "width": 8}})


def plain_weights(path):
    torch.save({"weight": torch.zeros(3)}, path)


def archive(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a", "b")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "There is no checkpoint"),
        (lambda path: path.write_bytes(b"none"), "is not a checkpoint, or is damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:900]), "or is damaged"),
        (archive, "or is damaged"),
        (plain_weights, "is not a checkpoint of"),
        (other_weights, "do not fit the network"),
    ],
)
def test_a_bad_checkpoint_gets_one_line(checkpoint, tmp_path, spoil, words, capfd):
    spoil(checkpoint)
    path = tmp_path / "out.onnx"
    assert run(["export", str(checkpoint), str(path)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert words in err
    assert len(err.splitlines()) == 1
    assert not path.exists()


def test_a_bad_target_is_refused_at_once(checkpoint, tmp_path, capfd):
    for target, words in (
        (tmp_path / "a.pt", "name it a.onnx"),
        (tmp_path / "none" / "a.onnx", "does not exist"),
    ):
        assert run(["export", str(checkpoint), str(target)]) == 2
        assert words in capfd.readouterr().err


def test_nothing_there_is_a_missing_file(tmp_path):
    with pytest.raises(FileMissingError):
        load_network(tmp_path / "none.pt")


def test_a_size_rule_is_that_of_the_layers(exported):
    assert exported("pix2pix-unet")[1].spec.size == (SizeRule(8, 8),) * 2
    assert exported("dncnn")[1].spec.size == (SizeRule(1, 1),) * 2


def test_weights_in_float16_halve_the_file_and_little_else(tmp_path, rng):
    network = build({"kind": "residual-unet", "widths": [16, 24], "blocks": [1, 1]}).eval()
    plain = export_network(network, tmp_path / "plain.onnx", Description(name="plain"))
    small = export_network(
        network, tmp_path / "small.onnx", Description(name="small"), half_weights=True
    )
    sizes = [done.path.stat().st_size for done in (plain, small)]
    assert sizes[1] < 0.62 * sizes[0]
    assert small.psnr > 60
    assert small.spec.precision == "float32"
    image = rng.random((64, 64), np.float32)
    results = [
        enhance(image, load_model(done.path), options=Options(intensity="none")).pixels
        for done in (plain, small)
    ]
    difference = np.abs(results[0] - results[1]).max()
    assert 0 < difference < 5e-3


def test_weights_that_float16_would_spoil_are_not_written(tmp_path):
    # Their differences count, and are too small for float16.
    network = nn.Sequential(nn.Conv2d(1, 64, 3, padding=1), nn.Conv2d(64, 1, 3, padding=1))
    with torch.no_grad():
        network[0].weight.copy_(1000 + torch.rand(network[0].weight.shape))
        network[1].weight.copy_(
            torch.where(torch.arange(64) % 2 == 0, 1.0, -1.0)[None, :, None, None]
        )
    target = tmp_path / "spoilt.onnx"
    with pytest.raises(ModelError, match=r"With float16 weights .* to only .* dB"):
        export_network(network, target, Description(name="spoilt"), half_weights=True)
    assert not target.exists()
