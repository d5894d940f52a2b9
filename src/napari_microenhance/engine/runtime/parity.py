"""Parity: how far one small tile on a provider is from the CPU; run as a program by `providers`.

Started as ``python -m napari_microenhance.engine.runtime.parity QUESTION ANSWER``, both JSON files.
"""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydantic

from napari_microenhance.engine.runtime.providers import Parity
from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.errors import MicroEnhanceError

__all__ = ["compare", "main"]

EDGE_PX = 64
"""Of the tile, where the network takes it."""


def main(question: Path, answer: Path) -> None:
    """Answer a question.

    Parameters
    ----------
    question, answer : Path
        Of JSON files; the second one is written.
    """
    asked: dict[str, Any] = json.loads(question.read_text(encoding="utf-8"))
    spec = pydantic.TypeAdapter(ModelSpec).validate_python(asked["spec"])
    trial = compare(Path(asked["model"]), str(asked["provider"]), spec)
    answer.write_text(json.dumps(dataclasses.asdict(trial)), encoding="utf-8")


def compare(model: Path, provider: str, spec: ModelSpec) -> Parity:
    """Run a tile of random values on a provider and on the CPU.

    Parameters
    ----------
    model : Path
    provider : str
        A key of `PROVIDERS`.
    spec : ModelSpec

    Returns
    -------
    Parity
    """
    low, high = spec.value_range
    shape = (spec.batch or 1, spec.channels_in, *(rule.round_up(EDGE_PX) for rule in spec.size))
    tile = np.random.default_rng(4).random(shape, np.float32) * np.float32(high - low)
    tile += np.float32(low)
    got = ""
    try:
        session = Session(model, name=spec.name, provider=provider, freed=spec.freed)
        got = session.got
        there = session.run(tile, spec)
        cpu = session.on("cpu")
        here, again = cpu.run(tile, spec), cpu.run(tile, spec)
    except MicroEnhanceError as error:
        return Parity(got, error=str(error).rstrip("."))
    if not np.isfinite(here).all() or not np.array_equal(here, again):
        return Parity(got)  # nothing to compare with
    if not np.isfinite(there).all():
        return Parity(got, finite=False)
    span = max(high - low, float(np.ptp(here)))
    return Parity(got, difference=float(np.abs(there - here).max()) / span)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
