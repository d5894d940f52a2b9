"""Plain chains of convolutions: denoisers and super-resolution."""

from torch import Tensor, nn

from napari_microenhance.training.networks.network_layers import Norm, convolution, normalisation

__all__ = ["ESPCN", "Autoencoder", "DnCNN"]


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
            layers += [convolution(inside, width * 2**k, stride=2), nn.ReLU()]
            inside = width * 2**k
        for k in reversed(range(depth)):
            out = width * 2 ** max(k - 1, 0)
            layers += [convolution(inside, 4 * out), nn.PixelShuffle(2), nn.ReLU()]
            inside = out
        self.body = nn.Sequential(*layers, convolution(inside, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return images as large as those given, (N, C, Y, X)."""
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
        layers: list[nn.Module] = [convolution(channels, width), nn.ReLU()]
        for _ in range(depth - 2):
            layers += [
                convolution(width, width, bias=norm == "none"),
                normalisation(norm, width),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*layers, convolution(width, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return images as large as those given, (N, C, Y, X)."""
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
            convolution(channels, width, 5),
            nn.Tanh(),
            convolution(width, width // 2),
            nn.Tanh(),
            convolution(width // 2, channels * scale**2),
            nn.PixelShuffle(scale),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return images `scale` times as large as those given, (N, C, Y, X)."""
        result: Tensor = self.body(x)
        return result
