"""What the results of many images are called, and that none of them costs anything."""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from napari_microenhance.errors import MicroEnhanceError, OutputError
from napari_microenhance.files import folds_case, is_zarr
from napari_microenhance.images.image_formats import read_record
from napari_microenhance.images.image_table import format_of_name
from napari_microenhance.jobs.image_list import stem_of
from napari_microenhance.outputs import folded, guard_many, guard_output, is_own_store

__all__ = ["check_results", "name_results", "without_results"]

_NAMED: Final = 3
"""Files that a sentence names before it counts the rest."""


def name_results(images: Sequence[Path], out: Path, suffix: str) -> dict[Path, Path]:
    """Return the path of each image's result: its name without suffix, and the one asked for.

    Parameters
    ----------
    images : sequence of Path
    out : Path
        The folder of results; it need not exist.
    suffix : str
        Such as ".tif" or "_enhanced.ome.zarr".

    Returns
    -------
    dict of Path to Path

    Raises
    ------
    OutputError
        If nothing is written under such a suffix, or two results would have one name.
    """
    if not suffix.strip() or any(sign in suffix for sign in ("/", "\\", "\0")):
        raise OutputError(f"--suffix {suffix!r} is not a file ending; use one such as .tif.")
    format_of_name(Path(f"result{suffix}"))
    fold = folds_case(_standing(out))
    named: dict[str, Path] = {}
    results: dict[Path, Path] = {}
    for image in images:
        name = stem_of(image.name) + suffix
        other = named.setdefault(folded(name) if fold else name, image)
        if other is not image:
            raise OutputError(
                f"{_told_apart(other, image)} would both become {name} in {out}; rename one, or "
                "use two folders for the results."
            )
        results[image] = out / name
    return results


def without_results(images: Sequence[Path], out: Path, suffix: str) -> tuple[Path, ...]:
    """Return images but for earlier results of others among them.

    Parameters
    ----------
    images : sequence of Path
    out : Path
        The folder of results, which may be that of the images.
    suffix : str
        Of the results.

    Returns
    -------
    tuple of Path
    """
    folder = os.path.realpath(out)
    made = {stem_of(image.name) + suffix: image for image in images}
    return tuple(
        image
        for image in images
        if made.get(image.name, image) is image
        or os.path.realpath(image.parent) != folder
        or not _is_ours(image)
    )


def check_results(
    results: Mapping[Path, Path],
    out: Path,
    *,
    inputs: Mapping[str, Path | None],
    resume: bool,
    overwrite: bool,
    listed: Collection[str] = (),
) -> None:
    """Raise where a run over many images would replace or delete something unasked.

    Parameters
    ----------
    results : mapping of Path to Path
        Image -> result.
    out : Path
        The folder of results; it need not exist.
    inputs : mapping of str to (Path or None)
        What else is read, by the names that a sentence should use.
    resume : bool
        What was written here may stay, or be done again.
    overwrite : bool
        What stands there may go.
    listed : collection of str
        Names of results in an earlier summary; where one is damaged, it is ours all the same.

    Raises
    ------
    OutputError
        If a result would be, hold or lie in an input, or something stands there.
    """
    standing = _standing(out)
    if not standing.is_dir():
        raise OutputError(f"OUT_FOLDER ({out}) is a file, or inside one; choose a folder.")
    if is_zarr(out):
        raise OutputError(f"OUT_FOLDER ({out}) is an image; choose a folder for the results.")
    guard_many(results.values(), {**{str(image): image for image in results}, **inputs})
    there = [path for path in results.values() if os.path.lexists(path)]
    for path in there:
        guard_output(path, overwrite=True, name="The result")
    if there and not (resume or overwrite):
        raise OutputError(
            f"{_counted(there)} in {out}; use --resume to do what is missing, or --overwrite "
            "to replace them (in Python: resume=True, overwrite=True)."
        )
    foreign = [p for p in there if not overwrite and not _is_ours(p, damaged=p.name in listed)]
    if foreign:
        raise OutputError(
            f"{_counted(foreign)} in {out} without the record of a run, so --resume does not "
            "replace it; move it, or use --overwrite."
        )


def _is_ours(path: Path, *, damaged: bool = False) -> bool:
    """Tell whether a file or store is of a run; `damaged`: the answer where it cannot be read."""
    if path.is_dir():
        return is_own_store(path)  # finished or not
    try:
        return read_record(path) is not None
    except MicroEnhanceError:
        return damaged


def _standing(folder: Path) -> Path:
    """Return the folder, or the next one above it that is there."""
    real = Path(os.path.realpath(folder))
    return next(path for path in (real, *real.parents) if path.exists())


def _told_apart(first: Path, second: Path) -> str:
    """Return two images in words, with their folders where only those tell them apart."""
    if first.name == second.name:
        return f"{first} and {second}"
    return f"{first.name} and {second.name}"


def _counted(paths: Sequence[Path]) -> str:
    """Return "a.tif already exists", or how many do, and the first few."""
    if len(paths) == 1:
        return f"{paths[0].name} already exists"
    names = ", ".join(path.name for path in paths[:_NAMED])
    more = " and more" if len(paths) > _NAMED else ""
    return f"{len(paths)} results ({names}{more}) already exist"
