"""U-Nets as published: for segmentation, and the generator of pix2pix."""

import torch
from torch import Tensor, nn

from napari_microenhance.training.networks.network_layers import Norm, normalisation

__all__ = ["Pix2PixUNet", "UNet"]


class Pix2PixUNet(nn.Module):
    """The generator of pix2pix: a U-Net of strided convolutions with skip connections.

    References
    ----------
    .. [1] P. Isola et al., "Image-to-image translation with conditional adversarial
       networks", CVPR 2017. https://arxiv.org/abs/1611.07004
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        width: int = 32,
        depth: int = 4,
        norm: Norm = "batch",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        widths = [min(width * 2**k, width * 8) for k in range(depth)]
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        inside = in_channels
        for k, out in enumerate(widths):
            kind: Norm = norm if 0 < k < depth - 1 else "none"
            self.down.append(
                nn.Sequential(
                    nn.Conv2d(inside, out, 4, 2, 1), normalisation(kind, out), nn.LeakyReLU(0.2)
                )
            )
            inside = out
        for k in reversed(range(depth)):
            given = widths[k] * (1 if k == depth - 1 else 2)
            out = widths[k - 1] if k else out_channels
            layers: list[nn.Module] = [nn.ConvTranspose2d(given, out, 4, 2, 1)]
            if k:
                layers += [normalisation(norm, out), nn.ReLU(), nn.Dropout(dropout)]
            self.up.append(nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Tensor:
        """Return images in [0, 1] as large as those given, (N, C, Y, X)."""
        kept = []
        for stage in self.down:
            x = stage(x)
            kept.append(x)
        x = self.up[0](kept.pop())
        for stage in self.up[1:]:
            x = stage(torch.cat([x, kept.pop()], dim=1))
        return torch.sigmoid(x)


class UNet(nn.Module):
    """The U-Net for biomedical segmentation; gives logits.

    With ``padding=False`` its convolutions are valid, so that 572 px give 388 px, as
    published.

    References
    ----------
    .. [1] O. Ronneberger, P. Fischer, T. Brox, "U-Net: convolutional networks for biomedical
       image segmentation", MICCAI 2015. https://arxiv.org/abs/1505.04597
    """

    def __init__(
        self,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        width: int = 16,
        depth: int = 4,
        norm: Norm = "batch",
        padding: bool = True,
    ) -> None:
        super().__init__()
        self.padding = padding
        widths = [width * 2**k for k in range(depth + 1)]

        def double(inside: int, out: int) -> nn.Sequential:
            layers: list[nn.Module] = []
            for a in (inside, out):
                layers += [
                    nn.Conv2d(a, out, 3, padding=int(padding)),
                    normalisation(norm, out),
                    nn.ReLU(),
                ]
            return nn.Sequential(*layers)

        self.down = nn.ModuleList(
            double(a, b) for a, b in zip([in_channels, *widths], widths, strict=False)
        )
        self.grow = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, 2) for w in widths[:-1])
        self.up = nn.ModuleList(double(2 * w, w) for w in widths[:-1])
        self.tail = nn.Conv2d(width, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits as large as the images given, (N, C, Y, X), or less a border."""
        kept = []
        for k, stage in enumerate(self.down):
            x = stage(nn.functional.max_pool2d(x, 2) if k else x)
            kept.append(x)
        kept.pop()
        for grow, stage in zip(reversed(self.grow), reversed(self.up), strict=True):
            x, skip = grow(x), kept.pop()
            if not self.padding:
                edges = zip(skip.shape[2:], x.shape[2:], strict=True)
                down, along = ((a - b) // 2 for a, b in edges)
                skip = skip[:, :, down : down + x.shape[2], along : along + x.shape[3]]
            x = stage(torch.cat([skip, x], dim=1))
        result: Tensor = self.tail(x)
        return result
