"""`evaluate --pairs` and `--clean`: denoisers on exposures whose truth is known."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from napari_microenhance.cli.terminal import show
from napari_microenhance.outputs import guard_output

__all__ = ["evaluate_on_pairs"]

DENOISER: Final = "denoise"
QUICK: Final = 2  # images of each group


def evaluate_on_pairs(
    names: Sequence[str],
    json_file: Path | None,
    *,
    pairs: Path | None,
    clean: Path | None,
    overwrite: bool,
    quick: bool,
    on_progress: Callable[[str], None],
) -> None:
    """Print a table of networks beside the best blur; the built-in denoiser without names.

    Parameters
    ----------
    names : sequence of str
        Built-in networks, or files of networks.
    json_file : Path or None
        For every figure.
    pairs : Path or None
        Folder of real exposures and their truth; BM3D is run on these, too, where it is there.
    clean : Path or None
        Folder of clean images, to which noise is added.
    overwrite : bool
        Whether an older `json_file` may go.
    quick : bool
        No BM3D, and no more than two images of each group.
    on_progress : callable
        Takes a line to show.
    """
    from napari_microenhance.api import Model, Options, enhance, load_model
    from napari_microenhance.evaluation.added_noise import noisy_pairs, published
    from napari_microenhance.evaluation.baselines import blind_bm3d, has_bm3d
    from napari_microenhance.evaluation.real_pairs import (
        Denoise,
        PairFigures,
        first_of_groups,
        pairs_table,
        read_pairs_of,
        score_pairs,
    )
    from napari_microenhance.files import replacing

    folders = {"--pairs": pairs, "--clean": clean}
    given = {name: folder for name, folder in folders.items() if folder is not None}
    if json_file is not None:
        guard_output(
            json_file, overwrite=overwrite, inputs=given, name="--json", option="--overwrite"
        )
    networks = [load_model(name) for name in names or [DENOISER]]

    def denoisers(options: Options) -> dict[str, Denoise]:
        def run(network: Model) -> Denoise:
            return lambda image: enhance(image, network, axes="YX", options=options).patch

        return {network.name: run(network) for network in networks}

    figures: list[PairFigures] = []
    for name, folder in given.items():
        if name == "--pairs":
            found, methods, remark = read_pairs_of(folder), denoisers(Options()), ""
            if has_bm3d() and not quick:
                methods["Anscombe + BM3D, noise estimated"] = blind_bm3d
        else:
            # Noise may leave the range of 8 bits, which is the range all the same.
            methods = denoisers(Options(intensity=(0.0, 255.0)))
            found, remark = noisy_pairs(folder), published(folder)
        chosen = first_of_groups(found, QUICK) if quick else found
        scored = score_pairs(methods, chosen, on_progress=on_progress)
        on_progress("")
        show("\n\n".join(filter(None, (pairs_table(scored), remark))))
        figures += scored
    if json_file is not None:
        content = {
            "folders": {name: folder.resolve().name for name, folder in given.items()},
            "sha256": {network.name: network.sha256 for network in networks},
            "figures": [dataclasses.asdict(figure) for figure in figures],
        }
        with replacing(json_file) as handle:
            handle.write(json.dumps(content, indent=2).encode() + b"\n")
