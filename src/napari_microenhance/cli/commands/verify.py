"""`verify`: whether a package still gives what it promises."""

from typing import Annotated, Final

import typer

from napari_microenhance.cli.terminal import say
from napari_microenhance.errors import ModelError

SHARE: Final = 1e-2
"""Difference from a test output, in parts of its largest value, that no runtime explains."""


def verify_package(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A BioImage.IO package.")],
) -> None:
    """Check a BioImage.IO package against its test tensors."""
    from napari_microenhance.api import load_model

    network = load_model(model)
    report = network.verify()
    share = f"{report.max_abs_difference:.3g} (largest value {report.largest:.3g})"
    if report.max_abs_difference > SHARE * report.largest:
        raise ModelError(
            f"{network.name} differs by {share} from the test output of its package; its "
            "weights or its description are not the ones that were tested."
        )
    say(f"{network.name} reproduces the test output of its package to within {share}.")
