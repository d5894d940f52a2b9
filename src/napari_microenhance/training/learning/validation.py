"""How good a network is on examples that it never learns from."""

import dataclasses

import torch
from torch import Tensor, nn
from torchmetrics.functional.classification import binary_jaccard_index
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from napari_microenhance.training.data.batches import Batch
from napari_microenhance.training.learning.losses import Criterion, centred

__all__ = ["Sample", "Validation", "validate"]


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
    """One example and what the network makes of it.

    Parameters
    ----------
    given, made, wanted : Tensor, shape (C, Y, X), float32
        Values around [0, 1]; of a mask, `made` holds probabilities.
    """

    given: Tensor
    made: Tensor
    wanted: Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class Validation:
    """Figures and samples.

    Parameters
    ----------
    figures : dict of str to float
        "loss"; for images "psnr" (dB) and "ssim"; for masks "iou".
    samples : tuple of Sample
    """

    figures: dict[str, float]
    samples: tuple[Sample, ...]

    @property
    def score(self) -> float:
        """What is compared between validations; larger is better."""
        return self.figures.get("iou", self.figures.get("psnr", -self.figures["loss"]))


def figure_names(*, mask: bool) -> tuple[str, ...]:
    """Return the names of the figures of a task."""
    return ("loss", "iou") if mask else ("loss", "psnr", "ssim")


@torch.no_grad()
def validate(
    network: nn.Module, criterion: Criterion, batches: list[Batch], *, mask: bool, samples: int = 6
) -> Validation:
    """Measure a network.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode.
    criterion : Criterion
    batches : list of Batch
        On the network's device.
    mask : bool
        The network gives logits of a mask.
    samples : int
        How many examples to keep for the panel, at most.

    Returns
    -------
    Validation
    """
    sums = dict.fromkeys(figure_names(mask=mask), 0.0)
    kept: list[Sample] = []
    for batch in batches:
        output = network(batch["input"]).float()
        target = centred(batch["target"], output)
        terms = criterion(output, batch["target"], batch.get("weight"))
        sums["loss"] += torch.stack(list(terms.values())).sum().item()
        made = output.sigmoid() if mask else output
        for name, value in _compare(made, target, mask=mask).items():
            sums[name] += value
        for given, image, wanted in zip(batch["input"], made, target, strict=True):
            if len(kept) < samples:
                kept.append(Sample(given.float().cpu(), image.cpu(), wanted.float().cpu()))
    figures = {name: value / len(batches) for name, value in sums.items()}
    return Validation(figures, tuple(kept))


def _compare(made: Tensor, target: Tensor, *, mask: bool) -> dict[str, float]:
    """Return the figures of one batch."""
    if mask:
        return {"iou": float(binary_jaccard_index(made, (target > 0.5).int()))}
    psnr = peak_signal_noise_ratio(made, target, data_range=1.0, dim=(1, 2, 3))
    ssim = structural_similarity_index_measure(made, target, data_range=1.0)
    return {"psnr": float(psnr), "ssim": float(torch.as_tensor(ssim))}
