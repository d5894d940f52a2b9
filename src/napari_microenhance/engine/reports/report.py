"""Report: what was done, with which numbers."""

import dataclasses
import functools
import hashlib
import importlib.metadata
import platform
from collections.abc import Iterable
from typing import Any, Final, Self

import numpy as np

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.engine.place import Place
from napari_microenhance.engine.reports.report_sections import (
    ImageSection,
    IntensitySection,
    ModelSection,
    NoiseSection,
    PlanSection,
    ProviderSection,
    RerunSection,
    ResultSection,
    SecondsSection,
    Section,
)
from napari_microenhance.types import JsonObject

__all__ = ["HASH_BYTES_MOST", "RECORD_KEY", "Report", "fingerprint", "versions"]

RECORD_KEY: Final = "napari-microenhance"
"""Under which a layer's metadata and a file keep a report."""

HASH_BYTES_MOST = 1 << 30
"""Larger arrays are not hashed: it would take longer than a small ROI."""


def _copied(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a value as JSON has it; `copy.deepcopy` takes seconds for a million vertices."""
    if isinstance(value, Section):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_copied(part) for part in value]
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_copied(part) if isinstance(part, list | dict) else part for part in value]
    return value


def fingerprint(pixels: object) -> str | None:
    """Return the SHA-256 of pixels in C order; None for lazy or very large ones.

    Parameters
    ----------
    pixels : array-like
        An ndarray of up to `HASH_BYTES_MOST` bytes is hashed.
    """
    if not isinstance(pixels, np.ndarray) or pixels.nbytes > HASH_BYTES_MOST:
        return None
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()


def versions(**more: str) -> dict[str, str]:
    """Return the versions that a result depends on."""
    return {
        "napari-microenhance": _own_version(),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        **more,
    }


@functools.cache
def _own_version() -> str:
    """Return our version; looking it up takes as long as a small tile."""
    return importlib.metadata.version("napari-microenhance")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """The record of one run; `to_dict` gives it as plain JSON values.

    Parameters
    ----------
    model : ModelSection
    provider : ProviderSection
    versions : dict of str to str
        Of what a result depends on.
    image : ImageSection
    roi : dict
        pixels, box, and vertices or a run-length mask, as `Selection.to_dict` gives them.
    options : dict
        As they were asked for, as `Options.to_dict` gives them.
    plan : PlanSection
    intensity : IntensitySection
    clipped : int
        Values in the ROI that were clipped to the result's number type.
    tile_mismatch : float or None
        Largest difference between two tiles over the pixels that both are trusted for, in
        units of the network's range; None without seams.
    seconds : SecondsSection
    peak_bytes : int
        Growth of this process's memory during the run.
    warnings : list of str
    result : ResultSection
    trust : dict
        For each trust map that was made of the result: its summary number and what it means.
    rerun : RerunSection or None
        Of the repetition of a recorded run.
    noise : tuple of NoiseSection
        Of the image, of each group of channels that ran apart; empty of previews, and where it
        cannot be found.
    """

    model: ModelSection
    provider: ProviderSection
    versions: dict[str, str]
    image: ImageSection
    roi: JsonObject
    options: JsonObject
    plan: PlanSection
    intensity: IntensitySection
    clipped: int
    tile_mismatch: float | None
    seconds: SecondsSection
    peak_bytes: int
    warnings: list[str]
    result: ResultSection
    trust: JsonObject = dataclasses.field(default_factory=dict)
    rerun: RerunSection | None = None
    noise: tuple[NoiseSection, ...] = ()

    @property
    def place(self) -> Place:
        """Where the patch lies."""
        return self.result.place(self.model.spec)

    def warned(self, more: Iterable[Caution | str]) -> Self:
        """Return the report with further warnings."""
        said = [str(caution) for caution in more]
        return dataclasses.replace(self, warnings=[*self.warnings, *said])

    def noted(self, noise: Iterable[NoiseSection]) -> Self:
        """Return the report with the noise of the image."""
        return dataclasses.replace(self, noise=tuple(noise))

    def named(self, image: str) -> Self:
        """Return the report with the name of the image's file, without folders."""
        return dataclasses.replace(self, image=dataclasses.replace(self.image, name=image))

    def to_dict(self) -> JsonObject:
        """Return the report as plain JSON values."""
        found: JsonObject = {}
        for field in dataclasses.fields(self):
            found[field.name] = _copied(getattr(self, field.name))
        return found

    def summary(self) -> str:
        """Return one line that says what ran: network, provider, tiles, time."""
        tiles = self.plan.tiles
        shape = " x ".join(str(n) for n in self.plan.tile_shape)
        return (
            f"{self.model.name} on {self.provider.got}: {tiles} "
            f"{'tile of' if tiles == 1 else 'tiles of up to'} {shape} px, "
            f"{self.plan.pixels_roi:,} ROI px in {self.seconds.total:.1f} s"
        )
