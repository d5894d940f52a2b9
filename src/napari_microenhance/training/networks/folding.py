"""Folding: the same network with fewer layers, for a graph that is small and fast.

What is folded is exact up to the rounding of float32; the export compares both.
"""

import copy
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.nn.utils import fusion

__all__ = ["folded"]

Convolution: TypeAlias = nn.Conv2d | nn.ConvTranspose2d


def folded(network: nn.Module) -> nn.Module:
    """Return a copy of a network whose sequences hold no layer that a convolution can do too.

    Batch normalisation after a convolution, also with a pixel shuffle between, becomes part of
    its weights; a convolution of unshuffled pixels becomes one with a stride.

    Parameters
    ----------
    network : Module
        In evaluation mode; not changed.

    Returns
    -------
    Module
        In evaluation mode, with weights of its own.
    """
    return _folded(copy.deepcopy(network).eval())


def _folded(module: nn.Module) -> nn.Module:
    """Fold a module's parts, the innermost first."""
    for name, child in module.named_children():
        setattr(module, name, _folded(child))
    # A child of the class may use its layers otherwise.
    if type(module) is nn.Sequential:
        return nn.Sequential(*_folded_layers(list(module)))
    return module


def _folded_layers(layers: Sequence[nn.Module]) -> list[nn.Module]:
    """Return the layers of a sequence, folded."""
    kept: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.Identity | nn.Dropout):
            continue
        if isinstance(layer, nn.BatchNorm2d) and _takes_norm(kept):
            at = _convolution_at(kept)
            kept[at] = _with_norm(kept[at], layer, kept[at + 1 :])
        elif isinstance(layer, nn.Conv2d) and kept and _takes_unshuffle(kept[-1], layer):
            kept[-1] = _strided(kept[-1], layer)
        else:
            kept.append(layer)
    return kept


def _convolution_at(layers: Sequence[nn.Module]) -> int:
    """Return where the convolution stands that a normalisation after these layers follows."""
    return len(layers) - (2 if isinstance(layers[-1], nn.PixelShuffle) else 1)


def _takes_norm(layers: Sequence[nn.Module]) -> bool:
    """Whether these layers end with a convolution, or one and a pixel shuffle."""
    if not layers or _convolution_at(layers) < 0:
        return False
    return isinstance(layers[_convolution_at(layers)], Convolution)


def _takes_unshuffle(before: nn.Module, layer: nn.Conv2d) -> bool:
    """Whether two layers are an unshuffle and a convolution that can do its part."""
    return (
        isinstance(before, nn.PixelUnshuffle)
        and layer.stride == layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


def _with_norm(
    convolution: Convolution,
    norm: nn.BatchNorm2d,
    shuffles: Sequence[Any],
) -> nn.Module:
    """Return a convolution that does the normalisation too."""
    # A pixel shuffle makes one channel of so many neighbouring ones.
    share = int(shuffles[0].upscale_factor) ** 2 if shuffles else 1
    state = {k: v.repeat_interleave(share) if v.ndim else v for k, v in norm.state_dict().items()}
    spread = nn.BatchNorm2d(norm.num_features * share, eps=norm.eps, affine=norm.affine).eval()
    spread.load_state_dict(state)
    transposed = isinstance(convolution, nn.ConvTranspose2d)
    found: nn.Module = fusion.fuse_conv_bn_eval(convolution, spread, transpose=transposed)
    return found


def _strided(unshuffle: nn.PixelUnshuffle, layer: nn.Conv2d) -> nn.Conv2d:
    """Return the convolution of whole pixels that equals one of unshuffled pixels."""
    step = int(unshuffle.downscale_factor)
    pads: Any = layer.padding
    out, inside, *kernel = layer.weight.shape
    tall, wide = kernel
    weight = layer.weight.detach().reshape(out, inside // step**2, step, step, tall, wide)
    weight = weight.permute(0, 1, 4, 2, 5, 3)
    found = nn.Conv2d(
        inside // step**2,
        out,
        (tall * step, wide * step),
        stride=step,
        padding=(pads[0] * step, pads[1] * step),
        bias=layer.bias is not None,
    )
    with torch.no_grad():
        found.weight.copy_(weight.reshape(found.weight.shape))
        if layer.bias is not None and found.bias is not None:
            found.bias.copy_(layer.bias)
    return found.eval()
