"""Losses against what numpy says of the same arrays."""

from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from skimage.metrics import structural_similarity

from napari_microenhance.errors import FileMissingError, ModelError
from napari_microenhance.models.catalogue import list_models
from napari_microenhance.training.learning import features as features_module
from napari_microenhance.training.learning.checkpoints import build, write_checkpoint
from napari_microenhance.training.learning.features import DenoiserFeatures, perceptual_features
from napari_microenhance.training.learning.losses import (
    TERMS,
    Criterion,
    adversarial_loss,
    centred,
)
from napari_microenhance.training.recipes.recipe import Adversarial, Loss, Perceptual
from napari_microenhance.training.shipping.exporting import export_checkpoint

MASK_TERMS = ("bce", "dice", "weighted_ce")
IMAGE_TERMS = tuple(name for name in TERMS if name not in MASK_TERMS)


@pytest.fixture
def pair(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return tuple(rng.random((2, 3, 1, 24, 20)).astype(np.float32))


def term(name: str, output: np.ndarray, target: np.ndarray, weight: np.ndarray | None = None):
    tensors = [None if a is None else torch.from_numpy(a) for a in (output, target, weight)]
    return float(TERMS[name](*tensors))


def test_every_plain_term_is_a_field_of_the_recipe() -> None:
    assert set(Loss(**dict.fromkeys(TERMS, 1.0)).terms) == set(TERMS)


@pytest.mark.parametrize("name", IMAGE_TERMS)
def test_an_image_is_nearest_to_itself(name: str, pair) -> None:
    output, target = pair
    assert term(name, target, target) < term(name, 0.9 * target + 0.1 * output, target)
    assert term(name, 0.9 * target + 0.1 * output, target) < term(name, output, target)


def test_image_terms_are_their_formulas(pair) -> None:
    output, target = pair
    difference = (output - target).astype(np.float64)
    assert term("l1", output, target) == pytest.approx(np.abs(difference).mean(), rel=1e-5)
    assert term("l2", output, target) == pytest.approx((difference**2).mean(), rel=1e-5)
    smooth = np.sqrt(difference**2 + 1e-6).mean()
    assert term("charbonnier", output, target) == pytest.approx(smooth, rel=1e-5)
    errors = (difference**2).mean(axis=(1, 2, 3))
    assert term("psnr", output, target) == pytest.approx(
        10 * np.log10(errors + 1e-5).mean(), rel=1e-5
    )
    steps = np.abs(np.diff(difference, axis=2)).mean() + np.abs(np.diff(difference, axis=3)).mean()
    assert term("edge", output, target) == pytest.approx(steps, rel=1e-5)


def test_similarity_is_that_of_scikit_image(rng: np.random.Generator) -> None:
    target = rng.random((1, 1, 40, 40)).astype(np.float32)
    output = np.clip(target + rng.normal(0, 0.1, target.shape), 0, 1).astype(np.float32)
    # The published window; scikit-image leaves out the border, where the windows do not fit.
    wanted = structural_similarity(
        output[0, 0],
        target[0, 0],
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert 1 - term("ssim", output, target) == pytest.approx(wanted, abs=5e-3)


def test_mask_terms_are_their_formulas(rng: np.random.Generator) -> None:
    logits = rng.normal(size=(2, 1, 8, 8)).astype(np.float32)
    mask = (rng.random(logits.shape) < 0.4).astype(np.float32)
    weight = rng.random(logits.shape).astype(np.float32)
    found = 1 / (1 + np.exp(-logits.astype(np.float64)))
    entropy = -(mask * np.log(found) + (1 - mask) * np.log(1 - found))
    assert term("bce", logits, mask) == pytest.approx(entropy.mean(), rel=1e-5)
    weighted = (weight * entropy).mean()
    assert term("weighted_ce", logits, mask, weight) == pytest.approx(weighted, rel=1e-5)
    overlap = [
        (2 * (f * m).sum() + 1) / ((f + m).sum() + 1) for f, m in zip(found, mask, strict=True)
    ]
    assert term("dice", logits, mask) == pytest.approx(1 - np.mean(overlap), rel=1e-5)


def test_the_criterion_weighs_its_terms(pair) -> None:
    output, target = map(torch.from_numpy, pair)
    terms = Criterion(Loss(l1=2.0, edge=0.5))(output, target)
    assert set(terms) == {"l1", "edge"}
    assert float(terms["l1"]) == pytest.approx(2 * term("l1", *pair), rel=1e-6)
    assert float(terms["edge"]) == pytest.approx(0.5 * term("edge", *pair), rel=1e-6)


def test_scales_are_means_of_squares_of_pixels(rng: np.random.Generator) -> None:
    output, target = rng.random((2, 1, 1, 48, 48)).astype(np.float32)
    difference = output - target
    means = [
        np.abs(difference.reshape(48 // k, k, 48 // k, k).mean(axis=(1, 3))).mean()
        for k in (1, 2, 4)
    ]
    found = Criterion(Loss(l1=1.0), multi_scale=True)(*map(torch.from_numpy, (output, target)))
    assert float(found["l1"]) == pytest.approx(np.mean(means), rel=1e-5)


def test_a_smaller_output_is_compared_with_the_centre_of_the_target() -> None:
    target = torch.arange(36.0).reshape(1, 1, 6, 6)
    assert centred(target, torch.zeros(1, 1, 2, 4)).tolist() == [
        [[[13.0, 14.0, 15.0, 16.0], [19.0, 20.0, 21.0, 22.0]]]
    ]
    assert float(Criterion(Loss(l1=1.0))(target[:, :, 1:5, 1:5], target)["l1"]) == 0


def test_verdicts() -> None:
    verdict = torch.tensor([0.0, 2.0])
    assert float(adversarial_loss(verdict, "lsgan", real=True)) == 1.0
    assert float(adversarial_loss(verdict, "lsgan", real=False)) == 2.0
    wanted = np.log1p(np.exp([0.0, -2.0])).mean()
    assert float(adversarial_loss(verdict, "bce", real=True)) == pytest.approx(wanted)
    assert Adversarial(weight=1.0).objective == "lsgan"


def vgg_weights() -> dict[str, torch.Tensor]:
    """Weights by torchvision's names and in its shapes, which the published file has, too."""
    generator = torch.Generator().manual_seed(4)
    places = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
    widths = (64, 64, 128, 128, *[256] * 4, *[512] * 8)
    weights: dict[str, torch.Tensor] = {"classifier.0.bias": torch.zeros(4)}
    for place, inside, out in zip(places, (3, *widths), widths, strict=False):
        spread = (2 / (9 * inside)) ** 0.5
        shape = (out, inside, 3, 3)
        weights[f"features.{place}.weight"] = spread * torch.randn(shape, generator=generator)
        weights[f"features.{place}.bias"] = torch.zeros(out)
    return weights


def test_features_of_a_vgg_file_tell_images_apart(tmp_path) -> None:
    torch.save(vgg_weights(), tmp_path / "vgg19.pth")
    features, origin = perceptual_features(str(tmp_path / "vgg19.pth"))
    assert origin.startswith("VGG-19 (sha256 ")
    assert not any(p.requires_grad for p in features.parameters())
    grey = torch.rand(1, 1, 32, 32)
    assert features(grey).shape == (1, 512, 2, 2)
    torch.testing.assert_close(features(grey), features(grey.expand(-1, 3, -1, -1)))
    loss = Loss(perceptual=Perceptual(weight=2.0))
    criterion = Criterion(loss, features=features)
    output = (grey * 0.5).requires_grad_()
    value = criterion(output, grey)["perceptual"]
    assert float(criterion(grey, grey)["perceptual"]) == 0
    wanted = 2 * (features(output) - features(grey)).square().mean()
    torch.testing.assert_close(value, wanted)
    value.backward()
    assert output.grad is not None
    assert float(output.grad.abs().max()) > 0


DENOISER = {"kind": "residual-unet", "widths": [4, 6], "blocks": [1, 1], "in_channels": 1}


def write_run(folder, description: dict) -> None:
    folder.mkdir()
    content = {"recipe": {}, "network": description, "step": 1}
    content["weights"] = build(description).state_dict()
    write_checkpoint(folder / "last.pt", content)


def test_features_of_our_own_denoiser(tmp_path) -> None:
    write_run(tmp_path / "run", DENOISER)
    for path in (tmp_path / "run", tmp_path / "run" / "last.pt"):
        features, origin = perceptual_features(str(path))
        assert isinstance(features, DenoiserFeatures)
        assert origin == "the encoder of a denoiser of ours"
        assert features(torch.rand(2, 3, 16, 16)).shape == (6, 6, 4, 4)


def test_features_of_the_built_in_denoiser_are_those_of_its_graph() -> None:
    path = next(info.path for info in list_models() if info.name == "denoise")
    model = onnx.load(path)
    maker = {name: node for node in model.graph.node for name in node.output}
    # The coarsest level ends where the image first grows again, before a convolution.
    grows = next(node for node in model.graph.node if node.op_type == "DepthToSpace")
    coarse = maker[grows.input[0]].input[0]
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(coarse))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    image = torch.rand(2, 1, 24, 16)
    (wanted,) = session.run([coarse], {session.get_inputs()[0].name: image.numpy()})
    features, origin = perceptual_features(None)
    assert origin == "the encoder of the built-in denoiser"
    np.testing.assert_allclose(features(image).numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_without_a_built_in_denoiser_another_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features_module, "list_models", tuple)
    with pytest.raises(FileMissingError, match="no built-in denoiser; give "):
        perceptual_features(None)


def test_a_built_in_denoiser_of_another_shape_gives_no_features(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "denoise.onnx"
    write_run(tmp_path / "run", {"kind": "dncnn", "width": 4, "depth": 3})
    export_checkpoint(tmp_path / "run", path, name="denoise")
    found = SimpleNamespace(name="denoise", path=path)
    monkeypatch.setattr(features_module, "list_models", lambda: (found,))
    with pytest.raises(ModelError, match="holds another network"):
        perceptual_features(None)


def test_what_gives_no_features_is_said(tmp_path) -> None:
    with pytest.raises(FileMissingError, match="does not exist"):
        perceptual_features(str(tmp_path / "none.pth"))
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(ModelError, match="no weights that can be read safely"):
        perceptual_features(str(tmp_path / "text.pth"))
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match="neither a weight file of VGG-19"):
        perceptual_features(str(tmp_path / "other.pth"))
    cut = {name: tensor for name, tensor in vgg_weights().items() if "34" not in name}
    torch.save(cut, tmp_path / "cut.pth")
    with pytest.raises(ModelError, match="weights of VGG-19 do not fit"):
        perceptual_features(str(tmp_path / "cut.pth"))
    write_run(tmp_path / "espcn", {"kind": "espcn", "width": 4})
    with pytest.raises(ModelError, match="is a espcn; perceptual features come from"):
        perceptual_features(str(tmp_path / "espcn"))
