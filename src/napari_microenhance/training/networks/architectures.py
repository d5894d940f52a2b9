"""The architectures, in plain torch: each a constructor that takes keywords.

Every one of them tiles: what an output pixel sees is bounded and does not depend on the
rest of the tile, unless ``norm="instance"`` or ``attention=True`` is asked for, which couple
the whole tile and leave seams [1]_.  Batch normalisation is a fixed factor and offset once
trained, and is folded into the convolutions on export.

References
----------
.. [1] E. Buglakova et al., "Tiling artifacts and trade-offs of feature normalization in the
   segmentation of large biological images", ICCV 2025. https://arxiv.org/abs/2503.19545
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["NETWORKS", "Norm"]

Norm = Literal["none", "batch", "instance"]


def _norm(kind: Norm, channels: int) -> nn.Module:
    """Return a normalisation layer."""
    kinds: dict[str, Callable[[], nn.Module]] = {
        "none": nn.Identity,
        "batch": lambda: nn.BatchNorm2d(channels),
        "instance": lambda: nn.InstanceNorm2d(channels, affine=True),
    }
    if kind not in kinds:
        raise ValueError(f"No normalisation {kind!r}; there are {', '.join(kinds)}.")
    return kinds[kind]()


def _conv(inside: int, out: int, edge: int = 3, *, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """Return a convolution that keeps the size, or divides it by the stride."""
    return nn.Conv2d(inside, out, edge, stride, padding=edge // 2, bias=bias)


class _Residual(nn.Module):
    """Two convolutions whose result is added to their input."""

    def __init__(
        self,
        channels: int,
        *,
        bias: bool = True,
        norm: Norm = "none",
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(channels, channels, bias=bias),
            _norm(norm, channels),
            activation(),
            _conv(channels, channels, bias=bias),
            _norm(norm, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


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
            nn.PixelUnshuffle(unshuffle), _conv(in_channels * fold, widths[0], bias=bias)
        )

        def stage(level: int) -> nn.Sequential:
            return nn.Sequential(
                *(_Residual(widths[level], bias=bias) for _ in range(blocks[level]))
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
            _conv(widths[0], out_channels * fold * scale**2, bias=bias),
            nn.PixelShuffle(unshuffle * scale),
        )

    def forward(self, x: Tensor) -> Tensor:
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
                nn.Sequential(nn.Conv2d(inside, out, 4, 2, 1), _norm(kind, out), nn.LeakyReLU(0.2))
            )
            inside = out
        for k in reversed(range(depth)):
            given = widths[k] * (1 if k == depth - 1 else 2)
            out = widths[k - 1] if k else out_channels
            layers: list[nn.Module] = [nn.ConvTranspose2d(given, out, 4, 2, 1)]
            if k:
                layers += [_norm(norm, out), nn.ReLU(), nn.Dropout(dropout)]
            self.up.append(nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for stage in self.down:
            x = stage(x)
            kept.append(x)
        x = self.up[0](kept.pop())
        for stage in self.up[1:]:
            x = stage(torch.cat([x, kept.pop()], dim=1))
        return torch.sigmoid(x)


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
            body += [nn.Conv2d(inside, out, 4, stride, 1), _norm(norm, out), nn.LeakyReLU(0.2)]
            inside = out
        self.body = nn.Sequential(*body, nn.Conv2d(inside, 1, 4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.body(x)
        return result


class _Attention(nn.Module):
    """Self-attention over all positions, faded in from nothing during training.

    References
    ----------
    .. [1] H. Zhang et al., "Self-attention generative adversarial networks", ICML 2019.
       https://arxiv.org/abs/1805.08318
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        small = max(1, channels // 8)
        self.query = nn.Conv2d(channels, small, 1)
        self.key = nn.Conv2d(channels, small, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.share = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.softmax(
            self.query(x).flatten(2).transpose(1, 2) @ self.key(x).flatten(2), -1
        )
        seen = self.value(x).flatten(2) @ weight.transpose(1, 2)
        return x + self.share * seen.reshape(x.shape)


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
        layers: list[nn.Module] = [_conv(in_channels, width, 7), _norm(norm, width), nn.ReLU()]
        for k in (1, 2):
            layers += [
                _conv(width * k, width * 2 * k, stride=2),
                _norm(norm, width * 2 * k),
                nn.ReLU(),
            ]
        layers += [_Residual(deep, norm=norm) for _ in range(blocks)]
        if attention:
            layers.insert(len(layers) - blocks // 2, _Attention(deep))
        for k in (2, 1):
            layers += [_conv(width * 2 * k, width * k * 4, 3), nn.PixelShuffle(2)]
            layers += [_norm(norm, width * k), nn.ReLU()]
        self.body = nn.Sequential(*layers, _conv(width, out_channels, 7))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.body(x))


class Autoencoder(nn.Module):
    """A denoising autoencoder: convolutions down to a narrow code and up again.

    References
    ----------
    .. [1] P. Vincent et al., "Extracting and composing robust features with denoising
       autoencoders", ICML 2008. https://doi.org/10.1145/1390156.1390294
    """

    def __init__(
        self, *, in_channels: int = 1, out_channels: int = 1, width: int = 32, depth: int = 2
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inside = in_channels
        for k in range(depth):
            layers += [_conv(inside, width * 2**k, stride=2), nn.ReLU()]
            inside = width * 2**k
        for k in reversed(range(depth)):
            out = width * 2 ** max(k - 1, 0)
            layers += [_conv(inside, 4 * out), nn.PixelShuffle(2), nn.ReLU()]
            inside = out
        self.body = nn.Sequential(*layers, _conv(inside, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.body(x)
        return result


class DnCNN(nn.Module):
    """A plain chain of convolutions that finds the noise, which is then taken away.

    References
    ----------
    .. [1] K. Zhang et al., "Beyond a Gaussian denoiser", IEEE Trans. Image Process. 26(7),
       2017. https://doi.org/10.1109/TIP.2017.2662206
    """

    def __init__(
        self, *, channels: int = 1, width: int = 64, depth: int = 17, norm: Norm = "batch"
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv(channels, width), nn.ReLU()]
        for _ in range(depth - 2):
            layers += [_conv(width, width, bias=norm == "none"), _norm(norm, width), nn.ReLU()]
        self.body = nn.Sequential(*layers, _conv(width, channels))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x - self.body(x)
        return result


class ESPCN(nn.Module):
    """Super-resolution by sub-pixel convolution: all work is done on the small image.

    References
    ----------
    .. [1] W. Shi et al., "Real-time single image and video super-resolution using an
       efficient sub-pixel convolutional neural network", CVPR 2016.
       https://arxiv.org/abs/1609.05158
    """

    def __init__(self, *, channels: int = 1, width: int = 64, scale: int = 2) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(channels, width, 5),
            nn.Tanh(),
            _conv(width, width // 2),
            nn.Tanh(),
            _conv(width // 2, channels * scale**2),
            nn.PixelShuffle(scale),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.body(x)
        return result


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
        self.head = _conv(channels, width, bias=bias)
        self.body = nn.Sequential(
            *(_Residual(width, norm=norm, bias=bias) for _ in range(blocks)),
            _conv(width, width, bias=bias),
        )
        self.tail = nn.Sequential(
            _conv(width, channels * scale**2, bias=bias), nn.PixelShuffle(scale)
        )
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        features = self.head(x)
        repeated = nn.functional.interpolate(x, scale_factor=self.scale, mode="nearest")
        return repeated + self.tail(features + self.body(features))


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
                layers += [nn.Conv2d(a, out, 3, padding=int(padding)), _norm(norm, out), nn.ReLU()]
            return nn.Sequential(*layers)

        self.down = nn.ModuleList(
            double(a, b) for a, b in zip([in_channels, *widths], widths, strict=False)
        )
        self.grow = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, 2) for w in widths[:-1])
        self.up = nn.ModuleList(double(2 * w, w) for w in widths[:-1])
        self.tail = nn.Conv2d(width, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
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


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "residual-unet": ResidualUNet,
    "pix2pix-unet": Pix2PixUNet,
    "patchgan": PatchGAN,
    "resnet": ResNetGenerator,
    "autoencoder": Autoencoder,
    "dncnn": DnCNN,
    "espcn": ESPCN,
    "srresnet": SRResNet,
    "unet": UNet,
}
"""Constructors by the name that a recipe gives them."""
