"""Probe: measure a network on small inputs and fill in its spec.

Nothing that can be measured is believed: which sizes it accepts, how far an input pixel
reaches, which tile starts and lengths leave the result unchanged.
"""

import dataclasses
import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import psutil

from napari_microenhance.engine.probing.attempts import try_run
from napari_microenhance.engine.probing.axes import Probed, measure_axes
from napari_microenhance.engine.probing.findings import Finding
from napari_microenhance.engine.probing.freed import freed_of
from napari_microenhance.engine.probing.opening import Opened, open_network
from napari_microenhance.engine.runtime.classes import Activation, missing_activation
from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.runtime.stages import enter_stage
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.errors import MemoryBudgetError, ModelLimitError

__all__ = ["EDITION", "Probed", "probe"]

EDITION = 6
"""Of the measurements: one more wherever a network is measured or described otherwise, so that
what was kept by an earlier version is measured again."""

MEMORY_PROBE_PX = 100_000
"""Pixels of the image that the working memory is measured on, at most."""

MEMORY_PROBE_SECONDS = 0.5
"""What that run may take; a network that needs longer needs memory that a smaller image shows."""

MEMORY_PROBE_LEAST_PX = 4_000

SPEED_PROBE_EDGE = 32
"""Edge of the image that shows how fast the network is, px."""

BYTES_LEAST = 64.0
"""Working memory per pixel below which the measurement is noise."""


def probe(session: Session, known: Mapping[str, Any]) -> Probed:
    """Measure a network.

    Parameters
    ----------
    session : Session
    known : mapping
        Fields of `ModelSpec` that need no measuring: name, value range and the like, and
        what the user chose where the file leaves a choice.

    Returns
    -------
    Probed
        The spec with layout, channels, sizes, scale, radius, shift step and memory.

    Raises
    ------
    ModelError
        If the network does not turn one image into one image.
    """
    at_first = _resident()
    enter_stage(2)
    opened = open_network(session, known)
    by_opening = (_resident() - at_first) / math.prod(opened.base)
    findings = _ends(session, opened.spec)
    # A network of fixed size has taken by now what it ever will. Others are measured on a
    # session of their own: memory that this one holds, it would not take again.
    enter_stage(3)
    fixed = all(rule.fixed for rule in opened.spec.size)
    measured = measure_axes(session if fixed else session.on("cpu"), opened)
    if fixed and (freed := freed_of(session, opened, measured)):
        session, measured, fixed = *freed, False
    findings += measured.findings
    spec = measured.spec
    if spec.task == "labels" and "activation" not in known:
        spec = dataclasses.replace(spec, activation=_activation(session, opened))
    memory = max(BYTES_LEAST, by_opening if fixed else _working_memory(session, spec))
    return Probed(dataclasses.replace(spec, bytes_per_pixel=memory), findings)


def _ends(session: Session, spec: ModelSpec) -> tuple[Finding, ...]:
    """Return what is to be said of further inputs and outputs."""
    found = [
        Finding("caution", f"The additional input {name} is set to {value:g}.", "inputs")
        for name, value, *_ in spec.constants
    ]
    others = [t.name for t in session.outputs if t.name != spec.output]
    if others:
        sentence = (
            f"Of its {len(session.outputs)} outputs, {spec.output} is used and "
            f"{', '.join(others)} ignored."
        )
        found.append(Finding("caution", sentence, "outputs"))
    if spec.extra_channels:
        sentence = (
            f"The last of its {spec.channels_in} input channels is not part of the image but "
            "a constant, such as a noise level; set it with extra_channel, in grey levels of "
            "the image."
        )
        found.append(Finding("info", sentence, "extra-channel"))
    return tuple(found)


def _activation(session: Session, opened: Opened) -> Activation:
    """Return what the output of a segmentation network lacks to be probabilities."""
    low, high = opened.spec.value_range
    image = np.random.default_rng(2).random((opened.spec.channels_in, *opened.base), np.float32)
    out = try_run(session, opened.spec, image * np.float32(high - low) + np.float32(low))
    return "none" if out is None else missing_activation(out)


def _resident() -> int:
    """Return the memory of this process, bytes."""
    return int(psutil.Process().memory_info().rss)


def _working_memory(session: Session, spec: ModelSpec) -> float:
    """Return the growth of this process, per pixel, when a larger image is run, bytes."""
    least = [rule.round_up(SPEED_PROBE_EDGE) for rule in spec.size]
    started = time.perf_counter()
    try_run(session, spec, np.zeros((spec.channels_in, *least), np.float32))
    per_pixel = (time.perf_counter() - started) / math.prod(least)
    affordable = int(MEMORY_PROBE_SECONDS / max(per_pixel, 1e-9))
    pixels = min(MEMORY_PROBE_PX, max(MEMORY_PROBE_LEAST_PX, affordable))
    edge = int(pixels ** (1 / len(spec.size)))
    before = _resident()
    while True:
        shape = [rule.round_up(edge) for rule in spec.size]
        image = np.zeros((spec.channels_in, *shape), np.float32)
        try:
            try_run(session, spec, image)
        except ModelLimitError:
            break  # a limit that is passed is one more measurement
        except MemoryBudgetError:
            # Attention takes the square of the pixels, so a smaller image may well fit.
            if edge < SPEED_PROBE_EDGE:
                raise
            edge //= 2
        else:
            break
    return (_resident() - before) / math.prod(shape)
