"""The architectures: sizes in and out, what tiles, and what the papers say."""

import inspect

import pytest
import torch

from napari_microenhance.training.networks.architectures import NETWORKS

SAME_SIZE = [
    "residual-unet",
    "pix2pix-unet",
    "resnet",
    "autoencoder",
    "dncnn",
    "unet",
]
SMALL = {
    "residual-unet": {"widths": [4, 6, 8], "blocks": [1, 1, 1]},
    "pix2pix-unet": {"width": 4, "depth": 3},
    "resnet": {"width": 4, "blocks": 2},
    "autoencoder": {"width": 4},
    "dncnn": {"width": 4, "depth": 5},
    "espcn": {"width": 8},
    "srresnet": {"width": 6, "blocks": 2},
    "unet": {"width": 4, "depth": 2},
    "patchgan": {"width": 4, "in_channels": 1},
}
NORMED = {k for k, make in NETWORKS.items() if "norm" in inspect.signature(make).parameters}


def build(kind, **keywords):
    torch.manual_seed(3)
    return NETWORKS[kind](**{**SMALL[kind], **keywords}).eval()


def image(*shape):
    return torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(5))


@torch.no_grad()
def run(network, x):
    return network(x)


def test_there_is_a_small_version_of_each_here():
    assert set(SMALL) == set(NETWORKS)


@pytest.mark.parametrize("kind", NETWORKS)
def test_none_needs_more_than_eighty_lines(kind):
    assert len(inspect.getsource(NETWORKS[kind]).splitlines()) < 80


@pytest.mark.parametrize("kind", SAME_SIZE)
def test_an_image_stays_as_large_as_it_is(kind):
    assert run(build(kind), image(32, 48)).shape == (1, 1, 32, 48)


@pytest.mark.parametrize("kind", ["espcn", "srresnet", "residual-unet"])
@pytest.mark.parametrize("scale", [2, 4])
def test_an_image_grows_by_its_scale(kind, scale):
    choice = {"unshuffle": 1} if kind == "residual-unet" else {}
    network = build(kind, scale=scale, **choice)
    assert run(network, image(12, 16)).shape == (1, 1, 12 * scale, 16 * scale)


@pytest.mark.parametrize(
    ("kind", "norm"),
    [
        (kind, norm)
        for kind in (*SAME_SIZE, "espcn", "srresnet")
        for norm in ("none", "batch", "instance")
        if norm == "none" or kind in NORMED
    ],
)
def test_only_instance_norm_couples_the_whole_tile(kind, norm):
    choice = {} if norm == "none" and kind not in NORMED else {"norm": norm}
    network = build(kind, **choice)
    x = image(160, 160)
    far = x.clone()
    far[..., :8, :8] += 1
    same = torch.equal(run(network, x)[..., -8:, -8:], run(network, far)[..., -8:, -8:])
    assert same == (norm != "instance")


def test_attention_sees_everything_once_it_has_learnt_to():
    network = build("resnet", attention=True, norm="none")
    x = image(96, 96)
    far = x.clone()
    far[..., :8, :8] += 1
    assert torch.equal(run(network, x)[..., -8:, -8:], run(network, far)[..., -8:, -8:])
    for name, weight in network.named_parameters():
        if name.endswith("share"):
            torch.nn.init.ones_(weight)
    assert not torch.equal(run(network, x)[..., -8:, -8:], run(network, far)[..., -8:, -8:])


def test_the_published_unet_gives_388_pixels_for_572():
    network = build("unet", depth=4, width=2, padding=False, norm="none")
    assert run(network, image(572, 572)).shape[2:] == (388, 388)


def test_the_judge_gives_a_verdict_per_patch():
    assert run(build("patchgan"), image(64, 64)).shape == (1, 1, 6, 6)


@pytest.mark.parametrize("kind", ["residual-unet", "srresnet"])
@pytest.mark.parametrize("gain", [0.25, 8.0])
def test_without_biases_the_result_follows_the_gain(kind, gain):
    network = build(kind, bias=False)
    x = image(32, 32) - 0.3
    torch.testing.assert_close(run(network, gain * x), gain * run(network, x))


def test_an_unknown_normalisation_is_named():
    with pytest.raises(ValueError, match="No normalisation 'layer'; there are none, batch"):
        build("unet", norm="layer")


def test_every_network_learns():
    for kind in SMALL:
        network = build(kind).train()
        x = torch.rand(2, 1, 32, 32)
        network(x).square().mean().backward()
        idle = [
            name
            for name, weight in network.named_parameters()
            if weight.grad is None or not torch.isfinite(weight.grad).all()
        ]
        assert idle == [], kind
