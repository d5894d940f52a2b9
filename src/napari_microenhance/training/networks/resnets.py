"""Chains of residual blocks: for image-to-image translation and super-resolution."""

import torch
from torch import Tensor, nn

from napari_microenhance.training.networks.network_layers import (
    Norm,
    ResidualBlock,
    SelfAttention,
    convolution,
    normalisation,
)

__all__ = ["ResNetGenerator", "SRResNet"]


class ResNetGenerator(nn.Module):
    """The generator of CycleGAN: down, residual blocks, up; optionally self-attention.

    References
    ----------
    .. [1] J. Johnson et al., "Perceptual losses for real-time style transfer and
       super-resolution", ECCV 2016. https://arxiv.org/abs/1603.08155
    .. [2] J.-Y. Zhu et al., "Unpaired image-to-image translation using cycle-consistent
       adversarial networks", ICCV 2017. https://arxiv.org/abs/1703.10593
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        width: int = 32,
        blocks: int = 9,
        norm: Norm = "batch",
        attention: bool = False,
    ) -> None:
        super().__init__()
        deep = 4 * width
        layers: list[nn.Module] = [
            convolution(in_channels, width, 7),
            normalisation(norm, width),
            nn.ReLU(),
        ]
        for k in (1, 2):
            layers += [
                convolution(width * k, width * 2 * k, stride=2),
                normalisation(norm, width * 2 * k),
                nn.ReLU(),
            ]
        layers += [ResidualBlock(deep, norm=norm) for _ in range(blocks)]
        if attention:
            layers.insert(len(layers) - blocks // 2, SelfAttention(deep))
        for k in (2, 1):
            layers += [convolution(width * 2 * k, width * k * 4, 3), nn.PixelShuffle(2)]
            layers += [normalisation(norm, width * k), nn.ReLU()]
        self.body = nn.Sequential(*layers, convolution(width, out_channels, 7))

    def forward(self, x: Tensor) -> Tensor:
        """Return images in [0, 1] as large as those given, (N, C, Y, X)."""
        return torch.sigmoid(self.body(x))


class SRResNet(nn.Module):
    """Residual blocks on the small image, then sub-pixel convolution; SRGAN's generator.

    The output is a correction of the repeated pixels.  Without normalisation layers, as
    EDSR showed to be better; without biases the result follows the gain of the input.

    References
    ----------
    .. [1] C. Ledig et al., "Photo-realistic single image super-resolution using a generative
       adversarial network", CVPR 2017. https://arxiv.org/abs/1609.04802
    .. [2] B. Lim et al., "Enhanced deep residual networks for single image super-resolution",
       CVPR workshops 2017. https://arxiv.org/abs/1707.02921
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        width: int = 48,
        blocks: int = 4,
        scale: int = 2,
        norm: Norm = "none",
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.head = convolution(channels, width, bias=bias)
        self.body = nn.Sequential(
            *(ResidualBlock(width, norm=norm, bias=bias) for _ in range(blocks)),
            convolution(width, width, bias=bias),
        )
        self.tail = nn.Sequential(
            convolution(width, channels * scale**2, bias=bias), nn.PixelShuffle(scale)
        )
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Return images `scale` times as large as those given, (N, C, Y, X)."""
        features = self.head(x)
        repeated = nn.functional.interpolate(x, scale_factor=self.scale, mode="nearest")
        return repeated + self.tail(features + self.body(features))
