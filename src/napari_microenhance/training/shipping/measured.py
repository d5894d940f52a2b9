"""Probing: a network measured in a process of its own.

This one has trained or run networks before, and holds memory that the measured network
would not have to take again.
"""

import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from napari_microenhance.engine.probing.probe import Probed, probe
from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.errors import ModelError

__all__ = ["probe_apart"]


def probe_apart(model: bytes, known: Mapping[str, Any]) -> Probed:
    """Measure a network.

    Parameters
    ----------
    model : bytes
        The ONNX file.
    known : mapping
        Fields of `ModelSpec` that need no measuring, the name among them.

    Returns
    -------
    Probed

    Raises
    ------
    ModelError
        If the network does not turn one image into one image, or ends the process.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_measured, model, dict(known)).result()
        except BrokenProcessPool as error:
            raise ModelError(
                f"The model {known['name']} crashes the process that runs it; it may need "
                "more memory than there is."
            ) from error


def _measured(model: bytes, known: dict[str, Any]) -> Probed:
    """Measure a network here."""
    return probe(Session(model, name=known["name"]), known)
