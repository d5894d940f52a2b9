"""What a report says, read back: typed values in place of nested JSON.

Another version may have written the report, so whatever a run can be told without has a
default; what stands there has the right type, or the report is refused.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pydantic

from napari_microenhance.errors import MicroEnhanceError
from napari_microenhance.measure.noise import noise_in_words

__all__ = [
    "RecordError",
    "RecordedArray",
    "RecordedGroup",
    "RecordedIntensity",
    "RecordedMap",
    "RecordedNetwork",
    "RecordedNoise",
    "RecordedPatch",
    "RecordedPlan",
    "RecordedProvider",
    "RecordedRegion",
    "RecordedRepetition",
    "RecordedReport",
    "RecordedSeconds",
    "RecordedSpec",
    "parse_report",
]

SECTIONS: Final = ("model", "provider", "versions", "image", "roi", "options", "plan", "intensity")
"""Parts of a report that are objects, without which a run cannot be told."""

SHOWN: Final = 60
"""Characters of a damaged value that a sentence shows."""

Pairs = tuple[tuple[int, int], ...]


class RecordError(MicroEnhanceError, ValueError):
    """A file or a layer carries no record of a run, or a damaged one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedSpec:
    """What the network was taken for, as far as it is shown or asked for."""

    task: str = "image"
    axes_in: str = "YX"
    units: str = "input"
    value_range: tuple[float, float] = (0.0, 1.0)
    value_range_source: str = "default"
    output_range: tuple[float, float] | None = None
    output_range_source: str = "default"
    licence: str = ""
    citation: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedNetwork:
    """The network that ran."""

    name: str | None = None
    sha256: str | None = None
    source: str | None = None
    spec: RecordedSpec | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedProvider:
    """The execution provider that was asked for, and the one that ran."""

    asked: str | None = None
    got: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedArray:
    """The image that was read; the name is that of its file, where it came from one."""

    shape: tuple[int, ...] = ()
    axes: str | None = None
    dtype: str | None = None
    sha256: str | None = None
    name: str | None = None
    sampled_sha256: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedGroup:
    """Planes that have one region, kept as runs over its box.

    `planes` are places, axis letter -> index; `runs` is None where the box is full.
    """

    planes: tuple[dict[str, int], ...]
    box: Pairs
    runs: Any = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedRegion:
    """The region of interest: vertices, or runs over a box, or the whole image.

    `vertices` and `runs` may be long and are checked where they become a region. Where regions
    have planes of their own, `planes` has indices per axis for each polygon ({} for every
    plane), and masks are `groups`.
    """

    pixels: int = 0
    box: Pairs = ()
    whole_image: bool = False
    vertices: Sequence[Any] | None = None
    runs: Any = None
    runs_sha256: str | None = None
    planes: tuple[dict[str, tuple[int, ...]], ...] | None = None
    groups: tuple[RecordedGroup, ...] | None = None

    @property
    def outlines(self) -> int:
        """Number of polygons."""
        return len(self.vertices or ())

    @property
    def kind(self) -> str:
        """What it is, and on which planes, in words."""
        count = self.outlines
        kind = f"{count} outline{'s' * (count != 1)}" if count else "a mask"
        own: list[Mapping[str, Sequence[int]]] = [*(self.planes or ())]
        for group in self.groups or ():
            own += [{axis: (index,) for axis, index in place.items()} for place in group.planes]
        axes = dict.fromkeys(axis for place in own for axis in place)
        found = {a: sorted({i for place in own for i in place.get(a, ())}) for a in axes}
        words = ", ".join(f"{a} = {', '.join(map(str, found[a]))}" for a in axes)
        some = "some " if not all(own) else ""
        whose = "its" if count < 2 else "their"
        return f"{kind}, {some}on planes of {whose} own ({words})" if words else kind


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedPlan:
    """How the image was cut.

    `window` is (start, stop) per spatial axis of a preview, px; `statistics` what a network that
    normalises by the whole image took its numbers over.
    """

    tiles: int = 0
    pixels_roi: int | None = None
    pixels_computed: int | None = None
    tile_shape: tuple[int, ...] = ()
    halo: int | None = None
    blend: str | None = None
    memory_bytes: int | None = None
    window: Any = None
    statistics: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedIntensity:
    """The ends of the intensity map, image units, and where they came from."""

    low: float | tuple[float, ...] | None = None
    high: float | tuple[float, ...] | None = None
    network_range: tuple[float, float] = (0.0, 1.0)
    source: str = ""

    @property
    def ends(self) -> tuple[tuple[float, float], ...]:
        """(low, high) of each channel that has its own, or of all; empty where unknown."""
        if self.low is None or self.high is None:
            return ()
        return tuple(zip(_several(self.low), _several(self.high), strict=False))


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedNoise:
    """The noise of channels that the network saw at once, in the image's units."""

    channels: tuple[int, ...]
    sigma: float
    span: float | None = None
    reach_px: int = 1
    sure: bool = True

    def __str__(self) -> str:
        return noise_in_words(self.sigma, self.span, reach_px=self.reach_px, sure=self.sure)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedSeconds:
    """How long it took, s."""

    total: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedPatch:
    """The patch of the result: where it began (image px, per axis) and what it was."""

    shape: tuple[int, ...] = ()
    axes: str = ""
    dtype: str | None = None
    start: tuple[int, ...] = ()
    scale: float = 1.0
    sha256: str | None = None

    def __post_init__(self) -> None:
        if not len(self.shape) == len(self.axes) == len(self.start) or not self.scale > 0:
            raise ValueError(f"{self.shape} of {self.axes!r} from {self.start} by {self.scale}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedMap:
    """The number of a trust map, and how to read it."""

    summary: float | None = None
    unit: str = ""
    reading: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedRepetition:
    """What came of a repetition: whether its pixels were the recorded ones."""

    recorded_sha256: str | None = None
    identical: bool | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedReport:
    """A report of any version."""

    model: RecordedNetwork
    provider: RecordedProvider
    versions: Mapping[str, str]
    image: RecordedArray
    roi: RecordedRegion
    options: Mapping[str, Any]
    plan: RecordedPlan
    intensity: RecordedIntensity
    clipped: int | None = None
    tile_mismatch: float | None = None
    seconds: RecordedSeconds | None = None
    peak_bytes: int | None = None
    warnings: tuple[str, ...] = ()
    result: RecordedPatch | None = None
    trust: Mapping[str, RecordedMap] | None = None
    rerun: RecordedRepetition | None = None
    noise: tuple[RecordedNoise, ...] = ()


def parse_report(kept: Mapping[str, Any]) -> RecordedReport:
    """Return what a report says as values.

    Parameters
    ----------
    kept : mapping
        As `Report.to_dict` gives it, perhaps by another version.

    Raises
    ------
    RecordError
        If a part of it is missing or of another type.
    """
    for name in SECTIONS:
        if not isinstance(kept.get(name), Mapping):
            raise RecordError(
                f'The record has no "{name}": it is not the record of a run, or it is damaged.'
            )
    try:
        return _adapter().validate_python(dict(kept))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        names = (part for part in first["loc"] if isinstance(part, str) and part.isidentifier())
        where, found = ".".join(names), repr(first["input"])
        shown = found if len(found) <= SHOWN else f"{found[:SHOWN]}..."
        raise RecordError(f"The record is damaged: its {where} is {shown}.") from error


@functools.cache
def _adapter() -> pydantic.TypeAdapter[RecordedReport]:
    """Return what checks a report; building it takes as long as a small tile."""
    return pydantic.TypeAdapter(RecordedReport)


def _several(value: float | tuple[float, ...]) -> tuple[float, ...]:
    """Return one number or several as several."""
    return value if isinstance(value, tuple) else (value,)
