"""The sections of a report: frozen values with names, each of them plain JSON as well."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Final

from napari_microenhance.engine.place import Place
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.types import Box, JsonObject

__all__ = [
    "ImageSection",
    "IntensitySection",
    "ModelSection",
    "NoiseSection",
    "PlanSection",
    "ProviderSection",
    "RerunSection",
    "ResultSection",
    "SecondsSection",
    "Section",
]

Numbers = float | tuple[float, ...]
"""One number, or one per channel."""

LEFT_OUT: Final = {"left out": True}
"""Metadata of a field that is not written where it is None."""


class Section(Mapping[str, Any]):
    """A part of a report; its values are attributes, and items by the names they are written as.

    Children are frozen dataclasses with ``eq=False``: a section equals the mapping that it is.
    """

    def to_dict(self) -> JsonObject:
        """Return the section as plain JSON values."""
        found: JsonObject = {}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value is not None or not field.metadata:
                found[field.name] = _plain(value)
        return found

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - of several types, by name
        return self.to_dict()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_dict())

    def __len__(self) -> int:
        return len(self.to_dict())


def _plain(value: object) -> object:
    """Return a value of a section as JSON has it."""
    if isinstance(value, ModelSpec):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ModelSection(Section):
    """The network that ran.

    Parameters
    ----------
    name, sha256, source : str
        The hash is that of the file that ran.
    precision : str
        Type of the numbers that it computed with.
    spec : ModelSpec
        How it was understood.
    """

    name: str
    sha256: str
    source: str
    precision: str
    spec: ModelSpec


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ProviderSection(Section):
    """The execution provider.

    Parameters
    ----------
    asked, got : str
    parity : dict or None
        Of another provider than the CPU: max_difference from it on one tile, in parts of the
        network's range, and whether all values were finite.
    """

    asked: str
    got: str
    parity: JsonObject | None = dataclasses.field(default=None, metadata=LEFT_OUT)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ImageSection(Section):
    """The image.

    Parameters
    ----------
    shape : tuple of int
    axes, dtype : str
    sha256 : str or None
        Of the pixels in C order; None where not taken.
    name : str or None
        Of its file, without folders, where one is known.
    sampled_sha256 : str or None
        Of fixed blocks of an image that is too large, or lies elsewhere, to be hashed as a whole.
    """

    shape: tuple[int, ...]
    axes: str
    dtype: str
    sha256: str | None
    name: str | None = dataclasses.field(default=None, metadata=LEFT_OUT)
    sampled_sha256: str | None = dataclasses.field(default=None, metadata=LEFT_OUT)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class PlanSection(Section):
    """How the image was cut.

    Parameters
    ----------
    tiles : int
        Of all planes and channels that run apart.
    tile_shape : tuple of int
        Of the largest, px.
    halo : int
        px.
    blend : {"crop", "linear", "gaussian"}
    pixels_computed : int
        Network input pixels with halos, all planes.
    pixels_roi : int
        All planes.
    planes : int
    memory_bytes : int
        What the tile size was chosen for.
    window : Box or None
        Of a preview: (start, stop) per spatial axis, px.
    statistics : {"image", "roi", "tile"} or None
        Over which pixels a network of radius "global" took its statistics; None: it is finite.
    kept : {"memory", "disk", "nowhere"} or None
        Where its groups of layers left their tensors, or None where it ran as a whole.
    """

    tiles: int
    tile_shape: tuple[int, ...]
    halo: int
    blend: str
    pixels_computed: int
    pixels_roi: int
    planes: int
    memory_bytes: int
    window: Box | None = None
    statistics: str | None = None
    kept: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class IntensitySection(Section):
    """The straight line from image values to the network's.

    Parameters
    ----------
    low, high : float or tuple of float
        Image values at the ends of the network's range, one pair or one per channel.
    network_range : tuple of float
    source : str
        Of the numbers.
    steps : tuple of dict or None
        A package's own steps with the numbers fitted for them.
    sampled : dict or None
        How many planes, rows and columns of blocks the numbers are of, and how many pixels that
        is, where the image is too large to be looked at as a whole.
    """

    low: Numbers
    high: Numbers
    network_range: tuple[float, float]
    source: str
    steps: tuple[JsonObject, ...] | None = dataclasses.field(default=None, metadata=LEFT_OUT)
    sampled: JsonObject | None = dataclasses.field(default=None, metadata=LEFT_OUT)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class NoiseSection(Section):
    """The noise found in the channels that the network saw at once, in the image's units.

    Parameters
    ----------
    channels : tuple of int
    sigma : float
        Standard deviation at the levels that the image has.
    span : float or None
        What the network's range spans; None where it has none.
    correlation : tuple of float
        With the next pixel along y and along x.
    reach_px : int
        How far pixels are alike; 1 of white noise.
    sure : bool
        False where fine structure may have been counted.
    offset, gain, read : float
        Level of the dark parts, rise of the variance with the level, standard deviation in the
        dark.
    rows, columns : float
        Standard deviation of the offsets of whole rows and columns.
    clipped : tuple of float
        Share of pixels piled up at the lowest and at the highest value.
    step : float
        Between neighbouring values; 0 where there is no fixed one.
    """

    channels: tuple[int, ...]
    sigma: float
    span: float | None
    correlation: tuple[float, float]
    reach_px: int
    sure: bool
    offset: float
    gain: float
    read: float
    rows: float
    columns: float
    clipped: tuple[float, float]
    step: float


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SecondsSection(Section):
    """What took how long, s.

    Parameters
    ----------
    total : float
        Wall time.
    session : float
        Wall time with a network call in flight.
    first_tile : float or None
    probe : float
        Opening and measuring the network; not part of the total.
    """

    total: float
    session: float
    first_tile: float | None
    probe: float


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ResultSection(Section):
    """The patch.

    Parameters
    ----------
    shape : tuple of int
        result px.
    axes, dtype : str
    start : tuple of int
        First pixel, one per axis, image px.
    scale : float
        Result pixels per image pixel.
    sha256 : str or None
        Of its pixels in C order; None where not taken.
    """

    shape: tuple[int, ...]
    axes: str
    dtype: str
    start: tuple[int, ...]
    scale: float
    sha256: str | None

    def place(self, spec: ModelSpec) -> Place:
        """Return where the patch lies, the network being known."""
        return Place(self.axes, self.start, self.shape, spec.spatial, spec.ratio)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class RerunSection(Section):
    """What came of the repetition of a recorded run.

    Parameters
    ----------
    recorded_sha256 : str or None
        That of the recorded patch.
    identical : bool or None
        Whether this one equals it; None where one of the two was not taken.
    """

    recorded_sha256: str | None
    identical: bool | None
