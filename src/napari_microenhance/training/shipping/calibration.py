"""Calibration: images of the kind that a network will meet, as it will read them."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.intensity import fit, palettes
from napari_microenhance.engine.options import Options
from napari_microenhance.engine.source import Source
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.errors import FileMissingError, ImageError, ModelError
from napari_microenhance.images.image_formats import read_image
from napari_microenhance.training.data.examples import build_bank, draw_examples

__all__ = ["calibration_images"]

FloatArray = npt.NDArray[np.float32]

EDGE_PX: Final = 128
"""Of a calibration image, rounded up to what the network takes."""

SIMULATED: Final = 36
"""Images where none are given."""

MOST: Final = 96
"""Images that are taken of those given."""

LEAST: Final = 3
"""Two to calibrate with, one to judge by."""

PIECES: Final = 4
"""Places that are cut out of a plane of an image."""

SEED: Final = 4


def calibration_images(spec: ModelSpec, paths: Sequence[Path] = ()) -> list[FloatArray]:
    """Return images as a network reads them.

    Parameters
    ----------
    spec : ModelSpec
        Of a network of planes.
    paths : sequence of Path
        Images, and folders of them; none: simulated fields, taken as badly as the network's
        task has them.

    Returns
    -------
    list of ndarray, shape (C, Y, X), float32
        All of one shape, in the network's value range.

    Raises
    ------
    FileMissingError, ImageError
        If an image cannot be read.
    ModelError
        If there are too few of them, or they do not fit the network.
    """
    edges = [rule.fixed or rule.round_up(EDGE_PX) for rule in spec.size]
    if not paths:
        return _simulated(spec, edges)
    pieces = itertools.chain.from_iterable(_pieces(path, spec, edges) for path in _files(paths))
    found = list(itertools.islice(pieces, MOST))
    if len(found) < LEAST:
        raise ModelError(
            f"{len(found)} image(s) of {edges[0]} x {edges[1]} px can be cut from the calibration "
            f"files; at least {LEAST} are needed."
        )
    return found


def _simulated(spec: ModelSpec, edges: Sequence[int]) -> list[FloatArray]:
    """Return simulated fields as a network of this kind meets them."""
    task = "denoise"
    if spec.task == "labels":
        task = "foreground"
    elif spec.scale > 1:
        task = "superres"
    elif spec.units == "relative":
        task = "detail"
    scale = max(1, int(spec.ratio))
    size = max(edges) * scale
    bank = build_bank(SIMULATED, size=size, seed=SEED, workers=1)
    inputs, _ = draw_examples(
        bank, task, count=SIMULATED, patch=size, rng=np.random.default_rng(SEED), scale=scale
    )
    low, high = spec.value_range
    inputs = inputs[:, :, : edges[0], : edges[1]] * np.float32(high - low) + np.float32(low)
    return list(np.repeat(inputs, spec.channels_in, axis=1))


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield files, those of folders in the order of their names."""
    for path in paths:
        if not path.exists():
            raise FileMissingError(f"{path} does not exist; check the name and the folder.")
        if path.is_file():
            yield path
            continue
        inside = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
        if not inside:
            raise ImageError(f"The folder {path} holds no images.")
        yield from inside


def _pieces(path: Path, spec: ModelSpec, edges: Sequence[int]) -> Iterator[FloatArray]:
    """Yield places of an image, mapped as a run would map them."""
    image = read_image(path)
    source = Source(image.pixels, image.axes, "YX")
    rng = np.random.default_rng(SEED)
    for palette in palettes(source, spec, Options()):
        maps = fit(source, palette, spec, Options())
        for plane in source.planes:
            for _ in range(PIECES):
                starts = [
                    int(rng.integers(0, max(0, length - edge) + 1))
                    for length, edge in zip(source.spatial_shape, edges, strict=True)
                ]
                box = tuple((s, s + edge) for s, edge in zip(starts, edges, strict=True))
                base = palette.base(source.read(plane, palette.channels, box))
                seen = [m.forward(channel) for m, channel in zip(maps, base, strict=True)]
                yield palette.expand(np.stack(seen))
