"""From a recipe and an example of its data to something that can take a step."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from napari_microenhance.errors import ModelError
from napari_microenhance.training.data.batches import Batch
from napari_microenhance.training.learning.checkpoints import (
    build,
    check_same_network,
    load_weights,
    resolved,
)
from napari_microenhance.training.learning.features import perceptual_features
from napari_microenhance.training.learning.learner import Learner
from napari_microenhance.training.learning.losses import Criterion
from napari_microenhance.training.learning.starting import start_from
from napari_microenhance.training.recipes.recipe import Recipe

__all__ = ["prepare"]


def prepare(
    recipe: Recipe, example: Batch, checkpoint: dict[str, Any] | None = None
) -> tuple[Learner, dict[str, Any]]:
    """Make what learns.

    Parameters
    ----------
    recipe : Recipe
    example : Batch
        Says how many channels there are.
    checkpoint : dict or None
        Goes on from there; without it, from the weights of `recipe.init` or from random
        ones.

    Returns
    -------
    learner : Learner
        The optimisers' state is not yet the checkpoint's.
    facts : dict
        "network": kind and arguments; "features": what a perceptual loss compares.

    Raises
    ------
    ModelError
        If a network cannot be made, or is another one than the checkpoint's.
    """
    inputs, targets = (example[name].shape[1] for name in ("input", "target"))
    description = resolved(recipe.network, inputs=inputs, outputs=targets, scale=recipe.scale)
    torch.manual_seed(recipe.training.seed)
    network = build(description)
    _begin(network, description, recipe, checkpoint)
    _freeze(network, recipe.training.frozen)
    for patch in {recipe.training.patch, *(s.patch for s in recipe.training.patch_growth)}:
        _check_size(network, inputs, patch, recipe.scale)
    features, origin = None, ""
    if recipe.loss.perceptual is not None:
        features, origin = perceptual_features(recipe.loss.perceptual.features)
    criterion = Criterion(recipe.loss, multi_scale=recipe.training.multi_scale, features=features)
    judge = _discriminator(recipe, inputs, targets)
    teacher = _teacher(recipe, description)
    modules: list[Any] = [network, judge, features, teacher]
    for module in filter(None, modules):
        # Convolutions of bfloat16 and of few channels are fastest in this layout.
        module.to(memory_format=torch.channels_last)
    learner = Learner(recipe, network, criterion, judge, teacher)
    if checkpoint is not None:
        learner.step = checkpoint["step"]
        load_weights(learner.average, checkpoint["weights"], "the last checkpoint")
    return learner, {"network": description, "features": origin}


def _begin(
    network: nn.Module,
    description: dict[str, Any],
    recipe: Recipe,
    checkpoint: dict[str, Any] | None,
) -> None:
    """Give a network the weights that it starts from."""
    if checkpoint is not None:
        check_same_network("The last checkpoint", checkpoint, description)
    elif recipe.init is not None:
        start_from(network, description, recipe.init)


def _freeze(network: nn.Module, names: Sequence[str]) -> None:
    """Keep the weights of some parts of a network as they are."""
    parts = dict(network.named_children())
    for name in names:
        if name not in parts:
            raise ModelError(
                f"training.frozen names {name}, which is not part of the network; its parts "
                f"are {', '.join(parts)}."
            )
        parts[name].requires_grad_(requires_grad=False)


def _teacher(recipe: Recipe, description: dict[str, Any]) -> nn.Module | None:
    """Return the network that the run started from, if its answers are part of targets."""
    if not recipe.loss.distillation or recipe.init is None:
        return None
    teacher = build(description)
    start_from(teacher, description, recipe.init)
    return teacher


def _discriminator(recipe: Recipe, inputs: int, targets: int) -> nn.Module | None:
    """Return the network that judges, if the recipe has one."""
    plan = recipe.loss.adversarial
    if plan is None:
        return None
    if plan.conditional and recipe.scale > 1:
        raise ModelError(
            "A conditional discriminator needs input and output of one size; set "
            "loss.adversarial.conditional to false."
        )
    seen = targets + inputs * plan.conditional
    return build(resolved(plan.discriminator, inputs=seen, outputs=1, scale=1))


@torch.no_grad()
def _check_size(network: nn.Module, channels: int, patch: int, scale: int) -> None:
    """Raise unless the network takes patches of this size and gives what is asked."""
    edge = patch // scale
    mode = network.training
    try:
        made = network.eval()(torch.zeros(1, channels, edge, edge))
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ModelError(
            f"The network does not take patches of {edge} x {edge} px; change training.patch "
            f"({reason})."
        ) from error
    finally:
        network.train(mode)
    if max(made.shape[2:]) > patch or (scale > 1 and made.shape[2] != patch):
        raise ModelError(
            f"The network turns {edge} px into {made.shape[2]} px, but the recipe's "
            f"scale is {scale}."
        )
