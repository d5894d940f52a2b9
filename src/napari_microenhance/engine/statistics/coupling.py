"""How a network couples its pixels, found when it is opened."""

from pathlib import Path
from typing import Literal

from napari_microenhance.engine.spec import GLOBAL, ModelSpec
from napari_microenhance.engine.statistics.coupled import CoupledNetwork
from napari_microenhance.engine.statistics.coupled_feed import check_groups
from napari_microenhance.engine.statistics.network_graph import CutError
from napari_microenhance.errors import MemoryBudgetError, ModelError

__all__ = ["find_coupling"]


def find_coupling(
    source: Path | bytes, spec: ModelSpec
) -> tuple[Literal["", "numbers", "pixels"], str]:
    """Try to run a network in groups of layers, and compare with one call on a small image.

    Parameters
    ----------
    source : Path or bytes
        Its ONNX file, found harmless.
    spec : ModelSpec

    Returns
    -------
    tuple of str
        Empty for a finite network; "numbers" where the groups give the same; "pixels" where they
        do not, and why.
    """
    if spec.radius != GLOBAL:
        return "", ""
    try:
        check_groups(CoupledNetwork(source, spec))
    except (CutError, ModelError, MemoryBudgetError) as error:
        return "pixels", str(error)
    return "numbers", ""
