"""Networks that judge other networks."""

from torch import Tensor, nn

from napari_microenhance.training.networks.network_layers import Norm, normalisation

__all__ = ["PatchGAN"]


class PatchGAN(nn.Module):
    """The discriminator of pix2pix: one verdict per overlapping patch (Isola et al., 2017).

    `in_channels` counts the channels of all that is judged together.
    """

    def __init__(
        self, *, in_channels: int = 2, width: int = 32, layers: int = 3, norm: Norm = "batch"
    ) -> None:
        super().__init__()
        body: list[nn.Module] = [nn.Conv2d(in_channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        inside = width
        for k in range(1, layers + 1):
            out = width * min(2**k, 8)
            stride = 2 if k < layers else 1
            body += [
                nn.Conv2d(inside, out, 4, stride, 1),
                normalisation(norm, out),
                nn.LeakyReLU(0.2),
            ]
            inside = out
        self.body = nn.Sequential(*body, nn.Conv2d(inside, 1, 4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return a verdict per patch, (N, 1, y, x), of images (N, C, Y, X)."""
        result: Tensor = self.body(x)
        return result
