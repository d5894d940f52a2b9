"""`evaluate --pairs`: denoisers on real exposures whose truth is known."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from napari_microenhance.cli.terminal import show
from napari_microenhance.outputs import guard_output
from napari_microenhance.types import AnyArray

__all__ = ["evaluate_on_pairs"]

DENOISER: Final = "denoise"


def evaluate_on_pairs(
    names: Sequence[str],
    folder: Path,
    json_file: Path | None,
    *,
    overwrite: bool,
    on_progress: Callable[[str], None],
) -> None:
    """Print a table of networks beside the best blur; the built-in denoiser without names.

    Parameters
    ----------
    names : sequence of str
        Built-in networks, or files of networks.
    folder : Path
        Of the exposures and their truth.
    json_file : Path or None
        For every figure.
    overwrite : bool
        Whether an older `json_file` may go.
    on_progress : callable
        Takes a line to show.
    """
    from napari_microenhance.api import enhance, load_model
    from napari_microenhance.evaluation.real_pairs import pairs_table, read_pairs_of, score_pairs
    from napari_microenhance.files import replacing

    if json_file is not None:
        guard_output(
            json_file,
            overwrite=overwrite,
            inputs={"--pairs": folder},
            name="--json",
            option="--overwrite",
        )
    networks = [load_model(name) for name in names or [DENOISER]]

    def result(image: AnyArray, number: int) -> AnyArray:
        return enhance(image, networks[number], axes="YX").patch

    methods = {
        network.name: lambda image, number=number: result(image, number)
        for number, network in enumerate(networks)
    }
    figures = score_pairs(methods, read_pairs_of(folder), on_progress=on_progress)
    on_progress("")
    show(pairs_table(figures).rstrip("\n"))
    if json_file is not None:
        content = {
            "pairs": folder.resolve().name,
            "sha256": {network.name: network.sha256 for network in networks},
            "figures": [dataclasses.asdict(figure) for figure in figures],
        }
        with replacing(json_file) as handle:
            handle.write(json.dumps(content, indent=2).encode() + b"\n")
