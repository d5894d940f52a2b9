"""Recipe: everything that decides what a training run does."""

from typing import Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "Adversarial",
    "Architecture",
    "Augment",
    "Data",
    "Export",
    "Loss",
    "PairFolders",
    "Perceptual",
    "Recipe",
    "Stage",
    "Training",
]

Task = Literal["denoise", "superres", "detail", "foreground", "image"]


class _Section(BaseModel):
    """A part of a recipe: frozen, and strict about names and types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Architecture(_Section):
    """Which network, with the keyword arguments of its constructor beside `kind`.

    Attributes
    ----------
    kind : str
        A name in `networks.NETWORKS`.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    kind: str

    @property
    def options(self) -> dict[str, Any]:
        """The constructor's keyword arguments."""
        return dict(self.__pydantic_extra__ or {})


class PairFolders(_Section):
    """A user's own images: two folders that belong together by name, or repeated exposures.

    Attributes
    ----------
    inputs, targets : str or None
        Folders, relative to the recipe's own; a file in one has its namesake (any
        extension) in the other.
    repeats : str or None
        In place of these, a stack, or a folder of stacks: each holds exposures of one field.
    validation : float
        Share of the pairs that is kept for validation, at least one; of a single stack, the
        share of its rows.
    intensity : {"dtype", "percentile"}
        How stored numbers become [0, 1]: by the range of integers (floats: as they
        are), or by the 0.1 and 99.9 percentiles of each input, used for its target too.
    """

    inputs: str | None = None
    targets: str | None = None
    repeats: str | None = None
    validation: float = Field(default=0.1, gt=0, lt=1)
    intensity: Literal["dtype", "percentile"] = "dtype"

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        """Refuse anything but two folders, or repeats."""
        folders = (self.inputs, self.targets)
        if self.repeats is None and None in folders:
            raise ValueError("data.pairs needs inputs and targets, or repeats")
        if self.repeats is not None and folders != (None, None):
            raise ValueError("data.pairs takes inputs and targets, or repeats, not both")
        return self


class Data(_Section):
    """Where examples come from.

    Attributes
    ----------
    families : tuple of str
        Families of simulated fields; empty for all of them.
    fields : int
        Simulated fields in the bank.
    size : int
        Edge of a field, px.
    real : float
        Share of examples cut from the pictures that scikit-image bundles.
    cameras : float
        Share of the examples of task denoise with noise as real cameras have it: correlated,
        patterned, in the dark, cut off; the rest has white noise.
    seed : int
        Of the fields; validation fields have another.
    pairs : PairFolders or None
        A user's own images instead of simulated ones.
    """

    families: tuple[str, ...] = ()
    fields: int = Field(default=200, ge=1)
    size: int = Field(default=512, ge=32)
    real: float = Field(default=0.3, ge=0, le=1)
    cameras: float = Field(default=0.0, ge=0, le=1)
    seed: int = Field(default=0, ge=0)
    pairs: PairFolders | None = None


class Adversarial(_Section):
    """The discriminator's part in the loss.

    Attributes
    ----------
    weight : float
        Of the generator's adversarial term.
    objective : {"lsgan", "bce"}
        Least squares or binary cross-entropy.
    conditional : bool
        The discriminator sees (input, output), as in pix2pix, not only the output.
    discriminator : Architecture
    rate : float or None
        Learning rate of the discriminator; the network's where it is None.
    start : int
        First step with the term; before it only the network learns.
    """

    weight: float = Field(gt=0)
    objective: Literal["lsgan", "bce"] = "lsgan"
    conditional: bool = True
    discriminator: Architecture = Architecture(kind="patchgan")
    rate: float | None = Field(default=None, gt=0)
    start: int = Field(default=0, ge=0)


class Perceptual(_Section):
    """Distance between features instead of pixels.

    Attributes
    ----------
    weight : float
    features : str or None
        A VGG-19 weight file (torchvision's names), or a run folder or checkpoint of
        ours; None takes the built-in denoiser.
    """

    weight: float = Field(gt=0)
    features: str | None = None


class Loss(_Section):
    """Weights of the terms of the loss; zero leaves a term out.

    Attributes
    ----------
    distillation : float
        Share, in the targets of examples with white noise, of what the network that a run starts
        from (`init`) makes of them: what it knows is kept while it learns more.
    """

    l1: float = Field(default=0.0, ge=0)
    l2: float = Field(default=0.0, ge=0)
    psnr: float = Field(default=0.0, ge=0)
    charbonnier: float = Field(default=0.0, ge=0)
    ssim: float = Field(default=0.0, ge=0)
    edge: float = Field(default=0.0, ge=0)
    bce: float = Field(default=0.0, ge=0)
    dice: float = Field(default=0.0, ge=0)
    weighted_ce: float = Field(default=0.0, ge=0)
    distillation: float = Field(default=0.0, ge=0, lt=1)
    adversarial: Adversarial | None = None
    perceptual: Perceptual | None = None

    @property
    def terms(self) -> dict[str, float]:
        """The plain terms in use, with their weights."""
        plain = (*_IMAGE_TERMS, *_MASK_TERMS)
        return {name: getattr(self, name) for name in plain if getattr(self, name) > 0}


_IMAGE_TERMS: Final = ("l1", "l2", "psnr", "charbonnier", "ssim", "edge")
_MASK_TERMS: Final = ("bce", "dice", "weighted_ce")


class Stage(_Section):
    """From `step` on, patches of `patch` px (and batches of `batch`, if given)."""

    step: int = Field(ge=0)
    patch: int = Field(ge=8)
    batch: int | None = Field(default=None, ge=1)


class Training(_Section):
    """How the network learns.

    Attributes
    ----------
    steps, batch : int
        Optimiser steps, and examples in each.
    patch : int
        Edge of an example's target, px.
    patch_growth : tuple of Stage
        Later, larger patches.
    multi_scale : bool
        Compare output and target at 1, 1/2 and 1/4 of their size.
    rate : float
        Highest learning rate of Adam.
    betas : tuple of float
        Adam's; pix2pix uses (0.5, 0.999).
    weight_decay : float
        Decoupled, as in AdamW.
    warmup : int
        Steps of linear rise.
    decay : {"cosine", "linear", "constant"}
        What the rate does after that; the first two end at zero.
    clip : float
        Largest norm of the gradient; 0 for no limit.
    frozen : tuple of str
        Parts of the network whose weights stay as they start, by the names of its attributes.
    ema : float
        Decay of the average of weights that is validated and exported; 0 for the last
        weights.
    precision : {"32", "bf16"}
        bf16 computes in bfloat16 where that is safe, and keeps float32 weights.
    seed : int
    epoch_steps : int
        Steps between validations, checkpoints, curves and sample panels.
    validation : int
        Batches in a validation.
    workers : int
        Processes that make examples; 0 makes them between the steps.
    """

    steps: int = Field(ge=1)
    batch: int = Field(default=16, ge=1)
    patch: int = Field(default=128, ge=8)
    patch_growth: tuple[Stage, ...] = ()
    multi_scale: bool = False
    rate: float = Field(default=1e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(default=0.0, ge=0)
    warmup: int = Field(default=0, ge=0)
    decay: Literal["cosine", "linear", "constant"] = "cosine"
    clip: float = Field(default=1.0, ge=0)
    frozen: tuple[str, ...] = ()
    ema: float = Field(default=0.999, ge=0, lt=1)
    precision: Literal["32", "bf16"] = "32"
    seed: int = Field(default=0, ge=0)
    epoch_steps: int = Field(default=1000, ge=1)
    validation: int = Field(default=4, ge=1)
    workers: int = Field(default=1, ge=0)


class Augment(_Section):
    """Random changes of examples; see `augment` for what each does to a target.

    Attributes
    ----------
    rotations, flips : bool
        Quarter turns, and mirror images.
    elastic : float
        Largest displacement of a smooth random field, px; 0 for none.
    jitter : float
        Strength of exposure and colour changes, 0 to 1.
    erasing : float
        Probability that a rectangle of the input is erased.
    """

    rotations: bool = True
    flips: bool = True
    elastic: float = Field(default=0.0, ge=0)
    jitter: float = Field(default=0.0, ge=0, le=1)
    erasing: float = Field(default=0.0, ge=0, le=1)


class Export(_Section):
    """What the exported network says of itself."""

    units: Literal["input", "relative"] = "input"
    intensity: Literal["", "dtype", "percentile"] = ""
    threshold: float = Field(default=0.5, gt=0, lt=1)
    licence: str = "CC0-1.0"
    citation: str = ""


class Recipe(_Section):
    """Everything that decides what a training run does.

    Attributes
    ----------
    name : str
    task : {"denoise", "superres", "detail", "foreground", "image"}
        What examples show; "image" is a user's own pairs.
    scale : int
        Output pixels per input pixel.
    network : Architecture
    init : str or None
        What gives the first weights: a run folder or checkpoint, a network file exported
        here, or the name of a built-in network.
    data, loss, training, augment, export
        The sections.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    summary: str = ""
    task: Task
    scale: int = Field(default=1, ge=1, le=8)
    network: Architecture
    init: str | None = None
    data: Data = Data()
    loss: Loss
    training: Training
    augment: Augment = Augment()
    export: Export = Export()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """Refuse combinations that could not train."""
        if not self.loss.terms and self.loss.perceptual is None:
            raise ValueError("the loss has no term; give one a weight, such as l1: 1.0")
        wrong = _IMAGE_TERMS if self.task == "foreground" else _MASK_TERMS
        misplaced = [name for name in self.loss.terms if name in wrong]
        if misplaced:
            kind = "masks" if self.task == "foreground" else "images"
            raise ValueError(f"loss.{misplaced[0]} is not a loss of {kind}")
        if self.task == "foreground" and (self.loss.adversarial or self.loss.perceptual):
            raise ValueError("adversarial and perceptual losses are for images, not for masks")
        if self.data.cameras and self.task != "denoise":
            raise ValueError(f"data.cameras is for task denoise, not for {self.task}")
        if self.loss.distillation and not (self.init and self.data.cameras):
            raise ValueError("loss.distillation needs init and data.cameras")
        if self.task == "image" and self.data.pairs is None:
            raise ValueError("task image needs data.pairs with inputs and targets")
        if self.task == "superres" and self.scale == 1:
            raise ValueError("task superres needs a scale of 2 or more")
        if self.scale > 1 and self.task not in ("superres", "image"):
            raise ValueError(f"task {self.task} has scale 1, not {self.scale}")
        sizes = [self.training.patch, *(stage.patch for stage in self.training.patch_growth)]
        if any(size % self.scale for size in sizes):
            raise ValueError(f"every patch must be a multiple of the scale, {self.scale}")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain numbers, texts, lists and dictionaries.

        Returns
        -------
        dict
            `recipe_files.parse_recipe` of it gives an equal recipe.
        """
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """Return the recipe as a YAML text, every field written out."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False)
