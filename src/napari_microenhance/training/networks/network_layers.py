"""Layers that several architectures are made of."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["Norm", "ResidualBlock", "SelfAttention", "convolution", "normalisation"]

Norm = Literal["none", "batch", "instance"]
"""Kind of normalisation; "instance" couples the whole tile."""


def normalisation(kind: Norm, channels: int) -> nn.Module:
    """Return a normalisation layer.

    Parameters
    ----------
    kind : {"none", "batch", "instance"}
    channels : int

    Returns
    -------
    nn.Module

    Raises
    ------
    ValueError
        If there is no such kind.
    """
    kinds: dict[str, Callable[[], nn.Module]] = {
        "none": nn.Identity,
        "batch": lambda: nn.BatchNorm2d(channels),
        "instance": lambda: nn.InstanceNorm2d(channels, affine=True),
    }
    if kind not in kinds:
        raise ValueError(f"No normalisation {kind!r}; there are {', '.join(kinds)}.")
    return kinds[kind]()


def convolution(
    inside: int, out: int, edge: int = 3, *, stride: int = 1, bias: bool = True
) -> nn.Conv2d:
    """Return a convolution that keeps the size, or divides it by the stride.

    Parameters
    ----------
    inside, out : int
        Channels before and after.
    edge : int
        Of the kernel, px; odd.
    stride : int
    bias : bool

    Returns
    -------
    nn.Conv2d
    """
    return nn.Conv2d(inside, out, edge, stride, padding=edge // 2, bias=bias)


class ResidualBlock(nn.Module):
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
            convolution(channels, channels, bias=bias),
            normalisation(norm, channels),
            activation(),
            convolution(channels, channels, bias=bias),
            normalisation(norm, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same shape, (N, C, Y, X)."""
        return x + self.body(x)


class SelfAttention(nn.Module):
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
        """Return features of the same shape, (N, C, Y, X)."""
        weight = torch.softmax(
            self.query(x).flatten(2).transpose(1, 2) @ self.key(x).flatten(2), -1
        )
        seen = self.value(x).flatten(2) @ weight.transpose(1, 2)
        return x + self.share * seen.reshape(x.shape)
