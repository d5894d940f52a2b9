"""What a perceptual loss compares: features of a network that is trained already."""

import hashlib
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from napari_microenhance.errors import FileMissingError, ModelError
from napari_microenhance.models.catalogue import list_models
from napari_microenhance.training.learning.checkpoints import (
    build,
    load_weights,
    read_checkpoint,
    resolved,
)
from napari_microenhance.training.learning.starting import start_from
from napari_microenhance.training.networks.residual_unet import ResidualUNet
from napari_microenhance.training.recipes.recipe_files import load_recipe

__all__ = ["DenoiserFeatures", "VGGFeatures", "perceptual_features"]

_DENOISER: Final = "denoise"  # both the recipe and the network that it made

_VGG_WIDTHS: Final = (64, 64, 0, 128, 128, 0, *[256] * 4, 0, *[512] * 4, 0, *[512] * 4)
"""Channels of the convolutions of VGG-19; 0 halves the image."""

_IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
_IMAGENET_SPREAD: Final = (0.229, 0.224, 0.225)


class VGGFeatures(nn.Module):
    """The last convolution of VGG-19, as SRGAN compares it.

    Parameters
    ----------
    weights : dict of str to Tensor
        By torchvision's names ("features.0.weight", ...); others are left alone.

    Raises
    ------
    ModelError
        If a weight is missing or has another shape.

    References
    ----------
    .. [1] K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image
       recognition", ICLR 2015. https://arxiv.org/abs/1409.1556
    .. [2] C. Ledig et al., "Photo-realistic single image super-resolution using a generative
       adversarial network", CVPR 2017. https://arxiv.org/abs/1609.04802
    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inside = 3
        for width in _VGG_WIDTHS:
            if width:
                layers += [nn.Conv2d(inside, width, 3, padding=1), nn.ReLU()]
                inside = width
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        wanted = {name: weights[name] for name in self.state_dict() if name in weights}
        load_weights(self, wanted, "VGG-19")
        self.mean = nn.Buffer(torch.tensor(_IMAGENET_MEAN).view(1, 3, 1, 1))
        self.spread = nn.Buffer(torch.tensor(_IMAGENET_SPREAD).view(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return features of images (N, 1 or 3, Y, X) with values in [0, 1]."""
        x = x if x.shape[1] == 3 else x.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
        return torch.as_tensor(self.features((x - self.mean) / self.spread))


class DenoiserFeatures(nn.Module):
    """The coarsest level of our own denoiser, every channel on its own.

    Parameters
    ----------
    network : ResidualUNet
    """

    def __init__(self, network: ResidualUNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Return features of images (N, C, Y, X) with values in [0, 1]."""
        network = self.network
        found = network.down[0](network.head(x.reshape(-1, 1, *x.shape[2:])))
        for shrink, stage in zip(network.shrink, network.down[1:], strict=True):
            found = stage(shrink(found))
        return torch.as_tensor(found)


def perceptual_features(path: str | None) -> tuple[nn.Module, str]:
    """Open what a perceptual loss compares.

    Parameters
    ----------
    path : str or None
        A weight file of VGG-19, or a run folder or checkpoint of a denoiser of ours; None
        takes the built-in denoiser.

    Returns
    -------
    features : nn.Module
        Frozen.
    origin : str
        What it is, for the network's card.

    Raises
    ------
    FileMissingError
        If nothing is there.
    ModelError
        If it is none of these.
    """
    if path is None:
        made, origin = _built_in(), "the encoder of the built-in denoiser"
    elif Path(path).is_dir():
        made, origin = _of_checkpoint(Path(path)), "the encoder of a denoiser of ours"
    else:
        made, origin = _of_file(Path(path))
    return made.requires_grad_(requires_grad=False).eval(), origin


def _of_file(path: Path) -> tuple[nn.Module, str]:
    """Return the features of VGG-19, or of a checkpoint of ours."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise FileMissingError(f"{path}, for perceptual features, does not exist.") from error
    except Exception as error:  # unpickling a damaged file raises whatever it likes
        raise ModelError(f"{path} holds no weights that can be read safely.") from error
    if isinstance(content, dict) and "network" in content:
        return _of_checkpoint(path), "the encoder of a denoiser of ours"
    if not isinstance(content, dict) or "features.0.weight" not in content:
        raise ModelError(
            f"{path} is neither a weight file of VGG-19 with torchvision's names nor a checkpoint "
            "of ours."
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return VGGFeatures(content), f"VGG-19 (sha256 {digest})"


def _of_checkpoint(path: Path) -> nn.Module:
    """Return the features of a checkpoint's network."""
    content = read_checkpoint(path)
    return _of_denoiser(content["network"], content["weights"], str(path))


def _of_denoiser(description: dict[str, Any], weights: dict[str, Any], name: str) -> nn.Module:
    """Return the features of a denoiser of ours."""
    network = build(description)
    if not isinstance(network, ResidualUNet) or description.get("in_channels") != 1:
        raise ModelError(
            f"{name} is a {description.get('kind')}; perceptual features come from a residual-unet "
            "of one channel, or from VGG-19."
        )
    load_weights(network, weights, name)
    return DenoiserFeatures(network)


def _built_in() -> nn.Module:
    """Return the features of the built-in denoiser."""
    path = next((info.path for info in list_models() if info.name == _DENOISER), None)
    if path is None or not path.is_file():
        raise FileMissingError(
            "There is no built-in denoiser; give loss.perceptual.features a weight file of VGG-19 "
            "or a run folder of the recipe denoise."
        )
    description = resolved(load_recipe(_DENOISER).network, inputs=1, outputs=1, scale=1)
    network = build(description)
    start_from(network, description, str(path))
    assert isinstance(network, ResidualUNet)
    return DenoiserFeatures(network)
