"""`quantize`: the int8 twin of a network."""

from pathlib import Path
from typing import Annotated

import typer

from napari_microenhance.cli.networks import check_network_name, megabytes
from napari_microenhance.cli.options import OVERWRITE
from napari_microenhance.cli.terminal import say, warn
from napari_microenhance.outputs import guard_inputs, guard_output


def quantize_file(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Name of a built-in model, or a model file.")
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="The int8 file to write; NAME.int8.onnx beside NAME.onnx becomes its int8 "
            "version.",
        ),
    ],
    calibration: Annotated[
        list[Path] | None,
        typer.Option(
            help="Image or folder of images like those the model will see, repeatable; "
            "without it simulated images."
        ),
    ] = None,
    overwrite: OVERWRITE = False,
) -> None:
    """Write an int8 version of a model, if it is close enough."""
    from napari_microenhance.api import load_model
    from napari_microenhance.cli.extras import extra

    check_network_name(target)
    images = {f"--calibration {path}": path for path in calibration or []}
    guard_inputs(target, images)
    network = load_model(model)
    guard_output(
        target, overwrite=overwrite, inputs={"the model": network.path}, option="--overwrite"
    )
    with extra("train"):
        from napari_microenhance.training.shipping.quantizing import quantise
    done = quantise(network, target, calibration or [])
    warn(done.sentences)
    before, after = done.seconds
    size = " x ".join(map(str, done.timed_px))
    say(
        f"{network.name} in int8: {done.psnr:.1f} dB from float32 on {done.images} images "
        f"({done.worst:.1f} dB on the worst), {done.speed:.2f} times as fast ({before:.3f} s "
        f"and {after:.3f} s for {size} px), {megabytes(target)} -> {target}"
    )
