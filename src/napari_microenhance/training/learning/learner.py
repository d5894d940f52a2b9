"""One optimiser step, and what is measured between them."""

import copy
import math
from typing import Any, Final

import torch
from torch import Tensor, nn

from napari_microenhance.training.data.batches import Batch
from napari_microenhance.training.learning.losses import Criterion, adversarial_loss, centred
from napari_microenhance.training.recipes.recipe import Recipe, Training

__all__ = ["Diverged", "Learner", "rate_factor"]

_STREAM: Final = 1_000_003  # keeps the seeds of one run apart from those of the next


class Diverged(Exception):  # noqa: N818 - an event, turned into a sentence by `fit`
    """The loss or a gradient is no longer a number."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(f"{what} is not a number at step {step}")
        self.step = step
        self.what = what


class Learner:
    """A network that learns by a recipe, alone or against a discriminator.

    Parameters
    ----------
    recipe : Recipe
    network : nn.Module
    criterion : Criterion
    discriminator : nn.Module or None
        For an adversarial loss.
    teacher : nn.Module or None
        For distillation: what the network was when it began.

    Attributes
    ----------
    device : torch.device
        Where the networks are: an accelerator, if torch knows one here.
    step : int
        Steps done.
    average : nn.Module
        The network with averaged weights, which is validated and exported.
    losses : dict of str to float
        The terms of the last step.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: nn.Module,
        criterion: Criterion,
        discriminator: nn.Module | None = None,
        teacher: nn.Module | None = None,
    ) -> None:
        self.device = _device()
        self.recipe = recipe
        self.network = network.to(self.device)
        self.average = copy.deepcopy(network).requires_grad_(requires_grad=False).eval()
        self.criterion = criterion.to(self.device)
        self.discriminator = None if discriminator is None else discriminator.to(self.device)
        self.teacher = None if teacher is None else teacher.to(self.device).eval()
        self.step = 0
        self.losses: dict[str, float] = {}
        training, adversarial = recipe.training, recipe.loss.adversarial
        self._optimisers = [_optimiser(self.network, training, training.rate)]
        if self.discriminator is not None and adversarial is not None:
            rate = adversarial.rate or training.rate
            self._optimisers.append(_optimiser(self.discriminator, training, rate))

    def learn(self, batch: Batch) -> None:
        """Take one step.

        Parameters
        ----------
        batch : Batch
            On any device.

        Raises
        ------
        Diverged
            If the loss or a gradient is no longer a number.
        """
        batch = self.placed(batch)
        # Dropout depends on the step alone, so a resumed run draws what an unbroken one draws.
        torch.manual_seed(self.recipe.training.seed * _STREAM + self.step)
        factor = rate_factor(self.recipe.training, self.step)
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["initial_lr"] * factor
        adversarial = self._adversarial()
        with self._mixed():
            if self.teacher is not None:
                batch["target"] = self._taught(self.teacher, batch)
            output = self.network(batch["input"])
            terms = self.criterion(output, batch["target"], batch.get("weight"))
            if adversarial:
                terms["adversarial"] = self._deception(batch, output)
            loss = torch.stack(list(terms.values())).sum()
        self._descend(loss, self.network, self._optimisers[0], "The loss")
        if adversarial:
            with self._mixed():
                verdict = self._verdict(batch, output.detach())
            what = "The discriminator's loss"
            self._descend(verdict, self.discriminator, self._optimisers[1], what)
            terms["discriminator"] = verdict
        self._follow()
        self.losses = {"loss": loss.item()} | {name: value.item() for name, value in terms.items()}
        self.step += 1

    def placed(self, batch: Batch) -> Batch:
        """Return a batch where the networks are."""
        return {name: tensor.to(self.device) for name, tensor in batch.items()}

    def _mixed(self) -> torch.autocast:
        """Return the context of a forward pass: bfloat16 where the recipe asks for it."""
        mixed = self.recipe.training.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=mixed)

    @torch.no_grad()
    def _taught(self, teacher: nn.Module, batch: Batch) -> Tensor:
        """Return the targets, those of white noise partly what the teacher makes of them."""
        known, targets = batch["known"], batch["target"].clone()
        answer = teacher(batch["input"][known]).float()
        targets[known] = targets[known].lerp(answer, self.recipe.loss.distillation)
        return targets

    def _adversarial(self) -> bool:
        """Tell whether the discriminator takes part in this step."""
        plan = self.recipe.loss.adversarial
        return self.discriminator is not None and plan is not None and self.step >= plan.start

    def _descend(
        self, loss: Tensor, module: nn.Module | None, optimiser: torch.optim.Optimizer, what: str
    ) -> None:
        """Take one step down a loss, unless it leads nowhere."""
        if not math.isfinite(loss.item()):
            raise Diverged(self.step + 1, what)
        parameters = [p for p in module.parameters() if p.requires_grad] if module else []
        optimiser.zero_grad()
        loss.backward()
        limit = self.recipe.training.clip or math.inf
        norm = nn.utils.clip_grad_norm_(parameters, limit)
        if not math.isfinite(norm.item()):
            raise Diverged(self.step + 1, f"The gradient of {what[0].lower()}{what[1:]}")
        optimiser.step()

    def _judged(self, batch: Batch, image: Tensor) -> Tensor:
        """Return the discriminator's verdict on an image, beside its input where it sees both."""
        plan = self.recipe.loss.adversarial
        assert plan is not None
        assert self.discriminator is not None
        if plan.conditional:
            image = torch.cat([centred(batch["input"], image), image.float()], dim=1)
        return torch.as_tensor(self.discriminator(image))

    def _deception(self, batch: Batch, output: Tensor) -> Tensor:
        """Return the network's adversarial term; the discriminator's weights stand still."""
        plan = self.recipe.loss.adversarial
        assert plan is not None
        assert self.discriminator is not None
        self.discriminator.requires_grad_(requires_grad=False)
        verdict = self._judged(batch, output)
        self.discriminator.requires_grad_(requires_grad=True)
        return plan.weight * adversarial_loss(verdict, plan.objective, real=True)

    def _verdict(self, batch: Batch, output: Tensor) -> Tensor:
        """Return the discriminator's own loss, over one true and one made batch."""
        plan = self.recipe.loss.adversarial
        assert plan is not None
        true = self._judged(batch, centred(batch["target"], output))
        made = self._judged(batch, output)
        return 0.5 * (
            adversarial_loss(true, plan.objective, real=True)
            + adversarial_loss(made, plan.objective, real=False)
        )

    def _follow(self) -> None:
        """Move the averaged weights towards the new ones."""
        decay = self.recipe.training.ema
        # Early weights are worth little, so the average starts short.
        decay = min(decay, (1 + self.step) / (10 + self.step)) if decay else 0.0
        with torch.no_grad():
            weights = zip(self.average.parameters(), self.network.parameters(), strict=True)
            for average, latest in weights:
                average.lerp_(latest, 1 - decay)
            for kept, new in zip(self.average.buffers(), self.network.buffers(), strict=True):
                kept.copy_(new)

    def state(self) -> dict[str, Any]:
        """Return everything that the next step depends on."""
        return {
            "network": self.network.state_dict(),
            "discriminator": self.discriminator.state_dict() if self.discriminator else None,
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state that `state` returned."""
        self.network.load_state_dict(state["network"])
        if self.discriminator is not None:
            self.discriminator.load_state_dict(state["discriminator"])
        for optimiser, kept in zip(self._optimisers, state["optimisers"], strict=True):
            # Rates and decays are the recipe's, which may have changed; the moments are kept.
            groups = optimiser.state_dict()["param_groups"]
            optimiser.load_state_dict({"state": kept["state"], "param_groups": groups})


def _device() -> torch.device:
    """Return the accelerator of this machine, or its processor."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found or torch.device("cpu")


def _optimiser(module: nn.Module, training: Training, rate: float) -> torch.optim.Optimizer:
    """Return Adam with decoupled weight decay."""
    parameters = [{"params": list(module.parameters()), "initial_lr": rate}]
    return torch.optim.AdamW(
        parameters, lr=rate, betas=training.betas, weight_decay=training.weight_decay, fused=True
    )


def rate_factor(training: Training, step: int) -> float:
    """Return the learning rate at a step, in parts of the highest.

    Parameters
    ----------
    training : Training
    step : int
        From 0.

    Returns
    -------
    float
        Rises linearly over `warmup` steps, then falls as `decay` says.
    """
    if step < training.warmup:
        return (step + 1) / training.warmup
    if training.decay == "constant":
        return 1.0
    share = (step - training.warmup) / max(1, training.steps - training.warmup)
    return 0.5 * (1 + math.cos(math.pi * share)) if training.decay == "cosine" else 1 - share
