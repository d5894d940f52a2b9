"""`export-package`: a network for everybody who reads BioImage.IO packages."""

from pathlib import Path
from typing import Annotated

import typer

from napari_microenhance.cli.options import OVERWRITE
from napari_microenhance.cli.results import named_file
from napari_microenhance.cli.terminal import say, warn
from napari_microenhance.outputs import guard_output


def export_package_file(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Name of a built-in model, or a model file.")
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT.zip", help="The package to write.")],
    overwrite: OVERWRITE = False,
) -> None:
    """Write a model as a BioImage.IO package."""
    from napari_microenhance.api import load_model
    from napari_microenhance.models.bioimageio.packing import export_package

    inputs = {"MODEL": named_file(model)}
    guard_output(target, overwrite=overwrite, inputs=inputs, option="--overwrite")
    network = load_model(model)
    export_package(network, target, overwrite=overwrite)
    warn(network.findings)
    say(f"{network.name} -> {target}")
