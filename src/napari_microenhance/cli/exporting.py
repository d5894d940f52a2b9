"""`export` and `quantize`: from a checkpoint to a network file, and to its int8 twin."""

from pathlib import Path
from typing import Annotated

import typer

from napari_microenhance.cli.terminal import interruptible
from napari_microenhance.errors import OutputError

__all__ = ["export_file", "quantize_file"]

ENDING = ".onnx"


def export_file(
    source: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="A checkpoint, or the folder of a run.")
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT.onnx", help="The network.")],
    fp16: Annotated[bool, typer.Option("--fp16", help="Compute in float16.")] = False,
    half_weights: Annotated[
        bool,
        typer.Option(
            "--half-weights", help="Store weights in float16: half the file, computed as ever."
        ),
    ] = False,
    name: Annotated[str | None, typer.Option(help="Of the network; else the recipe's.")] = None,
    licence: Annotated[str | None, typer.Option(help="Of the network; else the recipe's.")] = None,
    citation: Annotated[
        str | None, typer.Option(help="What to cite for it; else the recipe's.")
    ] = None,
) -> None:
    """Write a trained network as an ONNX file, measured and compared with what was trained."""
    from napari_microenhance.cli.extras import extra

    with interruptible():
        _check_name(target)
        with extra("train"):
            from napari_microenhance.training.shipping.exporting import export_checkpoint
        given = {"name": name, "licence": licence, "citation": citation}
        changes = {key: text for key, text in given.items() if text is not None}
        done = export_checkpoint(source, target, fp16=fp16, half_weights=half_weights, **changes)
        _warn(done.sentences)
        off = (
            f"{done.psnr:.1f} dB" if fp16 or half_weights else f"{done.difference:.1e} of the range"
        )
        reach = done.spec.radius if done.spec.radius == "global" else f"{done.spec.radius} px"
        typer.echo(
            f"{done.spec.name} in {done.spec.precision}: {off} from torch, reach {reach}, "
            f"{_megabytes(target)} -> {target}"
        )


def quantize_file(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Name of a built-in network, or its file.")
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="NAME.int8.onnx beside NAME.onnx makes a twin.")
    ],
    calibration: Annotated[
        list[Path] | None,
        typer.Option(
            help="Image or folder of images such as the network will meet, once or more often; "
            "simulated ones without it."
        ),
    ] = None,
) -> None:
    """Write a network's int8 twin, unless it is too far from the network itself."""
    from napari_microenhance.api import load_model
    from napari_microenhance.cli.extras import extra

    with interruptible():
        _check_name(target)
        network = load_model(model)
        if target.exists() and target.samefile(network.path):
            raise OutputError(f"OUT is the network itself ({target}); name another file.")
        with extra("train"):
            from napari_microenhance.training.shipping.quantizing import quantise
        done = quantise(network, target, calibration or [])
        _warn(done.sentences)
        before, after = done.seconds
        size = " x ".join(map(str, done.timed_px))
        typer.echo(
            f"{network.name} in int8: {done.psnr:.1f} dB from float32 on {done.images} images "
            f"({done.worst:.1f} dB on the worst), {done.speed:.2f} times as fast ({before:.3f} s "
            f"and {after:.3f} s for {size} px), {_megabytes(target)} -> {target}"
        )


def _check_name(target: Path) -> None:
    """Raise unless a network can be written there, before hours of work or seconds are lost."""
    from napari_microenhance.files import check_target

    if target.suffix.lower() != ENDING:
        raise OutputError(f"A network is an ONNX file; name it {target.stem}.onnx.")
    check_target(target)


def _warn(sentences: tuple[str, ...]) -> None:
    """Say what the user should know of a network."""
    for sentence in sentences:
        typer.echo(" ".join(["Warning:", *sentence.split()]), err=True)


def _megabytes(path: Path) -> str:
    """Return the size of a file in words."""
    return f"{path.stat().st_size / 1e6:.1f} MB"
