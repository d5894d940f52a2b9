"""Where examples come from: simulated fields, kept on disk, or a user's own pairs."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import OptionsError
from napari_microenhance.files import replacing
from napari_microenhance.simulation import optics, specimens
from napari_microenhance.training.data import examples
from napari_microenhance.training.data.batches import ExampleSource
from napari_microenhance.training.data.examples import Bank, build_bank, draw_examples
from napari_microenhance.training.data.image_pairs import read_pairs
from napari_microenhance.training.data.repeated import read_repeats
from napari_microenhance.training.recipes.recipe import Data, Recipe

__all__ = ["Simulated", "open_sources"]

FloatArray = npt.NDArray[np.float32]

_VALIDATION_SEED = 1_000_003
_VALIDATION_FIELDS = 64


class Simulated:
    """Examples from a bank of clean fields on disk.

    Parameters
    ----------
    images, masks : Path
        Arrays of a `Bank`, as .npy files.
    recipe : Recipe
        Says task and scale.
    """

    def __init__(self, images: Path, masks: Path, recipe: Recipe) -> None:
        self._made_from = images, masks, recipe
        # Mapped, so that worker processes share one copy.
        fields, truth = (np.load(path, mmap_mode="r") for path in (images, masks))
        self._bank = Bank(fields, truth, np.any(truth, axis=(1, 2)))

    def __reduce__(self) -> tuple[type["Simulated"], tuple[Path, Path, Recipe]]:
        """Travel to another process as paths, not as gigabytes."""
        return Simulated, self._made_from

    def draw(
        self, count: int, patch: int, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        """Return inputs and targets, (N, 1, Y, X), the targets `patch` px wide."""
        _, _, recipe = self._made_from
        return draw_examples(
            self._bank,
            recipe.task,
            count=count,
            patch=patch,
            rng=rng,
            scale=recipe.scale,
            cameras=recipe.data.cameras,
        )


def open_sources(recipe: Recipe, folder: Path) -> tuple[ExampleSource, ExampleSource]:
    """Open or make what a run learns from and what it is validated on.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        Of the run; simulated fields are kept there for the next start.

    Returns
    -------
    training, validation : ExampleSource
        Nothing of one is in the other.

    Raises
    ------
    MicroEnhanceError
        If an image or an entry of the recipe cannot be used.
    """
    if recipe.data.pairs is not None:
        return (read_pairs if recipe.data.pairs.repeats is None else read_repeats)(recipe)
    _check(recipe)
    data = recipe.data
    held_out = data.model_copy(
        update={
            "fields": min(_VALIDATION_FIELDS, data.fields),
            "seed": data.seed + _VALIDATION_SEED,
        }
    )
    training, validation = (Simulated(*_fields(part, folder), recipe) for part in (data, held_out))
    return training, validation


def _check(recipe: Recipe) -> None:
    """Raise if the fields that the recipe asks for cannot be made."""
    for family in recipe.data.families:
        if family not in specimens.FAMILIES:
            raise OptionsError(
                f"data.families names {family}, which is not one of "
                f"{', '.join(specimens.FAMILIES)}."
            )
    training = recipe.training
    largest = max([training.patch, *(stage.patch for stage in training.patch_growth)])
    if largest > recipe.data.size:
        raise OptionsError(
            f"A patch of {largest} px does not fit into fields of {recipe.data.size} px; make "
            "data.size larger."
        )


def _fields(data: Data, folder: Path) -> tuple[Path, Path]:
    """Return the files of a recipe's fields and their masks, made unless they are there."""
    sources = b"".join(Path(str(m.__file__)).read_bytes() for m in (examples, optics, specimens))
    settings = json.dumps([data.model_dump(mode="json"), np.__version__]).encode()
    key = hashlib.sha256(settings + sources).hexdigest()[:16]
    images, masks = (folder / f"fields-{key}-{name}.npy" for name in ("images", "masks"))
    if not (images.is_file() and masks.is_file()):
        made = build_bank(
            data.fields,
            size=data.size,
            families=data.families or specimens.FAMILIES,
            real_share=data.real,
            seed=data.seed,
            # Starting a process costs as much as some fields.
            workers=max(1, min(os.cpu_count() or 1, data.fields // 32)),
        )
        for path, values in ((images, made.images), (masks, made.masks)):
            with replacing(path) as handle:
                np.save(handle, values)
    return images, masks
