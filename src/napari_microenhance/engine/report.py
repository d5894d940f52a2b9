"""Report: what was done, with which numbers."""

import dataclasses
import functools
import hashlib
import importlib.metadata
import platform
from typing import Any

import numpy as np

__all__ = ["HASH_BYTES_MOST", "Report", "fingerprint", "versions"]

HASH_BYTES_MOST = 1 << 30
"""Larger arrays are not hashed: it would take longer than a small ROI."""


def fingerprint(pixels: Any) -> str | None:  # noqa: ANN401 - any array-like
    """Return the SHA-256 of pixels in C order; None for lazy or very large ones."""
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
    """The record of one run; plain values only.

    Parameters
    ----------
    model : dict
        name, sha256 (of the file that ran), source, precision, and the `spec` that was used.
    provider : dict
        asked, got, parity (of another provider than the CPU: max_difference from it on one
        tile, in parts of the network's range, and whether all values were finite).
    versions : dict
    image : dict
        shape, axes, dtype, sha256 (of the pixels in C order; null where not taken); the name
        of its file where one is known.
    roi : dict
        pixels, box, and vertices or a run-length mask.
    options : dict
    plan : dict
        tiles, tile_shape (largest, px), halo (px), blend, pixels_computed (network input
        pixels with halos, all planes), pixels_roi (all planes), planes, memory_bytes (what the
        tile size was chosen for), window (of a preview: (start, stop) per spatial axis, px).
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
    result : dict
        Of the patch: shape, axes, dtype, start (input px, per axis), scale, and sha256 of its
        pixels in C order, null where not taken.
    trust : dict
        For each trust map that was made of the result: its summary number and what it means.
    rerun : dict or None
        Of the repetition of a recorded run: recorded_sha256, that of the recorded patch, and
        identical, whether this one equals it; null where one was not taken.
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
    result: dict[str, Any] = dataclasses.field(default_factory=dict)
    trust: dict[str, Any] = dataclasses.field(default_factory=dict)
    rerun: dict[str, Any] | None = None

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
