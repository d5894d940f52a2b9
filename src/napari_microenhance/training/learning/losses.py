"""What training minimises: distances between output and target, term by term."""

from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.functional.image import structural_similarity_index_measure

from napari_microenhance.training.recipes.recipe import Loss

__all__ = ["TERMS", "Criterion", "adversarial_loss", "centred"]

Term = Callable[[Tensor, Tensor, Tensor | None], Tensor]

_SOFT: Final = 1e-3  # where the Charbonnier loss turns from a square into an absolute value
_PERFECT: Final = 1e-5  # squared error, 50 dB: what is better than that earns little
_SCALES: Final = (1, 2, 4)
_LEAST_EDGE: Final = 11  # px that a window of the structural similarity takes


def _l1(output: Tensor, target: Tensor, _: Tensor | None) -> Tensor:
    """Mean absolute difference."""
    return functional.l1_loss(output, target)


def _l2(output: Tensor, target: Tensor, _: Tensor | None) -> Tensor:
    """Mean squared difference."""
    return functional.mse_loss(output, target)


def _psnr(output: Tensor, target: Tensor, _: Tensor | None) -> Tensor:
    """Mean over the examples of minus their PSNR, dB, so that faint errors count, too."""
    errors = (output - target).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(errors + _PERFECT).mean()


def _charbonnier(output: Tensor, target: Tensor, _: Tensor | None) -> Tensor:
    """Absolute difference that is smooth at zero (Charbonnier et al., ICIP 1994)."""
    return ((output - target).square() + _SOFT**2).sqrt().mean()


def _ssim(output: Tensor, target: Tensor, _: Tensor | None) -> Tensor:
    """One minus the structural similarity (Wang et al., 2004), for the range [0, 1]."""
    similarity = structural_similarity_index_measure(output, target, data_range=1.0)
    return 1 - torch.as_tensor(similarity)


def _edge(output: Tensor, target: Tensor, _: Tensor | None) -> Tensor:
    """Mean absolute difference of the steps from pixel to pixel, along y and along x."""
    difference = output - target
    return difference.diff(dim=2).abs().mean() + difference.diff(dim=3).abs().mean()


def _bce(output: Tensor, target: Tensor, _: Tensor | None) -> Tensor:
    """Binary cross-entropy of logits."""
    return functional.binary_cross_entropy_with_logits(output, target)


def _dice(output: Tensor, target: Tensor, _: Tensor | None) -> Tensor:
    """One minus the soft Dice overlap (Milletari et al., 2016) of logits, mean of examples."""
    found = output.sigmoid()
    both, sizes = (part.sum(dim=(1, 2, 3)) for part in (found * target, found + target))
    return 1 - ((2 * both + 1) / (sizes + 1)).mean()


def _weighted_ce(output: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """Binary cross-entropy of logits under a map of weights, see `data.border_weights`."""
    return functional.binary_cross_entropy_with_logits(output, target, weight=weight)


TERMS: Final[Mapping[str, Term]] = {
    "l1": _l1,
    "l2": _l2,
    "psnr": _psnr,
    "charbonnier": _charbonnier,
    "ssim": _ssim,
    "edge": _edge,
    "bce": _bce,
    "dice": _dice,
    "weighted_ce": _weighted_ce,
}
"""The plain terms by the name that a recipe gives them."""


class Criterion(nn.Module):
    """The plain terms of a recipe's loss, and the perceptual one.

    Parameters
    ----------
    loss : Loss
    multi_scale : bool
        Mean over output and target at 1, 1/2 and 1/4 of their size.
    features : nn.Module or None
        Gives what the perceptual term compares.
    """

    def __init__(
        self, loss: Loss, *, multi_scale: bool = False, features: nn.Module | None = None
    ) -> None:
        super().__init__()
        self._weights = loss.terms
        self._multi_scale = multi_scale
        self._perceptual = loss.perceptual.weight if loss.perceptual else 0.0
        self.features = features

    def forward(
        self, output: Tensor, target: Tensor, weight: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Compare an output with its target.

        Parameters
        ----------
        output : Tensor, shape (N, C, Y, X)
            Values around [0, 1], or logits of a mask.
        target : Tensor, shape (N, C, Y, X) or larger
            Values in [0, 1]; only its centre counts where it is larger.
        weight : Tensor, shape (N, 1, Y, X), or None
            Of the pixels, for "weighted_ce".

        Returns
        -------
        dict of str to Tensor
            The terms, each times its weight; their sum is the loss.
        """
        output = output.float()
        target = centred(target, output)
        weight = None if weight is None else centred(weight, output)
        terms = {
            name: factor * self._over_scales(TERMS[name], output, target, weight)
            for name, factor in self._weights.items()
        }
        if self._perceptual and self.features is not None:
            distance = functional.mse_loss(self.features(output), self.features(target))
            terms["perceptual"] = self._perceptual * distance.float()
        return terms

    def _over_scales(
        self, term: Term, output: Tensor, target: Tensor, weight: Tensor | None
    ) -> Tensor:
        """Return a term's mean over the scales that are large enough for it."""
        values = [term(output, target, weight)]
        if self._multi_scale:
            for factor in _SCALES[1:]:
                if min(output.shape[2:]) // factor >= _LEAST_EDGE:
                    small, wanted = (functional.avg_pool2d(t, factor) for t in (output, target))
                    pooled = None if weight is None else functional.avg_pool2d(weight, factor)
                    values.append(term(small, wanted, pooled))
        return torch.stack(values).mean()


def centred(tensor: Tensor, like: Tensor) -> Tensor:
    """Return the centre of a tensor, of the same height and width as another.

    Parameters
    ----------
    tensor : Tensor, shape (N, C, Y, X)
    like : Tensor, shape (N, C, y, x)
        Not larger; smaller after valid convolutions.

    Returns
    -------
    Tensor, shape (N, C, y, x)
    """
    top, left = ((a - b) // 2 for a, b in zip(tensor.shape[2:], like.shape[2:], strict=True))
    return tensor[:, :, top : top + like.shape[2], left : left + like.shape[3]]


def adversarial_loss(verdict: Tensor, objective: str, *, real: bool) -> Tensor:
    """Return how far a discriminator's verdict is from "real", or from "made".

    Parameters
    ----------
    verdict : Tensor, any shape
        The discriminator's output.
    objective : {"lsgan", "bce"}
        Least squares [1]_, or binary cross-entropy of logits.
    real : bool
        What the verdict should be.

    Returns
    -------
    Tensor, shape ()

    References
    ----------
    .. [1] X. Mao et al., "Least squares generative adversarial networks", ICCV 2017.
       https://arxiv.org/abs/1611.04076
    """
    verdict = verdict.float()
    wanted = torch.full_like(verdict, float(real))
    if objective == "lsgan":
        return functional.mse_loss(verdict, wanted)
    return functional.binary_cross_entropy_with_logits(verdict, wanted)
