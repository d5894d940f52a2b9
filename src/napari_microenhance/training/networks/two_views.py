"""A denoiser that looks at an image twice: as it is, and binned by two."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_microenhance.training.networks.network_layers import convolution
from napari_microenhance.training.networks.residual_unet import ResidualUNet

__all__ = ["TwoViewUNet"]

_COARSE = 4  # pixels of the binned view over which its weight is found
_AT_START = 0.05  # weight of the binned view
_LEAST = 1e-12


class _Doubled(nn.Module):
    """Twice as many pixels, as channels; at the start by linear interpolation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Conv2d(channels, 4 * channels, 3, bias=False)
        # The two pixels under a mean lie a quarter of its width off its centre.
        sides = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]])
        kernels = torch.einsum("ay,bx->abyx", sides, sides).reshape(4, 3, 3)
        with torch.no_grad():
            self.body.weight.zero_()
            for channel in range(channels):
                self.body.weight[4 * channel : 4 * channel + 4, channel] = kernels

    def forward(self, x: Tensor) -> Tensor:
        # Repeated at the border, where zeros would darken it.
        x = torch.cat([x[:, :, :1], x, x[:, :, -1:]], dim=2)
        x = torch.cat([x[..., :1], x, x[..., -1:]], dim=3)
        result: Tensor = self.body(x)
        return result


class _Share(nn.Module):
    """The weight of one of two views, (N, 1, y, x), 0 to 1, smooth in y and x."""

    def __init__(self, seen: int, width: int = 16) -> None:
        super().__init__()
        self.look = nn.Sequential(convolution(seen, width, bias=False), nn.ReLU())
        self.weigh = nn.Sequential(
            convolution(width, width, bias=False),
            nn.ReLU(),
            convolution(width, 2, bias=False),
            nn.ReLU(),
        )
        last = self.weigh[2].weight
        with torch.no_grad():
            # At the start nearly all of the weight is the first view's, everywhere.
            last.abs_()
            last[1] *= _AT_START

    def forward(self, seen: Tensor) -> Tensor:
        either = self.weigh(functional.avg_pool2d(self.look(seen), _COARSE))
        either = functional.interpolate(either, scale_factor=_COARSE, mode="nearest")
        edge = _COARSE + 1
        smooth = functional.avg_pool2d(either, edge, 1, edge // 2, count_include_pad=False)
        one, other = smooth.chunk(2, dim=1)
        # A ratio, so that it stays when the image's gain changes.
        return other / (one + other + _LEAST)


class TwoViewUNet(nn.Module):
    """Two residual U-Nets, one on the image and one on its 2 x 2 means, fused.

    Noise that a camera correlated over neighbours is nearly white in the means, and looks like
    the specimen to a network that learnt white noise. A small network weighs the two views
    from place to place, another corrects their sum. All of it is without biases, so that twice
    the input gives twice the output, and of finite reach, so that it tiles exactly.

    Parameters
    ----------
    widths, blocks : sequence of int
        Of either U-Net, as in `ResidualUNet`.
    fine : int
        Channels of the network that corrects.
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        widths: Sequence[int] = (32, 64, 96),
        blocks: Sequence[int] = (1, 2, 1),
        fine: int = 24,
    ) -> None:
        super().__init__()

        def view() -> ResidualUNet:
            return ResidualUNet(
                in_channels=channels,
                out_channels=channels,
                widths=widths,
                blocks=blocks,
                bias=False,
            )

        self.whole, self.binned = view(), view()
        self.share = _Share(9 * channels)
        self.grow = _Doubled(channels)
        self.correct = nn.Sequential(
            convolution(9 * channels, fine, bias=False),
            nn.ReLU(),
            convolution(fine, fine, bias=False),
            nn.ReLU(),
            convolution(fine, 4 * channels, bias=False),
        )
        nn.init.zeros_(self.correct[-1].weight)

    @property
    def views(self) -> tuple[nn.Module, ...]:
        """The parts that can start from the weights of a network with one view."""
        return self.whole, self.binned

    def forward(self, x: Tensor) -> Tensor:
        """Return images as large as those given, (N, C, Y, X)."""
        whole = functional.pixel_unshuffle(self.whole(x), 2)
        binned = self.binned(functional.avg_pool2d(x, 2))
        seen = torch.cat([functional.pixel_unshuffle(x, 2), whole, binned], dim=1)
        fused = whole + self.share(seen) * (self.grow(binned) - whole) + self.correct(seen)
        return functional.pixel_shuffle(fused, 2)
