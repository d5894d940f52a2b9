"""The residual U-Net on unshuffled pixels, which the built-in networks are."""

import itertools
from collections.abc import Sequence

from torch import Tensor, nn

from napari_microenhance.training.networks.network_layers import ResidualBlock, convolution

__all__ = ["ResidualUNet"]


class ResidualUNet(nn.Module):
    """A U-Net of residual blocks on pixel-unshuffled input, its output a correction.

    Without biases it is the bias-free network of Mohan et al.: twice the input gives twice
    the output, so one network serves every gain and generalises over noise levels.  The
    shape is that of DRUNet (Zhang et al.), made small by starting at half the resolution
    (ESPCN, Shi et al.).  With ``scale`` it enlarges, by sub-pixel convolution again.

    References
    ----------
    .. [1] S. Mohan et al., "Robust and interpretable blind image denoising via bias-free
       convolutional neural networks", ICLR 2020. https://arxiv.org/abs/1906.05478
    .. [2] K. Zhang et al., "Plug-and-play image restoration with deep denoiser prior",
       IEEE TPAMI 2021. https://doi.org/10.1109/TPAMI.2021.3088914
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        widths: Sequence[int] = (32, 64, 96),
        blocks: Sequence[int] = (1, 2, 1),
        unshuffle: int = 2,
        scale: int = 1,
        bias: bool = True,
        residual: bool = True,
    ) -> None:
        super().__init__()
        fold = unshuffle**2
        self.residual = residual
        self.scale = scale
        self.head = nn.Sequential(
            nn.PixelUnshuffle(unshuffle), convolution(in_channels * fold, widths[0], bias=bias)
        )

        def stage(level: int) -> nn.Sequential:
            return nn.Sequential(
                *(ResidualBlock(widths[level], bias=bias) for _ in range(blocks[level]))
            )

        self.down = nn.ModuleList(stage(level) for level in range(len(widths)))
        self.up = nn.ModuleList(stage(level) for level in range(len(widths) - 1))
        self.shrink = nn.ModuleList(
            nn.Conv2d(a, b, 2, 2, bias=bias) for a, b in itertools.pairwise(widths)
        )
        self.grow = nn.ModuleList(
            nn.Sequential(nn.Conv2d(b, 4 * a, 1, bias=bias), nn.PixelShuffle(2))
            for a, b in itertools.pairwise(widths)
        )
        self.tail = nn.Sequential(
            convolution(widths[0], out_channels * fold * scale**2, bias=bias),
            nn.PixelShuffle(unshuffle * scale),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return images `scale` times as large as those given, (N, C, Y, X)."""
        features = self.down[0](self.head(x))
        kept = []
        for shrink, stage in zip(self.shrink, self.down[1:], strict=True):
            kept.append(features)
            features = stage(shrink(features))
        for grow, stage in zip(reversed(self.grow), reversed(self.up), strict=True):
            features = stage(grow(features) + kept.pop())
        change = self.tail(features)
        if not self.residual:
            return change
        if self.scale > 1:
            x = nn.functional.interpolate(x, scale_factor=self.scale, mode="nearest")
        return x + change
