"""A user's own pairs: two folders, checked as a whole before any training starts."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.intensity import PERCENTILES
from napari_microenhance.errors import FileMissingError, ImageError, OptionsError
from napari_microenhance.images.image_formats import read_image
from napari_microenhance.training.recipes.recipe import Recipe

__all__ = ["ImagePair", "PairSource", "images_of", "match", "read_pairs", "unit"]

FloatArray = npt.NDArray[np.float32]

_SUFFIXES: Final = (".ome.tiff", ".ome.tif", ".tiff", ".tif", ".png", ".jpeg", ".jpg")


@dataclasses.dataclass(frozen=True, eq=False)
class ImagePair:
    """Two images that belong together, as stored, and the range that is mapped to [0, 1].

    Parameters
    ----------
    name : str
    given : ndarray, shape (C, Y, X), any dtype
    wanted : ndarray, shape (D, Y * scale, X * scale), any dtype
    given_range, wanted_range : tuple of float
        Lowest and highest value.
    """

    name: str
    given: npt.NDArray[Any]
    wanted: npt.NDArray[Any]
    given_range: tuple[float, float]
    wanted_range: tuple[float, float]


class PairSource:
    """Patches of pairs.

    Parameters
    ----------
    pairs : sequence of ImagePair
    scale : int
        Target pixels per input pixel.
    """

    def __init__(self, pairs: Sequence[ImagePair], scale: int) -> None:
        self.pairs = tuple(pairs)
        self._scale = scale

    def draw(
        self, count: int, patch: int, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        """Return inputs and targets, (N, C, Y, X), the targets `patch` px wide."""
        chosen = [self._piece(patch, rng) for _ in range(count)]
        return np.stack([given for given, _ in chosen]), np.stack([wanted for _, wanted in chosen])

    def _piece(self, patch: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Return one patch, at the same place in both images."""
        pair = self.pairs[rng.integers(len(self.pairs))]
        edge = patch // self._scale
        y, x = (int(rng.integers(length - edge + 1)) for length in pair.given.shape[1:])
        given = pair.given[:, y : y + edge, x : x + edge]
        y, x = y * self._scale, x * self._scale
        wanted = pair.wanted[:, y : y + patch, x : x + patch]
        return unit(given, pair.given_range), unit(wanted, pair.wanted_range)


def read_pairs(recipe: Recipe) -> tuple[PairSource, PairSource]:
    """Read all pairs of a recipe.

    Parameters
    ----------
    recipe : Recipe
        With `inputs` and `targets` of `data.pairs`.

    Returns
    -------
    training, validation : PairSource
        No pair is in both; which is where depends on `data.seed` alone.

    Raises
    ------
    FileMissingError
        If a folder is missing.
    ImageError
        If an image has no partner or cannot be used, or the two of a pair do not fit; the
        sentence names it.
    OptionsError
        If there are fewer than two pairs.
    """
    plan = recipe.data.pairs
    assert plan is not None
    assert plan.inputs is not None
    assert plan.targets is not None
    names = match(Path(plan.inputs), Path(plan.targets))
    training = recipe.training
    patch = max([training.patch, *(stage.patch for stage in training.patch_growth)])
    pairs = [_read_pair(name, *files, recipe, patch) for name, files in names.items()]
    for pair in pairs[1:]:
        for one, first in ((pair.given, pairs[0].given), (pair.wanted, pairs[0].wanted)):
            if len(one) != len(first):
                raise ImageError(
                    f"{pair.name} has {len(one)} channels, but {pairs[0].name} has {len(first)}; "
                    "all must have as many."
                )
    held_out = min(max(1, round(plan.validation * len(pairs))), len(pairs) - 1)
    order = np.random.default_rng(recipe.data.seed).permutation(len(pairs))
    shares = order[held_out:], order[:held_out]
    learnt, checked = (
        PairSource([pairs[k] for k in sorted(share)], recipe.scale) for share in shares
    )
    return learnt, checked


def match(inputs: Path, targets: Path) -> dict[str, tuple[Path, Path]]:
    """Find the files of two folders that belong together by name.

    Parameters
    ----------
    inputs, targets : Path
        Folders; files that are no images by their extension are left alone.

    Returns
    -------
    dict of str to (Path, Path)
        Name without extension -> input and target, sorted.

    Raises
    ------
    FileMissingError
        If a folder is missing.
    ImageError
        If an image has no partner, or two in one folder differ only in their extension.
    OptionsError
        If there are fewer than two pairs.
    """
    found = images_of(inputs), images_of(targets)
    for here, there, folder in ((found[0], found[1], targets), (found[1], found[0], inputs)):
        for name in here:
            if name not in there:
                raise ImageError(f"{here[name]} has no partner {name} in {folder}.")
    if len(found[0]) < 2:
        raise OptionsError(
            f"{inputs} and {targets} hold {len(found[0])} pairs; at least two are needed, one to "
            f"learn from and one to check with ({', '.join(s for s in _SUFFIXES)})."
        )
    return {name: (path, found[1][name]) for name, path in found[0].items()}


def images_of(folder: Path) -> dict[str, Path]:
    """Return the images of a folder by their names without extension.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    FileMissingError
        If it is missing.
    ImageError
        If it cannot be read, or two images differ only in their extension.
    """
    try:
        files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileMissingError(f"There is no folder {folder} with images of pairs.") from error
    except OSError as error:
        raise ImageError(f"{folder} cannot be read: {error.strerror}.") from error
    found: dict[str, Path] = {}
    for path in files:
        suffix = next((s for s in _SUFFIXES if path.name.lower().endswith(s)), None)
        if suffix is None or not path.is_file():
            continue
        name = path.name[: -len(suffix)]
        if name in found:
            raise ImageError(f"{path} and {found[name].name} have one name; remove one of them.")
        found[name] = path
    return found


def _read_pair(name: str, inputs: Path, targets: Path, recipe: Recipe, patch: int) -> ImagePair:
    """Read a pair, and raise unless its images fit each other and the patches."""
    plan = recipe.data.pairs
    assert plan is not None
    mask = recipe.task == "foreground"
    given, wanted = _pixels(inputs), _pixels(targets, labels=mask)
    expected = tuple(length * recipe.scale for length in given.shape[1:])
    if wanted.shape[1:] != expected:
        times = "the size" if recipe.scale == 1 else f"{recipe.scale} times the size"
        raise ImageError(
            f"{targets} is {_size(wanted)}, but must have {times} of {inputs}, which is "
            f"{_size(given)}."
        )
    if min(wanted.shape[1:]) < patch:
        raise ImageError(
            f"{targets} is {_size(wanted)}, too small for patches of {patch} px; lower "
            "training.patch or remove the pair."
        )
    if plan.intensity == "percentile":
        low, high = (float(v) for v in np.percentile(given, PERCENTILES))
        given_range = low, high if high > low else low + 1
        wanted_range = given_range
    else:
        given_range, wanted_range = _range(given), _range(wanted)
    return ImagePair(name, given, wanted, given_range, (0.0, 1.0) if mask else wanted_range)


def _pixels(path: Path, *, labels: bool = False) -> npt.NDArray[Any]:
    """Return the pixels of a single image, (C, Y, X); of a label image, where labels are."""
    image = read_image(path, palette_indices=labels)
    pixels, axes = image.pixels, image.axes
    if axes == "YXC":
        pixels, axes = np.moveaxis(pixels, -1, 0)[:3], "CYX"
    if axes == "YX":
        pixels, axes = pixels[None], "CYX"
    if axes != "CYX":
        raise ImageError(f"{path} is a stack ({axes}); pairs must be single images.")
    if labels:
        return np.asarray(pixels[:1] > 0, np.uint8)
    if pixels.dtype.kind not in "buif":
        raise ImageError(f"{path} has pixels of type {pixels.dtype}, which cannot be learnt from.")
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ImageError(f"{path} holds values that are not numbers; replace them first.")
    return np.ascontiguousarray(pixels)


def _range(pixels: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the range of a dtype; floats are in [0, 1] already."""
    if pixels.dtype.kind in "ui":
        info = np.iinfo(pixels.dtype)
        return float(info.min), float(info.max)
    return 0.0, 1.0


def unit(pixels: npt.NDArray[Any], limits: tuple[float, float]) -> FloatArray:
    """Map a range to [0, 1].

    Parameters
    ----------
    pixels : ndarray
    limits : tuple of float
        What becomes 0 and 1.
    """
    low, high = limits
    return ((pixels.astype(np.float64) - low) / (high - low)).astype(np.float32)


def _size(pixels: npt.NDArray[Any]) -> str:
    """Return height and width in words."""
    return f"{pixels.shape[1]} x {pixels.shape[2]} px"
