"""`export`: from a checkpoint to a network file."""

from pathlib import Path
from typing import Annotated

import typer

from napari_microenhance.cli.networks import check_network_name, megabytes
from napari_microenhance.cli.options import OVERWRITE
from napari_microenhance.cli.terminal import say, warn
from napari_microenhance.outputs import guard_output


def export_file(
    source: Annotated[
        Path,
        typer.Argument(metavar="CHECKPOINT", help="A checkpoint, or the folder of a training run."),
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT.onnx", help="The ONNX file to write.")],
    fp16: Annotated[bool, typer.Option("--fp16", help="Compute in float16.")] = False,
    half_weights: Annotated[
        bool,
        typer.Option(
            "--half-weights",
            help="Store weights as float16: half the file size, still computed in float32.",
        ),
    ] = False,
    name: Annotated[
        str | None, typer.Option(help="Name of the model; otherwise the recipe's.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the model; otherwise the recipe's.")
    ] = None,
    citation: Annotated[
        str | None, typer.Option(help="Citation of the model; otherwise the recipe's.")
    ] = None,
    overwrite: OVERWRITE = False,
) -> None:
    """Export a trained model as ONNX."""
    from napari_microenhance.cli.extras import extra

    check_network_name(target)
    guard_output(target, overwrite=overwrite, inputs={"CHECKPOINT": source}, option="--overwrite")
    with extra("train"):
        from napari_microenhance.training.shipping.exporting import export_checkpoint
    given = {"name": name, "licence": licence, "citation": citation}
    changes = {key: text for key, text in given.items() if text is not None}
    done = export_checkpoint(source, target, fp16=fp16, half_weights=half_weights, **changes)
    warn(done.sentences)
    off = f"{done.psnr:.1f} dB" if fp16 or half_weights else f"{done.difference:.1e} of the range"
    reach = done.spec.radius if done.spec.radius == "global" else f"{done.spec.radius} px"
    say(
        f"{done.spec.name} in {done.spec.precision}: {off} from torch, receptive field "
        f"{reach}, {megabytes(target)} -> {target}"
    )
