"""Report: what was done, with which numbers."""

import dataclasses
import importlib.metadata
import platform
from typing import Any

import numpy as np

__all__ = ["Report", "versions"]


def versions(**more: str) -> dict[str, str]:
    """Return the versions that a result depends on."""
    return {
        "napari-microenhance": importlib.metadata.version("napari-microenhance"),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        **more,
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """The record of one run; plain values only.

    Parameters
    ----------
    model : dict
        name, sha256, source, and the `spec` that was used.
    provider : dict
        asked, got, parity (of another provider than the CPU: max_difference from it on one
        tile, in parts of the network's range, and whether all values were finite).
    versions : dict
    image : dict
        shape, axes, dtype, sha256 (of the pixels in C order; null where not taken).
    roi : dict
        pixels, box, and vertices or a run-length mask.
    options : dict
    plan : dict
        tiles, tile_shape (largest, px), halo (px), blend, pixels_computed (network input
        pixels with halos, all planes), pixels_roi (all planes), planes.
    intensity : dict
        low, high (a number, or one per channel), network_range, source of the numbers;
        where a package prescribes them, its steps with the numbers fitted for them.
    clipped : int
        Values in the ROI that were clipped to the result's number type.
    tile_mismatch : float or None
        Largest difference between two tiles over the pixels that both are trusted for, in
        units of the network's range; None without seams.
    seconds : dict
        total (wall), session (wall with a network call in flight), first_tile, and,
        apart from them, probe; s.
    peak_bytes : int
        Growth of this process's memory during the run.
    warnings : list of str
    """

    model: dict[str, Any]
    provider: dict[str, Any]
    versions: dict[str, str]
    image: dict[str, Any]
    roi: dict[str, Any]
    options: dict[str, Any]
    plan: dict[str, Any]
    intensity: dict[str, Any]
    clipped: int
    tile_mismatch: float | None
    seconds: dict[str, float | None]
    peak_bytes: int
    warnings: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return dataclasses.asdict(self)

    def summary(self) -> str:
        """Return one line that says what ran: network, provider, tiles, time."""
        tiles = self.plan["tiles"]
        shape = " x ".join(str(n) for n in self.plan["tile_shape"])
        return (
            f"{self.model['name']} on {self.provider['got']}: {tiles} tile{'s' * (tiles != 1)} "
            f"of up to {shape} px, {self.plan['pixels_roi']:,} ROI px "
            f"in {self.seconds['total']:.1f} s"
        )
